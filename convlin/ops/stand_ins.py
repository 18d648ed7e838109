"""How the pass goes on behind a torch function that cannot take what reached it: the misfit, and a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import prod
from typing import Any

from torch import Tensor, nn

from convlin._util.torch_private import CONVOLUTIONS, NORMALIZATIONS
from convlin.arithmetic.combining import broadcast
from convlin.ops.misfit import Misfit, resized
from convlin.ops.names import Function, may_write, op_of, sizes_asked
from convlin.ops.op import Family, StandIn
from convlin.ops.parted import convolved, grouped
from convlin.ops.refused_calls import Recovery, RefusedCall, declared_as
from convlin.ops.refused_products import einsum, matmul
from convlin.records import Shape
from convlin.tensors import zeros


def recover(
    function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], layer: nn.Module | None
) -> Recovery | None:
    """How the pass can go on after ``function`` refused its arguments; None where it cannot.

    ``layer`` is the layer whose own ``forward`` made the call, if any.
    """
    way = op_of(function).stand_in
    if way is None:
        return None
    try:
        return _WAYS[way](RefusedCall(function, args, kwargs, layer))
    except (RuntimeError, ValueError, IndexError):  # more is wrong than one size: nothing can stand in
        return None


def reshape_sizes(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The sizes that were given to ``view`` or ``reshape``, where all of them are numbers."""
    given = sizes_asked(args, kwargs)
    return given if given and all(isinstance(size, int) for size in given) else None


def _reshape(call: RefusedCall) -> Recovery | None:
    tensor = call.input
    wanted = reshape_sizes(call.args, call.kwargs)
    if not isinstance(tensor, Tensor) or wanted is None or tensor.dim() == 0:
        return None
    if _fits(wanted, tensor.numel()):  # the sizes are right: view cannot cross the strides
        return Recovery((Misfit("reshape", "view", "reshape", "strides", {"wanted": wanted}),), tensor.reshape(wanted))
    rows = tensor.shape[0] if tensor.dim() > 1 else 1
    required = prod(tensor.shape[1:]) if tensor.dim() > 1 else tensor.numel()
    declared = prod(size for size in wanted[1:] if size != -1)
    misfit = Misfit("reshape", declared, required, "size", {"wanted": wanted, "shape": tuple(tensor.shape)})
    if len(wanted) > 2:
        # What follows was written for the declared sizes: hand on a tensor of just those.
        sizes = (rows if wanted[0] == -1 else wanted[0], *(1 if size == -1 else size for size in wanted[1:]))
        return Recovery((misfit,), zeros(tensor, sizes))
    return Recovery((misfit,), tensor.flatten(1) if tensor.dim() > 1 else tensor.reshape(1, -1))


def _fits(wanted: tuple[int, ...], elements: int) -> bool:
    known = prod(size for size in wanted if size != -1)
    return known == elements if -1 not in wanted else known != 0 and elements % known == 0


def _unflatten(call: RefusedCall) -> Recovery | None:
    tensor = call.input
    given = (*call.args[1:], *(call.kwargs[name] for name in ("dim", "sizes") if name in call.kwargs))
    if not isinstance(tensor, Tensor) or len(given) != 2 or not isinstance(given[1], tuple | list):
        return None
    if not isinstance(given[0], int) or not -tensor.dim() <= given[0] < tensor.dim():
        return None
    axis, sizes = given[0] % tensor.dim(), tuple(given[1])
    product = prod(size for size in sizes if size != -1)
    misfit = Misfit("reshape", sizes, tensor.shape[axis], "unflatten", {"dim": axis, "product": product})
    whole = tuple(1 if size == -1 else size for size in sizes)
    shape = (*tensor.shape[:axis], *whole, *tensor.shape[axis + 1 :])
    return Recovery((misfit,), zeros(tensor, shape))


def _linear(call: RefusedCall) -> Recovery | None:
    given = call.input_and_weight()
    if given is None:
        return None
    tensor, weight = given
    if weight.dim() != 2 or tensor.dim() == 0 or tensor.shape[-1] == weight.shape[1]:
        return None
    declared, required = weight.shape[1], tensor.shape[-1]
    name = "in_features" if isinstance(call.layer, nn.Linear) else declared_as(call.layer, declared)
    if name:
        misfit = resized(name, declared, required)
    else:
        detail: dict[str, Any] = {"shapes": (tuple(tensor.shape), tuple(weight.shape)), "meet": ((-1, -1),)}
        detail["made"] = (-1,) if weight.shape[0] == declared else ()  # as ``_axes_of_map`` says
        misfit = Misfit("operands", declared, required, "linear", detail)
    result = zeros(tensor, (*tensor.shape[:-1], weight.shape[0]), weight.dtype)
    return Recovery((misfit,), result)


def _convolution(call: RefusedCall) -> Recovery | None:
    given = call.input_and_weight()
    if given is None:
        return None
    tensor, weight = given
    spatial = weight.dim() - 2
    if tensor.dim() not in (spatial + 1, spatial + 2):
        return None
    axis = tensor.dim() - spatial - 1
    transposed = op_of(call.function).family is Family.TRANSPOSED_CONVOLUTION
    groups = call.kwargs.get("groups", call.args[6] if len(call.args) > 6 else 1)
    declared = weight.shape[0] if transposed else weight.shape[1] * groups
    required = tensor.shape[axis]
    if required == declared:
        return None
    if isinstance(call.layer, CONVOLUTIONS):
        misfit = convolved(call.layer, declared, required)
    else:
        outputs = weight.shape[1] * groups if transposed else weight.shape[0]
        detail = {"shapes": (tuple(tensor.shape), tuple(weight.shape)), "made": (axis,) if outputs == declared else ()}
        misfit = Misfit("operands", declared, required, "convolution", detail)
    sizes = list(tensor.shape)
    sizes[axis] = declared
    fitting = zeros(tensor, sizes, weight.dtype)
    made = (
        call.function(fitting, *call.args[1:], **call.kwargs)
        if call.args
        else call.function(**{**call.kwargs, "input": fitting})
    )
    follows = misfit.changes.get("out_channels")
    if follows is not None:  # each channel by itself: once the layer is right, as many come out as went in
        made = zeros(made, (*made.shape[:axis], follows, *made.shape[axis + 1 :]))
    return Recovery((misfit,), made)


def _elementwise(call: RefusedCall) -> Recovery | None:
    met = _differing(call)
    if met is None:
        return _in_place(call)
    misfit, (left, right) = met
    larger = left if left.dim() >= right.dim() else right
    made = call.with_each(lambda value: zeros(value, ()) if isinstance(value, Tensor) else value)  # of one number
    return Recovery((misfit,), zeros(larger, larger.shape, made.dtype))


def _in_place(call: RefusedCall) -> Recovery | None:
    """What goes together, and is to be written into the first tensor, which is smaller."""
    tensors = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, Tensor)]
    first = call.input
    if not may_write(call.function) or not isinstance(first, Tensor) or len(tensors) < 2:
        return None
    made = broadcast(*(tuple(tensor.shape) for tensor in tensors)).shape
    if made == tuple(first.shape):
        return None
    index, other = max(enumerate(tensors[1:], 1), key=lambda each: (each[1].dim(), each[1].numel()))
    shapes = (tuple(first.shape), tuple(other.shape))
    misfit = Misfit("operands", *shapes, "in_place", {"shapes": shapes, "tensors": (0, index), "made": made})
    return Recovery((misfit,), zeros(first, made))


def _loss(call: RefusedCall) -> Recovery | None:
    """A loss that compares cell by cell: that of the first tensor and one like it."""
    met = _differing(call)
    if met is None:
        return None
    misfit, (left, _) = met
    made = call.with_each(lambda value: zeros(value, left.shape) if isinstance(value, Tensor) else value)
    return Recovery((misfit,), made)


def _differing(call: RefusedCall) -> tuple[Misfit, tuple[Tensor, Tensor]] | None:
    """The first two tensors that differ on an axis on which neither stretches."""
    tensors = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, Tensor)]
    for (one, left), (two, right) in combinations(enumerate(tensors), 2):
        axes = tuple(
            -axis
            for axis in range(1, min(left.dim(), right.dim()) + 1)
            if left.shape[-axis] != right.shape[-axis] and 1 not in (left.shape[-axis], right.shape[-axis])
        )
        if axes:
            shapes = (tuple(left.shape), tuple(right.shape))
            meet = tuple((axis, axis) for axis in axes)
            detail = {"axes": axes, "shapes": shapes, "tensors": (one, two), "meet": meet, "space": _space(*shapes)}
            detail["channels_last"] = _has_channels_last(*shapes)
            return Misfit("operands", *shapes, "elementwise", detail), (left, right)
    return None


def _has_channels_last(*shapes: Shape) -> bool:
    """Whether one of the two has nothing but a number for each channel of the other, on its last axis."""
    if any(type(size) is not int for shape in shapes for size in shape):  # letters are not compared
        return False
    few, many = sorted(shapes, key=prod)
    if not 2 <= len(few) <= len(many) or len(many) < 3:
        return False
    *front, last = few
    batch = many[:1] if len(few) == len(many) else ()
    return many[1] == last != many[-1] and last > 1 and set(front) <= {1, *batch}


def _space(*shapes: Shape) -> int:
    """How many axes of 1 one number for each channel, ``(C,)`` or ``(N, C)``, lacks to go together with a map."""
    few, many = sorted(shapes, key=len)
    is_of_channels = len(many) > 3 and few == many[1:2]
    return len(many) - len(few) - is_of_channels if is_of_channels or few == many[: max(len(few), 2)] else 0


def _concatenate(call: RefusedCall) -> Recovery | None:
    tensors = call.args[0] if call.args else call.kwargs.get("tensors")
    if not isinstance(tensors, tuple | list) or not all(isinstance(value, Tensor) for value in tensors):
        return None
    dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", call.kwargs.get("axis", 0))
    if not tensors or not isinstance(dim, int):
        return None
    first = tensors[0]
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    other = next((shape for shape in shapes if len(shape) != first.dim()), None)
    if other is not None:
        wanted = _with_all_axes(shapes, dim) if call.name != "stack" else None
        misfit = Misfit("operands", shapes[0], other, "ranks", {"shapes": shapes, "axis": wanted, "dim": dim})
        if wanted is None:
            return Recovery((misfit,), first)
        rank = max(map(len, shapes))
        alike = [tensor if tensor.dim() == rank else tensor.unsqueeze(wanted) for tensor in tensors]
        return Recovery((misfit,), call.joined(alike))
    stack = call.name == "stack"
    axis = dim % (first.dim() + stack) if first.dim() + stack else 0
    axes = tuple(
        index
        for index in range(first.dim())
        if (stack or index != axis) and any(tensor.shape[index] != first.shape[index] for tensor in tensors)
    )
    if not axes:
        return None
    wrong = next(shape for shape in shapes if any(shape[index] != shapes[0][index] for index in axes))
    detail = {"axes": axes, "shapes": shapes, "dim": axis}
    misfit = Misfit("operands", shapes[0], wrong, "stack" if stack else "concatenate", detail)
    alike = [
        zeros(
            tensor, [size if stack or index != axis else tensor.shape[index] for index, size in enumerate(first.shape)]
        )
        for tensor in tensors
    ]
    return Recovery((misfit,), call.joined(alike))


def _with_all_axes(shapes: tuple[tuple[int, ...], ...], dim: int) -> int | None:
    """The one place for an axis of 1 with which all shapes go together along ``dim``; None where there is none."""
    rank = max(map(len, shapes))
    if not -rank <= dim < rank or {len(shape) for shape in shapes} != {rank - 1, rank}:
        return None
    places = []
    for place in range(rank):
        whole = [shape if len(shape) == rank else (*shape[:place], 1, *shape[place:]) for shape in shapes]
        if len({(*shape[: dim % rank], *shape[dim % rank + 1 :]) for shape in whole}) == 1:
            places.append(place)
    return places[0] if len(places) == 1 else None


def _normalize(call: RefusedCall) -> Recovery | None:
    """A normalization with weights of another width: its result has the size of what came in."""
    tensor = call.input
    weights = [
        value for value in (*call.args[1:], *call.kwargs.values()) if isinstance(value, Tensor) and value.dim() > 0
    ]
    if not isinstance(tensor, Tensor) or not weights or tensor.dim() < 2:
        return None
    over_last = call.name in ("layer_norm", "rms_norm")
    declared = tuple(weights[0].shape)
    required = tuple(tensor.shape[-len(declared) :]) if over_last else (tensor.shape[1],)
    if required == declared:
        return None
    layer = call.layer
    if not isinstance(layer, NORMALIZATIONS):
        made = tuple(range(-len(declared), 0)) if over_last else (1,)
        detail = {"shapes": (tuple(tensor.shape), declared), "made": made}
        misfit = Misfit("operands", declared[-1], required[-1], "linear", detail)
    elif over_last:
        # Its own forward may have moved the axes: what it normalizes is not what arrived.
        misfit = resized("normalized_shape", declared, required).with_detail(normalized=tuple(tensor.shape))
    elif isinstance(layer, nn.GroupNorm):
        misfit = grouped(layer, required[0])
    else:
        misfit = resized("num_features", declared[0], required[0])
    return Recovery((misfit,), tensor.clone())


_WAYS: Mapping[StandIn, Callable[[RefusedCall], Recovery | None]] = {
    StandIn.RESHAPE: _reshape,
    StandIn.UNFLATTEN: _unflatten,
    StandIn.LINEAR: _linear,
    StandIn.CONVOLUTION: _convolution,
    StandIn.ELEMENTWISE: _elementwise,
    StandIn.LOSS: _loss,
    StandIn.JOIN: _concatenate,
    StandIn.PRODUCT: matmul,
    StandIn.EINSUM: einsum,
    StandIn.NORMALIZATION: _normalize,
}
