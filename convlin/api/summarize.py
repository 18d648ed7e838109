"""``summarize``: from a model and an input to a ``Summary``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never

import torch
from torch import nn

from convlin.inputs import TRIALS, DtypeLike, Input, Plan, check_model, check_trials, read_inputs

if TYPE_CHECKING:
    from convlin._summary import Summary
    from convlin.diagnosis.outcome import Outcome
    from convlin.diagnosis.problems import Hints
    from convlin.records import Report
    from convlin.render.options import Options

# What a pass needs is loaded by the first one: see the imports inside the functions.


def summarize(
    model: nn.Module,
    input: Input = None,
    *more: object,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int | str = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
    mode: str = "eval",
    trials: int = TRIALS,
    columns: str | Iterable[str] | None = None,
    depth: int | None = None,
    only: str | None = None,
    parameters: bool = False,
    fold: bool | None = None,
    ascii_only: bool | None = None,
    width: int | None = None,
    tree: bool | None = None,
    hide: str | None = None,
    functions: str = "shape",
    batch: bool = True,
    **other: Never,
) -> Summary:
    """Run one forward pass of ``model`` under hooks and return the shape after every layer.

    Args:
        model: any ``nn.Module``; it is left exactly as it was.
        input: a shape without the batch, ``(3, 32, 32)``; a list of shapes for several inputs, where ``()`` is
            one number a sample; a dict of shapes for keyword inputs; tensors, which are used as they are.
            Without it no pass is run, and the summary holds structure and parameters only.
        kwargs: keyword arguments of ``forward`` beside the input.
        batch_size: size of the batch that is put in front of every shape.
        dtypes: dtype of the tensors made from shapes: one for all, a list, or a dict by name; by
            default the dtype of the model's weights, integers where an embedding needs them, and a mask of
            ``torch.bool`` where the model runs with nothing else, which a remark then says.
        device: where to run; by default where the model is.  The model itself is not moved.
        mode: ``"eval"``, ``"train"``, or ``"same"`` for every module as it is.
        trials: with letters, how many other sizes are tried at most, once to compare the formulas and once to find
            the sizes that the model takes; every other limit on what letters cost grows with it.
        columns: names of the columns to show, ``["layer", "output", "params"]``; ``"default"`` stands
            for the usual ones.  ``flops``, ``mult_adds`` and ``where`` are found out only when they are
            named here.
        depth: how deep to show what is inside containers: 1 for what ``forward`` itself calls.
        only: types and paths to show, such as ``"Conv2d|Linear"`` or ``"features.*"``.
        parameters: show every weight and bias in a row of its own.
        fold: show repeated identical blocks as one: always, never, or (None) where the table is long.
        ascii_only: use plain signs only; None lets the encoding of standard output decide.
        width: how many signs wide the printed table may be; by default 100, whatever the terminal.
        tree: indent the printed rows below their containers, which get rows with their sums: always, never, or
            (None) where whole paths do not fit the width.
        hide: types and paths not to show, as for ``only``: ``"Dropout|Identity"``.
        functions: which functions between the modules have rows: ``"shape"`` for those that change a shape,
            ``"all"`` for the sums of residual connections, attention and the like as well, or ``"none"``.
        batch: write the batch in every shape; ``False`` leaves it out.  How large it is says ``batch_size``.
        other: none; see ``TypeError``.

    Raises:
        InputError: the call cannot be right; said before anything runs.
        TypeError: there is no such argument; torchinfo's and Keras' are answered with what to write.
        Exception: what the model's own ``forward`` raised, if it is no shape error, with the table
            up to that point as a note.

    >>> from torch import nn
    >>> s = summarize(nn.Sequential(nn.Flatten(), nn.Linear(999, 10)), (3, 32, 32))
    >>> s.required_in_features
    {'1': 3072}
    """
    display = {
        "columns": columns,
        "depth": depth,
        "only": only,
        "parameters": parameters,
        "fold": fold,
        "ascii_only": ascii_only,
        "width": width,
        "tree": tree,
        "hide": hide,
        "functions": functions,
        "batch": batch,
    }
    if other or not isinstance(batch, bool):
        from convlin.api.other_words import refusal  # only for a mistake

        raise refusal(
            other or {"batch": batch}, ("kwargs", "batch_size", "dtypes", "device", "mode", "trials", *display), model
        )
    from convlin.trace.call_sites import user_frame

    return summary_of(
        model,
        input,
        *more,
        kwargs=kwargs,
        batch_size=batch_size,
        dtypes=dtypes,
        device=device,
        mode=mode,
        trials=trials,
        hints=(user_frame(),),
        display=display,
    )


def summary_of(
    model: nn.Module,
    input: Input,
    *more: object,
    hints: Hints,
    kwargs: Mapping[str, Any] | None = None,
    batch_size: int | str = 1,
    dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
    device: torch.device | str | None = None,
    mode: str = "eval",
    trials: int = TRIALS,
    display: Mapping[str, Any] | None = None,
) -> Summary:
    """``summarize`` for a caller that knows better where the model's source may be: ``hints`` say it."""
    from convlin._summary import Summary
    from convlin.observe import check_mode, observe, structure, unwrapped
    from convlin.render.options import options

    check_model(model)
    check_mode(mode)
    shows = options(display or {})
    if input is None and kwargs is None and not more:
        check_trials(trials, ())
        report = structure(model)
        return Summary(_with_lines(report, model, hints) if shows.needs_where else report, shows)
    plan = read_inputs(
        unwrapped(model),
        {} if input is None else input,
        more,
        kwargs=kwargs,
        batch_size=batch_size,
        dtypes=dtypes,
        device=device,
    )
    check_trials(trials, plan.names)
    if plan.names:
        from convlin.symbolic.named import observe_named  # loads sympy: only where letters are used

        outcome = observe_named(model, plan, mode, hints, trials=trials)
    else:
        outcome = observe(model, plan, mode, hints, flops=shows.needs_flops)
    if shows.needs_where:
        outcome = outcome._replace(report=_with_lines(outcome.report, model, hints))
    return _summary(outcome, shows)


def summarize_plan(model: nn.Module, plan: Plan, mode: str, *, hints: Hints) -> Summary:
    """The summary of a pass on arguments that are there already, each as the caller's own call got it."""
    from convlin.observe import observe
    from convlin.render.options import Options

    return _summary(observe(model, plan, mode, hints), Options())


def _with_lines(report: Report, model: nn.Module, hints: Hints) -> Report:
    """The report with the line that made each module, where it can be found."""
    from dataclasses import replace

    from convlin.observe import unwrapped
    from convlin.source.find import Finder

    finder = Finder(unwrapped(model), [hint for hint in hints if hint is not None])
    sites = {module.path: finder.site(module.path) for module in report.modules if module.path}
    lines = {path: site.location for path, site in sites.items() if site is not None}
    return replace(report, modules=tuple(each._replace(where=lines.get(each.path)) for each in report.modules))


def _summary(outcome: Outcome, display: Options) -> Summary:
    from convlin._summary import Summary

    summary = Summary(outcome.report, display)
    if outcome.error is not None:
        from convlin._util.tracebacks import add_calls

        said = f"\n\n{outcome.note}" if outcome.note else ""
        add_calls(outcome.error, f"{summary}{said}")
        raise outcome.error
    return summary
