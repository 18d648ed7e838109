"""convlin: the number that goes into your Linear, and where it comes from."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from convlin.errors import ConvlinError, InputError, ShapeError

if TYPE_CHECKING:
    from convlin.check import assert_shapes
    from convlin.explain import explain
    from convlin.fit import fit
    from convlin.printing import Print
    from convlin.summarize import num_flat_features, summarize
    from convlin.summary import Summary
    from convlin.watch import watch

__all__ = [
    "ConvlinError",
    "InputError",
    "Print",
    "ShapeError",
    "Summary",
    "assert_shapes",
    "explain",
    "fit",
    "num_flat_features",
    "summarize",
    "watch",
]
__version__ = "0.1.0"

#: Where each public name lives.  It is imported on first use: pytest loads this package in every
#: run for its plugin, and torch alone takes two seconds.
_HOMES = {
    "Print": "convlin.printing",
    "Summary": "convlin.summary",
    "assert_shapes": "convlin.check",
    "explain": "convlin.explain",
    "fit": "convlin.fit",
    "num_flat_features": "convlin.summarize",
    "summarize": "convlin.summarize",
    "watch": "convlin.watch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'convlin' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # Importing the module convlin.summarize binds it here, over the function of the same name.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
