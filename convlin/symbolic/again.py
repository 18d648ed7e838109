"""What a pass calls again and again: where there is nothing of that, ``forward`` has no loop along a size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from types import FrameType

from torch import nn

from convlin.records import Call

#: What is called so often by one line of one module has a loop around it, or one in a function that it calls.
_AGAIN = 4


class Again:
    """Counts the calls of functions and modules by the line and the module that make them."""

    def __init__(self) -> None:
        self._calls: Counter[Hashable] = Counter()

    @property
    def count(self) -> int:
        """How many calls there were of those that were made several times."""
        return sum(times for times in self._calls.values() if times >= _AGAIN)

    def note_function(self, called_in: FrameType) -> None:
        """A function was called in this frame; the innermost module counts: each of a Sequential is one by itself."""
        frame: FrameType | None = called_in
        while frame is not None:
            code = frame.f_code
            if code.co_argcount and code.co_varnames[0] == "self":
                module = frame.f_locals.get("self")
                if isinstance(module, nn.Module):
                    self._calls[code, frame.f_lasti, id(module)] += 1
                    return
            frame = frame.f_back

    def note_modules(self, calls: Sequence[Call]) -> None:
        """What a pass recorded: the functions inside PyTorch's own layers are seen by nobody."""
        self._calls.update(call.path for call in calls if not call.is_function)
