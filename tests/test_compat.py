"""How a run beside another torch becomes a row of the page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.compat import PAGE, Outcome, with_row

_REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_torchvision" name="test_a"/>
<testcase classname="tests.test_meta" name="test_b"/>
<testcase classname="tests.test_meta" name="test_c"><failure message="no"/></testcase>
<testcase classname="tests.test_meta" name="test_d"><error message="no"/></testcase>
<testcase classname="tests.test_cuda" name="test_e"><skipped message="needs a CUDA device"/></testcase>
<testcase classname="tests.test_cuda" name="test_f"><skipped message="needs a CUDA device"/></testcase>
</testsuite></testsuites>"""


def test_what_a_report_counts(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(_REPORT)
    outcome = Outcome.read(report)
    assert outcome.passed == 2
    assert outcome.failed == ("tests.test_meta::test_c", "tests.test_meta::test_d")
    assert outcome.skipped == {"needs a CUDA device": 2}
    assert outcome.vision == 1


def test_rows_are_sorted_by_version_and_replaced() -> None:
    head = PAGE.read_text(encoding="utf-8").partition("<!-- rows -->")[0]
    good = Outcome(7, (), Counter({"no GPU": 3}), 2)
    page = with_row(head, ("2.14.1", "0.29.1", "3.11.7"), good, [])
    page = with_row(page, ("2.6.0", "0.21.0", "3.11.7"), Outcome(5, ("tests.x::y",), Counter(), 0), ["a note"])
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
