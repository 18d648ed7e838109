"""Expected shapes against a report, and the differences as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from convlin._util.suggest import did_you_mean
from convlin.checks.patterns import Expected, Names, Wanted, is_name, mismatches, read_wanted, shown
from convlin.errors import InputError, ShapeError
from convlin.records import Report, Shape, Size
from convlin.render.grid import grid

OUTPUT = ""
"""The path of the model itself: what it returns."""


class Difference(NamedTuple):
    """One expectation that does not hold."""

    path: str
    expected: str
    found: str
    why: str


def read_expected(expected: Expected) -> dict[str, Wanted]:
    """The expectation by path, or an ``InputError`` that says what may stand there."""
    if not isinstance(expected, Mapping):
        return {OUTPUT: read_wanted(expected, "the output")}
    if not expected:
        raise InputError('no shape is expected: write {"conv1": ("N", 16, 32, 32)}, or a shape for the whole output')
    for path in expected:
        if not isinstance(path, str):
            raise InputError(
                f'{path!r} is not a valid path: write a module\'s name such as "features.3", or "" for the output'
            )
    return {path: read_wanted(shape, repr(path) if path else "the output") for path, shape in expected.items()}


def require(report: Report, expected: Mapping[str, Wanted]) -> None:
    """Raise a ``ShapeError`` about everything that differs."""
    if not report.mode:
        raise InputError("this summary holds no shapes: give summarize an input, as in summarize(model, (3, 32, 32))")
    differences = compare_shapes(report, expected)
    parts = []
    if differences:
        verb = "is" if len(differences) == 1 else "are"
        count = f"{len(differences)} of {len(expected)} shapes {verb} not" if len(expected) > 1 else "the shape is not"
        parts.append(f"{report.model}: {count} as expected\n\n{_table(differences)}")
    if report.problems:
        from convlin.render.text import not_real

        parts.append(not_real(report))
    if parts:
        raise ShapeError("\n\n".join(parts))


def compare_shapes(report: Report, expected: Mapping[str, Wanted]) -> list[Difference]:
    """Everything that is not as expected, one entry for each path at most."""
    found = {path: _found(report, path) for path in expected}
    names = _names(report, expected, found)
    differences = (_difference(report, path, wanted, found[path], names) for path, wanted in expected.items())
    return [difference for difference in differences if difference is not None]


def _difference(
    report: Report, path: str, wanted: Wanted, calls: list[tuple[Shape, ...]], names: Names
) -> Difference | None:
    """The first call that differs; None when all are as expected."""
    if not calls:
        return Difference(path, str(wanted), "", _why_absent(report, path))
    for index, shapes in enumerate(calls):
        why = _why(wanted, shapes, names, _label(path))
        if why:
            at = f"call {index + 1} of {len(calls)}: " if len(calls) > 1 else ""
            found = ", ".join(map(shown, shapes if wanted.is_several else shapes[:1]))
            return Difference(path, str(wanted), found, at + why)
    return None


def _why(wanted: Wanted, shapes: tuple[Shape, ...], names: Names, label: str) -> str:
    if wanted.is_several and len(wanted.patterns) != len(shapes):
        return f"{len(shapes)} tensor{'s' * (len(shapes) != 1)}, and {len(wanted.patterns)} expected"
    if not shapes:
        return "no tensor comes out"
    return mismatches(wanted.pairs(shapes), names, label, are_several=wanted.is_several)


def _label(path: str) -> str:
    return path or "the output"


def _names(report: Report, expected: Mapping[str, Wanted], found: Mapping[str, list[tuple[Shape, ...]]]) -> Names:
    """What the names stand for: the input's own first, then each by the first shape it meets."""
    known = named_sizes(report)
    names = Names(dict(known), dict.fromkeys(known, "the input"))
    plain: set[str] = set(known)
    for path, wanted in expected.items():
        plain.update(name.text for name in wanted.names() if is_name(name))
        for shapes in found[path]:
            for pattern, shape in wanted.pairs(shapes):
                names.bind(pattern, shape, _label(path))
    for wanted in expected.values():
        for formula in wanted.names():
            for name in formula.names:
                if name not in plain:
                    raise InputError(
                        f"{formula.text!r} needs {name}, which stands for no size: "
                        f"write {name!r} as a size of its own somewhere, or name it in the input"
                    )
    return names


def named_sizes(report: Report) -> dict[str, Size]:
    """The letters of the input's shapes, by name."""
    found: dict[str, Size] = {}
    for info in report.inputs:
        for size in info.shape:
            if not isinstance(size, int):
                found.update((str(symbol), symbol) for symbol in sorted(size.free_symbols, key=str))
    return found


def _found(report: Report, path: str) -> list[tuple[Shape, ...]]:
    """The shapes of what came out of every call of the module at ``path``."""
    if path == OUTPUT:
        return [tuple(info.shape for info in report.outputs)] if report.completed else []
    canonical = next((module.path for module in report.modules if path in module.aliases), path)
    return [
        call.output_shapes
        for call in report.calls
        if call.path == canonical and not call.is_function and not call.failed
    ]


def _why_absent(report: Report, path: str) -> str:
    if path == OUTPUT:
        return "the pass did not reach the end of forward"
    known = [name for module in report.modules for name in (module.path, *module.aliases) if name]
    if path not in known:
        return f"there is no module {path!r}{did_you_mean(path, known)}"
    if not report.completed:
        return "not reached: the pass stopped before"
    return "was not called in this pass"


def _table(differences: Sequence[Difference]) -> str:
    rows = [(item.path or "(output)", item.expected, item.found, item.why) for item in differences]
    return grid(("Layer", "Expected", "Found", "Difference"), rows)
