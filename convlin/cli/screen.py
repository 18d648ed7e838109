"""The two streams of the command line: what goes where, in color or not, and the sign of life."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from convlin._util.atomic_write import write_bytes
from convlin._util.paths import shown
from convlin.errors import InputError
from convlin.render.options import LEAST_WIDTH

if TYPE_CHECKING:
    from convlin.annotate.listing import Listing

_PATIENCE = 1.0
_RED, _GREEN, _CYAN, _BOLD, _DIM, _PLAIN = "\033[31m", "\033[32m", "\033[36m", "\033[1m", "\033[2m", "\033[0m"


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def may_write(files: Iterable[str], screen: Screen) -> bool:
    """Whether all of these files may be written to; said where one may not."""
    locked = next((name for name in files if not os.access(name, os.W_OK)), None)
    if locked is not None:
        screen.say(f"nothing is changed: {shown(locked)} may not be written to")
    return locked is None


@contextmanager
def writing() -> Iterator[None]:
    """A file that cannot be written is no mistake of convlin's, and no traceback."""
    try:
        yield
    except OSError as error:
        path = error.filename
        if isinstance(error, FileNotFoundError) and path is not None and not Path(path).parent.is_dir():
            folder = shown(Path(path).parent)
            raise InputError(f"there is no directory {folder} to write {Path(path).name} to: make it first") from None
        where = "the file" if path is None else shown(path)
        raise InputError(f"{where} cannot be written: {error.strerror}") from None


class _CannotWriteError(InputError):
    """A stream cannot be written."""


def discard_the_rest(stream: TextIO) -> None:
    """Send what a stream still holds to nowhere: Python must not try to write it at its end."""
    with suppress(OSError, ValueError):  # it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write(files: Mapping[str, bytes]) -> None:
    """Write each file, whole or not at all."""
    with writing():
        for name, data in files.items():
            write_bytes(name, data)


class Screen:
    """Standard output for answers, standard error for everything else."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        # A stream that was closed before the start (``>&-``) is None: Python's own print drops what goes there.
        self.stdout = stdout or sys.stdout or io.StringIO()
        self.stderr = stderr or sys.stderr or io.StringIO()

    def answer(self, text: str, *, is_table: bool = True) -> None:
        """Write ``text`` and a line end to standard output; a table in color, where that is wanted."""
        if is_table and _wants_color(self.stdout):
            text = painted(text)
        self._write(self.stdout, text)

    def answer_code(self, listing: Listing) -> None:
        """Write a listing to standard output; its shapes stand apart from the code in color, where that is wanted."""
        if not _wants_color(self.stdout):
            self.answer(str(listing))
            return
        from convlin.annotate.listing import Part

        colors = {Part.HEAD: _BOLD, Part.NUMBER: _DIM, Part.SHAPES: _CYAN, Part.WRONG: _RED}
        painted_parts = (_in_color(text, colors.get(part)) for part, text in listing.parts)
        self.answer("".join(painted_parts), is_table=False)

    def width(self) -> int | None:
        """How many signs a line of the terminal has room for, within reason; None without a terminal."""
        if not _is_terminal(self.stdout):
            return None
        return max(shutil.get_terminal_size().columns, LEAST_WIDTH)

    def say(self, text: str) -> None:
        """Write ``text`` and a line end to standard error; where that cannot be written, nobody is to be told."""
        with suppress(_CannotWriteError):
            self._write(self.stderr, text)

    def save(self, text: str, path: str) -> None:
        """Write ``text`` to a file, whole or not at all."""
        with writing():
            write_bytes(path, _ended(text).encode())

    def _write(self, stream: TextIO, text: str) -> None:
        text = _ended(text)
        try:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                from convlin.render.words import ascii_only

                stream.write(ascii_only(text))
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:  # a full device, say
            discard_the_rest(stream)
            raise _CannotWriteError(f"the output cannot be written: {error.strerror}") from None

    @contextmanager
    def progress(self, what: str) -> Iterator[None]:
        """Show ``what`` and the seconds it takes, on a terminal, once the block has run for a while."""
        if not _is_terminal(self.stderr):
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._tick, args=(what, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _tick(self, what: str, done: threading.Event) -> None:
        begun = time.monotonic()
        line = ""
        pause = _PATIENCE
        while not done.wait(pause):
            pause = 0.5
            line = f"{what}: {time.monotonic() - begun:.0f} s"
            with suppress(OSError, ValueError):
                self.stderr.write(f"\r{line}")
                self.stderr.flush()
        if line:
            with suppress(OSError, ValueError):
                self.stderr.write(f"\r{' ' * len(line)}\r")
                self.stderr.flush()


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def _wants_color(stream: TextIO) -> bool:
    """On a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and _is_terminal(stream)


def painted(text: str) -> str:
    """The same text with what is wrong in red, what fixes it in green, heads in bold."""
    return "\n".join(_painted(line) for line in text.split("\n"))


def _in_color(text: str, color: str | None) -> str:
    """A stretch of text; the line ends around it stay outside of the color."""
    bare = text.strip("\n")
    return text if color is None or not bare else text.replace(bare, f"{color}{bare}{_PLAIN}")


#: How a line begins, or what stands in it, and its color: the first that is there.
_COLORS = (
    (r"--- |\+\+\+ ", _BOLD),
    (r"@@", _CYAN),
    (r"[+✓]| +fix  ", _GREEN),
    (r"-|.*✗( |$)", _RED),
)


def _painted(line: str) -> str:
    return _in_color(line, next((color for pattern, color in _COLORS if re.match(pattern, line)), None))
