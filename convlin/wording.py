"""What people read about each kind of misfit: what arrived, what was declared, why, what to write."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from convlin.layers import Misfit
from convlin.recording import Finding
from convlin.records import Call, Location, Report, Shape

_WIDTH = 100
_FLATTENING = ("flatten", "view", "reshape")
_RETURNS = {
    "LSTM": "LSTM returns (output, (h_n, c_n))",
    "GRU": "GRU returns (output, h_n)",
    "RNN": "RNN returns (output, h_n)",
    "MultiheadAttention": "MultiheadAttention returns (attn_output, attn_weights)",
    "LSTMCell": "LSTMCell returns (h, c)",
}
#: How people write what PyTorch's function mode knows by another name.
_SIGNS = {
    "Tensor.add": "+", "Tensor.sub": "-", "Tensor.mul": "*", "Tensor.div": "/", "Tensor.matmul": "@",
    "Tensor.add_": "+=", "Tensor.sub_": "-=", "Tensor.mul_": "*=", "Tensor.div_": "/=",
}  # fmt: skip
_AXES = {3: "N×C×L", 4: "N×C×H×W", 5: "N×C×D×H×W"}


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and what to write where no line of source is known."""

    message: str
    advice: str | None = None
    forward: bool = False
    """The line to change is in ``forward``, not where the layer is made."""
    behind: str = ""
    """What to write behind the layer's argument in that line."""
    argument: tuple[str, int, str] | None = None
    """Name, position and right value of an argument in that line."""
    in_front: str = ""
    """The layer to set in front of it, where both are in an ``nn.Sequential``."""
    callee: str = ""
    """The layer to make instead."""
    outside: bool = False
    """Nothing in the model is to be changed, but the call."""


def say(finding: Finding, report: Report) -> Said:
    """The words for one finding."""
    misfit = finding.misfit
    words = _WORDS.get((misfit.kind, misfit.note)) or _WORDS.get((misfit.kind, "")) or _resized
    return words(finding, report)


# Small words


def times(shape: Shape) -> str:
    """A shape as people write it: ``1×32×8×8``."""
    return "×".join(map(str, shape)) if shape else "a scalar"


def product_of(shape: Shape) -> str:
    """``32·8·8 = 2048`` for one sample of a shape; the number alone where there is nothing to multiply."""
    sizes = shape[1:]
    return f"{'·'.join(map(str, sizes))} = {prod(sizes)}" if len(sizes) > 1 else str(prod(sizes))


def place(where: Location) -> str:
    """``net.py:27``: the file's name is enough for a person."""
    return f"{where.file.replace(chr(92), '/').rpartition('/')[2]}:{where.line}"


def _at(where: Location | None) -> str:
    return f" at {place(where)}" if where is not None else ""


def who(report: Report, source: int) -> str:
    """What made a tensor: a layer's path, a function and its line, or the input."""
    call = _call(report, source)
    if call is None:
        return "the input" if source == -1 else "an earlier step"
    if call.is_function:
        return f"{call.type}{_at(call.where)}"
    return call.path or call.type


def _call(report: Report, source: int) -> Call | None:
    while source <= -2:
        source = report.joins[-2 - source].sources[0]
    return report.calls[source] if 0 <= source < len(report.calls) else None


def origin(finding: Finding, report: Report) -> str:
    """The line that tells where the last axis of what arrived comes from; empty where that was not seen."""
    source = _maker(report, finding.source)
    call = _call(report, source)
    if call is None or call.input_shape is None or call.output_shape is None:
        return f"\n{finding.inputs[0].shape[-1]} is the last axis of the input" if finding.is_model_input else ""
    given, made = call.input_shape, call.output_shape
    flattens = call.type.rpartition(".")[2].lower() in _FLATTENING
    if flattens and len(given) > 2 and len(made) == 2 and prod(given[1:]) == made[-1]:
        before = who(report, call.sources[0] if call.sources else -1)
        by = f"flattened{_at(call.where)}" if call.is_function else f"flattened by {call.path}"
        return f"\n{made[-1]} = {'·'.join(map(str, given[1:]))}, the output of {before}, {by}"
    return f"\n{made[-1]} is the last axis of {times(made)}, the output of {who(report, source)}"


def _maker(report: Report, source: int) -> int:
    """The call that gave a tensor its shape, past those that hand the shape on (activations, dropout)."""
    while True:
        call = _call(report, source)
        if call is None or call.is_function or not call.sources or call.inner:
            return source
        if call.input_shape != call.output_shape or call.stood_in or _call(report, call.sources[0]) is None:
            return source
        source = call.sources[0]


def _name(finding: Finding) -> str:
    """The layer as PyTorch prints it, cut to what it declares: ``Conv2d(3, 16, …)``."""
    if not finding.layer:
        return called(finding.function)
    if finding.misfit.note == "d_model":
        return f"{finding.layer.partition('(')[0]}(d_model={finding.misfit.declared}, …)"
    if finding.layer.startswith("MultiheadAttention("):  # PyTorch prints none of its sizes
        return "MultiheadAttention"
    kind, _, settings = finding.layer.replace(", bias=True", "").removesuffix(")").partition("(")
    parts = _split(settings)
    shown = [part for part in parts if "=" not in part] or parts[:2]
    return f"{kind}({', '.join([*shown, '…'] if len(shown) < len(parts) else shown)})"


def _split(settings: str) -> list[str]:
    """``(5, 10), eps=1e-05`` at the commas outside of parentheses."""
    parts: list[str] = []
    for part in settings.split(", ") if settings else []:
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    return parts


def called(function: str) -> str:
    """A function as people write it: ``+`` for ``Tensor.add``."""
    return _SIGNS.get(function, function)


def _arrived(finding: Finding) -> str:
    return times(finding.inputs[0].shape) if finding.inputs else "no tensor"


def _what(finding: Finding, report: Report) -> str:
    """What arrived: the input, or what something made of it."""
    if finding.is_model_input:
        return "the input"
    call = _call(report, finding.source)
    return f"the output of {who(report, _maker(report, finding.source))}" if call is not None else "made of the input"


def _plural(count: object, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


# Layers


def _in_features(finding: Finding, report: Report) -> Said:
    required = finding.misfit.required
    message = f"{_name(finding)} receives {_plural(required, 'feature')}"
    after = _flattened_by_hand(finding, report) or _directions(finding, report)
    return Said(f"{message}{after or origin(finding, report)}", f"in_features={required}")


def _directions(finding: Finding, report: Report) -> str:
    """A recurrent layer in two directions, where the number comes from one: its output is twice as wide."""
    source = finding.source
    call = _call(report, source)
    while call is not None and call.is_function and call.input_shape and call.output_shape:
        if call.input_shape[-1] != call.output_shape[-1] or not call.sources:
            return ""
        source = call.sources[0]
        call = _call(report, source)
    if call is None or not call.settings.get("bidirectional"):
        return ""
    size = call.settings.get("proj_size") or call.settings["hidden_size"]
    declared, required = finding.misfit.declared, finding.misfit.required
    if required == 2 * size:
        return f"\n{required} = 2·{size}: {call.path} is bidirectional"
    if required == size and declared == 2 * size:
        return f"\n{call.path} is bidirectional, and h_n holds its directions apart: torch.cat((h[-2], h[-1]), dim=1)"
    return ""


def _flattened_by_hand(finding: Finding, report: Report) -> str:
    """Behind a flatten that is still to be written, the number comes from the feature map itself."""
    shape = finding.inputs[0].shape
    if len(shape) < 3 or prod(shape[1:]) != finding.misfit.required or shape[-1] == finding.misfit.required:
        return ""
    return f"\n{finding.misfit.required} = {'·'.join(map(str, shape[1:]))}, once {times(shape)} is flattened"


def _flatten(finding: Finding, report: Report) -> Said:
    shape = finding.inputs[0].shape
    message = (
        f"a {len(shape)}-D tensor, {times(shape)}, reaches {_name(finding)}: flatten it first\n"
        f"flattened, one sample has {product_of(shape)} features"
    )
    if finding.misfit.declared == shape[1] != finding.misfit.required:
        axes = tuple(range(2, len(shape)))
        mean = f"x.mean({axes})" if len(axes) > 1 else "x.mean(2), or at every step x.transpose(1, 2),"
        message += f"\n{mean} has the {shape[1]} that were declared: one for each channel"
    advice = f"x = x.flatten(1), or nn.Flatten() in front of {finding.path or 'it'}"
    return Said(message, advice, forward=True, behind=".flatten(1)", in_front="Flatten()")


def _tuple(finding: Finding, report: Report) -> Said:
    call = _call(report, finding.source)
    returns = _RETURNS.get(call.type) if call is not None else None
    maker = returns or f"{who(report, finding.source)} returns a {finding.misfit.required}"
    short = call.path.rpartition(".")[2] if call is not None else ""
    message = f"a {finding.misfit.required} reaches {_name(finding)}, which takes one tensor\n{maker}: take [0]"
    if not short or short.isdigit():
        return Said(
            f"{message}\ninside an nn.Sequential that cannot be written: call the layers in forward",
            forward=True, behind="[0]",
        )  # fmt: skip
    return Said(message, f"x = self.{short}(x)[0]", forward=True, behind="[0]")


def _packed(finding: Finding, report: Report) -> Said:
    return Said(
        f"a PackedSequence reaches {_name(finding)}, which takes a tensor",
        "x, lengths = nn.utils.rnn.pad_packed_sequence(x, batch_first=True)",
        forward=True,
    )


def _array(finding: Finding, report: Report) -> Said:
    return Said(f"a numpy array reaches {_name(finding)}, which takes a tensor", "x = torch.as_tensor(x)", outside=True)


def _batch_in_shape(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    sample = ", ".join(map(str, given[1:])) + ("," if len(given) == 2 else "")
    whole = ", ".join(map(str, given))
    return Said(
        f"{_name(finding)} receives {_arrived(finding)}\n"
        f"a shape is given without the batch, and ({whole}) seems to hold one",
        f"summarize(model, ({sample}), batch_size={given[0]}) or summarize(model, torch.zeros({whole}))",
        outside=True,
    )


def _one_sample(finding: Finding, report: Report) -> Said:
    shape = finding.misfit.detail["shape"]
    return Said(
        f"{_name(finding)} takes {times(shape)} for one sample without a batch, and a later layer needs one",
        f"model(x.unsqueeze(0)), or summarize(model, {tuple(shape)})",
        outside=True,
    )


def _flat(finding: Finding, report: Report) -> Said:
    sizes = finding.misfit.detail["sizes"]
    product = "·".join(map(str, sizes))
    return Said(
        f"{_name(finding)} takes {_AXES.get(finding.misfit.declared, 'N×C×…')}, and {_arrived(finding)} arrives\n"
        f"{finding.inputs[0].shape[-1]} = {product}: unflatten it first",
        f"x = x.unflatten(1, {sizes})",
        forward=True, behind=f".unflatten(1, {sizes})", in_front=f"Unflatten(1, {sizes})",
    )  # fmt: skip


def _no_channels(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    axes = _AXES.get(len(given) + 2, "N×C×…")
    channels = finding.misfit.detail["channels"]
    message = f"{_name(finding)} takes {axes}, and {_arrived(finding)} has no channel dimension C"
    spelled = f"summarize(model, ({channels}, {', '.join(map(str, given))}))"
    if channels != 1:
        return Said(message, spelled, outside=True)
    return Said(
        f"{message}\nif the images have one, the shape is to say so: {spelled}",
        "x = x.unsqueeze(1)",
        forward=True, behind=".unsqueeze(1)",
    )  # fmt: skip


def _rank(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    axes = _AXES.get(misfit.declared) if "Conv" in finding.layer or "Norm" in finding.layer else None
    ranks = misfit.detail.get("ranks", (misfit.declared,))
    takes = f"{' or '.join(map(str, ranks))} dimensions{f' ({axes})' if axes and len(ranks) == 1 else ''}"
    message = f"{_name(finding)} takes {takes}, and {misfit.required} arrive: {_arrived(finding)}"
    better = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(misfit.required)
    kind = finding.layer.partition("(")[0]
    if kind[-2:] in ("1d", "2d", "3d") and "Norm" in kind and better is not None and kind[:-2] + better != kind:
        return Said(message, f"use {kind[:-2]}{better}", callee=kind[:-2] + better)
    if misfit.required == misfit.declared - 2 and axes:
        message += "\na dimension for the channels and one for the image's rows are missing"
    if misfit.required > misfit.declared and axes:
        return _too_many(message, finding)
    return Said(message, forward=True)


def _too_many(message: str, finding: Finding) -> Said:
    """More than one dimension in front of the channels."""
    extra = finding.misfit.required - finding.misfit.declared
    before = finding.inputs[0].shape[: extra + 1]
    mended = ".squeeze(0)" if before == (1, before[-1]) else f".flatten(0, {extra})"
    return Said(
        f"{message}\none dimension stands before the channels, the batch, and here are {extra + 1}: {times(before)}",
        f"x = x{mended}",
        forward=True, behind=mended,
    )  # fmt: skip


def _in_channels(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    message = f"{_name(finding)} receives {_plural(misfit.required, 'channel')}, made for {misfit.declared}"
    return Said(f"{message}\n{_arrived(finding)} is {_what(finding, report)}", f"in_channels={misfit.required}")


def _permute(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    order = misfit.detail["order"]
    shape = finding.inputs[0].shape
    letters = ("N", *(("D", "H", "W") if len(shape) == 5 else ("H", "W") if len(shape) == 4 else ("L",)))
    if misfit.detail["axis"] == len(shape) - 1:
        looks = f"this looks like {','.join(letters)},C (channels last)"
    else:
        looks = f"dimension {misfit.detail['axis']} has the {misfit.declared} channels"
    permuted = tuple(shape[axis] for axis in order)
    return Said(
        f"{_name(finding)} receives {_plural(misfit.required, 'channel')}, made for {misfit.declared}\n"
        f"{times(shape)}: {looks}; permuted it is {times(permuted)}",
        f"x = x.permute{order}",
        forward=True, behind=f".permute{order}",
    )  # fmt: skip


def _unbatched(finding: Finding, report: Report) -> Said:
    said = _in_channels(finding, report)
    shape = finding.inputs[0].shape
    return Said(
        f"{said.message}\n{len(shape)} dimensions are taken for one sample without a batch\n"
        f"if {shape[0]} is the batch, the channels are missing",
        "x = x.unsqueeze(1)",
        forward=True, behind=".unsqueeze(1)",
    )  # fmt: skip


def _resized(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    noun = {
        "num_features": "channel", "num_channels": "channel", "num_parameters": "channel",
        "input_size": "feature", "embed_dim": "feature", "kdim": "feature", "vdim": "feature",
        "in1_features": "feature", "in2_features": "feature",
    }.get(misfit.kind)  # fmt: skip
    what = _plural(misfit.required, noun) if noun else str(misfit.required)
    message = f"{_name(finding)} receives {what}, made for {misfit.declared}"
    if misfit.note == "groups":
        groups = misfit.detail["num_groups"]
        message += f"\n{misfit.required} channels cannot be divided into {groups} groups: change num_groups too"
    heads = misfit.detail.get("num_heads")
    if heads and misfit.required % heads:
        message += f"\n{misfit.required} cannot be divided among {heads} heads: change num_heads too"
    name = next(iter(misfit.changes), misfit.kind)
    return Said(f"{message}\n{_arrived(finding)} is {_what(finding, report)}", f"{name}={misfit.required}")


def _normalized_shape(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    required = misfit.required[0] if len(misfit.required) == 1 else tuple(misfit.required)
    declared = misfit.declared[0] if len(misfit.declared) == 1 else tuple(misfit.declared)
    return Said(
        f"{_name(finding)} normalises over {declared}, and {_arrived(finding)} ends in {required}",
        f"normalized_shape={required}",
    )


def _num_embeddings(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    last = misfit.declared - 1
    if misfit.note == "negative":
        return Said(f"a negative index reaches {_name(finding)}, which has the indices 0 to {last}", None, forward=True)
    return Said(
        f"index {misfit.required - 1} reaches {_name(finding)}, which has the indices 0 to {last}",
        f"num_embeddings={misfit.required}",
    )


def _output_size(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    smallest, largest = misfit.required
    return Said(
        f"{_name(finding)} cannot give {times(misfit.declared)} from {_arrived(finding)}: "
        f"{times(smallest)} to {times(largest)} can be had\n"
        f"{times(smallest)} with output_padding=0, and 1 more for each step of output_padding",
        f"output_size={misfit.detail['nearest']}",
        forward=True, argument=("output_size", 1, str(misfit.detail["nearest"])),
    )  # fmt: skip


def _output_padding(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    return Said(
        f"{_name(finding)} has output_padding={_each(misfit.declared)}, and it must be smaller than the stride\n"
        f"(or the dilation, if that is larger): at most {_each(misfit.required)}",
        f"output_padding={_each(misfit.required)}",
    )


def _each(sizes: tuple[int, ...]) -> str:
    """One number where all axes have the same."""
    return str(sizes[0] if len(set(sizes)) == 1 else sizes)


# The kind of numbers


def _cast(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    short = {"float32": ".float()", "float64": ".double()", "float16": ".half()", "bfloat16": ".bfloat16()"}
    cast = short.get(misfit.declared, f".to(torch.{misfit.declared})")
    return Said(
        f"{misfit.required} reaches {_name(finding)}, whose weights are {misfit.declared}",
        f"x = x{cast}",
        forward=True, behind=cast,
    )  # fmt: skip


def _index(finding: Finding, report: Report) -> Said:
    return Said(
        f"{finding.misfit.required} reaches {_name(finding)}, which takes integers: the indices of its rows",
        "x = x.long()",
        forward=True, behind=".long()",
    )  # fmt: skip


def _batch_of_one(finding: Finding, report: Report) -> Said:
    return Said(
        f"{_name(finding)} in training needs more than one value per channel, and {_arrived(finding)} has one\n"
        "the mean and variance of a single value say nothing",
        "batch_size=2 or more, or model.eval()",
        outside=True,
    )


# Functions between layers


def _called(finding: Finding) -> str:
    wanted = finding.misfit.detail.get("wanted")
    name = finding.function.rpartition(".")[2] or finding.function
    if name == "[...]":
        return finding.function
    return f"{name}({', '.join(map(str, wanted))})" if wanted else finding.function


def _reshape(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shape: Shape = misfit.detail["shape"]
    message = (
        f"{_called(finding)} cannot take {times(shape)}{_from(finding, report)}\n"
        f"one sample has {product_of(shape)} elements, not {misfit.declared}"
    )
    if len(misfit.detail["wanted"]) <= 2:
        return Said(message, "x = x.flatten(1)", forward=True)
    call = _call(report, finding.source)
    if call is not None and call.type == "Linear":
        message += f"\neither {call.path} gives {misfit.declared}, or the sizes multiply to {misfit.required}"
    return Said(message, forward=True)


def _from(finding: Finding, report: Report) -> str:
    return f", the output of {who(report, finding.source)}" if _call(report, finding.source) is not None else ""


def _strides(finding: Finding, report: Report) -> Said:
    return Said(
        f"{_called(finding)} cannot take {_arrived(finding)}, whose elements are not in order in memory\n"
        "use reshape, which copies where it must",
        "x = x.reshape(...)",
        forward=True,
    )


def _unflatten(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    sizes = "·".join(map(str, misfit.declared))
    return Said(
        f"{_name(finding)}: {sizes} = {misfit.detail['product']}, and dimension {misfit.detail['dim']} of "
        f"{_arrived(finding)} has {misfit.required}\nthe sizes should multiply to {misfit.required}",
        None,
    )


def _folded(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shape, made = misfit.detail["shape"], misfit.detail["made"]
    if len(made) == 1 or made[0] == 1:
        what = f"the batch of {shape[0]} went into the features"
    else:
        what = f"the batch went from {shape[0]} to {made[0]}"
    return Said(
        f"{_called(finding)} makes {times(made)} of {times(shape)}: {what}\n"
        f"one sample has {product_of(shape)} features",
        "x = x.flatten(1)",
        forward=True,
    )


def _operands(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shapes: tuple[Shape, ...] = misfit.detail["shapes"]
    call = report.calls[finding.event]
    sources = call.sources or (-1,) * len(shapes)
    makers = [who(report, _maker(report, source)) for source in sources]
    makers = [name or maker for name, maker in itertools.zip_longest(finding.names, makers)]
    meeting = " and ".join(f"{times(shape)} ({maker})" for shape, maker in zip(shapes, makers, strict=False))
    if len(sources) < len(shapes):
        meeting = " and ".join(map(times, shapes))
    axes = misfit.detail.get("axes", ())
    difference = ""
    if axes and len(shapes) > 1:
        difference = f"\nthey differ in {_differing(axes, shapes)}"
    elif misfit.note in ("linear", "matmul", "convolution"):
        difference = f"\n{misfit.required} meets {misfit.declared}: these two must be equal"
    return Said(f"{called(finding.function) or _name(finding)} cannot join {meeting}{difference}", None, forward=True)


def _differing(axes: tuple[int, ...], shapes: tuple[Shape, ...]) -> str:
    """``dimensions 2 and 3: 26 and 27``."""
    alike = len({len(shape) for shape in shapes}) == 1
    found: dict[str, list[str]] = {}
    for axis in sorted(axis % len(shapes[0]) if alike else axis for axis in axes):
        sizes = dict.fromkeys(str(shape[axis]) for shape in shapes if -len(shape) <= axis < len(shape))
        found.setdefault(" and ".join(sizes), []).append(str(axis))
    return ", ".join(
        f"dimension{'s' if len(names) > 1 else ''} {' and '.join(names)}: {sizes}" for sizes, names in found.items()
    )


Words = Callable[[Finding, Report], Said]

_WORDS: Mapping[tuple[str, str], Words] = {
    ("in_features", ""): _in_features,
    ("structure", "flatten"): _flatten,
    ("structure", "tuple"): _tuple,
    ("structure", "packed"): _packed,
    ("structure", "array"): _array,
    ("structure", "batch_in_shape"): _batch_in_shape,
    ("structure", "no_channels"): _no_channels,
    ("structure", "one_sample"): _one_sample,
    ("structure", "flat"): _flat,
    ("structure", "rank"): _rank,
    ("in_channels", ""): _in_channels,
    ("in_channels", "permute"): _permute,
    ("in_channels", "unbatched"): _unbatched,
    ("normalized_shape", ""): _normalized_shape,
    ("num_embeddings", ""): _num_embeddings,
    ("output_size", ""): _output_size,
    ("output_padding", ""): _output_padding,
    ("dtype", "cast"): _cast,
    ("dtype", "index"): _index,
    ("batch", "batch_of_one"): _batch_of_one,
    ("batch", "folded"): _folded,
    ("reshape", "size"): _reshape,
    ("reshape", "strides"): _strides,
    ("reshape", "unflatten"): _unflatten,
    ("operands", ""): _operands,
}


def is_spelled(misfit: Misfit) -> bool:
    """Whether there are words for exactly this misfit (a test holds every rule against it)."""
    return (misfit.kind, misfit.note) in _WORDS or (misfit.kind, "") in _WORDS


def fitted(message: str, name: str) -> str:
    """The message in lines that stay within ``_WIDTH`` columns, the first behind the layer's name."""
    first, *rest = message.splitlines() or [""]
    room = max(_WIDTH - len(f"✗ {name}: "), _WIDTH // 2)
    lines = textwrap.wrap(first, room, break_long_words=False, break_on_hyphens=False) or [""]
    for line in rest:
        lines += textwrap.wrap(line, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def first_line(error: Any) -> str:
    """The first line of what PyTorch says."""
    lines = str(error).strip().splitlines()
    if lines and "TorchScript" in lines[0]:  # what went wrong stands below the lines of the script
        lines = [line.partition("Error: ")[2] for line in lines if "Error: " in line] or lines
    return lines[0] if lines else type(error).__name__
