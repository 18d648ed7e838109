"""What a message says to write in a call, spelled for who asks: in Python, unless the command line is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Sizes: TypeAlias = "Sequence[int | str]"
Inputs: TypeAlias = "Sequence[Sizes] | Mapping[str, Sizes]"
"""The shapes of the inputs, in order or by name, each without the batch."""


class CallSpelling:
    """A call of ``summarize`` and its options, in Python."""

    def call(self, inputs: Inputs, batch_size: int | str | None = None, *, tensor: Sizes | None = None) -> str:
        """The call with these inputs, and with a batch where that is to be said; ``tensor`` is another way to say it.

        >>> CallSpelling().call([(3, "H", "W")]), CallSpelling().call({"x": (5,)}, 8)
        ('summarize(model, (3, "H", "W"))', 'summarize(model, {"x": (5,)}, batch_size=8)')
        """
        batch = "" if batch_size is None else f", {self.option('batch_size', batch_size)}"
        as_tensor = "" if tensor is None else f" or summarize(model, torch.zeros{_shape(tensor)})"
        return f"summarize(model, {in_python(inputs)}{batch}){as_tensor}"

    def option(self, name: str, value: object = "") -> str:
        """An option with its value: ``device="meta"``; without one, its name alone."""
        return f"{name}={_quoted(value) if value != '' else value}"

    def dtypes(self, names: Sequence[str] | Mapping[str, str]) -> str:
        """The option that gives the inputs these dtypes (``long``), in order or by name."""
        if isinstance(names, Mapping):
            return f"dtypes={_dict({name: f'torch.{dtype}' for name, dtype in names.items()})}"
        listed = ", ".join(f"torch.{dtype}" for dtype in names)
        return f"dtypes={listed}" if len(names) == 1 else f"dtypes=[{listed}]"

    def off_meta(self, made_there: str) -> str:
        """What to do for a device with values; ``made_there`` is said of a model that was made on the meta device."""
        return made_there or f"leave out {self.option('device', 'meta')}"

    def more(self, name: str, value: object) -> str:
        """The same call with another value of one option."""
        return f"summarize(..., {self.option(name, value)})"


class OfNumFlatFeatures(CallSpelling):
    """A call of ``num_flat_features``, which has no batch size, instead."""

    def call(self, inputs: Inputs, batch_size: int | str | None = None, *, tensor: Sizes | None = None) -> str:
        return f"num_flat_features(module, {in_python(inputs)})"


_IN_PYTHON = CallSpelling()
_current: ContextVar[CallSpelling] = ContextVar("convlin_call_spelling", default=_IN_PYTHON)


def call_spelling() -> CallSpelling:
    """How what is to be written is spelled now."""
    return _current.get()


@contextmanager
def spelling_calls(spelling: CallSpelling) -> Iterator[None]:
    """In this block, messages spell calls so."""
    token = _current.set(spelling)
    try:
        yield
    finally:
        _current.reset(token)


def in_python(inputs: Inputs) -> str:
    """The inputs as the second argument of ``summarize``."""
    if isinstance(inputs, Mapping):
        return _dict({name: _shape(sizes) for name, sizes in inputs.items()})
    shapes = ", ".join(map(_shape, inputs))
    return shapes if len(inputs) == 1 else f"[{shapes}]"


def _dict(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}"


def _shape(sizes: Sizes) -> str:
    written = list(map(_quoted, sizes))
    return f"({', '.join(written)}{',' if len(written) == 1 else ''})"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
