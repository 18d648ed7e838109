"""Words for layers that were built for another size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from convlin.diagnosis.messages.joined import said_of_joined
from convlin.diagnosis.messages.said import Said, Words, appended
from convlin.diagnosis.messages.tools import (
    AXES,
    arrived,
    at,
    call_of,
    call_with,
    called,
    code,
    equation,
    name_of,
    origin,
    plural,
    times,
    what_arrived,
)
from convlin.layers import noun_of, to_be_given
from convlin.ops.catalog import OPS
from convlin.ops.misfit import alone
from convlin.records import Report, past_single_joins
from convlin.sizes.spell import spell, spell_product
from convlin.trace.recording import Finding


def _in_features(finding: Finding, report: Report) -> Said:
    required = finding.misfit.required
    message = f"{name_of(finding)} receives {plural(required, 'feature')}"
    if (joined := said_of_joined(message, finding, report)) is not None:
        return joined
    if "reduced" in finding.misfit.detail:
        return _reduced(message, finding, report)
    after = _flattened_by_hand(finding) or _directions(finding, report)
    message += after or origin(finding, report)
    if "heads" in finding.misfit.detail:
        name, count = finding.misfit.detail["heads"]
        product = f"{spell(required)} = {count}·{finding.misfit.declared}, and {name}={count}"
        message += f"\n{product}: if it is to take one head, split these first"
    if "axis" not in finding.misfit.detail:
        return Said(message, f"in_features={code(required)}")
    instead = "x.mean(2) or x.transpose(1, 2)"
    message += f"\n{instead} has the {finding.misfit.declared} that were declared, if these were meant"
    return Said(message, f"in_features={code(required)}", instead=instead)


def _reduced(message: str, finding: Finding, report: Report) -> Said:
    """Of a mean or a maximum over other dims than those that leave the features: a run has shown that these fit."""
    given, left = finding.misfit.detail["reduced"]
    call = call_of(report, past_single_joins(finding.source, report.joins))
    what = call.type if call is not None else "a reduction"
    made = times(finding.inputs[0].shape)
    instead = f"{finding.misfit.kind}={code(alone(finding.misfit.required))}"
    return Said(
        f"{message}\n{what} makes {made} of {times(given)}: over all axes but the batch and the features it leaves "
        f"{times(left)}\nif it is to be so: {instead}",
        instead=instead,
    )


def _directions(finding: Finding, report: Report) -> str:
    """A recurrent layer in two directions, where the number comes from one: its output is twice as wide."""
    source = finding.source
    call = call_of(report, source)
    while call is not None and call.is_function and call.input_shape and call.output_shape:
        if call.input_shape[-1] != call.output_shape[-1] or not call.sources:
            return ""
        source = call.sources[0]
        call = call_of(report, source)
    if call is None or not call.settings.get("bidirectional"):
        return ""
    size = call.settings.get("proj_size") or call.settings["hidden_size"]
    declared, required = finding.misfit.declared, finding.misfit.required
    if required == 2 * size:
        return f"\n{required} = 2·{size}: {call.path} is bidirectional"
    if required == size and declared == 2 * size:
        return f"\n{call.path} is bidirectional, and h_n holds its directions apart: torch.cat((h[-2], h[-1]), dim=1)"
    return ""


def _flattened_by_hand(finding: Finding) -> str:
    """Behind a flatten that is still to be written, the number comes from the feature map itself."""
    shape = finding.inputs[0].shape
    if len(shape) < 3 or prod(shape[1:]) != finding.misfit.required or shape[-1] == finding.misfit.required:
        return ""
    product = equation(spell(finding.misfit.required), spell_product(shape[1:]))
    return f"\n{product}, once {times(shape)} is flattened"


def _in_channels(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    message = f"{name_of(finding)} receives {plural(misfit.required, 'channel')}, expects {misfit.declared}"
    message += _divided(finding)
    if (joined := said_of_joined(message, finding, report)) is not None:
        return joined
    return Said(
        f"{message}\n{arrived(finding)} is {what_arrived(finding, report)}", f"in_channels={code(misfit.required)}"
    )


def _in_order(finding: Finding, report: Report) -> str:
    """What a view further on asks for: a convolution hands the order in memory on, and the pass ran on a copy."""
    viewed = any(call.type == "Tensor.view" for call in report.calls[finding.call :])
    return ".contiguous()" if viewed and finding.misfit.kind == "in_channels" else ""


def _permute(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    order = misfit.detail["order"]
    shape = finding.inputs[0].shape
    noun = noun_of(misfit.kind)
    letters = {2: ("L",), 3: ("N", "L"), 4: ("N", "H", "W"), 5: ("N", "D", "H", "W")}.get(len(shape))
    if letters is not None and misfit.detail["axis"] == len(shape) - 1:
        looks = f"this looks like {','.join(letters)},C (channels last)"
    else:
        looks = f"dimension {misfit.detail['axis']} has the {misfit.declared} {noun}s"
    permuted, behind = tuple(shape[axis] for axis in order), f".permute{order}{_in_order(finding, report)}"
    name = misfit.detail.get("name", "")
    layer = f"{finding.layer.partition('(')[0]}({name}={misfit.declared}, …)" if name else name_of(finding)
    message = (
        f"{layer} receives {plural(misfit.required, noun)}, expects {misfit.declared}\n"
        f"{times(shape)}: {looks}; permuted it is {times(permuted)}"
    )
    if "give" in misfit.detail:
        then = ", and the model runs as it is" if misfit.detail["give"] else ""
        given = f"{message}\ngive it as {AXES[len(permuted)]}{then}"
        return Said(given, call_with(permuted[1:]), outside=True)
    if "nowhere" in misfit.detail:
        return Said(message, forward=True)
    return appended(message, behind, instead=f"{name or misfit.kind}={spell(misfit.required)}")


def _turned(finding: Finding, report: Report) -> Said:
    """``forward`` sets the axes of an input in another order, which had them as the layer takes them."""
    misfit, shape = finding.misfit, finding.inputs[0].shape
    order, noun = misfit.detail["order"], noun_of(misfit.kind)
    given = tuple(shape[axis] for axis in order)
    right = to_be_given(shape, order)
    call = call_of(report, finding.source)
    line = f"{call.type}{at(call.where)}" if call is not None else "forward"
    told = f"the input {times(given)} has the {misfit.declared} {noun}s in their place, and {line} moves them"
    message = f"{name_of(finding)} receives {plural(misfit.required, noun)}, expects {misfit.declared}\n{told}"
    if "refused" in misfit.detail:
        return Said(message, forward=True)
    if not misfit.detail["given"]:
        return Said(f"{message}: give {times(right)}, or leave that out", None, outside=True)
    return Said(message, call_with(right[1:]), outside=True, instead=f"forward without {line}")


def _permute_norm(finding: Finding, report: Report) -> Said:
    return _and_back(_permute(finding, report), finding)


def _permute_layer_norm(finding: Finding, report: Report) -> Said:
    shape, order = finding.inputs[0].shape, finding.misfit.detail["order"]
    looks = (
        f"dimension 1 has the {spell(shape[1])} channels; permuted it is {times(tuple(shape[axis] for axis in order))}"
    )
    said = _normalized_shape(finding, report)
    instead = f"normalized_shape={code(finding.misfit.required)}"
    return _and_back(appended(f"{said.message}\n{looks}", f".permute{order}", instead=instead), finding)


def _and_back(said: Said, finding: Finding) -> Said:
    """The same with the axes of what the norm gives set back, since its size is that of its input."""
    order = finding.misfit.detail["order"]
    back = tuple(map(order.index, range(len(order))))
    name = finding.path.rpartition(".")[2]
    # Inside a container it has no name that could be written.
    advice = f"x = self.{name}(x.permute{order}).permute{back}" if name.isidentifier() else None
    return replace(said, advice=advice, after=f".permute{back}")


def _unbatched(finding: Finding, report: Report) -> Said:
    said = _in_channels(finding, report)
    shape = finding.inputs[0].shape
    return appended(
        f"{said.message}\n{len(shape)} dimensions are taken for one sample without a batch\n"
        f"if {shape[0]} is the batch, the channels are missing",
        ".unsqueeze(1)",
        instead=f"in_channels={spell(finding.misfit.required)}",
    )


def _several_widths(finding: Finding, report: Report) -> Said:
    widths: Mapping[str, int] = finding.misfit.detail["widths"]
    told = ", ".join(f"{name} has {spell(width)}" for name, width in widths.items())
    kind = finding.layer.partition("(")[0]
    return Said(
        f"{kind}(d_model={finding.misfit.declared}, …) receives tensors of several widths: {told}\n"
        f"{'both' if len(widths) == 2 else 'all'} must have d_model features",
        None,
        forward=True,
    )


def _no_features(finding: Finding, report: Report) -> Said:
    shape = finding.inputs[0].shape
    return appended(
        f"{name_of(finding)} receives {plural(finding.misfit.required, 'feature')}, expects 1\n"
        f"{times(shape)} is {what_arrived(finding, report)}: N×L, without an axis for the one feature of each step",
        ".unsqueeze(-1)",
        instead=f"{finding.misfit.kind}={spell(finding.misfit.required)}",
    )


def _one_or_many(finding: Finding, report: Report) -> Said:
    said = _in_channels(finding, report)
    shape = finding.inputs[0].shape
    told = f"{len(shape)} dimensions are taken for one sample without a batch: if {shape[0]} is the batch, "
    return replace(said, message=f"{said.message}\n{told}the channels are missing")


def resized(finding: Finding, report: Report) -> Said:
    """A size that has no words of its own."""
    misfit = finding.misfit
    noun = noun_of(misfit.kind)
    what = plural(misfit.required, noun) if noun else spell(misfit.required)
    message = f"{name_of(finding)} receives {what}, expects {misfit.declared}"
    if (joined := said_of_joined(message, finding, report)) is not None:
        return joined
    message += _divided(finding)
    name = next(iter(misfit.changes), misfit.kind)
    if (rows := _rows_in_features(finding, report)) is not None:
        return Said(f"{message}\n{rows}\nif that is intended: {name}={code(misfit.required)}", forward=True)
    return Said(f"{message}\n{arrived(finding)} is {what_arrived(finding, report)}", f"{name}={code(misfit.required)}")


def _rows_in_features(finding: Finding, report: Report) -> str | None:
    """That a view made features of several rows, ``view(1, 1, -1)``, each of which has as many as are expected."""
    misfit, call = finding.misfit, call_of(report, finding.source)
    if misfit.kind != "input_size" or call is None or not OPS.named(call.type).keeps_memory_order:
        return None
    given = call.input_shape or ()
    if len(given) != 2 or given[1] != misfit.declared or prod(given) != misfit.required:
        return None
    joined = f"{call.type}{at(call.where)} makes features of all {given[0]} rows of {times(given)}"
    return f"{joined}, each of which has the {given[1]}"


def _divided(finding: Finding) -> str:
    """Into how many groups or heads the size can be divided, where it is not as many as there are."""
    misfit = finding.misfit
    parts = misfit.detail.get("parts")
    if not parts:
        return ""
    (name, can), *_ = ((name, misfit.changes[name]) for name in _PARTS if name in misfit.changes)
    return f"\n{spell(misfit.required)} cannot be divided into {parts} {_PARTS[name]}, but into {can}"


_PARTS = {"num_groups": "groups", "groups": "groups", "num_heads": "heads", "nhead": "heads"}


def _normalized_shape(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    required, declared = alone(tuple(misfit.required)), alone(tuple(misfit.declared))
    shape = times(misfit.detail["normalized"]) if "normalized" in misfit.detail else arrived(finding)
    message = f"{name_of(finding)} normalizes over {declared}, and {shape} ends in {code(required)}"
    if (joined := said_of_joined(message, finding, report)) is not None:
        return joined
    if "reduced" in finding.misfit.detail:
        return _reduced(message, finding, report)
    return Said(message, f"normalized_shape={code(required)}")


def _num_embeddings(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    last = misfit.declared - 1
    if misfit.note == "negative":
        return Said(
            f"a negative index reaches {name_of(finding)}, which has the indices 0 to {last}", None, forward=True
        )
    return Said(
        f"index {misfit.required - 1} reaches {name_of(finding)}, which has the indices 0 to {last}",
        f"num_embeddings={misfit.required}",
    )


def _output_size(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    smallest, largest = misfit.required
    return Said(
        f"{name_of(finding)} cannot give {times(misfit.declared)} from {arrived(finding)}: "
        f"only {times(smallest)} to {times(largest)} are possible\n"
        f"{times(smallest)} with output_padding=0, and 1 more for each step of output_padding",
        f"output_size={misfit.detail['nearest']}",
        forward=True, argument=("output_size", 1, str(misfit.detail["nearest"])),
    )  # fmt: skip


def _output_padding(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    return Said(
        f"{name_of(finding)} has output_padding={_each(misfit.declared)}, and it must be smaller than the stride\n"
        f"(or the dilation, if that is larger): at most {_each(misfit.required)}",
        f"output_padding={_each(misfit.required)}",
    )


def _each(sizes: tuple[int, ...]) -> str:
    """One number where all axes have the same."""
    return str(sizes[0] if len(set(sizes)) == 1 else sizes)


def _producer(finding: Finding, report: Report) -> Said:
    """Of a layer that gives another size than those behind it expect."""
    misfit = finding.misfit
    noun = "channel" if misfit.kind == "out_channels" else "feature"
    takers = list(dict.fromkeys(map(_taker, misfit.detail["takers"])))
    listed = takers[:_MOST_TAKERS] + ([f"{len(takers) - _MOST_TAKERS} more"] if len(takers) > _MOST_TAKERS else [])
    *first, last = listed
    who = f"{', '.join(first)} and {last} expect" if first else f"{last} expects"
    gets_both = any(each.misfit.note == "several_widths" for each in misfit.detail["takers"])
    otherwise = "as their other input does" if gets_both else f"or all of these take {spell(misfit.declared)}"
    if also := misfit.detail.get("also", ()):
        *others, one = also
        listed_too = f"{', '.join(others)} and {one} fit" if others else f"{one} fits"
        otherwise = f"with which {listed_too} as well"
    return Said(
        f"{name_of(finding)} gives {plural(misfit.declared, noun)}; {who} {spell(misfit.required)}\n"
        f"{finding.path} should give {spell(misfit.required)}, {otherwise}",
        f"{misfit.kind}={code(misfit.required)}",
    )


def _window(finding: Finding, report: Report) -> Said:
    """A padding or a stride in front of a sum: a run has shown that with another the sum has two equal sizes."""
    changes, detail = finding.misfit.changes, finding.misfit.detail
    written = [f"{name}={code(size)}" for name, size in changes.items()]
    if finding.layer.startswith("ConvTranspose"):
        told = f"{written[0]} enlarges the map, and 1 does not"
    elif changes.get("stride", 1) == 1:
        told = f"{' and '.join(written)} {'keeps' if len(written) == 1 else 'keep'} the size"
    else:
        told = f"{written[0]} matches the other branch"
    if changes.get("stride") == 1:
        told += f"\na pool without a stride has its kernel_size for one, {code(finding.misfit.declared)}"
    if "as" in detail:
        told += f", as in {detail['as']}"
    else:
        met = detail["met"]
        pair = " and ".join(map(times, met.misfit.detail["shapes"]))
        told = f"{called(met.function)}{at(met.where)} cannot combine {pair}: {told}"
    return Said(f"{name_of(finding)} makes {times(detail['made'])} of {arrived(finding)}\n{told}", ", ".join(written))


def _taker(finding: Finding) -> str:
    return f"{called(finding.function)}{at(finding.where)}" if finding.function else finding.path


_MOST_TAKERS = 4

WORDS: Mapping[tuple[str, str], Words] = {
    ("out_channels", ""): _producer,
    ("out_features", ""): _producer,
    ("embedding_dim", ""): _producer,
    ("hidden_size", ""): _producer,
    ("in_features", ""): _in_features,
    ("in_channels", ""): _in_channels,
    ("in_channels", "permute"): _permute,
    ("in_channels", "turned"): _turned,
    ("in_features", "permute"): _permute,
    ("in_features", "turned"): _turned,
    ("input_size", "turned"): _turned,
    ("num_features", "permute"): _permute_norm,
    ("input_size", "permute"): _permute,
    ("embed_dim", "permute"): _permute,
    ("in_channels", "unbatched"): _unbatched,
    ("in_channels", "one_or_many"): _one_or_many,
    ("input_size", "no_features"): _no_features,
    ("normalized_shape", ""): _normalized_shape,
    ("normalized_shape", "permute"): _permute_layer_norm,
    ("num_embeddings", ""): _num_embeddings,
    ("embed_dim", "several_widths"): _several_widths,
    ("output_size", ""): _output_size,
    ("output_padding", ""): _output_padding,
    ("padding", ""): _window,
    ("stride", ""): _window,
}
