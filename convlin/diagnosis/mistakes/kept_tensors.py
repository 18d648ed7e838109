"""A tensor that a module keeps and that does not go with what is made of the input: the line that makes it.

Positions for 196 patches where a token in front makes 197, the weight of a second layer made for what the first one
takes. The model is run with a tensor of the size that it meets, and only what this shows is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.module_tree import module_at, modules_of
from convlin.records import Location, Shape
from convlin.trace.recording import Finding, Recording, of_operands


class KeptTensor(NamedTuple):
    """A tensor of a module, the shape that goes with what it meets, and where it is made."""

    name: str
    shape: Shape
    where: Location
    text: str | None
    """The lines there with the sizes that it should have; None where they are not known."""


def with_kept_tensors(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such tensors told at the line that makes them, where the model runs with others."""
    told = [_told(recording, finding, model, retry) for finding in recording.findings]
    return replace(recording, findings=told)


def _told(recording: Recording, finding: Finding, model: nn.Module, retry: Retry) -> Finding:
    from convlin.source.kept import kept  # reads source: only where something is wrong

    detail = finding.misfit.detail
    if finding.misfit.kind != "operands" or detail.get("space") or not {"run", "giving"}.isdisjoint(detail):
        return finding
    for name, before, after in _sizes(finding):
        module = module_at(model, finding.path)
        made = [new if new != old else None for old, new in zip(before, after, strict=True)]
        line = kept(type(module), name, made)
        if line is None or _run_with(recording, finding, model, retry, name, after) is None:
            continue
        is_alone = sum(type(each) is type(module) for each in modules_of(model)) == 1
        return finding.with_detail(kept=KeptTensor(name, after, line.where, line.text if is_alone else None))
    return finding


def _sizes(finding: Finding) -> Iterator[tuple[str, Shape, Shape]]:
    """The name of the one operand that the module keeps, its shape, and that with the sizes of what it meets."""
    shapes, meet = finding.misfit.detail.get("shapes", ()), finding.misfit.detail.get("meet", ())
    names = of_operands(finding, finding.names) if finding.names else ()
    named = [(place, name.removeprefix("self.")) for place, name in enumerate(names[:2]) if name]
    if len(shapes) != 2 or not meet or len(named) != 1:
        return
    ((place, name),) = named
    made = list(shapes[place])
    for axes in meet:
        made[axes[place]] = shapes[1 - place][axes[1 - place]]
    if name.isidentifier() and all(type(size) is int for size in made):
        yield name, shapes[place], tuple(made)


def _run_with(
    recording: Recording, finding: Finding, model: nn.Module, retry: Retry, name: str, shape: Shape
) -> Recording | None:
    """What a run with another tensor in its place shows; None where that does not settle it, or makes more wrong."""
    with _exchanged(module_at(model, finding.path), name, shape) as is_exchanged:
        shown = run_to_the_end(model, retry) if is_exchanged else None
    return shown if shown is not None and shown.signs <= recording.signs - {finding.sign} else None


@contextmanager
def _exchanged(module: nn.Module, name: str, shape: Shape) -> Iterator[bool]:
    """Another tensor under a name of the module, for the length of this block, where one stands there."""
    holders: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
    holder = next((each for each in holders if isinstance(each.get(name), Tensor)), None)
    if holder is None:
        yield False
        return
    before = holder[name]
    new = torch.zeros(shape, dtype=before.dtype, device=before.device)
    try:
        holder[name] = (
            nn.Parameter(new, requires_grad=before.requires_grad) if isinstance(before, nn.Parameter) else new
        )
        yield True
    finally:
        holder[name] = before
