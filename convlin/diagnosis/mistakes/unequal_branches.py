"""Maps that meet in a sum or a join with sizes that windows on their way made different, as in ``x + self.conv(x)``.

A window without its padding takes off an edge, one with too much adds one; a pool steps by its whole window where no
stride is given, and a transposed convolution enlarges nothing; a shortcut lacks the stride of the way beside it.  What
makes all sides equally large is told where a run shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from torch import nn

from convlin._util.torch_private import TRANSPOSED_CONVOLUTIONS, uncompiled
from convlin.arithmetic.common import per_axis
from convlin.diagnosis.runs.evidence import run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent.findings import finding_of_layer
from convlin.layers import Misfit
from convlin.module_tree import module_at, walk
from convlin.ops.op import Family
from convlin.records import Call, Source, SourceKind
from convlin.trace.recording import Finding, Recording, of_operands

Setting: TypeAlias = "int | tuple[int, ...]"
Settings: TypeAlias = "dict[str, Setting]"
"""Arguments of a layer's constructor."""
_Sizes: TypeAlias = "tuple[int, ...]"

#: Layers that look at windows of a map, and how many axes these have.
_WINDOWS: Mapping[type[nn.Module], int] = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3,
    nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3, nn.AvgPool1d: 1, nn.AvgPool2d: 2, nn.AvgPool3d: 3,
}  # fmt: skip
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def with_equal_branches(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with the layers to be changed in place of a sum that gets two sizes because of them."""
    for met in recording.findings:
        branches = _by_size(recording, met)
        for way in _WAYS if branches else ():
            changed = way(recording, met, branches)
            if not changed:
                continue
            first = next(iter(changed))
            changed |= dict(_in_other_blocks(changed, model, met))
            shown = _run_block_by_block(model, retry, met, way, changed)
            if shown is None or not shown.signs_at_lines <= recording.signs_at_lines - {met.sign_at_line}:
                continue
            calls: dict[str, int] = {}
            for index, call in enumerate(recording.calls):
                calls.setdefault(call.path, index)
            # What the pass stopped in has made nothing.
            made = {path: calls[path] for path in changed if path in calls and recording.calls[calls[path]].outputs}
            told = [_told(recording, met, first, index, changed[path]) for path, index in made.items()]
            told += [each for each in recording.findings if each.sign_at_line in shown.signs_at_lines]
            told.sort(key=lambda each: each.call)
            return replace(recording, findings=told, failure=None, required=shown.required)
    return recording


def _run_block_by_block(model: nn.Module, retry: Retry, met: Finding, way: _Way, changed: _Changed) -> Recording | None:
    """What a run with the changes shows, and with those that the next block of one class then turns out to need.

    These are added to ``changed``: that a shortcut lacks its stride shows in a block once the one in front is right.
    """
    for _ in range(_MOST_BLOCKS):
        shown = run_to_the_end(model, retry, changed)
        behind = (
            []
            if shown is None
            else [each for each in shown.findings if each.where is not None and each.where == met.where]
        )
        if shown is None or not behind:
            return shown
        more = way(shown, behind[0], _by_size(shown, behind[0]))
        if not more or more.keys() <= changed.keys():
            return shown
        changed |= more
    return None


_Branches: TypeAlias = "list[tuple[Source, _Sizes]]"
"""Where each map that meets comes from, and its sizes behind batch and channels."""
_Changed: TypeAlias = "dict[str, Settings]"
_Way: TypeAlias = "Callable[[Recording, Finding, _Branches], _Changed]"
#: So many blocks of one class are looked through, each in a run.
_MOST_BLOCKS = 8


def _by_size(recording: Recording, met: Finding) -> _Branches:
    """The maps that meet, where they differ in these sizes; none where that is not known of all of them."""
    misfit = met.misfit
    shapes, sources = misfit.detail.get("shapes", ()), of_operands(met, recording.calls[met.call].sources)
    if misfit.kind != "operands" or misfit.note not in ("elementwise", "concatenate") or len(sources) != len(shapes):
        return []
    sizes = [tuple(shape[2:]) for shape in shapes]
    if len({*map(len, shapes)}) != 1 or not all(sizes) or not all(type(each) is int for size in sizes for each in size):
        return []
    return list(zip(sources, sizes, strict=True)) if len({*sizes}) > 1 else []


# What may be changed


def _with_padding(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """Half a window as padding in all that narrows what meets a larger map; none where something else narrows it."""
    small, large = _parted(branches)
    return _of_layers(recording, met, small, large, _keeping) if large else {}


def _with_padding_everywhere(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """The same on every way from where they part: one may have too much of it."""
    return _of_layers(recording, met, [source for source, _ in branches], [], _keeping)


def _with_stride_of_one(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """The same, and a stride of 1 in pools whose stride is their window, as it is where none is given."""
    small, large = _parted(branches)
    return _of_layers(recording, met, small, large, _keeping_step_by_step) if large else {}


def _with_stride_of_one_everywhere(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """Both on every way."""
    return _of_layers(recording, met, [source for source, _ in branches], [], _keeping_step_by_step)


def _with_stride_of_the_other(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """The stride of the way beside it in the one convolution of a shortcut, which looks at single cells."""
    small, large = _parted(branches)
    wanted = {size for source, size in branches if source in small}
    if not large or len(wanted) != 1:
        return {}
    (goal,) = wanted

    def with_stride(module: nn.Module, rank: int) -> Settings | None:
        if not isinstance(module, _CONVOLUTIONS) or set(module.kernel_size) != {1} or set(module.stride) != {1}:
            return None
        size = next(size for source, size in branches if source in large)
        strides = [
            stride
            for stride in range(2, max(size) + 1)
            if all((had - 1) // stride + 1 == made for had, made in zip(size, goal, strict=True))
        ]
        return {"stride": strides[0]} if strides and any(each > 1 for each in goal) else None

    changed = _of_layers(recording, met, large, small, with_stride, also_unchanged=True)
    return changed if len(changed) == len(large) else {}


def _with_stride_of_the_window(recording: Recording, met: Finding, branches: _Branches) -> _Changed:
    """As a stride the window of transposed convolutions on the way of smaller maps, which enlarge nothing without."""
    small, large = _parted(branches)
    common = set(recording.upstream(large))
    found: _Changed = {}
    for source in recording.upstream(small, lambda each: () if each in common else recording.into(each)):
        module = recording.module_of(source)
        if source in common or not isinstance(module, TRANSPOSED_CONVOLUTIONS) or len(module.kernel_size) != _rank(met):
            continue
        if set(module.stride) == {1} and min(module.kernel_size) > 1:
            found[recording.calls[source.number].path] = {"stride": _one_for_all(tuple(module.kernel_size))}
    return found if large else {}


#: What may have been meant, the likelier first.
_WAYS: Sequence[_Way] = (
    _with_padding, _with_padding_everywhere, _with_stride_of_one, _with_stride_of_one_everywhere,
    _with_stride_of_the_other, _with_stride_of_the_window,
)  # fmt: skip


def _parted(branches: _Branches) -> tuple[list[Source], list[Source]]:
    """The maps that are smaller along some axis, and those that are largest along all."""
    largest = tuple(max(along) for along in zip(*(size for _, size in branches), strict=True))
    parted: tuple[list[Source], list[Source]] = [], []
    for source, size in branches:
        parted[size == largest].append(source)
    return parted


def _of_layers(
    recording: Recording,
    met: Finding,
    changed: Sequence[Source],
    others: Sequence[Source],
    settings: Callable[[nn.Module, int], Settings | None],
    *,
    also_unchanged: bool = False,
) -> _Changed:
    """New settings for the windows on the way of some maps, from where it parts from that of the ``others``.

    Those that keep the size are passed over; ``also_unchanged`` asks for convolutions that do.  Nothing where something
    stands between that is no such window, or the ways do not part.
    """
    if others:
        common = set(recording.upstream(others))
    else:
        common = set.intersection(*(set(recording.upstream([each])) for each in changed))
    found: _Changed = {}
    for one in changed:
        is_forked = False
        for source in recording.upstream([one], lambda each: () if each in common else recording.into(each)):
            is_forked = is_forked or source in common
            if source in common or source.kind is not SourceKind.CALL:
                continue
            call, module = recording.calls[source.number], recording.modules[source.number]
            is_asked = also_unchanged and isinstance(module, _CONVOLUTIONS)
            if call.inner or _leaves_sizes(recording, source.number) or (_keeps_size(call) and not is_asked):
                continue
            new = None if module is None else settings(module, _rank(met))
            if new is None:
                return {}
            found[call.path] = new
        if not is_forked:
            return {}
    return found


def _keeps_size(call: Call) -> bool:
    shapes = [info.shape[2:] for info in (*call.inputs[:1], *call.outputs)]
    return len(set(shapes)) == 1 and len(shapes) > 1


def _leaves_sizes(recording: Recording, index: int) -> bool:
    """Whether a call takes the axes in another order, or maps the last one alone, which may hold the channels."""
    call = recording.calls[index]
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    given, made = call.inputs[0].shape, call.outputs[0].shape
    if recording.family(index) is Family.REARRANGE:
        return len(given) == len(made) and sorted(map(str, given)) == sorted(map(str, made))
    return recording.family(index) is Family.LINEAR and given[:-1] == made[:-1] and len(given) > 2


def _keeping(module: nn.Module, rank: int) -> Settings | None:
    """The padding with which a window that stops at every place keeps the size; None where there is none.

    Nor is there any of a map without a batch, which has an axis less than ``rank`` says.
    """
    window = _window(module, rank)
    if window is None or set(window[1]) != {1} or any(span % 2 for span in window[0]):
        return None
    return {"padding": _one_for_all(tuple(span // 2 for span in window[0]))}


def _keeping_step_by_step(module: nn.Module, rank: int) -> Settings | None:
    """What ``_keeping`` says, of a pool also where its stride is its window."""
    window = _window(module, rank)
    if window is None or isinstance(module, _CONVOLUTIONS) or set(window[1]) == {1}:
        return _keeping(module, rank)
    spans, steps, widths = window
    if steps != widths or any(span % 2 for span in spans):
        return None
    padding = _one_for_all(tuple(span // 2 for span in spans))
    declared = _one_for_all(getattr(module, "padding", 0))
    return {"stride": 1} if padding == declared else {"stride": 1, "padding": padding}


def _window(module: nn.Module, rank: int) -> tuple[_Sizes, _Sizes, _Sizes] | None:
    """How far a window reaches beyond its first cell, its steps and its width, along each axis."""
    known = next((each for kind, each in _WINDOWS.items() if isinstance(module, kind)), 0)
    if known != rank or isinstance(module.padding, str):
        return None
    widths, steps, apart = (
        per_axis(value, rank, name)
        for name, value in (
            ("kernel_size", module.kernel_size),
            ("stride", module.stride),
            ("dilation", getattr(module, "dilation", 1)),
        )
    )
    return tuple(by * (width - 1) for width, by in zip(widths, apart, strict=True)), tuple(steps), tuple(widths)


def _in_other_blocks(changed: Mapping[str, Settings], model: nn.Module, met: Finding) -> Iterator[tuple[str, Settings]]:
    """The same layers in every other module of the class whose ``forward`` has the sum: it is met there next."""
    block = met.path
    if not block or not all(path.startswith(f"{block}.") for path in changed):
        return
    kind = type(module_at(model, block))
    for path, module, _ in walk(model):
        for own, settings in changed.items() if type(module) is kind and path != block else ():
            inner = own.removeprefix(f"{block}.")
            layer: nn.Module | None = module
            for name in inner.split("."):
                layer = uncompiled(layer._modules.get(name)) if layer is not None else None
            known = _keeping(layer, _rank(met)) if layer is not None else None
            if settings == known != {"padding": _one_for_all(getattr(layer, "padding", 0))}:
                yield f"{path}.{inner}", settings


def _rank(met: Finding) -> int:
    return len(met.misfit.detail["shapes"][0]) - 2


def _one_for_all(setting: Setting) -> Setting:
    """One number where those of all axes are equal."""
    return setting[0] if isinstance(setting, tuple) and len(set(setting)) == 1 else setting


def _told(recording: Recording, met: Finding, first: str, index: int, settings: Settings) -> Finding:
    """What is told of one layer; of one in another block than that of ``first`` that it is as there."""
    kind, new = next(iter(settings.items()))
    declared = _one_for_all(getattr(recording.modules[index], kind, 0))
    detail: dict[str, Any] = {"made": recording.calls[index].outputs[0].shape}
    is_there = recording.calls[index].path.startswith(f"{met.path}.") or not met.path
    detail |= {"met": met} if is_there else {"as": first}
    return finding_of_layer(recording, Misfit(kind, declared, new, "", detail, settings), index)
