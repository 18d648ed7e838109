"""For every finding the line to change, and that line as it should be."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import nn

from convlin._util.packages import in_package, is_installed
from convlin.diagnosis.fixes.calls import Calls, corrected_function, in_one_call
from convlin.diagnosis.fixes.correction import Correction, corrected
from convlin.diagnosis.fixes.tied import Tie, ties
from convlin.diagnosis.messages import Said
from convlin.diagnosis.messages.tools import times
from convlin.module_tree import module_at, walk
from convlin.ops.catalog import CAT
from convlin.records import Location
from convlin.trace.call_sites import TORCH
from convlin.trace.recording import Finding, Recording

if TYPE_CHECKING:
    from convlin.source.find import Finder
    from convlin.source.plan import Plan
    from convlin.source.sites import Site

#: The characters of a call that a line quotes.
_LONGEST_CALL = 60


def _tied(found: Correction, tie: Tie) -> Correction:
    """The same where the layer's weight is that of others as well: its own line alone gives it no other size."""
    first, second, *more = tie.names
    names = f"{first}, {second} and {len(more)} more" if more else f"{first} and {second}"
    which = "all of them" if more else "both"
    told = f"{names} are one, of {times(tie.shape)}: a new size must fit {which}, or each needs a weight of its own"
    told = f"{found.told}\n{told}" if found.told else told
    return found._replace(text=None, edits=(), unfixed=f"{names} are one tensor", told=told)


def _named(site: Site, finding: Finding, changes: Mapping[str, str]) -> str:
    """What the name stands for that is given as the number to be changed."""
    found = site.named(changes)
    if found is None or found.number not in (None, finding.misfit.declared):
        return ""
    return f"{found.text} at {found.where.text}"


def _is_in_forward(finding: Finding, said: Said) -> bool:
    """Whether the line to change is one of ``forward``, and not the one that makes a layer."""
    return not finding.layer or said.forward


class Lines:
    """Finds the lines of one model's source; what was read of it is kept for the next finding.

    ``wanted`` are all the changes of layers that there are, by path.  A line is shown as it should be in
    the end, and one that makes several layers is corrected only where all of them need the same.
    """

    def __init__(
        self,
        model: nn.Module,
        wanted: Iterable[tuple[str, Mapping[str, str]]],
        hints: Iterable[Any],
        recording: Recording,
        said: Mapping[int, Said],
    ) -> None:
        self._model = model
        self._recording = recording
        self._said = in_one_call(recording.findings, said)
        self._calls = Calls(recording, self._said)
        self._hints = [hint for hint in hints if hint is not None]
        self._wanted: dict[str, dict[str, str]] = {}
        for path, changes in wanted:
            self._wanted.setdefault(path, {}).update(changes)
        self._sites: dict[str, Site | None] = {}

    @cached_property
    def _finder(self) -> Finder:
        from convlin.source.find import Finder  # reads source: only where something is wrong

        return Finder(self._model, self._hints)

    @cached_property
    def _plan(self) -> Plan:
        from convlin.source.plan import plan

        rewritten = [
            edit
            for finding in self._recording.findings
            if finding.function
            for edit in corrected_function(finding, self._said[id(finding)]).edits
        ]
        return plan(self._finder, {path: changes for path, changes in self._wanted.items() if changes}, rewritten)

    def correction(self, finding: Finding, said: Said) -> Correction:
        """The line to change and what to write there."""
        said = self._said.get(id(finding), said)
        found = self._correction(finding, said)
        if _is_in_forward(finding, said):  # beside a layer's own call others are changed already
            found = self._with_others(found)
        if self._asked_twice.get(finding.path):
            found = found._replace(text=None, edits=(), told=self._asked_twice[finding.path])
        tie = self._ties.get(finding.path) if finding.layer and finding.misfit.changes else None
        if tie is not None:
            found = _tied(found, tie)
        instead = self._undecided.get(finding.path) if finding.layer else None
        found = found if instead is None else found._replace(edits=(), unfixed=f"{instead} may have been meant")
        is_line = _is_in_forward(finding, said)  # of a layer the size may be told
        if is_line and found.where is not None and is_installed(found.where.file):  # no line for the user to change
            return found._replace(text=None, edits=(), unfixed="this line stands in an installed package")
        return found

    def _with_others(self, found: Correction) -> Correction:
        """The same with what other problems change of the lines of ``forward`` written there as well."""
        beside = [each for each in self._in_forward if each.where == found.where] if found.edits else []
        if found.text is None or len(beside) < 2:
            return found
        from convlin.source.forward import together

        edits = dict.fromkeys(edit for each in beside for edit in each.edits)
        return found._replace(text=together(found.edits, [*edits]) or found.text)

    @cached_property
    def _in_forward(self) -> list[Correction]:
        """What is written where a layer or a function is called, in the order of the findings."""
        known = ((each, self._said.get(id(each))) for each in self._recording.findings if each.where is not None)
        called = [(each, said) for each, said in known if said is not None and _is_in_forward(each, said)]
        if len({each.where for each, _ in called}) == len(called):  # nothing to bring together
            return []
        return [self._correction(*each) for each in called]

    @cached_property
    def _ties(self) -> dict[str, Tie]:
        """By path the layers that share a weight with another one, which is right, or needs it otherwise."""
        fixable = [finding.misfit.detail.get("giving") or finding for finding in self._recording.findings]
        wanted: dict[str, dict[str, Any]] = {}
        for finding in fixable:
            if self._wanted.get(finding.path):
                wanted.setdefault(finding.path, {}).update(finding.misfit.changes)
        return ties(self._model, wanted)

    @cached_property
    def _asked_twice(self) -> dict[str, str]:
        """By path the layers for which no number is told, since one argument is that of another layer, too, and why.

        Where the one layer leads to the other, what reaches that is made with the number as it is now.
        """
        asked: dict[tuple[Any, ...], list[Finding]] = {}
        for finding in self._recording.findings:
            changes = self._wanted.get(finding.path, {})
            site = self._site(finding.path) if finding.layer and len(changes) == 1 and len(self._wanted) > 1 else None
            number = site.number(changes) if site is not None else None
            if number is not None and set(changes) == set(finding.misfit.changes):
                asked.setdefault(number, []).append(finding)
        told: dict[str, str] = {}
        for findings in asked.values():
            first, *others = findings
            apart = [each for each in others if self._number(each) != self._number(first)]
            for each in apart:
                if self._leads_to(first, each):
                    told[each.path] = f"{first.path} has the same number, which is to be {self._number(first)}"
                else:
                    needs = f"{first.path} needs {self._number(first)}, {each.path} {self._number(each)}"
                    told[first.path] = told[each.path] = f"one number is given to both, and none fits: {needs}"
        return told

    def _number(self, finding: Finding) -> str:
        return next(iter(self._wanted[finding.path].values()))

    def _leads_to(self, first: Finding, other: Finding) -> bool:
        """Whether what reaches a layer comes, among others, from another one."""
        calls = self._recording.calls
        return any(calls[index].path == first.path for index in self._recording.on_the_way(*calls[other.call].sources))

    @cached_property
    def _undecided(self) -> dict[str, str]:
        """By path the layers that can be made right in two ways, which take different numbers."""
        told = ((finding, self._said[id(finding)]) for finding in self._recording.findings)
        return {finding.path: said.instead for finding, said in told if said.instead}

    def _correction(self, finding: Finding, said: Said) -> Correction:
        if said.outside:
            return Correction(None, said.advice)
        if said.join is not None:
            from convlin.source.forward import corrected_join

            joined = corrected_join(said.join, CAT.names, said.dim) if "run" in finding.misfit.detail else None
            return corrected(said.join, joined, said.advice)
        if finding.function:
            return corrected_function(finding, said)
        if (made := finding.misfit.detail.get("lines")) is not None:
            return Correction(made[0], made[1].text, made[1].edits)
        if said.uncalled and finding.where is not None:
            from convlin.source.forward import with_call

            found = with_call(finding.where, finding.called_name, said.uncalled)
            where, rewrite = found if found is not None else (finding.where, None)
            return corrected(where, rewrite, said.advice)
        if said.forward and finding.where is not None:
            return self._calls.correction(finding, finding.where, said)
        if said.forward and said.advice and not said.in_front:
            return Correction(None, said.advice)  # what to write is known, and not where
        return self._corrected_layer(finding, said)

    def _corrected_layer(self, finding: Finding, said: Said) -> Correction:
        site = self._site(finding.path)
        wanted = self._wanted.get(finding.path, {})
        own = {} if said.forward else {name: wanted[name] for name in finding.misfit.changes}
        edits = self._plan.edits.get(finding.path, ()) if own else ()
        unfixed = self._plan.declined.get(finding.path, "") if own else ""
        if site is None:
            where, part = self._whole(finding.path, "a part of") if own else (None, "")
            return Correction(where, f"{said.advice} {part}" if part else said.advice, edits, unfixed)
        if not site.is_editable and site.source.on_disk:
            # An installed package makes the layer: what the user can change is what is given to it.
            return self._given_to_package(site, finding, own, said)._replace(edits=edits, unfixed=unfixed)
        if said.in_front or said.callee:
            from convlin.source.sites import in_front, other_layer

            found = in_front(site, said.in_front) if said.in_front else other_layer(site, said.callee)
            return corrected(site.location, found, said.advice)
        if not own:
            return Correction(site.location, said.advice)
        changes = self._wanted.get(finding.path, {}) | own
        if site.makes_others(changes) and not self._all_want(site, finding.path, changes):
            origin = self._origin(site, changes)
            if origin is None:
                told = said.advice
            elif self._serves_others(origin, finding, changes):
                told = f"{said.advice}, but {unfixed}" if unfixed else said.advice
            else:
                told = f"{said.advice} (given at {origin.text})"
        else:
            told = site.rewrite(changes, self._beside(site, changes, finding.path)) or said.advice
            is_elsewhere = unfixed and site.certain
            given = self._given(site, finding.path, changes) or _named(site, finding, changes) if is_elsewhere else ""
            return Correction(site.line(changes), told, edits, unfixed, given)
        return Correction(site.location, told, edits, unfixed)

    def _given(self, site: Site, path: str, changes: Mapping[str, str]) -> str:
        """Where a number comes from that the constructor around a layer was given, and hands on."""
        known = site.given(changes)
        if known is not None:
            return f"{known[0]} is given at {known[1].text}"
        around = path.rpartition(".")[0]
        made = self._site(around) if around else None
        if made is None or not made.certain:
            return ""
        from convlin.source.passed_on import parameter_for

        name = parameter_for(site, changes, type(module_at(self._model, around)))
        return f"{name} is given at {made.location.text}" if name and made.takes(name) else ""

    def _given_to_package(self, site: Site, finding: Finding, own: Mapping[str, str], said: Said) -> Correction:
        """The line that gives an installed package the number for a layer, or the call that the layer is a part of."""
        number = site.number(own) if own else None
        if number is not None and not is_installed(number[0]):
            from convlin.source.edits import number_replaced

            where = self._origin(site, own)
            text = number_replaced(number, finding.misfit.declared, next(iter(own.values())))
            return Correction(where, text or said.advice)
        package = in_package(site.location.file).partition("/")[0].removesuffix(".py")
        where, part = self._whole(finding.path, f"made inside {package} by")
        if where is None:
            return Correction(site.location, said.advice)
        return Correction(where, f"{said.advice} {part}" if own and said.advice else None)

    def _whole(self, path: str, how: str) -> tuple[Location | None, str]:
        """The user's line that makes what holds a layer, where that is of an installed package, and the layer in words.

        ``how`` says what the layer is to that call.
        """
        outer = path
        while outer:
            outer = outer.rpartition(".")[0]
            kind = type(module_at(self._model, outer))
            file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
            if file.startswith(TORCH):
                continue  # a container
            if not is_installed(file):
                break
            site = self._site(outer)
            if site is not None and not is_installed(site.location.file):
                call = " ".join(site.call.split())
                call = call if len(call) <= _LONGEST_CALL else f"{site.callee}(…)"
                return site.location, f"in {path}, which is {how} {call}"
        return None, ""

    def _beside(self, site: Site, own: Mapping[str, str], path: str) -> Iterator[tuple[Site, Mapping[str, str]]]:
        """What else has to be changed on the lines of a call: layers that are made beside it.

        A call that made several of them is one change, and that only where all of them need it.
        """
        seen: set[tuple[int, int]] = set()
        for other, changes in self._wanted.items():
            found = self._site(other) if other != path and changes and other not in self._ties else None
            if found is None or not found.span(changes).is_beside(site.span(own)):
                continue
            place = found.span(changes)[1:]
            if place not in seen and (not found.makes_others(changes) or self._all_want(found, other, changes)):
                yield found, changes
            seen.add(place)

    def _site(self, path: str) -> Site | None:
        if path not in self._sites:
            self._sites[path] = self._plan.sites.get(path) or self._finder.site(path)
        return self._sites[path]

    def _origin(self, site: Site, changes: Mapping[str, Any]) -> Location | None:
        """Where the number is written, if it is given to the code that makes the layer."""
        return next((each.origin for each in site.arguments if each.name in changes and each.origin), None)

    def _serves_others(self, origin: Location, finding: Finding, changes: Mapping[str, str]) -> bool:
        """Whether another layer takes the very number from the same line, and not the one that it is to become."""
        number = finding.misfit.declared
        for path, module, _ in walk(self._model):
            site = None if path == finding.path or module._modules else self._site(path)
            given = site.arguments if site is not None else ()
            taken = [
                each.name
                for each in given
                if each.origin == origin and getattr(module, each.name or "", None) == number
            ]
            if taken and not {self._wanted.get(path, {}).get(name or "") for name in taken} & set(changes.values()):
                return True
        return False

    def _all_want(self, site: Site, path: str, changes: Mapping[str, str]) -> bool:
        """Whether every layer that the call makes needs the same changes."""
        kind = type(module_at(self._model, path))
        for other, module, _ in walk(self._model):
            if type(module) is kind and any(self._wanted.get(other, {}).get(name) != changes[name] for name in changes):
                found = self._site(other)
                if found is None or (found.location.file, found.start) == (site.location.file, site.start):
                    return False
        return True
