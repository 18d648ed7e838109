"""How a size comes about, as text: along the way through a model, and for one layer by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convlin._util.suggest import did_you_mean
from convlin.analysis.path import Follower, Leg, Way, refused, title
from convlin.arithmetic.common import product
from convlin.derivations.declared import AXIS_OF
from convlin.errors import InputError, UnknownLayerError
from convlin.explanation.text import Writer, described, head, meeting, merging, parts, requirement, wrapped
from convlin.records import EINOPS_SAYS, PYTORCH_SAYS, Call, Problem, Report, Size, Source
from convlin.render import words
from convlin.sizes.equal import same


def printable(text: str, ascii_only: bool | None = None) -> str:
    """The text in plain signs where it should be so, or where standard output cannot carry others."""
    from convlin.render.text import carries_signs

    plain = ascii_only if ascii_only is not None else not carries_signs()
    return words.ascii_only(text) if plain else text


def explain_report(report: Report, call: int | None = None) -> str:
    """The way to one call; without one, to every problem, or to every Linear behind a flatten.

    Raises:
        InputError: the report is of a model that was not run.
    """
    require_run(report)
    explanation = _Explanation(report)
    return "\n".join(explanation.of_call(call) if call is not None else explanation.of_everything())


def find_call(report: Report, path: str) -> int:
    """Index of the call at ``path``, a module's or a function's by its line (``net.py:27``).

    Of several the first, or the first with a problem.

    Raises:
        KeyError: there is no such call; said with the nearest name.
        InputError: the report is of a model that was not run.
    """
    require_run(report)
    found = [
        index
        for index, call in enumerate(report.calls)
        if (call.path == path and not call.is_function)
        or (call.is_function and call.where is not None and (path == title(call) or call.where.is_named(path)))
    ]
    if found:
        troubled = {problem.call for problem in report.problems}
        return next((index for index in found if index in troubled), found[0])
    lines = [call.where.text for call in report.calls if call.is_function and call.where is not None]
    raise unknown_layer(report, path, lines)


def unknown_layer(report: Report, path: object, lines: Sequence[str] = ()) -> UnknownLayerError:
    """What to raise where no call of a pass has this path; ``lines`` may be meant as well."""
    from convlin.inputs.spelling import show  # loads torch: only for a mistake

    known = [module.path for module in report.modules]
    if not report.mode:
        return UnknownLayerError(f"{show(path)} was not called: {_NOT_RUN}")
    if path in known:
        return UnknownLayerError(f"{path!r} was not called in this pass")
    if isinstance(path, str):
        return UnknownLayerError(f"there is no module {path!r}{did_you_mean(path, [*known, *lines])}")
    written = str(path) if str(path) in known else next(filter(None, known), "")
    return UnknownLayerError(f"{show(path)} is not the path of a module: write a string such as {written!r}")


_NOT_RUN = "no forward pass was run: give summarize an input, as in summarize(model, (3, 32, 32))"


def require_run(report: Report) -> None:
    """Refuse a report of a model that was not run."""
    if not report.mode:
        raise InputError(_NOT_RUN)


class _Width(NamedTuple):
    """The size that a layer was built for, and the one that reaches it."""

    name: str
    declared: Size
    required: Size


class _Explanation:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._follower = Follower(report)
        self._writer = Writer()
        self._told: set[int] = set()

    def of_everything(self) -> Iterator[str]:
        report = self._report
        if report.problems:
            yield f"{len(report.problems)} problem{'s' if len(report.problems) > 1 else ''} in {report.model}"
            for index in dict.fromkeys(problem.call for problem in report.problems):
                yield ""
                if index is not None:
                    yield from self.of_call(index)
                else:
                    for problem in report.problems:
                        if problem.call is None:
                            yield from _problem(problem, problem.path or report.model)
            return
        yield f"No size in {report.model} is wrong."
        flattened = [index for index, call in enumerate(report.calls) if self._is_behind_flatten(index, call)]
        for index in flattened:
            yield ""
            yield from self.of_call(index)
        if not flattened:
            yield "No Linear follows a flatten; explain(path) shows how any layer gets its input size."

    def _is_behind_flatten(self, index: int, call: Call) -> bool:
        if not _is_linear(call):
            return False
        last = _last_leg(self._follower.arriving(index))
        return last is not None and len(last.made) == 2 and len(merging(last.given, last.made) or ()) > 1

    def of_call(self, index: int) -> Iterator[str]:
        """The way to a call, and what the call itself needs and does."""
        call = self._report.calls[index]
        yield f"how {title(call)} gets its input size"
        yield ""
        same = [(each.path, each.type, each.where) for each in self._report.calls]
        times = [number for number, each in enumerate(same) if each == same[index]]
        if len(times) > 1:
            yield f"(called {len(times)} times; this is number {times.index(index) + 1})"
        if call.inner and all(problem.call != index for problem in self._report.problems):
            yield from self._container(index, call)
            return
        way = self._arriving(index)
        yield from self._told_way(way)
        self._told.update(leg.number for leg in way.legs if isinstance(leg, Leg))
        yield from self._target(index, call, way)

    def _arriving(self, index: int) -> Way:
        follower, call = self._follower, self._report.calls[index]
        if not call.sources or not call.inputs:
            return follower.arriving(index)
        place = follower.followed(call)
        return follower.way(call.sources[place], call.inputs[place].shape, self._told)

    def _container(self, index: int, call: Call) -> Iterator[str]:
        """A module with others inside: the way of what it returns."""
        made = call.output_shape
        last = next(
            (
                number
                for number in range(index - 1, index - 1 - call.inner, -1)
                if made is not None and self._report.calls[number].output_shape == made
            ),
            None,
        )
        if last is None or made is None:
            yield from head(call, call.input_shape, made)
            yield from self._writer.reason(call, call.input_shape or (), made or (), None)
            return
        yield from self._told_way(self._follower.way(Source.call(last), made, self._told))
        yield from head(call, call.input_shape, made)
        yield f"    returns {words.shape(made)}"

    def _told_way(self, way: Way) -> Iterator[str]:
        if not way.seen:
            made = described(way.start) if way.start.name else words.shape(way.start.shape)
            yield from wrapped(f"{made}  (made in a way that is not seen: a parameter, or made in forward)", "", "    ")
        else:
            above = ", as above" if way.start.made_by_call else ""
            name = way.start.name.removeprefix("the ")
            yield from wrapped(f"{name}  {words.shape(way.start.shape)}{above}", "", "    ")
        for leg in way.legs:
            yield from self._writer.leg(leg) if isinstance(leg, Leg) else meeting(leg)

    # What the call at the end of the way needs

    def _target(self, index: int, call: Call, way: Way) -> Iterator[str]:
        problems = [problem for problem in self._report.problems if problem.call == index]
        width = _width(call)
        wrong = next((problem for problem in problems if width is not None and problem.kind == width.name), None)
        mark = " ✗" if problems or call.failed else ""
        made = None if _is_linear(call) or call.failed else call.output_shape
        yield from head(call, None if _is_linear(call) else call.input_shape, made, mark)
        if call.is_function:
            yield from parts(self._follower.parts(call))
        if not _is_linear(call) and call.outputs and call.input_shape is not None:
            yield from self._own(call)
        refusal = refused(call)
        if refusal:
            yield from wrapped(refusal, "    ✗ ", "      ")
        for problem in problems:
            yield from _fix(problem) if problem is wrong else _problem(problem, "", quoted=not refusal)
        if width is not None and wrong is not None:
            yield from wrapped(f"has {_has(width)}, but {_needed(wrong.required, call, way, 'needs ')}", "    ")
        elif width is not None and width.declared == width.required:
            yield from wrapped(f"has {_has(width)}, which is right: {_needed(width.required, call, way)}", "    ")
        elif width is not None and not isinstance(width.required, int):
            yield from wrapped(f"has {_has(width)}; {_needed(width.required, call, way, 'needs ')}", "    ")

    def _own(self, call: Call) -> Iterator[str]:
        given, made = call.input_shape or (), call.output_shape or ()
        if call.derivation is None and given == made and not (call.is_function and call.stood_in):
            yield "    keeps the size"
        elif call.derivation is not None or not call.stood_in:
            yield from self._writer.reason(call, given, made, call.derivation, every=True)


def _is_linear(call: Call) -> bool:
    return "in_features" in call.settings and not call.is_function


def _last_leg(way: Way) -> Leg | None:
    """The last call that changed the size."""
    return next((leg for leg in reversed(way.legs) if isinstance(leg, Leg)), None)


def _has(width: _Width) -> str:
    return f"{width.name}={words.size(width.declared)}"


def _needed(required: Size, call: Call, way: Way, verb: str = "") -> str:
    """The number that a layer needs and where it comes from: a product of sizes, or what made it."""
    shape, last = call.input_shape or (), _last_leg(way)
    sizes = merging(last.given, last.made) if last is not None and last.made == shape else None
    if sizes is None and _is_linear(call) and required != shape[-1]:
        # The number behind a flatten that is still to be written.
        sizes = merging(shape, (*shape[:1], required))
    if sizes is not None and same(product(sizes), required):
        return f"{verb}{requirement(sizes)}"
    if last is not None:
        return f"{title(last.call)} gives {words.size(required)}"
    verb = "gives" if way.start.made_by_call else "has"
    return f"{way.start.name or 'what arrives'} {verb} {words.size(required)}"


def _width(call: Call) -> _Width | None:
    """The size that the call's layer declares for its input, and the one that arrives."""
    shape = call.input_shape
    if call.is_function or not shape:
        return None
    kernel = call.settings.get("kernel_size")
    spatial = len(kernel) if isinstance(kernel, tuple) else 0
    for name, axis in AXIS_OF.items():
        if axis == 1:  # of a convolution the axis in front of its sizes, with a batch or without
            axis = -1 - spatial if spatial else min(1, len(shape) - 1)
        if name in call.settings and -axis <= len(shape):
            return _Width(name, call.settings[name], shape[axis])
    return None


def _problem(problem: Problem, name: str, *, quoted: bool = True) -> Iterator[str]:
    """What a problem says; without a library's own words where there are better ones (``quoted``)."""
    first, *rest = problem.message.splitlines() or [problem.kind]
    yield from wrapped(f"{name}: {first}" if name else first, "    ✗ ", "      ")
    for line in rest:
        if quoted or not line.startswith((PYTORCH_SAYS, EINOPS_SAYS)):
            yield from wrapped(line, "      ")
        else:
            break
    yield from _fix(problem)


def _fix(problem: Problem) -> Iterator[str]:
    if problem.fix:
        at = f"{problem.where.text}   " if problem.where is not None else ""
        first, *rest = problem.fix.splitlines()
        yield f"    fix  {at}{first}"
        for line in rest:
            yield f"         {line}"
