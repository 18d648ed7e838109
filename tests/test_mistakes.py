"""Every broken model gets its answer: by summarize, on the meta device, compiled, and from watch; and nothing is left."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import Summary, fit, summarize, watch
from convlin.records import Problem
from convlin.render.text import problems_text
from convlin.source import apply, locate
from tests.mistakes import MISTAKES, Mistake, Wrong
from tests.snapshot import difference, snapshot

NUMBERED = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> None:
    # The first call of all loads the compiler, which puts its own functions into torch.
    torch.compile(nn.Linear(2, 2), backend="eager")(torch.zeros(1, 2))


def each(*mistakes: Mistake) -> list[Any]:
    return [pytest.param(mistake, id=f"{mistake.row:02}-{mistake.name}") for mistake in mistakes]


def options(mistake: Mistake, **more: Any) -> dict[str, Any]:
    found = {**mistake.options, **more}
    if _tensors(mistake.given):
        del found["batch_size"]
    return found


def _tensors(given: Any) -> bool:
    return any(isinstance(value, Tensor) for value in (given if isinstance(given, list) else [given]))


def tensors(mistake: Mistake) -> list[Tensor]:
    """What a user would call the model with."""
    given = mistake.given if isinstance(mistake.given, list) else [mistake.given]
    batch = mistake.options["batch_size"]
    return [value if isinstance(value, Tensor) else torch.zeros(batch, *value) for value in given]


def built(mistake: Mistake) -> nn.Module:
    torch.manual_seed(0)
    return mistake.build().train(mistake.options.get("mode") == "train")


def check(problems: tuple[Problem, ...], expected: tuple[Wrong, ...], mistake: Mistake, told: str) -> None:
    """Every expected problem, in order, and no other."""
    assert [(problem.kind, problem.path) for problem in problems] == [(one.kind, one.path) for one in expected], told
    for problem, one in zip(problems, expected, strict=True):
        assert (problem.declared, problem.required) == (one.declared, one.required), told
        for text in one.says:
            assert text in " ".join(problem.message.split()), told
        if one.line is None:
            assert problem.where is None or one.kind == "too_small", told
            assert problem.fix == one.advice, told
            continue
        number, line = line_of(mistake, one.line)
        assert problem.where is not None, told
        assert (Path(problem.where.file), problem.where.line) == (mistake.file, number), told
        if one.right is not None:
            assert problem.fix == line.replace(one.line, one.right), told
        else:
            assert one.advice is None or said_place(problem.fix) == one.advice, told


def said_place(fix: str | None) -> str | None:
    """``fix`` with the line numbers that it names left out."""
    if fix is None or ".py:" not in fix:
        return fix
    head, _, tail = fix.partition(".py:")
    return f"{head}.py:{{}}{tail.lstrip('0123456789')}"


def line_of(mistake: Mistake, part: str) -> tuple[int, str]:
    """Number and text of the only line of a class that holds ``part``."""
    for kind in inspect.getmro(mistake.build):  # type: ignore[arg-type]
        if kind.__module__ != mistake.build.__module__:
            break
        lines, start = inspect.getsourcelines(kind)
        # Above the class stands what is expected of it.
        body = next(number for number, line in enumerate(lines) if line.startswith("class "))
        found = [(start + body + number, line.strip()) for number, line in enumerate(lines[body:]) if part in line]
        if found:
            assert len(found) == 1, f"{part!r} stands on several lines of {mistake.name}"
            return found[0]
    raise AssertionError(f"{part!r} does not stand in {mistake.name}")


def untouched_summary(model: nn.Module, mistake: Mistake, **more: Any) -> Summary:
    before = snapshot(model)
    summary = summarize(model, mistake.given, **options(mistake, **more))
    assert difference(before, snapshot(model)) == []
    return summary


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_mistake(mistake: Mistake) -> None:
    summary = untouched_summary(built(mistake), mistake)
    told = problems_text(summary.report)
    check(summary.problems, mistake.wrong, mistake, told)
    assert not summary.ok
    assert "convlin/" not in told
    # What is too long is source: a corrected line is as long as the user's own.
    assert all(len(line) <= 100 for line in told.splitlines() if not line.startswith("    fix")), told


@pytest.mark.parametrize("mistake", each(*(mistake for mistake in MISTAKES if not mistake.values)))
def test_on_meta(mistake: Mistake) -> None:
    summary = untouched_summary(built(mistake), mistake, device="meta")
    check(summary.problems, mistake.wrong, mistake, problems_text(summary.report))


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_compiled(mistake: Mistake) -> None:
    model = built(mistake)
    compiled = torch.compile(model, backend="eager")
    before = snapshot(model)
    summary = summarize(compiled, mistake.given, **options(mistake))
    assert difference(before, snapshot(model)) == []
    check(summary.problems, mistake.wrong, mistake, problems_text(summary.report))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_watched(mistake: Mistake, compiled: bool) -> None:
    model = built(mistake)
    called = torch.compile(model, backend="eager") if compiled else model
    inputs = tensors(mistake)
    silent = not mistake.raises
    before = snapshot(model)
    with pytest.raises(Exception) if not silent else nullcontext() as caught, watch(called) as summary:  # noqa: PT011
        called(*inputs)
    if silent:
        # Nothing stands in here: of a silent mistake the first sign is told.
        assert summary.problems, "nothing was told"
        expected = mistake.watched or tuple(one for one in mistake.wrong if one.kind in ("structure", "batch"))
        check(summary.problems, expected, mistake, problems_text(summary.report))
        return
    note = "\n".join(caught.value.__notes__)
    if not model.training:
        assert difference(before, snapshot(model)) == []
    check(summary.problems, mistake.watched or mistake.wrong, mistake, note)
    for problem in summary.problems:
        for line in problem.message.splitlines():
            assert line in note
