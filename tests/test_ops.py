"""One entry is all that an operation needs: its size is derived, explained and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from convlin import arithmetic, summarize
from convlin.layers import rule_for
from convlin.ops import meta_shapes, names
from convlin.ops.catalog import OPS
from convlin.ops.op import Family, InLetters, OnMeta, Op, StandIn, Writes, of_first
from convlin.records import Call, TensorInfo
from convlin.render.picture import kinds


class Rotated(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rot90(torch.max_pool2d(x, 2), 2, (1, 2)).kron(torch.ones(1, 1, 2, 2))


KRON = Op(
    ("kron",), Family.OTHER,
    lambda call, given: arithmetic.repeat(call.inputs[0].shape, repeats=call.inputs[1].shape), ("other",),
    role="up", sign="⊗", phrase="each element becomes a block",
)  # fmt: skip


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Op], None]]:
    """Adds an entry for one test; what was asked before and is kept would hide it."""

    def add(op: Op) -> None:
        for index in ("_full", "_bare"):
            monkeypatch.setattr(OPS, index, dict(getattr(OPS, index)))
        monkeypatch.setattr(kinds, "role", kinds.role.__wrapped__)
        OPS.add(op)
        names._op_of.cache_clear()

    yield add
    names._op_of.cache_clear()


def test_one_entry_covers_an_operation_that_has_none(add: Callable[[Op], None]) -> None:
    x = torch.rand(1, 3, 8, 8)
    before = next(call for call in summarize(Rotated(), x).calls if call.type == "Tensor.kron")
    assert before.derivation is None

    add(KRON)

    after = summarize(Rotated(), x)
    call = next(call for call in after.calls if call.type == "Tensor.kron")
    assert call.derivation is not None
    assert call.derivation.shape == Rotated()(x).shape
    assert kinds.role(call.type) == "up"
    assert kinds.sign(call.type) == "⊗"
    for height, width in ((8, 8), (5, 11)):  # the entry's formula against PyTorch at other sizes
        x = torch.rand(2, 3, height, width)
        made = next(each for each in summarize(Rotated(), x).calls if each.type == "Tensor.kron").derivation
        assert made is not None
        assert made.shape == Rotated()(x).shape


class Hypotenuse(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.short, self.long = torch.nn.Linear(4, 6), torch.nn.Linear(4, width)
        self.head = torch.nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.hypot(self.short(x), self.long(x)))


HYPOT = Op(
    ("hypot",), Family.ELEMENTWISE, lambda call, given: arithmetic.broadcast(*call.input_shapes), ("other",),
    stand_in=StandIn.ELEMENTWISE, on_meta=OnMeta.SAME_SHAPES, in_letters=InLetters.UNCHANGED, writes=Writes(),
)  # fmt: skip


def test_the_same_entry_goes_on_behind_a_refusal_and_answers_on_meta_and_in_letters(add: Callable[[Op], None]) -> None:
    wrong = Hypotenuse(8)
    with pytest.raises(RuntimeError):
        wrong(torch.rand(1, 4))
    stopped = summarize(wrong, (4,))
    assert "head" not in [call.path for call in stopped.calls]
    assert not names.may_write(torch.hypot)

    add(HYPOT)
    assert names.may_write(torch.hypot)
    report = summarize(wrong, (4,))
    assert "head" in [call.path for call in report.calls]
    (problem,) = report.problems
    assert problem.kind == "operands"

    both = torch.empty(3, 6, device="meta"), torch.empty(3, 6, device="meta")
    with torch.no_grad():
        made = meta_shapes.answer(torch.hypot, both, {})
    assert made is not None
    assert made.shape == torch.hypot(*both).shape
    letters = summarize(Hypotenuse(6), ("L", 4))
    assert letters.ok
    assert letters.output_shape is not None
    assert [str(size) for size in letters.output_shape] == ["1", "L", "2"]


def test_a_second_entry_for_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is an entry for torch\.cat, Tensor\.cat, F\.cat already"):
        OPS.add(Op(("cat",), Family.JOIN))


@pytest.mark.parametrize(
    ("name", "shape", "settings"), [("squeeze", (2, 1, 3), {"dim": 1}), ("unsqueeze", (2, 3), {"dim": 0})]
)
def test_of_first_takes_what_the_formula_takes(name: str, shape: tuple[int, ...], settings: dict[str, int]) -> None:
    call = Call("", f"torch.{name}", (TensorInfo("", shape, "", ""),))
    made = of_first(getattr(arithmetic, name))(call, {**settings, "out": None})
    assert made is not None
    assert made.shape == getattr(torch.empty(shape), name)(**settings).shape


class Seen(TorchFunctionMode):
    """The families of the functions that run."""

    def __init__(self) -> None:
        super().__init__()
        self.families: set[Family] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.families.add(names.op_of(func).family)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((2, 4, 6), (
            nn.Conv1d(4, 2, 1), nn.ConvTranspose1d(4, 2, 1), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.LPPool1d(2, 2),
            nn.AdaptiveAvgPool1d(1), nn.AdaptiveMaxPool1d(1), nn.BatchNorm1d(4), nn.InstanceNorm1d(4),
            nn.GroupNorm(2, 4), nn.LayerNorm(6), nn.RMSNorm(6), nn.Linear(6, 2), nn.GLU(), nn.Flatten(),
            nn.Unflatten(1, (2, 2)), nn.Upsample(scale_factor=2), nn.ConstantPad1d(1, 0.0), nn.ReflectionPad1d(1),
        )),
        ((2, 4, 6, 6), (
            nn.Conv2d(4, 2, 1), nn.ConvTranspose2d(4, 2, 1), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2),
            nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.FractionalMaxPool2d(2, 3), nn.PixelShuffle(2),
            nn.PixelUnshuffle(2), nn.Unfold(2), nn.ZeroPad2d(1), nn.ReplicationPad2d(1),
        )),
    ],
)  # fmt: skip
def test_a_layer_is_of_the_family_of_a_function_that_its_forward_calls(
    shape: tuple[int, ...], layers: tuple[nn.Module, ...]
) -> None:
    for layer in layers:
        with Seen() as seen:
            layer(torch.rand(shape))
        assert rule_for(type(layer)).family in seen.families, layer
