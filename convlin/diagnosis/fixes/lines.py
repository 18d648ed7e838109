"""For every finding the line to change, and that line as it should be."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from convlin._util.packages import in_package, is_installed
from convlin.diagnosis.fixes.tied import Tie, ties
from convlin.diagnosis.messages import Said
from convlin.diagnosis.messages.tools import code, times
from convlin.module_tree import module_at, walk
from convlin.ops.catalog import CAT
from convlin.records import Edit, Location
from convlin.search.numbers import flattened_map
from convlin.source.products import as_product
from convlin.trace.call_sites import TORCH
from convlin.trace.recording import Finding, Recording, Written

if TYPE_CHECKING:
    from convlin.source.edits import Rewrite
    from convlin.source.find import Finder
    from convlin.source.plan import Plan
    from convlin.source.sites import Site

#: The characters of a call that a line quotes.
_LONGEST_CALL = 60


class Correction(NamedTuple):
    """The line to change and what to write there, as far as both are known."""

    where: Location | None
    text: str | None
    edits: tuple[Edit, ...] = ()
    """The same as edits of the user's files, where they are beyond doubt."""
    unfixed: str = ""
    """Why there are none."""
    told: str = ""
    """What else is to be said: another layer asks for another number there."""


def _corrected(where: Location | None, rewrite: Rewrite | None, advice: str | None) -> Correction:
    """The rewritten lines, or the advice where there are none; the edits only if all are beyond doubt."""
    if rewrite is None:
        return Correction(where, advice)
    doubt = next((edit.remark for edit in rewrite.edits if not edit.certain), "")
    return Correction(where, rewrite.text, () if doubt else rewrite.edits, doubt)


def _beside_the_line(said: Said) -> str | None:
    """The advice for a line of ``forward`` that cannot be rewritten: it does not stand in the place of that line."""
    if said.advice is None or " in front of " in said.advice:
        return said.advice
    return f"{said.advice} {'in place of the call' if said.after else 'in front of this line'}"


def _tied(found: Correction, tie: Tie) -> Correction:
    """The same where the layer's weight is that of others as well: its own line alone gives it no other size."""
    first, second, *more = tie.names
    names = f"{first}, {second} and {len(more)} more" if more else f"{first} and {second}"
    which = "all of them" if more else "both"
    told = f"{names} are one, of {times(tie.shape)}: a new size must fit {which}, or each needs a weight of its own"
    told = f"{found.told}\n{told}" if found.told else told
    return found._replace(text=None, edits=(), unfixed=f"{names} are one tensor", told=told)


def _in_one_call(findings: Iterable[Finding], said: Mapping[int, Said]) -> dict[int, Said]:
    """What is said, where several things are to be written behind one argument: all of them, in that order."""
    merged = dict(said)
    by_call: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        if finding.layer and finding.where is not None and said[id(finding)].forward and said[id(finding)].behind:
            by_call.setdefault((finding.call, finding.where, finding.called_as), []).append(finding)
    for found in by_call.values():
        parts = [said[id(each)] for each in found]
        behind, after = "".join(each.behind for each in parts), "".join(each.after for each in reversed(parts))
        for each, own in zip(found, parts, strict=True) if len(found) > 1 else ():
            advice = f"x = x{behind}" if own.advice == f"x = x{own.behind}" else own.advice
            merged[id(each)] = replace(own, behind=behind, after=after, advice=advice)
    return merged


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
        self._said = _in_one_call(recording.findings, said)
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
            for edit in _corrected_function(finding, self._said[id(finding)]).edits
        ]
        return plan(self._finder, {path: changes for path, changes in self._wanted.items() if changes}, rewritten)

    def correction(self, finding: Finding, said: Said) -> Correction:
        """The line to change and what to write there."""
        said = self._said.get(id(finding), said)
        found = self._with_others(self._correction(finding, said))
        if self._asked_twice.get(finding.path):
            found = found._replace(text=None, edits=(), told=self._asked_twice[finding.path])
        tie = self._ties.get(finding.path) if finding.layer and finding.misfit.changes else None
        if tie is not None:
            found = _tied(found, tie)
        instead = self._undecided.get(finding.path) if finding.layer else None
        found = found if instead is None else found._replace(edits=(), unfixed=f"{instead} may have been meant")
        is_line = not finding.layer or said.forward  # of a layer the size may be told
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
        called = [each for each in self._recording.findings if each.where is not None and id(each) in self._said]
        if len({each.where for each in called}) == len(called):  # nothing to bring together
            return []
        return [self._correction(each, self._said[id(each)]) for each in called]

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
            return _corrected(said.join, joined, said.advice)
        if finding.function:
            return _corrected_function(finding, said)
        if said.uncalled and finding.where is not None:
            from convlin.source.forward import with_call

            found = with_call(finding.where, finding.called_as.rpartition(".")[2], said.uncalled)
            where, rewrite = found if found is not None else (finding.where, None)
            return _corrected(where, rewrite, said.advice)
        if said.forward and finding.where is not None:
            return self._corrected_call(finding, finding.where, said)
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
            return _corrected(site.location, found, said.advice)
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
            given = self._given(site, finding.path, changes) if unfixed and site.certain else ""
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

    def _corrected_call(self, finding: Finding, where: Location, said: Said) -> Correction:
        from convlin.source.forward import corrected_argument, corrected_keyword, is_by_variable, loop_at

        name = finding.called_as.rpartition(".")[2]
        if said.argument is not None:
            return _corrected(where, corrected_keyword(where, name, *said.argument), said.advice)
        if not said.behind:  # nothing in that line alone would fix it
            return Correction(where, _beside_the_line(said))
        loop = loop_at(where, name)
        if loop is None and is_by_variable(where, name):
            rewrite = corrected_argument(where, name, said.behind, said.after)
            if "run" in finding.misfit.detail or rewrite is None:
                return _corrected(where, rewrite, self._in_words(finding, where, said))
            return Correction(where, None)
        if loop is None:
            around = self._called_around(finding, where, name)
            if around is not None and around.where is not None:
                where, name = around.where, around.path.rpartition(".")[2]
            rewrite = corrected_argument(where, name, said.behind, said.after)
            return _corrected(where, rewrite, self._in_words(finding, where, said))
        # The line is that of every layer in the loop: rewritten where all need it, or in words for the first.
        if self._all_need(where, said):
            return _corrected(where, corrected_argument(where, name, said.behind, said.after), None)
        if loop.argument and not said.after and self._calls_at(where)[:1] == [finding.call]:
            told = f"{loop.argument} = {loop.argument}{said.behind} in front of the loop at line {loop.line}"
            return Correction(where, told)
        return Correction(where, None)

    def _in_words(self, finding: Finding, where: Location, said: Said) -> str | None:
        """The advice for a line that cannot be rewritten; None where it calls layers of that class that are right."""
        modules, wrong = self._recording.modules, {each.call for each in self._recording.findings}
        right = [modules[index] for index in self._calls_at(where) if index not in wrong]
        return None if type(modules[finding.call]) in map(type, right) else _beside_the_line(said)

    def _calls_at(self, where: Location) -> list[int]:
        """The calls of layers that a line made."""
        return [index for index, written in self._recording.written.items() if written.where == where]

    def _all_need(self, where: Location, said: Said) -> bool:
        """Whether every layer that a line called needs the same written there."""
        needed = {
            each.call: self._said[id(each)] for each in self._recording.findings if each.where == where and each.layer
        }
        return all(
            index in needed and (needed[index].behind, needed[index].after) == (said.behind, said.after)
            for index in self._calls_at(where)
        )

    def _called_around(self, finding: Finding, where: Location, name: str) -> Written | None:
        """The call of what hands its own input on to the layer, where the line itself calls others that are right.

        One class may be made several times; what is wrong with the input of one is no mistake in its ``forward``.
        """
        recording = self._recording
        wrong = {each.call for each in recording.findings if each.layer}
        alike = [
            index
            for index, written in recording.written.items()
            if written.where == where and written.path.rpartition(".")[2] == name and index not in wrong
        ]
        if not alike:
            return None
        for index, call in enumerate(recording.calls[finding.call + 1 :], finding.call + 1):
            holds = index - call.inner <= finding.call and finding.path.startswith(f"{call.path}." if call.path else "")
            if holds and call.inputs[:1] == finding.inputs[:1] and call.sources[:1] == (finding.source,):
                written = recording.written.get(index)
                if written is not None and written.where is not None and written.where != where:
                    return written
        return None

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


def written(changes: Mapping[str, Any]) -> dict[str, str]:
    """Sizes as they stand in source: ``64`` for ``(64,)``."""
    return {name: code(value) for name, value in changes.items()}


def in_factors(changes: Mapping[str, str], finding: Finding, recording: Recording) -> dict[str, str]:
    """The changes, with the number of a Linear behind a flatten as channels and sizes of the map."""
    if "in_features" not in changes:
        return dict(changes)
    flattened = finding.misfit.detail.get("flattened")  # by the edit that goes with it
    mapped = finding.inputs[0].shape[1:] if flattened else flattened_map(recording, finding)
    if mapped is None or not all(isinstance(size, int) for size in mapped):
        return dict(changes)
    if prod(mapped) != finding.misfit.required:
        return dict(changes)
    return {**changes, "in_features": as_product(mapped)}


def _corrected_function(finding: Finding, said: Said) -> Correction:
    if finding.where is None or not said.advice or finding.misfit.kind not in ("reshape", "batch"):
        return Correction(finding.where, said.advice)
    from convlin.source.reshape import corrected_reshape

    image = finding.misfit.detail.get("image")
    if image is not None:
        rewrite = corrected_reshape(finding.where, size=code(image[1]), axis=1 - len(image))
    else:
        rewrite = corrected_reshape(finding.where, keep_sizes=finding.misfit.note == "strides")
    return _corrected(finding.where, rewrite, said.advice)
