"""The line of someone's source that made a layer, and that line corrected.

Nothing is run and nothing is guessed: the code of the classes is followed as text, every call that
can have made the layer is gathered, and an answer is given only if one is left that fits the live
module.  Where the source is not to be had there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from convlin.records import Location
from convlin.source.rewrite import Argument, Edit, Site, apply, line_text, unified_diff

if TYPE_CHECKING:
    from torch import nn

    from convlin.source.hints import Hint
    from convlin.source.plan import Plan

__all__ = [
    "Argument",
    "Edit",
    "Site",
    "apply",
    "corrected_reshape",
    "line_text",
    "locate",
    "plan",
    "reshape_edit",
    "unified_diff",
]


def locate(root: nn.Module, path: str, hints: Iterable[Hint] = ()) -> Site | None:
    """Find the call that made the module at ``path``; None where that cannot be told.

    A model that is a bare ``nn.Sequential`` has no source of its own; ``hints`` (a file, a module,
    a function that returns the model, the frame that holds it) say where else to look.

    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(999, 10)  # ten classes
    >>> locate(Net(), "fc").rewrite({"in_features": "2048"})
    'self.fc = nn.Linear(2048, 10)  # ten classes'
    """
    from convlin.source.find import Finder

    return Finder(root, hints).site(path)


def plan(root: nn.Module, wanted: Mapping[str, Mapping[str, str]], hints: Iterable[Hint] = ()) -> Plan:
    """Find the edits that give some layers other arguments, as ``{"fc1": {"in_features": "2048"}}``.

    Only edits that are beyond doubt and that change no layer beside the ones named; the plan says
    for each of the others why it is left alone.
    """
    from convlin.source.plan import plan as make

    return make(root, wanted, hints)


def corrected_reshape(
    where: Location, *, keep_sizes: bool = False, size: str | None = None, axis: int = -1
) -> str | None:
    """The lines of the one ``view`` or ``reshape`` there, made a flatten that keeps the batch.

    With ``keep_sizes`` it becomes a ``reshape`` to the same sizes, which may cross strides; with
    ``size`` only one of its sizes is changed, the last or that of ``axis``.  None where it cannot be
    told which call is meant.
    """
    from convlin.source import reshape

    return reshape.corrected_reshape(where, keep_sizes=keep_sizes, size=size, axis=axis)


def reshape_edit(where: Location, *, keep_sizes: bool = False, size: str | None = None, axis: int = -1) -> Edit | None:
    """The same correction as an edit of the file; None as above, and for a text that is no file."""
    from convlin.source import reshape

    return reshape.reshape_edit(where, keep_sizes=keep_sizes, size=size, axis=axis)
