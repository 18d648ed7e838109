"""Forward hooks on many modules at once, under one key, put on and taken off without a trace."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


class Hook(partial[Any]):
    """A function that is a hook while a pass runs.

    A copy that ``forward`` makes of a module, or a file that it saves one in, would take the function along, which may
    not be pickled and knows nothing of the copy: they get one that does nothing, and can be read without convlin.
    """

    was_copied = False

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        self.was_copied = True
        return getattr, (nullcontext(), "__exit__")  # takes whatever it is given, and returns None


class Hooks:
    """What ``register_forward_hook`` does, without a handle for each module: those cost more than the calls.

    The key is one that ``RemovableHandle`` gives out, below zero: it meets no other hook's, nor any that is registered
    in another process on a module that was saved meanwhile.
    """

    def __init__(self) -> None:
        self._key: int = -1 - RemovableHandle(OrderedDict()).id
        self._made: list[Hook] = []
        self._before: list[nn.Module] = []
        self._after: list[nn.Module] = []

    def hook(self, function: Callable[..., Any]) -> Hook:
        """``function`` as one that can be put on modules; it may be called for a module that nobody put it on."""
        made = Hook(function)
        self._made.append(made)
        return made

    def before(self, module: nn.Module, hook: Hook, *, with_kwargs: bool = True) -> None:
        """``hook(module, args, kwargs)`` before the module's ``forward``, behind the hooks that are there.

        Without ``with_kwargs`` it is ``hook(module, args)``.
        """
        self._before.append(module)
        module._forward_pre_hooks[self._key] = hook
        if with_kwargs:
            module._forward_pre_hooks_with_kwargs[self._key] = True

    def after(self, module: nn.Module, hook: Hook, *, always: bool = False) -> None:
        """``hook(module, args, kwargs, output)`` after it; with ``always`` also when it raised, without an output."""
        self._after.append(module)
        module._forward_hooks[self._key] = hook
        module._forward_hooks_with_kwargs[self._key] = True
        if always:
            module._forward_hooks_always_called[self._key] = True

    def remove(self) -> None:
        """Take all of them off again, and off copies what these have in their place, wherever they are kept."""
        copies = _having(self._key) if any(made.was_copied for made in self._made) else []
        for module in (*self._before, *copies):
            module._forward_pre_hooks.pop(self._key, None)
            module._forward_pre_hooks_with_kwargs.pop(self._key, None)
        for module in (*self._after, *copies):
            module._forward_hooks.pop(self._key, None)
            module._forward_hooks_with_kwargs.pop(self._key, None)
            module._forward_hooks_always_called.pop(self._key, None)
        self._before.clear()
        self._after.clear()


def _having(key: int) -> list[nn.Module]:
    """Every module with a hook under ``key``: asked for by its class, since an object may say that it is of another."""
    kinds: dict[type, bool] = {}
    found = []
    for each in gc.get_objects():
        kind = type(each)
        if kinds.setdefault(kind, issubclass(kind, nn.Module)):
            hooks = (each.__dict__.get("_forward_hooks", ()), each.__dict__.get("_forward_pre_hooks", ()))
            if any(key in held for held in hooks):
                found.append(each)
    return found
