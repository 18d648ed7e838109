"""How a run beside another torch becomes a row of the page."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.compat import PAGE, ROOT, Outcome, Share, with_packages, with_row
from tests.processes import run

_REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_torchvision" name="test_a"/>
<testcase classname="tests.test_meta" name="test_b"/>
<testcase classname="tests.test_meta" name="test_c"><failure message="no"/></testcase>
<testcase classname="tests.test_meta" name="test_d"><error message="no"/></testcase>
<testcase classname="OTHERS" name="ROWS[timm lcnet-035 x-eval]"/>
<testcase classname="OTHERS" name="ROWS[timm b-eval]"><failure/></testcase>
<testcase classname="OTHERS" name="test_what_letters_claim_is_right[timm b]"/>
<testcase classname="OTHERS" name="ROWS[snntorch c-train]"/>
<testcase classname="OTHERS" name="ROWS[gone d-eval]"><skipped/></testcase>
<testcase classname="tests.test_cuda" name="test_e"><skipped message="needs a CUDA device"/></testcase>
<testcase classname="tests.test_cuda" name="test_f"><skipped message="needs a CUDA device"/></testcase>
</testsuite></testsuites>""".replace("OTHERS", "tests.test_other_packages").replace(
    "ROWS", "test_rows_are_what_plain_hooks_see"
)


@pytest.mark.parametrize("name", ["benchmarks", "docs", "examples", "tests"])
def test_another_package_may_bring_a_folder_of_the_same_name(name: str, tmp_path: Path) -> None:
    other = tmp_path / name / "__init__.py"
    other.parent.mkdir()
    other.touch()
    code = f"import sys; sys.path[:0] = sys.argv[1:]; import conftest, {name}; print(*{name}.__path__)"
    assert run(sys.executable, "-c", code, ROOT, tmp_path).stdout.strip() == str(ROOT / name)


def test_what_a_report_counts(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(_REPORT)
    outcome = Outcome.read(report)
    assert outcome.passed == 5
    failed = "tests.test_other_packages::test_rows_are_what_plain_hooks_see[timm b-eval]"
    assert outcome.failed == ("tests.test_meta::test_c", "tests.test_meta::test_d", failed)
    assert outcome.skipped == {"needs a CUDA device": 2, "without a reason": 1}
    assert outcome.vision == 1
    assert outcome.packages == {
        "timm": {"in evaluation": (1, 2), "with letters": (1, 1)},
        "snntorch": {"in training": (1, 1)},
    }


def test_rows_of_packages_are_sorted_and_replaced() -> None:
    head, mark, rest = PAGE.read_text(encoding="utf-8").partition("<!-- packages -->")
    first, second, *_ = rest.strip().splitlines()
    page = f"{head}{mark}\n{first}\n{second}\n\nwords\n"
    known = {"timm": ("timm", "1.0.31"), "torch_geometric": ("torch_geometric", "2.8.1")}
    shares = {"in evaluation": Share(9, 10), "with letters": Share(8, 8)}
    empty = Outcome(0, (), Counter(), 0, {})
    for torch in ("2.14.1", "2.9.1"):
        page = with_packages(page, (torch, "3.11.7"), empty._replace(packages=dict.fromkeys(known, shares)), known)
    later = {"timm": {"in evaluation": Share(10, 10), "in training": Share(1, 2)}}
    page = with_packages(page, ("2.14.1", "3.11.7"), empty._replace(packages=later), {"timm": ("timm", "1.1")})
    table = [
        "| timm | 1.0.31 | 2.9.1 | 3.11.7 | 9 of 10 |  | 8 of 8 |",
        "| timm | 1.1 | 2.14.1 | 3.11.7 | 10 of 10 | 1 of 2 |  |",
        "| torch_geometric | 2.8.1 | 2.9.1 | 3.11.7 | 9 of 10 |  | 8 of 8 |",
        "| torch_geometric | 2.8.1 | 2.14.1 | 3.11.7 | 9 of 10 |  | 8 of 8 |",
    ]
    assert page == "\n".join([f"{head}{mark}", first, second, *table, "", "words", ""])


def test_rows_are_sorted_by_version_and_replaced() -> None:
    head = PAGE.read_text(encoding="utf-8").partition("<!-- rows -->")[0]
    good = Outcome(7, (), Counter({"no GPU": 3}), 2, {})
    page = with_row(head, ("2.14.1", "0.29.1", "3.11.7"), good, [])
    page = with_row(page, ("2.6.0", "0.21.0", "3.11.7"), Outcome(5, ("tests.x::y",), Counter(), 0, {}), ["a note"])
    page = with_row(page, ("2.6.0", "none", "3.13.0"), good, [])
    assert page.startswith(head)
    rows = [line for line in page.splitlines() if line.startswith("| 2.")]
    assert rows == [
        "| 2.6.0 | 0.21.0 | 3.11.7 | 5 | 1 | 0 | 0 |",
        "| 2.6.0 | none | 3.13.0 | 7 | 0 | 3 | 2 |",
        "| 2.14.1 | 0.29.1 | 3.11.7 | 7 | 0 | 3 | 2 |",
    ]
    assert "### torch 2.6.0, Python 3.11.7\n\n- failed: `tests.x::y`\n- a note\n\n" in page
    page = with_row(page, ("2.6.0", "0.21.0", "3.11.7"), good, [])
    assert "| 2.6.0 | 0.21.0 | 3.11.7 | 7 | 0 | 3 | 2 |" in page
    assert "tests.x::y" not in page
    assert page.count("### ") == 3
    assert page.count("- skipped, 3: no GPU") == 3
