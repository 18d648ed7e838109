"""Expected shapes against a summary: ``assert_shapes``, and the differences as records."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin.errors import InputError, ShapeError
from convlin.expected import Expected, Names, Wanted, is_name, mismatch, read_wanted, shown
from convlin.records import Report, Shape, Size
from convlin.render.grid import grid

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convlin.inputs import DtypeLike, Input
    from convlin.summary import Summary

OUTPUT = ""
"""The path of the model itself: what it returns."""


class Difference(NamedTuple):
    """One expectation that does not hold."""

    path: str
    expected: str
    found: str
    why: str


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
        kwargs, batch_size, dtypes, device, mode: as for ``summarize``.

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
    from convlin.summarizing import summarize

    try:
        wanted = read_expected(expected)
        summary = summarize(
            model, input, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode
        )  # fmt: skip
        message = failure(summary.report, wanted)
    except InputError as error:
        raise error.with_traceback(None) from None
    if message:
        raise ShapeError(message)
    return summary


def read_expected(expected: Expected) -> dict[str, Wanted]:
    """The expectation by path, or an ``InputError`` that says what may stand there."""
    if not isinstance(expected, Mapping):
        return {OUTPUT: read_wanted(expected, "the output")}
    if not expected:
        raise InputError('no shape is expected: write {"conv1": ("N", 16, 32, 32)}, or a shape for the whole output')
    for path in expected:
        if not isinstance(path, str):
            raise InputError(f'{path!r} is no path: write a module\'s name such as "features.3", or "" for the output')
    return {path: read_wanted(shape, repr(path) if path else "the output") for path, shape in expected.items()}


def failure(report: Report, expected: Mapping[str, Wanted]) -> str:
    """The message of the ``ShapeError`` about everything that differs; empty if nothing does."""
    if not report.mode:
        raise InputError("this summary holds no shapes: give summarize an input, as in summarize(model, (3, 32, 32))")
    differences = compare_shapes(report, expected)
    parts = []
    if differences:
        count = f"{len(differences)} of {len(expected)} expected shapes" if len(expected) > 1 else "the expected shape"
        parts.append(f"{report.model}: {count} not met\n\n{_table(differences)}")
    if report.problems:
        from convlin.render.text import problems_text

        parts.append(f"{report.model} cannot run as it is, so its shapes are not real:\n\n{problems_text(report)}")
    return "\n\n".join(parts)


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
    reasons = [mismatch(pattern, shape, names, label) for pattern, shape in wanted.pairs(shapes)]
    if wanted.is_several:
        reasons = [f"tensor {index}: {why}" if why else "" for index, why in enumerate(reasons)]
    return "; ".join(why for why in reasons if why)


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
        close = nearest(path, known)
        return f"there is no module {path!r}" + (f"; did you mean {close!r}?" if close else "")
    if not report.completed:
        return "not reached: the pass stopped before"
    return "was not called in this pass"


def nearest(path: str, known: Sequence[str]) -> str | None:
    """The path that was probably meant: the most alike, or the one that ends alike."""
    close = difflib.get_close_matches(path, known, n=1)
    if close:
        return close[0]
    tails = [name for name in known if name.rpartition(".")[2] == path.rpartition(".")[2]]
    return tails[0] if len(tails) == 1 else None


def _table(differences: Sequence[Difference]) -> str:
    rows = [(item.path or "(output)", item.expected, item.found, item.why) for item in differences]
    return grid(("Layer", "Expected", "Found", "Difference"), rows)
