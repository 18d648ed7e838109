"""Windows without their padding in front of a sum or a join, as in ``x + self.conv(x)``: each takes off an edge.

With half a window as padding in each of them all sides are equally large; that is told where a run shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from torch import nn

from convlin._util.torch_private import uncompiled
from convlin.arithmetic.common import per_axis
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import finding_of_layer
from convlin.layers import Misfit
from convlin.module_tree import module_at, walk
from convlin.records import Call, Source, SourceKind
from convlin.trace.recording import Finding, Recording, of_operands

Padding: TypeAlias = "int | tuple[int, ...]"

#: Layers that look at windows of a map, and how many axes these have.
_WINDOWS: Mapping[type[nn.Module], int] = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3,
    nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3, nn.AvgPool1d: 1, nn.AvgPool2d: 2, nn.AvgPool3d: 3,
}  # fmt: skip


def with_padding(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with the layers that lack their padding in place of a sum that gets two sizes for that reason."""
    for met in recording.findings:
        lacking = _lacking(recording, met)
        if not lacking:
            continue
        first = next(iter(lacking))
        lacking |= dict(_in_other_blocks(lacking, model, met))
        shown = run_to_the_end(model, retry, {path: {"padding": padding} for path, padding in lacking.items()})
        if shown is None or not shown.signs_at_lines <= recording.signs_at_lines - {met.sign_at_line}:
            continue
        calls: dict[str, int] = {}
        for index, call in enumerate(recording.calls):
            calls.setdefault(call.path, index)
        # What the pass stopped in has made nothing.
        made = {path: calls[path] for path in lacking if path in calls and recording.calls[calls[path]].outputs}
        told = [_narrowed(recording, met, first, index, lacking[path]) for path, index in made.items()]
        told += [each for each in recording.findings if each.sign_at_line in shown.signs_at_lines]
        told.sort(key=lambda each: each.call)
        return replace(recording, findings=told, failure=None, required=shown.required)
    return recording


def _lacking(recording: Recording, met: Finding) -> dict[str, Padding]:
    """The layers that narrow what meets a larger map, each with its padding; none where something else narrows it."""
    small, large = _by_size(recording, met)
    common = set(recording.upstream(large))
    found: dict[str, Padding] = {}
    for one in small:
        is_forked = False
        for source in recording.upstream([one], lambda each: () if each in common else recording.into(each)):
            is_forked = is_forked or source in common
            if source in common or source.kind is not SourceKind.CALL:
                continue
            call = recording.calls[source.number]
            if call.inner or _keeps_size(call):
                continue
            padding = _padding(recording.modules[source.number], _rank(met))
            if padding is None:
                return {}
            found[call.path] = padding
        if not is_forked:
            return {}
    return found


def _by_size(recording: Recording, met: Finding) -> tuple[list[Source], list[Source]]:
    """Where the maps come from that are too small in all they differ in, and the others; none where that is not so."""
    misfit = met.misfit
    shapes, sources = misfit.detail.get("shapes", ()), of_operands(met, recording.calls[met.call].sources)
    if misfit.kind != "operands" or misfit.note not in ("elementwise", "concatenate") or len(sources) != len(shapes):
        return [], []
    sizes = [tuple(shape[2:]) for shape in shapes]
    if len({*map(len, shapes)}) != 1 or not all(sizes) or not all(type(each) is int for size in sizes for each in size):
        return [], []
    largest = tuple(max(along) for along in zip(*sizes, strict=True))
    parted: tuple[list[Source], list[Source]] = [], []
    for source, size in zip(sources, sizes, strict=True):
        parted[size == largest].append(source)
    return parted if parted[1] else ([], [])


def _keeps_size(call: Call) -> bool:
    shapes = [info.shape[2:] for info in (*call.inputs[:1], *call.outputs)]
    return len(set(shapes)) == 1 and len(shapes) > 1


def _padding(module: nn.Module | None, rank: int) -> Padding | None:
    """The padding with which a window that stops at every place keeps the size; None where there is none.

    Nor is there any of a map without a batch, which has an axis less than ``rank`` says.
    """
    known = next((each for kind, each in _WINDOWS.items() if isinstance(module, kind)), 0)
    if module is None or known != rank or isinstance(module.padding, str):
        return None
    widths, steps, apart = (
        per_axis(value, rank, name)
        for name, value in (
            ("kernel_size", module.kernel_size),
            ("stride", module.stride),
            ("dilation", getattr(module, "dilation", 1)),
        )
    )
    spans = [by * (width - 1) for width, by in zip(widths, apart, strict=True)]
    if set(steps) != {1} or any(span % 2 for span in spans):
        return None
    return _one_for_all(tuple(span // 2 for span in spans))


def _in_other_blocks(lacking: Mapping[str, Padding], model: nn.Module, met: Finding) -> Iterator[tuple[str, Padding]]:
    """The same layers in every other module of the class whose ``forward`` has the sum: it is met there next."""
    block = met.path
    if not block or not all(path.startswith(f"{block}.") for path in lacking):
        return
    kind = type(module_at(model, block))
    for path, module, _ in walk(model):
        for own, padding in lacking.items() if type(module) is kind and path != block else ():
            inner = own.removeprefix(f"{block}.")
            layer: nn.Module | None = module
            for name in inner.split("."):
                layer = uncompiled(layer._modules.get(name)) if layer is not None else None
            if _padding(layer, _rank(met)) == padding != _one_for_all(getattr(layer, "padding", 0)):
                yield f"{path}.{inner}", padding


def _rank(met: Finding) -> int:
    return len(met.misfit.detail["shapes"][0]) - 2


def _one_for_all(padding: Padding) -> Padding:
    """One number where those of all axes are equal."""
    return padding[0] if isinstance(padding, tuple) and len(set(padding)) == 1 else padding


def _narrowed(recording: Recording, met: Finding, first: str, index: int, padding: Padding) -> Finding:
    """What is told of one layer; of one in another block than that of ``first`` that it is as there."""
    declared = _one_for_all(getattr(recording.modules[index], "padding", 0))
    detail: dict[str, object] = {"made": recording.calls[index].outputs[0].shape}
    is_there = recording.calls[index].path.startswith(f"{met.path}.") or not met.path
    detail |= {"met": met} if is_there else {"as": first}
    return finding_of_layer(recording, Misfit("padding", declared, padding, "", detail, {"padding": padding}), index)
