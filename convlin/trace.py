"""One forward pass under hooks and a function mode: what was called, in order, and what did not fit.

Two kinds of pass share this code.  The quick one puts one hook on a plain layer and looks at
nothing that it does not record.  The careful one, run when the quick one stopped or something
looks wrong, examines what reaches every layer beforehand and lets a stand-in take the place of
what does not fit, so that one pass tells of every mistake.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from convlin.functions import (
    hands_on,
    is_fact,
    makes_feature_map,
    name_of,
    recover,
    reshape_sizes,
    writes,
)
from convlin.layers import PLAIN, Arrival, LayerRule, Misfit, rule_for, runs_as_documented
from convlin.nested import SizeReader, describe, describe_arguments, info, sizes, tensors_in
from convlin.records import Join, Location, TensorInfo
from convlin.untouched import Keeper

_TORCH = str(Path(torch.__file__).parent)
_HERE = __file__
#: Files of torch that only pass a call on to what a user called: the caller is further up.
_PASSING_ON = tuple(
    str(Path(_TORCH, *parts))
    for parts in (
        ("nn", "functional.py"), ("overrides.py",), ("_jit_internal.py",), ("_tensor.py",), ("functional.py",),
        ("utils", "_device.py"), ("_C", "__init__.py"),
    )
)  # fmt: skip
_MODULE_CALL = str(Path(_TORCH, "nn", "modules", "module.py"))
_INSTALLED = ("site-packages", "dist-packages")

_NO_SOURCE = -1


class Event(NamedTuple):
    """One call as it was seen: what becomes a ``records.Call``."""

    module: nn.Module | None
    path: str
    type: str
    rule: LayerRule
    settings: Mapping[str, Any]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    inner: int
    sources: tuple[int, ...]
    where: Location | None = None
    is_function: bool = False
    failed: bool = False
    stood_in: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A misfit and where it was met; ``diagnose`` puts it into words."""

    misfit: Misfit
    path: str
    event: int
    """Index of the event it belongs to."""
    inputs: tuple[TensorInfo, ...]
    source: int
    """Index of the event that made the first input, or -1."""
    layer: str = ""
    """The layer as PyTorch prints it; empty for a function."""
    function: str = ""
    where: Location | None = None
    is_model_input: bool = False


@dataclass(slots=True)
class Failure:
    """Where a pass stopped."""

    error: BaseException
    in_torch: bool
    """A torch function or layer refused its input; otherwise the user's own code raised."""
    path: str = ""
    function: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    where: Location | None = None
    in_layer: bool = False
    """The function was called by a layer of PyTorch's own, which is what a user sees fail."""
    event: int = _NO_SOURCE
    dummy_places: frozenset[str] = frozenset()
    """The model inputs made by convlin that the failing function's tensors come from."""


@dataclass(slots=True)
class _Frame:
    """A module under way."""

    module: nn.Module
    path: str
    start: int
    is_leaf: bool
    inputs: tuple[TensorInfo, ...] = ()
    sources: tuple[int, ...] = ()
    findings: list[Misfit] = field(default_factory=list)
    original: Tensor | None = None
    is_model_input: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """A reshape that is to be taken for a mistake: the batch disappears in it for good."""

    where: Location | None
    path: str
    shape: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """What an earlier pass showed to be a mistake although nothing raised."""

    folds: frozenset[Fold] = frozenset()
    unflattened: frozenset[str] = frozenset()
    """Paths of Linears that work on a feature map as it is."""

    def __bool__(self) -> bool:
        return bool(self.folds or self.unflattened)

    def __or__(self, other: Suspects) -> Suspects:
        return Suspects(self.folds | other.folds, self.unflattened | other.unflattened)


@dataclass(slots=True)
class Recording:
    """Everything that one pass showed."""

    events: list[Event] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    required: dict[str, Any] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    """Identities of the tensors that some torch function took as a weight."""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    failure: Failure | None = None


class Tracer(TorchFunctionMode):
    """Records one forward pass of ``model``; see ``trace``."""

    def __init__(
        self,
        model: nn.Module,
        keeper: Keeper | None,
        *,
        careful: bool = False,
        batch_added: bool = False,
        suspects: Suspects | None = None,
        read: SizeReader = sizes,
    ) -> None:
        super().__init__()
        self.recording = Recording()
        self._model = model
        self._keeper = keeper
        self._careful = careful
        self._batch_added = batch_added
        self._suspects = suspects or Suspects()
        self._read = read
        self._thread = threading.get_ident()
        self._paths: dict[int, str] = {}
        self._rules: dict[type, tuple[LayerRule, str, bool]] = {}
        self._stack: list[_Frame] = []
        self._handles: list[RemovableHandle] = []
        self._made: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._dummies: dict[int, str] = {}
        self._tainted: set[int] = set()
        self._roles: dict[Any, int] = {}
        self._files: dict[str, int] = {}

    # Hooks on and off

    def attach(self) -> None:
        """Put the hooks on every submodule of the model."""
        opaque: set[int] = set()
        for path, module in self._model.named_modules():
            if id(module) in opaque:
                continue
            self._paths[id(module)] = path
            if isinstance(module, torch.jit.ScriptModule):
                # Its children run inside TorchScript, where no Python hook is called.
                opaque.update(id(inner) for inner in module.modules() if inner is not module)
            if self._careful or not self._is_plain_leaf(module):
                self._handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._after, with_kwargs=True))

    def detach(self) -> None:
        """Take every hook off again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _is_plain_leaf(self, module: nn.Module) -> bool:
        return not module._modules and type(module).__module__.startswith("torch.nn.modules.")

    # Modules

    def _before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if threading.get_ident() != self._thread:
            return None
        with torch._C.DisableTorchFunction():
            frame = _Frame(module, self._paths.get(id(module), ""), len(self.recording.events), not module._modules)
            self._stack.append(frame)
            if not self._careful:
                return None
            frame.inputs = describe_arguments(args, kwargs, self._read)
            frame.sources = self._sources_of(args, kwargs)
            return self._examine(module, frame, args, kwargs)

    def _examine(
        self, module: nn.Module, frame: _Frame, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        rule, _, documented = self._rule(type(module))
        if rule.examine is None or not documented or _is_lazy(module):
            return None
        first = args[0] if args else next(iter(kwargs.values()), None)
        source = self._source(first) if isinstance(first, Tensor) else _NO_SOURCE
        frame.is_model_input = isinstance(first, Tensor) and self._comes_from_input(first)
        arrival = Arrival(
            args,
            kwargs,
            is_model_input=frame.is_model_input,
            batch_added=self._batch_added,
            is_feature_map=isinstance(first, Tensor) and self._is_feature_map(source, first.dim()),
            must_flatten=frame.path in self._suspects.unflattened,
        )
        verdict = rule.examine(module, arrival)
        if verdict is None:
            return None
        frame.findings = list(verdict.misfits)
        if verdict.keeps_input:
            frame.original = first
        return verdict.stand_in

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        if threading.get_ident() != self._thread:
            return None
        with torch._C.DisableTorchFunction():
            frame = self._pop(module)
            replaced = frame is not None and frame.original is not None
            if replaced and frame is not None:
                output = frame.original.clone() if isinstance(output, Tensor) and frame.original is not None else output
            self._record(module, frame, args, kwargs, output)
            return output if replaced else None

    def _pop(self, module: nn.Module) -> _Frame | None:
        """The frame of a module that completes; frames above it belong to calls whose error was caught."""
        stack = self._stack
        if stack and stack[-1].module is module:
            return stack.pop()
        for depth in range(len(stack) - 1, -1, -1):
            if stack[depth].module is module:
                frame = stack[depth]
                del stack[depth:]
                return frame
        return None

    def _record(
        self, module: nn.Module, frame: _Frame | None, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        events = self.recording.events
        index = len(events)
        rule, name, _ = self._rule(type(module))
        path = self._paths.get(id(module), "")
        if frame is not None and self._careful:
            inputs, sources = frame.inputs, frame.sources
        else:
            inputs = describe_arguments(args, kwargs, self._read)
            sources = self._sources_of(args, kwargs)
        outputs = describe(output, self._read)
        inner = index - frame.start if frame is not None else 0
        stood_in = bool(frame is not None and frame.findings)
        settings = rule.read_settings(module)
        events.append(
            Event(module, path, name, rule, settings, inputs, outputs, inner, sources, stood_in=stood_in)
        )
        if isinstance(module, nn.Linear) and inputs:
            self._require(path, frame, inputs)
        if frame is not None and frame.findings:
            for misfit in frame.findings:
                self._find(misfit, path, index, inputs, sources, layer=_printed(module), model_input=frame.is_model_input)
        for _, tensor in tensors_in(output) if not isinstance(output, Tensor) else (("", output),):
            # What a container returns was made by something inside it, which tells more.
            if not inner or self._source(tensor) == _NO_SOURCE:
                self._remember(tensor, index)
            if stood_in:
                self._tainted.add(id(tensor))

    def _require(self, path: str, frame: _Frame | None, inputs: tuple[TensorInfo, ...]) -> None:
        required: Any = inputs[0].shape[-1] if inputs[0].shape else None
        for misfit in frame.findings if frame is not None else ():
            if misfit.kind == "in_features" or misfit.note == "flatten":
                required = misfit.required
        self.recording.required.setdefault(path, required)

    def _rule(self, kind: type) -> tuple[LayerRule, str, bool]:
        known = self._rules.get(kind)
        if known is None:
            known = self._rules[kind] = (rule_for(kind), kind.__name__, runs_as_documented(kind))
        return known

    # Functions between modules

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        role = self._roles.get(func)
        if role is None:
            role = self._roles[func] = (_WRITES if writes(func) else 0) | (_FACT if is_fact(func) else 0)
        if role & _WRITES or "out" in kwargs:
            self._keep(args, kwargs)
        if role & _FACT:
            return func(*args, **kwargs)
        frame = sys._getframe(1)
        filename = frame.f_code.co_filename
        kind = self._files.get(filename) or self._classify(filename)
        self.recording.used.update(map(id, args))
        caller = None if kind == _LIBRARY else self._caller(frame)
        if caller is None:
            try:
                return func(*args, **kwargs)
            except Exception as error:
                return self._in_layer(func, args, kwargs, error)
        return self._between(func, args, kwargs, caller)

    def _in_layer(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> Any:
        """A function that a layer of PyTorch's own called has raised.

        A layer with PyTorch's own ``forward`` was examined before; one whose class overrides it can
        take other sizes than it declares, so it is judged only here, by what its function refused.
        """
        layer = self._stack[-1] if self._stack else None
        if self._careful and layer is not None and isinstance(error, RuntimeError) and not self._rule(type(layer.module))[2]:
            recovery = recover(func, args, kwargs, None, layer.module)
            if recovery is not None:
                layer.findings.extend(recovery.misfits)
                return recovery.result
        tensors = _flat_tensors(args, kwargs)
        self.recording.failure = Failure(
            error,
            in_torch=True,
            function=name_of(func),
            inputs=tuple(info(tensor, "", self._read) for tensor in tensors),
            in_layer=True,
            dummy_places=self._places(tensors),
        )
        raise error

    def _places(self, tensors: list[Tensor]) -> frozenset[str]:
        """The inputs that convlin made among ``tensors``."""
        return frozenset(self._dummies[id(tensor)] for tensor in tensors if self._dummies.get(id(tensor)))

    def _between(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], caller: FrameType) -> Any:
        """A function that some code outside torch's layers called: a row where the shape changes."""
        tensors = _flat_tensors(args, kwargs)
        before = tuple(self._read(tensor) for tensor in tensors)
        misfits: tuple[Misfit, ...] = ()
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            recovery = self._recover(func, args, kwargs, error)
            if recovery is None:
                self._fail(func, args, kwargs, tensors, caller, error)
                raise
            misfits, result = recovery
        if not tensors:
            return result
        made = [result] if isinstance(result, Tensor) else _made(result)
        if not made:
            return result
        folded = self._folded(func, args, kwargs, caller, before, made)
        if folded is not None:
            misfits, result = (folded,), tensors[0].flatten(1)
            made = [result]
        top = self._stack[-1] if self._stack else None
        shows = top is None or not top.is_leaf or len(self._stack) == 1
        changed = len(made) > 1 or self._read(made[0]) != before[0]
        sources = tuple(self._source(tensor) for tensor in tensors)
        if (changed and shows) or misfits:
            self._row(func, args, kwargs, caller, tensors, before, sources, made, misfits)
        else:
            self._pass_on(func, caller, made, sources)
        return result

    def _row(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        caller: FrameType,
        tensors: list[Tensor],
        before: tuple[Any, ...],
        sources: tuple[int, ...],
        made: list[Tensor],
        misfits: tuple[Misfit, ...],
    ) -> None:
        path = self._stack[-1].path if self._stack else ""
        where = self._where(caller)
        index = len(self.recording.events)
        inputs = tuple(
            info(tensor, "", self._read)._replace(shape=shape) for tensor, shape in zip(tensors, before, strict=True)
        )
        name = name_of(func)
        silent = all(misfit.kind == "operands" for misfit in misfits) and any(
            id(tensor) in self._tainted for tensor in tensors
        )
        self.recording.events.append(
            Event(
                None, path, name, PLAIN, plain_settings(args, kwargs), inputs,
                tuple(info(tensor, "", self._read) for tensor in made), 0, sources, where,
                is_function=True, stood_in=bool(misfits),
            )
        )  # fmt: skip
        for misfit in misfits:
            if not silent:  # after a stand-in two operands may differ only because of it
                self._find(misfit, path, index, inputs, sources, function=name, where=where)
        for tensor in made:
            self._remember(tensor, index)
            if misfits or silent:
                self._tainted.add(id(tensor))

    def _pass_on(self, func: Any, caller: FrameType, made: list[Tensor], sources: tuple[int, ...]) -> None:
        """A function that keeps the shape is no row, but what it returns comes from where its input came."""
        known = [source for source in sources if source != _NO_SOURCE]
        source = known[0] if known else _NO_SOURCE
        if len(known) > 1 and known[0] != known[1]:
            joins = self.recording.joins
            joins.append(Join(name_of(func), self._where(caller), sources))
            source = -1 - len(joins)
        for tensor in made:
            self._remember(tensor, source)

    def _recover(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
    ) -> tuple[tuple[Misfit, ...], Any] | None:
        if not self._careful or not isinstance(error, RuntimeError | ValueError | IndexError):
            return None
        layer = self._stack[-1].module if self._stack and self._stack[-1].is_leaf else None
        recovery = recover(func, args, kwargs, None, layer)
        return (recovery.misfits, recovery.result) if recovery is not None else None

    def _folded(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        caller: FrameType,
        before: tuple[Any, ...],
        made: list[Tensor],
    ) -> Misfit | None:
        """The misfit of a reshape that is known to lose the batch."""
        if not self._suspects.folds or not before or len(before[0]) < 2:
            return None
        path = self._stack[-1].path if self._stack else ""
        if Fold(self._where(caller), path, before[0]) not in self._suspects.folds:
            return None
        required = 1
        for size in before[0][1:]:
            required *= size
        wanted = reshape_sizes(args, kwargs)
        declared = self._read(made[0])[-1]
        detail = {"wanted": wanted, "shape": before[0], "rows": self._read(made[0])[0]}
        return Misfit("batch", declared, required, "folded", detail)

    def _keep(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._keeper is None:
            return
        for _, tensor in tensors_in((args, kwargs)):
            self._keeper.before_write(tensor)

    # Where things come from

    def _remember(self, tensor: Tensor, index: int) -> None:
        self._made[id(tensor)] = (weakref.ref(tensor), index)

    def _source(self, tensor: Tensor) -> int:
        entry = self._made.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else _NO_SOURCE

    def _sources_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            return (self._source(args[0]),)
        return tuple(self._source(tensor) for _, tensor in tensors_in((args, kwargs)))

    def _comes_from_input(self, tensor: Tensor) -> bool:
        return id(tensor) in self._dummies

    def _is_feature_map(self, source: int, rank: int) -> bool:
        return is_feature_map(self.recording, source, rank)

    def take_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any], dummies: Mapping[str, Tensor]) -> None:
        """Tell the tracer what goes into the model; ``dummies`` are the tensors that convlin made."""
        self.recording.inputs = describe_arguments(args, kwargs, self._read)
        for _, tensor in tensors_in((args, kwargs)):
            self._dummies[id(tensor)] = ""
        for place, tensor in dummies.items():
            self._dummies[id(tensor)] = place

    # Frames

    def _classify(self, filename: str) -> int:
        if filename in _PASSING_ON or filename == _HERE:
            kind = _PASSES
        elif filename.startswith(_TORCH):
            kind = _LIBRARY
        else:
            kind = _USER
        self._files[filename] = kind
        return kind

    def _caller(self, frame: FrameType | None) -> FrameType | None:
        """The frame outside torch that called the function; None when torch's own code did."""
        while frame is not None:
            filename = frame.f_code.co_filename
            kind = self._files.get(filename) or self._classify(filename)
            if kind == _USER:
                return frame
            if kind == _LIBRARY:
                return None
            frame = frame.f_back
        return None

    def _where(self, frame: FrameType) -> Location:
        """The user's own line: a helper from an installed package is passed over where its caller is nearer home."""
        chosen, looked = frame, frame.f_back
        while looked is not None and _is_installed(chosen.f_code.co_filename):
            filename = looked.f_code.co_filename
            if filename == _MODULE_CALL or filename.startswith(_TORCH):
                break
            if not _is_installed(filename):
                chosen = looked
                break
            looked = looked.f_back
        return Location(chosen.f_code.co_filename, chosen.f_lineno)

    # When it fails

    def _fail(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        tensors: list[Tensor],
        caller: FrameType,
        error: BaseException,
    ) -> None:
        failure = self.recording.failure
        if failure is not None and failure.error is error:
            return
        self.recording.failure = Failure(
            error,
            in_torch=True,
            path=self._stack[-1].path if self._stack else "",
            function=name_of(func),
            inputs=tuple(info(tensor, "", self._read) for tensor in tensors),
            settings=plain_settings(args, kwargs),
            where=self._where(caller),
            dummy_places=self._places(tensors),
        )

    def stop(self, error: BaseException) -> None:
        """The pass ended with ``error``: mark the call or line where it stopped."""
        failure = self.recording.failure
        if failure is None or failure.error is not error:
            failure = Failure(error, in_torch=_raised_in_torch(error))
        top = self._stack[-1] if self._stack else None
        between = failure.function and not failure.in_layer
        if between and not (top is not None and top.is_leaf and len(self._stack) > 1):
            event = Event(
                None, failure.path, failure.function, PLAIN, failure.settings, failure.inputs, (), 0,
                (), failure.where, is_function=True, failed=True,
            )  # fmt: skip
        elif top is not None and self._careful:
            rule, name, _ = self._rule(type(top.module))
            failure.path = top.path
            failure.inputs = failure.inputs if between else top.inputs
            failure.function = failure.function if between else ""
            event = Event(
                top.module, top.path, name, rule, rule.read_settings(top.module), top.inputs, (),
                len(self.recording.events) - top.start, top.sources, failed=True, stood_in=bool(top.findings),
            )  # fmt: skip
        else:
            self.recording.failure = failure
            return
        failure.event = len(self.recording.events)
        if top is not None:
            if isinstance(top.module, nn.Linear) and top.inputs:
                self._require(top.path, top, top.inputs)
            for misfit in top.findings:
                self._find(
                    misfit, top.path, failure.event, top.inputs, top.sources,
                    layer=_printed(top.module), model_input=top.is_model_input,
                )  # fmt: skip
        self.recording.events.append(event)
        self.recording.failure = failure

    def _find(
        self,
        misfit: Misfit,
        path: str,
        event: int,
        inputs: tuple[TensorInfo, ...],
        sources: tuple[int, ...],
        *,
        layer: str = "",
        function: str = "",
        where: Location | None = None,
        model_input: bool = False,
    ) -> None:
        source = sources[0] if sources else _NO_SOURCE
        self.recording.findings.append(
            Finding(misfit, path, event, inputs, source, layer, function, where, model_input)
        )


_WRITES, _FACT = 1, 2
_USER, _PASSES, _LIBRARY = 1, 2, 3


def is_feature_map(recording: Recording, source: int, rank: int) -> bool:
    """Whether the event ``source`` gave ``(N, C, *sizes)``, through whatever keeps the shape."""
    events, joins = recording.events, recording.joins
    for _ in range(len(events) + len(joins) + 1):
        if source <= -2:
            source = joins[-2 - source].sources[0]
            continue
        if source == _NO_SOURCE:
            return False
        event = events[source]
        if not event.outputs or len(event.outputs[0].shape) != rank or rank < 3:
            return False
        if event.rule.makes_feature_map or (event.is_function and makes_feature_map(event.type)):
            return True
        keeps = event.inputs and event.inputs[0].shape == event.outputs[0].shape
        follows = hands_on(event.type) if event.is_function else (keeps and event.rule is PLAIN)
        if not follows or not event.sources:
            return False
        source = event.sources[0]
    return False


def _is_installed(filename: str) -> bool:
    return any(part in filename for part in _INSTALLED)


def _is_lazy(module: nn.Module) -> bool:
    check: Callable[[], bool] | None = getattr(module, "has_uninitialized_params", None)
    return check is not None and check()


def _printed(module: nn.Module) -> str:
    """The layer as PyTorch prints it, on one line."""
    return f"{type(module).__name__}({module.extra_repr()})"


def _flat_tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors among the arguments, those in a list or tuple too."""
    found: list[Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(item for item in value if isinstance(item, Tensor))
    return found


def _made(result: Any) -> list[Tensor]:
    """The tensors of a result with several (``chunk``, ``unbind``, ``max`` with its indices)."""
    return [item for item in result if isinstance(item, Tensor)] if isinstance(result, tuple | list) else []


def plain_settings(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function that are no tensors, by position and by name."""
    settings: dict[str, Any] = {
        str(index): value for index, value in enumerate(args) if _is_plain(value)
    }
    settings.update((name, value) for name, value in kwargs.items() if _is_plain(value))
    return settings


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(item) for item in value)
    return isinstance(value, int | float | str | bool | type(None) | slice | type(...))


def _raised_in_torch(error: BaseException) -> bool:
    """Whether the innermost frame is torch's, or this module's where it called a torch function."""
    traceback = error.__traceback__
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    filename = traceback.tb_frame.f_code.co_filename
    return filename.startswith(_TORCH) or filename == _HERE


@contextmanager
def attached(tracer: Tracer) -> Iterator[Recording]:
    """The tracer's hooks and its function mode, for the time of the block; an exception is noted and goes on."""
    try:
        tracer.attach()
        with tracer:
            yield tracer.recording
    except BaseException as error:
        tracer.stop(error)
        raise
    finally:
        tracer.detach()
