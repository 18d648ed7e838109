"""convlin: the number that goes into your Linear, and where it comes from."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from convlin.errors import ConvlinError, InputError, ShapeError

if TYPE_CHECKING:
    from convlin._summary import Summary
    from convlin.api.fit import fit
    from convlin.api.print_layer import Print
    from convlin.api.shortcuts import assert_shapes, explain, num_flat_features
    from convlin.api.summarize import summarize
    from convlin.api.watch import watch
    from convlin.at_error.excepthook import explain_errors

__all__ = [
    "ConvlinError",
    "InputError",
    "Print",
    "ShapeError",
    "Summary",
    "assert_shapes",
    "explain",
    "explain_errors",
    "fit",
    "num_flat_features",
    "summarize",
    "watch",
]
__version__ = "0.1.0"

#: Where each public name lives, and the two that IPython looks for.  It is imported on first use:
#: pytest loads this package in every run for its plugin, and torch alone takes two seconds.
_HOMES = {
    "Print": "convlin.api.print_layer",
    "Summary": "convlin._summary",
    "assert_shapes": "convlin.api.shortcuts",
    "explain": "convlin.api.shortcuts",
    "explain_errors": "convlin.at_error.excepthook",
    "fit": "convlin.api.fit",
    "load_ipython_extension": "convlin.cli.magic",
    "num_flat_features": "convlin.api.shortcuts",
    "summarize": "convlin.api.summarize",
    "unload_ipython_extension": "convlin.cli.magic",
    "watch": "convlin.api.watch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from importlib.util import find_spec  # only for a mistake

        from convlin._util.suggest import did_you_mean

        alike = [each for each in __all__ if each[0].isupper() == name[:1].isupper()]  # summary is no Summary
        meant = did_you_mean(name, alike)
        imports = sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap"
        if imports and meant and find_spec(f"convlin.{name}") is None:
            # Of an AttributeError, ``from convlin import summary`` would keep no word.
            raise ImportError(f"cannot import name {name!r} from 'convlin'{meant}", name=name, path=__file__)
        raise AttributeError(f"module 'convlin' has no attribute {name!r}{meant}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
