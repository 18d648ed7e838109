"""A tensor that a module keeps and that does not go with what is made of the input: the line that makes it.

Positions for 196 patches where a token in front makes 197, the weight of a second layer made for what the first one
takes. The model is run with a tensor of the size that it meets, and only what this shows is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.module_tree import module_at, modules_of
from convlin.records import Location, Shape
from convlin.trace.recording import Finding, Recording, of_operands

#: The tensors of a module that are tried for one mistake.
_MOST_TENSORS = 8


class KeptTensor(NamedTuple):
    """A tensor of a module, the shape that goes with what it meets, and where it is made."""

    name: str
    shape: Shape
    where: Location
    text: str | None
    """The lines there with the sizes that it should have; None where they are not known."""


class _Change(NamedTuple):
    """The name of a tensor of a module, its shape, and another one."""

    name: str
    before: Shape
    after: Shape


def with_kept_tensors(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such tensors told at the line that makes them, where the model runs with others."""
    told = [_told(recording, finding, model, retry) for finding in recording.findings]
    return replace(recording, findings=told)


def _told(recording: Recording, finding: Finding, model: nn.Module, retry: Retry) -> Finding:
    from convlin.source.kept import kept  # reads source: only where something is wrong

    detail = finding.misfit.detail
    is_turned = detail.get("space") or detail.get("channels_last")
    if finding.misfit.kind != "operands" or is_turned or not {"run", "giving"}.isdisjoint(detail):
        return finding
    module = module_at(model, finding.path)
    named = [*_sizes(finding)]
    for name, before, after in named or islice(_sizes_behind(finding, module), _MOST_TENSORS):
        made = [new if new != old else None for old, new in zip(before, after, strict=True)]
        line = kept(type(module), name, made)
        if line is None or _run_with(recording, finding, model, retry, name, after) is None:
            continue
        is_alone = sum(type(each) is type(module) for each in modules_of(model)) == 1
        return finding.with_detail(kept=KeptTensor(name, after, line.where, line.text if is_alone else None))
    return finding


def _meeting(finding: Finding) -> tuple[tuple[int, int], ...]:
    """The axes of two tensors that do not go together: of joined ones the same axis of both, which is not the batch."""
    detail = finding.misfit.detail
    if "meet" in detail:
        return tuple(detail["meet"])
    alike = len({len(shape) for shape in detail.get("shapes", ())}) == 1
    return tuple((axis, axis) for axis in detail.get("axes", ()) if axis) if alike else ()


def _sizes(finding: Finding) -> Iterator[_Change]:
    """The one operand that the module keeps, with the sizes of what it meets."""
    shapes, meet = finding.misfit.detail.get("shapes", ()), _meeting(finding)
    names = of_operands(finding, finding.names) if finding.names else ()
    named = [(place, name.removeprefix("self.")) for place, name in enumerate(names[:2]) if name]
    if len(shapes) != 2 or not meet or len(named) != 1:
        return
    ((place, name),) = named
    made = list(shapes[place])
    for axes in meet:
        made[axes[place]] = shapes[1 - place][axes[1 - place]]
    if name.isidentifier() and all(type(size) is int for size in made):
        yield _Change(name, shapes[place], tuple(made))


def _sizes_behind(finding: Finding, module: nn.Module) -> Iterator[_Change]:
    """Tensors of the module of which an operand may have been made, ``torch.sigmoid(self.gate)``: a run has to tell."""
    shapes, meet = finding.misfit.detail.get("shapes", ()), _meeting(finding)
    if len(shapes) != 2 or len(meet) != 1:
        return
    tensors = {**module._parameters, **module._buffers}
    for place, axis in enumerate(meet[0]):
        wrong, right = shapes[place][axis], shapes[1 - place][meet[0][1 - place]]
        for name, tensor in tensors.items():
            before = tuple(tensor.shape) if tensor is not None and not is_lazy(tensor) else ()
            if before.count(wrong) == 1 and type(right) is int:
                yield _Change(name, before, tuple(right if size == wrong else size for size in before))


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
