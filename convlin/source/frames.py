"""The frame in which a function's code is followed: its source, and what its names stand for around it."""

from __future__ import annotations

import ast
from types import FunctionType

from convlin.source.constants import lifted
from convlin.source.session import Session
from convlin.source.syntax import Function, bound_names, parameters
from convlin.source.values import Closure, Frame, Value


def function_frame(
    session: Session, code: FunctionType | Closure, owner: type | None, key: tuple[object, ...]
) -> tuple[Function, Frame] | None:
    """The source of a function and a frame for it; None where the source is not to be had."""
    if isinstance(code, Closure):
        names = frozenset(parameter.arg for parameter in parameters(code.node.args))
        if not isinstance(code.node, ast.Lambda):
            names |= bound_names(code.node.body)
        parsed, around = code.frame.parsed, code.frame
        return code.node, session.frame((*key, code.node, around), lambda: Frame(parsed, around.globals, names))
    found = session.files.function(code)
    if found is None or is_generator(found[1]):
        return None
    session.followed.add(code.__code__)
    parsed, node = found
    compiled = code.__code__
    local = frozenset([*compiled.co_varnames, *compiled.co_cellvars])

    def make() -> Frame:
        return Frame(parsed, code.__globals__, local, _cells(code), owner)

    return node, session.frame((*key, code, owner), make)


def is_generator(node: Function) -> bool:
    """A function whose body does not run when it is called."""
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def _cells(function: FunctionType) -> dict[str, Value]:
    """What a live function sees of the functions around it."""
    values: dict[str, Value] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = lifted(cell.cell_contents)
        except ValueError:
            continue  # the code around it has not bound this name yet
    return values
