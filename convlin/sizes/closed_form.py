"""Sizes as a person writes them: PyTorch's symbolic expressions turned into sympy's, nested floors folded.

A convolution behind a pooling gives ``((H − 1)//2 − 1)//2 + 1``; what a person writes is
``⌊(H + 1)/4⌋``.  Everything rests on two rules for integers ``k`` and ``m > 0``:
``⌊⌊y⌋ + k⌋ = ⌊y + k⌋`` and ``⌊⌊y⌋/m⌋ = ⌊y/m⌋``.  A form is given out only after it was compared with
the original at many sizes.
"""

from __future__ import annotations

import random
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, product
from typing import Any

import sympy

from convlin.sizes.evaluate import Evaluation
from convlin.sizes.simplify import summed, whole, written
from convlin.sizes.types import Size

#: At how many sizes a closed form is compared with its original.
_COMPARISONS = 24
#: What goes through floats is compared at every size, and of several letters in about so many combinations.
_EVERY_UP_TO, _COMBINATIONS = 4096, 4096
_ROUNDING = ("TruncToInt", "FloorToInt", "CeilToInt", "RoundToInt")
_REMAINDERS = ("Mod", "PythonMod")
_DIVISIONS = ("IntTrueDiv", "FloatTrueDiv")


class Letter(sympy.Symbol):  # type: ignore[misc]  # sympy has no types
    """A named size: a positive integer, to be replaced by its name whichever way that is written.

    >>> (256 * Letter("H")).subs({"H": 4}), (256 * Letter("H")).subs({sympy.Symbol("H"): 4})
    (1024, 1024)
    """

    __slots__ = ()

    def __new__(cls, name: str, **_assumptions: Any) -> Letter:
        letter: Letter = super().__new__(cls, name, integer=True, positive=True)
        return letter

    def _eval_subs(self, old: Any, new: Any) -> Any:
        # sympy takes symbols of one name for different ones when their assumptions differ.
        return new if isinstance(old, sympy.Symbol) and old.name == self.name else None


class ClosedForms:
    """Translates the expressions of one symbolic pass.

    ``letters`` are the symbols of the pass and what the user calls them; ``definitions`` say what
    the other symbols stand for; ``remainders`` are those that the pass found not to be zero.
    """

    def __init__(
        self,
        letters: Mapping[sympy.Symbol, Letter] | None = None,
        definitions: Mapping[sympy.Symbol, sympy.Expr] | None = None,
        remainders: Collection[sympy.Symbol] = (),
    ) -> None:
        self._letters = dict(letters or {})
        self._remainders = remainders
        self._known_remainders = 0
        self._definitions = definitions if definitions is not None else {}
        self._translated: dict[Any, sympy.Expr] = {}
        self._forms: dict[Any, Size] = {}
        self._exact: dict[Any, bool] = {}
        self._compared_at: list[tuple[Evaluation, Evaluation]] = []

    def __call__(self, expression: sympy.Expr) -> Size:
        """The closed form of one size; an ``int`` where it depends on no letter."""
        if len(self._remainders) != self._known_remainders:
            self._known_remainders = len(self._remainders)
            self._translated.clear()
            self._forms.clear()
            self._compared_at.clear()
        known = self._forms.get(expression)
        if known is None:
            known = self._forms[expression] = self._form(expression)
        return known

    def _form(self, expression: sympy.Expr) -> Size:
        form = written(self._translate(expression))
        if form.is_Integer:
            return int(form)
        if not self._agrees(expression, form):
            form = self._expanded(expression)
        return form

    def _is_exact(self, call: Any, form: sympy.Expr) -> bool:
        """Whether the fractions that are meant by the floats come to the same at every size up to a large one.

        0.29·100 is less than 29 in floats, and no fraction says where that happens.
        """
        known = self._exact.get(call)
        if known is None:
            letters = [letter for letter in self._letters.values() if letter in call.free_symbols]
            try:
                known = all(
                    at_size(call) == at_size(form) for sizes in _many(letters) for at_size in [Evaluation(sizes)]
                )
            except (NotImplementedError, ArithmeticError):
                known = False
            self._exact[call] = known
        return known

    def _agrees(self, expression: sympy.Expr, form: sympy.Expr) -> bool:
        if not self._letters:
            points = _points(tuple(sorted(expression.free_symbols, key=str)), {}, self._definitions)
        else:
            if not self._compared_at:
                definitions: Mapping[sympy.Symbol, sympy.Expr] = ChainMap(self._rests(), self._definitions)  # type: ignore[arg-type]  # only read
                self._compared_at = _points(tuple(self._letters.values()), self._letters, definitions)
            points = self._compared_at
        compared = 0
        for raw, named in points:
            try:
                if raw(expression) != named(form):
                    return False
                compared += 1
            except ZeroDivisionError:  # no such size at these letters
                continue
            except (NotImplementedError, OverflowError):
                return False
        return compared > 0

    def _rests(self) -> dict[sympy.Symbol, sympy.Expr]:
        """The remainders that are not zero, as `_mod_of_rest` reads them."""
        rests = {}
        for symbol in self._remainders:
            definition = self._definitions[symbol]
            if type(definition).__name__ in _REMAINDERS:
                above, below = definition.args
                rests[symbol] = above + below + below * sympy.floor(-above / below)
        return rests

    def _expanded(self, expression: sympy.Expr) -> sympy.Expr:
        """The expression in the user's letters with nothing simplified."""
        rests = self._rests()
        while True:
            known = {s: rests.get(s, self._definitions[s]) for s in expression.free_symbols if s in self._definitions}
            if not known:
                return expression.xreplace(self._letters)
            expression = expression.xreplace(known)

    def _in_floats(self, expression: Any) -> sympy.Expr:
        """The expression with its floats as they are, and closed forms where a whole number becomes one."""
        if expression.is_Symbol and expression in self._definitions:
            return self._in_floats(self._definitions[expression])
        if not expression.args:
            return self._letters.get(expression, expression)
        inner = self._translate if type(expression).__name__ in ("ToFloat", "IntTrueDiv") else self._in_floats
        return expression.func(*map(inner, expression.args))

    def _translate(self, expression: Any) -> sympy.Expr:
        known = self._translated.get(expression)
        if known is None:
            known = self._translated[expression] = self._translate_new(expression)
        return known

    def _translate_new(self, expression: Any) -> sympy.Expr:
        if expression.is_Symbol:
            definition = self._definitions.get(expression)
            if definition is None:
                return self._letters.get(expression, expression)
            if expression in self._remainders and type(definition).__name__ in _REMAINDERS:
                return _mod_of_rest(*map(self._translate, definition.args))
            return self._translate(definition)
        if expression.is_Float:
            return _rational(float(expression))
        if not expression.args:
            return expression
        args = [self._translate(arg) for arg in expression.args]
        rule = _RULES.get(type(expression).__name__)
        if rule is not None:
            form = rule(*args)
            if self._letters and type(expression).__name__ in _ROUNDING:
                plain = self._in_floats(expression)
                name, value = type(expression).__name__, args[0]
                if name == "RoundToInt" and _may_be_half(value):
                    return plain
                may_differ = _rounds_twice(plain) or (name == "TruncToInt" and value.is_nonnegative is None)
                if may_differ and not self._is_exact(plain, form):
                    return plain
            return form
        if expression.is_Add or expression.is_Mul or expression.is_Pow:
            return summed(expression.func(*args))
        return expression.func(*args)


def _points(
    names: tuple[sympy.Symbol, ...],
    letters: Mapping[sympy.Symbol, Letter],
    definitions: Mapping[sympy.Symbol, sympy.Expr],
) -> list[tuple[Evaluation, Evaluation]]:
    """Sizes to compare forms at: the evaluation of what is in PyTorch's symbols, and of what is in letters."""
    draw = random.Random(0)
    points = []
    for round_ in range(_COMPARISONS):
        largest = 32 if round_ % 2 else 4096
        sizes = {name: draw.randint(1, largest) for name in names}
        raw = {symbol: sizes[letter] for symbol, letter in letters.items()}
        points.append((Evaluation({**sizes, **raw}, definitions), Evaluation(sizes)))
    return points


def _many(letters: Sequence[Letter]) -> Iterator[dict[Letter, int]]:
    """Every size up to a large one, of several letters one beside the other, and small ones in all combinations."""
    for size in range(1, _EVERY_UP_TO + 1):
        yield {letter: size + 3 * place for place, letter in enumerate(letters)}
    if len(letters) > 1:
        side = range(1, round(_COMBINATIONS ** (1 / len(letters))) + 1)
        yield from (dict(zip(letters, sizes, strict=True)) for sizes in product(side, repeat=len(letters)))


# PyTorch's functions in sympy's


def _floor_div(above: sympy.Expr, below: sympy.Expr) -> sympy.Expr:
    return whole(above / below)


def _ceil_div(above: sympy.Expr, below: sympy.Expr) -> sympy.Expr:
    return -whole(-above / below)


def _mod(above: sympy.Expr, below: sympy.Expr) -> sympy.Expr:
    if below.has(sympy.floor, sympy.Mod):  # ``while b: a, b = b, a % b`` spelled out is twice as long every time
        return sympy.Mod(above, below, evaluate=False)
    return sympy.expand(above - below * whole(above / below))


def _mod_of_rest(above: sympy.Expr, below: sympy.Expr) -> sympy.Expr:
    """A remainder that is not zero, such that ``m - H % m``, the padding up to a multiple of m, is 0 for a multiple.

    A model pads only where there is a remainder; so written the form of that branch holds in the other, too.
    """
    if below.has(sympy.floor, sympy.Mod):
        return below - _mod(-above, below)
    return sympy.expand(above + below * whole(-above / below) + below)


def _modular_indexing(base: sympy.Expr, divisor: sympy.Expr, modulus: sympy.Expr) -> sympy.Expr:
    return _mod(whole(base / divisor), modulus)


def _truncate(value: sympy.Expr) -> sympy.Expr:
    return -whole(-value) if value.is_nonpositive else whole(value)


def _round(value: sympy.Expr) -> sympy.Expr:
    return whole(value + sympy.Rational(1, 2))


def _may_be_half(value: sympy.Expr) -> bool:
    """Whether a sum of fractions of sizes is a half at some sizes: Python rounds that to the even number, 2.5 to 2."""
    return any(term.as_coeff_Mul()[0].q % 2 == 0 or term.has(sympy.Pow) for term in sympy.Add.make_args(value))


def _rounds_twice(rounded: sympy.Expr) -> bool:
    """Whether more than one division of whole numbers is rounded: ``floor(w * (64 / h))`` is 63 where both are 49."""
    inside = islice(sympy.preorder_traversal(rounded), 2, None)  # what has come to a number has nothing inside
    return bool(rounded.atoms(sympy.Float)) or any(type(part).__name__ in _DIVISIONS for part in inside)


def _rational(value: float) -> sympy.Rational:
    """The fraction that is meant by a float: 0.1 is 1/10."""
    meant = Fraction(value).limit_denominator(1024)
    exact = Fraction(value)
    chosen = meant if abs(meant - exact) <= abs(exact) * Fraction(1, 10**12) else exact
    return sympy.Rational(chosen.numerator, chosen.denominator)


_RULES: dict[str, Callable[..., sympy.Expr]] = {
    **dict.fromkeys(("FloorDiv", "CleanDiv"), _floor_div),
    "CeilDiv": _ceil_div,
    **dict.fromkeys(_REMAINDERS, _mod),
    "ModularIndexing": _modular_indexing,
    "floor": whole,
    "ceiling": lambda value: -whole(-value),
    "FloorToInt": whole,
    "CeilToInt": lambda value: -whole(-value),
    **dict.fromkeys(("TruncToInt", "TruncToFloat"), _truncate),
    "RoundToInt": _round,
    **dict.fromkeys(("ToFloat", "Identity"), lambda value: value),
    **dict.fromkeys(_DIVISIONS, lambda above, below: sympy.expand(above / below)),
    **dict.fromkeys(("PowByNatural", "FloatPow"), lambda base, exponent: sympy.expand(base**exponent)),
    "OpaqueUnaryFn_sqrt": sympy.sqrt,
    "Max": lambda *values: sympy.Max(*values),
    "Min": lambda *values: sympy.Min(*values),
}
