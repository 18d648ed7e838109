"""``convlin annotate`` and ``convlin check --comments``: shape comments written, read back, and broken on purpose."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from convlin import InputError, ShapeError, summarize
from convlin.annotate.holding import letters_of
from convlin.annotate.lines import together
from convlin.annotate.stale import Checked, check_comments
from convlin.cli import annotating, main
from convlin.cli.jobs import Looked, look
from convlin.records import Report
from examples import cifar10, small_cnn
from tests import annotated_models
from tests.traced_lines import traced

#: The module (by its name, where another package takes seconds to be imported), the class and what it is given.
MODELS: dict[str, tuple[ModuleType | str, str, list[str]]] = {
    "small": (small_cnn, "CNN", ["3,32,32"]),
    "cifar": (cifar10, "CNN", ["3,32,32"]),
    "unet": (annotated_models, "UNet", ["3,H,W"]),
    "transformer": (annotated_models, "Transformer", ["L", "--dtypes", "long"]),
    "branches": (annotated_models, "Branches", ["3,H,W"]),
    "densenet": ("monai.networks.nets.densenet", "DenseNet", ["3,H,W"]),
}
#: What a model is made with.
MADE_WITH: dict[str, dict[str, Any]] = {
    "densenet": {
        "spatial_dims": 2, "in_channels": 3, "out_channels": 5,
        "init_features": 8, "growth_rate": 4, "block_config": (2, 2),
    },
}  # fmt: skip
#: Sizes at which the comments of a model are evaluated.
SIZES: dict[str, list[dict[str, int]]] = {
    "small": [{"N": n} for n in (1, 2, 3, 4, 5, 7, 8, 16, 31, 64)],
    "cifar": [{"N": n} for n in (1, 2, 3, 4, 5, 7, 8, 16, 31, 64)],
    "unet": [
        {"N": n, "H": 4 * h, "W": 4 * w}
        for n, h, w in [
            *[(1, 1, 1), (1, 1, 2), (2, 3, 1), (3, 4, 4), (1, 7, 5)],
            *[(1, 9, 2), (2, 2, 11), (4, 5, 3), (1, 16, 8), (1, 3, 25)],
        ]
    ],
    "transformer": [
        {"N": n, "L": length}
        for n, length in zip((1, 2, 3, 1, 4, 2, 1, 5, 2, 1), (1, 2, 3, 7, 16, 31, 32, 33, 63, 64), strict=True)
    ],
    "branches": [
        {"N": n, "H": h, "W": w}
        for n, h, w in [
            *[(1, 3, 4), (2, 5, 8), (1, 6, 7), (3, 31, 9), (1, 17, 64)],
            *[(2, 4, 4), (1, 32, 33), (4, 10, 3), (1, 63, 65), (2, 28, 28)],
        ]
    ],
    "densenet": [
        {"N": n, "H": h, "W": w}
        for n, h, w in [
            *[(1, 8, 8), (2, 32, 32), (1, 33, 31), (3, 17, 64), (1, 65, 63)],
            *[(2, 8, 100), (1, 127, 16), (1, 224, 32), (4, 11, 9), (1, 10, 97)],
        ]
    ],
}


def copied(module: ModuleType | str, folder: Path) -> Path:
    module = importlib.import_module(module) if isinstance(module, str) else module
    file = folder / Path(str(module.__file__)).name
    file.write_bytes(Path(str(module.__file__)).read_bytes())
    return file


def loaded(file: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(f"loaded_{abs(hash(str(file)))}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def tree(data: bytes) -> str:
    return ast.dump(ast.parse(data))


def shape_comments(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, shapes and whether it stands alone, by a reader of this test's own."""
    with file.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            match = re.match(r"# (\(.*\))", token.string) if token.type == tokenize.COMMENT else None
            if match is not None:
                yield token.start[0], match.group(1), not token.line[: token.start[1]].strip()


def evaluated(text: str, sizes: Mapping[str, int]) -> set[tuple[tuple[int | None, ...], ...]]:
    """The results that a comment stands for at some sizes, computed by Python itself."""
    found = set()
    for part in text.split(" | "):
        value = eval(f"[{part}]", {}, dict(sizes))
        found.add(tuple(tuple(shape) for shape in value))
    return found


def agrees(comment: tuple[tuple[int | None, ...], ...], really: tuple[tuple[int, ...], ...]) -> bool:
    return len(comment) == len(really) and all(
        len(shape) == len(seen) and all(size in (None, other) for size, other in zip(shape, seen, strict=True))
        for shape, seen in zip(comment, really, strict=True)
    )


@pytest.mark.parametrize("name", MODELS)
def test_comments_are_written_read_back_and_true_at_other_sizes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Looked] = []

    def kept(*given: Any) -> Looked:
        looks.append(look(*given))
        return looks[-1]

    monkeypatch.setattr(annotating, "look", kept)
    module, model, given = MODELS[name]
    file = copied(module, tmp_path)
    before = file.read_bytes()
    made_with = MADE_WITH.get(name, {})
    command = [f"{file}:{model}", *given, "--kwargs", ", ".join(f"{key}={value}" for key, value in made_with.items())]

    assert main(["annotate", *command, "--write"]) == 0
    after = file.read_bytes()
    assert tree(after) == tree(before)
    bare = [line for line in after.decode().splitlines() if not line.strip().startswith("# (")]
    assert [line.partition("  # (")[0] for line in bare] == before.decode().splitlines()

    assert main(["annotate", *command, "--write"]) == 0
    assert file.read_bytes() == after
    comments = list(shape_comments(file))
    # What `check --comments` says of these, without following the model once more.
    assert checked(looks[-1].summary.report) == Checked(len(comments), (), ())
    if name in ("small", "cifar"):
        assert main(["check", *command, "--comments"]) == 0
        assert f"✓ {len(comments)} shape comments true" in capsys.readouterr().out

    net = loaded(file)[model](**made_with).eval()
    statements = {node.lineno: node.end_lineno for node in ast.walk(ast.parse(after)) if isinstance(node, ast.stmt)}
    compared = 0
    for sizes in SIZES[name]:
        shape = [sizes["N"], *(sizes.get(part, part) for part in given[0].split(","))]
        dtype = torch.long if "long" in given else torch.float32
        with torch.no_grad():
            seen = traced(partial(net, torch.zeros([int(x) for x in shape], dtype=dtype)), {str(file)})
        for line, text, alone in comments:
            really = seen.get((str(file), statements[line + 1] or 0 if alone else line), [])
            if not really or any(not each for each in really):
                continue
            compared += 1
            wanted = evaluated(text, sizes)
            results = set(really)
            if re.search(r"= \[.* for ", after.decode().splitlines()[line - 1 + alone]):
                results = {(shape,) for each in really for shape in each}
            assert all(any(agrees(each, result) for each in wanted) for result in results), (line, text, sizes)
            assert all(any(agrees(each, result) for result in results) for each in wanted), (line, text, sizes)
    assert compared >= 2 * len(SIZES[name])


# Broken on purpose


def checked(report: Report) -> Checked:
    return check_comments(together([report]), letters_of([report]))


@pytest.fixture(scope="module")
def annotated_branches(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of ``Branches`` with its comments."""
    file = copied(annotated_models, tmp_path_factory.mktemp("branches"))
    assert main(["annotate", f"{file}:Branches", "3,H,W", "--write"]) == 0
    return file.read_bytes()


def test_every_comment_that_is_broken_is_found_at_its_line(tmp_path: Path, annotated_branches: bytes) -> None:
    file = tmp_path / "annotated_models.py"
    file.write_bytes(annotated_branches)
    report = summarize(loaded(file)["Branches"](), (3, "H", "W"), batch_size="N").report
    text = file.read_text(encoding="utf-8")
    lines = text.split("\n")
    assert checked(report).stale == ()
    broken = 0
    for number, shapes, _ in list(shape_comments(file)):  # read to the end before the file is changed
        breakages = {
            re.sub(r"\bN\b", "1", shapes, count=1),
            re.sub(r"\bN\b", "2*N", shapes, count=1),
            re.sub(r"\b(4|5|28)\b", "9", shapes, count=1),
            shapes.replace("//2", "//3"),
            shapes.replace("//2", "/2"),
            shapes.replace("H + 1", "H"),
            shapes.replace("(N, ", "(N, 1, ", 1),
            f"{shapes} | (7, 7)",
            f"{shapes}, (7, 7)" if " | " not in shapes else shapes,
            shapes.partition(" | ")[0],
            re.sub(r"\bH\b", "W", shapes),
        } - {shapes}
        for breakage in breakages:
            changed = list(lines)
            changed[number - 1] = lines[number - 1].replace(shapes, breakage)
            file.write_text("\n".join(changed), encoding="utf-8")
            found = checked(report)
            assert [each.where.line for each in found.stale] == [number], breakage
            assert found.stale[0].right is not None
            broken += 1
    assert broken >= 40


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("nn.Conv2d(3, 4, 3, stride=2, padding=1)", "nn.Conv2d(3, 4, 3, stride=3, padding=1)"),
        ("nn.LSTM(4, 5, batch_first=True)", "nn.LSTM(4, 6, batch_first=True)"),
    ],
)
def test_a_change_of_the_code_fails_at_the_lines_whose_shapes_it_changes(
    code: str, changed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], annotated_branches: bytes
) -> None:
    file = tmp_path / "annotated_models.py"
    text = annotated_branches.decode()
    image = torch.zeros(1, 3, 30, 36)

    def lines(source: str) -> dict[tuple[str, int], Any]:
        file.write_text(source, encoding="utf-8")
        net = loaded(file)["Branches"]().eval()
        with torch.no_grad():
            return traced(lambda: net(image), {str(file)})

    after = lines(text.replace(code, changed))
    statements = {node.lineno: node.end_lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)}
    wrong: set[int] = set()
    right: set[int] = set()
    for line, comment, alone in shape_comments(file):
        really = set(after.get((str(file), statements[line + 1] or 0 if alone else line), []))
        if "= [" in text.splitlines()[line - 1 + alone]:
            really = {(shape,) for each in really for shape in each}
        wanted = evaluated(comment, {"N": 1, "H": 30, "W": 36})
        agree = all(any(agrees(each, one) for each in wanted) for one in really) and all(
            any(agrees(each, one) for one in really) for each in wanted
        )
        if really and all(really):
            (right if agree else wrong).add(line)
    capsys.readouterr()
    assert main(["check", f"{file}:Branches", "3,H,W", "--comments", "--format", "json"]) == 1
    found = {each["line"] for each in json.loads(capsys.readouterr().out)["comments"]["stale"]}
    assert wrong
    assert wrong <= found
    assert not right & found


# Files as people have them


def annotate(file: Path, text: str, *more: str, encoding: str = "utf-8", batch: str = "1") -> str:
    """The text of a file after its model was annotated."""
    file.write_bytes(text.encode(encoding))
    main(["annotate", f"{file}:Net", "3,8,8", "--write", "--batch-size", batch, *more])
    return file.read_bytes().decode(encoding)


NET = """\
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv(x)){first}
        return self.fc(x.flatten(1)){last}
"""
FIRST, LAST = "(1, 4, 4, 4)", "(1, 10)"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", [True, False])
def test_line_ends_stay_as_they_are(newline: str, end: bool, tmp_path: Path) -> None:
    text = NET if end else NET.rstrip()
    made = annotate(tmp_path / "net.py", text.format(first="", last="").replace("\n", newline))
    assert made == text.format(first=f"  # {FIRST}", last=f"  # {LAST}").replace("\n", newline)


def test_tabs_encodings_and_blanks_stay_as_they_are(tmp_path: Path) -> None:
    text = "# -*- coding: latin-1 -*-\n# Größe\n" + NET.replace("    ", "\t").replace("(1))", "(1))   ")
    made = annotate(tmp_path / "net.py", text.format(first="", last=""), encoding="latin-1")
    assert made == text.format(first=f"  # {FIRST}", last=f"  # {LAST}").replace(")   ", ")").replace(
        f"# {LAST}", f"# {LAST}   "
    )
    with_mark = annotate(tmp_path / "bom.py", "\ufeff" + NET.format(first="", last=""))
    assert with_mark == "\ufeff" + NET.format(first=f"  # {FIRST}", last=f"  # {LAST}")


#: What stands behind a line that makes (N, 4, 4, 4), and what stands there afterwards.
COMMENTS = {
    "": "  # (N, 4, 4, 4)",
    "  # half the size": "  # half the size  # (N, 4, 4, 4)",
    "  # noqa: E501": "  # noqa: E501  # (N, 4, 4, 4)",
    "  # (N, 4, 8, 8)": "  # (N, 4, 4, 4)",
    "  # (N, 4, 8, 8): half the size": "  # (N, 4, 4, 4): half the size",
    "  # (N, 4, 8, 8) half the size": "  # (N, 4, 4, 4) half the size",
    "  # type: ignore  # (1, 4, 8, 8)  and on": "  # type: ignore  # (N, 4, 4, 4)  and on",
    "#(N,4,4,4)": "#(N,4,4,4)",
    "  # (N, 4, None, ...)": "  # (N, 4, None, ...)",
    "  # (N, 2*2, 8//2, max(4, 3))": "  # (N, 2*2, 8//2, max(4, 3))",
    "  # (mean, variance)": "  # (mean, variance)  # (N, 4, 4, 4)",
    "  # (see above)": "  # (see above)  # (N, 4, 4, 4)",
    "  # (0, 1) are the axes": "  # (0, 1) are the axes  # (N, 4, 4, 4)",
    "  # x: (N, 4, 8, 8)": "  # x: (N, 4, 8, 8)  # (N, 4, 4, 4)",
    "  # (batch, 4, 8, 8)": "  # (N, 4, 4, 4)",
    "  # [N, 4, 8, 8]": "  # [N, 4, 8, 8]  # (N, 4, 4, 4)",
    "  # (N, 4, 4, 4), (N, 4)": "  # (N, 4, 4, 4)",
}


def test_the_users_own_words_stay(tmp_path: Path) -> None:
    head, _, rest = NET.format(first="{first}", last="").partition("        x = F.relu(self.conv(x)){first}\n")

    def text(comments: Iterable[str]) -> str:
        return f"{head}        x = self.conv(x)  # (N, 4, 4, 4)\n" + (
            "".join(f"        x = F.relu(x){comment}\n" for comment in comments) + rest
        )

    made = annotate(tmp_path / "net.py", text(COMMENTS), batch="N")
    assert made == text(COMMENTS.values()).replace("(1))", "(1))  # (N, 10)")


def test_a_model_without_a_line_to_annotate_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n        return {'out': x.flatten(1)}\n"
    )
    before = file.read_bytes()
    assert main(["annotate", f"{file}:Net", "3,8,8", "--write"]) == 0
    assert "nothing to write: no line that ran makes a tensor" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert main(["check", f"{file}:Net", "3,8,8", "--comments"]) == 0
    assert "no shape comment was checked" in capsys.readouterr().out


def test_numbers_of_the_code_are_no_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "        x = self.conv(x).transpose(2, 3){axes}\n        x = x.reshape(-1, 4, 16){shape}\n"
    text = NET.replace("        x = F.relu(self.conv(x)){first}\n", lines)
    file = tmp_path / "net.py"
    made = annotate(file, text.format(axes="  # (2, 3)", shape="  # (1, 4, 16)", last=""))
    assert made == text.format(axes="  # (2, 3)  # (1, 4, 4, 4)", shape="  # (1, 4, 16)", last=f"  # {LAST}")
    file.write_text(text.format(axes="  # (2, 3)", shape="", last=""), encoding="utf-8")
    assert main(["check", f"{file}:Net", "3,8,8", "--comments"]) == 0
    assert "no shape comment was checked: convlin annotate writes them" in capsys.readouterr().out


def test_a_line_that_would_be_too_long_gets_its_comment_above(tmp_path: Path) -> None:
    words = "  # " + "w" * 40
    above = NET.replace("        x = F", f"        # {FIRST}\n        x = F")
    file = tmp_path / "net.py"
    assert annotate(file, NET.format(first=words, last="")) == above.format(first=words, last=f"  # {LAST}")
    # It is found there again, and brought up to date there.
    stale = above.replace(FIRST, "(1, 4, 9, 9)")
    assert annotate(file, stale.format(first=words, last="")) == above.format(first=words, last=f"  # {LAST}")


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("pyproject.toml", "[tool.ruff]\nline-length = 44\n"),
        ("pyproject.toml", "[tool.black]\nline-length = 44\n"),
        ("ruff.toml", "line-length = 44\n"),
        ("setup.cfg", "[flake8]\nmax-line-length = 44\n"),
    ],
)
def test_the_projects_own_line_length_counts(name: str, config: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(config, encoding="utf-8")
    made = annotate(tmp_path / "net.py", NET.format(first="", last=""))
    assert made == NET.format(first="", last="").replace("        x = F", f"        # {FIRST}\n        x = F").replace(
        "        return", f"        # {LAST}\n        return"
    )


def test_a_comment_that_is_too_long_even_alone_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("line-length = 20", encoding="utf-8")
    made = annotate(tmp_path / "net.py", NET.format(first="", last=""))
    assert made == NET.format(first="", last="").replace("        return", f"        # {LAST}\n        return")


def test_how_a_size_came_about_is_added_kept_and_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    (tmp_path / "ruff.toml").write_text("line-length = 120", encoding="utf-8")
    made = annotate(file, NET.format(first="", last=""), "--arithmetic")
    first = f"  # {FIRST} since floor((8 + 2*1 - 1*(3-1) - 1)/2) + 1 = 4"
    assert made.startswith(NET.partition("{first}")[0].format() + first)
    assert annotate(file, made) == made
    wider = made.replace("8*8", "8*8").replace("stride=2", "stride=1").replace("Linear(64", "Linear(256")
    assert "x = F.relu(self.conv(x))  # (1, 4, 8, 8)\n" in annotate(file, wider)


def test_code_of_installed_packages_is_never_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    file = folder / "installed_net.py"  # what is installed stays imported
    text = NET.format(first="", last="")
    assert annotate(file, text) == text
    assert "ran no code of your own" in capsys.readouterr().err


def test_nothing_is_written_for_a_model_that_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = NET.format(first="", last="").replace("64", "65")
    assert annotate(tmp_path / "net.py", text) == text
    assert "does not fit together" in capsys.readouterr().err


def test_a_letter_that_is_none_of_the_input_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format(first="  # (N, 4, H//2, H//2)", last=""), encoding="utf-8")
    assert main(["check", f"{file}:Net", "3,8,8", "--comments"]) == 1
    told = capsys.readouterr().out
    assert "net.py:12  (N, 4, H//2, H//2): H is not a letter of the input" in told
    assert "✗ 1 of 1 shape comments not checked: the input lacks their letters\n" in told
    assert "not true" not in told
    file.write_text(NET.format(first="  # (N, 4, H//2, H//2)", last="  # (N, 12)"), encoding="utf-8")
    assert main(["check", f"{file}:Net", "3,8,8", "--comments"]) == 1
    assert "✗ 1 of 2 shape comments not true, 1 not checked\n" in capsys.readouterr().out
    assert main(["check", f"{file}:Net", "3,8,8", "--comments", "--format", "json"]) == 1
    made = json.loads(capsys.readouterr().out)["comments"]
    assert [each["line"] for each in made["stale"]] == [13]
    assert [each["line"] for each in made["unchecked"]] == [12]
    assert main(["check", f"{file}:Net", "3,H,H", "--comments"]) == 1  # in letters it is held against a run
    assert "not checked" not in capsys.readouterr().out


def test_the_project_can_ask_for_it_and_github_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET.format(first="  # (N, 4, 8, 8)", last=""), encoding="utf-8")
    models = 'models = [{ model = "net.py:Net", input = "3,8,8" }]\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.convlin]\n{models}", encoding="utf-8")
    assert main(["check", "--format", "github"]) == 0
    (tmp_path / "pyproject.toml").write_text(f"[tool.convlin]\ncomments = true\n{models}", encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "--format", "github"]) == 1
    out = capsys.readouterr().out
    assert "::error file=net.py,line=12,title=shape comment::(N, 4, 8, 8): dimension 2 is 4, not 8" in out
    assert "fix: # (N, 4, 4, 4)" in out


def test_two_models_that_share_a_block_have_both_their_shapes_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.py"
    other = (
        "\n\nclass Wide(Net):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(64, 20)\n"
    )
    file.write_text(NET.format(first="", last="") + other, encoding="utf-8")
    models = ", ".join(f'{{ model = "net.py:{name}", input = "3,8,8", batch_size = 1 }}' for name in ("Net", "Wide"))
    (tmp_path / "pyproject.toml").write_text(f"[tool.convlin]\nmodels = [{models}]\n", encoding="utf-8")
    assert main(["annotate", "--write"]) == 0
    assert file.read_text(encoding="utf-8") == NET.format(first=f"  # {FIRST}", last="  # (1, 10) | (1, 20)") + other
    assert main(["check", "--comments"]) == 0


def test_the_fixture_of_pytest_holds_comments_against_a_run(
    shape_comments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.py"
    file.write_text(NET.format(first="  # (N, 4, 4, 4)", last="  # (N, 12)"), encoding="utf-8")
    net = loaded(file)["Net"]()
    with pytest.raises(ShapeError) as caught:
        shape_comments(net, (3, 8, 8))
    assert str(caught.value) == (
        "Net: 1 of 2 shape comments not true\n\nnet.py:13  (N, 12): dimension 1 is 10, not 12\nfix: # (N, 10)"
    )
    file.write_text(NET.format(first="  # (N, 4, 4, 4)", last="  # (N, 10)"), encoding="utf-8")
    assert shape_comments(net, (3, 8, 8)).ok
    with pytest.raises(InputError, match="ran no code of your own"):
        shape_comments(nn.Linear(2, 3), (2,))
