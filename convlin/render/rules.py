"""The rules that derive shapes, by name: what is code in a record becomes a word in a file, and code again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from convlin.derivations import of_layers
from convlin.ops import catalog
from convlin.records import Call, Derivation

Rule = Callable[[Call], "Derivation | None"]

#: What the one rule of all functions between layers is called.
_FUNCTION = "function"


def written(rule: Rule) -> dict[str, Any] | None:
    """The rule's name and what it was given besides the call; None for a rule that has no name.

    >>> written(partial(of_layers.max_pool, spatial_dims=2))
    {'name': 'max_pool', 'with': {'spatial_dims': 2}}
    """
    bound = rule if isinstance(rule, partial) else partial(rule)
    rule, settings = bound.func, bound.keywords
    if rule is catalog.derive:
        return {"name": _FUNCTION, "with": {}}
    name = getattr(rule, "__name__", "")
    known = _named(name) is rule and all(isinstance(value, int | str) for value in settings.values())
    return {"name": name, "with": dict(settings)} if known else None


def read(data: Any) -> Rule | None:
    """The rule that ``written`` named; None for anything else.

    >>> read({"name": "linear", "with": {}}) is of_layers.linear, read({"name": "__import__", "with": {}})
    (True, None)
    """
    match data:
        case {"name": "function"}:
            return catalog.derive
        case {"name": str(name), "with": dict(settings)}:
            rule = _named(name)
            if rule is None or not settings:
                return rule
            return partial(rule, **settings)
    return None


def _named(name: str) -> Rule | None:
    """A public function of ``of_layers`` itself, and nothing that it imports."""
    found = vars(of_layers).get(name)
    own = callable(found) and not name.startswith("_") and getattr(found, "__module__", "") == of_layers.__name__
    return found if own else None
