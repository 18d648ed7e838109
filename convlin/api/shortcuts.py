"""One question about a model, asked in one call: ``num_flat_features``, ``assert_shapes``, ``explain``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import nn

from convlin._summary import Summary
from convlin._util.call_spelling import OfNumFlatFeatures, spelling_calls
from convlin._util.shown import Text
from convlin.api.summarize import summarize
from convlin.checks.patterns import Expected
from convlin.checks.shapes import read_expected, require
from convlin.errors import InputError, ShapeError
from convlin.inputs import TRIALS, DtypeLike, Input
from convlin.records import Problem


def num_flat_features(
    module: nn.Module,
    input: Input,
    *more: object,
    kwargs: Mapping[str, Any] | None = None,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
) -> int:
    """How many features one sample has after ``module``: the ``in_features`` of a Linear behind a flatten.

    Made for use inside ``__init__``; ``module`` is left exactly as it was.

    Raises:
        InputError: the call cannot be right.
        ShapeError: ``module`` itself cannot run on such an input.

    >>> from torch import nn
    >>> num_flat_features(nn.Conv2d(3, 16, kernel_size=3, stride=2), (3, 32, 32))
    3600
    """
    __tracebackhide__ = True
    if input is None and kwargs is None:
        raise InputError("num_flat_features runs the module: give it an input, as in (3, 32, 32)")
    with spelling_calls(OfNumFlatFeatures()):
        summary = summarize(module, input, *more, kwargs=kwargs, dtypes=dtypes, device=device)
    Summary(replace(summary.report, problems=tuple(map(_asked_here, summary.problems)))).check()
    shape = summary.output_shape
    if shape is None:
        raise ShapeError(f"{summary.report.model} returned no tensor to flatten")
    features = prod(shape[1:])
    if not isinstance(features, int):
        raise InputError("num_flat_features gives one integer: write numbers for all sizes")
    return features


def _asked_here(problem: Problem) -> Problem:
    """The problem in words that say nothing of a batch size, which ``num_flat_features`` does not take."""
    return replace(problem, message=re.sub(r"\bwith batch_size=\d+", "without it", problem.message))


def assert_shapes(
    model: nn.Module,
    input: Input,
    expected: Expected,
    *,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int | str = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
    mode: str = "eval",
    trials: int = TRIALS,
) -> Summary:
    """Raise one ``ShapeError`` with every difference unless the shapes are as ``expected``; return the summary.

    Args:
        model: any ``nn.Module``; it is left exactly as it was.
        input: what goes in, as for ``summarize``.
        expected: shapes by path, or the shape of the whole output (whose path is ``""``).  A shape
            includes the batch.  It holds integers; ``None`` for any size; ``...`` for any number of
            dimensions; names, each the same number wherever it stands; and formulas of names, such
            as ``"2*C"`` or ``"H//32"``.  A name that the input has is that size, and is then proved
            for all sizes.  A list of shapes is for a call that returns several tensors; a single
            shape is that of the first one.  A module that is called more than once must give the
            shape at every call.
        kwargs: as for ``summarize``, and so are the five below.
        batch_size: how many samples the dummy input holds.
        dtypes: of the dummy inputs.
        device: where the pass runs.
        mode: ``"eval"``, ``"train"`` or ``"same"``.
        trials: how many other sizes are tried at most where the input has letters.

    Raises:
        ShapeError: (an ``AssertionError``) something differs, or the model cannot run as it is.
        InputError: the expectation or the call cannot be right.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(4096, 10))
    >>> s = assert_shapes(net, (3, 32, 32), {"0": ("N", 16, 16, 16), "2": ("N", 10)})
    >>> s.output_shape
    (1, 10)
    """
    __tracebackhide__ = True
    try:
        wanted = read_expected(expected)
        summary = summarize(
            model, input, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode, trials=trials
        )  # fmt: skip
        require(summary.report, wanted)
    except (InputError, ShapeError) as error:
        raise error.with_traceback(None) from None
    return summary


def explain(
    layer: nn.Module,
    input: Input,
    *more: object,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int | str = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
) -> str:
    """How one layer changes the size of its input: the formula, the numbers put in, and what goes wrong most.

    ``input`` is what ``summarize`` takes, a shape without the batch or tensors.  Of a model with layers
    inside it says what ``summarize(model, input).explain()`` says.

    Raises:
        InputError: the call cannot be right; said before anything runs.

    >>> from torch import nn
    >>> print(explain(nn.Linear(2048, 10), (2048,)))
    Linear(in_features=2048, out_features=10, bias=True)
    1×2048 → 1×10
    <BLANKLINE>
        features  out_features = 10
    <BLANKLINE>
    where the numbers come from
        out_features  10  declared
    <BLANKLINE>
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """
    from convlin.explanation.of_layer import explain_layer, is_one_layer
    from convlin.explanation.of_model import explain_report, printable

    summary = summarize(layer, input, *more, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device)
    report = summary.report
    return Text(printable(explain_layer(layer, report) if is_one_layer(layer, report) else explain_report(report)))
