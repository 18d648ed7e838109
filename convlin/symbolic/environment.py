"""PyTorch's ``ShapeEnv``, made to answer by the sample and to write down every question it is asked.

PyTorch's own tries to prove every comparison, which takes minutes for a model with windows in its
attention.  Here nothing is proved on the way: an expression with a floor or a remainder in it is
abbreviated by a symbol, and what holds is found out afterwards, by running.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import sympy
import torch

from convlin._util.packages import CONVLIN, folder
from convlin._util.torch_private import symbolic_parts, values_of_symbols
from convlin.errors import ConvlinError
from convlin.ops import fake_shapes, results
from convlin.ops.results.windows import windows_fit
from convlin.records import Location
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.serialize import OF_FLOATS
from convlin.symbolic import fakes
from convlin.symbolic.messages import is_message
from convlin.symbolic.read_numbers import numbers_in_text_read_in, numbers_read_in
from convlin.trace import failures, forward_pass, function_mode, function_rows, tracer, unpooling, unshown
from convlin.trace.call_sites import line_of

_LIBRARIES = tuple(map(folder, (torch, sympy)))
#: Modules of convlin that only pass on what the model does.
_OF_A_PASS = (function_mode, function_rows, unshown, failures, tracer, unpooling)
_PASSING_ON = (
    *(str(module.__file__) for module in (*_OF_A_PASS, fake_shapes, fakes)),
    folder(results),
    __file__,
)
#: The module that calls the model: what asks in front of it is the model, a layer of torch's where it has no line.
_CALLS_MODEL = forward_pass.__file__
#: What asks whether a window fits: PyTorch refuses a convolution where it does not.
_FITS = windows_fit.__code__
#: Code without a file that is nobody's own; a prompt and a notebook have names in angle brackets, too.
_MADE_UP = ("<frozen ", "<eval_with_key")
#: Where PyTorch keeps its symbolic numbers.
_NUMBERS = (
    __file__,
    torch.__file__,
    *(str(Path(_LIBRARIES[0], name)) for name in ("fx", "utils/_sympy", "utils/_stats.py")),
)


class Decision(NamedTuple):
    """A question about sizes that was answered on the way, and the line that asked it."""

    expression: Any
    """What was asked: a relation that came out true or false, or a size that became a plain number."""
    outcome: bool | int | float
    where: Location | None
    own: bool
    """Asked by convlin itself: it says nothing about the model."""
    direct: bool = False
    """Asked by the model's own code, which may go on in another way; else by a function of PyTorch's that it calls."""
    is_refused_otherwise: bool = False
    """With the other answer nothing goes on: there is no run to compare the forms with."""
    constants: tuple[int, ...] = ()
    """Whole numbers in the code that asks, which it may compare a plain number with where nobody sees it."""
    texts: tuple[tuple[int, ...], ...] = ()
    """The same of each string that text of a size may be compared with: (32, 64) of ``"32x64"``."""

    @property
    def is_number(self) -> bool:
        """A size became a plain number, not a question that was answered."""
        return not isinstance(self.outcome, bool) and self.outcome not in (sympy.true, sympy.false)

    @property
    def condition(self) -> Any:
        """What holds wherever the answer is the same."""
        if self.outcome is True:
            return self.expression
        if self.outcome is False:
            return sympy.Not(self.expression)
        return sympy.Eq(self.expression, self.outcome)


class _Noted(sympy.Symbol):  # type: ignore[misc]  # sympy has no types
    """A symbol whose environment is told where the model's own code makes text of a size that it is in."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES[1]):
            frame = frame.f_back
        size: Any = frame.f_locals.get("self") if frame is not None else None
        while frame is not None and frame.f_code.co_filename.startswith(_NUMBERS):
            frame = frame.f_back
        if frame is not None and hasattr(size, "shape_env") and not _is_of_a_library(frame):
            size.shape_env.note_text(size.expr, frame)
        return str(self.name)


class Parts:
    """What a pass with letters is made of, out of PyTorch's parts."""

    def __init__(self) -> None:
        try:
            parts = symbolic_parts(OF_FLOATS)
            values_of_symbols(parts.environment())
        except (ImportError, AttributeError) as error:
            raise ConvlinError(
                f"named sizes need parts of PyTorch that torch {torch.__version__} keeps elsewhere ({error}): "
                "write numbers, or use a torch version that convlin was tried with"
            ) from error
        self.fake_mode, self.dispatcher = parts.fake_mode, parts.dispatcher
        self._source, self._dynamic = parts.source, parts.dynamic
        self._shape_env, self._ranges = parts.environment, parts.ranges

    def environment(self) -> Any:
        """A ``ShapeEnv`` that answers by the hints and writes down what it was asked."""
        parts = self

        class Environment(parts._shape_env):  # type: ignore[name-defined, misc]  # known at run time only
            def __init__(self) -> None:
                super().__init__()
                self.decisions: list[Decision] = []
                self.texts: list[Decision] = []
                self._texts_made: set[tuple[Any, CodeType]] = set()
                self.definitions: dict[sympy.Symbol, sympy.Expr] = {}
                self.remainders: dict[sympy.Symbol, None] = {}
                self._known: dict[Any, Any] = {}
                self._only_own: dict[Any, Any] = {}
                self._shortened: dict[Any, Any] = {}
                self._named: dict[Any, sympy.Symbol] = {}
                self._hints = Evaluation({})
                # Anything but 0 makes every size ask ``replace`` for its expression.
                self._replacements_version_counter = 1

            def letter(self, name: str, value: int) -> tuple[Any, sympy.Symbol]:
                source = parts._source(name)
                symbol = made = self.create_symbol(value, source, parts._dynamic)
                if made.is_Symbol:  # and no number, as 1 is
                    symbol = _Noted(made.name, integer=True, positive=True)
                    values_of_symbols(self)[symbol] = sympy.Integer(value)
                    self.var_to_range[symbol] = self.var_to_range[made]
                self._hints = Evaluation({**self._hints_of_letters(), symbol: value}, self.definitions)
                return self.create_symintnode(symbol, hint=value, source=source), symbol

            def _hints_of_letters(self) -> dict[sympy.Symbol, int]:
                return {symbol: int(value) for symbol, value in values_of_symbols(self).items()}

            def evaluate_expr(self, orig_expr: Any, hint: Any = None, *args: Any, **kwargs: Any) -> Any:
                if orig_expr.is_number or orig_expr is sympy.true or orig_expr is sympy.false:
                    return orig_expr
                known = self._known.get(orig_expr)
                if known is None:
                    value = self._value(orig_expr) if hint is None else hint
                    if value is None:
                        return super().evaluate_expr(orig_expr, hint, *args, **kwargs)
                    known = self._known[orig_expr] = sympy.sympify(value)
                    self._note(orig_expr, value)
                elif orig_expr in self._only_own:
                    self._note(orig_expr, self._only_own[orig_expr])
                return known

            def _note(self, expression: Any, outcome: Any) -> None:
                decision = Decision(expression, outcome, *_asker())
                if decision.is_number and not decision.own:
                    decision = decision._replace(constants=_constants())
                if decision.own:
                    # The model may ask the same afterwards.
                    if expression in self._only_own:
                        return
                    self._only_own[expression] = outcome
                else:
                    self._only_own.pop(expression, None)
                    self._note_remainder(expression, outcome)
                self.decisions.append(decision)

            def note_text(self, expression: Any, frame: FrameType) -> None:
                """Code makes text of a size, which may be compared with one in the code, unless it is a message."""
                key = expression, frame.f_code
                if key not in self._texts_made:
                    self._texts_made.add(key)
                    if not is_message(frame):
                        texts, value, where = numbers_in_text_read_in(frame), self._value(expression), line_of(frame)
                        numbers = tuple(dict.fromkeys(number for each in texts for number in each))
                        self.texts.append(Decision(expression, value, where, False, constants=numbers, texts=texts))

            def _note_remainder(self, expression: Any, outcome: Any) -> None:
                """That something does not divide, where the model asked for it and found it so."""
                unequal = (isinstance(expression, sympy.Ne) and outcome) or (
                    isinstance(expression, sympy.Eq | sympy.Le) and not outcome
                )
                unequal = unequal or (isinstance(expression, sympy.Gt) and outcome)
                if unequal and expression.rhs == 0 and expression.lhs in self.definitions:
                    self.remainders[expression.lhs] = None

            def _value(self, expression: Any) -> Any:
                try:
                    return self._hints(expression)
                except NotImplementedError:  # a function of torch's that only sympy can evaluate
                    value = expression.xreplace(values_of_symbols(self))
                if value is sympy.true or value is sympy.false:
                    return value is sympy.true
                if not value.is_number:  # a size that depends on values has no hint
                    return None
                return int(value) if value.is_Integer else float(value)

            def _maybe_evaluate_static(self, expr: Any, *args: Any, **kwargs: Any) -> Any:
                if expr.is_number or expr is sympy.true or expr is sympy.false:
                    return expr
                if kwargs.get("unbacked_only"):  # the one question that only torch can answer: it raises
                    return expr
                if kwargs.get("compute_hint"):
                    value = self._value(expr)
                    return None if value is None else sympy.sympify(value)
                if kwargs.get("size_oblivious"):  # torch 2.6 asks so whether a size that depends on values is 0
                    return super()._maybe_evaluate_static(expr, *args, **kwargs)
                return None

            # ShapeEnv empties the cache of its own method where it learns the range of a size without a hint.
            _maybe_evaluate_static.cache_clear = lambda: None  # type: ignore[attr-defined]

            def simplify(self, expr: Any, *args: Any, **kwargs: Any) -> Any:
                return expr

            def _get_user_frame(self) -> None:
                """Of no symbol anyone reads where it was made: to look for it loads all of ``torch.export``."""

            def replace(self, expr: Any) -> Any:
                short = self._shortened.get(expr)
                if short is None:
                    short = self._shortened[expr] = self._shorten(expr)
                return short

            def _shorten(self, expr: Any) -> Any:
                if not isinstance(expr, sympy.Expr) or expr.is_Symbol or expr.is_number:
                    return expr
                calls = {call: self._symbol_for(call) for call in _outermost_calls(expr)}
                return expr.xreplace(calls) if calls else expr

            def _symbol_for(self, call: Any) -> Any:
                symbol = self._named.get(call)
                if symbol is None:
                    value = self._value(call)
                    if value is None:
                        return call
                    # A hint tells the sign here; at other sizes a run has to confirm the outcome.
                    kind = {"integer": True} if call.is_integer else {"real": True}
                    symbol = _Noted(f"a{len(self._named)}", nonnegative=True if value >= 0 else None, **kind)
                    self._named[call] = symbol
                    self.definitions[symbol] = call
                    values_of_symbols(self)[symbol] = sympy.sympify(value)
                    self.var_to_range[symbol] = parts._ranges.unknown()
                return symbol

        return Environment()


def _outermost_calls(expression: Any) -> Iterator[Any]:
    """Floors, remainders, maxima: whatever is neither a sum nor a product nor a power."""
    if isinstance(expression, sympy.Add | sympy.Mul | sympy.Pow):
        for arg in expression.args:
            yield from _outermost_calls(arg)
    elif expression.args:
        yield expression


def _asker() -> tuple[Location | None, bool, bool, bool]:
    """The line of the model that asks about a size, and the other facts of a `Decision`, in their order."""
    frame, direct, refused = sys._getframe(2), True, False
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename == _CALLS_MODEL:
            return None, False, False, refused
        if filename.startswith(CONVLIN) and not filename.startswith(_PASSING_ON):
            return None, True, False, refused
        if not _is_of_a_library(frame):
            return line_of(frame), False, direct, refused
        refused = refused or frame.f_code is _FITS
        direct = direct and filename.startswith(_NUMBERS)
        frame = frame.f_back  # type: ignore[assignment]
    return None, False, False, refused


def _constants() -> tuple[int, ...]:
    """The whole numbers that the code reads which made a plain number of a size."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_of_a_library(frame):
        frame = frame.f_back
    return numbers_read_in(frame) if frame is not None else ()


def _is_of_a_library(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith((*_LIBRARIES, CONVLIN, *_MADE_UP))
