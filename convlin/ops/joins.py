"""Functions of several tensors, and those that reduce one: ``cat``, ``@``, ``+``, ``mean``, losses."""

from __future__ import annotations

from convlin import arithmetic
from convlin.arithmetic.common import page
from convlin.derivations import formulas
from convlin.derivations.arguments import Given, first, taken
from convlin.ops.op import Cells, Family, InLetters, OnMeta, Op, StandIn
from convlin.records import Call, Derivation


def _cat(call: Call, given: Given) -> Derivation:
    return arithmetic.cat(call.input_shapes, **taken(given, "dim"))


def _hstack(call: Call, given: Given) -> Derivation:
    return arithmetic.cat(call.input_shapes, dim=1 if len(first(call)) > 1 else 0)


def _stack(call: Call, given: Given) -> Derivation:
    return arithmetic.stack(call.input_shapes, **taken(given, "dim"))


def _broadcast(call: Call, given: Given) -> Derivation | None:
    return arithmetic.broadcast(*call.input_shapes) if len(call.inputs) > 1 else None


def _matmul(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) != 2:
        return None
    return arithmetic.matmul(first(call), call.inputs[1].shape)


def _added_product(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) != 3:
        return None
    return arithmetic.matmul(call.inputs[1].shape, call.inputs[2].shape)


def _grouped(call: Call, given: Given) -> Derivation | None:
    """The rows of each expert by the matrix of that expert, or the other way about: what is split has one axis less."""
    if len(call.inputs) != 3:
        return None
    shape, other, ends = call.input_shapes
    if (len(shape), len(other)) == (2, 2):
        made = arithmetic.matmul(shape, other)
        return Derivation((*ends, *made.shape), (), _GROUPED)
    if len(shape) > 3 or len(other) > 3:
        return None
    return Derivation(arithmetic.matmul(shape[-2:], other[-2:]).shape, (), _GROUPED)


def _outer(call: Call, given: Given) -> Derivation:
    return Derivation((*first(call), *call.inputs[1].shape), (), page("outer"))


def _einsum(call: Call, given: Given) -> Derivation | None:
    equation = call.settings.get("0", call.settings.get("equation"))
    return formulas.einsum(call.input_shapes, equation) if isinstance(equation, str) else None


def _reduce(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) > 1:
        return arithmetic.broadcast(*call.input_shapes) if call.type.endswith(("max", "min")) else None
    dim, keepdim = given.get("dim"), bool(given.get("keepdim", False))
    if isinstance(dim, bool):  # x.std(False): no dimension, but the old form of the correction
        dim = None
    if not all(isinstance(each, int) for each in (dim if isinstance(dim, tuple | list) else (dim or 0,))):
        return None
    return arithmetic.reduce(first(call), dim=dim, keepdim=keepdim)


def _distance(call: Call, given: Given) -> Derivation:
    together = arithmetic.broadcast(*call.input_shapes).shape
    dim = given.get("dim", 1 if call.type.endswith("similarity") else -1)
    return arithmetic.reduce(together, dim=dim, keepdim=bool(given.get("keepdim", False)))


def _loss(call: Call, given: Given) -> Derivation | None:
    if given.get("reduction", "mean") not in ("mean", "sum") or given.get("reduce") is False:
        return None
    name = call.type.rpartition(".")[2]
    return Derivation((), (), page(f"nn.functional.{name}"))


_STRETCH = "sizes of 1 stretch to those of the other"
_PRODUCT = "a product: the rows of the one, the columns of the other"
_ONE = "one number for all along the dimensions that are gone"
_GROUPED = page("nn.functional.grouped_mm")
_OTHER = ("other", "more")
_OF_LOSSES = ("target", "weight", "size_average", "ignore_index", "reduce", "reduction")


def _sign(name: str, sign: str, operator: str, *more: str) -> tuple[Op, ...]:
    """The entries of an operator: as a function, in place, and under its other names."""
    return (
        Op((name,), Family.ELEMENTWISE, _broadcast, _OTHER, operators=(operator,), phrase=_STRETCH, sign=sign,
           cells=Cells.EACH, hands_on=True, stand_in=StandIn.ELEMENTWISE, on_meta=OnMeta.SAME_SHAPES,
           in_letters=InLetters.TOGETHER),
        Op((f"{name}_",), Family.ELEMENTWISE, operators=(f"{operator}=",), phrase=_STRETCH, sign=sign,
           cells=Cells.EACH, stand_in=StandIn.ELEMENTWISE, in_letters=InLetters.TOGETHER_IN_PLACE),
        *(
            Op((each,), Family.ELEMENTWISE, _broadcast, _OTHER, sign=sign, cells=Cells.EACH,
               stand_in=StandIn.ELEMENTWISE)
            for each in more
        ),
    )  # fmt: skip


_MATMUL = Op(
    ("matmul",), Family.PRODUCT, _matmul, ("other",), operators=("@",), role="product", phrase=_PRODUCT,
    mixes_cells=True, stand_in=StandIn.PRODUCT,
)  # fmt: skip

OPS: tuple[Op, ...] = (
    Op(("cat", "concat", "concatenate"), Family.JOIN, _cat, ("dim",), role="cat", cells=Cells.EACH, hands_on=True,
       stand_in=StandIn.JOIN, in_letters=InLetters.JOINED),
    Op(("hstack",), Family.JOIN, _hstack, role="cat"),
    Op(("stack",), Family.JOIN, _stack, ("dim",), role="cat", stand_in=StandIn.JOIN),
    Op(("vstack", "dstack"), Family.JOIN, role="cat"),
    Op(("column_stack", "row_stack"), Family.JOIN),
    _MATMUL,
    _MATMUL._replace(names=("bmm",), operators=(), rank=3),
    Op(("mm",), Family.PRODUCT, _matmul, ("other",), role="product", phrase=_PRODUCT, rank=2,
       stand_in=StandIn.PRODUCT),
    Op(("grouped_mm", "_grouped_mm"), Family.PRODUCT, _grouped, ("mat2", "offs"), role="product", phrase=_PRODUCT,
       on_meta=OnMeta.GROUPED_PRODUCT, in_letters=InLetters.GROUPED_PRODUCT),
    Op(("mv",), Family.PRODUCT, _matmul, ("other",)),
    Op(("baddbmm",), Family.PRODUCT, _added_product, ("batch1", "batch2", "beta", "alpha"), role="product"),
    Op(("addmm",), Family.PRODUCT, _added_product, ("batch1", "batch2", "beta", "alpha")),
    Op(("outer",), Family.PRODUCT, _outer, ("vec2",)),
    Op(("einsum",), Family.PRODUCT, _einsum, None, role="product", phrase=_PRODUCT, stand_in=StandIn.EINSUM),
    Op(("mean", "sum"), Family.REDUCTION, _reduce, ("dim", "keepdim"), role="pool", phrase=_ONE, merges=True,
       in_letters=InLetters.REDUCED),
    Op(("amax",), Family.REDUCTION, _reduce, ("dim", "keepdim"), role="pool", phrase=_ONE, merges=True),
    Op(("amin", "max", "min", "argmax", "logsumexp"), Family.REDUCTION, _reduce, ("dim", "keepdim"), role="pool",
       phrase=_ONE),
    Op(("argmin", "prod"), Family.REDUCTION, _reduce, ("dim", "keepdim"), phrase=_ONE),
    Op(("median", "mode", "nanmean", "nansum", "any", "all", "count_nonzero"), Family.REDUCTION, _reduce,
       ("dim", "keepdim")),
    Op(("std", "var"), Family.REDUCTION, _reduce, ("dim", "unbiased", "keepdim"), role="pool", phrase=_ONE),
    Op(("norm",), Family.REDUCTION, _reduce, ("p", "dim", "keepdim"), role="pool", phrase=_ONE),
    Op((), Family.REDUCTION, _reduce, ("ord", "dim", "keepdim"), operators=("linalg_norm", "linalg_vector_norm")),
    Op(("cosine_similarity",), Family.REDUCTION, _distance, ("x2", "dim", "eps")),
    Op(("pairwise_distance",), Family.REDUCTION, _distance, ("x2", "p", "eps", "keepdim")),
    *_sign("add", "+", "+"),
    *_sign("sub", "−", "-", "subtract", "rsub"),
    *_sign("mul", "×", "*", "multiply"),
    *_sign("div", "÷", "/", "true_divide", "divide"),
    Op(("maximum", "minimum"), Family.ELEMENTWISE, _broadcast, _OTHER, cells=Cells.EACH, stand_in=StandIn.ELEMENTWISE),
    Op(("where",), Family.ELEMENTWISE, _broadcast, _OTHER, cells=Cells.EACH, phrase=_STRETCH,
       stand_in=StandIn.ELEMENTWISE),
    Op(("lerp", "addcmul", "addcdiv"), Family.ELEMENTWISE, cells=Cells.EACH, stand_in=StandIn.ELEMENTWISE),
    Op(("masked_fill_",), Family.ELEMENTWISE, stand_in=StandIn.ELEMENTWISE),
    Op(
        (
            "floor_divide", "remainder", "fmod", "eq", "ne", "lt", "le", "gt", "ge", "atan2", "masked_fill",
            "logical_and", "logical_or", "logical_xor", "__and__", "__or__", "__xor__", "__eq__", "__ne__",
            "bitwise_and", "bitwise_or", "bitwise_xor",
        ),
        Family.ELEMENTWISE, _broadcast, _OTHER, stand_in=StandIn.ELEMENTWISE,
    ),
    Op(("pow",), Family.ELEMENTWISE, _broadcast, _OTHER, operators=("pow",), stand_in=StandIn.ELEMENTWISE,
       on_meta=OnMeta.SAME_SHAPES),
    Op(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), Family.LOSS, _loss, _OF_LOSSES,
       stand_in=StandIn.LOSS),
    Op(("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"),
       Family.LOSS, _loss, _OF_LOSSES),
)  # fmt: skip
