"""What is different between two summaries, or between a summary and a lock, as text, HTML and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import overload

from convlin.checks.lock_diff import Change, changes, told
from convlin.checks.lock_file import Lock, lock_of, read_lock
from convlin.records import Report

_HEADS = ("Change", "Layer", "Before", "After")


class Difference(Sequence[Change]):
    """Everything that is different, in the order of the calls; empty, and false, where nothing is.

    A layer put into a ``Sequential`` is one layer added and others renamed, not a change of every row behind it.
    """

    def __init__(self, before: Lock, after: Lock) -> None:
        self._names = before.model, after.model
        self._changes = tuple(changes(before, after))

    @overload
    def __getitem__(self, index: int) -> Change: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Change, ...]: ...

    def __getitem__(self, index: int | slice) -> Change | tuple[Change, ...]:
        return self._changes[index]

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Difference) and self._changes == other._changes

    def __hash__(self) -> int:
        return hash(self._changes)

    def __str__(self) -> str:
        if not self:
            return f"{self._title()}: no difference"
        return f"{self._title()}: {told(self._changes, _HEADS)}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """A ``div`` with one row for each change."""
        from convlin.render.html_style import STYLE

        head = escape(str(self).partition("\n")[0])
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in (each.kind, each.label, each.before, each.now))}</tr>"
            for each in self
        )
        names = "".join(f"<th>{name}</th>" for name in _HEADS)
        table = f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>'
        return f'<div class="convlin"><style>{STYLE}</style><p class="head">{head}</p>{table if self else ""}</div>\n'

    def to_json(self, *, indent: int | None = None) -> str:
        """A list with an object for each change: ``kind``, ``path``, ``label``, ``before``, ``after``."""
        records = [
            {
                "kind": each.kind,
                "path": each.path,
                "label": each.label,
                "before": each.before,
                "after": each.now,
            }
            for each in self
        ]
        return json.dumps(records, ensure_ascii=False, indent=indent)

    def _title(self) -> str:
        before, after = self._names
        return before if before == after else f"{before} and {after}"


def difference(before: Report, after: Report | str | os.PathLike[str]) -> Difference:
    """What is different in ``after``, a report or the path of a lock.

    Raises:
        InputError: no pass was run, or the file is no lock.
    """
    return Difference(lock_of(before), lock_of(after) if isinstance(after, Report) else read_lock(after))


def of_locks(
    before: str | os.PathLike[str], after: str | os.PathLike[str], again: Callable[[str | os.PathLike[str]], str]
) -> Difference:
    """What is different between two locks; ``again`` says what to write in order to make one that is not there."""
    return Difference(read_lock(before, again(before)), read_lock(after, again(after)))
