"""Words for layers of sequences: their steps, their states, their heads, and whether the batch comes first."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from convlin.diagnosis.messages.said import Said, Words, appended
from convlin.diagnosis.messages.tools import (
    arrived,
    at,
    call_of,
    equation,
    maker_of,
    name_of,
    plural,
    times,
)
from convlin.layers.common import steps_order
from convlin.records import Report
from convlin.sizes.spell import spell, spell_product
from convlin.trace.recording import Finding


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


def _padding_mask(finding: Finding, report: Report) -> Said:
    wanted, given = finding.misfit.declared, finding.misfit.required
    return Said(
        f"{name_of(finding)} takes attn_mask of {times(wanted)}, a row for each query, got {times(given)}\n"
        "with a row for each sample it is a key_padding_mask: pass it as that",
        forward=True,
    )


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
    told = f"with {named} as its features, {product}, it is {times(misfit.detail['made'])}"
    return appended(f"{message}\n{told}", behind, instead="another order of the axes")


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


def _state(finding: Finding, report: Report) -> Said:
    wanted, given, detail = finding.misfit.declared, finding.misfit.required, finding.misfit.detail
    message = f"{name_of(finding)} takes {detail['name']} of {times(wanted)}, got {times(given)}"
    if len(given) != len(wanted):
        *first, last = detail["axes"]
        return Said(f"{message}\n{' and '.join([*[', '.join(first)], last] if first else [last])}", forward=True)
    axes = dict(zip(detail["axes"], zip(given, wanted, strict=True), strict=True))
    rows = axes.get("layers·directions", (0, 0))
    batch = axes.get("batch", (0, 0))
    if rows[0] != rows[1]:
        message += f"\n{rows[1]} = {detail['layers']}·{detail['directions']}, layers times directions"
    if batch[0] != batch[1]:
        message += f"\nthe batch is {batch[1]}"
        if not detail["batch_first"] and batch[0] == detail["steps"][0]:
            message += f", the second axis of {arrived(finding)}: batch_first=True makes it the first"
    return Said(message, forward=not finding.misfit.changes)


def _one_step(finding: Finding, report: Report) -> Said:
    """One step of several sequences, as a decoder takes it, of which the state tells the batch."""
    detail = finding.misfit.detail
    shape, axis = detail["shape"], detail["axis"]
    made = times((*shape[:axis], 1, *shape[axis:]))
    return appended(
        f"{name_of(finding)} takes {times(shape)} for one sequence without a batch, and {detail['name']} of "
        f"{times(detail['state'])} has a batch of {shape[0]}\nunsqueeze({axis}) makes one step of it, {made}",
        f".unsqueeze({axis})",
        instead="a state without a batch",
    )


def _state_pair(finding: Finding, report: Report) -> Said:
    names = ", ".join(finding.misfit.detail["names"])
    got = times(finding.misfit.detail["shape"])
    return Said(f"{name_of(finding)} takes its state as a tuple, ({names}), got one tensor: {got}", forward=True)


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
    message = f"{message}, and the layer needs {needs}" if needs else message
    return appended(message, f".reshape(-1, {time}, {features})", instead=needs)


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
    return appended(f"{message}\nif it is to take all heads at once: {instead}", behind, instead=instead)


def _heads_apart(finding: Finding, report: Report) -> Said:
    """Of an attention written by hand: a run has shown that the model is right with the heads joined first."""
    misfit, shape = finding.misfit, finding.inputs[0].shape
    one, joined, made = misfit.required, misfit.detail["joined"], times(misfit.detail["made"])
    message = (
        f"{name_of(finding)} receives {plural(one, 'feature')}\n"
        f"{misfit.declared} = {misfit.declared // one}·{one}, two axes of {times(shape)}: {joined} makes {made} of it"
    )
    instead = f"in_features={one}"
    return Said(
        f"{message}\nif it is to take each alone: {instead}",
        f"x = x{joined}",
        forward=True, behind=joined, instead=instead,
    )  # fmt: skip


WORDS: Mapping[tuple[str, str], Words] = {
    ("structure", "batch_second"): _batch_second,
    ("structure", "padding_mask"): _padding_mask,
    ("structure", "map_in_steps"): _map_in_steps,
    ("structure", "no_time"): _no_time,
    ("structure", "state"): _state,
    ("structure", "one_step"): _one_step,
    ("structure", "state_pair"): _state_pair,
    ("structure", "frames"): _frames,
    ("structure", "heads"): _heads,
    ("structure", "heads_apart"): _heads_apart,
}
