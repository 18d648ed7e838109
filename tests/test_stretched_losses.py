"""Losses that run and stretch what they compare: what is told gives the loss of each prediction and its own target."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import explain_errors
from convlin.at_error.answer import answer
from tests.processes import run
from tests.test_run import both, write

LOSSES: dict[Callable[..., Tensor], Callable[[Tensor], Tensor]] = {
    F.mse_loss: torch.square,
    F.l1_loss: torch.abs,
    F.huber_loss: lambda d: F.huber_loss(d, torch.zeros_like(d), reduction="none"),
    F.smooth_l1_loss: lambda d: F.smooth_l1_loss(d, torch.zeros_like(d), reduction="none"),
    nn.MSELoss(): torch.square,
}


def told_of(loss: Callable[..., Tensor], predictions: Tensor, targets: Tensor) -> str | None:
    """The answer to the warning as an error; None where PyTorch does not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loss(predictions, targets)
        except UserWarning as warned:
            return answer(warned)
    return None


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("made", "given", "way"),
    [
        ((8, 1), (8,), "targets.unsqueeze(1)"),
        ((8,), (8, 1), "targets.squeeze(1)"),
        ((8, 1, 6, 6), (8, 6, 6), "targets.unsqueeze(1)"),
        ((8, 6, 6), (8, 1, 6, 6), "targets.squeeze(1)"),
        ((8, 8, 1), (8, 8), "targets.unsqueeze(2)"),
        ((8, 1), (1, 8), "targets.reshape(predictions.shape)"),
        ((8, 1, 1, 1), (8,), "targets.reshape(predictions.shape)"),
    ],
)
def test_the_way_out_compares_each_with_its_own(
    loss: Callable[..., Tensor], made: tuple[int, ...], given: tuple[int, ...], way: str
) -> None:
    predictions, targets = torch.randn(made), torch.randn(given)
    told = told_of(loss, predictions, targets)
    assert told is not None
    assert f"with {way} each prediction is compared with its own target" in told
    right = eval(way, {"targets": targets, "predictions": predictions})
    assert told_of(loss, predictions, right) is None
    differences = predictions.flatten() - targets.flatten()
    torch.testing.assert_close(loss(predictions, right), LOSSES[loss](differences).mean())
    stretched = torch.broadcast_tensors(predictions, targets)[0].shape
    assert f"are stretched to {'×'.join(map(str, stretched))}, and PyTorch only warns" in told


def test_the_line_is_that_of_the_users_code(tmp_path: Path) -> None:
    code = "\n\ndef step(loss, made, given):\n    return loss(made, given)\n"
    names: dict[str, Callable[..., Tensor]] = {}
    exec(compile(code, str(tmp_path / "steps.py"), "exec"), names)
    told = told_of(lambda made, given: names["step"](nn.MSELoss(), made, given), torch.randn(8, 1), torch.randn(8))
    assert told is not None
    assert told.splitlines()[0].partition(": ")[0].endswith("steps.py:4")


def test_targets_that_are_stretched_alone() -> None:
    told = told_of(F.mse_loss, torch.randn(8, 10), torch.randn(8, 1))
    assert told is not None
    assert "stretched to 8×10" in told
    assert "each target is compared with 10 predictions: is that meant?" in told


@pytest.mark.parametrize(("made", "given"), [((8, 1), ()), ((1, 1), (1,)), ((1,), (1, 1))])
def test_nothing_is_compared_twice(made: tuple[int, ...], given: tuple[int, ...]) -> None:
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(torch.randn(made), torch.randn(given))
    assert told_of(F.mse_loss, torch.randn(made), torch.randn(given)) is None


@pytest.fixture
def explained() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        explain_errors()
        yield
        explain_errors(False)
        assert warnings.showwarning is before


def test_behind_the_warning(explained: None, capsys: pytest.CaptureFixture[str]) -> None:
    F.mse_loss(torch.randn(8, 1), torch.randn(8))
    assert "with targets.unsqueeze(1)" in capsys.readouterr().err


def test_other_warnings_stand_alone(explained: None, capsys: pytest.CaptureFixture[str]) -> None:
    warnings.warn("of my own", stacklevel=1)
    nn.Softmax()(torch.randn(2, 3))  # PyTorch's own, of an axis that nobody gave
    assert "✗" not in capsys.readouterr().err


def test_an_error_of_its_own_is_no_answer_and_ends_nothing(
    explained: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("mine")

    monkeypatch.setattr("convlin.at_error.stretched.about", fails)
    assert F.mse_loss(torch.zeros(8, 1), torch.ones(8)).item() == 1
    assert "mine" not in capsys.readouterr().err


TRAIN = """
import torch
from torch import nn

net, criterion = nn.Linear(4, 1), nn.MSELoss()
x, y = torch.randn(8, 4), torch.randn(8)
for step in range(3):  # without an optimizer, which loads what changes the filters of warnings
    criterion(net(x), y).backward()
"""

ANSWERED = [
    "✗ mse_loss at train.py:8: predictions of 8×1 and targets of 8 are stretched to 8×8, and PyTorch only warns",
    "    with targets.unsqueeze(1) each prediction is compared with its own target",
]


def test_a_training_warns_as_often_as_without_convlin(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    plain, ours = both(tmp_path, "train.py")
    assert plain.returncode == ours.returncode == 0
    assert ours.stderr.startswith(plain.stderr), "what Python prints comes first, and as often"
    assert ours.stderr.removeprefix(plain.stderr).strip().splitlines() == ANSWERED


@pytest.mark.thorough  # that the warning as an error is answered is held without a process above
def test_a_training_that_the_warning_ends_is_answered_alike(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    strict = run(sys.executable, "-W", "error", "-m", "convlin", "run", "train.py", cwd=tmp_path, check=False)
    assert strict.returncode == 1
    assert strict.stderr.rstrip().splitlines()[-len(ANSWERED) :] == ANSWERED
