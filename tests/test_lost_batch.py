"""A batch that becomes another axis on its way, told where it happens and not where something refuses the rest.

The oracle is PyTorch: with what is said corrected the model runs, and one row of the result belongs to each sample.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply
from tests.source_programs import load_file

# The loss in forward is the first that misses the batch -------------------------------------------------------------

DECODER = """\
import torch
import torch.nn.functional as F
from torch import nn


class Decoder(nn.Module):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.encode, self.spread = nn.Linear(64, 6), nn.Linear(6, 128)
        self.decode = nn.ConvTranspose2d(8, 1, 2, 2)

    def forward(self, x):
        z = self.spread(self.encode(x.flatten(1)))
        return self.loss(torch.sigmoid(self.decode(z.view(-1, 4, 4, 4))), x)
"""


def both(made: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    return made, F.l1_loss(made, given, reduction="sum")


def by_hand(made: Tensor, given: Tensor) -> Tensor:
    return ((made - given) ** 2).mean()


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    "loss", [F.binary_cross_entropy, F.mse_loss, F.binary_cross_entropy_with_logits, nn.BCELoss(), by_hand, both]
)
def test_a_view_that_folds_the_batch_in_front_of_a_loss(
    loss: Callable[[Tensor, Tensor], object], batch: int, tmp_path: Path
) -> None:
    path = tmp_path / "decoder.py"
    path.write_text(DECODER)
    (problem,) = summarize(load_file(path).Decoder(loss), (1, 8, 8), batch_size=batch).problems
    assert problem.kind == "batch"
    assert f"the batch went from {batch} to {2 * batch}" in problem.message
    assert problem.evidence is Evidence.RUN
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    x = torch.rand(batch, 1, 8, 8)
    made = load_file(path).Decoder(lambda made, _: made)(x)
    assert made.shape == x.shape
    loss(made, x)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_view_into_fewer_rows_in_front_of_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "decoder.py"
    path.write_text(DECODER.replace("(6, 128)", "(6, 64)").replace("4, 4, 4)", "8, 4, 4)"))
    (problem,) = summarize(load_file(path).Decoder(F.binary_cross_entropy), (1, 8, 8), batch_size=2).problems
    assert problem.kind == "batch"
    assert "either spread gives 128, or the sizes multiply to 64" in " ".join(problem.message.split())
    either = DECODER.replace("4, 4, 4)", "8, 4, 4)"), DECODER.replace("(6, 128)", "(6, 64)").replace("(8, 1", "(4, 1")
    for right in either:
        path.write_text(right)
        load_file(path).Decoder(F.binary_cross_entropy)(torch.rand(2, 1, 8, 8))


class Classified(nn.Module):
    """The features of several samples in one row, or of one in several, and a loss."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.fc, self.features = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(features, 5), features

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(self.fc(self.conv(x).view(-1, self.features)), target)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("features", [32, 128])
def test_a_flatten_that_folds_the_batch_in_front_of_a_loss(features: int) -> None:
    given = [torch.zeros(2, 3, 8, 8), torch.zeros(2, 5)]
    first, second = summarize(Classified(features), given).problems
    assert (first.kind, first.required) == ("batch", 256)
    assert (second.path, second.required) == ("fc", 256)
    Classified(256)(*given)


class Frames(nn.Module):
    """The steps of a sequence are worked on one by one, and a sum refuses something else."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.all, self.positions = nn.Linear(6, 4), nn.Linear(4, 3), nn.Parameter(torch.zeros(1, 5))

    def forward(self, x: Tensor) -> Tensor:
        steps = self.each(x.view(-1, 6))
        return self.all(steps.view(x.shape[0], -1, 4)) + self.positions


def test_steps_as_rows_are_no_lost_batch() -> None:
    (problem,) = summarize(Frames(), (7, 6), batch_size=2).problems
    assert problem.kind == "operands"
