"""Floors folded into one, and sums written the way a person would write them."""

from __future__ import annotations

from functools import reduce
from math import lcm

import sympy


def whole(ratio: sympy.Expr) -> sympy.Expr:
    """``⌊ratio⌋`` for a ratio of integer expressions, with floors inside it folded into one."""
    ratio = _cancelled(ratio)
    if not _has_number_below(ratio):
        return sympy.floor(ratio)
    constant, inside, outside = sympy.S.Zero, [], []
    for term in sympy.Add.make_args(ratio):
        coefficient, rest = term.as_coeff_Mul()
        if rest is sympy.S.One:
            constant = coefficient
        elif coefficient.is_Integer:
            outside.append(term)
        else:
            inside.append((coefficient, rest))
    if not inside:
        return sympy.Add(sympy.floor(constant), *outside)
    below = reduce(lcm, (coefficient.q for coefficient, _ in inside), 1)
    above = sympy.Add(*(coefficient * below * rest for coefficient, rest in inside))
    shift = sympy.floor(constant * below)
    return sympy.Add(_fold(above, shift, below), *outside)


def _fold(above: sympy.Expr, shift: sympy.Integer, below: int) -> sympy.Expr:
    """``⌊(above + shift)/below⌋`` for an integer expression ``above`` without a constant."""
    if _leads_negative(above):
        return -_fold_positive(-above, -shift + below - 1, below)
    return _fold_positive(above, shift, below)


def _fold_positive(above: sympy.Expr, shift: sympy.Expr, below: int) -> sympy.Expr:
    terms = sympy.Add.make_args(above)
    floors = [term for term in terms if isinstance(term, sympy.floor)]
    if len(floors) == 1:
        rest = sympy.Add(*(term for term in terms if term is not floors[0]))
        return whole(sympy.expand((floors[0].args[0] + rest + shift) / below))
    return sympy.floor(sympy.expand((above + shift) / below))


def _leads_negative(above: sympy.Expr) -> bool:
    coefficients = [term.as_coeff_Mul()[0] for term in sympy.Add.make_args(above)]
    negative = sum(1 for coefficient in coefficients if coefficient < 0)
    return negative * 2 > len(coefficients)


def _has_number_below(ratio: sympy.Expr) -> bool:
    """Whether nothing but numbers stands below a fraction line, outside of floors and the like."""
    if ratio.is_Pow:
        return not (ratio.exp.is_negative or (ratio.exp.is_Rational and not ratio.exp.is_Integer)) or ratio.is_number
    if ratio.is_Add or ratio.is_Mul:
        return all(map(_has_number_below, ratio.args))
    return True


def _cancelled(ratio: sympy.Expr) -> sympy.Expr:
    """The ratio expanded, with what stands above and below a symbolic fraction line cancelled."""
    if _has_number_below(ratio):
        return sympy.expand(ratio)
    hidden = {atom: sympy.Dummy(integer=True) for atom in _atoms(ratio)}
    shown = {dummy: atom for atom, dummy in hidden.items()}
    return sympy.expand(sympy.cancel(ratio.xreplace(hidden)).xreplace(shown))


def _atoms(expression: sympy.Expr) -> set[sympy.Expr]:
    """The outermost function calls of an expression: floors, maxima, …"""
    if isinstance(expression, sympy.Function | sympy.Max | sympy.Min):
        return {expression}
    return set().union(*map(_atoms, expression.args))


def summed(total: sympy.Expr) -> sympy.Expr:
    """A sum expanded, with ``n − ⌊n/2⌋``, what remains when every second one was taken, as ``⌊(n + 1)/2⌋``.

    >>> n = sympy.Symbol("n", integer=True)
    >>> summed(2 * n - 2 * sympy.floor(n / 2)), summed(sympy.floor(n / 2) - sympy.floor(n / 4))
    (2*floor(n/2 + 1/2), floor(n/4 + 1/2))
    """
    total = sympy.expand(total)
    terms = sympy.Add.make_args(total)
    for term in terms if len(terms) > 1 else ():
        times, atom = term.as_coeff_Mul()
        if isinstance(atom, sympy.floor) and times.is_negative:
            doubled = sympy.expand(2 * atom.args[0])
            shorter = sympy.expand(total - term + times * (whole(doubled) - whole((doubled + 1) / 2)))
            if len(sympy.Add.make_args(shorter)) < len(terms):
                return summed(shorter)
    return total


# Writing


def written(expression: sympy.Expr) -> sympy.Expr:
    """The same with common factors put in front, and numbers next to a floor drawn into it."""
    expression = sympy.expand(expression)
    if not expression.is_Add:
        return expression
    hidden = {
        atom: sympy.Dummy(f"a{index}", integer=True) for index, atom in enumerate(sorted(_atoms(expression), key=str))
    }
    shown = {dummy: atom for atom, dummy in hidden.items()}
    factored = sympy.factor(expression.xreplace(hidden))
    factors = [_drawn_in(factor.xreplace(shown)) for factor in sympy.Mul.make_args(factored)]
    return sympy.Mul(*factors)


def _drawn_in(factor: sympy.Expr) -> sympy.Expr:
    """``⌊y⌋ + k`` as ``⌊y + k⌋``, in a power too."""
    if factor.is_Pow and factor.exp.is_Integer:
        return _drawn_in(factor.base) ** factor.exp
    if not factor.is_Add:
        return factor
    constant, rest = factor.as_coeff_Add()
    if not constant.is_Integer or constant == 0:
        return factor
    for term in sympy.Add.make_args(rest):
        coefficient, atom = term.as_coeff_Mul()
        if isinstance(atom, sympy.floor) and coefficient.is_Integer and constant % coefficient == 0:
            drawn = sympy.floor(sympy.expand(atom.args[0] + constant / coefficient))
            return factor - term - constant + coefficient * drawn
    return factor
