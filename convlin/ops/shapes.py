"""Functions that rearrange and divide: ``view``, ``permute``, ``expand``, ``chunk``, ``x[…]``."""

from __future__ import annotations

from functools import partial

from convlin import arithmetic
from convlin.arithmetic.common import page
from convlin.derivations import formulas
from convlin.derivations.arguments import Given, first, spread, taken
from convlin.ops.op import Cells, Family, InLetters, Op, StandIn, of_first
from convlin.records import Call, Derivation

# The same elements under another shape


def _reshape(call: Call, given: Given) -> Derivation | None:
    sizes = spread(call, "size", "shape")
    return None if sizes is None else arithmetic.reshape(first(call), shape=sizes)


def _like_second(call: Call, given: Given, name: str) -> Derivation | None:
    if len(call.inputs) != 2:
        return None
    if name == "expand":
        return arithmetic.expand(first(call), sizes=call.inputs[1].shape)
    return arithmetic.reshape(first(call), shape=call.inputs[1].shape)


def _expand(call: Call, given: Given) -> Derivation | None:
    sizes = spread(call, "size")
    return None if sizes is None else arithmetic.expand(first(call), sizes=sizes)


def _repeat(call: Call, given: Given) -> Derivation | None:
    repeats = spread(call, "repeats", "dims")
    if repeats is None:
        return None
    missing = len(first(call)) - len(repeats)
    if missing > 0 and call.type.endswith("tile"):
        repeats = (1,) * missing + repeats
    return arithmetic.repeat(first(call), repeats=repeats)


def _permute(call: Call, given: Given) -> Derivation | None:
    dims = spread(call, "dims")
    return None if dims is None else arithmetic.permute(first(call), dims=dims)


def _transposed(call: Call, given: Given) -> Derivation:
    shape = first(call)
    if call.type in ("Tensor.mT", "Tensor.mH", "Tensor.adjoint"):
        return arithmetic.transpose(shape, dim0=-2, dim1=-1)
    return arithmetic.permute(shape, dims=tuple(reversed(range(len(shape)))))


def _flatten(call: Call, given: Given) -> Derivation:
    return arithmetic.flatten(first(call), **{"start_dim": 0, **taken(given, "start_dim", "end_dim")})


def _unflatten(call: Call, given: Given) -> Derivation | None:
    dim, sizes = given.get("dim"), given.get("sizes")
    if not isinstance(dim, int) or not isinstance(sizes, tuple | list):
        return None
    return arithmetic.unflatten(first(call), dim=dim, sizes=sizes)


def _repeat_interleave(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) > 1 or not isinstance(given.get("repeats"), int):
        return None
    return formulas.repeat_interleave(first(call), **taken(given, "repeats", "dim"))


# Parts


def _split(call: Call, given: Given) -> Derivation:
    sections = next(given[name] for name in ("split_size", "split_size_or_sections", "split_sizes") if name in given)
    return arithmetic.split(first(call), split_size_or_sections=sections, **taken(given, "dim"))


def _without(call: Call, given: Given) -> Derivation:
    derivation = arithmetic.reduce(first(call), dim=given.get("dim", 0))
    return derivation._replace(source=page(call.type.rpartition(".")[2]))


def _narrow(call: Call, given: Given) -> Derivation:
    return formulas.pick(first(call), dim=given["dim"], size=given["length"], name="length", function="narrow")


def _top(call: Call, given: Given) -> Derivation:
    return formulas.pick(first(call), dim=given.get("dim", -1), size=given["k"], name="k", function="topk")


def _selected(call: Call, given: Given) -> Derivation:
    indices = call.inputs[1].shape
    count = indices[0] if indices else 1
    return formulas.pick(first(call), dim=given["dim"], size=count, name="len(index)", function="index_select")


def _gathered(call: Call, given: Given) -> Derivation:
    return Derivation(call.inputs[1].shape, (), page("gather"))


def _index(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) > 1 or "index" not in given:  # a tensor among the indices
        return None
    return formulas.index(first(call), given["index"])


_ORDER = "the same sizes in another order"
_WRITTEN = "the sizes that are written there"
_STRETCHES = "a size of 1 stretches"
_PLACE = "one place of a dimension is taken, which is gone"


OPS: tuple[Op, ...] = (
    Op(("view", "reshape"), Family.REARRANGE, _reshape, None, role="reshape", phrase=_WRITTEN,
       keeps_memory_order=True, merges=True, stand_in=StandIn.RESHAPE, in_letters=InLetters.AS_ASKED),
    Op(("view_as", "reshape_as"), Family.REARRANGE, partial(_like_second, name="reshape"), ("other",), role="reshape"),
    Op(("expand_as",), Family.REARRANGE, partial(_like_second, name="expand"), ("other",), role="reshape",
       phrase=_STRETCHES),
    Op(("expand",), Family.REARRANGE, _expand, None, role="reshape", phrase=_STRETCHES),
    Op(("broadcast_to",), Family.REARRANGE, _expand, None, phrase=_STRETCHES),
    Op(("repeat",), Family.REARRANGE, _repeat, None, role="reshape"),
    Op(("tile",), Family.REARRANGE, _repeat, None),
    Op(("permute",), Family.REARRANGE, _permute, None, role="reshape", phrase=_ORDER),
    Op(("transpose", "swapaxes", "swapdims"), Family.REARRANGE, of_first(arithmetic.transpose), ("dim0", "dim1"),
       role="reshape", phrase=_ORDER),
    Op(("T", "mT", "t"), Family.REARRANGE, _transposed, role="reshape", phrase=_ORDER),
    Op(("H", "mH", "adjoint"), Family.REARRANGE, _transposed),
    Op(("movedim", "moveaxis"), Family.REARRANGE, of_first(formulas.move), ("source", "destination"),
       role="reshape", phrase=_ORDER),
    Op(("flatten", "ravel"), Family.REARRANGE, _flatten, ("start_dim", "end_dim"), role="reshape",
       keeps_memory_order=True, merges=True, in_letters=InLetters.FLATTENED),
    Op(("unflatten",), Family.REARRANGE, _unflatten, ("dim", "sizes"), role="reshape", phrase=_WRITTEN,
       stand_in=StandIn.UNFLATTEN, in_letters=InLetters.UNFLATTENED),
    Op(("squeeze",), Family.REARRANGE, of_first(arithmetic.squeeze), ("dim",), role="reshape",
       phrase="dimensions of size 1 are gone"),
    Op(("unsqueeze",), Family.REARRANGE, of_first(arithmetic.unsqueeze), ("dim",), role="reshape",
       phrase="a dimension of size 1 is added"),
    Op(("repeat_interleave",), Family.REARRANGE, _repeat_interleave, ("repeats", "dim"), role="reshape"),
    Op(("contiguous", "clone"), Family.REARRANGE, role="reshape"),
    Op(("roll",), Family.REARRANGE, role="reshape", mixes_cells=True, differs_on_meta=True, keeps_channels_last=True),
    Op(("flip",), Family.REARRANGE, mixes_cells=True),
    Op(("chunk",), Family.PART, of_first(arithmetic.chunk), ("chunks", "dim"), role="reshape", cells=Cells.CHANNELS),
    Op(("split",), Family.PART, _split, ("split_size", "dim"), role="reshape", cells=Cells.CHANNELS),
    Op(("split_with_sizes",), Family.PART, _split, ("split_size", "dim"), cells=Cells.CHANNELS),
    Op(("tensor_split",), Family.PART, role="reshape"),
    Op(("unbind",), Family.PART, _without, ("dim",), role="reshape", phrase=_PLACE),
    Op(("select",), Family.PART, _without, ("dim", "index"), role="reshape", phrase=_PLACE),
    Op(("narrow",), Family.PART, _narrow, ("dim", "start", "length"), role="reshape", cells=Cells.CHANNELS),
    Op(("topk",), Family.PART, _top, ("k", "dim", "largest", "sorted")),
    Op(("index_select",), Family.PART, _selected, ("dim", "index"), role="reshape", cells=Cells.CHANNELS, indexes=True),
    Op(("gather",), Family.PART, _gathered, ("dim", "index", "sparse_grad"), role="reshape", indexes=True),
    Op(("take", "scatter"), Family.PART, indexes=True),
    Op(("glu",), Family.PART, of_first(formulas.halve), ("dim",), cells=Cells.CHANNELS),
    # ``F.unfold`` is another function.
    Op(("unfold",), Family.PART, of_first(arithmetic.unfold_dimension), ("dimension", "size", "step"), owner="Tensor",
       role="reshape"),
    Op(("[...]",), Family.INDEX, _index, ("index",), owner="Tensor", role="reshape", cells=Cells.CHANNELS),
)  # fmt: skip
