"""A layer cannot be made, because one of its numbers is not a multiple of another one."""

from __future__ import annotations

from math import gcd
from types import TracebackType
from typing import Any

from convlin.at_error.fixes import mistake
from convlin.at_error.frames import is_torchs
from convlin.records import Location

#: What has to be a multiple of what, as the constructors of PyTorch call them; those of outer layers last.
_PAIRS = (
    ("embed_dim", "num_heads"),
    ("num_channels", "num_groups"),
    ("in_channels", "groups"),
    ("out_channels", "groups"),
    ("d_model", "nhead"),
)
_MOST_DIVISORS = 6


def about(error: BaseException, steps: list[TracebackType]) -> str | None:
    """Which numbers go together; None where the error is another one than that of a constructor of PyTorch's."""
    inside = [step for step in steps if is_torchs(step.tb_frame)]
    if not isinstance(error, AssertionError | ValueError) or not inside or inside[-1] is not steps[-1]:
        return None
    if steps[-1].tb_frame.f_code.co_name != "__init__":
        return None
    held = steps[-1].tb_frame.f_locals
    found = next(((whole, by) for whole, by in _PAIRS if _fails(held, whole, by)), None)
    outside = [step for step in steps if not is_torchs(step.tb_frame)]
    if found is None or not outside:
        return None
    whole, by = held[found[0]], held[found[1]]
    names = found
    kind = type(held.get("self")).__name__
    for step in inside:  # a Transformer calls them by other names
        given = step.tb_frame.f_locals
        names = next((pair for pair in _PAIRS[-1:] if tuple(map(given.get, pair)) == (whole, by)), names)
    # Groups have to divide both numbers of channels.
    common = gcd(whole, *(held[name] for name, other in _PAIRS if other == found[1] and type(held.get(name)) is int))
    divisors = [number for number in range(1, common + 1) if common % number == 0]
    nearest = sorted(divisors, key=lambda number: (abs(number - by), number))[:_MOST_DIVISORS]
    below, above = whole - whole % by, whole - whole % by + by
    multiples = " or ".join(f"{names[0]}={number}" for number in (below, above) if number)
    where = Location(outside[-1].tb_frame.f_code.co_filename, outside[-1].tb_lineno)
    said = f"{names[0]}={whole} is not a multiple of {names[1]}={by}"
    allowed = f"{names[1]} may be {_listed(sorted(nearest))} with {names[0]}={whole}"
    return mistake(kind, [said, f"{allowed}, and {multiples} go with {names[1]}={by}", f"at   {where.text}"])


def _fails(held: dict[str, Any], whole: str, by: str) -> bool:
    values = held.get(whole), held.get(by)
    if not all(type(value) is int and value > 0 for value in values):
        return False
    return bool(values[0] % values[1])  # type: ignore[operator]


def _listed(numbers: list[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last
