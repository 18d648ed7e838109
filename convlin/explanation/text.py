"""The lines of an explanation: steps of arithmetic in words and numbers, wrapped for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from convlin.analysis.path import Leg, Meeting, Part, title
from convlin.arithmetic.common import product
from convlin.ops.catalog import OPS
from convlin.records import Call, Derivation, Shape, Step
from convlin.render import words
from convlin.render.named_outputs import type_text
from convlin.sizes.equal import same
from convlin.sizes.spell import spell, spell_product

WIDTH = 100

_FROM_THE_END = {"W": -1, "H": -2, "D": -3, "L": -1}


def wrapped(text: str, indent: str = "", further: str | None = None) -> list[str]:
    """The text in lines of at most ``WIDTH`` columns, broken at blanks only."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if further is None else further,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent.rstrip()]


class Writer:
    """Writes steps and legs; each formula stands in words the first time only."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def leg(self, leg: Leg) -> Iterator[str]:
        """A call with what went in, what came out and why."""
        yield from head(leg.call, leg.given, leg.made)
        yield from parts(leg.parts)
        yield from self.reason(leg.call, leg.given, leg.made, leg.derivation, every=leg.given == leg.made)

    def reason(
        self, call: Call, given: Shape, made: Shape, derivation: Derivation | None, *, every: bool = False
    ) -> Iterator[str]:
        """The steps of a derivation, those that changed nothing only if ``every``; or what else can be said."""
        if derivation is None:
            yield from self._unexplained(call, given, made)
            return
        steps = [step for step in derivation.steps if every or changes(step, given, made)]
        if not steps:
            yield f"    {_phrase(call, given, made)}"
            return
        yield from self.steps(steps)

    def _unexplained(self, call: Call, given: Shape, made: Shape) -> Iterator[str]:
        """Nothing is claimed that was not seen; a product that comes out even is worth a look all the same."""
        merged = merging(given, made)
        if merged is not None:
            same = "flattened in place of what does not fit" if call.stood_in else "as many elements as before"
            yield f"    {spell_product(merged)} = {words.size(made[-1])}: {same}"
        if call.stood_in and merged is None:
            yield "    (a stand-in took the place of what does not fit)"
        elif not call.stood_in:
            yield f"    ({'what is computed here' if merged is not None else 'how this comes about'} was not seen)"

    def steps(self, steps: Iterable[Step]) -> Iterator[str]:
        """Each step with its axis in front."""
        shown = list(steps)
        width = max(len(step.axis) for step in shown)
        for step in shown:
            lead, blank = f"    {step.axis:<{width}}  ", " " * (width + 6)
            result = words.size(step.size)
            if step.formula in (step.arithmetic, result):  # a size that was written down, nothing to put in
                yield from wrapped(f"{step.formula} = {result}", lead, blank)
                continue
            known = words.open_formula(step)
            if known not in self._told:
                self._told.add(known)
                yield from wrapped(step.formula, lead, blank)
                lead = blank
            equals = "" if step.arithmetic == result else f" = {result}"
            yield from wrapped(f"{step.arithmetic}{equals}", lead, blank)


def _phrase(call: Call, given: Shape, made: Shape) -> str:
    """What happened where no size was computed."""
    if call.type == "Tensor[...]":
        taken = "one place of a dimension is taken, which is gone"
        return taken if len(made) < len(given) else "a dimension of size 1 is added"
    return OPS.called(call.type.rstrip("_")).phrase or "no arithmetic"


def head(call: Call, given: Shape | None, made: Shape | None, mark: str = "") -> list[str]:
    """``conv2  Conv2d  1×16×32×32 → 1×32×16×16``, on two lines where that is too long."""
    if call.is_function:  # with the index that the table has: Tensor[..., :10]
        name = title(call).replace(call.type, type_text(call.type, [call]), 1)
    else:
        name = "  ".join(dict.fromkeys((title(call), call.type)))
    change = words.shape(given) if made is None or given == made else f"{words.shape(given)} → {words.shape(made)}"
    line = f"{name}{mark}  {change}".rstrip()
    return [line] if len(line) <= WIDTH else [f"{name}{mark}", *wrapped(change, "    ")]


def parts(several: Iterable[Part]) -> Iterator[str]:
    """A line for each of the tensors that went in together."""
    for part in several:
        followed = "   (the one followed here)" if part.followed else ""
        yield from wrapped(f"{part.name}  {words.shape(part.shape)}{followed}", "      with ", "           ")


def meeting(met: Meeting) -> list[str]:
    """Two arms that came together: what the others are."""
    at = f" at {met.where.text}" if met.where is not None else ""
    others = " and ".join(described(part) for part in met.parts if not part.followed)
    return wrapped(f"{met.function}{at}  with {others}: the size is kept", "", "    ")


def described(part: Part) -> str:
    """``down.0, 1×64×16×16``."""
    return f"{part.name}, {words.shape(part.shape)}" if part.shape is not None else part.name


def merging(given: Shape, made: Shape) -> Shape | None:
    """The sizes whose product is the last axis, where everything before it stayed as it was."""
    kept = len(made) - 1
    if not 0 < len(made) < len(given) or given[:kept] != made[:kept]:
        return None
    return given[kept:] if same(product(given[kept:]), made[-1]) else None


def place_of(axis: str) -> int | None:
    """Where an axis stands that the formulas call so: ``H``, ``dim 1``; None for another word.

    >>> place_of("H"), place_of("dim 1"), place_of("features")
    (-2, 1, None)
    """
    return int(axis[4:]) if axis.startswith("dim ") else _FROM_THE_END.get(axis)


def changes(step: Step, given: Shape, made: Shape) -> bool:
    """Whether the size of the step's axes is another than before."""
    if len(given) != len(made):
        return True
    axes = [_FROM_THE_END.get(axis) for axis in step.axis.split(", ")]
    return any(axis is None or -axis > len(given) or given[axis] != step.size for axis in axes)


def requirement(sizes: Shape) -> str:
    """``32·8·8 = 2048``; a size alone, or a product of letters, as it is."""
    factors, result = spell_product(sizes), spell(product(sizes))
    return result if factors == result else f"{factors} = {result}"
