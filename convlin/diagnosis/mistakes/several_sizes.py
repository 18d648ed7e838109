"""One layer that is called with several sizes: whatever number it is built with breaks one of the calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from convlin.diagnosis.messages import Said
from convlin.diagnosis.messages.tools import code, name_of, who
from convlin.layers import GIVEN
from convlin.records import Problem, Report, Source
from convlin.trace.recording import Finding, Recording

#: Of these the largest that is needed fits every call.
_AT_LEAST = ("num_embeddings",)

Needs = Mapping[Any, Source | None]
"""The sizes that reached a layer, and what made the first tensor of that size."""


def several_sizes(recording: Recording) -> Mapping[tuple[str, str], Needs]:
    """For each layer and declared attribute that calls need different: the sizes, in the order they were met."""
    wrong: dict[int, dict[str, Finding]] = {}
    kinds: dict[str, set[str]] = {}
    for finding in recording.findings:
        misfit = finding.misfit
        if misfit.changes and misfit.kind not in (*_AT_LEAST, *GIVEN, "padding") and not finding.function:
            wrong.setdefault(finding.call, {})[misfit.kind] = finding
            kinds.setdefault(finding.path, set()).add(misfit.kind)
    met: dict[tuple[str, str], dict[str, tuple[Any, Source | None]]] = {}
    for index, call in enumerate(recording.calls):
        if call.is_function:
            continue
        for kind in kinds.get(call.path, ()):
            found = wrong.get(index, {}).get(kind)
            if found is not None:
                size, which = found.misfit.required, found.misfit.input
            elif call.stood_in or call.failed or not call.inputs:
                continue  # what would reach this call is not known
            else:
                size, which = _declared(recording, call.path, kind), 0
            source = call.sources[which] if which < len(call.sources) else None
            met.setdefault((call.path, kind), {}).setdefault(repr(size), (size, source))
    return {key: dict(sizes.values()) for key, sizes in met.items() if len(sizes) > 1}


def told(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that become problems: of those that one number fits, the one that asks for the largest."""
    largest: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = finding.path, finding.misfit.kind
        if finding.misfit.kind in _AT_LEAST and isinstance(finding.misfit.required, int):
            known = largest.setdefault(key, finding)
            largest[key] = finding if finding.misfit.required > known.misfit.required else known
    kept = {id(finding) for finding in largest.values()}
    return [each for each in findings if (each.path, each.misfit.kind) not in largest or id(each) in kept]


def said_of(finding: Finding, needs: Needs, report: Report) -> Said:
    """What is said in place of a number that would break another call."""
    called = " and ".join(f"with {code(size)}" for size in needs)
    makers = ((size, source) for size, source in needs.items() if source is not None and source.is_made)
    made = ", ".join(f"{code(size)} is the output of {who(report, source)}" for size, source in makers)
    return Said(
        f"{name_of(finding)} is called {called}: no number for {finding.misfit.kind} fits "
        f"{'both' if len(needs) == 2 else 'all'}{f'{chr(10)}{made}' if made else ''}",
        None,
        forward=True,
    )


def without_numbers(report: Report, problems: tuple[Problem, ...]) -> Report:
    """The report with these problems; a Linear that no number fits has no required one."""
    several = {
        problem.path for problem in problems if problem.kind == "in_features" and isinstance(problem.required, tuple)
    }
    required = {path: size for path, size in report.required_in_features.items() if path not in several}
    return replace(report, problems=problems, required_in_features=required)


def _declared(recording: Recording, path: str, kind: str) -> Any:
    return next(
        finding.misfit.declared
        for finding in recording.findings
        if finding.path == path and finding.misfit.kind == kind and finding.misfit.changes
    )
