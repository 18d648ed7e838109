"""PyTorch's symbolic shapes, set up so that a whole model runs on letters in about the time of one pass.

A size is a ``torch.SymInt`` that carries an expression and a hint, its value at a sample size.
Whatever the model decides on the way (``if height % 32``) is decided by the hint and written down
as a `Decision`: the closed forms hold where every decision comes out the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from convlin._util.torch_private import compiling
from convlin.ops.fake_shapes import KnownSizes
from convlin.records import Shape, Size
from convlin.sizes.closed_form import ClosedForms, Letter
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.spell import spell
from convlin.symbolic.environment import Decision, Parts
from convlin.symbolic.fakes import put_fakes
from convlin.symbolic.quiet import unlogged
from convlin.tensors import sizes as plain_sizes

#: A plain number that is the same one at each of these is taken for one that always is.
_SETTLED_AT = (*range(16, 2049), *(2**power + beside for power in range(12, 21) for beside in (-1, 0, 1)))


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
        self.has_unknown = False
        """Whether a size is a remainder of remainders, ``while b: a, b = b, a % b``: sizes say how many rounds."""
        self.forms = ClosedForms(self.symbols, environment.definitions, environment.remainders)

    @property
    def decisions(self) -> list[Decision]:
        """In the order they were made."""
        decisions: list[Decision] = self._environment.decisions
        return decisions

    @property
    def texts(self) -> list[Decision]:
        """Where the model's own code made text of a size, which may be compared with a number in a string."""
        texts: list[Decision] = self._environment.texts
        return texts

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
        form = self.forms(expression)
        if isinstance(form, sympy.Expr) and any(each.args[1].has(sympy.Mod) for each in form.atoms(sympy.Mod)):
            self.has_unknown = True
            return -1
        return form

    def in_letters(self, text: str, beside: str = "") -> str:
        """A text, such as PyTorch's words for an error, with letters where PyTorch's symbols stand.

        They may stand ``beside`` one of these characters, as in ``head_s38``.
        """
        if not self.symbols:
            return text
        named = {str(symbol): symbol for symbol in (*self.symbols, *self.definitions)}
        start, end = rf"(?<![^\W{beside}])", rf"(?![^\W{beside}])"
        return re.sub(
            f"{start}(?:{'|'.join(map(re.escape, named))}){end}",
            lambda found: spell(self.forms(named[found.group()])),
            text,
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
    parts = Parts()
    environment = parts.environment()
    fakes = parts.fake_mode(shape_env=environment, allow_non_fake_inputs=True)
    # Of its cache of answers there is more to write and to check than to read: sizes in letters are seldom the same.
    fakes.cache_enabled = False
    made = Session(sample, environment)
    put_fakes(fakes, model)
    with ExitStack() as stack:
        stack.enter_context(unlogged())
        stack.enter_context(compiling())
        stack.enter_context(parts.dispatcher())
        stack.enter_context(fakes)
        stack.enter_context(KnownSizes())
        yield made


def needs_values(error: BaseException) -> bool:
    """Whether a pass stopped because the model looks at the values of a tensor, which letters do not give."""
    return type(error).__name__ in (
        "DataDependentOutputException",
        "GuardOnDataDependentSymNode",
        "DynamicOutputShapeException",
    )
