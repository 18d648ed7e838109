"""How single values are written in every form: shapes, counts, bytes, places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from convlin.records import Shape, Size, Step, TensorInfo
from convlin.sizes.spell import memory as memory
from convlin.sizes.spell import shape_factor, spell
from convlin.sizes.spell import size as size

#: Signs that an output without UTF-8 cannot carry, and what stands for them there.
ASCII = str.maketrans(
    {
        "×": "x", "·": "*", "−": "-", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "✗": "x", "✓": "ok",
        "…": "...", "→": "->", "–": "-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∞": "inf", "√": "sqrt",
        **{sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    }
)  # fmt: skip


def ascii_only(text: str) -> str:
    """The same text in ASCII signs; anything without a stand-in is escaped.

    >>> ascii_only("⌊(32 + 2·1)/2⌋ × ж")
    'floor((32 + 2*1)/2) x \\\\u0436'
    """
    return text if text.isascii() else text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def carried(text: str, stream: object, encoding: str = "utf-8") -> str:
    """The text, in ASCII signs where a stream cannot be sent others; ``encoding`` is that of one which names none."""
    try:
        text.encode(getattr(stream, "encoding", None) or encoding)
    except (UnicodeEncodeError, LookupError):
        return ascii_only(text)
    return text


def shape(sizes: Shape | None) -> str:
    """``1×3×32×32``; ``scalar`` for a tensor without dimensions, nothing for no tensor.

    >>> shape((1, 3, 32, 32)), shape(()), shape((2, -1))
    ('1×3×32×32', 'scalar', '2×?')
    """
    if sizes is None:
        return ""
    if not sizes:
        return "scalar"
    return "×".join(map(shape_factor, sizes))


def tensor(info: TensorInfo) -> str:
    """The shape with its place, where there is one: ``[0] 1×8×32``."""
    return f"{info.place} {shape(info.shape)}" if info.place else shape(info.shape)


def setting(value: Any) -> str:
    """A layer's setting: ``3×3`` for one value per axis, words as they are.

    >>> setting((3, 3)), setting(2), setting("same"), setting((None, 7)), setting(True)
    ('3×3', '2', 'same', '?×7', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return yes_no(value)
    if isinstance(value, tuple | list):
        return "×".join("?" if item is None else setting(item) for item in value)
    return value if isinstance(value, str) else spell(value)


def open_formula(taken: Step) -> str:
    """A step's formula with the axes left open: it is the same one for H and W.

    >>> open_formula(Step("H", "H·scale_factor", "4·2", 8)) == open_formula(Step("W", "W·scale_factor", "5·2", 10))
    True
    """
    return re.sub(r"\b(?:dim \d+|[LHWDC])\b", "·", taken.formula)


def count(number: Size) -> str:
    """``1,234,567``."""
    return f"{number:,}" if isinstance(number, int) else size(number)


def percent(share: float) -> str:
    """``12.3%``, and ``<0.1%`` for what is more than nothing."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def yes_no(value: bool) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def dots(numbers: Sequence[int]) -> str:
    """Evenly spaced numbers of repeated blocks: ``0–31``, ``0, 2, … 38``.

    >>> dots((0, 1, 2)), dots((0, 2, 4, 6)), dots((4, 6)), dots((9, 8, 7))
    ('0–2', '0,2,…,6', '4,6', '9–7')
    """
    first, second, *rest = numbers
    if abs(second - first) == 1:
        return f"{first}–{numbers[-1]}"
    return f"{first},{second},…,{numbers[-1]}" if len(rest) > 1 else ",".join(map(str, numbers))


def listed(names: Iterable[str], most: int = 8) -> str:
    """``a, b, c and 4 more``."""
    known = list(names)
    if len(known) <= most + 1:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most} more"
