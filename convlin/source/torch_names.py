"""PyTorch's classes and functions that source is followed through, known by name.

By name and not by import, so that nothing of this needs torch to be loaded.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Final, NamedTuple

_OWN: Final = __name__.partition(".")[0]
_MODULE: Final = ("torch.nn.modules.module", "Module")
_CONTAINERS: Final = "torch.nn.modules.container"

#: Methods that give the module itself back.
GIVES_ITSELF: Final = frozenset([
    "to", "cuda", "cpu", "xpu", "mps", "ipu", "float", "double", "half", "bfloat16", "type",
    "eval", "train", "requires_grad_", "apply", "to_empty", "share_memory",
])  # fmt: skip
#: Functions that take a module as their first argument and give the same module back.
_WRAPPERS: Final = ("torch.nn.utils", "torch.ao.", "torch.quantization")

#: Of the recurrent layers, whose signatures hide it behind ``*args``, this base tells what they take.
_RECURRENT: Final = ("torch.nn.modules.rnn", "RNNBase")
#: ``nn.RNN`` takes its nonlinearity behind these, where the others take ``bias``; not every version of PyTorch does.
_AT_LEAST: Final = 3
_NO_POSITION: Final = 1 << 16


class Parameter(NamedTuple):
    """One argument that a constructor takes."""

    name: str
    position: int
    has_default: bool = False
    default: Any = None


def is_module_class(cls: type) -> bool:
    """A subclass of ``nn.Module``."""
    return any((base.__module__, base.__name__) == _MODULE for base in cls.__mro__)


def is_base(cls: type) -> bool:
    """``nn.Module`` itself, a container of PyTorch's, or what every class has: nothing to follow."""
    return cls is object or (cls.__module__, cls.__name__) == _MODULE or _container(cls) is not None


def is_torch(cls: type) -> bool:
    """A class that comes with PyTorch."""
    return cls.__module__.partition(".")[0] == "torch"


def container(cls: type) -> str | None:
    """``Sequential``, ``ModuleList`` or ``ModuleDict`` if the class holds its children as that does."""
    return next((name for base in cls.__mro__ if (name := _container(base))), None)


def takes_children(cls: type) -> str | None:
    """The same if it also takes them as arguments, with no ``__init__`` of its own."""
    return _container(init_class(cls))


def init_class(cls: type) -> type:
    """The class whose ``__init__`` a call of ``cls`` runs."""
    return next(base for base in cls.__mro__ if "__init__" in vars(base))


def is_foreign(module: str) -> bool:
    """Functions of this module make no layers and change none: Python's own, torch's and convlin's."""
    root = module.partition(".")[0]
    if root in ("torch", _OWN):
        return not module.startswith("torch.nn.modules")
    return root in sys.stdlib_module_names


def exchanges_layers(module: str, name: str) -> bool:
    """``convlin.fit`` puts layers of its own in the place of those that source has made."""
    return module.partition(".")[0] == _OWN and name == "fit"


def is_wrapper(module: str, name: str) -> bool:
    """Whether a function gives back the module that it is given, as ``weight_norm`` and ``torch.compile`` do."""
    return module.startswith(_WRAPPERS) or (module, name) == ("torch", "compile")


def made_by(callee: type, found: type) -> bool:
    """Whether a call of ``callee`` may have made a module whose class now is ``found``."""
    if callee is found or getattr(callee, "cls_to_become", None) is found:
        return True
    # A class that was defined anew (a notebook cell run again) has the same name.
    if (callee.__module__, callee.__qualname__) == (found.__module__, found.__qualname__):
        return True
    # torch.nn.utils.parametrize gives each module a subclass of its own.
    return found.__name__ == f"Parametrized{callee.__name__}" and callee in found.__mro__


def parameters_of(cls: type) -> tuple[Parameter, ...]:
    """What a constructor takes by name."""
    signature = _signature(cls)
    return () if signature is None else _named(signature) or _of_recurrent(cls)


def _named(signature: inspect.Signature) -> tuple[Parameter, ...]:
    found: list[Parameter] = []
    for position, parameter in enumerate(list(signature.parameters.values())[1:]):
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            reached = position if parameter.kind is not parameter.KEYWORD_ONLY else _NO_POSITION
            has_default = parameter.default is not parameter.empty
            found.append(Parameter(parameter.name, reached, has_default, parameter.default))
    return tuple(found)


def _of_recurrent(cls: type) -> tuple[Parameter, ...]:
    """What the base of a recurrent layer takes behind its first argument, ``mode``, which the layer itself gives."""
    base = next((base for base in cls.__mro__ if (base.__module__, base.__name__) == _RECURRENT), None)
    signature = None if base is None or base is cls else _signature(base)
    if signature is None:
        return ()
    is_certain = all(each.__name__ != "RNN" for each in cls.__mro__)
    return tuple(
        each._replace(position=position if position < _AT_LEAST or is_certain else _NO_POSITION)
        for position, each in enumerate(_named(signature)[1:])
    )


def takes_any_name(cls: type) -> bool:
    """A constructor with ``**kwargs``: it may take what its signature does not name."""
    signature = _signature(cls)
    return signature is None or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()
    )


def _signature(cls: type) -> inspect.Signature | None:
    try:
        return inspect.signature(vars(init_class(cls))["__init__"])
    except (TypeError, ValueError):
        return None


def _container(cls: type) -> str | None:
    known = cls.__module__ == _CONTAINERS and cls.__name__ in ("Sequential", "ModuleList", "ModuleDict")
    return cls.__name__ if known else None
