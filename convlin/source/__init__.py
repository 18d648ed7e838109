"""The line of someone's source that made a layer, and that line corrected.

Nothing is run and nothing is guessed: the code of the classes is followed as text, every call that
can have made the layer is gathered, and an answer is given only if one is left that fits the live
module.  Where the source is not to be had there is no answer.

To find a line: ``find`` walks from the model to the layer and at each step asks ``classes`` what the class
puts under a name, ``hints`` where the model itself was put together, ``rivals`` what else may have been put
there, and ``match`` what of it fits the live modules.  The code is followed by ``statements``, ``calls`` and
``expressions`` (one class in three parts), which know ``state``, the things that names may stand for
(``values``), ``constants``, the ``frames`` of the functions and ``torch_names``.

To correct one: ``sites`` has the call that made a layer, ``written`` a number that stands elsewhere, ``origins`` what
a name stands for, ``plan`` several of them, ``forward`` and ``reshape`` the lines of ``forward``.  All of them make
``edits``.  ``text`` and ``syntax`` are a file as Python reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from convlin.source.edits import apply, unified_diff
from convlin.source.sites import Argument, Site

if TYPE_CHECKING:
    from torch import nn

    from convlin.source.hints import Hint

__all__ = [
    "Argument",
    "Site",
    "apply",
    "locate",
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
