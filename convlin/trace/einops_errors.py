"""What einops refuses: its own exception tells of shapes, as those of torch's functions do."""

from __future__ import annotations

import sys
from typing import NamedTuple

from torch import Tensor

from convlin._util.packages import folder
from convlin._util.tracebacks import steps_of
from convlin.records import Location
from convlin.trace.call_sites import location


class RefusedPattern(NamedTuple):
    """A call of einops' that could not take a tensor."""

    function: str
    """As users write it, such as ``einops.rearrange``."""
    tensors: tuple[Tensor, ...]
    where: Location | None
    """The line that called it."""


def is_of_einops(error: BaseException) -> bool:
    """Whether a pattern of einops' did not fit a tensor."""
    kind = type(error)
    return kind.__name__ == "EinopsError" and kind.__module__.partition(".")[0] == "einops"


def refused_pattern(error: BaseException) -> RefusedPattern | None:
    """The call that raised such an error; None for another one, or where a layer of einops' raised it."""
    package = sys.modules.get("einops")
    if package is None or not is_of_einops(error):
        return None
    inside = folder(package)
    around, entered = None, None
    for step in steps_of(error):
        if step.tb_frame.f_code.co_filename.startswith(inside):
            entered = entered or step.tb_frame
        else:
            around, entered = step, None
    if around is None or entered is None or "self" in entered.f_locals:  # a layer of its own
        return None
    given = entered.f_locals.get("tensor", entered.f_locals.get("tensors"))
    values = given if isinstance(given, list | tuple) else (given,)
    tensors = tuple(value for value in values if isinstance(value, Tensor))
    where = location(around.tb_frame.f_code.co_filename, around.tb_lineno)
    return RefusedPattern(f"einops.{entered.f_code.co_name}", tensors, where)


def condition(error: BaseException) -> str:
    """What einops says that did not hold: the last line, below pattern and shape.

    >>> condition(RuntimeError("Error while processing ...\\n can't divide 60 in chunks of 16"))
    "can't divide 60 in chunks of 16"
    """
    return str(error).strip().splitlines()[-1].strip()
