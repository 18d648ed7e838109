"""An assignment to several names, as it is written: what is taken apart, and how the line may have been meant."""

from __future__ import annotations

import ast
from typing import NamedTuple

from convlin.records import Edit
from convlin.records.places import Span
from convlin.source.edits import Rewrite, edited, rewrite
from convlin.source.syntax import Parsed, parsed_file, span_of

_SPLITTING = ("chunk", "split", "tensor_split", "unbind")


class Splitting(NamedTuple):
    """A call that gives the parts of a tensor."""

    function: str
    base: ast.expr
    """The tensor."""
    number: ast.expr | None
    """How many parts, or how large each is."""
    dim: ast.expr | None


class Unpacked:
    """One assignment to several names in a file."""

    def __init__(self, parsed: Parsed, statement: ast.Assign, targets: ast.Tuple | ast.List) -> None:
        self._parsed = parsed
        self._statement = statement
        self._targets = targets

    @classmethod
    def at(cls, file: str, targets: Span) -> Unpacked | None:
        """That whose names stand there; None where the file has no such assignment."""
        parsed = parsed_file(file)
        for node in parsed.nodes if parsed is not None else ():
            if isinstance(node, ast.Tuple | ast.List) and span_of(node) == targets:
                statement = parsed.statement(node)  # type: ignore[union-attr]
                if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                    return cls(parsed, statement, node)  # type: ignore[arg-type]
        return None

    @property
    def line(self) -> int:
        """The first line of the statement."""
        return self._statement.lineno

    @property
    def names(self) -> list[str]:
        """The names, as they are written."""
        return [self._text(each) for each in self._targets.elts]

    @property
    def value(self) -> ast.expr:
        """What is assigned to them; of ``out, (h, c) = f(x)``, whose inner names it is about, all of it."""
        return self._statement.value

    @property
    def index(self) -> int | None:
        """Which item of the value the names are for, where they stand in brackets inside of others."""
        outer = self._statement.targets[0]
        if outer is self._targets or not isinstance(outer, ast.Tuple | ast.List):
            return None
        return next((at for at, each in enumerate(outer.elts) if each is self._targets), None)

    @property
    def is_inner(self) -> bool:
        """Whether the names stand inside of others."""
        return self._statement.targets[0] is not self._targets

    def text(self, node: ast.expr) -> str:
        """An expression as it is written, on one line."""
        return " ".join(self._text(node).split())

    def _text(self, node: ast.expr) -> str:
        start, end = self._parsed.span(node)
        return self._parsed.source.text[start:end]

    @property
    def has_one_use(self) -> bool:
        """Whether the function reads none of the names but the first."""
        function = self._parsed.function_around(self._statement)
        if function is None or not all(isinstance(each, ast.Name) for each in self._targets.elts):
            return False
        names = {each.id for each in self._targets.elts[1:] if isinstance(each, ast.Name)}
        read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        return names.isdisjoint(read)

    def with_one_name(self) -> Rewrite:
        """The first name alone in the place of all."""
        return self._with(self._targets, self.names[0])

    def with_last_together(self) -> Rewrite:
        """``out, (h, c)`` in the place of ``out, h, c``."""
        first, *others = self.names
        inner = f"({', '.join(others)})"
        start, _ = self._parsed.span(self._targets)
        opening, closing = {"(": ("(", ")"), "[": ("[", "]")}.get(self._parsed.source.text[start], ("", ""))
        return self._with(self._targets, f"{opening}{first}, {inner}{closing}")

    def with_behind(self, written: str) -> Rewrite:
        """Something written behind the value."""
        text = self._text(self.value)
        whole = text if isinstance(self.value, ast.Name | ast.Call | ast.Attribute | ast.Subscript) else f"({text})"
        return self._with(self.value, f"{whole}{written}")

    def splitting(self) -> Splitting | None:
        """The call that gives the parts, where the value is one."""
        match self.value:
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args, keywords=keywords) if (
                name in _SPLITTING
            ):
                pass
            case _:
                return None
        if any(isinstance(each, ast.Starred) for each in args) or any(each.arg is None for each in keywords):
            return None
        given = {each.arg: each.value for each in keywords}
        if isinstance(owner, ast.Name) and owner.id == "torch":
            args = args or [given[word] for word in ("input", "tensor") if word in given]
            if not args:
                return None
            base, *rest = args
        else:
            base, rest = owner, list(args)
        number: ast.expr | None = None
        if name != "unbind":
            words = ("chunks", "split_size", "split_size_or_sections", "sections", "indices_or_sections")
            number = rest.pop(0) if rest else next((given[word] for word in words if word in given), None)
        return Splitting(name, base, number, rest[0] if rest else given.get("dim"))

    def with_dim(self, call: Splitting, dim: int) -> Rewrite:
        """The same call along another dimension."""
        if call.dim is not None:
            return self._with(call.dim, str(dim))
        _, end = self._parsed.span(self.value)
        before = self._parsed.source.text[: end - 1].rstrip()
        edit = edited(self._parsed.source, end - 1, end - 1, f"{'' if before[-1] in '(,' else ', '}dim={dim}")
        return rewrite(self._parsed.source, *self._parsed.span(self._statement), edit)

    def with_number(self, call: Splitting, number: int) -> Rewrite:
        """The same call with another number of parts, or another size of each."""
        assert call.number is not None
        return self._with(call.number, str(number))

    def _with(self, node: ast.expr, new: str) -> Rewrite:
        edit: Edit = edited(self._parsed.source, *self._parsed.span(node), new)
        return rewrite(self._parsed.source, *self._parsed.span(self._statement), edit)


def integer(node: ast.expr | None) -> int | None:
    """The number that is written there; None where it is anything else."""
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
            return -number
    return None


def sliced(node: ast.expr) -> tuple[ast.expr, slice]:
    """What sizes are taken of, and which of them: ``x`` and ``[2:]`` of ``x.shape[2:]``.

    Raises:
        ValueError: it takes no sizes.
    """
    part = slice(None)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.step is None:
        bounds = (node.slice.lower, node.slice.upper)
        read = [integer(each) for each in bounds]
        if any(each is not None and number is None for each, number in zip(bounds, read, strict=True)):
            raise ValueError("slice")
        node, part = node.value, slice(*read)
    match node:
        case ast.Attribute(value=owner, attr="shape"):
            return owner, part
        case ast.Call(func=ast.Attribute(value=owner, attr="size"), args=[], keywords=[]):
            return owner, part
    raise ValueError("no sizes")
