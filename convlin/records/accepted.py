"""The input sizes that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class SizeRange(NamedTuple):
    """The sizes that one letter can take: from ``minimum`` up to ``maximum``, in steps.

    >>> SizeRange("H", 16, None, 16).text, 48 in SizeRange("H", 16, None, 16)
    ('multiples of 16', True)
    >>> SizeRange("H", 223, 254).text, SizeRange("H", 224, 224).text, SizeRange("H", 33).text
    ('from 223 to 254', 'exactly 224', 'any from 33 up')
    >>> SizeRange("H", 28, None, 28, width=4).text, 59 in SizeRange("H", 28, None, 28, width=4)
    ('multiples of 28, or up to 3 more', True)
    >>> SizeRange("H", 26, 28, 2).text
    '26 or 28'
    """

    name: str
    minimum: int
    maximum: int | None = None
    """None: however large."""
    step: int = 1
    width: int = 1
    """How many sizes in a row are taken at each step: a layer with a stride rounds them to the same."""

    @property
    def exact(self) -> int | None:
        """The one size there is, or None."""
        return self.minimum if self.minimum == self.maximum else None

    @property
    def text(self) -> str:
        """What a person says: ``multiples of 16``, ``from 223 to 254``, ``any from 33 up``."""
        low, high, step = self.minimum, self.maximum, self.step
        if low == high:
            return f"exactly {low}"
        if step == 1:
            if high is None:
                return "any" if low == 1 else f"any from {low} up"
            return f"from {low} to {high}"
        if high == low + step and self.width == 1:
            return f"{low} or {high}"
        multiple = low + -low % step
        if multiple >= low + self.width:
            runs = (f"{start} to {start + self.width - 1}" for start in range(low, low + 3 * step, step))
            kind, start = f"{', '.join(runs if self.width > 1 else map(str, range(low, low + 3 * step, step)))}, …", ""
        else:
            kind = f"multiples of {step}{self._beside(multiple - low)}"
            start = f" from {low}" if multiple > step or high is not None else ""
        if high is not None:
            return f"{kind}{start} to {high}"
        return f"{kind}{start} up" if start else kind

    def _beside(self, below: int) -> str:
        """The sizes next to a multiple that are taken, too."""
        above = self.width - 1 - below
        said = [
            f"{count} {word}" if count == 1 else f"up to {count} {word}"
            for count, word in ((below, "less"), (above, "more"))
            if count
        ]
        return f", or {' or '.join(said)}" if said else ""

    def __contains__(self, size: object) -> bool:
        return (
            isinstance(size, int)
            and size >= self.minimum
            and (self.maximum is None or size <= self.maximum)
            and (size - self.minimum) % self.step < self.width
        )


@dataclass(frozen=True, slots=True)
class Accepts:
    """The input sizes that a model takes as it is declared, for each named size.

    Every combination of sizes within the ranges is taken, unless ``condition`` ties them together.
    """

    sizes: tuple[SizeRange, ...]
    condition: str = ""
    """What else has to hold between the letters: ``H = W``, or what several Linears ask for."""
    verified: bool = False
    """The model was run at the ends of the ranges, which it took, and one step outside, which it refused."""

    def __getitem__(self, name: str) -> SizeRange:
        for sizes in self.sizes:
            if sizes.name == name:
                return sizes
        raise KeyError(name)

    @property
    def text(self) -> str:
        """One line, letters with the same range together: ``H, W multiples of 16``."""
        together: dict[str, list[str]] = {}
        for sizes in self.sizes:
            together.setdefault(sizes.text, []).append(sizes.name)
        parts = [f"{', '.join(names)} {text}" for text, names in together.items()]
        return "; ".join([*parts, *([f"with {self.condition}" if parts else self.condition] if self.condition else [])])
