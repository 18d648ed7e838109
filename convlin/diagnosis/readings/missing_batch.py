"""A single sample in place of a batch: the model is run on it with a batch dimension in front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from convlin.inputs import Plan
from convlin.records import Evidence, Problem, Report, Shape
from convlin.sizes.spell import spell_shape

#: What reads as a sample that has no batch; the message of such a finding names its layer as well.
_BATCHED = "model(x.unsqueeze(0))"


class OneSample(NamedTuple):
    """The same call with one sample as a batch."""

    plan: Plan
    given: Shape
    shape: Shape
    how: str
    fix: str


def as_batches(problems: Sequence[Problem], plan: Plan) -> Iterator[OneSample]:
    """The one tensor of a call as a batch of one; nothing where a layer has been found that misses the batch,
    nor of a table of indices.

    >>> import torch
    >>> column = Plan((torch.zeros(6, 1),), {}, 1, torch.device("cpu"))
    >>> [each.shape for each in as_batches((), column)]
    [(1, 6, 1), (1, 6)]
    """
    values = [value for value in (*plan.args, *plan.kwargs.values()) if isinstance(value, Tensor)]
    if plan.adds_batch or len(values) != 1 or values[0].is_nested or not values[0].dim():
        return
    if any((problem.fix or "").startswith(_BATCHED) for problem in problems):
        return
    (sample,) = values
    if sample.dim() > 1 and not (sample.is_floating_point() or sample.is_complex()):  # indices: several texts
        return
    shape = tuple(sample.shape)
    if any(_meets_batch_of_one(problem, shape[0]) for problem in problems):
        return
    for changed, how, fix in _read(sample):
        yield OneSample(plan.with_instead(sample, changed), shape, tuple(changed.shape), how, fix)


def _meets_batch_of_one(problem: Problem, batch: int) -> bool:
    """Whether what has as many in front meets a tensor that is made for a batch there, as positions of 1×64×8 are."""
    if problem.kind != "operands" or not all(isinstance(each, tuple) for each in (problem.declared, problem.required)):
        return False
    one, other = problem.declared, problem.required
    return len(one) == len(other) > 1 and batch > 1 and {one[0], other[0]} == {1, batch}


def _read(sample: Tensor) -> Iterator[tuple[Tensor, str, str]]:
    yield sample.unsqueeze(0), "with a batch dimension in front", _BATCHED
    if sample.dim() == 2 and sample.shape[1] == 1 < sample.shape[0]:
        yield sample.mT, "as a row", "model(x.T)"


def is_right(report: Report) -> bool:
    """Whether nothing is wrong in the pass of a batch of one, and the batch is in front to the end."""
    return report.completed and not report.problems and any(info.shape[:1] == (1,) for info in report.outputs)


def are_rows_of_features(report: Report, found: OneSample) -> bool:
    """Whether two dimensions go into a Linear that takes them, and other numbers behind it are all that is needed.

    A ``chunk`` or a ``split`` along the batch may make the model run with an axis more as well.
    """
    first = next((call for call in report.calls if not call.is_function and not call.inner), None)
    if len(found.given) != 2 or first is None or first.type != "Linear" or first.input_shape != found.given:
        return False
    others = [problem for problem in report.problems if problem.path != first.path]
    is_right = len(others) == len(report.problems)
    return is_right and all(each.changes and each.evidence is Evidence.RUN for each in others)


def said(found: OneSample) -> str:
    """That the input seems to be one sample, which a run has shown."""
    return (
        f"{spell_shape(found.given)} seems to be one sample: {found.how}, {spell_shape(found.shape)}, the model runs "
        "as it is"
    )


def look_unbatched(report: Report, found: OneSample) -> Problem:
    """The one problem of a model that is right for its input as a batch of one.

    A run cannot tell whether the input was meant as it is: what is wrong then is said as well, and first where a run
    has shown one change that fixes it.
    """
    first = report.problems[0]
    if len(report.problems) == 1 and first.kind == "operands" and first.fix is not None:
        sample = f"if {spell_shape(found.given)} is one sample: {found.fix} runs as it is"
        doubt = "the input may be one sample without a batch"
        return replace(first, message=f"{first.message}\n{sample}", edits=(), unfixed=doubt)
    otherwise = first.message.partition("\n")[0]
    return Problem(
        kind="structure",
        path="",
        message=f"{said(found)}\nif it is a batch of {found.given[0]}: {otherwise}",
        fix=found.fix,
        evidence=Evidence.RUN,
    )
