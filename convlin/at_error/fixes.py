"""A mistake in words, with the line that made the layer and what to write there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def mistake(name: str, lines: Iterable[str]) -> str:
    """What is wrong with one thing, the lines behind the first one indented."""
    first, *rest = lines
    return "\n".join([f"✗ {name}: {first}", *(f"    {line}" for line in rest)])


def layer_fix(root: nn.Module, path: str, changes: Mapping[str, str], hints: tuple[FrameType, ...]) -> str:
    """The line that made a layer with these arguments in it; the arguments alone where no line is certain."""
    from convlin.source import locate

    plain = f"fix  {', '.join(f'{name}={value}' for name, value in changes.items())}"
    site = locate(root, path, hints)
    if site is None or not site.certain or site.makes_others(changes):
        return plain
    given = next((each.origin for each in site.arguments if each.name in changes and each.origin is not None), None)
    if given is not None and site.written(changes) is None:  # it stands elsewhere, and may be used elsewhere
        return f"{plain} (given at {given.text})"
    line = site.rewrite(changes)
    return plain if line is None else f"fix  {site.line(changes).text}   {line}"
