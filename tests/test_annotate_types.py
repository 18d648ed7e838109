"""``convlin annotate --style jaxtyping``: what it writes is checked by jaxtyping with beartype while the model runs."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import jaxtyping
import pytest
import torch

from convlin.annotate.signatures import without_annotations
from convlin.cli import main
from examples import cifar10, small_cnn
from tests import annotated_models

MODELS: dict[str, tuple[ModuleType, str, list[str], list[str]]] = {
    "small": (small_cnn, "CNN", ["3,32,32"], ["N 3 32 32 -> N 10"]),
    "cifar": (cifar10, "CNN", ["3,32,32"], ["N 3 32 32 -> N 10"]),
    "unet": (annotated_models, "UNet", ["3,H,W"], ["N C H W -> N C2 H W", "N 3 H W -> N 2 H W"]),
    "transformer": (
        annotated_models,
        "Transformer",
        ["L", "--dtypes", "long"],
        ["N L 12 -> N L 12", "N L -> N L 50, N 12"],
    ),
    "branches": (annotated_models, "Branches", ["3,H,W"], ["N 3 H W -> "]),
}
#: Inputs that a model takes, and ones that its signature refuses.
RIGHT: dict[str, list[tuple[int, ...]]] = {
    "small": [(1, 3, 32, 32), (3, 3, 32, 32)],
    "cifar": [(1, 3, 32, 32), (2, 3, 32, 32)],
    "unet": [(n, 3, 4 * h, 4 * w) for n, h, w in [(1, 1, 2), (2, 3, 1), (3, 4, 4), (1, 7, 5)]],
    "transformer": [(1, 1), (2, 7), (3, 16), (4, 64)],
    "branches": [(1, 3, 3, 4), (2, 3, 5, 8), (1, 3, 6, 7), (3, 3, 31, 9)],
}
WRONG = {
    "small": (1, 4, 32, 32),
    "cifar": (3, 32, 32),
    "unet": (1, 4, 8, 8),
    "transformer": (7,),
    "branches": (1, 3, 8),
}


def annotated(file: Path, *command: str) -> str:
    """The text of a file after one of its models was annotated."""
    main(["annotate", f"{file}:{command[0]}", *command[1:], "--style", "jaxtyping", "--write"])
    return file.read_text(encoding="utf-8")


def checked(file: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a file, each of its functions held to its annotations by jaxtyping and beartype."""
    monkeypatch.syspath_prepend(str(file.parent))
    with jaxtyping.install_import_hook([file.stem], "beartype.beartype"):
        module = importlib.import_module(file.stem)
    monkeypatch.delitem(sys.modules, file.stem)
    return module


def signatures(text: str) -> list[str]:
    """``N 3 H W -> N 10`` for each ``forward`` with annotations of jaxtyping, by a reader of this test's own."""

    def axes(node: ast.AST | None) -> str:
        found = [each for each in ast.walk(node) if isinstance(each, ast.Constant)] if node is not None else []
        return ", ".join(str(each.value) for each in found)

    made = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            given = [axes(each.annotation) for each in node.args.args]
            if any(given):
                made.append(f"{', '.join(filter(None, given))} -> {axes(node.returns)}")
    return made


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_holds_while_the_model_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, model, command, wanted = MODELS[name]
    file = tmp_path / f"typed_{name}.py"
    before = Path(str(source.__file__)).read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    text = annotated(file, model, *command)
    assert signatures(text) == wanted
    assert ast.dump(without_annotations(ast.parse(text))) == ast.dump(without_annotations(ast.parse(before)))
    assert max(map(len, text.splitlines())) <= max(88, *map(len, before.splitlines()))

    net = getattr(checked(file, monkeypatch), model)().eval()
    dtype = torch.long if "long" in command else torch.float32
    for shape in RIGHT[name]:
        net(torch.zeros(shape, dtype=dtype))
    with pytest.raises(jaxtyping.TypeCheckError):
        net(torch.zeros(WRONG[name], dtype=dtype))

    capsys.readouterr()
    assert annotated(file, model, *command) == text
    assert "nothing to write" in capsys.readouterr().err


HEAD = "from torch import nn\n\n\n"
SEVERAL = HEAD + (
    "class Block(nn.Module):\n"
    "    def __init__(self, stride):\n"
    "        super().__init__()\n"
    "        self.conv = nn.Conv2d(4, 4, 3, stride, 1)\n"
    "\n"
    "    def forward(self, x, skip=None, *, scale=2):\n"
    "        x = self.conv(x)\n"
    "        return (x if skip is None else x + skip) * scale, x.flatten(1)\n"
    "\n"
    "\n"
    "class Net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.one, self.two = Block(2), Block(2)\n"
    "        self.pool = nn.AvgPool2d(2)\n"
    "\n"
    "    def forward(self, x, y):\n"
    "        a, _ = self.one(x)\n"
    "        b, _ = self.two(x, skip=y, scale=3)\n"
    "        return self.pool(a + b)\n"
)


def test_several_inputs_optional_ones_and_several_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "typed_several.py"
    file.write_text(SEVERAL, encoding="utf-8")
    text = annotated(file, "Net", "4,16,16", "4,8,8")
    assert text.startswith("from jaxtyping import Float\nfrom torch import Tensor, nn\n")
    assert (
        "    def forward(\n"
        "        self,\n"
        '        x: Float[Tensor, "N 4 16 16"],\n'
        '        skip: Float[Tensor, "N 4 8 8"] | None = None,\n'
        "        *,\n"
        "        scale=2,\n"
        '    ) -> tuple[Float[Tensor, "N 4 8 8"], Float[Tensor, "N 256"]]:\n'
    ) in text
    assert (
        '    def forward(\n        self, x: Float[Tensor, "N 4 16 16"], y: Float[Tensor, "N 4 8 8"]\n'
        '    ) -> Float[Tensor, "N 4 4 4"]:\n'
    ) in text
    net = checked(file, monkeypatch).Net()
    net(torch.zeros(3, 4, 16, 16), torch.zeros(3, 4, 8, 8))
    with pytest.raises(jaxtyping.TypeCheckError):  # two batches: N is one size
        net(torch.zeros(3, 4, 16, 16), torch.zeros(1, 4, 8, 8))


CHAIN = HEAD + (
    "class Half(nn.Module):\n"
    "    def __init__(self, width):\n"
    "        super().__init__()\n"
    "        self.conv = nn.Conv2d(width, 2 * width, 3, 2, 1)\n"
    "        self.up = nn.Upsample(scale_factor=3)\n"
    "\n"
    "    def forward(self, x):{note}\n"
    "        x = self.conv(x)\n"
    "        return x, self.up(x)\n"
    "\n"
    "\n"
    "class Net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.one, self.two = Half(3), Half(6)\n"
    "\n"
    "    def forward(self, x):\n"
    "        x, _ = self.one(x)\n"
    "        x, wide = self.two(x)\n"
    "        return wide.mean(1)\n"
)


def test_a_name_stands_for_a_size_of_its_own_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "typed_chain.py"
    file.write_text(CHAIN.format(note=""), encoding="utf-8")
    text = annotated(file, "Net", "3,H,W")
    # Half runs on H×W and on (H + 1)//2 × (W + 1)//2: in its signature both are its own H and W.
    assert signatures(text) == [
        "N C H W -> N C2 (H+1)//2 (W+1)//2, N C2 H2 W2",
        "N 3 H W -> N 3*((H+3)//4) 3*((W+3)//4)",
    ]
    net = checked(file, monkeypatch).Net()
    for height, width in [(1, 2), (3, 7), (8, 5), (16, 31)]:
        net(torch.zeros(2, 3, height, width))


def test_the_users_names_stay_and_numbers_are_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "typed_names.py"
    text = (
        "import torch\nfrom jaxtyping import Float, Shaped\nfrom torch import nn\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(8, 5)\n"
        "\n"
        "    def forward(\n"
        "        self,\n"
        '        x: Shaped[torch.Tensor, "batch time 8"],  # what comes in\n'
        '    ) -> Float[torch.Tensor, "batch time {out}"]:\n'
        "        return self.fc(x)\n"
    )
    file.write_text(text.format(out=4), encoding="utf-8")
    assert annotated(file, "Net", "L,8") == text.format(out=5)
    checked(file, monkeypatch).Net()(torch.zeros(2, 7, 8))


def test_names_that_the_user_keeps_apart_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "typed_apart.py"
    text = (
        "import torch as th\nfrom jaxtyping import Float\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        '    def forward(self, x: Float[th.Tensor, "n d"], y: Float[th.Tensor, "m d"])'
        ' -> Float[th.Tensor, "n {out}"]:\n'
        "        return x @ y.T\n"
    )
    file.write_text(text.format(out="5"), encoding="utf-8")
    # In the run both have the same batch: a name that is true stays, and no import is added that nothing needs.
    made = annotated(file, "Net", "4", "4", "--batch-size", "3")
    assert made == text.format(out="3")
    net = checked(file, monkeypatch).Net()
    assert net(torch.zeros(2, 4), torch.zeros(3, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        ('def forward(self, x: Float[Tensor, "*batch 8"]):', "its annotations say what no run tells"),
        ('def forward(self, x: Float[Tensor, "... 8"]):', "its annotations say what no run tells"),
        ('def forward(self, x: Float[Tensor, "n=1 8"]):', "its annotations say what no run tells"),
        ("def forward(self, *x: Tensor):", None),
        ("def forward(self, x: 'Tensor'):", None),
    ],
)
def test_a_signature_that_says_something_else_stays(
    forward: str, why: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    text = (
        "from jaxtyping import Float\nfrom torch import Tensor, nn\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(8, 5)\n\n"
        f"    {forward[:-1]} -> 'Tensor':\n        return self.fc(x[0] if isinstance(x, tuple) else x)\n"
    )
    file.write_text(text, encoding="utf-8")
    assert annotated(file, "Net", "8") == text
    assert (f"Net.forward is left as it is: {why}" if why else "nothing to write") in capsys.readouterr().err


def test_a_list_of_tensors_is_not_taken_for_several_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    text = HEAD + (
        "class Sum(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(8, 5)\n\n"
        "    def forward(self, parts, more=None):\n        return self.fc(parts[0] + parts[1])\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.sum = Sum()\n\n"
        "    def forward(self, x):\n        return self.sum([x, 2 * x])\n"
    )
    file.write_text(text, encoding="utf-8")
    made = annotated(file, "Net", "8")
    assert "def forward(self, parts, more=None):" in made
    assert 'def forward(self, x: Float[Tensor, "N 8"]) -> Float[Tensor, "N 5"]:' in made
    assert "Sum.forward is left as it is: whether it is given several tensors" in capsys.readouterr().err


def test_a_forward_that_a_subclass_calls_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.py"
    text = HEAD + (
        "class Base(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(8, 5)\n\n"
        "    def forward(self, x):\n        return self.fc(x)\n\n\n"
        "class Net(Base):\n    def forward(self, x):\n        return super().forward(x.flatten(1))\n"
    )
    file.write_text(text, encoding="utf-8")
    made = annotated(file, "Net", "2,4")
    assert "def forward(self, x):\n        return self.fc(x)" in made
    assert 'def forward(self, x: Float[Tensor, "N 2 4"]) -> Float[Tensor, "N 5"]:' in made
    assert "Base.forward is left as it is: it also runs in the forward of another class" in capsys.readouterr().err


def test_a_name_that_a_file_has_already_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "typed_taken.py"
    file.write_text(
        "import torch\nfrom torch.nn import Linear, Module\n\nInt = 3\n\n\nclass Net(Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = Linear(8, Int)\n\n"
        "    def forward(self, x):\n        return self.fc(x)\n",
        encoding="utf-8",
    )
    text = annotated(file, "Net", "8")
    assert text.startswith("import torch\nimport jaxtyping\nfrom torch.nn import")
    assert 'self, x: jaxtyping.Float[torch.Tensor, "N 8"]' in text
    checked(file, monkeypatch).Net()(torch.zeros(2, 8))


def test_nothing_is_written_that_could_not_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(SEVERAL, encoding="utf-8")
    monkeypatch.setattr("convlin.cli.annotating.find_spec", lambda name: None)
    assert main(["annotate", f"{file}:Net", "4,16,16", "4,8,8", "--style", "jaxtyping", "--write"]) == 2
    assert "jaxtyping is not installed here" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == SEVERAL
    assert main(["annotate", f"{file}:Net", "4,16,16", "4,8,8", "--style", "jaxtyping"]) == 1
    assert '+        self, x: Float[Tensor, "N 4 16 16"], y: Float[Tensor, "N 4 8 8"]' in capsys.readouterr().out


def test_arithmetic_is_for_comments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", "net.py:Net", "3,8,8", "--style", "jaxtyping", "--arithmetic"]) == 2
    assert "--arithmetic is for comments: leave it out, or write --style comments" in capsys.readouterr().err
