"""The line of ``forward`` that calls a layer or a function, corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from convlin.diagnosis.fixes.correction import Correction, corrected
from convlin.diagnosis.messages import Said
from convlin.diagnosis.messages.tools import code
from convlin.records import Location
from convlin.trace.recording import Finding, Recording, Written


def corrected_function(finding: Finding, said: Said) -> Correction:
    """What to write where a function is called, or where the tensor is made that a module keeps for it."""
    kept = finding.misfit.detail.get("kept")
    if kept is not None and kept.text is not None:
        return Correction(kept.where, kept.text, unfixed="what it meets may have been meant to be of another size")
    if finding.where is None or not said.advice or finding.misfit.kind not in ("reshape", "batch"):
        return Correction(finding.where, said.advice)
    from convlin.source.reshape import corrected_reshape

    image = finding.misfit.detail.get("image")
    if image is not None:
        rewrite = corrected_reshape(finding.where, size=code(image[1]), axis=1 - len(image))
    else:
        rewrite = corrected_reshape(finding.where, keep_sizes=finding.misfit.note == "strides")
    return corrected(finding.where, rewrite, said.advice)


def in_one_call(findings: Iterable[Finding], said: Mapping[int, Said]) -> dict[int, Said]:
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


class Calls:
    """Corrects the lines that call layers, with what is ``said`` of every finding of a recording."""

    def __init__(self, recording: Recording, said: Mapping[int, Said]) -> None:
        self._recording = recording
        self._said = said

    def correction(self, finding: Finding, where: Location, said: Said) -> Correction:
        """What to write where a layer is called."""
        from convlin.source.forward import corrected_argument, corrected_keyword, is_by_variable, loop_at

        name = finding.called_name
        if said.argument is not None:
            return corrected(where, corrected_keyword(where, name, *said.argument), said.advice)
        if not said.behind and not said.after:  # nothing in that line alone would fix it
            return Correction(where, _beside_the_line(said))
        loop = loop_at(where, name)
        if loop is None and is_by_variable(where, name):
            rewrite = corrected_argument(where, name, said.behind, said.after)
            if "run" in finding.misfit.detail or rewrite is None:
                return corrected(where, rewrite, self._in_words(finding, where, said))
            return Correction(where, None)
        if loop is None:
            around = self._called_around(finding, where, name)
            if around is not None and around.where is not None:
                where, name = around.where, around.path.rpartition(".")[2]
            rewrite = corrected_argument(where, name, said.behind, said.after)
            return corrected(where, rewrite, self._in_words(finding, where, said))
        # The line is that of every layer in the loop: rewritten where all need it, or in words for the first.
        if self._all_need(where, said):
            return corrected(where, corrected_argument(where, name, said.behind, said.after), None)
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


def _beside_the_line(said: Said) -> str | None:
    """The advice for a line of ``forward`` that cannot be rewritten: it does not stand in the place of that line."""
    if said.advice is None or " in front of " in said.advice:
        return said.advice
    return f"{said.advice} {'in place of the call' if said.after else 'in front of this line'}"
