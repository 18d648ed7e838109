"""A ``cat`` along another dim than the one whose sizes add up to what the layer behind it declares."""

from __future__ import annotations

from typing import NamedTuple

from convlin.diagnosis.messages.said import Said
from convlin.diagnosis.messages.tools import at, call_of, code, equation, is_cat, maker_of, times
from convlin.layers import AXIS_OF
from convlin.ops.misfit import alone
from convlin.records import Call, Report, Size, Source, SourceKind, past_single_joins
from convlin.sizes.spell import spell
from convlin.trace.recording import Finding


class Joined(NamedTuple):
    """The call of a ``cat``, the dim along which it joined, and the one along which it gives what is declared."""

    call: Call
    along: int
    meant: int


def _joined_samples(finding: Finding, report: Report) -> Call | None:
    """A ``cat`` that joined the samples, where along ``dim=1`` it would have joined as many as the layer declares."""
    call = _samples_joined(finding, report)
    return call if call is not None and _along_one(call) == finding.misfit.declared else None


def _along_one(call: Call) -> Size:
    return sum(shape[1] for shape in call.input_shapes)


def doubted(finding: Finding, report: Report) -> tuple[str, Size] | None:
    """What to say of a ``cat`` that joined the samples, where ``dim=1`` gives neither number, and the one it gives."""
    call = _samples_joined(finding, report)
    if call is None or _along_one(call) in (finding.misfit.declared, alone(finding.misfit.required)):
        return None
    total = equation(" + ".join(spell(shape[1]) for shape in call.input_shapes), spell(_along_one(call)))
    return f"{call.type} joined the samples: along dim=1 it gives {total}", _along_one(call)


def _samples_joined(finding: Finding, report: Report) -> Call | None:
    """The ``cat`` that made what arrived of the samples of several tensors, one behind the other."""
    if finding.misfit.kind not in ("in_features", "in_channels"):
        return None
    call = call_of(report, maker_of(report, finding.source))
    if call is None or not is_cat(call) or not call.output_shape:
        return None
    shapes = call.input_shapes
    if min(map(len, shapes), default=0) < 2 or len({shape[0] for shape in shapes}) > 1:  # of one axis there are none
        return None
    rows = [shape[0] for shape in shapes if isinstance(shape[0], int)]
    if sum(rows) != call.output_shape[0] or len(rows) < 2:
        return None
    if finding.misfit.kind == "in_features" and len(call.output_shape) > 2:
        return None  # its features are not along dim=1
    return call


def is_of_joined(finding: Finding, report: Report) -> bool:
    """Whether a ``cat`` along another dim gives what the layer declares."""
    return _joined_samples(finding, report) is not None or joined_along(finding, report) is not None


def joined_along(finding: Finding, report: Report) -> Joined | None:
    """The ``cat`` that made what arrived, where the same tensors joined along another dim have the declared size.

    Tensors that can be joined along either dim have all sizes alike.
    """
    misfit, arrived = finding.misfit, finding.inputs[0].shape if finding.inputs else ()
    axis = -1 if misfit.kind == "normalized_shape" else AXIS_OF.get(misfit.kind)
    if axis is None or misfit.note not in ("", "d_model") or misfit.input or len(arrived) < 2:
        return None
    source, meant = _maker(finding, report), axis % len(arrived)
    if source.kind is not SourceKind.CALL or source.number >= len(report.calls):
        return None
    call = report.calls[source.number]
    if not is_cat(call) or call.output_shape != arrived or len(call.inputs) < 2:
        return None
    shape = call.input_shapes[0]
    if any(each != shape for each in call.input_shapes) or arrived[meant] != alone(misfit.required):
        return None
    along = [index for index, (size, made) in enumerate(zip(shape, arrived, strict=True)) if size != made]
    if len(along) != 1 or along[0] == meant or len(call.inputs) * shape[meant] != alone(misfit.declared):
        return None
    if _fits_a_layer(source, report):
        return None
    return Joined(call, along[0], meant)


def said_of_joined(message: str, finding: Finding, report: Report) -> Said | None:
    """What is said behind a ``cat`` where another dim gives what is declared; None where none does."""
    if (samples := _joined_samples(finding, report)) is not None:
        return _said_of_samples(message, finding, samples)
    along = joined_along(finding, report)
    return None if along is None else _said_of_dims(message, along, finding)


def _said_of_samples(message: str, finding: Finding, call: Call) -> Said:
    """Behind a ``cat`` of the samples: the axis is to be another, as far as a run bears that out."""
    channels = [shape[1] for shape in call.input_shapes]
    total = equation(" + ".join(map(spell, channels)), spell(finding.misfit.declared))
    shape = times(call.output_shape or ())
    message += f"\n{call.type}{at(call.where)} joined the samples, {shape}: along dim=1 it gives {total}"
    if call.where is None or "nowhere" in finding.misfit.detail:
        return Said(message, forward=True)
    return Said(message, f"pass dim=1 to {call.type}", forward=True, join=call.where, dim=1)


def _said_of_dims(message: str, joined: Joined, finding: Finding) -> Said:
    """Both ways out: which of the two sizes was meant no run can tell."""
    call, misfit = joined.call, finding.misfit
    sizes = [spell(shape[joined.meant]) for shape in call.input_shapes]
    total = equation(" + ".join(sizes), spell(alone(misfit.declared)))
    name = next(iter(misfit.changes), misfit.kind)
    instead = f"{name}={code(misfit.required)}"
    return Said(
        f"{message}\n{call.type}{at(call.where)} joined along dim={joined.along}, {times(finding.inputs[0].shape)}: "
        f"along dim={joined.meant} it gives {total}\nif dim={joined.along} is intended: {instead}",
        f"pass dim={joined.meant} to {call.type}",
        forward=True, instead=instead, join=call.where, dim=joined.meant,
    )  # fmt: skip


def _maker(finding: Finding, report: Report) -> Source:
    """What gave what arrived its shape, past layers that hand the shape on and declare no size that fits it."""
    source = past_single_joins(finding.source, report.joins)
    while source.kind is SourceKind.CALL and source.number < len(report.calls):
        call = report.calls[source.number]
        if not _hands_on(call) or not call.sources:
            break
        source = past_single_joins(call.sources[0], report.joins)
    return source


def _hands_on(call: Call) -> bool:
    """Whether it is an activation, a dropout, or a norm that something stood in for."""
    if call.is_function or call.inner or call.derive is not None or call.input_shape != call.output_shape:
        return False
    return call.stood_in or not _has_weights(call)


def _has_weights(call: Call) -> bool:
    return not call.is_function and call.params > 1  # one is that of a PReLU for all channels


def _fits_a_layer(made: Source, report: Report) -> bool:
    """Whether a layer with weights takes what was made as it is: then it is as it was meant."""
    reached = {made}
    for index, call in enumerate(report.calls):
        if not any(past_single_joins(source, report.joins) in reached for source in call.sources):
            continue
        if _hands_on(call):
            reached.add(Source.call(index))
        elif _has_weights(call) and not call.stood_in and not call.failed:
            return True
    return False
