"""Words for tensors of a rank, a kind or a number type that a layer cannot take."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from convlin.diagnosis.messages.said import Said, Words
from convlin.diagnosis.messages.tools import (
    AXES,
    arrived,
    at,
    call_of,
    equation,
    maker_of,
    name_of,
    plural,
    product_of,
    times,
    who,
)
from convlin.layers import noun_of
from convlin.layers.common import steps_order
from convlin.records import Call, Report, Shape, Source
from convlin.sizes.spell import spell, spell_product
from convlin.trace.recording import Finding

#: The dimensions of a batch of volumes, or of videos.
_OF_VOLUMES = 5

_RETURNS = {
    "LSTM": "LSTM returns (output, (h_n, c_n))",
    "GRU": "GRU returns (output, h_n)",
    "RNN": "RNN returns (output, h_n)",
    "MultiheadAttention": "MultiheadAttention returns (attn_output, attn_weights)",
    "LSTMCell": "LSTMCell returns (h, c)",
}


def _flatten(finding: Finding, report: Report) -> Said:
    shape = finding.inputs[0].shape
    message = (
        f"a {len(shape)}-D tensor, {times(shape)}, reaches {name_of(finding)}: flatten it first\n"
        f"flattened, one sample has {product_of(shape)} features"
    )
    instead = ""
    if finding.misfit.declared == shape[1] != finding.misfit.required:
        axes = tuple(range(2, len(shape)))
        mean = f"x.mean({axes})" if len(axes) > 1 else "x.mean(2), or at every step x.transpose(1, 2),"
        message += f"\n{mean} has the {shape[1]} that were declared: one for each channel"
        instead = f"x.mean({axes if len(axes) > 1 else 2})"
    last = finding.misfit.detail.get("last")
    if last is not None:
        instead = f"in_features={spell(last)}"
        message += f"\nif it works on the last axis alone: {instead}"
    advice = f"x = x.flatten(1), or nn.Flatten() in front of {finding.path or 'it'}"
    return Said(message, advice, forward=True, behind=".flatten(1)", in_front="Flatten()", instead=instead)


def _tuple(finding: Finding, report: Report) -> Said:
    call = call_of(report, finding.source)
    returns = _RETURNS.get(call.type) if call is not None else None
    maker = returns or f"{who(report, finding.source)} returns a {finding.misfit.required}"
    short = call.path.rpartition(".")[2] if call is not None else ""
    message = f"a {finding.misfit.required} reaches {name_of(finding)}, which takes one tensor\n{maker}: take [0]"
    if not short.isidentifier():
        return Said(
            f"{message}\ninside an nn.Sequential that cannot be written: call the layers in forward",
            forward=True, behind="[0]",
        )  # fmt: skip
    return Said(message, f"x = self.{short}(x)[0]", forward=True, behind="[0]")


def _module(finding: Finding, report: Report) -> Said:
    kind = finding.misfit.required
    message = f"a module, {kind}, reaches {name_of(finding)}, which takes a tensor"
    if finding.misfit.detail["made"]:
        message += f"\nnn.{kind}(x) makes a layer and does not call it"
        needed = finding.misfit.detail["needed"]
        if needed:
            message += f": make it in __init__ with its {' and '.join(needed)}, and call it in forward"
            return Said(message, forward=True)
        return Said(message, f"x = nn.{kind}()(x)", forward=True, uncalled=kind)
    paths = [module.path for module in report.modules if module.type == kind]
    name = f"self.{paths[0].rpartition('.')[2]}" if len(paths) == 1 else "self.layer"
    message += f"\n{name} is the layer itself, {name}(x) what it returns"
    return Said(message, f"x = {name}(x)", forward=True, uncalled=kind)


def _packed(finding: Finding, report: Report) -> Said:
    return Said(
        f"a PackedSequence reaches {name_of(finding)}, which takes a tensor",
        "x, lengths = nn.utils.rnn.pad_packed_sequence(x, batch_first=True)",
        forward=True,
    )


def _array(finding: Finding, report: Report) -> Said:
    return Said(
        f"a numpy array reaches {name_of(finding)}, which takes a tensor", "x = torch.as_tensor(x)", outside=True
    )


def _batch_in_shape(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    sample = ", ".join(map(str, given[1:])) + ("," if len(given) == 2 else "")
    whole = ", ".join(map(str, given))
    return Said(
        f"{name_of(finding)} receives {arrived(finding)}\n"
        f"a shape is given without the batch, and ({whole}) seems to hold one",
        f"summarize(model, ({sample}), batch_size={given[0]}) or summarize(model, torch.zeros({whole}))",
        outside=True,
    )


def _one_sample(finding: Finding, report: Report) -> Said:
    shape = finding.misfit.detail["shape"]
    return Said(
        f"{name_of(finding)} takes {times(shape)} for one sample without a batch, and a later layer needs one",
        f"model(x.unsqueeze(0)), or summarize(model, {tuple(shape)})",
        outside=True,
    )


def _flat(finding: Finding, report: Report) -> Said:
    sizes = finding.misfit.detail["sizes"]
    product = "·".join(map(str, sizes))
    return Said(
        f"{name_of(finding)} expects {AXES.get(finding.misfit.declared, 'N×C×…')}, got {arrived(finding)}\n"
        f"{finding.inputs[0].shape[-1]} = {product}: unflatten it first",
        f"x = x.unflatten(1, {sizes})",
        forward=True, behind=f".unflatten(1, {sizes})", in_front=f"Unflatten(1, {sizes})",
    )  # fmt: skip


def _vector(finding: Finding, report: Report) -> Said:
    channels, spatial = finding.misfit.detail["channels"], finding.misfit.detail["spatial"]
    axes = AXES.get(finding.misfit.declared, "N×C×…")
    missing = {1: "L is", 2: "H and W are", 3: "D, H and W are"}.get(spatial, "the sizes are")
    message = (
        f"{name_of(finding)} takes {axes}, and {arrived(finding)} has the {channels} channels alone: {missing} missing"
    )
    if finding.misfit.note == "vector_given":
        sizes = ", ".join(["1"] * spatial)
        return Said(message, f"summarize(model, ({channels}, {sizes}))", outside=True)
    behind = ".unsqueeze(-1)" if spatial == 1 else f"[:, :, {', '.join(['None'] * spatial)}]"
    layer = f"Unflatten(1, ({', '.join(map(str, (channels, *(1,) * spatial)))}))"
    instead = "" if finding.misfit.detail.get("refused") else "an input with these sizes"
    return Said(message, f"x = x{behind}", forward=True, behind=behind, in_front=layer, instead=instead)


def _no_channels(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    axes = AXES.get(len(given) + 2, "N×C×…")
    channels = finding.misfit.detail["channels"]
    message = f"{name_of(finding)} takes {axes}, and {arrived(finding)} has no channel dimension C"
    spelled = f"summarize(model, ({channels}, {', '.join(map(str, given))}))"
    refused = "refused" in finding.misfit.detail
    if channels != 1:
        return Said(message, forward=True) if refused else Said(message, spelled, outside=True)
    if refused:
        return Said(message, "x = x.unsqueeze(1)", forward=True, behind=".unsqueeze(1)")
    samples = {1: "signals", 2: "images", 3: "volumes"}.get(len(given), "samples")
    return Said(
        f"{message}\nif the {samples} have one, the shape is to say so: {spelled}",
        "x = x.unsqueeze(1)",
        forward=True, behind=".unsqueeze(1)", instead="a shape with the channels",
    )  # fmt: skip


def _batch_second(finding: Finding, report: Report) -> Said:
    """Attention that takes time first, of sequences that have the batch there."""
    detail = finding.misfit.detail
    query, key = detail["shapes"]
    name = finding.layer.partition("(")[0]
    message = f"{name} without batch_first=True takes time first: of {times(query)} it reads {query[1]} as the batch"
    if detail["mask"]:
        message += f"\n{detail['mask']} of {times(detail['mask_shape'])} goes with a batch of {query[0]}"
    else:
        message += f", and of {times(key)} {key[1]}\nwith batch_first=True the batch of both is {query[0]}"
    return Said(message)


def _axis_missing(finding: Finding, report: Report) -> Said:
    misfit, shape = finding.misfit, finding.misfit.detail["shape"]
    axes = AXES.get(misfit.declared, "N×C×…")
    missing = axes.split("×")[2]
    frames = times((1, shape[1], shape[0], *shape[2:]))
    of_one = f"\nif the {shape[0]} are the frames of one sample, transpose(0, 1).unsqueeze(0) makes it {frames}"
    return Said(
        f"{name_of(finding)} takes {axes}, and {times(shape)} has {plural(shape[1], 'channel')} and one dimension too "
        f"few\nunsqueeze(2) makes it {times((*shape[:2], 1, *shape[2:]))}, where {missing} is 1"
        f"{of_one if misfit.declared == _OF_VOLUMES else ''}",
        "x = x.unsqueeze(2)",
        forward=True, behind=".unsqueeze(2)", instead="an input with that dimension",
    )  # fmt: skip


def _no_size(finding: Finding, report: Report) -> Said:
    """The first size is that of the channels: of the sizes behind them one is missing."""
    given, spatial = tuple(finding.misfit.detail["shape"])[1:], finding.misfit.declared - 2
    axes = AXES.get(spatial + 2, "N×C×…")
    message = f"{name_of(finding)} takes {axes}, and {arrived(finding)} has one dimension too few"
    names = {1: "L", 2: "H or W", 3: "D, H or W"}.get(spatial, "one size")
    told = f"{message}\nif {given[0]} is C, {names} is missing"
    if spatial != 2 or "refused" in finding.misfit.detail:
        return Said(told, outside=True)
    return Said(told, f"summarize(model, ({', '.join(map(str, (*given, given[-1])))}))", outside=True)


def _rank(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    axes = AXES.get(misfit.declared) if "Conv" in finding.layer or "Norm" in finding.layer else None
    ranks = misfit.detail.get("ranks", (misfit.declared,))
    takes = f"{' or '.join(map(str, ranks))} dimensions{f' ({axes})' if axes and len(ranks) == 1 else ''}"
    message = f"{name_of(finding)} expects {takes}, got {misfit.required}: {arrived(finding)}"
    if "squeezed" in misfit.detail:  # as a run has shown
        told = f"{message}\nwithout its dimension of 1 it is {times(_squeezed(finding))}"
        instead, without = "an input without this dimension", f".squeeze({misfit.detail['squeezed']})"
        return Said(told, f"x = x{without}", forward=True, behind=without, instead=instead)
    if "empty" in misfit.detail:
        axis, shape = misfit.detail["empty"], finding.inputs[0].shape
        without = f".squeeze({axis})"
        told = f"{message}\nwithout its dimension of 1 it is {times((*shape[:axis], *shape[axis + 1 :]))}"
        instead = "an input without this dimension" if finding.is_model_input else ""
        return Said(told, f"x = x{without}", forward=True, behind=without, instead=instead)
    better = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(misfit.required)
    kind = finding.layer.partition("(")[0]
    if kind.startswith("InstanceNorm") and misfit.required == 2:  # no axis is left over which it could normalize
        better = None
    if kind[-2:] in ("1d", "2d", "3d") and "Norm" in kind and better is not None and kind[:-2] + better != kind:
        return Said(message, f"use {kind[:-2]}{better}", callee=kind[:-2] + better)
    call = _dropping(report, finding.source)
    if call is not None:
        squeezed = f"squeeze(){at(call.where)} made it of {times(call.inputs[0].shape)} and dropped the batch of 1"
        return Said(f"{message}\n{squeezed}: write flatten(1)", forward=True)
    if misfit.required == misfit.declared - 2 and axes and len(ranks) == 1:
        message += "\na dimension for the channels and one for the image's rows are missing"
    if misfit.required > misfit.declared and axes:
        return _too_many(message, finding)
    return Said(message, forward=True)


def _dropping(report: Report, source: Source) -> Call | None:
    """The ``squeeze`` that took a batch of 1 away, with nothing but layers of one input behind it."""
    while True:
        call = call_of(report, maker_of(report, source))
        if call is None or not call.inputs or not call.sources:
            return None
        if call.type in ("Tensor.squeeze", "torch.squeeze"):
            return call if call.inputs[0].shape[:1] == (1,) else None
        if call.is_function or len(call.sources) != 1 or call.inner:
            return None
        source = call.sources[0]


def _squeezed(finding: Finding) -> Shape:
    axis, shape = finding.misfit.detail["squeezed"], finding.inputs[0].shape
    return (*shape[:axis], *shape[axis + 1 :])


def _too_many(message: str, finding: Finding) -> Said:
    """More than one dimension in front of the channels."""
    extra = finding.misfit.required - finding.misfit.declared
    before = finding.inputs[0].shape[: extra + 1]
    # Where convlin puts the batch in front, it is no dimension too many.
    is_empty = before == (1, before[-1]) and not finding.misfit.detail.get("batch_added")
    reshaped = ".squeeze(0)" if is_empty else f".flatten(0, {extra})"
    refused = "refused" in finding.misfit.detail  # by the model: an input without this dimension
    return Said(
        f"{message}\none dimension stands before the channels, the batch, and here are {extra + 1}: {times(before)}",
        f"x = x{reshaped}",
        forward=True, behind=reshaped, instead="" if refused else "an input without this dimension",
    )  # fmt: skip


def _map_in_steps(finding: Finding, report: Report) -> Said:
    misfit, shape = finding.misfit, finding.inputs[0].shape
    message = f"{name_of(finding)} expects 3 dimensions, got {misfit.required}: {arrived(finding)}"
    behind, axes = misfit.detail["reshaped"], misfit.detail["features"]
    if not behind:
        return Said(f"{message}\none of its dimensions is to be the time, and the others the features", forward=True)
    sizes = tuple(shape[axis] for axis in axes)
    *others, last = map(str, axes)
    named = f"dimensions {', '.join(others)} and {last}" if others else f"dimension {last}"
    product = equation(spell_product(sizes), spell(prod(sizes)))
    return Said(
        f"{message}\nwith {named} as its features, {product}, it is {times(misfit.detail['made'])}",
        f"x = x{behind}",
        forward=True, behind=behind, instead="another order of the axes",
    )  # fmt: skip


def _no_time(finding: Finding, report: Report) -> Said:
    misfit, shape = finding.misfit, finding.inputs[0].shape
    width = misfit.detail["width"]
    axes = f"N×T×{width}" if misfit.detail["batch_first"] else f"T×N×{width}"
    name = name_of(finding).removesuffix("()")  # PyTorch prints none of the sizes of a layer with others inside
    message = (
        f"{name} takes {times(shape)} for one sequence without a batch: it would read {spell(shape[0])}, the batch, "
        f"as time\nit expects {axes}, and "
    )
    if finding.is_model_input:
        return Said(f"{message}the input has no axis of time", forward=True)
    message += "the axis of time is gone"
    call = call_of(report, maker_of(report, finding.source))
    given = call.input_shape if call is not None else None
    if call is not None and given is not None and len(given) == 3 and call.is_function:
        message += f": {call.type}{at(call.where)} made it of {times(given)}"
        if given[1] == width != given[2]:
            order = steps_order(batch_first=misfit.detail["batch_first"])
            message += f"\n.permute{order} in place of that gives {times(tuple(given[axis] for axis in order))}"
    return Said(message, forward=True)


def _cast(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    short = {"float32": ".float()", "float64": ".double()", "float16": ".half()", "bfloat16": ".bfloat16()"}
    cast = short.get(misfit.declared, f".to(torch.{misfit.declared})")
    message = f"{misfit.required} reaches {name_of(finding)}, whose weights are {misfit.declared}"
    if misfit.required.startswith("complex") and not misfit.declared.startswith("complex"):
        return Said(f"{message}\n{cast} would drop the imaginary part", f"dtype=torch.{misfit.required}")
    return Said(
        message,
        f"x = x{cast}",
        forward=True, behind=cast,
    )  # fmt: skip


def _index(finding: Finding, report: Report) -> Said:
    return Said(
        f"{finding.misfit.required} reaches {name_of(finding)}, which takes integers: the indices of its rows",
        "x = x.long()",
        forward=True, behind=".long()",
    )  # fmt: skip


def _state(finding: Finding, report: Report) -> Said:
    wanted, given, detail = finding.misfit.declared, finding.misfit.required, finding.misfit.detail
    message = f"{name_of(finding)} takes {detail['name']} of {times(wanted)}, got {times(given)}"
    if len(given) != len(wanted):
        return Said(f"{message}\nlayers·directions, batch and hidden size", forward=True)
    if given[0] != wanted[0]:
        message += f"\n{wanted[0]} = {detail['layers']}·{detail['directions']}, layers times directions"
    if detail["batch"] and given[1] != wanted[1]:
        message += f"\nthe batch is {wanted[1]}"
        if not detail["batch_first"] and given[1] == detail["steps"][0]:
            message += f", the second axis of {arrived(finding)}: batch_first=True makes it the first"
    return Said(message, forward=True)


def _kernel_size(finding: Finding, report: Report) -> Said:
    axes, given = finding.misfit.declared, finding.misfit.required
    kind = finding.layer.partition("(")[0]
    each = f"{axes} of them, one for each of its axes" if axes > 1 else "one number"
    message = f"{kind} with kernel_size={given} takes no input: kernel_size is one number or {each}"
    if axes == 1:
        message = f"{kind} with kernel_size={given} takes no input: kernel_size is {each}"
    other = f"{kind[:-2]}{len(given)}d"
    return Said(f"{message}\n{len(given)} numbers are for {other}")


def _one_step(finding: Finding, report: Report) -> Said:
    """One step of several sequences, as a decoder takes it, of which the state tells the batch."""
    detail = finding.misfit.detail
    shape, axis = detail["shape"], detail["axis"]
    made = times((*shape[:axis], 1, *shape[axis:]))
    return Said(
        f"{name_of(finding)} takes {times(shape)} for one sequence without a batch, and {detail['name']} of "
        f"{times(detail['state'])} has a batch of {shape[0]}\nunsqueeze({axis}) makes one step of it, {made}",
        f"x = x.unsqueeze({axis})",
        forward=True, behind=f".unsqueeze({axis})", instead="a state without a batch",
    )  # fmt: skip


def _state_pair(finding: Finding, report: Report) -> Said:
    names = ", ".join(finding.misfit.detail["names"])
    got = times(finding.misfit.detail["shape"])
    return Said(f"{name_of(finding)} takes its state as a tuple, ({names}), got one tensor: {got}", forward=True)


def _pixel_shuffle(finding: Finding, report: Report) -> Said:
    squared, channels = finding.misfit.declared, finding.misfit.required
    message = f"{name_of(finding)} needs a multiple of {squared} channels, and {arrived(finding)} has {channels}\n"
    gives = finding.misfit.detail.get("gives", ())  # as a run has shown
    if "behind" in finding.misfit.detail:
        path, taken = finding.misfit.detail["behind"]
        product = f"{taken}·{squared} = {taken * squared}"
        should = f"the layer in front should give {product}" if gives else f"it is made of {product}"
        return Said(f"{message}{path} takes {taken}: {should}", forward=True)
    if gives:
        could = " or ".join(str(size) for _, size in gives)
        return Said(f"{message}the layer in front could give {could}", forward=True)
    near = [size for size in (channels // squared * squared, channels + -channels % squared) if size]
    return Said(f"{message}the nearest are {' and '.join(map(str, near))}", forward=True)


def _batch_of_one(finding: Finding, report: Report) -> Said:
    keeps = finding.misfit.detail["keeps_statistics"]
    when = "in training" if keeps else "without running statistics"
    return Said(
        f"{name_of(finding)} {when} needs more than one value per channel, and {arrived(finding)} has one\n"
        "the mean and variance of a single value say nothing",
        f"batch_size=2 or more{', or model.eval()' if keeps else ''}",
        outside=True,
    )


def _among_features(finding: Finding, report: Report) -> Said:
    detail = finding.misfit.detail
    (batch, another), (number, there) = detail["batches"], detail["numbers"]
    noun = noun_of(detail["of"])
    message = (
        f"{name_of(finding)} receives {plural(number, noun)} with a batch of {batch}, and {there} with one of {another}"
    )
    call = report.calls[detail["call"]] if "call" in detail else None
    if call is None or call.output_shape is None or call.input_shape is None:
        return Said(f"{message}\nthe batch is among them: it has to stay in front", forward=True)
    made = f"{call.type if call.is_function else call.path or call.type}{at(call.where)} makes "
    message += f"\n{made}{times(call.output_shape)} of {times(call.input_shape)}"
    axis, one_sample = detail["axis"], finding.misfit.required
    if axis is None:
        return Said(f"{message}: the batch is among the {noun}s", forward=True)
    message += f", whose axis {axis} is the batch: it goes into the {noun}s"
    if one_sample is not None and axis:
        sizes = [size for place, size in enumerate(call.input_shape) if place != axis]
        product = equation(spell_product(sizes), spell(one_sample))
        message += f"\nwith the batch in front, .transpose(0, {axis}), one sample has {product}"
    elif one_sample is not None:
        message += f"\none sample has {product_of(call.input_shape)} features"
    return Said(message, forward=True)


def _frames(finding: Finding, report: Report) -> Said:
    """Of batch and time folded for the convolutions: a run has shown what the layer is to get."""
    misfit, frames = finding.misfit, finding.misfit.detail["frames"]
    batch, time, given = frames["batch"], frames["time"], frames["map"]
    fold, view = report.calls[frames["fold"]], report.calls[frames["view"]] if frames["view"] is not None else None
    apart, features = f"view(batch, {time}, -1)", misfit.detail["features"]
    told = times((batch, time, features))
    line = f"{apart} gives {told}"
    if view is not None:
        line = f"{view.type}{at(view.where)} makes it of {times(given)}; {apart} in its place gives {told}"
    message = (
        f"{name_of(finding)} receives {arrived(finding)}: its first axis is batch and time, {batch}·{time}, folded by "
        f"{fold.type}{at(fold.where)}\n{line}"
    )
    needs = f"input_size={features}" if features != misfit.declared else ""
    behind = f".reshape(-1, {time}, {features})"
    return Said(
        f"{message}, and the layer needs {needs}" if needs else message,
        f"x = x{behind}",
        forward=True, behind=behind, instead=needs,
    )  # fmt: skip


def _heads(finding: Finding, report: Report) -> Said:
    """Of an attention written by hand: a run has shown that the model is right with the heads split first."""
    misfit, shape = finding.misfit, finding.inputs[0].shape
    (name, count), behind = misfit.detail["heads"], misfit.detail["split"]
    split = times((*shape[:-1], count, misfit.declared))
    message = (
        f"{name_of(finding)} receives {plural(misfit.required, 'feature')}\n"
        f"{misfit.required} = {count}·{misfit.declared}, and {name}={count}: the heads are not split; {behind} makes "
        f"{split} of {times(shape)}"
    )
    instead = " and ".join(f"{each}={size}" for each, size in misfit.detail["all_at_once"].items())
    return Said(
        f"{message}\nif it is to take all heads at once: {instead}",
        f"x = x{behind}",
        forward=True, behind=behind, instead=instead,
    )  # fmt: skip


WORDS: Mapping[tuple[str, str], Words] = {
    ("structure", "frames"): _frames,
    ("structure", "heads"): _heads,
    ("batch", "among_features"): _among_features,
    ("structure", "flatten"): _flatten,
    ("structure", "tuple"): _tuple,
    ("structure", "module"): _module,
    ("structure", "packed"): _packed,
    ("structure", "array"): _array,
    ("structure", "batch_in_shape"): _batch_in_shape,
    ("structure", "no_channels"): _no_channels,
    ("structure", "no_size"): _no_size,
    ("structure", "axis_missing"): _axis_missing,
    ("structure", "batch_second"): _batch_second,
    ("structure", "kernel_size"): _kernel_size,
    ("structure", "one_step"): _one_step,
    ("structure", "state_pair"): _state_pair,
    ("structure", "one_sample"): _one_sample,
    ("structure", "flat"): _flat,
    ("structure", "vector"): _vector,
    ("structure", "vector_given"): _vector,
    ("structure", "rank"): _rank,
    ("structure", "no_time"): _no_time,
    ("structure", "map_in_steps"): _map_in_steps,
    ("structure", "state"): _state,
    ("structure", "pixel_shuffle"): _pixel_shuffle,
    ("dtype", "cast"): _cast,
    ("dtype", "index"): _index,
    ("batch", "batch_of_one"): _batch_of_one,
}
