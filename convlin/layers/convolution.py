"""Convolutions and transposed convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from convlin._util.torch_private import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS
from convlin.derivations import of_layers
from convlin.layers.common import dtype_misfit, moved, replaced, stored_weight, unwrapped
from convlin.layers.rule import Arrival, LayerRule, Verdict, with_second
from convlin.ops.misfit import Misfit
from convlin.ops.op import Family
from convlin.ops.parted import convolved
from convlin.records import Shape
from convlin.tensors import zeros

if TYPE_CHECKING:
    from convlin._util.torch_private import ConvNd, ConvTransposeNd


_AXES = (
    ((nn.Conv1d, nn.ConvTranspose1d), 1),
    ((nn.Conv2d, nn.ConvTranspose2d), 2),
    ((nn.Conv3d, nn.ConvTranspose3d), 3),
)


def _examine_convolution(module: ConvNd, arrival: Arrival) -> Verdict | None:
    tensor, misfits = unwrapped(arrival.first("input"))
    if not isinstance(tensor, Tensor):
        return None
    axes = next((count for kinds, count in _AXES if isinstance(module, kinds)), None)
    if axes not in (None, len(module.kernel_size)):  # PyTorch makes such a layer, and refuses every input
        return Verdict((Misfit("structure", axes, tuple(module.kernel_size), "kernel_size"),))
    tensor, dtype_misfits = dtype_misfit(tensor, stored_weight(module))
    misfits += dtype_misfits
    spatial = len(module.kernel_size)
    tensor, rank_misfits = _with_rank(tensor, module, arrival)
    misfits += rank_misfits
    if tensor.dim() not in (spatial + 1, spatial + 2):
        return Verdict(misfits) if misfits else None
    channels = tensor.dim() - spatial - 1
    declared, required = _declared(module), tensor.shape[channels]
    follows = None
    if required != declared:
        detail: dict[str, Any] = {}
        note = ""
        turned = arrival.turned_back
        others = [axis for axis in range(channels + 1, tensor.dim()) if tensor.shape[axis] == declared]
        # Behind an embedding, a recurrent layer or attention the features come last.
        others = others if arrival.is_model_input else [] if arrival.has_channels_second else others[-1:]
        # An image that is square as it is would not be with its axes in another order; of letters that is not asked.
        sides = tensor.shape[channels + 1 :]
        is_square = spatial > 1 and all(type(side) is int for side in sides) and len(set(sides)) == 1
        others = [] if arrival.is_in_order or is_square else others
        # Of a sample without a batch only (L, C) can be told from (C, L).
        whole = tensor.dim() == spatial + 2 or (spatial == 1 and declared > 1)
        if len(turned) == tensor.dim() and tensor.shape[turned[channels]] == declared:
            note, detail = "turned", {"order": turned, "given": arrival.batch_added}
            tensor = tensor.permute(turned).contiguous()
        elif others and (arrival.is_model_input or others[0] == tensor.dim() - 1) and whole:
            axis = others[-1] if others[-1] == tensor.dim() - 1 else others[0]
            note, detail = "permute", {"axis": axis, "order": moved(tensor.dim(), axis, channels)}
            tensor = tensor.movedim(axis, channels).contiguous()
        else:
            if tensor.dim() == spatial + 1:
                note = "unbatched" if declared == 1 else "" if arrival.is_feature_map else "one_or_many"
            if note == "unbatched":
                tensor = tensor.unsqueeze(1)
            else:
                tensor = zeros(tensor, replaced(tensor.shape, channels, declared))
        misfit = convolved(module, declared, required, note, detail)
        follows = misfit.changes.get("out_channels") if note in ("", "one_or_many") else None
        if not declared:  # of an input without channels PyTorch gives an output without any
            follows = module.out_channels
        misfits += (misfit,)
    args, kwargs = arrival.with_first("input", tensor)
    if isinstance(module, TRANSPOSED_CONVOLUTIONS):
        args, kwargs, output_misfits = _with_output_size(module, tensor, args, kwargs)
        misfits += output_misfits
    return Verdict(misfits, (args, kwargs), output_size=follows, output_axis=-1 - spatial) if misfits else None


def _declared(module: ConvNd) -> int:
    """The channels that a convolution takes: a lazy one that loaded its weights says 0 of itself for good."""
    return module.in_channels or _from_weights(module, {"weight": tuple(module.weight.shape)}).get("in_channels", 0)


def _from_weights(module: ConvNd, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    weight = shapes.get("weight", ())
    if len(weight) != module.weight.dim():
        return {}
    out, into, *kernel = weight
    if isinstance(module, TRANSPOSED_CONVOLUTIONS):
        out, into = into * module.groups, out
    else:
        into = into * module.groups
    return {"in_channels": into, "out_channels": out, "kernel_size": tuple(kernel)}


def _with_output_size(
    module: ConvTransposeNd, tensor: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Misfit, ...]]:
    """Arguments whose ``output_size`` the transposed convolution can give, and what was wrong with it."""
    axes = len(module.kernel_size)
    steps = tuple(max(stride, dilation) for stride, dilation in zip(module.stride, module.dilation, strict=True))
    asked = args[1] if len(args) > 1 else kwargs.get("output_size")
    if asked is None:
        if all(extra < step for extra, step in zip(module.output_padding, steps, strict=True)):
            return args, kwargs, ()
        most = tuple(min(extra, step - 1) for extra, step in zip(module.output_padding, steps, strict=True))
        changes = {"output_padding": most if len(set(most)) > 1 else most[0]}
        misfit = Misfit("output_padding", tuple(module.output_padding), most, changes=changes)
        # An output_size takes the place of the output_padding; it has to be within a stride, whatever the dilation.
        each = zip(_transposed(module, tensor), most, module.stride, strict=True)
        reached = tuple(size + min(extra, stride - 1) for size, extra, stride in each)
        return args, {**kwargs, "output_size": list(reached)}, (misfit,)
    wanted = tuple(asked)[-axes:]
    smallest = _transposed(module, tensor)
    largest = tuple(size + stride - 1 for size, stride in zip(smallest, module.stride, strict=True))
    possible = tuple(min(max(size, low), high) for size, low, high in zip(wanted, smallest, largest, strict=True))
    if possible == wanted:
        return args, kwargs, ()
    misfit = Misfit("output_size", wanted, (smallest, largest), detail={"nearest": possible})
    return *with_second(args, kwargs, "output_size", list(possible)), (misfit,)


def _transposed(module: ConvTransposeNd, tensor: Tensor) -> tuple[int, ...]:
    """The size of a transposed convolution's output without ``output_padding``."""
    axes = len(module.kernel_size)
    given = tensor.shape[-axes:]
    return tuple(
        (given[axis] - 1) * module.stride[axis]
        - 2 * int(module.padding[axis])
        + module.dilation[axis] * (module.kernel_size[axis] - 1)
        + 1
        for axis in range(axes)
    )


def _with_rank(tensor: Tensor, module: ConvNd, arrival: Arrival) -> tuple[Tensor, tuple[Misfit, ...]]:
    """A tensor of a rank that the convolution takes, with the dimension that was too many or missing."""
    rank, spatial, channels = tensor.dim(), len(module.kernel_size), _declared(module)
    empty = None if arrival.is_model_input and arrival.batch_added else _empty_axis(tensor, spatial, channels)
    if empty is not None:
        detail = {"shape": tuple(tensor.shape), "empty": empty}
        return tensor.squeeze(empty), (Misfit("structure", spatial + 2, rank, "rank", detail),)
    if rank > spatial + 2:
        note = "batch_in_shape" if arrival.is_model_input and arrival.batch_added else "rank"
        detail = {"shape": tuple(tensor.shape), "batch_added": arrival.batch_added}
        misfit = Misfit("structure", spatial + 2, rank, note, detail)
        return tensor.flatten(0, rank - spatial - 2), (misfit,)
    if rank == 2 and tensor.shape[1] == channels > 1 and tensor.shape[0] != channels and _takes_one_cell(module):
        # A vector for each sample: what is missing is the size of the image, not the channels.
        note = "vector_given" if arrival.is_model_input and arrival.batch_added else "vector"
        misfit = Misfit("structure", spatial + 2, rank, note, {"channels": channels, "spatial": spatial})
        return tensor.reshape(*tensor.shape, *(1,) * spatial), (misfit,)
    if rank == spatial + 1 and arrival.is_model_input and arrival.batch_added:
        # PyTorch would take this for one sample without a batch; convlin knows that axis 0 is the batch.
        detail = {"shape": tuple(tensor.shape), "channels": channels}
        batch, first, *others = tensor.shape
        if first == channels:  # what is missing is rather one of the sizes behind the channels
            sizes = (*others, others[-1]) if others else (first,)
            misfit = Misfit("structure", spatial + 2, rank, "no_size", detail)
            return zeros(tensor, (batch, channels, *sizes)), (misfit,)
        misfit = Misfit("structure", spatial + 2, rank, "no_channels", detail)
        return zeros(tensor, (batch, channels, first, *others)), (misfit,)
    is_given = rank == spatial + 1 > 2 and arrival.is_model_input and not arrival.is_one_sample
    if is_given and tensor.shape[1] == channels > 1 and tensor.shape[0] != channels:
        # Read as one sample the channels stand behind another axis, and as a batch where they belong.
        misfit = Misfit("structure", spatial + 2, rank, "axis_missing", {"shape": tuple(tensor.shape)})
        return tensor.unsqueeze(2), (misfit,)
    if rank == spatial + 1 and arrival.is_one_sample and not arrival.is_in_order:
        misfit = Misfit("structure", spatial + 2, rank, "one_sample", {"shape": tuple(tensor.shape)})
        return tensor.unsqueeze(0), (misfit,)
    # Of one axis an image of any number of channels could be made; behind a layer that is not what was meant.
    flat = rank == 2 and (spatial > 1 or (tensor.shape[0] != channels > 1 and not arrival.is_feature_map))
    if rank < spatial + 1 or flat:
        side = _side(tensor.shape[-1], channels, spatial) if rank == 2 else 0
        if side:
            sizes = (channels, *(side,) * spatial)
            return tensor.reshape(-1, *sizes), (Misfit("structure", spatial + 2, rank, "flat", {"sizes": sizes}),)
    if rank < spatial + 1:
        return tensor, (Misfit("structure", spatial + 2, rank, "rank", {"shape": tuple(tensor.shape)}),)
    return tensor, ()


def _empty_axis(tensor: Tensor, spatial: int, channels: int) -> int | None:
    """The axis of 1, of one too many, without which the channels stand where they belong, and do not with it."""
    shape = tuple(tensor.shape)
    if len(shape) != spatial + 3 or shape[2] == channels:
        return None
    axes = (axis for axis in range(2, len(shape)) if type(shape[axis]) is int and shape[axis] == 1)
    return next(axes, None) if shape[1] == channels else None


def _takes_one_cell(module: ConvNd) -> bool:
    """Whether a map of a single cell is large enough for the window."""
    if isinstance(module, TRANSPOSED_CONVOLUTIONS) or isinstance(module.padding, str):
        return True
    each = zip(module.kernel_size, module.padding, module.dilation, strict=True)
    return all(dilation * (kernel - 1) <= 2 * padding for kernel, padding, dilation in each)


def _side(features: int, channels: int, spatial: int) -> int:
    """The side of a square (or cube) image of so many features; 0 where they make none."""
    side = round((features / channels) ** (1 / spatial))
    return side if side > 1 and channels * side**spatial == features else 0


_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


RULES: tuple[LayerRule, ...] = (
    LayerRule(
        CONVOLUTIONS, (*_CONVOLUTION, "padding_mode"), _examine_convolution,
        makes_feature_map=True, family=Family.CONVOLUTION, derive=of_layers.convolution, from_weights=_from_weights,
    ),
    LayerRule(
        TRANSPOSED_CONVOLUTIONS, (*_CONVOLUTION, "output_padding"), _examine_convolution,
        makes_feature_map=True, family=Family.TRANSPOSED_CONVOLUTION, derive=of_layers.conv_transpose, output_size_at=1,
        from_weights=_from_weights,
    ),
)  # fmt: skip
