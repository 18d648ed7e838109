"""What a pass found wrong, in words, once other runs have settled what they can.

Loaded for a model in which something is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from torch import nn

from convlin.diagnosis.batch_in_features import with_batch_in_features
from convlin.diagnosis.exchanged_numbers import with_numbers_exchanged
from convlin.diagnosis.messages.joined import is_of_joined
from convlin.diagnosis.one_producer import with_one_producer
from convlin.diagnosis.problems import Hints, diagnose
from convlin.diagnosis.retries import Retry
from convlin.diagnosis.several_sizes import without_numbers
from convlin.records import Report
from convlin.trace.recording import Recording


class Answer(NamedTuple):
    """A report with its problems, and what else may have been meant."""

    report: Report
    names_batch: bool
    """A problem says that the shape seems to hold the batch."""
    reordered: frozenset[str]
    """Paths of layers that would fit with the axes of their input in another order."""


def answered(report: Report, recording: Recording, model: nn.Module, hints: Hints, retry: Retry) -> Answer:
    """``report`` with a problem for everything that the pass, made as ``retry`` says, found wrong."""
    if any(finding.misfit.note for finding in recording.findings):  # more than a number: not loaded for that
        from convlin.diagnosis.proposed_inputs import with_proposals_run

        recording = with_proposals_run(recording, model, retry)
    if any(finding.misfit.note or is_of_joined(finding, report) for finding in recording.findings):
        from convlin.diagnosis.shared_forward import with_lines_outside

        recording = with_lines_outside(report, recording, model, retry)
    recording = with_batch_in_features(recording, model, retry)
    if any(each.misfit.kind == "in_features" and not each.misfit.note for each in recording.findings):
        from convlin.diagnosis.split_heads import with_heads_split

        recording = with_heads_split(recording, model, retry)
    if any(each.misfit.kind == "input_size" or each.misfit.note == "map_in_steps" for each in recording.findings):
        from convlin.diagnosis.frames_in_batch import with_frames_apart

        recording = with_frames_apart(recording, model, retry)
    recording = with_numbers_exchanged(recording, model, retry)
    recording = with_one_producer(recording, model, retry)
    report = replace(report, required_in_features=dict(recording.required))
    problems = diagnose(report, recording, model, retry.plan, retry.mode, hints)
    batched = {finding.path for finding in recording.findings if finding.misfit.note == "batch_in_shape"}
    if batched:  # every size behind it is that of the samples folded together, which nobody meant
        problems = tuple(problem for problem in problems if problem.path in batched and problem.kind == "structure")
    reordered = frozenset(finding.path for finding in recording.findings if finding.misfit.note == "permute")
    return Answer(without_numbers(report, problems), bool(batched), reordered)
