"""Forward hooks on many modules at once, under one key, put on and taken off without a trace."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

Hook = Callable[..., Any]


class Hooks:
    """What ``register_forward_hook`` does, without a handle for each module: those cost more than the calls.

    The key is one that ``RemovableHandle`` gives out, so it meets no other hook's.
    """

    def __init__(self) -> None:
        self._key: int = RemovableHandle(OrderedDict()).id
        self._before: list[nn.Module] = []
        self._after: list[nn.Module] = []

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
        """Take all of them off again."""
        for module in self._before:
            module._forward_pre_hooks.pop(self._key, None)
            module._forward_pre_hooks_with_kwargs.pop(self._key, None)
        for module in self._after:
            module._forward_hooks.pop(self._key, None)
            module._forward_hooks_with_kwargs.pop(self._key, None)
            module._forward_hooks_always_called.pop(self._key, None)
        self._before.clear()
        self._after.clear()
