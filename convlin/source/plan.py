"""Several layers corrected at once, each line only where that is safe for every layer it makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from convlin.records import Edit
from convlin.source.find import Finder
from convlin.source.match import child_at, within
from convlin.source.sites import Site
from convlin.source.written import Stretch

Changes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits that correct some layers, and why the others are left alone."""

    edits: Mapping[str, tuple[Edit, ...]]
    """For each path that can be fixed: beyond doubt, and none of them changes a layer that was not asked for."""
    declined: Mapping[str, str]
    """For each of the others, the reason."""
    sites: Mapping[str, Site]
    """The calls that made the layers."""


def plan(finder: Finder, wanted: Mapping[str, Changes], rewritten: Sequence[Edit] = ()) -> Plan:
    """Find the edits that give some layers other arguments: ``{"fc1": {"in_features": "2048"}}``.

    ``rewritten`` are edits that are made as well: what they replace reads no constant any more.
    """
    edits: dict[str, tuple[Edit, ...]] = {}
    found = {path: site for path in wanted if (site := finder.site(path)) is not None}
    declined = dict.fromkeys(wanted.keys() - found.keys(), "the line that made it is not known")
    sites = _sharing(found, wanted, rewritten)
    groups: dict[Stretch, dict[str, Site]] = {}
    for path, site in sites.items():
        groups.setdefault(_place(site, wanted[path]), {})[path] = site
    for group in groups.values():
        made = _edits(finder, group, wanted)
        if isinstance(made, str):
            declined |= dict.fromkeys(group, made)
        else:
            edits |= dict.fromkeys(group, made)
    return Plan(edits, declined, sites)


def _sharing(sites: Mapping[str, Site], wanted: Mapping[str, Changes], rewritten: Sequence[Edit]) -> dict[str, Site]:
    """The calls; where all that reads a constant needs the same change, each as if it alone read it."""
    needs = {site.reads(wanted[path]): next(iter(wanted[path].values())) for path, site in sites.items()}

    def is_replaced(read: Stretch) -> bool:
        file, start, end = read
        return any(edit.file == file and edit.start <= start and end <= edit.end for edit in rewritten)

    def is_settled(site: Site, changes: Changes) -> bool:
        place = site.elsewhere(changes)
        new = next(iter(changes.values()))
        return place is not None and all(needs.get(other) == new or is_replaced(other) for other in place.others)

    return {path: site.alone() if is_settled(site, wanted[path]) else site for path, site in sites.items()}


def _edits(finder: Finder, sites: Mapping[str, Site], wanted: Mapping[str, Changes]) -> tuple[Edit, ...] | str:
    """The edits of one call, or of one number that several are given, or why there are none."""
    paths = list(sites)
    site = sites[paths[0]]
    if len({tuple(wanted[path].values()) for path in paths}) > 1:
        return f"{site.location.text} makes layers that need different sizes"
    for path, each in sites.items():
        other = next(_others(finder, each, path, paths), None) if each.makes_others(wanted[path]) else None
        if other is not None:
            return f"{each.location.text} makes {other} as well"
    edits = replace(site, repeated=False, certain=all(each.certain for each in sites.values())).edit(wanted[paths[0]])
    if edits is None:
        return f"{site.callee} is called without this argument"
    return next((edit.remark for edit in edits if not edit.certain), edits)


def _others(finder: Finder, site: Site, path: str, paths: Iterable[str]) -> Iterator[str]:
    """Layers beside the ones asked for that the call which made one of them may have made."""
    kind = type(child_at(finder.root, path))
    asked = [child_at(finder.root, each) for each in paths]
    for other, module in within(finder.root):
        is_asked = any(module is each for each in asked)
        if type(module) is kind and not is_asked and finder.may_have_made(site, other):
            yield other


def _place(site: Site, changes: Changes) -> Stretch:
    source, start, end = site.span(changes)
    return source.name, start, end
