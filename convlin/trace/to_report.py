"""From what a pass recorded, and the model while it is at hand, to records that outlive it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import CoroutineType, GeneratorType, NoneType
from typing import Any

from torch import Tensor, jit, nn
from torch.nn.parameter import is_lazy

from convlin._util.deferred import Deferred
from convlin._util.gc_pause import paused
from convlin.module_tree import Node, holding_lazy, modules_of, of_class, walk
from convlin.records import ModuleInfo, ParameterInfo, Report, Shape
from convlin.tensors import device_name, dtype_name, sizes
from convlin.trace.recording import Recording

#: Classes of tensors of which those that are alike have everything in common that a record tells.
_PLAIN = (nn.Parameter, Tensor)
_NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


@paused()
def build(
    model: nn.Module,
    recording: Recording,
    *,
    device: str,
    mode: str,
    remarks: tuple[str, ...] = (),
    during: Held | None = None,
    nodes: Sequence[Node] | None = None,
) -> Report:
    """The report of one pass; with an empty recording, of the structure alone.

    ``model`` is as the user gave it, with nothing of the pass left on it; ``during`` tells what could
    be seen only while the pass had it; ``nodes`` are its modules, where somebody has walked through it.
    """
    if nodes is None:
        nodes = walk(model)
    during = during or Held(nodes, recording)
    ran = bool(recording.calls or recording.inputs)
    calls = tuple(recording.calls)
    return Report(
        model=type(model).__name__,
        inputs=recording.inputs,
        outputs=recording.outputs,
        device=device,
        mode=mode,
        calls=calls,
        modules=tuple(_module_infos(nodes, recording, during, ran=ran)),
        required_in_features=dict(recording.required),
        joins=tuple(recording.joins),
        made_by=recording.made_by,
        remarks=(*remarks, *(_OF_RETURNED.get(recording.returned) or _returning_nothing(recording))),
        completed=recording.failure is None,
        expressions=Deferred(partial(recording.expressions.results, calls)),
        input_names=recording.input_names,
    )


def _returning_nothing(recording: Recording) -> tuple[str, ...]:
    """Of a pass that stopped at a None, the module in front that gave no tensor."""
    failure = recording.failure
    if failure is None or "NoneType" not in str(failure.error):
        return ()
    before = recording.calls[: failure.call] if failure.call >= 0 else recording.calls
    silent = (each for each in reversed(before) if not (each.is_function or each.failed or each.outputs))
    found = next((each for each in silent if each.path and each.inputs), None)
    return (
        ()
        if found is None
        else (f"{found.path} ({found.type}) returns no tensor: is a return missing in its forward?",)
    )


#: What is to be said of a model that returns no tensor, by the class of what it returns.
_OF_RETURNED: dict[type, tuple[str, ...]] = {
    NoneType: ("forward returns None: is a return missing?",),
    GeneratorType: ("forward returns a generator, whose code runs only when it is iterated: its calls are not seen",),
    CoroutineType: ("forward is async, and its code runs only when it is awaited: its calls are not seen",),
}


def lazy_modules(nodes: Sequence[Node]) -> list[nn.Module]:
    """The modules whose parameters have no size yet."""
    return holding_lazy([node.module for node in nodes])


class Held:
    """What a model holds while a pass has it: sizes of lazy layers, and parameters used without a call.

    ``known`` has the parameters and buffers of the lazy modules, by the module's identity; ``used`` what is said of
    the modules that were not called although a function took their parameters, by identity as well.
    """

    def __init__(self, nodes: Sequence[Node], recording: Recording, lazy: Iterable[nn.Module] = ()) -> None:
        read = _Parameters()
        self.known = {
            id(module): (
                read.infos("", module._parameters.items(), {}),
                read.infos("", module._buffers.items(), {}),
            )
            for module in lazy
        }
        called = set(map(id, recording.modules))
        others = [node.module for node in nodes if node.module._parameters and id(node.module) not in called]
        # Inside one of PyTorch's own layers nobody looks who takes which weight: that layer's own.
        used = recording.used if not others else recording.used.union(*map(_own_parameters, recording.modules))
        self.used: dict[int, str] = {}
        if not used:
            return
        holders: dict[int, str] = {}
        for path, module, _ in nodes if others else ():
            if id(module) in called:
                holders.update((key, holders.get(key, path)) for key in _own_parameters(module))
        for module in others:
            taken = {
                name: id(weight)
                for name, weight in module._parameters.items()
                if weight is not None and id(weight) in used
            }
            if taken:
                self.used[id(module)] = _said_of_use(taken, holders)


def _said_of_use(taken: Mapping[str, int], holders: Mapping[int, str]) -> str:
    """What is said of a module whose parameters ``taken`` were used, by the layers that hold them or by a function."""
    owners = {holders.get(key, "") for key in taken.values()}
    owner = owners.pop()
    if owners or not owner:
        return "not called as a module, but its parameters are used"
    return f"its {' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} tied to {owner}"


def _own_parameters(module: nn.Module | None) -> Iterator[int]:
    return map(id, module._parameters.values() if module is not None else ())


def _module_infos(nodes: Sequence[Node], recording: Recording, during: Held, *, ran: bool) -> Iterator[ModuleInfo]:
    counts = Counter([id(module) for module in recording.modules if module is not None])
    parameters: dict[int, str] = {}
    buffers: dict[int, str] = {}
    scripted = of_class([node.module for node in nodes], jit.ScriptModule)
    opaque = {id(inner) for module in scripted for inner in modules_of(module)}
    opaque -= {id(node.module) for node in nodes if counts[id(node.module)]}
    everything_ran = len(counts) >= len(nodes) and all(id(node.module) in counts for node in nodes)
    busy = set() if everything_ran or not ran else _with_called_descendants(nodes, counts)
    read = _Parameters()
    stopped = _where_it_stopped(recording)
    for path, module, aliases in nodes:
        known = during.known.get(id(module)) if during.known else None
        if known is None:
            held, buffered = module._parameters, module._buffers
            own = read.infos(path, held.items(), parameters) if held else ()
            also = read.infos(path, buffered.items(), buffers) if buffered else ()
        else:
            own, also = known
        called = counts[id(module)]
        remark = "" if called or not ran else stopped.get(path) or _remark(module, during, opaque, busy)
        yield ModuleInfo(path, type(module).__name__, called, own, also, aliases, not module._modules, None, remark)


def _with_called_descendants(nodes: Sequence[Node], counts: Counter[int]) -> set[int]:
    by_path = {node.path: id(node.module) for node in nodes}
    busy: set[int] = set()
    done: set[str] = set()
    for node in nodes:
        if counts[id(node.module)]:
            path = node.path
            while path:
                path = path.rpartition(".")[0]
                if path in done:
                    break
                done.add(path)
                if path in by_path:
                    busy.add(by_path[path])
    return busy


def _where_it_stopped(recording: Recording) -> dict[str, str]:
    """What is said of the modules that were running when the pass stopped."""
    failure = recording.failure
    if failure is None or not recording.under_way:
        return {}
    said = dict.fromkeys(recording.under_way, "the pass stopped here")
    if not failure.refused:
        said[recording.under_way[-1]] = "raised here"
    return said


def _remark(module: nn.Module, during: Held, opaque: set[int], busy: set[int]) -> str:
    """Why a module has no call, as far as that can be said."""
    if isinstance(module, _NEVER_CALLED):
        return "a list of modules: it is never called itself"
    if id(module) in opaque:
        return "runs inside TorchScript, where no call can be seen"
    if id(module) in busy:
        return "not called itself, only modules inside it"
    return during.used.get(id(module), "never called")


class _Parameters:
    """Records of parameters and buffers; what tensors that are alike have in common is read once."""

    def __init__(self) -> None:
        self._alike: dict[tuple[Any, ...], tuple[Shape, str, str]] = {}

    def infos(
        self, path: str, tensors: Iterable[tuple[str, Tensor | None]], known: dict[int, str]
    ) -> tuple[ParameterInfo, ...]:
        """A record of every tensor that the module at ``path`` holds; ``known`` are the names of those met before."""
        infos, prefix, alike = [], f"{path}." if path else "", self._alike
        for name, tensor in tensors:
            if tensor is None:
                continue
            full = prefix + name
            first = known.setdefault(id(tensor), full)
            if type(tensor) not in _PLAIN or tensor.is_nested:
                facts = (0,) if is_lazy(tensor) else sizes(tensor), dtype_name(tensor.dtype), device_name(tensor)
            else:
                kind = (tensor.shape, tensor.dtype, None if tensor.is_cpu else tensor.device)
                facts = alike.get(kind) or self._facts(kind, tensor)
            alias_of = None if first is full else first
            # Not by name, which is a call more: there may be a hundred thousand.
            infos.append(tuple.__new__(ParameterInfo, (name, *facts, tensor.requires_grad, alias_of)))
        return tuple(infos)

    def _facts(self, kind: tuple[Any, ...], tensor: Tensor) -> tuple[Shape, str, str]:
        found = self._alike[kind] = (sizes(tensor), dtype_name(tensor.dtype), device_name(tensor))
        return found
