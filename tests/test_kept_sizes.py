"""Tensors that a model keeps (positions, masks, gates) and an input of another size: which inputs pass, held against
the model itself, run at the sizes that are told and one step beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize
from convlin.records import ClaimKind, Evidence
from tests.claims import hold


class LearnedPositions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions, self.head = nn.Embedding(100, 8), nn.Embedding(20, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words(x) + self.positions(torch.arange(x.size(1), device=x.device)))


class SlicedPositions(nn.Module):
    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 8)
        self.register_buffer("positions", torch.zeros(1, 20, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.words(x) + self.positions[:, : x.size(1)]


class CausalMask(nn.Module):
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words, self.query = nn.Embedding(100, 8), nn.Linear(8, 8)
        self.register_buffer("mask", torch.ones(20, 20).tril())

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        scores = self.query(x) @ x.transpose(1, 2)
        scores = scores.masked_fill(self.mask[: x.size(1), : x.size(1)] == 0, float("-inf"))
        return scores.softmax(-1) @ x


class WhereMask(nn.Module):
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 8)
        self.register_buffer("mask", torch.ones(20, 1, dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        words = self.words(x)
        return torch.where(self.mask[: x.size(1)], words, torch.zeros((), device=x.device))


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.first = nn.Parameter(torch.zeros(1, 1, 8))
        self.positions = nn.Parameter(torch.zeros(1, 17, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(x.size(0), -1, -1), x], 1) + self.positions


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 8, 3, padding=1), nn.Parameter(torch.ones(8, 14, 14))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.gate


class Signal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv1d(4, 8, 5, 2), nn.Parameter(torch.zeros(8, 48))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("ncl,cl->nc", self.conv(x), self.weight)


class RelativeBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.bias = nn.Linear(8, 8), nn.Parameter(torch.zeros(9, 9))

    def forward(self, x: Tensor) -> Tensor:
        return (self.query(x) @ x.transpose(1, 2) + self.bias).softmax(-1) @ x


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positions, self.head = nn.Parameter(torch.zeros(1, 20, 8)), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.positions[:, : x.size(1)])


class OverTokens(nn.Module):
    """A Linear along the patches, as in an MLP mixer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.mix(self.patch(x).flatten(2)))


class Projected(nn.Module):
    """A product along the length, with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv1d(4, 8, 3), nn.Parameter(torch.zeros(30, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) @ self.weight


def _words(length: int) -> Tensor:
    return torch.zeros(1, length, dtype=torch.int64)


def _image(side: int) -> Tensor:
    return torch.zeros(1, 3, side, side)


def _signal(length: int) -> Tensor:
    return torch.zeros(1, 4, length)


def _sequence(length: int) -> Tensor:
    return torch.zeros(1, length, 8)


@dataclass(frozen=True)
class Kept:
    """A model, a size that it does not take, how an input is made, and what should be told of the others."""

    model: Callable[[], nn.Module]
    given: int
    make: Callable[[int], Tensor]
    told: str
    passing: tuple[int, ...]
    refused: tuple[int, ...]
    kind: ClaimKind = ClaimKind.PASSES


CASES = (
    *(
        Kept(model, 23, _words, "the largest input that works is of length 20", (1, 20), (21,), ClaimKind.LARGEST)
        for model in (LearnedPositions, SlicedPositions, CausalMask, WhereMask)
    ),
    Kept(Patches, 12, _image, "inputs of 16×16 to 19×19 work", (16, 19), (15, 20)),
    Kept(Patches, 64, _image, "inputs of 16×16 to 19×19 work", (16, 19), (15, 20)),
    Kept(Gate, 16, _image, "an input of 14×14 works", (14,), (13, 15)),
    Kept(Signal, 64, _signal, "inputs of length 99 to 100 work", (99, 100), (98, 101)),
    Kept(RelativeBias, 12, _sequence, "an input of 9×8 works", (9,), (8, 10)),
    Kept(Sequence, 23, _sequence, "the largest input that works is 20×8", (2, 20), (21,), ClaimKind.LARGEST),
    Kept(OverTokens, 32, _image, "in_features=16 is right for a square input of 16×16 to 19×19", (16, 19), (15, 20),
         ClaimKind.FITS),
    Kept(Projected, 40, _signal, "an input of length 32 works", (32,), (31, 33)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model.__name__}-{case.given}")
def test_the_inputs_that_a_kept_tensor_goes_together_with(case: Kept) -> None:
    model, given = case.model(), case.make(case.given)
    shape = tuple(given.shape[1:])
    summary = summarize(model, shape)
    (problem,) = summary.problems
    assert case.told in problem.message
    (claim,) = problem.claims
    assert (claim.kind, claim.evidence) == (case.kind, Evidence.RUN)
    hold(claim, problem, model, lambda size: [torch.zeros(1, *size if len(size) == len(shape) else (*shape[:1], *size),
                                                          dtype=given.dtype)])  # fmt: skip
    model.eval()
    for size in case.passing:
        model(case.make(size))
    for size in (*case.refused, case.given):
        with pytest.raises((RuntimeError, IndexError)):
            model(case.make(size))


class TwoMistakes(nn.Module):
    """Positions for 20 words, and a head that is wrong for every length."""

    def __init__(self, positions: nn.Module | None = None) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(100, 8), nn.Linear(9, 5)
        self.table = nn.Parameter(torch.zeros(20, 8))
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        table = self.table[: x.size(1)] if self.positions is None else self.positions(torch.arange(x.size(1)))
        return self.head(self.words(x) + table)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (TwoMistakes(), "with an input of length 20 they go together"),
        (TwoMistakes(nn.Embedding(20, 8)), "num_embeddings=20 is enough for an input of length 20 at most"),
    ],
)
def test_nothing_passes_where_something_else_is_wrong(model: nn.Module, told: str) -> None:
    first, second = summarize(model, (23,)).problems
    assert told in first.message
    (claim,) = first.claims
    hold(claim, first, model, lambda size: [_words(*size)])
    assert second.path == "head"
    model.set_submodule("head", nn.Linear(8, 5))
    model(_words(20))
    with pytest.raises((RuntimeError, IndexError)):
        model(_words(21))


class Residual(nn.Module):
    """Two sizes that both follow the input: no length makes them one."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv1d(4, 8, 4), nn.Conv1d(4, 8, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.two(x)


def test_nothing_is_said_where_no_input_helps() -> None:
    (problem,) = summarize(Residual(), (4, 30)).problems
    assert problem.claims == ()


class Indexed(nn.Module):
    """The index is what the user gives, not what follows from the length."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.words(x)


def test_an_index_of_the_users_own_has_no_largest_input() -> None:
    (problem,) = summarize(Indexed(), torch.tensor([[3, 12]])).problems
    assert problem.claims == ()


@pytest.mark.parametrize(
    ("make", "bad", "good"),
    [
        (lambda a, b: torch.where(a > 0, b, b), (torch.zeros(3, 4), torch.zeros(3, 5)), (1, 3, 5)),
        (lambda a, b: torch.lerp(a, b, 0.5), (torch.zeros(2, 4), torch.zeros(2, 5)), (1, 2, 5)),
        (lambda a, b: torch.maximum(a, b), (torch.zeros(2, 4), torch.zeros(2, 5)), (1, 2, 5)),
        (lambda a, b: (a == b).float(), (torch.zeros(2, 4), torch.zeros(2, 5)), (1, 2, 5)),
        (lambda a, b: torch.addcmul(a, b, b), (torch.zeros(2, 4), torch.zeros(2, 5)), (1, 2, 5)),
    ],
)  # fmt: skip
def test_functions_that_take_tensors_cell_by_cell_say_what_differs(
    make: Callable[[Tensor, Tensor], Tensor], bad: tuple[Tensor, Tensor], good: tuple[int, ...]
) -> None:
    class Net(nn.Module):
        kept: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", bad[1])
            self.head = nn.Linear(9, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(make(x, self.kept).float())

    with pytest.raises(RuntimeError):
        make(*bad)
    first, *_ = problems = summarize(Net(), tuple(bad[0].shape)).problems
    assert first.kind == "operands"
    assert "4 and 5" in first.message
    # Behind it the sizes are a guess, and nothing is told of the head.
    assert len(problems) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model.__name__}-{case.given}")
def test_what_is_told_is_written_and_read_back(case: Kept) -> None:
    summary = summarize(case.model(), tuple(case.make(case.given).shape[1:]))
    assert Summary.from_json(summary.to_json()).problems[0].claims == summary.problems[0].claims


class FixedView(nn.Module):
    """A view that takes one length alone, in front of a Linear that is wrong there."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 4, 3, 2, 1), nn.Linear(features, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).view(-1, 4 * 16))


def test_no_input_is_right_for_a_layer_that_it_does_not_get_to() -> None:
    (problem,) = summarize(FixedView(256), (2, 32)).problems
    assert (problem.required, problem.claims) == (64, ())
    FixedView(64)(torch.zeros(1, 2, 32))
    for length in (127, 128):
        with pytest.raises(RuntimeError):
            FixedView(256)(torch.zeros(3, 2, length + 1))


class NotEverySize(nn.Module):
    """A part of a table for six windows of four steps; a length that leaves 1 over is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table = nn.Conv1d(4, 8, 4, 4), nn.Parameter(torch.zeros(8, 6))

    def forward(self, x: Tensor) -> Tensor:
        channels = 3 if x.size(2) % 4 == 1 else 4
        x = self.conv(torch.cat([x, x.new_zeros(x.size(0), channels, 4)], 2))
        return x + self.table[:, : x.size(2)]


def test_a_larger_input_that_passes_is_no_end() -> None:
    model = NotEverySize()
    (problem,) = summarize(model, (4, 40)).problems
    (claim,) = problem.claims
    assert claim.kind is ClaimKind.PASSES
    assert "largest" not in problem.message
    for size in claim.inputs:
        model(_signal(*size))
    model(_signal(22))
    with pytest.raises(RuntimeError):
        model(_signal(21))


class Deep(nn.Module):
    """More sums in a row than Python calls functions, and a gate of another size behind them."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv, self.depth, self.gate = nn.Conv1d(4, 4, 3, padding=1), depth, nn.Parameter(torch.ones(4, 7))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.depth):
            x = x + self.conv(x)
        return x * self.gate


@pytest.mark.parametrize("depth", [0, 1100])
def test_a_deep_model_has_its_answer_too(depth: int) -> None:
    (problem,) = summarize(Deep(depth), (4, 9)).problems
    assert "an input of length 7 works" in problem.message
    Deep(1)(_signal(7))


def test_an_input_of_no_size_has_no_other_that_is_tried() -> None:
    problems = summarize(Deep(0), torch.zeros(1, 4, 0)).problems
    assert [problem.claims for problem in problems] == [()]
    with pytest.raises(RuntimeError):
        Deep(0)(torch.zeros(1, 4, 0))
