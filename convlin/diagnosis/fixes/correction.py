"""A line to change, and what to write there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from convlin.records import Edit, Location
from convlin.trace.recording import Finding

if TYPE_CHECKING:
    from convlin.source.edits import Rewrite


class Correction(NamedTuple):
    """The line to change and what to write there, as far as both are known."""

    where: Location | None
    text: str | None
    edits: tuple[Edit, ...] = ()
    """The same as edits of the user's files, where they are beyond doubt."""
    unfixed: str = ""
    """Why there are none."""
    told: str = ""
    """What else is to be said: another layer asks for another number there."""


def corrected(where: Location | None, rewrite: Rewrite | None, advice: str | None) -> Correction:
    """The rewritten lines, or the advice where there are none; the edits only if all are beyond doubt."""
    if rewrite is None:
        return Correction(where, advice)
    doubt = next((edit.remark for edit in rewrite.edits if not edit.certain), "")
    return Correction(where, rewrite.text, () if doubt else rewrite.edits, doubt)


def edits_behind_argument(finding: Finding, behind: str, after: str = "") -> tuple[Edit, ...]:
    """What to write behind the argument of a layer, and behind its call; none where it is open where that stands."""
    from convlin.source.forward import argument_edits  # reads source: only where something is wrong

    return () if finding.where is None else argument_edits(finding.where, finding.called_name, behind, after)
