"""How single values are written in every form: shapes, counts, bytes, places."""

from __future__ import annotations

from convlin.records import Location, Shape, TensorInfo

#: Signs that an output without UTF-8 cannot carry, and what stands for them there.
ASCII = str.maketrans(
    {
        "×": "x", "·": "*", "−": "-", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "✗": "x", "✓": "ok",
        "…": "...", "→": "->", "–": "-", "≤": "<=", "≥": ">=", "≠": "!=", "∞": "inf",
    }
)  # fmt: skip


def ascii_only(text: str) -> str:
    """The same text in ASCII signs; anything without a stand-in is escaped."""
    return text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def shape(sizes: Shape | None) -> str:
    """``1×3×32×32``; ``scalar`` for a tensor without dimensions, nothing for no tensor."""
    if sizes is None:
        return ""
    if not sizes:
        return "scalar"
    return "×".join("?" if size == -1 else _one(size) for size in sizes)


def _one(size: object) -> str:
    text = str(size)
    return f"({text})" if " " in text else text


def tensor(info: TensorInfo) -> str:
    """The shape with its place, where there is one: ``[0] 1×8×32``."""
    return f"{info.place} {shape(info.shape)}" if info.place else shape(info.shape)


def count(number: int) -> str:
    """``1,234,567``."""
    return f"{number:,}"


def megabytes(number: int) -> str:
    """Bytes in MB of 10⁶ bytes, to two digits."""
    return f"{number / 1e6:,.2f} MB"


def place(where: Location) -> str:
    """``net.py:27``: the file's name is enough for a person."""
    return f"{where.file.replace(chr(92), '/').rpartition('/')[2]}:{where.line}"
