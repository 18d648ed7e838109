"""The frame in which a function's code is followed: its source, and what its names stand for around it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import CodeType, FunctionType

from convlin._util.code_objects import nested
from convlin.source.constants import lifted
from convlin.source.syntax import Files, Function, bound_names, parameters
from convlin.source.values import Closure, Frame, Value

# One search follows so many expressions and statements, and so many in one call of a helper.
_MOST_STEPS = 40_000
_MOST_STEPS_OF_A_CALL = 2_500

_GENERATORS = CO_GENERATOR | CO_ASYNC_GENERATOR


class TooMuchError(Exception):
    """The code is too long to be followed."""


class Session:
    """What all bodies of code that are followed for one model share: files, frames, and how far to go."""

    def __init__(self) -> None:
        self.files = Files()
        self.followed: set[CodeType] = set()
        """Code of the functions followed so far."""
        self._frames: dict[tuple[object, ...], Frame] = {}
        self._left = _MOST_STEPS
        self._floor = 0

    def frame(self, key: tuple[object, ...], make: Callable[[], Frame]) -> Frame:
        """The frame of a call: the same one each time that the same call is followed."""
        if key not in self._frames:
            self._frames[key] = make()
        return self._frames[key]

    def enter(
        self, code: FunctionType | Closure, owner: type | None, key: tuple[object, ...]
    ) -> tuple[Function, Frame] | None:
        """The source of a function and a frame for it; None where the source is not to be had."""
        if isinstance(code, Closure):
            parsed, around = code.frame.parsed, code.frame
            names = frozenset(parameter.arg for parameter in parameters(code.node.args))
            if not isinstance(code.node, ast.Lambda):
                names |= bound_names(*code.node.body)
            return code.node, self.frame((*key, code.node, around), lambda: Frame(parsed, around.globals, names))
        found = self.files.function(code)
        compiled = code.__code__
        if found is None or any(map(_is_generator, (compiled, *nested(compiled)))):
            return None
        parsed, node = found
        self.followed.add(compiled)
        local = frozenset([*compiled.co_varnames, *compiled.co_cellvars])
        return node, self.frame(
            (*key, code, owner), lambda: Frame(parsed, code.__globals__, local, dict(_cells(code)), owner)
        )

    def spend(self) -> None:
        """Count one step."""
        self._left -= 1
        if self._left < self._floor:
            raise TooMuchError

    def renew(self) -> None:
        """Count from the start."""
        self._left, self._floor = _MOST_STEPS, 0

    @contextmanager
    def share(self) -> Iterator[None]:
        """Let one call take no more than its share of the steps."""
        floor = self._floor
        self._floor = max(floor, self._left - _MOST_STEPS_OF_A_CALL)
        try:
            yield
        finally:
            self._floor = floor


def _is_generator(code: CodeType) -> bool:
    """The same of a function's code, or of what is inside it."""
    return bool(code.co_flags & _GENERATORS) and code.co_name != "<genexpr>"


def is_generator(node: Function) -> bool:
    """A function whose body does not run when it is called."""
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def _cells(function: FunctionType) -> Iterator[tuple[str, Value]]:
    """What a live function sees of the functions around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, lifted(cell.cell_contents)
        except ValueError:
            continue  # the code around it has not bound this name yet
