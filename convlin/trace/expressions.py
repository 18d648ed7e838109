"""Which expression of the user's code made which tensors.

A pass notes the instruction that each frame of the user's stands at, which costs next to nothing; what
expression that is can be read from the source afterwards, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple, cast

from convlin._util.code_objects import fingerprint
from convlin._util.packages import CONVLIN, PYTHON, is_installed
from convlin.ops.names import name_of
from convlin.records import Call, CodePlace, ExpressionResult, Shape, Source
from convlin.records.places import Span
from convlin.trace.call_sites import MODULE_CALL, TORCH

_USER, _PASSING_ON, _OTHER = 1, 2, 3

_Outputs = tuple[tuple[str, Shape], ...]
_Chain = tuple["CodeType | int", ...]
"""Code and the instruction that it stands at, of a frame and of those around it in turn."""


class TuplesHeld(NamedTuple):
    """The tuples that are at hand where the user's code raised; a layer is told by its path."""

    file: str
    raised: Span
    names: tuple[tuple[str, str], ...]
    """The variables that hold one, each with the layer that returned it."""
    calls: tuple[tuple[Span, str], ...]
    """The calls written there that returned one."""


class Taken(NamedTuple):
    """What could not be given to as many names as stand in front of the ``=``, and what was at hand there."""

    file: str
    targets: Span
    expected: int
    shapes: tuple[tuple[str, Shape, Source], ...]
    """The variables that hold a tensor."""
    results: tuple[tuple[Span, tuple[tuple[str, Shape], ...], int], ...]
    """What the calls written there returned: the place and the shape of each tensor, and which recorded call it was."""


class Expressions:
    """Notes of one pass; only code that is the user's own is noted, never that of an installed package."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._notes: list[tuple[_Chain, str, _Outputs | None, int, bool, Any]] = []

    def note(
        self, frame: FrameType | None, path: str, outputs: _Outputs | None, call: int = -1, function: Any = None
    ) -> None:
        """The call that the innermost frame of the user's makes has returned tensors; ``path`` is its module's.

        ``outputs`` are left out where they are those of the recorded ``call``; ``function`` is the torch function,
        where it is no call of a module.
        """
        kinds = self._kinds
        while frame is not None:
            filename = frame.f_code.co_filename
            kind = kinds.get(filename) or self._kind(filename)
            if kind == _OTHER:
                return
            if kind == _USER:
                self._notes.append((self._chain(frame), path, outputs, call, False, function))
                return
            frame = frame.f_back

    def note_failure(self, error: BaseException, path: str, call: int) -> None:
        """The pass stopped in a call that the innermost frame of the user's makes."""
        chain: list[CodeType | int] = []
        for code, offset in _raised_through(error.__traceback__):
            kind = self._kind(code.co_filename)
            if kind == _USER:
                chain += (code, offset)
            elif chain:
                break
        if chain:
            self._notes.append((tuple(chain), path, (), call, True, None))

    def calls_in(self, code: CodeType) -> Iterator[tuple[int, int]]:
        """The recorded calls that some code made, each with the instruction at which it stood."""
        return ((at, call) for at, _, call in self.results_in(code) if call >= 0)

    def results_in(self, code: CodeType) -> Iterator[tuple[int, _Outputs | None, int]]:
        """For each call that stands in some code its instruction, what it made, and which recorded call it is, if one.

        The tensors are left out where they are those of that call.
        """
        return ((chain[1], outputs, call) for chain, _, outputs, call, _, _ in self._notes if chain[0] is code)  # type: ignore[misc]

    def results(self, calls: Sequence[Call]) -> tuple[ExpressionResult, ...]:
        """What was noted in a pass that made ``calls``, the same results of an expression together."""
        found: dict[tuple[object, ...], ExpressionResult] = {}
        places: dict[tuple[int, int], CodePlace] = {}
        for chain, path, noted, index, failed, function in self._notes:
            outputs = noted if noted is not None else tuple((each.place, each.shape) for each in calls[index].outputs)
            pairs = cast("list[tuple[CodeType, int]]", list(zip(chain[::2], chain[1::2], strict=True)))
            key = (*((id(code), offset) for code, offset in pairs), path, outputs, failed, id(function))
            made_by = (index,) if index >= 0 else ()
            known = found.get(key)
            if known is not None:
                found[key] = known._replace(calls=known.calls + made_by, times=known.times + 1)
                continue
            name = name_of(function) if function is not None else ""
            where = tuple(places.get((id(code), offset)) or _place(places, code, offset) for code, offset in pairs)
            found[key] = ExpressionResult(where, path, outputs, made_by, 1, failed, name)
        return tuple(found.values())

    def _chain(self, frame: FrameType) -> _Chain:
        """The frame and those of the user's functions around it, up to the module's ``forward``."""
        kinds, around = self._kinds, frame.f_back
        found: _Chain = (frame.f_code, frame.f_lasti)
        while around is not None:
            filename = around.f_code.co_filename
            if (kinds.get(filename) or self._kind(filename)) != _USER:
                break
            found += (around.f_code, around.f_lasti)
            around = around.f_back
        return found

    def _kind(self, filename: str) -> int:
        kind = self._kinds.get(filename)
        if kind is None:
            if filename.startswith(CONVLIN) or filename == MODULE_CALL:
                kind = _PASSING_ON
            elif filename.startswith((TORCH, PYTHON, "<frozen ", "<eval_with_key")) or is_installed(filename):
                kind = _OTHER
            else:
                kind = _USER
            self._kinds[filename] = kind
        return kind


def span_at(code: CodeType, offset: int) -> Span:
    """The part of the source that an instruction was compiled from."""
    return next(islice(code.co_positions(), offset // 2, None), (None, None, None, None))


def _place(places: dict[tuple[int, int], CodePlace], code: CodeType, offset: int) -> CodePlace:
    made = CodePlace(code.co_filename, code.co_qualname, code.co_firstlineno, offset, fingerprint(code))
    places[id(code), offset] = made
    return made


def _raised_through(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    """The code that an exception came through, the innermost first."""
    found = []
    while traceback is not None:
        found.append((traceback.tb_frame.f_code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return reversed(found)
