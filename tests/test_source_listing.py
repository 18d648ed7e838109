"""``s.source()``: the user's code with the shape of each line beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, Summary, summarize
from convlin.annotate.lines import function_lines
from convlin.cli import main
from examples.cifar10 import CNN as Cifar
from examples.small_cnn import CNN, WrongCNN
from tests import annotated_models
from tests.annotated_models import Awkward, Branches, Transformer, UNet
from tests.traced_lines import traced

IMAGE = (3, 16, 24)
MODELS: dict[str, tuple[nn.Module, Any, Any]] = {
    "small": (CNN(), (3, 32, 32), None),
    "cifar": (Cifar(), (3, 32, 32), None),
    "unet": (UNet(), IMAGE, None),
    "transformer": (Transformer(), (7,), torch.long),
    "branches": (Branches(), IMAGE, None),
    "deep branches": (Branches(deep=True), IMAGE, None),
    "awkward": (Awkward(), (5, 4), None),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_a_line_shows_is_what_python_shows_of_it(name: str) -> None:
    model, shape, dtype = MODELS[name]
    model.eval()
    report = summarize(model, shape, dtypes=dtype, batch_size=2).report
    functions = function_lines(report)
    given = torch.zeros(2, *shape, dtype=dtype or torch.float32)
    with torch.no_grad():
        seen = traced(lambda: model(given), {each.source.name for each in functions})
    compared = 0
    for function in functions:
        for last, line in function.lines.items():
            really = seen.get((function.source.name, last))
            if really is not None:
                compared += 1
                shown = [shape for shapes, times in line.shapes.items() for shape in shapes * times]
                assert sorted(shown) == sorted(shape for each in really for shape in each), (function.name, last)
    assert compared >= (2 if name == "cifar" else 5)


def test_every_line_of_the_models_that_makes_a_tensor_is_shown() -> None:
    for name, count in {"unet": 8, "transformer": 12, "branches": 10, "awkward": 17}.items():
        model, shape, dtype = MODELS[name]
        report = summarize(model, shape, dtypes=dtype).report
        assert sum(len(each.lines) for each in function_lines(report)) >= count, name


def test_a_line_whose_value_was_not_seen_has_no_shape() -> None:
    text = summarize(*MODELS["awkward"][:2]).source()
    for code in (
        "d = decorated(x)",
        "i = in_place(x)",
        "several = list(parts(x))",
        "total = sum([x.sum(1, keepdim=True), x])",
        "mapped = list(map(self.act, [x, x.sum(0)]))",
        "cond = x if self.training else x.mean(0)",
        "checked = torch.utils.checkpoint.checkpoint(self.fold, x, use_reentrant=False)",
        "one = x.sum(1); two = x.sum(2)  # noqa: E702  # fmt: skip",
    ):
        assert re.search(rf"^\d+ +{re.escape(code)}$", text, re.MULTILINE), code


def beside(text: str, code: str) -> str:
    """What stands beside a line of code."""
    (found,) = re.findall(rf"^ *\d+ +{re.escape(code)}  +(.+)$", text, re.MULTILINE)
    return str(found)


def test_loops_show_each_distinct_shape_and_how_often() -> None:
    text = summarize(UNet(), IMAGE).source()
    assert beside(text, "x = block(x)") == "1×4×16×24 | 1×8×8×12"
    text = summarize(Transformer(), (7,), dtypes=torch.long).source()
    assert beside(text, "x += self.mlp(x)") == "1×7×12  (×2)"
    assert beside(text, "return self.head(x), x.mean(1)") == "1×7×50, 1×12"


def test_a_branch_that_did_not_run_says_so() -> None:
    text = summarize(Branches(), IMAGE).source()
    assert beside(text, "x = self.extra(x)") == "(not taken)"
    assert text.count("(not taken)") == 1
    text = summarize(Branches(deep=True), IMAGE).source()
    assert beside(text, "x = self.other(x)") == "(not taken)"


def test_letters_stand_in_the_shapes() -> None:
    text = summarize(UNet(), (3, "H", "W"), batch_size="N").source()
    assert beside(text, "x = self.bottom(x)") == "N×16×⌊H/4⌋×⌊W/4⌋"


def test_the_line_that_does_not_fit_says_what_it_needs() -> None:
    text = summarize(WrongCNN(), (3, 32, 32)).source()
    assert text.endswith("✗ fc1 needs in_features=2048, has 999")


class Stops(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return x @ torch.ones(7, 7)


class Inside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(5, 5), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_a_layer_inside_a_container_is_marked_where_the_container_is_called() -> None:
    text = summarize(Inside(), (3, 2, 2)).source()
    assert "body.1.0 needs in_features=12, has 5" in text.splitlines()[-1]


def test_where_the_pass_stopped_is_marked() -> None:
    text = summarize(Stops(), (3, 4)).source()
    assert beside(text, "x = F.relu(x)") == "1×3×4"
    (marked,) = [line for line in text.splitlines() if "✗" in line]
    assert "return x @ torch.ones(7, 7)" in marked or marked.strip().startswith("✗")


def test_it_is_text_whose_repr_is_itself_and_html_in_a_notebook() -> None:
    made = summarize(WrongCNN(), (3, 32, 32)).source()
    assert isinstance(made, str)
    assert repr(made) == str(made)
    html = made._repr_html_()
    assert html.count("<tr") == 6
    assert '<tr class="bad">' in html
    assert "self.conv1" in html
    assert "<script" not in html


def test_signs_are_plain_where_asked_for() -> None:
    assert summarize(CNN(), (3, "H", "W"), ascii_only=True).source().isascii()


def test_without_code_of_the_users_it_says_why() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(InputError, match="Sequential ran no code of your own"):
        summarize(model, (3, 2, 2)).source()
    with pytest.raises(InputError, match="no forward pass was run"):
        summarize(model).source()
    summary = summarize(CNN(), (3, 32, 32))
    with pytest.raises(InputError, match="was read from JSON"):
        Summary.from_json(summary.to_json()).source()


def test_nothing_is_said_of_a_file_that_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    text = Path(annotated_models.__file__).read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    names: dict[str, Any] = {"__name__": "elsewhere"}
    exec(compile(text, str(file), "exec"), names)
    summary = summarize(names["UNet"](), IMAGE)
    assert "1×16×4×6" in summary.source()
    file.write_text(text.replace("x = self.bottom(x)", "x = self.bottom(self.bottom(x))"), encoding="utf-8")
    changed = summary.source()
    assert "UNet.forward" not in changed
    assert "DoubleConv.forward" in changed


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = [f"{Path(annotated_models.__file__)}:UNet", "3,16,24"]
    assert main(["show", *target, "--source"]) == 0
    assert beside(capsys.readouterr().out, "x = self.bottom(x)") == "1×16×4×6"
    file = tmp_path / "net.html"
    assert main(["show", *target, "--source", "--output", str(file)]) == 0
    assert file.read_text(encoding="utf-8").startswith('<div class="convlin">')
    assert main(["show", *target, "--source", "--format", "csv"]) == 2
    assert "--source is written as text or html" in capsys.readouterr().err


def test_an_editor_gets_the_shapes_behind_each_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    text = Path(annotated_models.__file__).read_text(encoding="utf-8")
    text = text.replace("x = up(x)  # back to the size of the skip", "'𝄞'; x = up(x)  # back")
    file.write_text(text, encoding="utf-8")
    assert main(["show", f"{file}:UNet", "3,16,24", "--format", "lsp-inlay"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["version"] == 1
    ((name, hints),) = [(each["file"], each["hints"]) for each in data["files"]]
    assert name == str(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    found = {}
    for hint in hints:
        line = lines[hint["line"]].encode("utf-16-le")
        before, behind = (part.decode("utf-16-le") for part in (line[: 2 * hint["column"]], line[2 * hint["column"] :]))
        found[before.strip()] = hint["text"]
        assert not behind.strip() or behind.strip().startswith("#")
    assert found["x = self.bottom(x)"] == "1×16×4×6"
    assert found["'𝄞'; x = up(x)"] == "1×8×8×12 | 1×4×16×24"
    assert [hint["line"] for hint in hints] == sorted(hint["line"] for hint in hints)
