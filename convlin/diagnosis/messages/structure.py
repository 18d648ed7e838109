"""Words for tensors of a rank, a kind or a number type that a layer cannot take."""

from __future__ import annotations

from collections.abc import Mapping

from convlin._util.call_spelling import call_spelling
from convlin.diagnosis.messages.said import Said, Words, appended
from convlin.diagnosis.messages.tools import (
    AXES,
    arrived,
    at,
    call_of,
    call_with,
    equation,
    maker_of,
    name_of,
    named_or_int,
    plural,
    product_of,
    times,
    who,
)
from convlin.layers import noun_of
from convlin.ops.catalog import OPS, SQUEEZE
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
    if returns is not None and finding.misfit.detail.get("repeats"):  # [0] behind the product would lose the factor
        return Said(f"{message} of that, since a product with a number repeats a tuple", forward=True)
    if not short.isidentifier():
        return Said(
            f"{message}\ninside an nn.Sequential that cannot be written: call the layers in forward",
            forward=True, behind="[0]",
        )  # fmt: skip
    return Said(message, f"x = self.{short}(x)[0]", forward=True, behind="[0]")


def _whole(finding: Finding, report: Report) -> Said:
    kind = report.calls[finding.call].type
    returns = _RETURNS.get(kind, f"{kind} returns a tuple")
    short = finding.path.rpartition(".")[2]
    return Said(
        f"{name_of(finding)} returns a tuple, and what is done with it takes one tensor\n{returns}: take [0]",
        f"x = self.{short}(x)[0]" if short.isidentifier() else None,
        forward=True, after="[0]",
    )  # fmt: skip


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
    dtype = finding.misfit.detail.get("dtype")
    made = f"x = torch.as_tensor(x, dtype=torch.{dtype})" if dtype is not None else "x = torch.as_tensor(x)"
    return Said(f"a numpy array reaches {name_of(finding)}, which takes a tensor", made, outside=True)


def _batch_in_shape(finding: Finding, report: Report) -> Said:
    given = named_or_int(tuple(finding.misfit.detail["shape"])[1:])
    whole = ", ".join(str(size) if isinstance(size, int) else f'"{size}"' for size in given)
    tensor = given if all(isinstance(size, int) for size in given) else None
    return Said(
        f"{name_of(finding)} receives {arrived(finding)}\n"
        f"a shape is given without the batch, and ({whole}) seems to hold one",
        call_spelling().call([given[1:]], given[0], tensor=tensor),
        outside=True,
    )


def _one_sample(finding: Finding, report: Report) -> Said:
    shape = finding.misfit.detail["shape"]
    return Said(
        f"{name_of(finding)} takes {times(shape)} for one sample without a batch, and what follows expects one",
        f"model(x.unsqueeze(0)), or {call_with(shape)}",
        outside=True,
    )


def _flat(finding: Finding, report: Report) -> Said:
    sizes = finding.misfit.detail["sizes"]
    product = "·".join(map(str, sizes))
    return appended(
        f"{name_of(finding)} expects {AXES.get(finding.misfit.declared, 'N×C×…')}, got {arrived(finding)}\n"
        f"{finding.inputs[0].shape[-1]} = {product}: unflatten it first",
        f".unflatten(1, {sizes})",
        in_front=f"Unflatten(1, {sizes})",
    )


def _vector(finding: Finding, report: Report) -> Said:
    channels, spatial = finding.misfit.detail["channels"], finding.misfit.detail["spatial"]
    axes = AXES.get(finding.misfit.declared, "N×C×…")
    missing = {1: "L is", 2: "H and W are", 3: "D, H and W are"}.get(spatial, "the sizes are")
    message = (
        f"{name_of(finding)} takes {axes}, and {arrived(finding)} has the {channels} channels alone: {missing} missing"
    )
    if finding.misfit.note == "vector_given":
        runs = "stops" not in finding.misfit.detail
        return Said(message, call_with((channels, *(1,) * spatial)) if runs else None, outside=True)
    behind = ".unsqueeze(-1)" if spatial == 1 else f"[:, :, {', '.join(['None'] * spatial)}]"
    layer = f"Unflatten(1, ({', '.join(map(str, (channels, *(1,) * spatial)))}))"
    instead = "" if finding.misfit.detail.get("refused") else "an input with these sizes"
    return appended(message, behind, in_front=layer, instead=instead)


def _no_channels(finding: Finding, report: Report) -> Said:
    given = tuple(finding.misfit.detail["shape"])[1:]
    axes = AXES.get(len(given) + 2, "N×C×…")
    channels = finding.misfit.detail["channels"]
    message = f"{name_of(finding)} takes {axes}, and {arrived(finding)} has no channel dimension C"
    spelled = call_with((channels, *given))
    refused = "refused" in finding.misfit.detail
    if channels != 1:
        return Said(message, forward=True) if refused else Said(message, spelled, outside=True)
    if refused:
        return appended(message, ".unsqueeze(1)")
    samples = {1: "signals", 2: "images", 3: "volumes"}.get(len(given), "samples")
    told = f"{message}\nif the {samples} have one, give it in the shape: {spelled}"
    return appended(told, ".unsqueeze(1)", instead="a shape with the channels")


def _axis_missing(finding: Finding, report: Report) -> Said:
    misfit, shape = finding.misfit, finding.misfit.detail["shape"]
    axes = AXES.get(misfit.declared, "N×C×…")
    missing = axes.split("×")[2]
    frames = times((1, shape[1], shape[0], *shape[2:]))
    of_one = f"\nif the {shape[0]} are the frames of one sample, transpose(0, 1).unsqueeze(0) makes it {frames}"
    return appended(
        f"{name_of(finding)} takes {axes}, and {times(shape)} has {plural(shape[1], 'channel')} and one dimension too "
        f"few\nunsqueeze(2) makes it {times((*shape[:2], 1, *shape[2:]))}, where {missing} is 1"
        f"{of_one if misfit.declared == _OF_VOLUMES else ''}",
        ".unsqueeze(2)",
        instead="an input with that dimension",
    )


def _no_size(finding: Finding, report: Report) -> Said:
    """The first size is that of the channels: of the sizes behind them one is missing."""
    given, spatial = tuple(finding.misfit.detail["shape"])[1:], finding.misfit.declared - 2
    axes = AXES.get(spatial + 2, "N×C×…")
    message = f"{name_of(finding)} takes {axes}, and {arrived(finding)} has one dimension too few"
    names = {1: "L", 2: "H or W", 3: "D, H or W"}.get(spatial, "one size")
    told = f"{message}\nif {given[0]} is C, {names} is missing"
    if spatial != 2 or "refused" in finding.misfit.detail:
        return Said(told, outside=True)
    return Said(told, call_with((*given, given[-1])), outside=True)


def _rank(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    axes = None if misfit.detail.get("of_steps") else AXES.get(misfit.declared)
    ranks = misfit.detail.get("ranks", (misfit.declared,))
    takes = f"{' or '.join(map(str, ranks))} dimensions{f' ({axes})' if axes and len(ranks) == 1 else ''}"
    message = f"{name_of(finding)} expects {takes}, got {misfit.required}: {arrived(finding)}"
    if "squeezed" in misfit.detail:  # as a run has shown
        told = f"{message}\nwithout its dimension of 1 it is {times(_squeezed(finding))}"
        return appended(told, f".squeeze({misfit.detail['squeezed']})", instead="an input without this dimension")
    if "empty" in misfit.detail:
        axis, shape = misfit.detail["empty"], finding.inputs[0].shape
        told = f"{message}\nwithout its dimension of 1 it is {times((*shape[:axis], *shape[axis + 1 :]))}"
        instead = "an input without this dimension" if finding.is_model_input else ""
        return appended(told, f".squeeze({axis})", instead=instead)
    other = misfit.detail.get("other")
    if other:
        return Said(message, f"use {other}", callee=other)
    call = _dropping(report, finding.source)
    if call is not None:
        squeezed = f"squeeze(){at(call.where)} made it of {times(call.inputs[0].shape)} and dropped the batch of 1"
        is_whole = ranks == (len(call.inputs[0].shape),)  # as a convolution takes it, with its channels
        instead = "leave it out" if is_whole else "write flatten(1)"
        return Said(f"{message}\n{squeezed}: {instead}", forward=True)
    if misfit.required == misfit.declared - 2 and axes and len(ranks) == 1:
        message += "\na dimension for the channels and one for the image's rows are missing"
    if misfit.required > misfit.declared and axes and other is None:
        return _too_many(message, finding)
    return Said(message, forward=True)


def _dropping(report: Report, source: Source) -> Call | None:
    """The ``squeeze`` that took a batch of 1 away, with nothing but layers of one input behind it."""
    while True:
        call = call_of(report, maker_of(report, source))
        if call is None or not call.inputs or not call.sources:
            return None
        if OPS.named(call.type) is SQUEEZE:
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
    told = f"one dimension stands before the channels, the batch, and here are {extra + 1}: {times(before)}"
    return appended(f"{message}\n{told}", reshaped, instead="" if refused else "an input without this dimension")


def _cast(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    short = {"float32": ".float()", "float64": ".double()", "float16": ".half()", "bfloat16": ".bfloat16()"}
    cast = short.get(misfit.declared, f".to(torch.{misfit.declared})")
    message = f"{misfit.required} reaches {name_of(finding)}, whose weights are {misfit.declared}"
    if misfit.required.startswith("complex") and not misfit.declared.startswith("complex"):
        return Said(f"{message}\n{cast} would drop the imaginary part", f"dtype=torch.{misfit.required}")
    return appended(message, cast)


def _index(finding: Finding, report: Report) -> Said:
    message = f"{finding.misfit.required} reaches {name_of(finding)}, which takes integers: the indices of its rows"
    return appended(message, ".long()")


def _kernel_size(finding: Finding, report: Report) -> Said:
    axes, given = finding.misfit.declared, finding.misfit.required
    kind = finding.layer.partition("(")[0]
    each = f"{axes} of them, one for each of its axes" if axes > 1 else "one number"
    message = f"{kind} with kernel_size={given} takes no input: kernel_size is one number or {each}"
    if axes == 1:
        message = f"{kind} with kernel_size={given} takes no input: kernel_size is {each}"
    other = f"{kind[:-2]}{len(given)}d"
    return Said(f"{message}\n{len(given)} numbers are for {other}")


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
        f"{call_spelling().option('batch_size', 2)} or more{', or model.eval()' if keeps else ''}",
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


WORDS: Mapping[tuple[str, str], Words] = {
    ("batch", "among_features"): _among_features,
    ("structure", "flatten"): _flatten,
    ("structure", "tuple"): _tuple,
    ("structure", "whole"): _whole,
    ("structure", "module"): _module,
    ("structure", "packed"): _packed,
    ("structure", "array"): _array,
    ("structure", "batch_in_shape"): _batch_in_shape,
    ("structure", "no_channels"): _no_channels,
    ("structure", "no_size"): _no_size,
    ("structure", "axis_missing"): _axis_missing,
    ("structure", "kernel_size"): _kernel_size,
    ("structure", "one_sample"): _one_sample,
    ("structure", "flat"): _flat,
    ("structure", "vector"): _vector,
    ("structure", "vector_given"): _vector,
    ("structure", "rank"): _rank,
    ("structure", "pixel_shuffle"): _pixel_shuffle,
    ("dtype", "cast"): _cast,
    ("dtype", "index"): _index,
    ("batch", "batch_of_one"): _batch_of_one,
}
