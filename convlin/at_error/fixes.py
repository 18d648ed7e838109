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
    return layer_fixes(root, {path: changes}, hints)[0]


def layer_fixes(
    root: nn.Module, changes: Mapping[str, Mapping[str, str]], hints: tuple[FrameType, ...]
) -> tuple[str, ...]:
    """The same for several layers, by path: a line that made two of them has the arguments of both."""
    from convlin.source import locate

    sites = {path: locate(root, path, hints) for path in changes}
    told: dict[str, None] = {}
    for path, wanted in changes.items():
        plain = f"fix  {', '.join(f'{name}={value}' for name, value in wanted.items())}"
        site = sites[path]
        if site is None or not site.certain or site.makes_others(wanted):
            told[plain] = None
            continue
        given = next((each.origin for each in site.arguments if each.name in wanted and each.origin is not None), None)
        if given is not None and site.written(wanted) is None:  # it stands elsewhere, and may be used elsewhere
            told[f"{plain} (given at {given.text})"] = None
            continue
        beside = [
            (other, changes[name])
            for name, other in sites.items()
            if name != path and other is not None and other.certain and not other.makes_others(changes[name])
            if other.span(changes[name]).is_beside(site.span(wanted))
        ]
        line = site.rewrite(wanted, beside)
        told[plain if line is None else f"fix  {site.line(wanted).text}   {line}"] = None
    return tuple(told)
