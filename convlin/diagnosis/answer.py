"""What a pass found wrong, in words, once other runs have settled what they can.

Loaded for a model in which something is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from torch import nn

from convlin.diagnosis.mistakes.batch_in_features import with_batch_in_features
from convlin.diagnosis.mistakes.exchanged_numbers import with_numbers_exchanged
from convlin.diagnosis.mistakes.frames_in_batch import with_frames_apart
from convlin.diagnosis.mistakes.heads_apart import with_heads_joined
from convlin.diagnosis.mistakes.kept_tensors import with_kept_tensors
from convlin.diagnosis.mistakes.made_states import with_states_made
from convlin.diagnosis.mistakes.one_producer import with_one_producer
from convlin.diagnosis.mistakes.proposed_inputs import with_proposals_run
from convlin.diagnosis.mistakes.reduced_axes import with_reductions_along
from convlin.diagnosis.mistakes.several_sizes import without_numbers
from convlin.diagnosis.mistakes.shared_forward import with_lines_outside
from convlin.diagnosis.mistakes.split_heads import with_heads_split
from convlin.diagnosis.mistakes.unequal_branches import with_equal_branches
from convlin.diagnosis.problems import Hints, diagnose
from convlin.diagnosis.runs.retries import Retry
from convlin.records import Report
from convlin.trace.recording import Recording


class Answer(NamedTuple):
    """A report with its problems, and what else may have been meant."""

    report: Report
    names_batch: bool
    """A problem says that the shape seems to hold the batch."""
    reordered: frozenset[str]
    """Paths of layers that would fit with the axes of their input in another order."""
    unbatched: frozenset[str]
    """Paths of layers that take an input for one sample without a batch, where a batch seems to be missing."""


def answered(report: Report, recording: Recording, model: nn.Module, hints: Hints, retry: Retry) -> Answer:
    """``report`` with a problem for everything that the pass, made as ``retry`` says, found wrong."""
    for settle in (
        with_proposals_run,
        partial(with_lines_outside, report),
        with_batch_in_features,
        with_heads_split,
        with_heads_joined,
        with_frames_apart,
        with_numbers_exchanged,
        with_equal_branches,
        with_reductions_along,
        with_one_producer,
        with_kept_tensors,
        with_states_made,
    ):
        recording = settle(recording, model, retry)
    report = replace(report, required_in_features=dict(recording.required))
    problems = diagnose(report, recording, model, retry.plan, retry.mode, hints)
    batched = {finding.path for finding in recording.findings if finding.misfit.note == "batch_in_shape"}
    if batched:  # every size behind it is that of the samples folded together, which nobody meant
        problems = tuple(problem for problem in problems if problem.path in batched and problem.kind == "structure")
    reordered, unbatched = (
        frozenset(finding.path for finding in recording.findings if finding.misfit.note == note)
        for note in ("permute", "one_sample")
    )
    return Answer(without_numbers(report, problems), bool(batched), reordered, unbatched)
