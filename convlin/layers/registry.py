"""Which description belongs to a layer: PyTorch's own, and those that a user adds."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from torch import nn

from convlin.errors import InputError
from convlin.layers import attention, convolution, embedding, linear, normalization, pooling, recurrent, shaping
from convlin.layers.rule import PLAIN, Arrival, LayerRule, Verdict
from convlin.module_tree import is_leaf
from convlin.ops.misfit import Misfit

#: All of PyTorch's layers that convlin describes.
RULES: tuple[LayerRule, ...] = tuple(
    rule
    for room in (linear, convolution, normalization, embedding, recurrent, attention, shaping, pooling)
    for rule in room.RULES
)

_BY_TYPE = {kind: rule for rule in RULES for kind in rule.types}
_QUANTIZING = "torch.ao.nn.quantized."

#: What users added; changed by ``register`` alone.
_ADDED: dict[type, LayerRule] = {}


class Registration:
    """A description that was added; ``remove`` takes it back, and so does the end of a ``with`` block."""

    def __init__(self, rule: LayerRule) -> None:
        self._rule = rule

    def remove(self) -> None:
        """Forget the description; a second time does nothing."""
        for kind in self._rule.types:
            if _ADDED.get(kind) is self._rule:
                del _ADDED[kind]

    def __enter__(self) -> Registration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()


def register(rule: LayerRule) -> Registration:
    """Describe layers of a type of your own, for every pass from now on, or for a ``with`` block.

    The ``forward`` of the types is taken to do what the rule says; a subclass with a ``forward`` of
    its own is judged by what it calls.

    Raises:
        InputError: the rule names no class of modules, or one that is described already.
    """
    if not rule.types or not all(isinstance(kind, type) and issubclass(kind, nn.Module) for kind in rule.types):
        raise InputError(f"a rule is for classes of modules, and types={rule.types!r}: write types=(MyLayer,)")
    for kind in rule.types:
        if kind in _BY_TYPE or kind in _ADDED:
            raise InputError(f"{kind.__name__} is described already")
    _ADDED.update(dict.fromkeys(rule.types, rule))
    return Registration(rule)


def rule_for(kind: type) -> LayerRule:
    """The rule of a layer's class or of the nearest class it inherits from."""
    for base in kind.__mro__:
        rule = _ADDED.get(base) or _BY_TYPE.get(base)
        if rule is not None:
            return rule
        if _is_quantized_linear(base):
            return linear.QUANTIZED
    return shaping.ELEMENTWISE if kind.__module__ in shaping.ELEMENTWISE_MODULES else PLAIN


def takes_any_size(kinds: Iterable[type]) -> bool:
    """Whether one of these layers may run on another size than it declares, so that each is examined before it runs.

    A Linear quantized for QNNPACK, which is what PyTorch takes on ARM, does not compare what it is given with that.
    """
    return any(_is_quantized_linear(base) for kind in set(kinds) for base in kind.__mro__)


def _is_quantized_linear(kind: type) -> bool:
    return kind.__name__ == "Linear" and kind.__module__.startswith(_QUANTIZING)


def runs_as_documented(kind: type) -> bool:
    """Whether ``forward`` is known: a subclass with its own may take and give other sizes."""
    for base in kind.__mro__:
        if "forward" in base.__dict__:
            if any(other in _ADDED for other in kind.__mro__[: kind.__mro__.index(base) + 1]):
                return True
            return base.__module__.startswith(("torch.nn.modules.", _QUANTIZING))
    return False


def examined(rule: LayerRule, module: nn.Module, arrival: Arrival) -> Verdict | None:
    """What a layer whose ``forward`` is known says of what reaches it.

    Of a tuple that the rule says nothing of, the first tensor is examined: a leaf of PyTorch's takes one.
    """
    verdict = rule.examine(module, arrival) if rule.examine is not None else None
    if verdict is not None and verdict.misfits[0].note == "array":
        return verdict._replace(misfits=_made_in_dtype(*verdict.misfits))
    if verdict is not None or isinstance(module, nn.Identity | nn.Sequential) or not is_leaf(module):
        return verdict
    several = shaping.examine_tuple(module, arrival)
    if several is None or several.stand_in is None or rule.examine is None:
        return several
    args, kwargs = several.stand_in
    alone = rule.examine(module, arrival._replace(args=args, kwargs=kwargs))
    return several if alone is None else alone._replace(misfits=several.misfits + alone.misfits)


def _made_in_dtype(array: Misfit, *others: Misfit) -> tuple[Misfit, ...]:
    """Of an array the tensor is made in the dtype of the weights: an array has no ``float()`` to be cast with.

    What else is wrong a pass with that tensor tells: of an array no shape is recorded.
    """
    dtype = next((each.declared for each in others if each.note == "cast"), None)
    return (array._replace(detail={} if dtype is None else {"dtype": dtype}),)
