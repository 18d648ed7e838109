"""The value of a symbolic size at given sizes: exact for integers, many sizes at once for tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

import sympy
import torch
from torch import Tensor

Value = Any
"""An ``int``, ``float`` or ``bool``, or a tensor of them."""


class Evaluation:
    """Evaluates expressions where each symbol has the value given; what expressions share is computed once.

    ``definitions`` say what symbols without a value stand for.

    >>> H = sympy.Symbol("H")
    >>> Evaluation({H: 64})(sympy.floor((H - 31) / 32))
    1
    >>> Evaluation({H: torch.tensor([62, 63, 64, 95])})(sympy.floor((H - 31) / 32))
    tensor([0, 1, 1, 2])
    """

    def __init__(
        self, values: Mapping[Any, Value], definitions: Mapping[sympy.Symbol, sympy.Expr] | None = None
    ) -> None:
        self._values = values
        self._definitions = definitions if definitions is not None else {}
        self._known: dict[_Step, Value] = {}

    def __call__(self, expression: Any) -> Value:
        """The value of ``expression``; ``NotImplementedError`` for a function that is not known here."""
        return expression if isinstance(expression, int | float) else self._value(_step(expression))

    def or_none(self, expression: Any) -> Value | None:
        """The value; None where there is none, or none that can be told."""
        try:
            return self(expression)
        except (NotImplementedError, ArithmeticError):
            return None

    def at_each(self, expression: Any) -> Tensor | None:
        """The values at many sizes, or the one of all of them, as a tensor; None as above."""
        try:
            return torch.as_tensor(self(expression))
        except (NotImplementedError, ArithmeticError, RuntimeError):
            return None

    def _value(self, step: _Step) -> Value:
        found = self._known.get(step)
        if found is None:
            if step.function is not None:
                found = step.function(*[self._value(each) for each in step.args])
            else:
                found = self._of_symbol(step.symbol)
            self._known[step] = found
        return found

    def _of_symbol(self, symbol: sympy.Symbol) -> Value:
        found = self._values.get(symbol)
        if found is not None:
            return found
        definition = self._definitions.get(symbol)
        if definition is None:
            raise NotImplementedError(f"no value for {symbol}")
        return self(definition)


class _Step:
    """What is done to the values of which others; known by itself, which takes far less time than an expression."""

    __slots__ = ("args", "function", "symbol")

    def __init__(
        self, function: Callable[..., Value] | None, args: Sequence[sympy.Basic] = (), symbol: Any = None
    ) -> None:
        self.function = function
        """None of a symbol, which has the value that it is given."""
        self.args = tuple(map(_step, args))
        self.symbol = symbol


@lru_cache(1 << 14)
def _step(expression: Any) -> _Step:
    """Asked of every expression again and again."""
    if expression.is_Integer or expression.is_Float:
        number = int(expression) if expression.is_Integer else float(expression)
        return _Step(lambda: number)
    if expression is sympy.true or expression is sympy.false:
        truth = expression is sympy.true
        return _Step(lambda: truth)
    if expression.is_Symbol:
        return _Step(None, symbol=expression)
    if expression.is_Pow and expression.exp is sympy.S.Half:
        return _Step(_root, (expression.base,))
    name = type(expression).__name__
    if name in ("floor", "ceiling"):
        return _Step(_floor_divided if name == "floor" else _ceiling_divided, _fraction(expression.args[0]))
    if (expression.is_Add or expression.is_Mul) and _has_fractions(expression):
        return _Step(_floor_divided, _fraction(expression))
    function = _FUNCTIONS.get(name)
    if function is None:
        raise NotImplementedError(f"{name} has no value here")
    return _Step(function, expression.args)


def _fraction(ratio: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    above, below = sympy.fraction(sympy.together(ratio))
    return above, below


def _has_fractions(expression: sympy.Expr) -> bool:
    return any(
        (arg.is_Rational and not arg.is_Integer)
        or (arg.is_Pow and arg.exp.is_negative)
        or ((arg.is_Mul or arg.is_Add) and _has_fractions(arg))
        for arg in expression.args
    )


def _root(value: Value) -> Value:
    return value.double().sqrt() if isinstance(value, Tensor) else math.sqrt(value)


def _floor_divided(above: Value, below: Value) -> Value:
    """``above // below``; for many sizes at once 0 where that has no value."""
    if isinstance(above, float):
        return int(above // below)
    if isinstance(above, Tensor) and above.is_floating_point():
        return torch.div(above, below, rounding_mode="floor").long()  # as Python: above / below may round up
    if not isinstance(below, Tensor):
        return torch.zeros_like(above) if isinstance(above, Tensor) and below == 0 else above // below
    none = below == 0
    return torch.where(none, 0, torch.as_tensor(above) // torch.where(none, 1, below))


def _ceiling_divided(above: Value, below: Value) -> Value:
    return -_floor_divided(-above, below)


def _remainder(above: Value, below: Value) -> Value:
    return above - below * _floor_divided(above, below)


def _sum(*values: Value) -> Value:
    return reduce(operator.add, values)


def _product(*values: Value) -> Value:
    return reduce(operator.mul, values)


def _extreme(python: Callable[..., Any], tensors: Callable[..., Tensor]) -> Callable[..., Value]:
    def choose(*values: Value) -> Value:
        if not any(isinstance(value, Tensor) for value in values):
            return python(values)
        return reduce(lambda left, right: tensors(torch.as_tensor(left), torch.as_tensor(right)), values)

    return choose


def _to_float(value: Value) -> Value:
    return value.double() if isinstance(value, Tensor) else float(value)


def _whole(python: Callable[[float], int], tensors: Callable[[Tensor], Tensor]) -> Callable[[Value], Value]:
    return lambda value: tensors(value).long() if isinstance(value, Tensor) else python(value)


def _opaque(name: str) -> Callable[[Value], Value]:
    """A function of ``math``, in double precision for many sizes at once, too."""
    python, tensors = getattr(math, name), getattr(torch, name)
    return lambda value: tensors(value.double()) if isinstance(value, Tensor) else python(value)


def _not(value: Value) -> Value:
    return ~value if isinstance(value, Tensor) else not value


def _where(condition: Value, yes: Value, no: Value) -> Value:
    if not isinstance(condition, Tensor):
        return yes if condition else no
    return torch.where(condition, torch.as_tensor(yes), torch.as_tensor(no))


def _true_divided(above: Value, below: Value) -> Value:
    """In double precision, as Python divides; PyTorch's default has seven digits."""
    if not isinstance(above, Tensor) and not isinstance(below, Tensor):
        return above / below
    # A number divided by a tensor is multiplied by its reciprocal, which rounds twice.
    return torch.as_tensor(above, dtype=torch.double) / torch.as_tensor(below, dtype=torch.double)


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "Add": _sum,
    "Mul": _product,
    "Pow": operator.pow,
    "PowByNatural": operator.pow,
    "FloatPow": operator.pow,
    "FloorDiv": _floor_divided,
    "CleanDiv": _floor_divided,
    "CeilDiv": _ceiling_divided,
    "Mod": _remainder,
    "PythonMod": _remainder,
    "ModularIndexing": lambda base, divisor, modulus: _remainder(_floor_divided(base, divisor), modulus),
    "Max": _extreme(max, torch.maximum),
    "Min": _extreme(min, torch.minimum),
    "ToFloat": _to_float,
    "Identity": lambda value: value,
    "IntTrueDiv": _true_divided,
    "FloatTrueDiv": _true_divided,
    "FloorToInt": _whole(math.floor, torch.floor),
    "CeilToInt": _whole(math.ceil, torch.ceil),
    "TruncToInt": _whole(math.trunc, torch.trunc),
    "TruncToFloat": lambda value: value.trunc() if isinstance(value, Tensor) else float(math.trunc(value)),
    "RoundToInt": _whole(round, torch.round),
    "OpaqueUnaryFn_sqrt": _root,
    **{f"OpaqueUnaryFn_{name}": _opaque(name) for name in ("exp", "log", "log2", "sin", "cos", "tanh")},
    "Abs": abs,
    "Where": _where,
    "Equality": operator.eq,
    "Unequality": operator.ne,
    "StrictLessThan": operator.lt,
    "LessThan": operator.le,
    "StrictGreaterThan": operator.gt,
    "GreaterThan": operator.ge,
    "And": lambda *values: reduce(operator.and_, values),
    "Or": lambda *values: reduce(operator.or_, values),
    "Not": _not,
}
