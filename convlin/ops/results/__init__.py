"""What a function gives, where that can be told from its arguments: a tensor of that size with nothing in it.

PyTorch computes the size of ``relu`` and ``batch_norm`` in letters through a dozen Python functions,
which takes longer than all the rest of a convolutional network.  A rule answers for what it knows for
certain; what a function could refuse is left to PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from convlin.ops.memory_order import has_letters
from convlin.ops.op import InLetters
from convlin.ops.results.axes import joined, reduced
from convlin.ops.results.cells import activated, clamped, together, together_in_place
from convlin.ops.results.normalized import batch_normalized, group_normalized, layer_normalized, rms_normalized
from convlin.ops.results.products import grouped_product, of_recurrent, transformed
from convlin.ops.results.resized import places, resized, sampled, spaced
from convlin.ops.results.windows import adaptively_pooled, avg_pooled, convolved, max_pooled
from convlin.tensors import flat_tensors


def in_order(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as they stand in the expression: ``a.__rsub__(b)`` is ``b - a``, and ``a.__rmul__(b)`` is ``a * b``.

    >>> in_order(Tensor.__rsub__, (1, 2)), in_order(Tensor.__sub__, (1, 2))
    ((1, 2), (1, 2))
    """
    is_exchanged = len(args) == 2 and getattr(function, "__name__", "") in ("__rsub__", "__rpow__")
    return args[::-1] if is_exchanged and all(isinstance(each, Tensor) for each in args) else args


def _in_letters(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule where there are letters: without them PyTorch asks nothing, and may know the values."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Tensor) and has_letters(args[0]):  # nearly always
            return rule(*args, **kwargs)
        return rule(*args, **kwargs) if any(map(has_letters, flat_tensors(args, kwargs))) else None

    return answer


#: What a function gives, where that can be told from its arguments; None where PyTorch has to be asked.
MADE: Mapping[InLetters | None, Callable[..., Any]] = {
    InLetters.ACTIVATION: activated,
    InLetters.CLAMP: clamped,
    InLetters.CONVOLUTION: convolved,
    InLetters.BATCH_NORM: batch_normalized,
    InLetters.LAYER_NORM: layer_normalized,
    InLetters.RMS_NORM: rms_normalized,
    InLetters.GROUP_NORM: group_normalized,
    InLetters.RESIZED: resized,
    InLetters.SAMPLED: sampled,
    InLetters.PLACES: places,
    InLetters.SPACED: spaced,
    InLetters.LINEAR: transformed,
    InLetters.RECURRENT: of_recurrent,
    InLetters.GROUPED_PRODUCT: grouped_product,
    InLetters.TOGETHER: _in_letters(together),
    InLetters.TOGETHER_IN_PLACE: _in_letters(together_in_place),
    InLetters.MAX_POOL: _in_letters(max_pooled),
    InLetters.AVG_POOL: _in_letters(avg_pooled),
    InLetters.ADAPTIVE_POOL: _in_letters(adaptively_pooled),
    InLetters.REDUCED: _in_letters(reduced),
    InLetters.JOINED: _in_letters(joined),
}

#: Those that hold on the meta device as well, of plain tensors that are not empty.
ON_META: Mapping[InLetters | None, Callable[..., Any]] = {
    InLetters.ACTIVATION: activated,
    InLetters.CLAMP: clamped,
    InLetters.BATCH_NORM: batch_normalized,
    InLetters.LAYER_NORM: layer_normalized,
    InLetters.RMS_NORM: rms_normalized,
    InLetters.GROUP_NORM: group_normalized,
    InLetters.LINEAR: transformed,
    InLetters.TOGETHER_IN_PLACE: together_in_place,
    InLetters.MAX_POOL: max_pooled,
    InLetters.ADAPTIVE_POOL: adaptively_pooled,
    InLetters.REDUCED: reduced,
    InLetters.RESIZED: resized,
    InLetters.JOINED: joined,
}
