"""From what a pass recorded, and the model while it is at hand, to records that outlive it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import jit, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from convlin.collector import paused
from convlin.derivations import of_functions
from convlin.layers import Derive, runs_as_documented
from convlin.nested import device_name, dtype_name, sizes
from convlin.recording import Event, Recording
from convlin.records import Call, ModuleInfo, ParameterInfo, Problem, Report

_NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True, slots=True)
class Node:
    """One module of the tree with every path that leads to it."""

    path: str
    module: nn.Module
    aliases: tuple[str, ...]


def walk(model: nn.Module) -> list[Node]:
    """Every module once, in the order of ``named_modules()``, with the other paths it goes by."""
    order: list[tuple[str, nn.Module]] = []
    aliases: dict[int, list[str]] = {}
    pending: list[tuple[str, nn.Module]] = [("", model)]
    while pending:
        path, module = pending.pop()
        if id(module) in aliases:
            aliases[id(module)].append(path)
            continue
        aliases[id(module)] = []
        order.append((path, module))
        prefix = f"{path}." if path else ""
        children = [(prefix + name, child) for name, child in module._modules.items() if child is not None]
        pending.extend(reversed(children))
    return [Node(path, module, tuple(aliases[id(module)])) for path, module in order]


def build(
    model: nn.Module,
    recording: Recording,
    *,
    device: str,
    mode: str,
    problems: tuple[Problem, ...] = (),
    remarks: tuple[str, ...] = (),
    during: Held | None = None,
) -> Report:
    """The report of one pass; with an empty recording, of the structure alone.

    ``model`` is as the user gave it, with nothing of the pass left on it; ``during`` tells what could
    be seen only while the pass had it.
    """
    with paused():
        return _build(model, recording, during or Held(model, recording), problems, remarks, device=device, mode=mode)


def _build(
    model: nn.Module,
    recording: Recording,
    during: Held,
    problems: tuple[Problem, ...],
    remarks: tuple[str, ...],
    *,
    device: str,
    mode: str,
) -> Report:
    nodes = walk(model)
    ran = bool(recording.events or recording.inputs)
    modules = tuple(_module_infos(nodes, recording, during, ran=ran))
    own = {id(node.module): _counts(info) for node, info in zip(nodes, modules, strict=True) if info.parameters}
    return Report(
        model=type(model).__name__,
        inputs=recording.inputs,
        outputs=recording.outputs,
        device=device,
        mode=mode,
        calls=tuple(_call(event, own) for event in recording.events),
        modules=modules,
        problems=problems,
        required_in_features=dict(recording.required),
        joins=tuple(recording.joins),
        remarks=remarks,
        completed=recording.failure is None,
    )


def _counts(info: ModuleInfo) -> tuple[int, int]:
    """Elements of a module's own parameters, and of those that are trained."""
    counts = [(parameter.numel, parameter.trainable) for parameter in info.parameters]
    return sum(number for number, _ in counts), sum(number for number, trainable in counts if trainable)


def _call(event: Event, own: dict[int, tuple[int, int]]) -> Call:
    params, trainable = own.get(id(event.module), (0, 0))
    return Call(
        path=event.path,
        type=event.type,
        inputs=event.inputs,
        outputs=event.outputs,
        params=params,
        trainable_params=trainable,
        is_function=event.is_function,
        inner=event.inner,
        sources=event.sources,
        settings=event.settings,
        where=event.where,
        flops=event.flops,
        failed=event.failed,
        stood_in=event.stood_in,
        derive=_derive(event),
    )


def _derive(event: Event) -> Derive | None:
    """The rule of a function known by name, or of a layer that runs PyTorch's own ``forward``."""
    if event.is_function:
        return of_functions.derive if of_functions.function_named(event.type) is not None else None
    return event.rule.derive if event.module is not None and runs_as_documented(type(event.module)) else None


def lazy_modules(model: nn.Module) -> list[nn.Module]:
    """The modules whose parameters have no size yet."""
    return [
        module
        for module in model.modules()
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()
    ]


class Held:
    """What a model holds while a pass has it: sizes of lazy layers, and parameters used without a call.

    ``known`` has the parameters and buffers of the lazy modules, by the module's identity; ``used`` the
    identities of the modules that were not called although a function took their parameters.
    """

    def __init__(self, model: nn.Module, recording: Recording, lazy: Iterable[nn.Module] = ()) -> None:
        self.known = {
            id(module): (
                tuple(_tensor_infos("", module._parameters.items(), {})),
                tuple(_tensor_infos("", module._buffers.items(), {})),
            )
            for module in lazy
        }
        called = {id(event.module) for event in recording.events}
        self.used = {
            id(module)
            for module in model.modules()
            if id(module) not in called
            and any(id(tensor) in recording.used for tensor in module._parameters.values() if tensor is not None)
        }


def _module_infos(nodes: list[Node], recording: Recording, during: Held, *, ran: bool) -> Iterator[ModuleInfo]:
    counts = Counter(id(event.module) for event in recording.events if event.module is not None)
    parameters: dict[int, str] = {}
    buffers: dict[int, str] = {}
    opaque = {
        id(inner) for node in nodes if isinstance(node.module, jit.ScriptModule) for inner in node.module.modules()
    }
    opaque -= {id(node.module) for node in nodes if counts[id(node.module)]}
    busy = _with_called_descendants(nodes, counts)
    for node in nodes:
        module = node.module
        known = during.known.get(id(module))
        if known is None:
            own = tuple(_tensor_infos(node.path, module._parameters.items(), parameters))
            buffered = tuple(_tensor_infos(node.path, module._buffers.items(), buffers)) if module._buffers else ()
        else:
            own, buffered = known
        called = counts[id(module)]
        yield ModuleInfo(
            path=node.path,
            type=type(module).__name__,
            calls=called,
            parameters=own,
            buffers=buffered,
            aliases=node.aliases,
            is_leaf=not module._modules,
            remark="" if called or not ran else _remark(module, during, opaque, busy),
        )


def _with_called_descendants(nodes: list[Node], counts: Counter[int]) -> set[int]:
    by_path = {node.path: id(node.module) for node in nodes}
    busy: set[int] = set()
    for node in nodes:
        if counts[id(node.module)]:
            path = node.path
            while path:
                path = path.rpartition(".")[0]
                if path in by_path:
                    busy.add(by_path[path])
    return busy


def _remark(module: nn.Module, during: Held, opaque: set[int], busy: set[int]) -> str:
    """Why a module has no call, as far as that can be said."""
    if isinstance(module, _NEVER_CALLED):
        return "a list of modules: it is never called itself"
    if id(module) in opaque:
        return "runs inside TorchScript, where no call can be seen"
    if id(module) in busy:
        return "not called itself, only modules inside it"
    if id(module) in during.used:
        return "not called as a module, but its parameters are used"
    return "never called"


def _tensor_infos(path: str, tensors: object, known: dict[int, str]) -> Iterator[ParameterInfo]:
    for name, tensor in tensors:  # type: ignore[attr-defined]  # OrderedDict items, or TorchScript's own wrapper
        if tensor is None:
            continue
        full = f"{path}.{name}" if path else name
        first = known.setdefault(id(tensor), full)
        yield ParameterInfo(
            name,
            (0,) if is_lazy(tensor) else sizes(tensor),
            dtype_name(tensor.dtype),
            device_name(tensor),
            tensor.requires_grad,
            first if first != full else None,
        )
