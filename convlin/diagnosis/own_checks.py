"""What is said where the model's own code refused the size of its input: which sizes it takes, and where it asks."""

from __future__ import annotations

from torch import nn

from convlin.diagnosis.messages import times
from convlin.inputs import Plan
from convlin.search.checked_sizes import Taken, sizes_taken
from convlin.search.resized import Resized
from convlin.trace.call_sites import raising_line


def note(model: nn.Module, plan: Plan, mode: str, error: BaseException) -> str:
    """A sentence of the sizes that the model takes as it is; empty where none was found by running it."""
    if not isinstance(error, AssertionError | ValueError | RuntimeError):
        return ""
    taken = sizes_taken(Resized(model, plan, mode), error)
    if taken is None:
        return ""
    where = raising_line(error)
    at = f" (the check is at {where.text})" if where is not None else ""
    return f"{in_words(taken)}{at}"


def in_words(taken: Taken) -> str:
    """The sizes in words.

    >>> in_words(Taken(((24, 24), (32, 32)), 8))
    'the model takes inputs of 24×24 and 32×32: multiples of 8'
    >>> in_words(Taken(((32, 32),), refused=((31, 31), (33, 33))))
    'the model takes an input of 32×32, and neither 31×31 nor 33×33'
    >>> in_words(Taken(((64,),), refused=((63,),), end="smallest"))
    'the smallest input that the model takes is 64'
    """
    sizes = " and ".join(map(times, taken.sizes))
    if taken.end:
        return f"the {taken.end} input that the model takes is {sizes}"
    if taken.multiple is not None:
        several = "inputs" if len(taken.sizes) > 1 else "an input"
        return f"the model takes {several} of {sizes}: multiples of {taken.multiple}"
    told = f"the model takes an input of {sizes}"
    refused = list(map(times, taken.refused))
    if len(refused) == 2:
        return f"{told}, and neither {refused[0]} nor {refused[1]}"
    return f"{told}, and not {refused[0]}" if refused else told
