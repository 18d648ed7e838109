"""What has to hold between the letters for a pass to go the way it went, or for a layer to fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import sympy

from convlin.ops.misfit import Misfit
from convlin.records import Location
from convlin.sizes.closed_form import Letter
from convlin.trace.recording import Finding

#: The functions of PyTorch's that divide, and up to which of their arguments they divide by.
_DIVIDED_BY = {
    **dict.fromkeys(("FloorDiv", "CleanDiv", "CeilDiv", "Mod", "PythonMod", "IntTrueDiv", "FloatTrueDiv"), 2),
    "ModularIndexing": 3,
}


class Condition(NamedTuple):
    """A relation that holds or not at given sizes."""

    expression: Any
    where: Location | None = None
    """The line that asked, or that the layer is called on."""
    declared: bool = False
    """A layer's declared size asks for it; otherwise the pass only came by, and may have another way."""
    bends_shapes: bool = False
    """A declared size asks for it, and while it does not hold, the shapes that follow are those of a stand-in."""

    @property
    def is_equation(self) -> bool:
        """Two sizes have to be equal."""
        return isinstance(self.expression, sympy.Eq)


def demands(finding: Finding) -> Iterator[Condition]:
    """The conditions on the letters under which this misfit is none; nothing where no letter can fix it."""
    if lacks_flatten(finding.misfit):
        return
    pairs = [(declared, required) for declared, required in _pairs(finding) if declared != required]
    if not all(_has_letters(declared) or _has_letters(required) for declared, required in pairs):
        return
    for declared, required in pairs:
        relation = sympy.Eq(sympy.sympify(required), sympy.sympify(declared))
        yield Condition(relation, finding.where, True, _shows_in_shapes(finding))


def divisors(expressions: Iterable[Any]) -> Iterator[Condition]:
    """That nothing is divided by 0 on the way: ``n % (size - 5)`` has no value at 5, whatever comes of it elsewhere."""
    found = (
        below
        for expression in expressions
        for part in sympy.preorder_traversal(expression)
        for below in part.args[1 : _DIVIDED_BY.get(type(part).__name__, 0)]
    )
    for below in dict.fromkeys(found):
        # A letter, and a product of letters, is never 0.
        if not below.is_number and not below.is_positive:
            yield Condition(sympy.Ne(below, 0))


def lacks_flatten(misfit: Misfit) -> bool:
    """Whether a layer got more axes than it is meant for: at no size are there fewer."""
    return misfit.kind == "structure" and misfit.note == "flatten"


def _shows_in_shapes(finding: Finding) -> bool:
    """Whether the stand-in has another size than what would be there if it fitted."""
    misfit = finding.misfit
    if misfit.kind == "reshape":
        wanted: Sequence[Any] = misfit.detail.get("wanted") or ()
        return misfit.note != "size" or len(wanted) != 2 or (wanted[1] == -1 and _rows(misfit) is not None)
    return misfit.kind == "operands"


def _has_letters(value: Any) -> bool:
    return any(isinstance(symbol, Letter) for symbol in getattr(value, "free_symbols", ()))


def _pairs(finding: Finding) -> Iterator[tuple[Any, Any]]:
    """What has to be equal, two by two."""
    misfit = finding.misfit
    rows = _rows(misfit)
    if rows is not None and (misfit.kind == "batch" or -1 in misfit.detail["wanted"]):
        yield rows
    elif rows is not None:
        yield prod(misfit.detail["shape"]), prod(misfit.detail["wanted"])
    elif misfit.kind == "batch":
        yield _features(misfit.detail.get("wanted")), misfit.required
    elif misfit.kind == "operands":
        yield from _of_operands(misfit.detail, misfit.declared, misfit.required)
    elif misfit.note == "unflatten" and -1 in misfit.declared:
        yield 0, sympy.Mod(misfit.required, misfit.detail["product"])
    elif misfit.note == "unflatten":
        yield misfit.detail["product"], misfit.required
    elif isinstance(misfit.declared, tuple) and isinstance(misfit.required, tuple):
        if len(misfit.declared) == len(misfit.required):
            yield from zip(misfit.declared, misfit.required, strict=True)
    elif _is_size(misfit.declared) and _is_size(misfit.required):
        yield misfit.declared, misfit.required


def _rows(misfit: Misfit) -> tuple[Any, int] | None:
    """The rows in letters and the number that ``view(32, -1)`` asks for: right for a batch of that number alone."""
    wanted, shape = misfit.detail.get("wanted") or (), misfit.detail.get("shape") or ()
    if misfit.note not in ("size", "folded") or not (wanted and shape and _has_letters(shape[0])):
        return None
    return (shape[0], wanted[0]) if _is_size(wanted[0]) and wanted[0] != -1 else None


def _features(wanted: Any) -> Any:
    """The features of one sample that ``view(-1, 2048)`` or ``view(x.size(0), 2048)`` asks for; 0 for none."""
    if isinstance(wanted, tuple | list) and len(wanted) == 2 and _is_size(wanted[1]) and wanted[1] != -1:
        return wanted[1]
    return 0


def _of_operands(detail: Any, declared: Any, required: Any) -> Iterator[tuple[Any, Any]]:
    shapes = detail.get("shapes")
    if "axes" in detail and shapes:
        first = shapes[0]
        for other in shapes[1:]:
            for axis in detail["axes"]:
                if -len(other) <= axis < len(other) and -len(first) <= axis < len(first):
                    yield first[axis], other[axis]
    elif _is_size(declared) and _is_size(required):
        yield declared, required


def _is_size(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, sympy.Expr)
