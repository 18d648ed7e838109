"""What is different between two summaries, or between a summary and a lock, as text, HTML and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from html import escape

from convlin.checks.lock_diff import Change, changes, told
from convlin.checks.lock_file import Lock, lock_of, read_lock
from convlin.records import Report

_HEADS = ("Change", "Layer", "Before", "After")


class Difference(tuple[Change, ...]):
    """Everything that is different, in the order of the calls; empty, and false, where nothing is.

    A layer put into a ``Sequential`` is one layer added and others renamed, not a change of every row behind it.
    """

    title: str
    """The models that are compared."""

    @classmethod
    def between(cls, before: Lock, after: Lock) -> Difference:
        """What is different in ``after``."""
        made = cls(changes(before, after))
        made.title = before.model if before.model == after.model else f"{before.model} and {after.model}"
        return made

    def __str__(self) -> str:
        if not self:
            return f"{self.title}: no difference"
        return f"{self.title}: {told(self, _HEADS)}"

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
        names = ("kind", "path", "label", "before", "after")
        records = [dict(zip(names, each, strict=True)) for each in self]
        return json.dumps(records, ensure_ascii=False, indent=indent)


def difference(before: Report, after: Report | str | os.PathLike[str]) -> Difference:
    """What is different in ``after``, a report or the path of a lock.

    Raises:
        InputError: no pass was run, or the file is no lock.
    """
    return Difference.between(lock_of(before), lock_of(after) if isinstance(after, Report) else read_lock(after))


def of_locks(
    before: str | os.PathLike[str], after: str | os.PathLike[str], again: Callable[[str | os.PathLike[str]], str]
) -> Difference:
    """What is different between two locks; ``again`` says what to write in order to make one that is not there."""
    return Difference.between(read_lock(before, again(before)), read_lock(after, again(after)))
