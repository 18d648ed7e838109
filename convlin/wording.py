"""What people read about each kind of misfit: what arrived, what was declared, why, what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from convlin.layers import Misfit
from convlin.recording import Finding
from convlin.records import Call, Location, Report, Shape

_FLATTENING = ("flatten", "view", "reshape")
_RETURNS = {
    "LSTM": "LSTM returns (output, (h_n, c_n))",
    "GRU": "GRU returns (output, h_n)",
    "RNN": "RNN returns (output, h_n)",
    "MultiheadAttention": "MultiheadAttention returns (attn_output, attn_weights)",
    "LSTMCell": "LSTMCell returns (h, c)",
}
_LONGEST_NAME = 48
_AXES = {3: "N×C×L", 4: "N×C×H×W", 5: "N×C×D×H×W"}


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and what to write where no line of source is known."""

    message: str
    advice: str | None = None
    forward: bool = False
    """The line to change is in ``forward``, not where the layer is made."""


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
    """The layer as PyTorch prints it, cut to what it declares where that is long: ``Conv2d(3, 16, …)``."""
    name = finding.layer.replace(", bias=True", "")
    if len(name) > _LONGEST_NAME:
        declared = [part for part in name.split(", ")[:2] if "=" not in part.partition("(")[2]]
        name = ", ".join([*(declared or name.split(", ")[:1]), "…)"])
    return name or finding.function


def _arrived(finding: Finding) -> str:
    return times(finding.inputs[0].shape) if finding.inputs else "no tensor"


def _plural(count: object, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


# Layers


def _in_features(finding: Finding, report: Report) -> Said:
    required = finding.misfit.required
    message = f"{_name(finding)} receives {_plural(required, 'feature')}"
    after = _flattened_by_hand(finding, report)
    return Said(f"{message}{after or origin(finding, report)}", f"in_features={required}")


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
    return Said(message, f"x = x.flatten(1), or nn.Flatten() in front of {finding.path or 'it'}", forward=True)


def _tuple(finding: Finding, report: Report) -> Said:
    call = _call(report, finding.source)
    returns = _RETURNS.get(call.type) if call is not None else None
    maker = returns or f"{who(report, finding.source)} returns a {finding.misfit.required}"
    short = call.path.rpartition(".")[2] if call is not None and call.path else "layer"
    return Said(
        f"a {finding.misfit.required} reaches {_name(finding)}, which takes one tensor\n{maker}: take [0]",
        f"x = self.{short}(x)[0]",
        forward=True,
    )


def _packed(finding: Finding, report: Report) -> Said:
    return Said(
        f"a PackedSequence reaches {_name(finding)}, which takes a tensor",
        "x, lengths = nn.utils.rnn.pad_packed_sequence(x, batch_first=True)",
        forward=True,
    )


def _array(finding: Finding, report: Report) -> Said:
    return Said(f"a numpy array reaches {_name(finding)}, which takes a tensor", "x = torch.as_tensor(x)", forward=True)


def _batch_in_shape(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    sample = ", ".join(map(str, given[1:])) + ("," if len(given) == 2 else "")
    whole = ", ".join(map(str, given))
    return Said(
        f"{_name(finding)} receives {_arrived(finding)}: a shape is given without the batch, "
        f"and ({whole}) seems to hold one",
        f"summarize(model, ({sample}), batch_size={given[0]}) or summarize(model, torch.zeros({whole}))",
        forward=True,
    )


def _no_channels(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    axes = _AXES.get(len(given) + 2, "N×C×…")
    return Said(
        f"{_name(finding)} takes {axes}, and {_arrived(finding)} has no channel dimension C",
        f"summarize(model, ({finding.misfit.detail['channels']}, {', '.join(map(str, given))})), "
        "or x = x.unsqueeze(1) in forward",
        forward=True,
    )


def _rank(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    axes = _AXES.get(misfit.declared) if "Conv" in finding.layer or "Norm" in finding.layer else None
    takes = f"{misfit.declared} dimensions{f' ({axes})' if axes else ''}"
    message = f"{_name(finding)} takes {takes}, and {misfit.required} arrive: {_arrived(finding)}"
    advice = None
    better = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(misfit.required)
    kind = finding.layer.partition("(")[0]
    if "Norm" in kind and better is not None and kind[:-2] + better != kind:
        advice = f"use {kind[:-2]}{better}"
    elif misfit.required == misfit.declared - 2 and axes:
        message += "\na dimension for the channels and one for the image's rows are missing"
    return Said(message, advice)


def _in_channels(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    message = f"{_name(finding)} receives {_plural(misfit.required, 'channel')}, made for {misfit.declared}"
    source = "the input" if finding.is_model_input else f"the output of {who(report, finding.source)}"
    return Said(f"{message}\n{_arrived(finding)} is {source}", f"in_channels={misfit.required}")


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
        forward=True,
    )


def _unbatched(finding: Finding, report: Report) -> Said:
    said = _in_channels(finding, report)
    shape = finding.inputs[0].shape
    return Said(
        f"{said.message}\na tensor of {len(shape)} dimensions is taken for one sample C×… without a batch; "
        f"if {shape[0]} is the batch, the channels are missing",
        "x = x.unsqueeze(1)",
        forward=True,
    )


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
    source = "the input" if finding.is_model_input else f"the output of {who(report, finding.source)}"
    return Said(f"{message}\n{_arrived(finding)} is {source}", f"{misfit.kind}={misfit.required}")


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
        f"output_size={largest}",
        forward=True,
    )


def _output_padding(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    return Said(
        f"{_name(finding)} has output_padding {misfit.declared}: it must be smaller than the stride or the dilation\n"
        f"at most {misfit.required} here",
        f"output_padding={misfit.required}",
    )


# The kind of numbers


def _cast(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    short = {"float32": ".float()", "float64": ".double()", "float16": ".half()", "bfloat16": ".bfloat16()"}
    cast = short.get(misfit.declared, f".to(torch.{misfit.declared})")
    return Said(
        f"{misfit.required} reaches {_name(finding)}, whose weights are {misfit.declared}", f"x = x{cast}", forward=True
    )


def _index(finding: Finding, report: Report) -> Said:
    return Said(
        f"{finding.misfit.required} reaches {_name(finding)}, which takes integers: the indices of its rows",
        "x = x.long()",
        forward=True,
    )


def _batch_of_one(finding: Finding, report: Report) -> Said:
    return Said(
        f"{_name(finding)} in training needs more than one value per channel, and {_arrived(finding)} has one\n"
        "the mean and variance of a single value say nothing",
        'batch_size=2 or more, or mode="eval"',
        forward=True,
    )


# Functions between layers


def _called(finding: Finding) -> str:
    wanted = finding.misfit.detail.get("wanted")
    name = finding.function.rpartition(".")[2] or finding.function
    return f"{name}({', '.join(map(str, wanted))})" if wanted else finding.function


def _reshape(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shape: Shape = misfit.detail["shape"]
    return Said(
        f"{_called(finding)} cannot take {times(shape)}{_from(finding, report)}\n"
        f"one sample has {product_of(shape)} elements, not {misfit.declared}",
        "x = x.flatten(1)",
        forward=True,
    )


def _from(finding: Finding, report: Report) -> str:
    return f", the output of {who(report, finding.source)}" if _call(report, finding.source) is not None else ""


def _strides(finding: Finding, report: Report) -> Said:
    return Said(
        f"{_called(finding)} cannot cross the strides of {_arrived(finding)}, whose axes were permuted: "
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
    meeting = " and ".join(
        f"{times(shape)} ({who(report, source)})" for shape, source in zip(shapes, sources, strict=False)
    )
    if len(sources) < len(shapes):
        meeting = " and ".join(map(times, shapes))
    axes = misfit.detail.get("axes", ())
    difference = ""
    if axes and len(shapes) > 1:
        parts = []
        for axis in axes:
            sizes = list(dict.fromkeys(str(shape[axis]) for shape in shapes if -len(shape) <= axis < len(shape)))
            parts.append(f"dimension {axis}: {' and '.join(sizes)}")
        difference = f"\nthey differ in {', '.join(parts)}"
    elif misfit.note in ("linear", "matmul", "convolution"):
        difference = f"\n{misfit.required} meets {misfit.declared}: these two must be equal"
    return Said(f"{finding.function or _name(finding)} cannot join {meeting}{difference}", None, forward=True)


Words = Callable[[Finding, Report], Said]

_WORDS: Mapping[tuple[str, str], Words] = {
    ("in_features", ""): _in_features,
    ("structure", "flatten"): _flatten,
    ("structure", "tuple"): _tuple,
    ("structure", "packed"): _packed,
    ("structure", "array"): _array,
    ("structure", "batch_in_shape"): _batch_in_shape,
    ("structure", "no_channels"): _no_channels,
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


def first_line(error: Any) -> str:
    """The first line of what PyTorch says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
