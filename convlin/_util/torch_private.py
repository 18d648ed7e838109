"""The private names in torch's modules that convlin uses, each with what is done where a version lacks it.

No other module has any.  What can be answered in another way is; without parts that named sizes need, those are
refused; without what every pass needs, convlin cannot be imported.  Both say which name is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules import batchnorm, conv, instancenorm, loss
from torch.nn.modules import module as _module

if TYPE_CHECKING:
    from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
    from torch.utils._python_dispatch import TorchDispatchMode as TorchDispatchMode

    ConvNd: TypeAlias = _ConvNd
    ConvTransposeNd: TypeAlias = _ConvTransposeNd

_Layer = TypeVar("_Layer", bound=nn.Module)


def _needed(home: str, name: str) -> Any:
    """What no pass can do without.

    Raises:
        ImportError: this version of torch has no such name.
    """
    try:
        return getattr(import_module(home), name)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"convlin needs {home}.{name}, which torch {torch.__version__} has not: "
            "use a version of torch that convlin was tried with"
        ) from error


# What sees functions: modes, and the operations below the functions

#: A context in which no mode sees torch's functions.
no_function_modes: Callable[[], AbstractContextManager[Any]] = _needed("torch._C", "DisableTorchFunction")
#: A context in which tensors are computed with as if no ``TorchDispatchMode``, such as a fake one, was entered.
no_dispatch_modes: Callable[[], AbstractContextManager[Any]] = _needed(
    "torch.utils._python_dispatch", "_disable_current_modes"
)


def operator_name(function: object) -> str:
    """How users write an operator of ``torch.ops``, without its overload; "" for any other function.

    >>> operator_name(torch.ops.aten.relu.default), operator_name(torch.ops.aten.relu), operator_name(torch.relu)
    ('torch.ops.aten.relu', 'torch.ops.aten.relu', '')
    """
    if type(function).__name__ not in ("OpOverload", "OpOverloadPacket"):
        return ""
    return "torch.ops." + ".".join(str(function).split(".")[:2])


def operator_writes(function: Any) -> bool:
    """Whether an operator of ``torch.ops`` may write to an argument of a call without ``out=``.

    >>> operator_writes(torch.ops.aten.relu_.default), operator_writes(torch.ops.aten.relu_)
    (True, True)
    >>> operator_writes(torch.ops.aten.relu.default), operator_writes(torch.ops.aten.relu)
    (False, False)
    """
    names = function.overloads() if hasattr(function, "overloads") else ()
    overloads = [getattr(function, name) for name in names if "out" not in name] or [function]
    schemas = [getattr(each, "_schema", None) for each in overloads]
    return any(schema is None or schema.is_mutable for schema in schemas)


if not TYPE_CHECKING:
    TorchDispatchMode = _needed("torch.utils._python_dispatch", "TorchDispatchMode")

# Where a version lacks one of these, the answer is the careful one: somebody may be looking.
#: How many modes see torch's functions; -1 where a version does not tell.
count_function_modes: Callable[[], int] = getattr(torch._C, "_len_torch_function_stack", lambda: -1)
_mode_at: Callable[[int], Any] = getattr(torch._C, "_get_function_stack_at", lambda index: None)
_count_dispatch_modes: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", lambda: -1)
_transform: Callable[[], Any] = getattr(torch._C._functorch, "peek_interpreter_stack", lambda: "unknown")


def may_be_innermost(mode: Any) -> bool:
    """Whether ``mode`` may be the one that sees torch's functions first."""
    depth = count_function_modes()
    found = _mode_at(depth - 1) if depth > 0 else None
    return depth != 0 and (found is mode or found is None)


def is_seen_by_none_but(kind: type) -> bool:
    """Whether nothing but modes of this type sees or changes what torch's functions do."""
    depth = count_function_modes()
    return (
        depth >= 0
        and all(type(_mode_at(index)) is kind for index in range(depth))
        and _count_dispatch_modes() == 0
        and _transform() is None
    )


class Switch(NamedTuple):
    """How a function mode is taken off and put on again quickly, where it is the only one."""

    depth: Callable[[], int]
    """How many modes are on; -1 where a version lacks one of these functions, and a mode has to stay on."""
    mode_at: Callable[[int], Any]
    take_off: Callable[[], Any]
    put_on: Callable[[Any], None]


def _switch() -> Switch:
    take_off = getattr(torch._C, "_pop_torch_function_stack", None)
    put_on = getattr(torch._C, "_push_on_torch_function_stack", None)
    if take_off is None or put_on is None:
        return Switch(lambda: -1, _mode_at, lambda: None, lambda mode: None)
    return Switch(count_function_modes, _mode_at, take_off, put_on)


#: The functions themselves, for code that runs often.
SWITCH = _switch()


# Base classes of layers, and functions


def _base(home: ModuleType, name: str, *public: type[_Layer]) -> tuple[type[_Layer], ...]:
    """The private base of ``public``, which a class of the user's may have too; without it they themselves."""
    found = getattr(home, name, None)
    return public if found is None else (found,)


TRANSPOSED_CONVOLUTIONS = _base(conv, "_ConvTransposeNd", nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = _base(conv, "_ConvNd", nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED_CONVOLUTIONS)
BATCH_NORMS = _base(batchnorm, "_BatchNorm", nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = _base(instancenorm, "_InstanceNorm", nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
NORMS = _base(batchnorm, "_NormBase", *BATCH_NORMS, *INSTANCE_NORMS)
NORMALIZATIONS = (*NORMS, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
LOSSES = _base(loss, "_Loss", *(kind for name, kind in vars(loss).items() if name in loss.__all__))


def not_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, which ``torch.compile`` shall leave alone.

    ``torch.compiler.disable`` would import the whole compiler here and now; what torch itself uses waits until
    something is compiled.
    """
    try:
        from torch._compile import _disable_dynamo
    except ImportError:
        wrap: Callable[..., Any] = torch.compiler.disable
    else:
        wrap = _disable_dynamo
    wrapped: Callable[..., Any] = wrap(function)
    return wrapped


#: The package of the compiler, as its modules and the types of its errors are named.
COMPILER = "torch._dynamo"


def wrapper() -> Any:
    """The class of what ``torch.compile`` makes of a module; None where nothing can have been compiled yet."""
    return getattr(sys.modules.get(f"{COMPILER}.eval_frame"), "OptimizedModule", None)


def uncompiled(module: Any) -> Any:
    """The module inside what ``torch.compile`` made of it, by whose name its user knows it; else the module itself."""
    kind = wrapper()
    while kind is not None and type(module) is kind:
        module = next(nn.Module.children(module))  # its one child is what it wraps
    return module


def compiled_like(other: Any, module: Any) -> Any:
    """``module`` compiled as ``other`` is; itself where that is not compiled."""
    kind = wrapper()
    if kind is None or type(other) is not kind:
        return module
    return kind(compiled_like(next(nn.Module.children(other)), module), other.dynamo_ctx)


@contextmanager
def compiling() -> Iterator[None]:
    """Say that the model is being compiled: what libraries remember between calls must not be filled with fakes."""
    # The flag behind torch.compiler.is_compiling(); without it such a model is not followed, that is all.
    if not isinstance(getattr(torch.compiler, "_is_compiling_flag", None), bool):
        yield
        return
    before = torch.compiler._is_compiling_flag
    torch.compiler._is_compiling_flag = True
    try:
        yield
    finally:
        torch.compiler._is_compiling_flag = before


@contextmanager
def not_traced() -> Iterator[None]:
    """What is done in this block is no part of what ``torch.jit.trace`` records."""
    state = getattr(torch._C, "_get_tracing_state", None)
    change = getattr(torch._C, "_set_tracing_state", None)
    if state is None or change is None or (before := state()) is None:
        yield
        return
    change(None)
    try:
        yield
    finally:
        change(before)


# Hooks

#: The registries of hooks that are called for every module.
_GLOBAL_HOOKS = (
    "_global_backward_pre_hooks", "_global_backward_hooks", "_global_forward_pre_hooks", "_global_forward_hooks",
    "_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs",
)  # fmt: skip


def has_global_hooks() -> bool:
    """Whether somebody registered a hook for every module there is.

    torch 2.13 has a function of its own for this, torch 2.6 has not; the registries are in both.
    """
    return any(getattr(_module, name, None) for name in _GLOBAL_HOOKS)


# Sizes with names

#: The loggers to which PyTorch tells what fake tensors refuse, and each tensor and size that it makes for them.
TALKATIVE = (
    "torch.__trace",
    "torch._subclasses.fake_tensor",
    "torch.fx.experimental.sym_node",
    "torch.fx.experimental.symbolic_shapes",
)


_FUNCTIONS = "torch.utils._sympy.functions"


class SymbolicParts(NamedTuple):
    """What a pass with named sizes is made of."""

    dispatcher: Callable[[], AbstractContextManager[Any]]
    source: Callable[[str], Any]
    fake_mode: Callable[..., Any]
    dynamic: Any
    environment: type[Any]
    ranges: type[Any]


def symbolic_parts(functions: Iterable[str]) -> SymbolicParts:
    """The parts, imported now: that takes a while.  ``functions`` are those that sizes are written in.

    Raises:
        ImportError, AttributeError: a version keeps one of them elsewhere, or has none.
    """
    from torch._dispatch.python import enable_python_dispatcher
    from torch._dynamo.source import ConstantSource
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv
    from torch.utils._sympy.value_ranges import ValueRanges

    import_module("torch._refs")  # registers how functions are made of others, which symbolic sizes need
    for name in functions:
        getattr(import_module(_FUNCTIONS), name)
    return SymbolicParts(
        enable_python_dispatcher, ConstantSource, FakeTensorMode, DimDynamic.DYNAMIC, ShapeEnv, ValueRanges
    )


def fake_empty(like: Tensor, shape: Sequence[Any]) -> Tensor | None:
    """``like.new_empty(shape)`` of a fake tensor, in half the time: its way through the dispatcher changes nothing.

    None where ``like`` is no fake tensor.  The modes of torch's own need the same switch.
    """
    mode = getattr(like, "fake_mode", None)
    if mode is None:
        return None
    with torch._C._DisableTorchDispatch():  # type: ignore[attr-defined, unused-ignore]  # torch's stubs leave it out
        sizes_alone = torch.empty(shape, dtype=like.dtype, device="meta")
    fake: Tensor = type(like)(mode, sizes_alone, like.device)
    return fake


def fake_of(mode: Any, tensor: Tensor) -> Tensor:
    """``mode.from_tensor(tensor)`` of one that sizes, strides and dtype describe, in a fifth of the time.

    To be called outside the mode.
    """
    from torch._subclasses.fake_tensor import FakeTensor

    sizes_alone = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    fake: Any = FakeTensor(mode, sizes_alone, tensor.device)
    if isinstance(tensor, nn.Parameter):
        fake._is_param = True
    fake.requires_grad = tensor.requires_grad
    return cast("Tensor", fake)


def symbolic_function(name: str) -> Any:
    """A function of sympy's that torch defines for sizes, such as ``IntTrueDiv``; None where a version lacks it."""
    try:
        return getattr(import_module(_FUNCTIONS), name, None)
    except ImportError:
        return None


def values_of_symbols(environment: Any) -> dict[Any, Any]:
    """The hint of every symbol of a ``ShapeEnv``; torch 2.6 calls it ``var_to_val``."""
    found: dict[Any, Any] | None = getattr(environment, "backed_var_to_val", None)
    return environment.var_to_val if found is None else found


# Errors, operators, tensors and what fully_shard made


def is_of_accelerator(error: BaseException) -> bool:
    """Whether a device says that an earlier kernel failed; torch 2.6 has no type for that."""
    kind = getattr(torch, "AcceleratorError", None)
    return kind is not None and isinstance(error, kind)


def operators(*names: str) -> Iterator[Any]:
    """The overloads of ``torch.ops`` with these names, such as ``aten.size.default``; a version may lack some."""
    for name in names:
        found: Any = torch.ops
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        yield found


def set_version(tensor: Tensor, version: int) -> None:
    """Tell autograd that the bytes of ``tensor`` are those of ``version``; without the function nothing is told.

    torch 2.13 takes tuples, torch 2.6 one tensor.
    """
    setter = getattr(torch._C._autograd, "_unsafe_set_version_counter", None)
    if setter is None:
        return
    try:
        setter((tensor,), (version,))
    except TypeError:
        setter(tensor, version)


def end_forward(module: Any) -> None:
    """Tell a module under ``fully_shard`` that no pass is under way; after one that stopped it goes on waiting.

    torch 2.13 keeps a list of groups of parameters, earlier versions a single one.
    """
    state = module._get_fsdp_state()
    groups = getattr(state, "_fsdp_param_groups", None) or [getattr(state, "_fsdp_param_group", None)]
    for part in (state, *groups):
        if part is not None:
            part._training_state = type(part._training_state).IDLE
