"""Words for functions between the layers: reshapes, and tensors that do not go together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from convlin.diagnosis.messages.said import Said, Words
from convlin.diagnosis.messages.tools import (
    arrived,
    at,
    call_of,
    called,
    code,
    equation,
    maker_of,
    name_of,
    product_of,
    times,
    who,
)
from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import UNSEEN, Report, Shape, Source
from convlin.sizes.spell import spell, spell_product
from convlin.trace.recording import Finding, of_operands


def _called(finding: Finding) -> str:
    if finding.layer:
        return name_of(finding)
    wanted = finding.misfit.detail.get("wanted")
    name = finding.function.rpartition(".")[2] or finding.function
    if name == "[...]":
        return finding.function
    return f"{name}({', '.join(map(code, wanted))})" if wanted else finding.function


def _reshape(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shape: Shape = misfit.detail["shape"]
    wanted = misfit.detail["wanted"]
    rest = wanted if len(shape) == 1 else wanted[1:]  # of one axis, none is the batch
    sizes = [size for size in rest if size != -1]
    one = "it" if len(shape) == 1 else "one sample"
    has = spell(misfit.required) if len(shape) == 1 else product_of(shape)
    relation = "not a multiple of" if -1 in rest and len(wanted) > 2 else "not"
    not_so = f"{relation} {spell(prod(sizes))}"
    counted = f"{one} has {has} elements, {not_so}"
    if all(isinstance(size, int) for size in (*shape, *wanted)) and _is_of_rows(shape, wanted):
        known = [size for size in wanted if size != -1]
        parts = "not" if -1 not in wanted else "not a multiple of"
        counted = f"it has {_multiplied(shape)} elements, {parts} {_multiplied(known)}"
    counted = _of_each(shape, wanted) or counted
    message = f"{_called(finding)} cannot take {times(shape)}{_from(finding, report)}\n{counted}"
    if len(wanted) <= 2:
        return Said(message, "x = x.flatten(1)", forward=True)
    if "gives" in misfit.detail:
        message += f"\neither {_gives(finding)}, or the sizes multiply to {spell(misfit.required)}"
    elif len(shape) > 1 and len(rest) > 2 and -1 not in rest and 0 not in rest:
        channels, left = divmod(misfit.required, prod(rest[1:]))
        if left == 0:
            message += f"\n{spell(misfit.required)} is {spell(channels)} channels of {times(rest[1:])}"
    return Said(message, forward=True)


def _is_of_rows(shape: Shape, wanted: Shape) -> bool:
    """Whether what one row has goes into the sizes, so that it is the number of rows that does not."""
    sizes = prod(size for size in wanted[1:] if size != -1)
    if len(shape) < 2 or len(wanted) < 3 or not sizes or wanted[0] == -1:
        return False
    return prod(shape[1:]) % sizes == 0 if -1 in wanted[1:] else prod(shape[1:]) == sizes


def _of_each(shape: Shape, wanted: Shape) -> str:
    """What is parted at every step, where the batch and the steps stay: features into heads, say, that have a rest."""
    kept = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(shape, wanted, strict=False)))
    rest, parts = shape[kept:], wanted[kept:]
    if kept < 2 or not rest or len(parts) < 2 or not all(type(size) is int and size > 0 for size in (*rest, *parts)):
        return ""
    told = f"each of {times(shape[:kept])} has {_multiplied(rest)} elements, not {_multiplied(parts)}"
    whole, by = prod(rest), prod(parts[:-1])
    return f"{told}: {whole} is not a multiple of {_multiplied(parts[:-1])}" if whole // by == parts[-1] else told


def _multiplied(sizes: Sequence[int]) -> str:
    return equation(spell_product(sizes), spell(prod(sizes)))


def _gives(finding: Finding) -> str:
    """What a layer in front should give: a run has shown it."""
    path, size = finding.misfit.detail["gives"][0]
    return f"{path} gives {spell(size)}"


def _from(finding: Finding, report: Report) -> str:
    return f", the output of {who(report, finding.source)}" if call_of(report, finding.source) is not None else ""


def _strides(finding: Finding, report: Report) -> Said:
    return Said(
        f"{_called(finding)} cannot take {arrived(finding)}, whose elements are not in order in memory\n"
        "use reshape, which copies where it must",
        "x = x.reshape(...)",
        forward=True,
    )


def _unflatten(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    product = equation(spell_product(misfit.declared), spell(misfit.detail["product"]))
    dim, required = misfit.detail["dim"], spell(misfit.required)
    given = finding.inputs[misfit.input].shape
    should = f"the sizes should multiply to {required}"
    if "gives" in misfit.detail:
        should = f"either {_gives(finding)}, or the sizes multiply to {required}"
    return Said(f"{name_of(finding)}: {product}, and dimension {dim} of {times(given)} has {required}\n{should}", None)


def _folded(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shape, made = misfit.detail["shape"], misfit.detail["made"]
    if len(made) == 1 or made[0] == 1:
        what = f"the batch of {spell(shape[0])} went into the features"
    else:
        what = f"the batch went from {spell(shape[0])} to {spell(made[0])}"
    message = f"{_called(finding)} makes {times(made)} of {times(shape)}: {what}\none sample has "
    image = misfit.detail["image"]
    if finding.layer:
        return Said(f"{message}{product_of(shape)} features", "start_dim=1")
    if image is None:
        return Said(f"{message}{product_of(shape)} features", "x = x.flatten(1)", forward=True)
    features = spell(misfit.required)
    if prod(image[1:]) == misfit.required:
        sizes = ", ".join(map(code, image[1:]))
        product = equation(features, spell_product(image[1:]))
        return Said(f"{message}{product} elements", f"x = x.view(-1, {sizes})", forward=True)
    wanted = equation(spell_product(made[1:]), spell(misfit.declared))
    either = f"\neither {_gives(finding)}, or the sizes multiply to {features}" if "gives" in misfit.detail else ""
    return Said(f"{message}{features} elements, not {wanted}{either}", forward=True)


def _operands(finding: Finding, report: Report) -> Said:
    misfit = finding.misfit
    shapes: tuple[Shape, ...] = misfit.detail["shapes"]
    sources, names = of_operands(finding, report.calls[finding.call].sources), of_operands(finding, finding.names)
    told = itertools.islice(itertools.zip_longest(shapes, names, sources), len(shapes))
    meeting = " and ".join(_met(shape, name, source, report) for shape, name, source in told)
    axes = misfit.detail.get("axes", ())
    difference = ""
    if axes and len(shapes) > 1:
        difference = f"\nthey differ in {_differing(axes, shapes)}"
    elif misfit.note in ("linear", "matmul", "convolution"):
        difference = f"\n{spell(misfit.required)} meets {spell(misfit.declared)}: these two must be equal"
    elif misfit.note == "einsum":
        difference = (
            f"\n{misfit.detail['letter']} is {spell(misfit.required)} in one and {spell(misfit.declared)} in the other"
        )
    elif misfit.note == "turned":
        ways = _turned(shapes, misfit.detail["which"])
        difference = f"\n{spell(misfit.required)} meets {spell(misfit.declared)}; .transpose(-2, -1) {ways}"
    elif misfit.note == "in_place":
        difference = f"\ntogether they make {times(misfit.detail['made'])}, and the first has no room for that"
        if (sign := called(finding.function)).endswith("="):
            difference += f"; x = x {sign.removesuffix('=')} y makes a new tensor"
    elif misfit.note == "ranks":
        difference = _of_other_rank(shapes, misfit.detail)
    if misfit.note == "elementwise":
        difference += (
            _without_space(shapes, misfit.detail)
            or _with_channels_last(shapes, misfit.detail)
            or _with_axes_exchanged(shapes, misfit.detail.get("older"))
            or _with_shortcut(shapes, misfit.detail.get("skip"))
            or _with_either(misfit.detail.get("either", ()))
        )
    verb = "join" if OPS.called(finding.function).family is Family.JOIN else "combine"
    name = called(finding.function) or name_of(finding)
    if "run" in misfit.detail:  # along another axis, as a run has shown
        along = misfit.detail["along"]
        sizes = [shape[along] for shape in shapes]
        made = times((*shapes[0][:along], sum(sizes), *shapes[0][along + 1 :]))
        return Said(
            f"{name} cannot {verb} {meeting} along dim={misfit.detail['dim']}{difference}\n"
            f"along dim={along} it makes {made}, and the layers behind take that",
            f"pass dim={along} to {called(finding.function)}",
            forward=True, join=finding.where, dim=along,
        )  # fmt: skip
    difference += (_taken_behind(finding) if misfit.note != "ranks" else "") + _kept(finding)
    if "kept" in misfit.detail:  # the line to change is another one
        name += at(finding.where)
    return Said(f"{name} cannot {verb} {meeting}{difference}", None, forward=True)


def _turned(shapes: tuple[Shape, ...], which: tuple[int, ...]) -> str:
    """``of the second gives 1×8×10×10``, for each of the two with which they go together."""
    left, right = shapes
    made = {0: (*left[:-2], left[-1], right[-1]), 1: (*left[:-1], right[-2])}
    return ", ".join(f"of the {('first', 'second')[index]} gives {times(made[index])}" for index in which)


def _of_other_rank(shapes: tuple[Shape, ...], detail: Mapping[str, Any]) -> str:
    """How many dimensions there are, and what makes them go together: an axis of 1, or maps as features."""
    ranks, axis = sorted({len(shape) for shape in shapes}), detail["axis"]
    told = f"\nthey have {' and '.join(map(str, ranks))} dimensions"
    if axis is not None:
        short = next(shape for shape in shapes if len(shape) == ranks[0])
        return f"{told}; unsqueeze({axis}) makes {times((*short[:axis], 1, *short[axis:]))} of {times(short)}"
    many = [shape for shape in shapes if len(shape) > 2]
    if ranks[0] != 2 or len(many) != 1 or detail.get("dim") not in (1, -1) or len({shape[0] for shape in shapes}) != 1:
        return told
    batch, *sizes = many[0]
    ways = {"flatten(1)": prod(sizes)}
    if len(sizes) == 2:  # a step of a sequence or its mean, or the mean of a map of one axis
        ways |= {"mean(1)": sizes[1], "mean(2)": sizes[0]}
    elif len(sizes) == 3:
        ways["mean((2, 3))"] = sizes[0]
    path, taken = detail.get("behind", ("", None))
    others = [shape[1] for shape in shapes if len(shape) == 2]
    way = next((way for way, size in ways.items() if sum(others) + size == taken), "flatten(1)")
    told = f"{told}; {way} makes {times((batch, ways[way]))} of {times(many[0])}"
    if sum(others) + ways[way] != taken:
        return told
    joined = " + ".join(spell(ways[way] if len(shape) > 2 else shape[1]) for shape in shapes)
    return f"{told}: {joined} = {spell(taken)}, as {path} takes"


def _without_space(shapes: tuple[Shape, ...], detail: Mapping[str, Any]) -> str:
    """What one number for each channel lacks to go together with a map."""
    few, missing = min(shapes, key=len), detail.get("space", 0)
    if not missing:
        return ""
    index = ", ".join([":"] * len(few) + ["None"] * missing)
    return f"\n{times(few)} has a number for each channel: [{index}] makes it {times((*few, *(1,) * missing))}"


def _with_channels_last(shapes: tuple[Shape, ...], detail: Mapping[str, Any]) -> str:
    """Of numbers for each channel that stand on the last axis: where they belong."""
    if not detail.get("channels_last"):
        return ""
    few, many = sorted(shapes, key=prod)
    batch = few[0] if len(few) == len(many) else 1
    right = (batch, few[-1], *(1,) * (len(many) - 2))
    where = "on its last axis, not on axis 1"
    return f"\n{times(few)} has a number for each channel {where}: as {times(right)} they go together"


def _with_axes_exchanged(shapes: tuple[Shape, ...], older: int | None) -> str:
    """The two axes of one that are to be exchanged for both to go together, where there are no others.

    That is the first; or the second where it was made of the first, which is the ``older`` one.
    """
    first, second = (shapes if older != 0 else shapes[::-1]) if len(shapes) == 2 else ((), ())
    if len(first) != len(second):
        return ""
    found = [
        (low, high) for low, high in itertools.combinations(range(len(first)), 2) if _fits(first, second, low, high)
    ]
    if len(found) != 1:
        return ""
    ((low, high),) = found
    which = "first" if older != 0 else "second"
    return f"\n.transpose({low}, {high}) of the {which} makes it {times(_exchanged(first, low, high))}"


def _with_shortcut(shapes: tuple[Shape, ...], skip: int | None) -> str:
    """The convolution that makes a skip what it is added to, where a block has other channels, or a stride, or both.

    ``skip`` says which of the two the map was made of; where it is not known, maps of other sizes tell.
    """
    lowest = 4 if skip is None else 3
    if len(shapes) != 2 or len(shapes[0]) != len(shapes[1]) or not lowest <= len(shapes[0]) <= 5:
        return ""
    if not all(type(size) is int and size for shape in shapes for size in shape):
        return ""
    small, large = sorted(shapes, key=lambda shape: prod(shape[2:]))
    if skip is not None:
        small, large = shapes[1 - skip], shapes[skip]
    elif small[1] == large[1] or small[2:] == large[2:]:
        return ""
    strides = [
        stride
        for stride in range(1, max(large[2:]) + 1)
        if all((size - 1) // stride + 1 == made for size, made in zip(large[2:], small[2:], strict=True))
    ]
    if not strides or small[0] != large[0] or max(small[2:]) == 1:
        return ""
    stride = f", stride={strides[0]}" if strides[0] > 1 else ""
    layer = f"nn.Conv{len(large) - 2}d({large[1]}, {small[1]}, 1{stride})"
    return f"\nas a shortcut, {layer} makes {times(small)} of {times(large)}"


def _with_either(gives: Sequence[tuple[str, int]]) -> str:
    """The two layers of which either may give another size: a run has shown it of both."""
    return f"\neither {' or '.join(f'{path} gives {spell(size)}' for path, size in gives)}" if gives else ""


def _fits(first: Shape, second: Shape, low: int, high: int) -> bool:
    """Whether all sizes are equal with two axes exchanged, but for a batch of one; both axes are no batch."""
    made = _exchanged(first, low, high)
    return low > 0 and made[1:] == second[1:] and (made[0] == second[0] or 1 in (made[0], second[0]))


def _exchanged(shape: Shape, low: int, high: int) -> Shape:
    return (*shape[:low], shape[high], *shape[low + 1 : high], shape[low], *shape[high + 1 :])


def _taken_behind(finding: Finding) -> str:
    """Which of two sizes a layer behind them is made for, and what should give it."""
    detail = finding.misfit.detail
    giver = detail.get("giving")  # as a run has shown
    if "behind" not in detail:
        return "" if giver is None else f"\n{giver.path} should give {spell(giver.misfit.required)}"
    path, size = detail["behind"]
    if "axes" not in detail:
        return f"\n{path} behind it takes {spell(size)}"
    giving = "" if giver is None else f": {giver.path} should give that"
    return f"\n{path} takes {spell(size)}{giving}"


def _kept(finding: Finding) -> str:
    """What a tensor of the module should be, as a run has shown, and the line that makes it."""
    if "kept" not in finding.misfit.detail:
        return ""
    made = finding.misfit.detail["kept"]
    return f"\nwith self.{made.name} of {times(made.shape)} they go together; it is made{at(made.where)}"


def _met(shape: Shape, name: str | None, source: Source | None, report: Report) -> str:
    """``2×4 (the output of fc)``; the shape alone where a tensor was made on the way, unseen."""
    if name:
        return f"{times(shape)} ({name})"
    if source is None or source == UNSEEN:
        return times(shape)
    return f"{times(shape)} ({who(report, maker_of(report, source))})"


def _differing(axes: tuple[int, ...], shapes: tuple[Shape, ...]) -> str:
    """``dimensions 2 and 3: 26 and 27``."""
    alike = len({len(shape) for shape in shapes}) == 1
    longest = max(shapes, key=len)
    found: dict[str, list[str]] = {}
    for axis in sorted(axis % len(shapes[0]) if alike else axis for axis in axes):
        sizes = dict.fromkeys(spell(shape[axis]) for shape in shapes if -len(shape) <= axis < len(shape))
        told = str(axis) if alike or axis >= 0 else f"{axis % len(longest)} of {times(longest)}"
        found.setdefault(" and ".join(sizes), []).append(told)
    return ", ".join(
        f"dimension{'s' if len(names) > 1 else ''} {' and '.join(names)}: {sizes}" for sizes, names in found.items()
    )


WORDS: Mapping[tuple[str, str], Words] = {
    ("batch", "folded"): _folded,
    ("reshape", "size"): _reshape,
    ("reshape", "strides"): _strides,
    ("reshape", "unflatten"): _unflatten,
    ("operands", ""): _operands,
}
