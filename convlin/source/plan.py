"""Several layers corrected at once, each line only where that is safe for every layer it makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from convlin.records import Edit
from convlin.source.find import Finder
from convlin.source.match import child_at, within
from convlin.source.sites import Site

Changes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits that correct some layers, and why the others are left alone."""

    edits: Mapping[str, tuple[Edit, ...]]
    """For each path that can be fixed: beyond doubt, and none of them changes a layer that was not asked for."""
    declined: Mapping[str, str]
    """For each of the others, the reason."""


def plan(finder: Finder, wanted: Mapping[str, Changes]) -> Plan:
    """Find the edits that give some layers other arguments: ``{"fc1": {"in_features": "2048"}}``."""
    edits: dict[str, tuple[Edit, ...]] = {}
    declined: dict[str, str] = {}
    groups: dict[tuple[str, int, int], dict[str, Site]] = {}
    for path in wanted:
        site = finder.site(path)
        if site is None:
            declined[path] = "the line that made it is not known"
        else:
            groups.setdefault(_place(site, wanted[path]), {})[path] = site
    for sites in groups.values():
        made = _edits(finder, sites, wanted)
        if isinstance(made, str):
            declined |= dict.fromkeys(sites, made)
        else:
            edits |= dict.fromkeys(sites, made)
    return Plan(edits, declined)


def _edits(finder: Finder, sites: Mapping[str, Site], wanted: Mapping[str, Changes]) -> tuple[Edit, ...] | str:
    """The edits of one call, or why there are none."""
    paths = list(sites)
    site = sites[paths[0]]
    if any(wanted[path] != wanted[paths[0]] for path in paths):
        return f"{site.location.file}:{site.location.line} makes layers that need different sizes"
    if any(each.makes_others(wanted[path]) for path, each in sites.items()):
        other = next(_others(finder, site, paths), None)
        if other is not None:
            return f"{site.location.file}:{site.location.line} makes {other} as well"
    edits = replace(site, repeated=False, certain=all(each.certain for each in sites.values())).edit(wanted[paths[0]])
    if edits is None:
        return f"{site.callee} is called without this argument"
    return next((edit.remark for edit in edits if not edit.certain), edits)


def _others(finder: Finder, site: Site, paths: Iterable[str]) -> Iterator[str]:
    """Layers beside the ones asked for that the call may have made."""
    asked = [child_at(finder.root, path) for path in paths]
    for path, module in within(finder.root):
        is_asked = any(module is each for each in asked)
        if type(module) is type(asked[0]) and not is_asked and finder.may_have_made(site, path):
            yield path


def _place(site: Site, changes: Changes) -> tuple[str, int, int]:
    source, start, end = site.span(changes)
    return source.name, start, end
