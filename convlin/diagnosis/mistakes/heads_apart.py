"""A Linear that declares the features of all heads and gets those of one: the heads are still to be joined.

An attention written by hand may leave them apart, ``(N, T, heads, size)``, or in front, ``(N, heads, T, size)``. That
another number makes the Linear run says nothing: what a run shows with the heads joined is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from convlin.diagnosis.fixes.correction import edits_behind_argument
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.layers import Misfit
from convlin.records import Shape
from convlin.trace.recording import Finding, Recording


def with_heads_joined(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such layers told to get the heads joined, where the model runs so."""
    joined = {id(each): found for each in recording.findings for found in _joined(each)}
    asked = [finding for finding in recording.findings if id(finding) in joined]
    edits = [edits_behind_argument(each, joined[id(each)][0]) for each in asked]
    if not asked or not all(edits):
        return recording
    shown = run_to_the_end(model, retry, edits=tuple(dict.fromkeys(edit for each in edits for edit in each)))
    if shown is None or not shown.signs <= recording.signs - {each.sign for each in asked}:
        return recording
    told = [_told(each, *joined[id(each)]) if id(each) in joined else each for each in recording.findings]
    kept = [each for each in told if each.sign in shown.signs or each.misfit.note == "heads_apart"]
    return replace(recording, findings=kept, failure=None, required=dict(shown.required))


def _joined(finding: Finding) -> Iterator[tuple[str, Shape]]:
    """What joins the heads that make up what a Linear declares, and the shape that it makes."""
    misfit = finding.misfit
    shape = finding.inputs[0].shape if finding.inputs else ()
    if misfit.kind != "in_features" or misfit.note or finding.function or len(shape) != 4:
        return
    if not all(type(size) is int for size in (*shape, misfit.declared)) or shape[-1] != misfit.required:
        return
    batch, first, second, size = shape
    if second * size == misfit.declared:
        yield ".flatten(-2)", (batch, first, misfit.declared)
    elif first * size == misfit.declared:
        yield ".transpose(1, 2).flatten(-2)", (batch, second, misfit.declared)


def _told(finding: Finding, behind: str, made: Shape) -> Finding:
    misfit = finding.misfit
    detail = {"joined": behind, "made": made}
    return finding._replace(misfit=Misfit("structure", misfit.declared, misfit.required, "heads_apart", detail))
