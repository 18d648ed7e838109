"""One layer that gives another size than all behind it were made for: the layer to change, and not all the others.

Which of the two was meant no shape tells, but one change is likelier than many. The model is run with that layer made
anew, and only what this shows is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from torch import nn

from convlin.diagnosis.mistakes.what_follows import with_what_follows
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import finding_of_layer
from convlin.layers import GIVEN_OR_HIDDEN, Misfit
from convlin.ops.catalog import OPS
from convlin.ops.misfit import alone
from convlin.ops.op import Family
from convlin.records import UNSEEN, Source, SourceKind
from convlin.trace.axes import order_made
from convlin.trace.recording import Finding, Recording, of_operands

#: Layers of several parts that give as many features as they take.
_KEEPS_WIDTH = (
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.TransformerEncoder, nn.TransformerDecoder,
)  # fmt: skip
#: So many layers are tried, each in a run.
_MOST_RUNS = 3


class _Change(NamedTuple):
    """A layer, what it declares of its output, and another size for that."""

    path: str
    kind: str
    size: int


def with_one_producer(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with one finding in place of several that one layer's size explains, where a run shows that.

    A sum of two sizes, one of which a layer behind it declares, is told itself, with the layer that should give it.
    """
    if not recording.findings:
        return recording
    if any(each.misfit.note == "permute" for each in recording.findings):
        return _with_givers(recording, model, retry)
    asked: dict[_Change, list[Finding]] = {}
    calls: dict[_Change, int] = {}
    for finding in recording.findings:
        for change, call in _changes(recording, finding):
            asked.setdefault(change, []).append(finding)
            calls[change] = call
    many = [change for change, takers in asked.items() if _are_enough(recording, change, takers)]
    numbers = [each for each in recording.findings if each.layer and each.misfit.changes]
    few = [change for change in asked if change not in many] if len({each.path for each in numbers}) > 1 else []
    for change in [*sorted(many, key=lambda each: -len(asked[each])), *few][:_MOST_RUNS]:
        proved = _run_with(recording, model, retry, change, asked[change])
        if proved is None:
            continue
        own, also = _own(recording, change), list[str]()
        if change not in many:
            settled = [each for each in numbers if each.sign_at_line not in proved.signs]
            also += dict.fromkeys(each.path for each in settled if each not in asked[change])
            if not also or own or _are_one_number(settled):
                continue
        told = [
            _producer(recording, change, calls[change], asked[change], also),
            *(each for each in recording.findings if each.sign_at_line in proved.signs or each in own),
        ]
        told.sort(key=lambda each: each.call)
        return replace(recording, findings=told, failure=None, required=proved.required)
    return _with_givers(recording, model, retry)


def _with_givers(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The findings with the layer in front that should give another size: of sums that a layer behind decides, of
    channels that are shuffled, and of a Linear whose output is made into something."""
    told: list[Finding] = []
    for finding in with_what_follows(recording):
        _, size = finding.misfit.detail.get("behind", ("", None))
        if finding.misfit.kind == "operands" and size is not None:
            for change, call in _changes(recording, finding):
                if change.size == size and _run_with(recording, model, retry, change, [finding]) is not None:
                    finding = finding.with_detail(giving=_producer(recording, change, call, [finding]))
                    break
        elif finding.misfit.note == "elementwise":
            # Of two layers that may give another size, one that leaves all else right, where the other one does not.
            changes = [] if "skip" in finding.misfit.detail else list(_changes(recording, finding))
            run = [each for each in changes if _run_with(recording, model, retry, each[0], [finding]) is not None]
            if len(changes) == 2 and len(run) == 1:
                finding = finding.with_detail(giving=_producer(recording, *run[0], [finding]))
            elif len(run) == 2:
                finding = finding.with_detail(either=tuple((change.path, change.size) for change, _ in run))
        else:
            gives = tuple(
                (change.path, change.size)
                for change in _giving(recording, finding)
                if _run_with(recording, model, retry, change, [finding], again=True) is not None
            )
            if gives:
                finding = finding.with_detail(gives=gives)
        told.append(finding)
    return replace(recording, findings=told)


def _giving(recording: Recording, finding: Finding) -> Iterator[_Change]:
    """Other sizes that the layer in front could give where its own cannot be taken."""
    misfit = finding.misfit
    if misfit.note == "pixel_shuffle":
        channels, squared = misfit.required, misfit.declared
        _, taken = misfit.detail.get("behind", ("", 0))
        near = [taken * squared] if taken else [channels // squared * squared, channels + -channels % squared]
        found = _maker(recording, finding.source, channels) if type(channels) is int else None
        if found is not None:
            yield from (_Change(recording.calls[found[0]].path, found[1], size) for size in near if size)
        return
    shape = finding.inputs[misfit.input].shape if misfit.input < len(finding.inputs) else ()
    if misfit.kind not in ("reshape", "batch") or not shape or type(shape[-1]) is not int:
        return
    found = _maker(recording, finding.source, shape[-1])
    wanted = misfit.detail.get("product", misfit.declared)
    if found is None or found[1] != "out_features" or type(wanted) is not int or type(misfit.required) is not int:
        return
    # Of what it gives at every step of a sequence, too, each has as many features.
    size, rest = divmod(shape[-1] * wanted, misfit.required or 1)
    if size and not rest and misfit.required:
        yield _Change(recording.calls[found[0]].path, "out_features", size)


class _Proved(NamedTuple):
    signs: frozenset[tuple[Any, ...]]
    """What is still wrong."""
    required: dict[str, Any]


def _run_with(
    recording: Recording,
    model: nn.Module,
    retry: Retry,
    change: _Change,
    explained: list[Finding],
    *,
    again: bool = False,
) -> _Proved | None:
    """What a run with that layer shows; None where it does not settle what it should, or makes something else wrong.

    ``again``: the same mistake may be met once more on the same line, in the next block of one class.
    """
    wanted = {change.kind: change.size}
    for each in _own(recording, change):
        wanted |= each.misfit.changes
    shown = run_to_the_end(model, retry, {change.path: wanted})
    if shown is None:
        return None
    before, signs = recording.signs_at_lines, shown.signs_at_lines
    lines = {_on_line(each) for each in explained} if again else set()
    known = before | {each.sign_at_line for each in shown.findings if _on_line(each) in lines}
    if not signs <= known or signs & {each.sign_at_line for each in explained}:
        return None
    return _Proved(signs, shown.required)


def _are_enough(recording: Recording, change: _Change, takers: list[Finding]) -> bool:
    """Whether as many ask for it as it takes to be the likelier mistake.

    One that gets several widths has no number for them: what gives the other one is all that can change. Where what
    the layer takes is wrong as well, one change no longer explains all.
    """
    if any(each.misfit.note == "several_widths" for each in takers):
        return True
    return len(set(map(_taker, takers))) >= (3 if _own(recording, change) else 2)


def _are_one_number(findings: Sequence[Finding]) -> bool:
    """Whether they are of the layers of one block and want the same: its constructor is given one number for all."""
    blocks = {each.path.rpartition(".")[0] for each in findings}
    wanted = {(alone(each.misfit.declared), alone(each.misfit.required)) for each in findings}
    return len(blocks) == len(wanted) == 1 and "" not in blocks


def _own(recording: Recording, change: _Change) -> list[Finding]:
    """What else is to be changed of the layer: the size that it takes."""
    return [each for each in recording.findings if each.layer and each.path == change.path and each.misfit.changes]


def _on_line(finding: Finding) -> tuple[Any, ...]:
    misfit = finding.misfit
    return misfit.kind, misfit.note, finding.where, repr(misfit.declared), repr(misfit.required)


def _taker(finding: Finding) -> tuple[Any, ...]:
    return finding.path, finding.function, finding.where if finding.function else None


def _changes(recording: Recording, finding: Finding) -> Iterator[tuple[_Change, int]]:
    """The layers whose size would settle a finding, each with the index of its call."""
    misfit, sources = finding.misfit, recording.calls[finding.call].sources
    if misfit.kind == "operands":
        sources = of_operands(finding, sources)
        axes, shapes = misfit.detail.get("axes", ()), misfit.detail.get("shapes", ())
        if misfit.note not in ("elementwise", "concatenate") or len(axes) != 1 or len(shapes) != 2 or len(sources) < 2:
            return
        if "run" in misfit.detail or misfit.detail.get("channels_last"):  # along another axis they go together
            return
        sizes = [shape[axes[0]] for shape in shapes]
        pairs = [(sources[0], sizes[0], sizes[1]), (sources[1], sizes[1], sizes[0])]
    else:
        source = sources[misfit.input] if misfit.input < len(sources) else UNSEEN
        pairs = [(source, alone(misfit.required), alone(misfit.declared))] if misfit.changes else []
        if misfit.note == "several_widths":
            wrong = set(misfit.required) - {misfit.declared}
            pairs = [(source, width, misfit.declared) for width in wrong if len(wrong) == 1]
    for source, given, wanted in pairs:
        if type(given) is int and type(wanted) is int:
            call = _maker(recording, source, given)
            if call is not None:
                index, kind = call
                yield _Change(recording.calls[index].path, kind, wanted), index


def _maker(recording: Recording, source: Source, size: int) -> tuple[int, str] | None:
    """The call of the layer that gave a tensor its size, and what declares it; None where that is not sure.

    What meets in a residual sum comes of one layer by both of its arms.
    """
    makers: set[tuple[int, str]] = set()

    def through(source: Source) -> Sequence[Source]:
        if source.kind is SourceKind.JOIN:
            return [each for each in recording.into(source) if each.is_made]
        return () if recording.declared_by(source, GIVEN_OR_HIDDEN) else recording.into(source)[:1]

    for each in recording.upstream([source], through):
        kind = recording.declared_by(each, GIVEN_OR_HIDDEN)
        if kind and getattr(recording.modules[each.number], kind) == size:
            makers.add((each.number, kind))
        elif each.kind is not SourceKind.JOIN and (kind or not each.is_made or not _hands_on(recording, each, size)):
            return None
    return makers.pop() if len(makers) == 1 else None


def _hands_on(recording: Recording, source: Source, size: int) -> bool:
    """Whether a call leaves the axis of channels, or the last one, as it is."""
    call = recording.calls[source.number]
    if not call.sources or not call.inputs or not call.outputs:
        return False
    given, made = call.inputs[0].shape, call.outputs[0].shape
    order = order_made(call) if call.is_function else None
    if order is not None:  # wherever the axis goes, if it is told from the others
        return list(given).count(size) == list(made).count(size) == 1
    if not any(given[part] == made[part] == (size,) for part in (slice(1, 2), slice(-1, None))):
        return False
    if call.is_function:
        op = OPS.called(call.type)
        # What is merged or parted lies behind the channels, which are as many as before.
        keeps = op.keeps_memory_order and len(made) > 2 and given[:2] == made[:2]
        is_spread = len(made) > len(given) and made == given + (1,) * (len(made) - len(given))  # t[:, :, None, None]
        parts = op.family in (Family.PART, Family.INDEX, Family.REDUCTION)  # steps of a sequence, or the mean of a map
        return keeps or is_spread or parts or op.hands_on or op.makes_feature_map
    return isinstance(recording.modules[source.number], _KEEPS_WIDTH) or not call.inner


def _producer(
    recording: Recording, change: _Change, call: int, takers: list[Finding], also: Sequence[str] = ()
) -> Finding:
    """What is told of the layer that gives another size than the ``takers`` expect; ``also`` settles other numbers."""
    module = recording.modules[call]
    declared, changes = getattr(module, change.kind), {change.kind: change.size}
    detail: dict[str, Any] = {"takers": tuple(takers), "also": tuple(also)}
    if isinstance(module, nn.Embedding) and module.num_embeddings == change.size != declared:
        changes["num_embeddings"] = declared  # indices that convlin makes are in range of either
        detail |= {"exchanged": changes, "settles": True}
    misfit = Misfit(change.kind, declared, change.size, "producer", detail, changes)
    return finding_of_layer(recording, misfit, call)
