"""The two numbers of a layer in each other's place, ``nn.Linear(64, 784)``: a run with the two exchanged tells.

What arrives then has the size that the layer declares of what it gives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.layers import AXIS_OF, GIVEN_OR_HIDDEN
from convlin.trace.recording import Finding, Recording

#: So many layers are tried each by itself, where all of them together do not help.
_MOST_ALONE = 3


def with_numbers_exchanged(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such layers told with both numbers, and without what that settles behind them.

    Where nothing is behind that could tell, the size that arrived stays the answer, and both numbers are the other.
    """
    found = {finding.path: finding for finding in recording.findings if _exchanged(recording, finding)}
    tries = [[*found]] if found else []
    tries += [[path] for path in [*found][:_MOST_ALONE]] if len(found) > 1 else []
    for paths in tries:
        wanted = {path: _exchanged(recording, found[path]) for path in paths}
        shown = run_to_the_end(model, retry, wanted)
        if shown is None:
            continue
        own = {found[path].sign_at_line for path in paths}
        before, left = recording.signs_at_lines, shown.signs_at_lines
        if not left <= before - own:
            continue
        swapped = {found[path].layer for path in paths}
        if any(each.sign_at_line in left and each.layer in swapped for each in found.values()):
            continue  # one of many that are made alike, by one line perhaps: the others are not settled by that
        settles = before - own != left or recording.failure is not None
        told = [
            _told(each, wanted[each.path], settles=settles) if each.sign_at_line in own else each
            for each in recording.findings
            if each.sign_at_line in own | left
        ]
        if settles:
            return replace(recording, findings=told, failure=None, required=shown.required)
        return replace(recording, findings=told)
    return recording


def _exchanged(recording: Recording, finding: Finding) -> dict[str, Any]:
    """The two numbers of the layer, exchanged; empty where what arrived is not what it gives."""
    misfit = finding.misfit
    if not finding.layer or finding.call < 0:
        return {}
    takes, gives = (recording.declared(finding.call, names) for names in (AXIS_OF, GIVEN_OR_HIDDEN))
    if not gives or misfit.kind != takes or misfit.note or dict(misfit.changes) != {takes: misfit.required}:
        return {}
    if getattr(recording.modules[finding.call], gives) != misfit.required or misfit.declared == misfit.required:
        return {}
    return {takes: misfit.required, gives: misfit.declared}


def _told(finding: Finding, wanted: dict[str, Any], *, settles: bool) -> Finding:
    told = finding.with_detail(exchanged=wanted, settles=settles)
    return told._replace(misfit=told.misfit._replace(changes=wanted)) if settles else told
