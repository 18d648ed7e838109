"""Locks: the shapes of every call in a small text file, made to be read in a pull request's diff.

One line per call, in the order of completion, nothing aligned, so that a change of one call is a
change of one line::

    # convlin lock, format 1
    # model CNN, eval
    # input 1x3x32x32 float32
    conv1  Conv2d  1x3x32x32 -> 1x16x32x32  params 432
    .  (torch.flatten)  1x16x32x32 -> 1x16384
    fc  Linear  1x16384 -> 1x10  params 163850
    .  CNN  1x3x32x32 -> 1x10
    # total params 164282

``.`` is the model itself, and a name in parentheses a function that it calls between its modules.
A name with blanks or quotes in it is written as a JSON string, a size with letters in parentheses
as a formula.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convlin._util.atomic_write import write_bytes
from convlin._util.paths import shown
from convlin.errors import InputError
from convlin.records import Call, Report, Shape, Size, TensorInfo
from convlin.sizes.prove import spelled

FORMAT = 1

_SIGN = "# convlin lock, format "
_FIRST_LINE = re.compile(rf"{_SIGN}(\d+)")
_PLAIN = re.compile(r"[^\s\"#(][^\s\"]*")
_WORD, _SHAPES = r'(\(?"(?:[^"\\]|\\.)*"\)?|[^\s"]+)', r"((?:\S+, )*\S+)"
_CALL = re.compile(rf"{_WORD}  {_WORD}  {_SHAPES} -> {_SHAPES}(?:  params (\d+))?")
_CONFLICT = re.compile(r"<{7} |={7}\s*$|>{7} |\|{7} ")


@dataclass(frozen=True, slots=True)
class Line:
    """One call as a lock keeps it."""

    path: str
    type: str
    is_function: bool
    inputs: str
    outputs: str
    params: int

    @property
    def label(self) -> str:
        """The call's name for a person."""
        return f"{self.path or '.'} ({self.type})" if self.is_function else self.path or "."


@dataclass(frozen=True, slots=True)
class Lock:
    """The content of one lock."""

    model: str
    mode: str
    inputs: tuple[str, ...]
    lines: tuple[Line, ...]
    total: int


def lock_of(report: Report) -> Lock:
    """What a lock of ``report`` holds."""
    if not report.mode:
        raise InputError("a lock holds shapes: give summarize an input, as in summarize(model, (3, 32, 32))")
    inputs = tuple(f"{_place(info)}{_shape(info.shape)} {info.dtype}" for info in report.inputs)
    return Lock(report.model, report.mode, inputs, tuple(map(_line, report.calls)), report.total_params)


def write_lock(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the lock of ``report`` to ``path``; its directory must be there.

    Raises:
        InputError: there is no such directory, or another file than a lock stands there.
        OSError: the file cannot be written.
    """
    _check_path(path)
    if not Path(path).parent.is_dir():
        raise InputError(f"there is no directory {shown(Path(path).parent)} to write the lock to: make it first")
    if _is_another_file(Path(path)):
        raise InputError(f"{shown(path)} is not a convlin lock, and is left as it is: write the lock to another file")
    write_bytes(path, text_of(lock_of(report)).encode())


def _is_another_file(path: Path) -> bool:
    """Whether something else stands there: a damaged lock still says somewhere that it is one."""
    text = path.read_bytes() if path.is_file() else b""
    return bool(text.strip()) and _SIGN.encode() not in text


def _check_path(path: object) -> None:
    if isinstance(path, Mapping):
        raise InputError("a lock is a file: shapes are compared with s.assert_shapes({...})")
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{path!r} is not the path of a lock: write a file name such as 'net.shapes'")


def text_of(lock: Lock) -> str:
    """The text of a lock."""
    lines = [f"# convlin lock, format {FORMAT}", f"# model {_quoted(lock.model)}, {lock.mode}"]
    lines += [f"# input {given}" for given in lock.inputs]
    for line in lock.lines:
        kind = f"({_quoted(line.type)})" if line.is_function else _quoted(line.type)
        params = f"  params {line.params}" if line.params else ""
        path = _quoted(line.path) if line.path else "."
        lines.append(f"{path}  {kind}  {line.inputs} -> {line.outputs}{params}")
    lines.append(f"# total params {lock.total}")
    return "\n".join(lines) + "\n"


def read_lock(path: str | os.PathLike[str], again: str = "") -> Lock:
    """The lock at ``path``, or an ``InputError`` that says what is wrong with the file.

    ``again`` is what to write in order to make it.
    """
    _check_path(path)
    write = again or f"s.lock({str(path)!r})"
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no lock {shown(path)}: write it with {write}") from None
    except UnicodeDecodeError:
        raise InputError(f"{shown(path)} is not a convlin lock: it is not text") from None
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
    return parse(text, shown(path), write)


def parse(text: str, name: str, again: str) -> Lock:
    """The lock that ``text`` holds; ``name`` is the file's name for the errors, ``again`` what writes it anew."""
    if not text.strip():
        raise InputError(f"{name} is empty: write the lock again with {again}")
    rows = text.splitlines()
    conflict = next((number for number, row in enumerate(rows, 1) if _CONFLICT.match(row)), None)
    if conflict is not None and _SIGN in text:
        raise _damaged(name, conflict, "a merge conflict was left in it", again)
    first = _FIRST_LINE.fullmatch(rows[0].strip()) if rows else None
    if first is None:
        raise InputError(f'{name} is not a convlin lock: its first line is not "{_SIGN}{FORMAT}"')
    if int(first[1]) != FORMAT:
        raise InputError(
            f"{name} has format {first[1]}, and this convlin reads format {FORMAT}: "
            f"use the convlin that wrote it, or write the lock again with {again}"
        )
    return _Reader(rows, name, again).lock()


def _damaged(name: str, number: int, why: str, again: str) -> InputError:
    return InputError(f"{name} is damaged at line {number}: {why}. Write the lock again with {again}")


class _Reader:
    """Takes the rows of a lock one by one and remembers which one it is at."""

    def __init__(self, rows: list[str], name: str, again: str) -> None:
        self._rows = [(number, row.rstrip()) for number, row in enumerate(rows, 1)][1:]
        self._name = name
        self._again = again

    def lock(self) -> Lock:
        rows = [(number, row) for number, row in self._rows if row]
        model, mode = self._model(*rows.pop(0)) if rows else ("", "")
        if not model:
            raise self._damaged(2, "the model is missing")
        inputs: list[str] = []
        while rows and rows[0][1].startswith("# input "):
            number, row = rows.pop(0)
            if not re.fullmatch(r"# input (?:\S.* )?\S+ \w+", row):
                raise self._damaged(number, f"{row!r} is not a valid input")
            inputs.append(row.removeprefix("# input "))
        total = re.fullmatch(r"# total params (\d+)", rows[-1][1]) if rows else None
        if total is None:
            raise self._damaged(len(self._rows) + 1, "its end is missing")
        lines = tuple(self._line(number, row) for number, row in rows[:-1])
        return Lock(model, mode, tuple(inputs), lines, int(total[1]))

    def _model(self, number: int, row: str) -> tuple[str, str]:
        name, comma, mode = row.removeprefix("# model ").rpartition(", ")
        if not row.startswith("# model ") or not comma or not mode:
            raise self._damaged(number, f"{row!r} does not name the model")
        return self._unquoted(number, name), mode

    def _line(self, number: int, row: str) -> Line:
        call = _CALL.fullmatch(row)
        if call is None:
            raise self._damaged(number, f"{row!r} is not a valid call")
        path, kind, inputs, outputs, params = call.groups()
        is_function = kind.startswith("(") and kind.endswith(")")
        return Line(
            "" if path == "." else self._unquoted(number, path),
            self._unquoted(number, kind[1:-1] if is_function else kind),
            is_function,
            inputs,
            outputs,
            int(params or 0),
        )

    def _unquoted(self, number: int, word: str) -> str:
        if not word.startswith('"'):
            return word
        try:
            return str(json.loads(word))
        except ValueError:
            raise self._damaged(number, f"{word} is not a valid name") from None

    def _damaged(self, number: int, why: str) -> InputError:
        return _damaged(self._name, number, why, self._again)


def _line(call: Call) -> Line:
    return Line(
        call.path, call.type, call.is_function, _shapes(call.input_shapes), _shapes(call.output_shapes), call.params
    )


def _place(info: TensorInfo) -> str:
    return f"{_quoted(info.place)} " if info.place else ""


def _quoted(name: str) -> str:
    """A name as one word: as it is, or as a JSON string."""
    return name if _PLAIN.fullmatch(name) and name.isprintable() and name != "." else json.dumps(name)


def _shapes(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(map(_shape, shapes)) or "none"


def _shape(shape: Shape) -> str:
    return "x".join(map(_size, shape)) or "scalar"


def _size(size: Size) -> str:
    if isinstance(size, int):
        return "?" if size == -1 else str(size)
    text = spelled(size).replace(" ", "")
    return text if text.isalnum() and "x" not in text else f"({text})"
