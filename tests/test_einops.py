"""Patterns of einops that do not fit: told as a refusal of torch's own functions is, with the inputs that do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from einops import EinopsError, rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from convlin import summarize, watch
from convlin.at_error.answer import answer_to
from convlin.records import ClaimKind, Evidence

PATCHES = "b c (h p) (w q) -> b (h w) (p q c)"


class Patches(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(features, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(rearrange(self.conv(x), PATCHES, p=16, q=16))


LINE = Patches.forward.__code__.co_firstlineno + 1


def _layers(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Rearrange(PATCHES, p=16, q=16), nn.Linear(features, 8))


@pytest.mark.parametrize(("model", "name"), [(Patches(1024), "einops.rearrange"), (_layers(1024), "Rearrange")])
def test_an_image_that_patches_do_not_divide(model: nn.Module, name: str) -> None:
    summary = summarize(model, (3, 60, 60))
    (problem,) = summary.problems
    assert problem.message.splitlines() == [
        f"{name} stopped the pass; 1×4×60×60 arrived",
        "einops says: Shape mismatch, can't divide axis of length 60 in chunks of 16",
        "the model takes inputs of 48×48 and 64×64: multiples of 16",
    ]
    passes, _ = problem.claims
    assert (passes.kind, passes.evidence, passes.inputs) == (ClaimKind.PASSES, Evidence.RUN, ((48, 48), (64, 64)))
    for size in passes.inputs:
        model(torch.zeros(1, 3, *size))
    with pytest.raises(EinopsError):
        model(torch.zeros(1, 3, 65, 65))
    assert summary.report.calls[-1].failed


def test_the_line_is_that_of_the_pattern() -> None:
    (problem,) = summarize(Patches(1024), (3, 60, 60)).problems
    assert problem.where is not None
    assert (Path(problem.where.file), problem.where.line) == (Path(__file__), LINE)


@pytest.mark.parametrize("make", [Patches, _layers])
def test_where_something_else_is_wrong_no_size_is_said_to_be_taken(make: type[nn.Module]) -> None:
    model = make(999)
    (problem,) = summarize(model, (3, 60, 60)).problems
    assert problem.message.endswith("\ninputs of 48×48 and 64×64 get past this: multiples of 16")
    (behind,) = summarize(model, (3, 64, 64)).problems
    assert (behind.declared, behind.required) == (999, 1024)


def test_a_wrong_rank_has_no_size_that_helps() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return rearrange(self.conv(x), "b c l -> b (c l)")

    (problem,) = summarize(Flat(), (3, 12, 12)).problems
    assert "einops says: Wrong shape: expected 3 dims. Received 4-dim tensor." in problem.message
    assert problem.claims == ()


def test_a_watched_call_fails_as_it_does_and_is_told() -> None:
    model = Patches(1024)
    with pytest.raises(EinopsError), watch(model) as summary:
        model(torch.zeros(1, 3, 60, 60))
    (problem,) = summary.problems
    assert "einops.rearrange stopped the pass" in problem.message


def test_letters_have_the_multiple() -> None:
    accepts = summarize(Patches(1024), (3, "H", "W")).accepts
    assert accepts is not None
    assert accepts.text == "H, W multiples of 16"


class Unshuffled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.pixel_unshuffle(self.conv(x), 4)


def test_what_torch_refuses_for_a_size_is_told_with_the_sizes_that_pass() -> None:
    model = Unshuffled()
    (problem,) = summarize(model, (3, 30, 30)).problems
    assert problem.message.endswith("the model takes inputs of 28×28 and 32×32: multiples of 4")
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 3, 29, 29))
    for side in (28, 32, 36):
        model(torch.zeros(1, 3, side, side))


class Halves(nn.Module):
    """Two halves that are stacked: even widths alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack(self.conv(x).chunk(2, dim=-1))


def test_parts_that_do_not_stack() -> None:
    model = Halves()
    (problem,) = summarize(model, (3, 31)).problems
    sizes = [size for claim in problem.claims for size in claim.inputs]
    assert sizes
    for size in sizes:
        model(torch.zeros(1, 3, *size))
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 3, 31))


class Folds(nn.Module):
    """Patches of the input itself: nothing runs before the pattern."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(rearrange(x, PATCHES, p=8, q=8))


@pytest.mark.parametrize("model", [Folds(), Patches(1024)])
def test_at_the_error_the_pattern_is_told_with_the_sizes_that_pass(model: nn.Module) -> None:
    with pytest.raises(EinopsError) as info:
        model(torch.rand(2, 3, 44, 44))
    found = answer_to(info.value)
    assert found is not None
    assert found.summary is not None
    (problem,) = found.summary.problems
    passes = problem.claims[0]
    for size in passes.inputs:
        model(torch.zeros(2, 3, *size))


class Heads(nn.Module):
    """Heads split off by a pattern, of as many features or channels as a layer makes."""

    def __init__(self, made: nn.Module, pattern: str, **sizes: int) -> None:
        super().__init__()
        self.made, self.pattern, self.sizes = made, pattern, sizes

    def forward(self, x: Tensor) -> Tensor:
        return rearrange(self.made(x).relu(), self.pattern, **self.sizes)


@pytest.mark.parametrize(
    ("make", "name", "pattern", "sizes", "shape"),
    [
        (lambda size: nn.Linear(6, size), "out_features", "b n (h d) -> b h n d", {"h": 8}, (10, 6)),
        (lambda size: nn.Linear(50, size), "out_features", "b n (h d) -> b h n d", {"h": 8}, (10, 50)),
        (lambda size: nn.Conv2d(3, size, 1), "out_channels", "b (c r) h w -> b c (h r) w", {"r": 4}, (3, 5, 6)),
        (lambda size: nn.ConvTranspose1d(3, size, 2, 2), "out_channels", "b (c r) n -> b c (n r)", {"r": 3}, (3, 5)),
    ],
)
def test_the_layer_that_makes_an_axis_which_a_pattern_cannot_divide(
    make: Callable[[int], nn.Module], name: str, pattern: str, sizes: dict[str, int], shape: tuple[int, ...]
) -> None:
    with pytest.raises(EinopsError, match="can't divide axis of length 50"):
        Heads(make(50), pattern, **sizes)(torch.zeros(1, *shape))
    (problem,) = summarize(Heads(make(50), pattern, **sizes), shape).problems
    told = [int(size) for size in re.findall(rf"{name}=(\d+)", " ".join(problem.message.split()))]
    assert f"made makes these 50: {name}=" in " ".join(problem.message.split())
    assert len(told) == 2
    assert told[0] < 50 < told[1]
    for size in told:
        Heads(make(size), pattern, **sizes)(torch.zeros(1, *shape))


def test_of_an_axis_that_no_layer_alone_makes_none_is_named() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 25)

        def forward(self, x: Tensor) -> Tensor:
            return rearrange(torch.cat([self.a(x), self.a(x)], -1), "b n (h d) -> b h n d", h=8)

    (problem,) = summarize(Joined(), (10, 6)).problems
    assert "makes these" not in problem.message
    (problem,) = summarize(Heads(nn.Linear(6, 50), "b n (h d) -> b h n d", h=8), (50, 6)).problems
    assert "makes these" not in problem.message  # two axes of 50
