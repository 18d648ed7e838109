"""``convlin fix --write`` mends broken copies of every example, and ``convlin check`` then passes."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from convlin.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"

#: For every example with a network in it: its models with their inputs.
NETWORKS = {
    "cifar10.py": {"cifar10.py:CNN": ["3,32,32"], "cifar10.py:ThreeWrong": ["3,32,32"]},
    "small_cnn.py": {"small_cnn.py:CNN": ["3,32,32"], "small_cnn.py:WrongCNN": ["3,32,32"]},
    "draw_network.py": {"draw_network.py:UNet": ["3,64,64"], "draw_network.py:TextClassifier": ["32", "--dtypes=long"]},
    "debugging.py": {"debugging.py:Digits": ["1,28,28"]},
    "unet_sizes.py": {"unet_sizes.py:UNet": ["3,64,64"]},
    "ci/net.py": {"ci/net.py:CNN": ["3,32,32"]},
}

#: Examples whose sizes are worked out in the code: there is no number to be wrong.
WITHOUT_NUMBERS = {"flat_features.py", "transformer_on_meta.py"}

#: Layers and the argument that says what they take.
DECLARES = {
    "Linear": "in_features",
    "Conv2d": "in_channels",
    "ConvTranspose2d": "in_channels",
    "BatchNorm2d": "num_features",
}


def broken(text: str) -> tuple[str, int]:
    """The same file with every number that a layer declares for its input made wrong, where it stands there itself."""
    places = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DECLARES:
            named = [word.value for word in node.keywords if word.arg == DECLARES[node.func.attr]]
            given: list[ast.expr | None] = [*(named or node.args[:1])]
            (value,) = given or [None]
            if isinstance(value, ast.Constant | ast.Subscript):
                wrong = 99
                if isinstance(value, ast.Constant):
                    assert isinstance(value.value, int)
                    wrong = value.value + 3
                places.append((value.lineno, value.col_offset, value.end_col_offset, wrong))
    lines = text.splitlines(keepends=True)
    for line, start, end, wrong in sorted(places, reverse=True):
        raw = lines[line - 1].encode()
        lines[line - 1] = (raw[:start] + str(wrong).encode() + raw[end:]).decode()
    return "".join(lines), len(places)


@pytest.mark.usefixtures("proved_here")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_broken_copy_is_mended(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    text, count = broken(path.read_text(encoding="utf-8"))
    assert count
    path.write_text(text, encoding="utf-8")
    for model, given in NETWORKS[name].items():
        assert main(["check", model, *given]) == 1
        status = main(["fix", model, *given, "--write"])
        out, err = capsys.readouterr()
        assert status == 0, out + err
        assert main(["check", model, *given]) == 0
    # Only numbers were touched.
    before, after = (
        [re.sub(r"\d+( \* \d+)*", "0", line) for line in each.splitlines()] for each in (text, path.read_text("utf-8"))
    )
    assert before == after


def test_every_example_with_a_network_is_in_the_list() -> None:
    with_networks = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*.py")
        if re.search(r"^class \w+\(nn\.Module\)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert with_networks == {*NETWORKS, *WITHOUT_NUMBERS}, "write its models and their inputs into NETWORKS above"
