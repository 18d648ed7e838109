"""Every broken model gets its answer: from summarize, on meta, compiled, from watch; right, and with nothing left."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import ShapeError, Summary, fit, summarize, watch
from convlin.records import Problem
from convlin.render.text import problems_text
from tests.mistakes import MISTAKES, Mistake, Wrong
from tests.mistakes.innocent import INNOCENT, Innocent
from tests.mistakes.mending import loaded, mended
from tests.snapshot import difference, snapshot
from tests.zoo import SMALL, ZooModel, cases

#: What a new layer can mend.
SIZES = (
    "in_features", "in1_features", "in2_features", "in_channels", "num_features", "num_channels", "num_parameters",
    "normalized_shape", "input_size", "embed_dim", "kdim", "vdim", "num_embeddings",
)  # fmt: skip
#: Of the right kind, and yet no layer is wrong: the input is.
UNFIT = (
    "ChannelsLast",
    "ChannelsLastNested",
    "ChannelsLastScaled",
    "LengthBeforeChannels",
    "TimeBeforeChannels",
    "BatchWithoutChannels",
)


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


# The corrections, executed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", each(*(mistake for mistake in MISTAKES if mistake.mended)))
def test_corrections_are_right(mistake: Mistake, tmp_path: Path) -> None:
    path = tmp_path / mistake.file.name
    path.write_bytes(mistake.file.read_bytes())
    broken = getattr(loaded(path), mistake.name)()
    summary = summarize(broken, mistake.given, **options(mistake))
    path.write_text(mended(broken, summary.problems, path))

    model = getattr(loaded(path), mistake.name)()
    again = summarize(model, mistake.given, **options(mistake))
    assert again.ok, problems_text(again.report)
    model.eval()(*tensors(mistake))
    assert all(again.required_in_features[name] == number for name, number in summary.required_in_features.items())


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_fit(mistake: Mistake) -> None:
    """Layers of the right size where that is all that is wrong; otherwise the list, and nothing is changed."""
    model = built(mistake)
    if all(kind in SIZES for kind in {one.kind for one in mistake.wrong}) and mistake.name not in UNFIT:
        wrong = tuple(one.path for one in mistake.wrong)
        kept = {name: module for name, module in model.named_modules() if not name or not name.startswith(wrong)}
        assert fit(model, mistake.given, **options(mistake)) is model
        assert summarize(model, mistake.given, **options(mistake)).ok
        assert all(model.get_submodule(name) is module for name, module in kept.items())
        model.eval()(*tensors(mistake))
        return
    before = snapshot(model)
    with pytest.raises(ShapeError) as caught:
        fit(model, mistake.given, **options(mistake))
    assert difference(before, snapshot(model)) == []
    said = " ".join(str(caught.value).split())
    for one in mistake.wrong:
        assert all(text in said for text in one.says)


@pytest.mark.parametrize("mistake", each(*(mistake for mistake in MISTAKES if mistake.wrong[-1].kind == "too_small")))
def test_smallest_input_is_proved(mistake: Mistake) -> None:
    """Plain PyTorch runs at the required size, and not with one pixel less on any axis."""
    required = mistake.wrong[-1].required
    model = built(mistake)
    channels = next(module.in_channels for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd))
    model(torch.zeros(2, channels, *required))
    for axis in range(len(required)):
        smaller = list(required)
        smaller[axis] -= 1
        with pytest.raises(RuntimeError):
            model(torch.zeros(2, channels, *smaller))


# What is no mistake ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", INNOCENT, ids=lambda case: case.build.__name__)
def test_no_false_alarm(case: Innocent) -> None:
    given = case.given if isinstance(case.given, list) else [case.given]
    tensors_given = _tensors(case.given)
    for batch in (1, 2, 3):
        torch.manual_seed(0)
        summary = summarize(case.build(), case.given, **({} if tensors_given else {"batch_size": batch}))
        assert summary.ok, problems_text(summary.report)
        # By their dtype: a model that starts with an embedding is given integers.
        dtype = getattr(torch, summary.report.inputs[0].dtype)
        model = case.build()
        with watch(model) as watched:
            model(*(value if tensors_given else torch.zeros(batch, *value, dtype=dtype) for value in given))
        assert watched.ok, problems_text(watched.report)


@pytest.mark.parametrize("entry", cases(entry for entry in SMALL))
def test_no_false_alarm_in_the_zoo(entry: ZooModel) -> None:
    torch.manual_seed(0)
    model = entry.build()
    args, kwargs = entry.inputs()
    summary = summarize(model.train(entry.training), list(args) if args else {}, kwargs=kwargs, mode="same")
    assert summary.ok, problems_text(summary.report)
