"""Whether two sizes are equal for every value of the letters in them, and where not, an example.

A closed form in named sizes is made of sums, products and floors of such forms divided by whole
numbers.  Such a form repeats: there is a period ``m`` so that on the numbers ``m·k + r`` it is a
polynomial in ``k``.  Two polynomials of degree ``d`` that agree at ``d + 1`` points are the same,
so ``m·(d + 1)`` numbers in a row prove equality for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

from convlin.sizes.spell import CODE, spell
from convlin.sizes.types import Size

#: More points than this are not tried; forms of real models need a few hundred.
_MOST_POINTS = 60_000
#: The numbers that are tried start here: a size that images and sequences have.
_FIRST = 64


class Verdict(NamedTuple):
    """Whether two sizes are equal for all values, and if not, ``why`` as the end of a sentence."""

    holds: bool
    why: str = ""


def compare(found: Size, expected: Size | Fraction, spelled: str = "") -> Verdict:
    """Compare a size that was found with an expected one; ``spelled`` is how the latter was written.

    >>> compare(16, 16).holds
    True
    >>> import sympy
    >>> H = sympy.Symbol("H", integer=True, positive=True)
    >>> compare((H - 1) // 2 + 1, H // 2, "H//2").why
    'only where H is a multiple of 2: at H = 65 it is 33, and H//2 is 32'
    """
    if isinstance(found, int) and isinstance(expected, int | Fraction):
        return Verdict(found == expected, f"{spelled or expected} is {expected}" if spelled else "")
    if found == expected:
        return Verdict(True)
    import sympy

    if spell(sympy.sympify(found)) == spell(sympy.sympify(expected)):  # PyTorch divides floats in more than one way
        return Verdict(True)
    left, right = _normal(sympy.sympify(found)), _normal(sympy.sympify(expected))
    if sympy.expand(left - right) == 0:
        return Verdict(True)
    if not left.free_symbols | right.free_symbols:
        return Verdict(False, f"{spelled or right} is {right}")
    return _by_trying(left, right, spelled or str(expected))


def _by_trying(left: Any, right: Any, spelled: str) -> Verdict:
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    try:
        values = _compiled(left, symbols), _compiled(right, symbols)
    except NotImplementedError as error:
        return Verdict(False, f"which could not be compared for all sizes ({error})")
    form = _form(left - right)
    spans = [(form.degrees.get(symbol, 0) + 1) * form.periods.get(symbol, 1) for symbol in symbols] if form else []
    proves = form is not None and math.prod(spans) <= _MOST_POINTS
    wrong: set[int] = set()
    example = ""
    for point in _points(spans) if proves else _samples(len(symbols)):
        try:
            one, other = values[0](point), values[1](point)
        except ZeroDivisionError:
            continue
        if one != other:
            at = ", ".join(f"{symbol} = {size}" for symbol, size in zip(symbols, point, strict=True))
            example = example or f"at {at} it is {one}, and {spelled} is {other}"
            wrong.add(point[0])
            if len(symbols) > 1:
                break
    if not example:
        if proves or _simplifies_to_zero(left - right):
            return Verdict(True)
        return Verdict(False, f"which could not be proved equal to {spelled} for all sizes")
    if proves and form is not None and len(symbols) == 1:
        where = _where(str(symbols[0]), form.periods.get(symbols[0], 1), wrong)
        return Verdict(False, f"only where {where}: {example}" if where else example)
    return Verdict(False, example)


def _where(name: str, period: int, wrong: set[int]) -> str:
    """On which sizes a statement that fails on ``wrong`` holds; empty for none."""
    good = set(range(period)) - {size % period for size in wrong}
    for divisor in range(1, period + 1):
        if period % divisor == 0 and good == {size for size in range(period) if size % divisor in good}:
            good, period = {size % divisor for size in good}, divisor
            break
    if good == {0}:
        return f"{name} is a multiple of {period}"
    rests = [str(rest) for rest in sorted(good)]
    if not rests or len(rests) > 4:
        return ""
    return f"{name} divided by {period} leaves {' or '.join(rests)}"


def _points(spans: list[int]) -> Iterator[tuple[int, ...]]:
    yield from product(*(range(_FIRST, _FIRST + span) for span in spans))


def _samples(count: int) -> Iterator[tuple[int, ...]]:
    sizes = (*range(_FIRST, _FIRST + 40), 7, 13, 28, 224, 225, 299, 512, 1000, 1023)
    yield from product(sizes, repeat=count) if count < 3 else _staggered(sizes, count)


def _staggered(sizes: tuple[int, ...], count: int) -> Iterator[tuple[int, ...]]:
    for start in range(len(sizes)):
        yield tuple(sizes[(start + 7 * index) % len(sizes)] for index in range(count))


def _simplifies_to_zero(difference: Any) -> bool:
    import sympy

    return bool(sympy.simplify(difference) == 0)


# Forms that repeat


class _Form(NamedTuple):
    """How a form repeats: per symbol its period, and the degree of the polynomial on each rest."""

    periods: Mapping[Any, int]
    degrees: Mapping[Any, int]


def _form(expression: Any) -> _Form | None:
    """Period and degrees of a normal form; None for one that is no polynomial of floors."""
    import sympy

    inner = sorted((atom for atom in expression.atoms(sympy.floor) if _is_outermost(atom, expression)), key=str)
    stand_ins = {atom: sympy.Dummy() for atom in inner}
    flat = expression.subs(stand_ins, simultaneous=True) if inner else expression
    variables = sorted(flat.free_symbols, key=str)
    symbols = expression.free_symbols
    if not variables:
        return _Form(dict.fromkeys(symbols, 1), dict.fromkeys(symbols, 0))
    try:
        polynomial = sympy.Poly(flat, *variables, domain="QQ")
    except sympy.PolynomialError:
        return None
    forms: dict[Any, _Form] = {}
    for atom, stand_in in stand_ins.items():
        below = _form(atom.args[0])
        if below is None:
            return None
        rest = sympy.Poly(_flattened(atom.args[0]), domain="QQ")
        # On numbers m·k + r the form inside is a polynomial in k over this denominator.
        shared = math.lcm(*(int(coefficient.q) for coefficient in rest.coeffs()))
        forms[stand_in] = _Form({symbol: m * shared for symbol, m in below.periods.items()}, below.degrees)
    return _Form(
        {symbol: math.lcm(*(form.periods.get(symbol, 1) for form in forms.values())) for symbol in symbols},
        {symbol: _degree(polynomial, variables, forms, symbol) for symbol in symbols},
    )


def _degree(polynomial: Any, variables: list[Any], forms: Mapping[Any, _Form], symbol: Any) -> int:
    def of(variable: Any) -> int:
        return forms[variable].degrees.get(symbol, 0) if variable in forms else int(variable == symbol)

    each = [of(variable) for variable in variables]
    monomials: list[tuple[int, ...]] = polynomial.monoms()
    return max(sum(power * degree for power, degree in zip(powers, each, strict=True)) for powers in monomials)


def _is_outermost(atom: Any, expression: Any) -> bool:
    import sympy

    return not any(other != atom and other.has(atom) for other in expression.atoms(sympy.floor))


def _flattened(expression: Any) -> Any:
    import sympy

    return expression.replace(lambda part: isinstance(part, sympy.floor), lambda part: sympy.Symbol(f"_{part}"))


# Reading closed forms


def _normal(expression: Any) -> Any:
    """The same form in sympy's own functions, with every kind of whole division written as ``floor``."""
    import sympy

    if not expression.args:
        return expression
    arguments = [_normal(argument) for argument in expression.args]
    match type(expression).__name__, arguments:
        case ("FloorDiv" | "CleanDiv" | "IntTrueDiv", [left, right]):
            return sympy.floor(left / right)
        case "CeilDiv", [left, right]:
            return -sympy.floor(-left / right)
        case "ceiling" | "CeilToInt", [inner]:
            return -sympy.floor(-inner)
        case "Mod" | "PythonMod", [left, right]:
            return left - right * sympy.floor(left / right)
        case "ModularIndexing", [left, divisor, modulus]:
            whole = sympy.floor(left / divisor)
            return whole - modulus * sympy.floor(whole / modulus)
        case "Max", _:
            return sympy.Max(*arguments)
        case "Min", _:
            return sympy.Min(*arguments)
    return expression.func(*arguments)


def _compiled(expression: Any, symbols: list[Any]) -> Callable[[tuple[int, ...]], Any]:
    """A form as a function of whole numbers, exact."""
    import sympy

    if expression.is_Rational:
        number = int(expression) if expression.is_Integer else Fraction(int(expression.p), int(expression.q))
        return lambda point: number
    if expression.is_Symbol:
        index = symbols.index(expression)
        return lambda point: point[index]
    parts = [_compiled(part, symbols) for part in expression.args]
    if expression.is_Add:
        return lambda point: sum(part(point) for part in parts)
    if expression.is_Mul:
        return lambda point: math.prod(part(point) for part in parts)
    if expression.is_Pow and expression.exp.is_Integer:
        exponent = int(expression.exp)
        return lambda point: Fraction(parts[0](point)) ** exponent
    if isinstance(expression, sympy.floor):
        return lambda point: math.floor(parts[0](point))
    if isinstance(expression, sympy.Min | sympy.Max):
        choose = min if isinstance(expression, sympy.Min) else max
        return lambda point: choose(part(point) for part in parts)
    raise NotImplementedError(f"{type(expression).__name__} stands in it")


# Writing closed forms


def spelled(size: Size) -> str:
    """A size as a formula that ``expressions`` reads back, and that stays the same from run to run.

    >>> import sympy
    >>> H = sympy.Symbol("H", integer=True, positive=True)
    >>> spelled(16 * ((H + 1) // 2))
    '16*((H + 1)//2)'
    """
    return str(size) if isinstance(size, int) else spell(_normal(size), CODE)
