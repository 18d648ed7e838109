"""Source as Python reads it: the tree of a file, and in it the function that a code object runs."""

from __future__ import annotations
import __future__

import ast
import inspect
import threading
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from types import CodeType, FunctionType
from typing import TypeAlias

from convlin._util.code_objects import nested
from convlin._util.quiet import quiet
from convlin.records.places import Span
from convlin.source.text import SourceText, read

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DECORATED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Positioned: TypeAlias = ast.expr | ast.stmt | ast.keyword | ast.arg | ast.alias

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag


class Parsed:
    """A file's text with its tree."""

    def __init__(self, source: SourceText, tree: ast.Module) -> None:
        self.source = source
        self.tree = tree
        self._functions: dict[CodeType, Function | None] = {}
        self._compiled: dict[int, frozenset[CodeType]] = {}
        self._compiled_alone: dict[tuple[ast.stmt, int], frozenset[CodeType]] = {}

    def span(self, node: Positioned) -> tuple[int, int]:
        """Start and end of a node in the text."""
        start = self.source.offset(node.lineno, node.col_offset)
        return start, self.source.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    @property
    def nodes(self) -> Collection[ast.AST]:
        """Every node of the tree, in the order of ``ast.walk``, which takes many times as long."""
        return self._parents.keys()

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that a node stands in, the innermost first."""
        outer = self._parents.get(node)
        while outer is not None:
            yield outer
            outer = self._parents.get(outer)

    def function_around(self, node: ast.AST) -> Function | None:
        """The innermost function that a node stands in; None at the top of the file."""
        return next((each for each in self.around(node) if isinstance(each, Function)), None)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that a node stands in, or the node itself."""
        return next(each for each in (node, *self.around(node)) if isinstance(each, ast.stmt))

    def calls(self, line: int, *names: str) -> list[ast.Call]:
        """The calls on a line, of methods with these names if there are any."""
        return [
            node
            for node in self.nodes
            if isinstance(node, ast.Call)
            and node.lineno <= line <= (node.end_lineno or node.lineno)
            and (not names or (isinstance(node.func, ast.Attribute) and node.func.attr in names))
        ]

    def before(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements in front of one in the block that it stands in, the nearest first."""
        outer = next(self.around(statement))
        for field in ("body", "orelse", "finalbody"):
            block = getattr(outer, field, None)
            if isinstance(block, list) and statement in block:
                return block[: block.index(statement)][::-1]
        return []

    def function(self, code: CodeType) -> Function | None:
        """The function that this code was compiled from; None where the file has changed since."""
        if code not in self._functions:
            self._functions[code] = self._function(code)
        return self._functions[code]

    def _function(self, code: CodeType) -> Function | None:
        nodes = [node for node in self._on_line(code.co_firstlineno) if _named_as(node, code)]
        # Two lambdas may stand on one line; nothing tells them apart.
        if len(nodes) != 1:
            return None
        return nodes[0] if self._is_current(code, nodes[0]) else None

    def _is_current(self, code: CodeType, node: Function) -> bool:
        # Equal code objects have the same instructions, constants, names and line numbers.
        flags = code.co_flags & _FUTURE_FLAGS
        if code in self._codes_of(self._top(node), flags) or code in self.codes(flags):
            return True
        # pytest compiles its own form of a function with an assertion in it.
        names = tuple(argument.arg for argument in parameters(node.args))
        return "@pytest_ar" in code.co_names and code.co_varnames[: len(names)] == names

    def codes(self, flags: int = 0) -> frozenset[CodeType]:
        """The code objects that the text compiles to; nothing is run."""
        if flags not in self._compiled:
            self._compiled[flags] = frozenset(self._compile(flags))
        return self._compiled[flags]

    def _codes_of(self, statement: ast.stmt, flags: int) -> frozenset[CodeType]:
        """Those of one statement at the top of the file: of a long file hardly any are asked for.

        Python compiles the call of nn.Linear in another way where it sees the import of nn.  IPython compiles each
        statement of a cell alone.
        """
        if (statement, flags) not in self._compiled_alone:
            seen = ast.Module([*self._imports, statement] if self.source.on_disk else [statement], [])
            self._compiled_alone[statement, flags] = frozenset(self._nested(seen, flags))
        return self._compiled_alone[statement, flags]

    @cached_property
    def _imports(self) -> list[ast.stmt]:
        at_top = (node for node in own_scope(self.tree.body) if isinstance(node, ast.Import | ast.ImportFrom))
        return [node for node in at_top if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")]

    def _compile(self, flags: int) -> Iterator[CodeType]:
        yield from self._nested(self.source.text, flags)
        if not self.source.on_disk:
            for statement in self.tree.body:
                yield from self._codes_of(statement, flags)

    def _nested(self, source: str | ast.Module, flags: int) -> Iterator[CodeType]:
        """The code of a text or a tree, and all that is inside it; none where Python refuses it."""
        flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # a notebook cell may await outside of a function
        with quiet():
            try:
                code: CodeType = compile(source, self.source.name, "exec", flags, dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return
        yield from nested(code)

    def _top(self, node: ast.AST) -> ast.stmt:
        """The statement at the top of the file that a node stands in."""
        line = getattr(node, "lineno", 0)
        return next(each for each in reversed(self.tree.body) if each.lineno <= line)

    def _on_line(self, line: int) -> Iterator[Function]:
        """The functions that start on a line for Python; what ends before it or starts behind it is not looked into."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Function) and first_line(node) == line:
                yield node
            waiting += [inner for inner in ast.iter_child_nodes(node) if _may_hold(inner, line)]

    @cached_property
    def stores(self) -> list[ast.Attribute | ast.Subscript]:
        """The attributes and items that something is put into, in the order of ``ast.walk``."""
        targets = (node for node in self.nodes if isinstance(node, ast.Attribute | ast.Subscript))
        return [node for node in targets if isinstance(node.ctx, ast.Store)]

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}


class Files:
    """Every file is read and parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[str, Parsed | None] = {}

    def get(self, name: str) -> Parsed | None:
        """The file of that name; None where there is no source or it is not Python."""
        if name not in self._parsed:
            self._parsed[name] = parsed_file(name)
        return self._parsed[name]

    def function(self, function: FunctionType) -> tuple[Parsed, Function] | None:
        """The source of a live function."""
        code = function.__code__
        parsed = self.get(code.co_filename)
        node = None if parsed is None else parsed.function(code)
        return None if parsed is None or node is None else (parsed, node)


#: Python 3.11 counts the depth of all parsers of a process together and takes two at once for a fault.
_ONE_PARSER = threading.Lock()


def parsed_text(text: str) -> ast.Module:
    """``ast.parse``, one thread at a time.

    Raises ``SyntaxError`` as that does.
    """
    with _ONE_PARSER:
        return ast.parse(text)


@lru_cache(16)
def parse(source: SourceText) -> Parsed | None:
    """The tree of a text; None where it is not Python.

    The last ones are kept, by their whole text: of the files behind one model that is a second, none of which has
    changed when the model is looked at again.
    """
    with quiet():
        try:
            return Parsed(source, parsed_text(source.text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def parsed_file(name: str) -> Parsed | None:
    """The tree of a file as it is now; None where there is no source or it is not Python."""
    source = read(name)
    return None if source is None else parse(source)


def span_of(node: ast.expr) -> Span:
    """Where a node stands, as the instructions that were compiled from it tell it."""
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def unwrapped(function: FunctionType) -> FunctionType:
    """The function behind decorators that say what they decorate."""
    try:
        inner = inspect.unwrap(function)
    except ValueError:
        return function
    return inner if isinstance(inner, FunctionType) else function


def first_line(node: ast.stmt | ast.expr) -> int:
    """The line on which it starts for Python: that of its first decorator, if it can have one."""
    decorators = node.decorator_list if isinstance(node, _DECORATED) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _may_hold(node: ast.AST, line: int) -> bool:
    """Whether a node reaches to a line; what has no place, as the arguments of a function, may."""
    if not isinstance(node, ast.stmt | ast.expr):
        return True
    return line <= (node.end_lineno or node.lineno) and first_line(node) <= line


def _named_as(node: Function, code: CodeType) -> bool:
    return code.co_name == ("<lambda>" if isinstance(node, ast.Lambda) else node.name)


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """The parameters in the order in which a code object names them, ``*args`` and ``**kwargs`` last."""
    return [*named(arguments), *(star for star in (arguments.vararg, arguments.kwarg) if star is not None)]


def named(arguments: ast.arguments) -> list[ast.arg]:
    """The parameters without ``*args`` and ``**kwargs``."""
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    """The defaults of a function's parameters by name."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {parameter.arg: default for parameter, default in pairs if default is not None}


@lru_cache(256)
def bound_names(*nodes: ast.stmt) -> frozenset[str]:
    """Names that some statements bind in their own scope."""
    names: set[str] = set()
    for node in own_scope(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
    return frozenset(names)


def own_scope(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Every node that runs in the scope of these, and no body of a function or class in it."""
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
