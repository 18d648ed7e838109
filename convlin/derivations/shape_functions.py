"""Functions that rearrange, divide, join and reduce: ``view``, ``permute``, ``chunk``, ``cat``, ``mean``, ``x[…]``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from convlin import arithmetic
from convlin.arithmetic.common import page
from convlin.derivations import formulas
from convlin.derivations.arguments import Function, Given, first, spread, taken
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


def _transpose(call: Call, given: Given) -> Derivation:
    return arithmetic.transpose(first(call), dim0=given["dim0"], dim1=given["dim1"])


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


def _squeeze(call: Call, given: Given) -> Derivation:
    return arithmetic.squeeze(first(call), **taken(given, "dim"))


def _unsqueeze(call: Call, given: Given) -> Derivation:
    return arithmetic.unsqueeze(first(call), dim=given["dim"])


def _move(call: Call, given: Given) -> Derivation:
    return formulas.move(first(call), **taken(given, "source", "destination"))


# Parts


def _chunk(call: Call, given: Given) -> Derivation:
    return arithmetic.chunk(first(call), **taken(given, "chunks", "dim"))


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


def _windows_of_dimension(call: Call, given: Given) -> Derivation:
    return arithmetic.unfold_dimension(first(call), **taken(given, "dimension", "size", "step"))


def _halve(call: Call, given: Given) -> Derivation:
    return formulas.halve(first(call), **taken(given, "dim"))


# Several tensors, and reductions


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


def _outer(call: Call, given: Given) -> Derivation:
    return Derivation((*first(call), *call.inputs[1].shape), (), page("outer"))


def _einsum(call: Call, given: Given) -> Derivation | None:
    equation = call.settings.get("0", call.settings.get("equation"))
    return formulas.einsum(call.input_shapes, equation) if isinstance(equation, str) else None


def _repeat_interleave(call: Call, given: Given) -> Derivation | None:
    if len(call.inputs) > 1 or not isinstance(given.get("repeats"), int):
        return None
    return formulas.repeat_interleave(first(call), **taken(given, "repeats", "dim"))


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


FUNCTIONS: Mapping[str, Function] = {
    **dict.fromkeys(("view", "reshape"), Function(_reshape, None)),
    **dict.fromkeys(("view_as", "reshape_as"), Function(partial(_like_second, name="reshape"), ("other",))),
    "expand_as": Function(partial(_like_second, name="expand"), ("other",)),
    **dict.fromkeys(("expand", "broadcast_to"), Function(_expand, None)),
    **dict.fromkeys(("repeat", "tile"), Function(_repeat, None)),
    "permute": Function(_permute, None),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), Function(_transpose, ("dim0", "dim1"))),
    **dict.fromkeys(("T", "mT", "H", "mH", "t", "adjoint"), Function(_transposed)),
    **dict.fromkeys(("movedim", "moveaxis"), Function(_move, ("source", "destination"))),
    **dict.fromkeys(("flatten", "ravel"), Function(_flatten, ("start_dim", "end_dim"))),
    "unflatten": Function(_unflatten, ("dim", "sizes")),
    "squeeze": Function(_squeeze, ("dim",)),
    "unsqueeze": Function(_unsqueeze, ("dim",)),
    "chunk": Function(_chunk, ("chunks", "dim")),
    **dict.fromkeys(("split", "split_with_sizes"), Function(_split, ("split_size", "dim"))),
    "unbind": Function(_without, ("dim",)),
    "select": Function(_without, ("dim", "index")),
    "narrow": Function(_narrow, ("dim", "start", "length")),
    "topk": Function(_top, ("k", "dim", "largest", "sorted")),
    "index_select": Function(_selected, ("dim", "index")),
    "gather": Function(_gathered, ("dim", "index", "sparse_grad")),
    "glu": Function(_halve, ("dim",)),
    **dict.fromkeys(("cat", "concat", "concatenate"), Function(_cat, ("dim",))),
    "hstack": Function(_hstack),
    "stack": Function(_stack, ("dim",)),
    **dict.fromkeys(("matmul", "bmm", "mm", "mv"), Function(_matmul, ("other",))),
    **dict.fromkeys(("baddbmm", "addmm"), Function(_added_product, ("batch1", "batch2", "beta", "alpha"))),
    "outer": Function(_outer, ("vec2",)),
    "einsum": Function(_einsum, None),
    "repeat_interleave": Function(_repeat_interleave, ("repeats", "dim")),
    **dict.fromkeys(
        (
            "mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "prod", "median", "mode", "nanmean",
            "nansum", "any", "all", "logsumexp", "count_nonzero",
        ),
        Function(_reduce, ("dim", "keepdim")),
    ),
    **dict.fromkeys(("std", "var"), Function(_reduce, ("dim", "unbiased", "keepdim"))),
    "norm": Function(_reduce, ("p", "dim", "keepdim")),
    "cosine_similarity": Function(_distance, ("x2", "dim", "eps")),
    "pairwise_distance": Function(_distance, ("x2", "p", "eps", "keepdim")),
    **dict.fromkeys(
        (
            "add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "floor_divide", "remainder",
            "fmod", "pow", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "where", "atan2", "masked_fill",
            "logical_and", "logical_or", "logical_xor", "__and__", "__or__", "__xor__", "__eq__", "__ne__",
            "bitwise_and", "bitwise_or", "bitwise_xor",
        ),
        Function(_broadcast, ("other", "more")),
    ),
    **dict.fromkeys(
        ("mse_loss", "l1_loss", "smooth_l1_loss", "cross_entropy", "nll_loss", "binary_cross_entropy",
         "binary_cross_entropy_with_logits", "kl_div"),
        Function(_loss, ("target", "weight", "size_average", "ignore_index", "reduce", "reduction")),
    ),
}  # fmt: skip

BY_FULL_NAME: Mapping[str, Function] = {
    "Tensor.unfold": Function(_windows_of_dimension, ("dimension", "size", "step")),
    "Tensor[...]": Function(_index, ("index",)),
}

WITHOUT_PREFIX: Mapping[str, Function] = {
    **dict.fromkeys(("+", "-", "*", "/", "pow"), FUNCTIONS["add"]),
    "@": FUNCTIONS["matmul"],
    **dict.fromkeys(("linalg_norm", "linalg_vector_norm"), Function(_reduce, ("ord", "dim", "keepdim"))),
}
