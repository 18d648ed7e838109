"""A line of source with one number in it changed and everything else kept.

Edits are stretches of a file's text and what to write there; ``apply`` makes the bytes of the
changed files from them and writes nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from convlin._util.packages import is_installed
from convlin.records import Edit, Location
from convlin.source.text import SourceText, indexed, read


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call, as written."""

    name: str | None
    """The parameter; None where that cannot be told."""
    start: int
    end: int
    is_literal: bool = True
    """Plain numbers, not a variable or a call that other code may use as well."""
    is_star: bool = False
    origin: Location | None = None
    """Where the number is written, when the argument is a name for it."""


class Rewrite(NamedTuple):
    """Lines of source as they should be, and the edits that make them so."""

    text: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """The call in someone's source that made a layer."""

    location: Location
    """The line on which the call starts."""
    start: int
    """Where the call starts, in characters of the file's text."""
    end: int
    statement: tuple[int, int]
    """First and last line of the statement that the call is part of."""
    callee: str
    """What is called, as written: ``nn.Linear``."""
    certain: bool
    """Exactly one call can have made the layer, and it is this one."""
    repeated: bool
    """The call ran more than once (a loop, a class with several instances), so a change here
    changes other layers too."""
    is_plain: bool
    """A class of PyTorch's own is called, whose arguments mean what they say."""
    source: SourceText = field(repr=False)
    arguments: tuple[Argument, ...] = field(default=(), repr=False)
    accepts: frozenset[str] | None = field(default=None, repr=False)
    """Names that may be added to the call; None if that is not known."""

    @property
    def call(self) -> str:
        """The call as written."""
        return self.source.text[self.start : self.end]

    @property
    def position(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the call starts and ends: line counted from 1, column in characters from 0."""
        first, last = self.source.line(self.start), self.source.line(self.end)
        return (first, self.start - self.source.starts[first - 1]), (last, self.end - self.source.starts[last - 1])

    @property
    def is_editable(self) -> bool:
        """The call stands in a file of the user's, not in an installed package or a notebook cell."""
        return is_editable(self.source)

    def is_beside(self, other: Site) -> bool:
        """Whether the call stands on the lines of another one, and not inside it."""
        if self.source is not other.source:
            return False
        lines = range(self.source.line(other.start), self.source.line(other.end) + 1)
        apart = self.end <= other.start or other.end <= self.start
        return apart and self.source.line(self.start) in lines and self.source.line(self.end) in lines

    def rewrite(self, changes: Mapping[str, str], beside: Iterable[tuple[Site, Mapping[str, str]]] = ()) -> str | None:
        """The lines of the call with some arguments changed; None where that cannot be done.

        ``beside`` are other calls on these lines (``is_beside``), and what to change in them.
        """
        edits = self.edit(changes)
        others = [edit for other, wanted in beside for edit in other.edit(wanted) or ()]
        return None if edits is None else rewritten(self.source, self.start, self.end, [*edits, *others])

    def edit(self, changes: Mapping[str, str]) -> tuple[Edit, ...] | None:
        """The same change as edits of the file, one for each argument; None where that cannot be done."""
        edits: list[Edit] = []
        missing: dict[str, str] = {}
        for name, new in changes.items():
            written = [argument for argument in self.arguments if argument.name == name]
            if written:
                edits.append(self._replacement(written[0], new))
            else:
                missing[name] = new
        if missing:
            if any(argument.is_star for argument in self.arguments) or not self._takes(missing):
                return None
            start, new = _appended(self.source, self.start, self.end, missing)
            why_not = self._doubt()
            edits.append(Edit(self.source.name, start, start, "", new, not why_not, why_not))
        return tuple(edits)

    def _takes(self, names: Iterable[str]) -> bool:
        return self.accepts is not None and self.accepts.issuperset(names)

    def _replacement(self, argument: Argument, new: str) -> Edit:
        old = self.source.text[argument.start : argument.end]
        why_not = self._doubt()
        if not why_not and not argument.is_literal:
            why_not = f"{' '.join(old.split())} may be used elsewhere too"
        return Edit(self.source.name, argument.start, argument.end, old, new, not why_not, why_not)

    @property
    def doubt(self) -> str:
        """Why a change of what is called might not do what it should; empty where it does."""
        if not self.certain:
            return "another line may have made this layer"
        return "this line makes more than one layer" if self.repeated else ""

    def _doubt(self) -> str:
        if self.doubt:
            return self.doubt
        if not self.is_plain:
            return f"what {self.callee} does with its arguments is not known"
        return not_to_be_written(self.source)


def apply(edits: Iterable[Edit]) -> dict[str, bytes]:
    """The new bytes of every file that some edits change; nothing is written.

    Raises ``ValueError`` if a file is not what it was when the edits were made, or if edits overlap.
    """
    return {name: text.encode(source.encoding or "utf-8") for name, source, text in _changed(edits)}


def unified_diff(edits: Iterable[Edit], *, base: str | Path | None = None) -> str:
    """The edits as a patch, with file names relative to ``base`` where they lie in it."""
    return "".join(line for name, source, text in _changed(edits) for line in _diff(name, source.text, text, base))


def is_editable(source: SourceText) -> bool:
    """A file of the user's, not one of an installed package and not a notebook cell."""
    return not not_to_be_written(source)


def not_to_be_written(source: SourceText) -> str:
    """Why a source is not to be changed; empty for a file of the user's."""
    if not source.on_disk:
        return "this code stands in no file"
    return "this file is not the user's own" if _is_installed(Path(source.name)) else ""


def edited(source: SourceText, start: int, end: int, new: str) -> Edit:
    """Another text in the place of a stretch; in doubt only where the source is not to be changed."""
    why_not = not_to_be_written(source)
    return Edit(source.name, start, end, source.text[start:end], new, not why_not, why_not)


def line_text(location: Location) -> str | None:
    """The text of a line of source, without indentation; None where there is none."""
    source = read(location.file)
    if source is None or not 1 <= location.line <= len(source.starts):
        return None
    start, end = source.lines(location.line, location.line)
    return source.text[start:end].strip() or None


def _changed(edits: Iterable[Edit]) -> Iterator[tuple[str, SourceText, str]]:
    by_file: dict[str, set[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file, set()).add(edit)
    for name, found in by_file.items():
        source = read(name)
        if source is None or not source.on_disk:
            raise ValueError(f"{name} cannot be read")
        yield name, source, _spliced(source, found)


def _spliced(source: SourceText, edits: Iterable[Edit]) -> str:
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < done:
            raise ValueError(f"two edits of {edit.file} overlap")
        if source.text[edit.start : edit.end] != edit.old:
            raise ValueError(f"{edit.file} has changed since it was read")
        pieces += [source.text[done : edit.start], edit.new]
        done = edit.end
    return "".join([*pieces, source.text[done:]])


def rewrite(source: SourceText, start: int, end: int, *edits: Edit) -> Rewrite:
    """The lines that a stretch of text stands on, and the edits inside of it that were made."""
    return Rewrite(rewritten(source, start, end, edits), edits)


def rewritten(source: SourceText, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The lines that a stretch of text stands on, with edits inside of it, indented as little as can be."""
    import textwrap

    first, last = source.lines(source.line(start), source.line(end))
    edits = sorted(edits, key=lambda edit: (edit.start, edit.end))
    pieces: list[str] = []
    done = first
    for edit in edits:
        pieces += [source.text[done : edit.start], edit.new]
        done = edit.end
    lines = re.split(r"\r\n|\r|\n", "".join([*pieces, source.text[done:last]]))
    return textwrap.dedent("\n".join(lines)).strip()


def _appended(source: SourceText, start: int, end: int, missing: Mapping[str, str]) -> tuple[int, str]:
    """Where in a call to add keywords, and the text to add."""
    added = ", ".join(f"{name}={value}" for name, value in missing.items())
    last, place = _last_token(source.text[start:end])
    place += start
    if last == "(":
        return place, added
    if last != ",":
        return place, f", {added}"
    if not re.search(r"[\r\n]", source.text[place:end]):
        return place, f" {added}"
    # The arguments stand on lines of their own, each with a comma: so does the new one.
    first, stop = source.lines(source.line(place), source.line(place))
    indent = re.match(r"[ \t]*", source.text[first:stop])
    return stop, f"{source.newline}{indent.group() if indent else ''}{added},"


def _last_token(call: str) -> tuple[str, int]:
    """What stands before the closing parenthesis of a call, comments left out, and where it ends."""
    import tokenize

    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = iter(re.split(r"\r\n|\r|\n", call))
    tokens = tokenize.generate_tokens(lambda: f"{line}\n" if (line := next(lines, None)) is not None else "")
    token = [token for token in tokens if token.type not in skipped][-2]
    row, column = token.end
    return token.string, indexed("", call, None).starts[row - 1] + column


def _diff(name: str, old: str, new: str, base: str | Path | None) -> Iterator[str]:
    import difflib

    shown = _relative(name, base)
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{shown}", f"b/{shown}")
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    # A patch counts lines by \n alone.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _relative(name: str, base: str | Path | None) -> str:
    path = Path(name).absolute()
    try:
        return path.relative_to(Path(base or ".").absolute()).as_posix()
    except ValueError:
        return path.as_posix().lstrip("/")


def _is_installed(path: Path) -> bool:
    import sysconfig

    known = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return is_installed(str(path.absolute())) or any(path.absolute().is_relative_to(each) for each in known)
