"""A first state of the wrong shape that ``forward`` makes for a recurrent layer: the line that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.trace.recording import Finding, Recording


def with_states_made(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such states told at their lines, where the model runs with these lines corrected."""
    if not any(finding.misfit.note == "state" for finding in recording.findings):
        return recording
    return replace(recording, findings=[_told(recording, each, model, retry) for each in recording.findings])


def _told(recording: Recording, finding: Finding, model: nn.Module, retry: Retry) -> Finding:
    from convlin.source.states import NewSize, corrected_states  # reads source: only where something is wrong

    if finding.misfit.note != "state" or finding.misfit.changes or finding.where is None:
        return finding
    detail = finding.misfit.detail
    batch = ".size(0)" if detail["batch_first"] else ".size(1)"

    def sizes(wanted: tuple[int, ...], given: tuple[int, ...]) -> Iterator[NewSize]:
        for name, new, old in zip(detail["axes"], wanted, given, strict=True):
            yield None if new == old else batch if name == "batch" else new

    states = detail["states"]
    is_known = all(type(size) is int for shapes in states for shape in shapes for size in shape)
    if not is_known or any(len(wanted) != len(given) for wanted, given in states):
        return finding
    found = corrected_states(finding.where, finding.called_name, [tuple(sizes(*each)) for each in states])
    shown = None if found is None else run_to_the_end(model, retry, edits=found[1].edits)
    if found is None or shown is None or not shown.signs <= recording.signs - {finding.sign}:
        return finding
    where, rewrite = found
    return finding.with_detail(lines=(where, rewrite if not shown.findings else rewrite._replace(edits=())))
