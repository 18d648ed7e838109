"""One entry is all that an operation needs: its size is derived, explained and drawn."""

from __future__ import annotations

import pytest
import torch

from convlin import arithmetic, summarize
from convlin.ops.catalog import OPS
from convlin.ops.op import Family, Op, of_first
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


def test_one_entry_covers_an_operation_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 8, 8)
    before = next(call for call in summarize(Rotated(), x).calls if call.type == "Tensor.kron")
    assert before.derivation is None

    for index in ("_full", "_bare"):
        monkeypatch.setattr(OPS, index, dict(getattr(OPS, index)))
    monkeypatch.setattr(kinds, "role", kinds.role.__wrapped__)  # what was asked before is kept
    OPS.add(KRON)

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
