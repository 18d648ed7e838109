"""Closed forms in named sizes as text that reads back, such as ``32*floor(H/4)*floor(W/4)``.

The reader takes nothing but names, integers, the four operations, small powers and a handful of
functions; it evaluates nothing else, so a file from elsewhere can be read.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from convlin.errors import InputError

if TYPE_CHECKING:
    import sympy

#: Longer text is no size of a tensor.
_LONGEST = 10_000
_LARGEST_POWER = 64
_MOST_DIGITS = 40

_FUNCTIONS = ("floor", "ceiling", "sqrt", "Mod", "Max", "Min")
#: PyTorch's functions of floats, which a size may go through: how many arguments each has.
OF_FLOATS = {
    "TruncToInt": 1, "FloorToInt": 1, "CeilToInt": 1, "RoundToInt": 1, "ToFloat": 1, "IntTrueDiv": 2, "FloatTrueDiv": 2,
    "FloatPow": 2, "OpaqueUnaryFn_sqrt": 1,
}  # fmt: skip

Assumptions = Mapping[str, Mapping[str, bool]]


def is_closed_form(value: object) -> bool:
    """Whether this is an expression of sympy, told without importing it."""
    return hasattr(value, "free_symbols") and hasattr(value, "as_numer_denom")


def is_size(value: object) -> bool:
    """Whether this is a size: an integer or a closed form."""
    return type(value) is int or is_closed_form(value)


def written(expression: Any) -> str:
    """The expression as ``read`` takes it.

    >>> import sympy
    >>> written(32 * sympy.floor(sympy.Symbol("H", integer=True, positive=True) / 4))
    '32*floor(H/4)'
    """
    floats = [each for each in expression.atoms() if each.is_Float]
    if not floats:
        return str(expression)
    import sympy

    # As many digits as tell a float from its neighbors.
    return str(expression.xreplace({each: sympy.Symbol(repr(float(each))) for each in floats}))


def assumptions(expression: Any) -> dict[str, dict[str, bool]]:
    """What is known of every letter, so that one that was read back equals it; nothing for convlin's own."""
    found: dict[str, dict[str, bool]] = {}
    for symbol in sorted(expression.free_symbols, key=str):
        if type(symbol).__name__ == "Letter":
            found[str(symbol)] = {}
            continue
        facts = symbol._assumptions_orig if hasattr(symbol, "_assumptions_orig") else symbol._assumptions.generator
        found[str(symbol)] = {name: value for name, value in sorted(facts.items()) if isinstance(value, bool)}
    return found


def read(text: str, known: Assumptions | None = None) -> sympy.Expr:
    """The expression that ``text`` spells; ``known`` says what is assumed of its letters.

    A letter about which nothing is said is a size of convlin's own: a positive integer.

    Raises:
        InputError: the text is anything but an expression of sizes.

    >>> print(read("32*floor(H/4)"))
    32*floor(H/4)
    >>> read("__import__('os')")
    Traceback (most recent call last):
    convlin.errors.InputError: "__import__('os')" is not a valid size formula
    """
    refusal = InputError(f"{text[:80]!r} is not a valid size formula")
    if len(text) > _LONGEST:
        raise refusal
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refusal from None
    try:
        found: sympy.Expr = _Reader(known or {}, refusal).value(tree)
    except (RecursionError, ZeroDivisionError):
        raise refusal from None
    if any(part.is_number and not part.is_finite for part in found.atoms()):
        raise refusal  # something was divided by zero
    if any(part.is_Float for part in found.atoms()) and not found.is_integer:
        raise refusal  # a float decides about a size only where it is rounded
    return found


def _factors(node: ast.expr) -> list[ast.expr]:
    """``a``, ``b``, ``c`` of ``a*b*c``."""
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


class _Reader:
    """From a checked syntax tree to sympy, node by node."""

    def __init__(self, known: Assumptions, refusal: InputError) -> None:
        import sympy

        from convlin.sizes.closed_form import Letter

        self._letter = Letter
        self._sympy = sympy
        self._known = known
        self._refusal = refusal
        self._functions: dict[str, Callable[..., Any]] = {name: getattr(sympy, name) for name in _FUNCTIONS}

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool) and len(str(number)) <= _MOST_DIGITS:
                return self._sympy.Integer(number)
            case ast.Constant(value=float(number)):
                return self._sympy.Float(number)
            case ast.Name(id=name):
                facts = self._known.get(name)
                return self._sympy.Symbol(name, **facts) if facts else self._letter(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
                base = self.value(left)
                # Powers of numbers could be towers of them.
                if not 0 <= power <= _LARGEST_POWER or isinstance(power, bool) or base.is_number:
                    raise self._refusal
                return base**power
            case ast.BinOp(op=ast.Mult()):
                # All at once: two by two, sympy would multiply 8*(H - 2)*(W - 2) out at the first sign.
                return self._sympy.Mul(*map(self.value, _factors(node)))
            case ast.BinOp(left=left, op=operator, right=right):
                return self._combined(operator, self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in self._functions:
                if len(arguments) != {"floor": 1, "ceiling": 1, "sqrt": 1, "Mod": 2}.get(name, len(arguments) or 1):
                    raise self._refusal
                return self._functions[name](*map(self.value, arguments))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in OF_FLOATS:
                from convlin._util.torch_private import symbolic_function

                function = symbolic_function(name)
                if function is None or len(arguments) != OF_FLOATS[name]:
                    raise self._refusal
                return function(*map(self.value, arguments))
        raise self._refusal

    def _combined(self, operator: ast.operator, left: Any, right: Any) -> Any:
        match operator:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Div():
                return left / right
            case ast.FloorDiv():  # as torch's own closed forms are written
                return self._sympy.floor(left / right)
            case ast.Mod():
                return self._sympy.Mod(left, right)
        raise self._refusal
