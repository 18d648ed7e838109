"""``convlin check --comments``: what came of the shape comments, in the form that people, programs or GitHub read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convlin.cli.annotations import Annotation, answer_each, as_many_as_shown
from convlin.cli.screen import Screen
from convlin.records import Report

if TYPE_CHECKING:
    from convlin.annotate.stale import Checked


def checked_comments(reports: Sequence[Report]) -> Checked:
    """Hold the comments in the files of these models against what their lines made in any of them."""
    from convlin.annotate.holding import letters_of
    from convlin.annotate.lines import together
    from convlin.annotate.stale import check_comments

    return check_comments(together(reports), letters_of(reports))


def answer_text(checked: Checked, screen: Screen) -> None:
    """What people read."""
    screen.answer("\n".join([_head(checked), *_details(checked)]))


def answer_github(checked: Checked, screen: Screen) -> None:
    """An annotation at the line of each comment that is not true, or could not be checked."""
    notes = [Annotation(each.where, "shape comment", each.text) for each in checked.found]
    most = as_many_as_shown(notes, None, "shape comments", "convlin check --comments")
    answer_each(most, _head(checked), screen)


def as_dict(checked: Checked) -> dict[str, Any]:
    """What programs read."""
    return {
        "true": checked.true,
        "stale": [
            {**each.where._asdict(), "comment": each.comment, "why": each.why, "right": each.right}
            for each in checked.stale
        ],
        "unchecked": [{**each.where._asdict(), "comment": each.comment, "why": each.why} for each in checked.unchecked],
        "unseen": [where._asdict() for where in checked.unseen],
    }


def _head(checked: Checked) -> str:
    unseen = f", {len(checked.unseen)} on lines whose result was not seen" if checked.unseen else ""
    if checked.found:
        return f"✗ {checked.summed_up}{unseen}"
    if not checked.true:
        return f"no shape comment was checked{unseen}: convlin annotate writes them"
    return f"✓ {checked.true} shape comment{'s' * (checked.true > 1)} true{unseen}"


def _details(checked: Checked) -> list[str]:
    lines = []
    for each in checked.found:
        lines.append(f"  {each.where.text}  {each.comment}: {each.why}")
        if each.right is not None:
            lines.append(f"      fix  # {each.right}")
    return lines
