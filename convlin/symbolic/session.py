"""PyTorch's symbolic shapes, set up so that a whole model runs on letters in about the time of one pass.

A size is a ``torch.SymInt`` that carries an expression and a hint, its value at a sample size.
Whatever the model decides on the way (``if height % 32``) is decided by the hint and written down
as a `Decision`: the closed forms hold where every decision comes out the same.

PyTorch's own ``ShapeEnv`` tries to prove every comparison, which takes minutes for a model with
windows in its attention.  Here nothing is proved on the way: an expression with a floor or a
remainder in it is abbreviated by a symbol, and what holds is found out afterwards, by running.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import sympy
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin._util.packages import CONVLIN, folder
from convlin._util.torch_private import compiling, fake_of, symbolic_parts, values_of_symbols
from convlin.errors import ConvlinError
from convlin.module_tree import holding_lazy, modules_of
from convlin.ops import fake_shapes, known_results
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import Location, Shape, Size
from convlin.sizes.closed_form import ClosedForms, Letter
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.serialize import OF_FLOATS
from convlin.sizes.spell import spell
from convlin.symbolic.quiet import unlogged
from convlin.tensors import sizes as plain_sizes
from convlin.trace import forward_pass, function_mode, tracer, unpooling
from convlin.trace.call_sites import line_of
from convlin.untouched.device import exchange, is_plain

_LIBRARIES = tuple(map(folder, (torch, sympy)))
#: Modules of convlin that only pass on what the model does.
_PASSING_ON = tuple(module.__file__ for module in (function_mode, tracer, unpooling, fake_shapes, known_results))
#: The module that calls the model: what asks in front of it is the model, a layer of torch's where it has no line.
_CALLS_MODEL = forward_pass.__file__
#: What asks whether a window fits: PyTorch refuses a convolution where it does not.
_FITS = known_results.windows_fit.__code__
#: Code without a file that is nobody's own; a prompt and a notebook have names in angle brackets, too.
_MADE_UP = ("<frozen ", "<eval_with_key")
#: Where PyTorch keeps its symbolic numbers.
_NUMBERS = (
    __file__,
    torch.__file__,
    *(str(Path(_LIBRARIES[0], name)) for name in ("fx", "utils/_sympy", "utils/_stats.py")),
)

#: A plain number that is the same one at each of these is taken for one that always is.
_SETTLED_AT = (*range(16, 2049), *(2**power + beside for power in range(12, 21) for beside in (-1, 0, 1)))


#: How far the numbers that code reads are looked for, ``self.config.sizes[0]``, and how many of a container.
_DEEPEST_CONSTANT, _MOST_HELD = 4, 8


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


class Session:
    """One symbolic pass: the letters, how to read a shape in them, and the decisions on the way."""

    def __init__(self, sample: Mapping[str, int], environment: Any) -> None:
        self.sample = dict(sample)
        self._environment = environment
        self.letters = {name: Letter(name) for name in sample}
        self.symbols: dict[sympy.Symbol, Letter] = {}
        self.sizes: dict[str, Any] = {}
        for name, value in sample.items():
            self.sizes[name], symbol = environment.letter(name, value)
            self.symbols[symbol] = self.letters[name]
        self._told: set[Any] = set()
        """Expressions that are made of letters alone: each is read again and again."""
        self.forms = ClosedForms(self.symbols, environment.definitions, environment.remainders)

    @property
    def decisions(self) -> list[Decision]:
        """In the order they were made."""
        decisions: list[Decision] = self._environment.decisions
        return decisions

    @property
    def definitions(self) -> Mapping[sympy.Symbol, sympy.Expr]:
        """What the symbols in decisions stand for that are no letters."""
        definitions: Mapping[sympy.Symbol, sympy.Expr] = self._environment.definitions
        return definitions

    def settle_numbers(self) -> None:
        """Take a plain number that is the same at all but a few small sizes for a question whether it is that one.

        ``chunk(2)`` makes two pieces of everything but of a single step.
        """
        if not any(each.is_number and not each.own for each in self.decisions):
            return
        sizes = torch.tensor(_SETTLED_AT)
        alone: list[dict[str, Any]] = [{**self.sample, name: sizes} for name in self.sample]
        every = {name: sizes + 3 * place for place, name in enumerate(self.sample)}
        evaluations = [self.evaluation(points) for points in (*alone, every)]

        def settled(decision: Decision) -> Decision:
            expression, number = decision.expression, decision.outcome
            if not decision.is_number or decision.own or not self.names_in(expression):
                return decision
            values = (evaluation.at_each(expression) for evaluation in evaluations)
            if not all(found is not None and bool((found == number).all()) for found in values):
                return decision
            # What the model does with the pieces, it may do with fewer.
            return decision._replace(expression=sympy.Eq(expression, number), outcome=True, direct=True)

        self.decisions[:] = map(settled, self.decisions)

    def evaluation(self, sizes: Mapping[str, Any]) -> Evaluation:
        """Evaluates at other sizes what stands in decisions and closed forms."""
        values = {symbol: sizes[letter.name] for symbol, letter in self.symbols.items()}
        return Evaluation({**values, **{self.letters[name]: size for name, size in sizes.items()}}, self.definitions)

    def names_in(self, expression: Any) -> tuple[str, ...]:
        """The letters that the value of an expression depends on, in the order they were named."""
        pending, seen = list(expression.free_symbols), set()
        while pending:
            symbol = pending.pop()
            if symbol not in seen:
                seen.add(symbol)
                pending.extend(self.definitions[symbol].free_symbols if symbol in self.definitions else ())
        found = {self.symbols[symbol].name for symbol in seen if symbol in self.symbols}
        found |= {symbol.name for symbol in seen if isinstance(symbol, Letter)}
        return tuple(name for name in self.letters if name in found)

    def read(self, tensor: Tensor) -> Shape:
        """The shape in closed forms; -1 where a size depends on values."""
        if not getattr(tensor, "_has_symbolic_sizes_strides", True):
            return plain_sizes(tensor)
        return tuple(self.size(size) for size in tensor.shape)

    def size(self, size: Any) -> Size:
        """One size in closed form."""
        if type(size) is int:
            return size
        expression = size.node.expr
        if expression not in self._told:
            if not all(symbol in self.symbols or symbol in self.definitions for symbol in expression.free_symbols):
                return -1
            self._told.add(expression)
        return self.forms(expression)

    def in_letters(self, text: str) -> str:
        """A text, such as PyTorch's words for an error, with letters where PyTorch's symbols stand."""
        if not self.symbols:
            return text
        named = {str(symbol): symbol for symbol in (*self.symbols, *self.definitions)}
        return re.sub(
            rf"\b(?:{'|'.join(map(re.escape, named))})\b", lambda found: spell(self.forms(named[found.group()])), text
        )

    def plain(self, value: Any) -> Any:
        """``value`` with every symbolic number in its tuples, lists and dicts in closed form."""
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
            return self.size(value)
        if isinstance(value, slice):
            return slice(self.plain(value.start), self.plain(value.stop), self.plain(value.step))
        if type(value) in (tuple, list, torch.Size):
            items = [self.plain(item) for item in value]
            return items if type(value) is list else tuple(items)
        if type(value) is dict:
            return {key: self.plain(item) for key, item in value.items()}
        return value


@contextmanager
def session(model: nn.Module, sample: Mapping[str, int]) -> Iterator[Session]:
    """A `Session` in which ``model`` runs on fake tensors; only to be used inside ``untouched``."""
    parts = _Parts()
    environment = parts.environment()
    fakes = parts.fake_mode(shape_env=environment, allow_non_fake_inputs=True)
    # Of its cache of answers there is more to write and to check than to read: sizes in letters are seldom the same.
    fakes.cache_enabled = False
    made = Session(sample, environment)
    # A fake tensor has to be made outside the mode.
    modules = modules_of(model)
    exchange(modules, partial(_fake, fakes))
    _fake_once_known(holding_lazy(modules))
    with ExitStack() as stack:
        stack.enter_context(unlogged())
        stack.enter_context(compiling())
        stack.enter_context(parts.dispatcher())
        stack.enter_context(fakes)
        stack.enter_context(KnownSizes())
        yield made


def _fake(mode: Any, tensor: Tensor) -> Tensor:
    """A fake tensor in the place of one of the model's own."""
    if is_plain(tensor) and tensor.is_leaf and tensor._base is None:
        return fake_of(mode, tensor)
    fake: Tensor = mode.from_tensor(tensor, static_shapes=True)
    return fake


def _fake_once_known(lazy: Sequence[nn.Module]) -> None:
    """Let the weights that lazy modules get in a pass be fake tensors on the device that they were to lie on.

    A weight that is no fake tensor stays none when it gets its size, and lies on the meta device from then on;
    not every version of torch computes with it and an input on another device.
    """
    held = (tensor for module in lazy for tensor in (*module._parameters.values(), *module._buffers.values()))
    unknown = [tensor for tensor in held if tensor is not None and is_lazy(tensor)]
    devices = {id(tensor): tensor.device for tensor in unknown}
    fakes: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in devices:
            return tensor
        if id(tensor) not in fakes:  # a tied weight stays tied
            made = torch.empty(tensor.shape, dtype=tensor.dtype, device=devices[id(tensor)])
            is_weight = isinstance(tensor, nn.Parameter)
            fakes[id(tensor)] = nn.Parameter(made, requires_grad=tensor.requires_grad) if is_weight else made
        return fakes[id(tensor)]

    def materialize(settle: Callable[..., None], shape: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        settle(shape, *args, **kwargs)
        exchange(lazy, fake)

    for tensor in unknown:
        # Asked under the mode, a tensor without a size does not tell its device in torch 2.6, nor does a buffer later.
        settle = partial(tensor.materialize, device=tensor.device, dtype=tensor.dtype)
        tensor.__dict__["materialize"] = partial(materialize, settle)


def needs_values(error: BaseException) -> bool:
    """Whether a pass stopped because the model looks at the values of a tensor, which letters do not give."""
    return type(error).__name__ in (
        "DataDependentOutputException",
        "GuardOnDataDependentSymNode",
        "DynamicOutputShapeException",
    )


class _Parts:
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
                symbol = self.create_symbol(value, source, parts._dynamic)
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
                    symbol = sympy.Symbol(f"a{len(self._named)}", nonnegative=True if value >= 0 else None, **kind)
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
        if filename.startswith(CONVLIN) and filename not in _PASSING_ON and filename != __file__:
            return None, True, False, refused
        if not filename.startswith((*_LIBRARIES, CONVLIN, *_MADE_UP)):
            return line_of(frame), False, direct, refused
        refused = refused or frame.f_code is _FITS
        direct = direct and filename.startswith(_NUMBERS)
        frame = frame.f_back  # type: ignore[assignment]
    return None, False, False, refused


def _constants() -> tuple[int, ...]:
    """The whole numbers that the code reads which made a plain number of a size: in itself, its names, its module."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((*_LIBRARIES, CONVLIN, *_MADE_UP)):
        frame = frame.f_back
    if frame is None:
        return ()
    code, read = frame.f_code, {*frame.f_code.co_names, *frame.f_code.co_freevars}
    found = [each for each in code.co_consts if type(each) is int]
    held = [frame.f_globals.get(name) for name in code.co_names]
    held += [frame.f_locals.get(name) for name in (*code.co_varnames[:1], *code.co_freevars)]
    for _ in range(_DEEPEST_CONSTANT):
        found += [each for each in held if type(each) is int]
        held = [inner for each in held for inner in _read_of(each, read)]
    return tuple(dict.fromkeys(found))


def _read_of(holder: object, names: set[str]) -> Iterator[object]:
    """What is read of an object under some of these names, or may be of a container."""
    if isinstance(holder, dict):
        yield from islice(holder.values(), _MOST_HELD)
    elif isinstance(holder, tuple | list):
        yield from holder[:_MOST_HELD]
    for own in (getattr(type(holder), "__dict__", {}), getattr(holder, "__dict__", {})):
        yield from (own[name] for name in names if name in own)
