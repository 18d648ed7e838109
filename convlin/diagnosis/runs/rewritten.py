"""Methods as edits of the source would make them, put into a model for one run; no file is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType
from typing import NamedTuple

from torch import nn

from convlin._util.code_objects import nested
from convlin._util.quiet import quiet
from convlin.module_tree import modules_of
from convlin.records import Edit, Location
from convlin.source.edits import texts
from convlin.source.syntax import parsed_text
from convlin.source.text import SourceText, read


class CannotRewriteError(Exception):
    """An edit is not one of a method that a module of the model would run."""


class Method(NamedTuple):
    """One method of one module, as it should be."""

    owner: nn.Module
    name: str
    function: FunctionType


def methods(model: nn.Module, edits: Sequence[Edit]) -> list[Method]:
    """The methods of ``model``'s modules that ``edits`` change, made anew from the edited text.

    Raises:
        CannotRewriteError: an edit stands elsewhere, such as in a constructor, which has run already, or in a function
            that is no method; or the module was not made from the text that the file has now.
    """
    try:
        changed = texts(edits)
    except ValueError as error:
        raise CannotRewriteError(str(error)) from error
    found: list[Method] = []
    for name, text in changed.items():
        source = read(name)
        assert source is not None  # it was read a moment ago
        own = [edit for edit in edits if edit.file == name]
        found += _methods_of(source, text, own, modules_of(model))
    return found


@contextmanager
def in_place(found: Sequence[Method]) -> Iterator[None]:
    """Each method stands in its module, in front of that of the class."""
    for method in found:
        method.owner.__dict__[method.name] = MethodType(method.function, method.owner)
    try:
        yield
    finally:
        for method in found:
            del method.owner.__dict__[method.name]


def runs_line(module: nn.Module, where: Location) -> bool:
    """Whether a line stands in a method that a call on ``module`` runs."""
    spans = (_lines(function.__code__) for function in _written_in(where.file, module).values())
    return any(first <= where.line <= last for first, last in spans)


def _methods_of(source: SourceText, text: str, edits: Sequence[Edit], modules: Sequence[nn.Module]) -> list[Method]:
    before, after = _compiled(source, source.text), _compiled(source, text)
    if [code.co_qualname for code in before] != [code.co_qualname for code in after]:
        raise CannotRewriteError(f"other functions would stand in {source.name}")
    spans = [(source.line(edit.start), source.line(edit.end)) for edit in edits]
    reached: set[tuple[int, int]] = set()
    found: list[Method] = []
    for module in modules:
        for name, function in _written_in(source.name, module).items():
            first, last = _lines(function.__code__)
            within = {span for span in spans if first <= span[0] and span[1] <= last}
            if within:
                reached |= within
                found.append(Method(module, name, _anew(function, before, after)))
    if reached != set(spans):
        raise CannotRewriteError("an edit is not one of a method that is called")
    return found


def _compiled(source: SourceText, text: str) -> list[CodeType]:
    """The code of every function of a text in the place of a source's; nothing is run."""
    with quiet():
        try:
            if source.on_disk:
                return [*nested(compile(text, source.name, "exec", dont_inherit=True))]
            # IPython compiles each statement of a cell alone.
            alone = (ast.Module([statement], []) for statement in parsed_text(text).body)
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return [code for each in alone for code in nested(compile(each, source.name, "exec", flags, True))]
        except (SyntaxError, ValueError) as error:
            raise CannotRewriteError(str(error)) from error


def _written_in(file: str, module: nn.Module) -> dict[str, FunctionType]:
    """The methods by name that a call on ``module`` runs, those that stand in one file; no constructor."""
    found: dict[str, object] = {}
    for kind in reversed(type(module).__mro__):
        found.update(vars(kind))
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, FunctionType)
        and value.__code__.co_filename == file
        and name != "__init__"
        and name not in module.__dict__
    }


def _anew(function: FunctionType, before: Sequence[CodeType], after: Sequence[CodeType]) -> FunctionType:
    """The function with its code exchanged for that of the edited text."""
    own = function.__code__
    new = next((new for old, new in zip(before, after, strict=True) if old == own), None)
    if new is None or new.co_freevars != own.co_freevars:
        raise CannotRewriteError(f"{own.co_qualname} was not made from the text that its file has now")
    made = FunctionType(new, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _lines(code: CodeType) -> tuple[int, int]:
    """The first line of a function, and the last one that anything in it reaches to."""
    ends = (end for each in (code, *nested(code)) for _, end, _, _ in each.co_positions() if end is not None)
    return code.co_firstlineno, max(ends, default=code.co_firstlineno)
