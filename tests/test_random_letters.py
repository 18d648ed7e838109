"""Random models in letters: every form equals a real run, every range is right at its ends, no problem is invented.

``CONVLIN_RANDOM_LETTERS`` says how many models are drawn; the same number gives the same models.
"""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.records import Accepts
from tests.asked import asked
from tests.properties import examples

#: Half of them signals, half of any kind.
COUNT = int(os.environ.get("CONVLIN_RANDOM_LETTERS", examples(300).max_examples)) // 2

#: PyTorch says once that it copies the input for it; the models draw it on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
#: How many models one test draws: a test more for every so many.
TOGETHER = 5
CHANNELS = 4
SIZES = (*range(1, 45), 63, 64, 65, 99, 100, 101, 127, 128, 150, 201, 255, 256, 257, 300)


class Stage(nn.Module):
    """One step of a model, told by its text."""

    def __init__(
        self,
        text: str,
        call: Callable[[Tensor], Tensor],
        sums: tuple[int, ...] = (),
        **layers: nn.Module | nn.Parameter,
    ) -> None:
        super().__init__()
        self.text, self.call, self.sums = text, call, sums
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)

    def is_stretched(self, x: Tensor) -> bool:
        """Whether a single step of ``x`` meets several positions."""
        return any(size == 1 != other for size, other in zip(x.shape[2:], self.sums, strict=False))

    def extra_repr(self) -> str:
        return self.text


def convolution(draw: random.Random) -> nn.Module:
    kernel = draw.randint(1, 5)
    padding = draw.randint(0, kernel // 2)
    return nn.Conv1d(CHANNELS, CHANNELS, kernel, draw.randint(1, 3), padding, draw.randint(1, 2))


def pooling(draw: random.Random) -> nn.Module:
    kernel = draw.randint(1, 4)
    options: dict[str, Any] = {
        "stride": draw.randint(1, 4),
        "padding": draw.randint(0, kernel // 2),
        "ceil_mode": draw.random() < 0.6,
    }
    return draw.choice((nn.MaxPool1d, nn.AvgPool1d))(kernel, **options)


def part(draw: random.Random) -> nn.Module:
    start, stop, step = draw.choice((0, 0, 2)), draw.choice((None, 30, 100, -1, -40)), draw.choice((1, 1, 2, 3))
    return Stage(f"[{start}:{stop}:{step}]", lambda x: x[..., start:stop:step])


def last_part(draw: random.Random) -> nn.Module:
    count = draw.choice((10, 50, 100))
    return Stage(f"[-{count}:]", lambda x: x[..., -count:])


def resized(draw: random.Random) -> nn.Module:
    scale = draw.choice((0.5, 2, 1.5, 0.25, 0.7, 0.29, 1 / 3, 2.3))
    return nn.Upsample(scale_factor=scale)


def piece(draw: random.Random) -> nn.Module:
    count = draw.choice((3, 10, 64))
    return Stage(f"split({count})[0]", lambda x: x.split(count, -1)[0])


def padded(draw: random.Random) -> nn.Module:
    multiple = draw.randint(2, 7)

    def call(x: Tensor) -> Tensor:
        rest = x.shape[-1] % multiple
        return F.pad(x, (0, multiple - rest)) if rest else x

    return Stage(f"padded to {multiple}", call)


def joined(draw: random.Random) -> nn.Module:
    stride = draw.choice((2, 2, 3))
    narrow = nn.Conv1d(2 * CHANNELS, CHANNELS, 1)

    def call(x: Tensor) -> Tensor:
        small = F.max_pool1d(x, stride)
        return narrow(torch.cat([x, small.repeat_interleave(stride, -1)], 1))

    return Stage(f"joined with every {stride}", call, narrow=narrow)


def positions(draw: random.Random) -> nn.Module:
    count, way = draw.randint(1, 70), draw.choice(("sum", "part", "index"))
    table = nn.Embedding(count, CHANNELS)

    def call(x: Tensor) -> Tensor:
        if way == "index":
            return x + table(torch.arange(x.shape[-1], device=x.device)).transpose(0, 1)
        return x + (table.weight if way == "sum" else table.weight[: x.shape[-1]]).transpose(0, 1)

    return Stage(f"{count} positions by {way}", call, (count,) if way == "sum" else (), table=table)


def linear(draw: random.Random) -> nn.Module:
    return nn.Linear(draw.randint(1, 40), draw.randint(1, 12))


STAGES = (
    *(convolution, pooling, pooling, part, last_part, resized, piece, padded, joined, positions),
    *(convolution, pooling),
)


def drawn(seed: int) -> nn.Sequential:
    """A model of up to five stages, the last of which may be a Linear or two."""
    draw = random.Random(seed)
    stages = [draw.choice(STAGES)(draw) for _ in range(draw.randint(1, 4))]
    if draw.random() < 0.4:
        stages.append(linear(draw))
    if draw.random() < 0.15:
        stages += [nn.Flatten(), nn.Linear(CHANNELS * draw.randint(1, 12), 3)]
    return nn.Sequential(*stages).eval()


# Of signals and maps alike: ``dims`` is the number of their axes, and a stage treats each or one of them


def pair(dims: int, draw: random.Random, least: int, most: int) -> Any:
    """A number for each axis, the same for all more often than not."""
    first = draw.randint(least, most)
    return tuple(first if draw.random() < 0.7 else draw.randint(least, most) for _ in range(dims))


def layer(name: str, dims: int) -> Any:
    return getattr(nn, f"{name}{dims}d")


def any_convolution(draw: random.Random, dims: int) -> nn.Module:
    kernel = pair(dims, draw, 1, 5)
    padding = tuple(draw.randint(0, size // 2) for size in kernel)
    options: dict[str, Any] = {"stride": pair(dims, draw, 1, 3), "padding": padding, "dilation": pair(dims, draw, 1, 2)}
    if draw.random() < 0.2:
        options |= {"stride": 1, "padding": "same"}
    return layer("Conv", dims)(CHANNELS, CHANNELS, kernel, **options)


def transposed(draw: random.Random, dims: int) -> nn.Module:
    stride = draw.randint(1, 3)
    kernel = draw.randint(1, 4)
    padding = draw.randint(0, kernel // 2)
    more = draw.randint(0, stride - 1)
    return layer("ConvTranspose", dims)(CHANNELS, CHANNELS, kernel, stride, padding, more)


def any_pooling(draw: random.Random, dims: int) -> nn.Module:
    kernel = pair(dims, draw, 1, 4)
    options: dict[str, Any] = {
        "stride": pair(dims, draw, 1, 4),
        "padding": tuple(draw.randint(0, size // 2) for size in kernel),
        "ceil_mode": draw.random() < 0.5,
    }
    return layer(draw.choice(("MaxPool", "AvgPool")), dims)(kernel, **options)


def adaptive(draw: random.Random, dims: int) -> nn.Module:
    sizes: tuple[int | None, ...] = pair(dims, draw, 1, 7)
    if dims > 1 and draw.random() < 0.3:
        sizes = (*sizes[:-1], None)
    return layer(draw.choice(("AdaptiveAvgPool", "AdaptiveMaxPool")), dims)(sizes)


def any_resized(draw: random.Random, dims: int) -> nn.Module:
    if draw.random() < 0.3:
        return nn.Upsample(size=pair(dims, draw, 1, 20))
    mode = draw.choice(("nearest", "nearest", "linear" if dims == 1 else "bilinear"))
    return nn.Upsample(scale_factor=draw.choice((0.5, 2, 1.5, 0.25, 0.7, 0.29, 1 / 3, 2.3)), mode=mode)


def any_part(draw: random.Random, dims: int) -> nn.Module:
    axis = draw.randint(-dims, -1)
    start, count = draw.choice((0, 0, 1, 5)), draw.choice((3, 10, 24, 60))
    step = draw.choice((1, 1, 2))
    last, stop = draw.random() < 0.4, draw.choice((None, count, -1, -3))
    cut = slice(-count, None) if last else slice(start, stop, step)
    behind = (slice(None),) * (-1 - axis)
    return Stage(f"[{cut}] along {axis}", lambda x: x[(..., cut, *behind)])


def any_piece(draw: random.Random, dims: int) -> nn.Module:
    axis, way, count = draw.randint(-dims, -1), draw.choice(("split", "chunk", "tensor_split", "narrow")), 0
    count = draw.choice((3, 10, 32)) if way == "split" else draw.randint(2, 4)

    def call(x: Tensor) -> Tensor:
        if way == "narrow":
            return x.narrow(axis, 0, x.shape[axis] // count)
        pieces: tuple[Tensor, ...] = getattr(x, way)(count, axis)
        return pieces[0] if way != "chunk" else pieces[-1]

    return Stage(f"{way}({count}) along {axis}", call)


def any_padded(draw: random.Random, dims: int) -> nn.Module:
    multiple, both = draw.randint(2, 8), draw.random() < 0.5

    def call(x: Tensor) -> Tensor:
        rests = [-size % multiple for size in reversed(x.shape[2:])]
        if both:
            return F.pad(x, [each for rest in rests for each in (rest // 2, rest - rest // 2)])
        return F.pad(x, [each for rest in rests for each in (0, rest)]) if any(rests) else x

    return Stage(f"padded to {multiple}", call)


def any_joined(draw: random.Random, dims: int) -> nn.Module:
    stride, way = draw.choice((2, 2, 3)), draw.choice(("up", "size", "cut", "pad"))
    narrow = layer("Conv", dims)(2 * CHANNELS, CHANNELS, 1)
    pool: Callable[..., Tensor] = F.max_pool1d if dims == 1 else F.max_pool2d

    def call(x: Tensor) -> Tensor:
        small = pool(x, stride)
        asked: dict[str, Any] = {"size": x.shape[2:]} if way == "size" else {"scale_factor": stride}
        large = F.interpolate(small, **asked)
        if way == "cut":
            x = x[..., : large.shape[-1]] if dims == 1 else x[..., : large.shape[-2], : large.shape[-1]]
        if way == "pad":
            missing = [one - other for one, other in zip(x.shape[2:], large.shape[2:], strict=True)]
            large = F.pad(large, [each for size in reversed(missing) for each in (size // 2, size - size // 2)])
        return narrow(torch.cat([x, large], 1))

    return Stage(f"joined with every {stride} by {way}", call, narrow=narrow)


def any_positions(draw: random.Random, dims: int) -> nn.Module:
    sizes = pair(dims, draw, 1, 40)
    table = nn.Parameter(torch.zeros(1, CHANNELS, *sizes))
    way = draw.choice(("sum", "part", "resized"))

    def call(x: Tensor) -> Tensor:
        if way == "sum":
            return x + table
        if way == "resized":
            return x + F.interpolate(table, size=x.shape[2:])
        return x + (table[..., : x.shape[-1]] if dims == 1 else table[..., : x.shape[-2], : x.shape[-1]])

    return Stage(f"{sizes} positions by {way}", call, sizes if way == "sum" else (), table=table)


def squeezed(draw: random.Random, dims: int) -> nn.Module:
    axis = draw.randint(-dims, -1)
    return Stage(f"squeezed and back along {axis}", lambda x: x.unsqueeze(axis - 1).squeeze(axis - 1) + 1)


def unfolded(draw: random.Random, dims: int) -> nn.Module:
    size, step = draw.randint(1, 6), draw.randint(1, 6)
    return Stage(f"unfolded {size} by {step}", lambda x: x.unfold(-1, size, step).amax(-1))


def turned(draw: random.Random, dims: int) -> nn.Module:
    return Stage("turned", lambda x: x.transpose(-1, -2) if dims == 2 else x.flip(-1))


def patches(draw: random.Random, dims: int) -> nn.Module:
    """Windows of a map, as a vision transformer makes them, and back."""
    size = draw.choice((2, 4, 7))

    def call(x: Tensor) -> Tensor:
        n, c, *sizes = x.shape
        if dims == 1:
            return x.view(n, c, sizes[0] // size, size).flatten(2)
        h, w = sizes
        x = x.view(n, c, h // size, size, w // size, size).permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)
        x = x.view(n, h // size, w // size, size, size, c).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, c, h, w)

    return Stage(f"windows of {size}", call)


def normalized(draw: random.Random, dims: int) -> nn.Module:
    return draw.choice((layer("BatchNorm", dims)(CHANNELS), nn.GroupNorm(2, CHANNELS), nn.ReLU6(), nn.GELU()))


def any_linear(draw: random.Random, dims: int) -> nn.Module:
    return nn.Linear(draw.randint(1, 40), draw.randint(1, 12))


ANY = (
    *(any_convolution, any_convolution, transposed, any_pooling, any_pooling, adaptive, any_resized, any_part),
    *(any_piece, any_padded, any_joined, any_positions, squeezed, unfolded, turned, patches, normalized),
)
LETTERS = (("L",), ("H", "W"), ("H", "W"), ("H", "H"))


class Drawn(NamedTuple):
    """A random model, and the letters of its input; the batch is one, too, where ``batch`` says so."""

    model: nn.Sequential
    letters: tuple[str, ...]
    batch: bool


def drawn_of_any(seed: int) -> Drawn:
    """A model of signals or of maps: stages, and often a head of one or two Linears."""
    draw = random.Random(f"any {seed}")
    letters = draw.choice(LETTERS)
    dims = len(letters)
    stages = [draw.choice(ANY)(draw, dims) for _ in range(draw.randint(1, 5))]
    head = draw.random()
    if head < 0.25 and dims == 1:  # over the width of a map it is a flatten that is missing
        stages.append(any_linear(draw, dims))
        if draw.random() < 0.3:
            stages += [nn.ReLU(), nn.Linear(stages[-1].out_features, 5)]  # type: ignore[arg-type]  # of the layer before
    elif head < 0.55:
        sizes = pair(dims, draw, 1, 6)
        features = CHANNELS * math.prod(sizes)
        hidden = draw.choice((8, 16))
        stages += [nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 3)]
    elif head < 0.65:
        stages += [layer("AdaptiveAvgPool", dims)(2), nn.Flatten(), nn.Linear(CHANNELS * 2**dims, 3)]
    elif head < 0.7:
        stages.append(Stage("mean of all", lambda x: x.flatten(2).mean(-1)))
    return Drawn(nn.Sequential(*stages).eval(), letters, draw.random() < 0.2)


def observed(
    model: nn.Sequential, *sizes: int, batch: int = 1, stretched: bool = False
) -> list[tuple[int, ...]] | None:
    """The shape behind every stage, one after the other; None where PyTorch refuses the size.

    Nor is a size taken at which a single step meets several positions: docs/named-sizes.md says why.
    """
    x, shapes = torch.zeros(batch, CHANNELS, *sizes), []
    try:
        with torch.no_grad():
            for stage in model:
                if not stretched and isinstance(stage, Stage) and stage.is_stretched(x):
                    return None
                x = stage(x)
                shapes.append(tuple(x.shape))
    except (RuntimeError, ValueError, IndexError):
        return None
    return shapes


class Case(NamedTuple):
    """A model, the shape it is asked about, and the sizes at which it is really run."""

    model: nn.Sequential
    letters: tuple[str, ...]
    points: tuple[dict[str, int], ...]
    batch: bool = False

    def observed(self, point: dict[str, int], *, stretched: bool = False) -> list[tuple[int, ...]] | None:
        sizes = (point[name] for name in self.letters)
        return observed(self.model, *sizes, batch=point.get("N", 1), stretched=stretched)


def case(seed: int) -> Case:
    """The signal of this seed, of one letter and at every size of a list."""
    return Case(drawn(seed), ("L",), tuple({"L": size} for size in SIZES))


def case_of_any(seed: int) -> Case:
    """The model of this seed, at sizes that are drawn: small ones, and those that are one apart."""
    model, letters, batch = drawn_of_any(seed)
    draw = random.Random(seed)
    points = []
    for place in range(60):
        base = draw.choice((draw.randint(1, 12), draw.randint(1, 40), draw.choice(SIZES)))
        point = {name: base if draw.random() < 0.4 else draw.choice(SIZES[:50]) for name in letters}
        points.append(point | ({"N": 1 + place % 3} if batch else {}))
    return Case(model, letters, tuple(points), batch)


def faults(seed: int, make: Callable[[int], Case] = case) -> list[str]:
    """What is said of a random model and no real run bears out."""
    torch.manual_seed(0)
    model, letters, points, batch = made = make(seed)
    real = [(point, shapes) for point in points if (shapes := made.observed(point)) is not None]
    s = asked(model, (CHANNELS, *letters), batch_size="N" if batch else 1)
    found = []
    # What runs on a tensor without an element (a map of no height) is not what anybody means by a size that fits.
    runs = [point for point, shapes in real if all(math.prod(shape) for shape in shapes)][:5]
    if runs and not s.ok:
        found.append(f"problem invented, runs at {runs}: {[each.message for each in s.problems]}")
    told = {call.path: call.output_shape for call in s.calls if not call.is_function}
    hedges = ("not for all", "plain number of a size", "come from one pass")
    hedged = any(said in remark for said in hedges for remark in s.report.remarks)
    ranges = s.accepts.sizes if s.accepts is not None else ()
    claimed = [(point, shapes) for point, shapes in real if all(point[each.name] in each for each in ranges)]
    for point, shapes in [] if hedged else claimed:
        for index, shape in enumerate(shapes):
            forms = told.get(str(index))
            if forms is None:
                continue
            value = tuple(each if isinstance(each, int) else int(each.subs(point)) for each in forms)
            if len(value) != len(shape) or any(one not in (-1, other) for one, other in zip(value, shape, strict=True)):
                found.append(f"{index}: {forms} at {point} is {value}, really {shape}")
                break
    if s.accepts is not None:
        found += _faults_of_ranges(made, s.accepts)
    for said in re.findall(r"accepts other sizes as well, such as (.*)$", "\n".join(s.report.remarks), re.MULTILINE):
        point = {name: int(size) for name, size in re.findall(r"(\w+) = (\d+)", said)}
        if made.observed(point | ({"N": 2} if batch else {})) is None:
            found.append(f"takes {said}, it is said")
    return [f"seed {seed}: {each}\n{model}" for each in found]


def _faults_of_ranges(made: Case, accepts: Accepts) -> Iterator[str]:
    """Sizes that are said to be taken and are refused, and ends that are none."""
    ranges, text = {each.name: each for each in accepts.sizes}, accepts.text
    low = {name: each.minimum for name, each in ranges.items()}
    high = {
        name: each.maximum or each.minimum + max(300 - each.minimum, 10 * each.step) // each.step * each.step
        for name, each in ranges.items()
    }
    batch = {"N": 2} if made.batch else {}
    tied = len(ranges) > 1 and " = " in text
    corners = [dict(zip(ranges, ends, strict=True)) for ends in product(*zip(low.values(), high.values(), strict=True))]
    inside = [point for point in made.points if all(point[name] in each for name, each in ranges.items())]
    for point in [low, high] if tied else [*corners, *inside]:
        if made.observed(point | batch, stretched=True) is None:
            yield f"accepts {text}, but not {point}"
    for name, each in ranges.items():
        outside = {each.minimum - 1, each.minimum - each.step, each.maximum + 1 if each.maximum else 0}
        for others, size in product((low, high), sorted(size for size in outside if size > 1)):
            point = dict.fromkeys(ranges, size) if tied else {**others, name: size}
            if made.observed(point | batch) is not None:
                yield f"accepts {text}, and {point} as well"


#: Of those that went wrong once, the ones that take branches of convlin's code which no other drawn model takes.
HERE = {
    *(315, 2159, 2607, 5807, 5956, 6978, 7298, 20380, 30119, 41183, 41198, 41538, 42186, 42548, 50388, 51323, 60491),
    *(97306, 100100, 101407),
}


def named(*seeds: int) -> list[Any]:
    """All of them; in the long tail those whose branches are taken without them."""
    return [pytest.param(seed, marks=[pytest.mark.thorough] * (seed not in HERE)) for seed in seeds]


@pytest.mark.parametrize("first", range(0, COUNT, TOGETHER))
def test_what_is_said_of_random_models_holds(first: int) -> None:
    assert [fault for seed in range(first, min(first + TOGETHER, COUNT)) for fault in faults(seed)] == []


@pytest.mark.parametrize("first", range(0, COUNT, TOGETHER))
def test_what_is_said_of_random_models_of_any_kind_holds(first: int) -> None:
    seeds = range(first, min(first + TOGETHER, COUNT))
    assert [fault for seed in seeds for fault in faults(seed, case_of_any)] == []


@pytest.mark.parametrize("seed", named(5041, 5109, 5680, 10361, 10186, 20380, 20495, 21341, 30119, 60491, 96016, 97306))
def test_models_that_were_told_wrong(seed: int) -> None:
    """A sum that a single step stretches, a sum with a piece that fits where the input is shorter, a join that needs
    even sizes below the end of a part, 2.3 times such an end, a part that begins where the positions almost end, and a
    part that is padded to even sizes, 0.29 of a length that only multiples of 3 may be left of, a Linear over what
    is left of a part, which is as wide at a few lengths, a join that needs a piece of two where there is one, and a sum
    with a part that has no form."""
    assert faults(seed) == []


@pytest.mark.parametrize("seed", named(315, 392, 81262, 82324, 2159, 2607, 2896))
def test_models_of_any_kind_that_were_told_wrong(seed: int) -> None:
    """A Linear behind a piece that is as wide as the map where that is small, and a piece that was told in letters of
    the batch, one behind a stride and a piece of three, and one of ten rows; a single step that positions
    stretch."""
    assert faults(seed, case_of_any) == []


@pytest.mark.parametrize("seed", named(5956, 6041, 6044, 6229, 6951, 7904, 7905, 20012, 20429, 88421))
def test_models_of_any_kind_that_were_accused(seed: int) -> None:
    """A view of a piece that is shorter for a short input, windows with a letter for the batch, a Linear that fits
    where a piece is as long as the signal, one that fits a single element, tables that no meta device has, a third of a
    part that is shorter for a short input, a number that is below zero at some sizes, of which there is no root, and
    windows behind a part that fit where it is half as long."""
    assert faults(seed, case_of_any) == []


@pytest.mark.parametrize("seed", named(5073, 5807, 6618, 7298, 62159, 73246, 84759, 100100, 101407))
def test_models_of_any_kind_whose_forms_were_wrong_at_one_remainder(seed: int) -> None:
    """Pieces and paddings behind a stride, ``⌊H/12⌋ + 1`` for ``⌊(H + 11)/12⌋``, a chunk that is the second one of
    two where three were asked for, every fifth of an even size, a multiple of 4 behind 0.7 of a length, half of
    a multiple of 4 that is one of 7, a third at three sizes alone, and a map of no width that is asked for."""
    assert faults(seed, case_of_any) == []


@pytest.mark.parametrize(
    "seed",
    named(40882, 41026, 41183, 41198, 41438, 41538, 42186, 42473, 42548, 50388, 51009, 51323, 51974, 74226, 649, 1985),
)
def test_models_of_any_kind_that_take_few_sizes(seed: int) -> None:
    """A part of a pool behind windows and a padding, windows of a map that one square in many fills, a flatten of an
    axis that has one step at the sample, a height that divides by nothing, windows of windows with a letter for the
    batch, a padding behind which five sizes fit, every second of ten, positions behind windows of 7, a piece of three
    rows where there are two, windows of a part that is too long for them, a padding that no square needs, a table
    that stays on the CPU, windows of positions that are longer than what is left of them, and windows of a piece that
    they fit where it is all there is, of an image and of a signal."""
    assert faults(seed, case_of_any) == []


@pytest.mark.parametrize("seed", named(6186, 6202, 6547, 6863, 6923, 6978))
def test_models_of_any_kind_that_take_a_single_position(seed: int) -> None:
    """Of a table that is cut to one position nothing is stretched: the sizes where that is so are taken."""
    assert faults(seed, case_of_any) == []


def test_a_size_that_a_single_row_is_stretched_for_is_not_accepted() -> None:
    """Of 9×9 a single row is left, which all 33 rows of the table are added to: nobody means that."""
    made = case_of_any(36)
    assert summarize(made.model, (CHANNELS, *made.letters)).accepts is None


@pytest.mark.parametrize(("seed", "make", "sizes"), [(5696, case, (44, 49)), (8596, case_of_any, None)])
def test_what_follows_a_form_that_runs_have_in_common_is_computed_of_it(
    seed: int, make: Callable[[int], Case], sizes: tuple[int, int] | None
) -> None:
    """``min(3, ⌊(L − 38)/3⌋ − 1)`` fits what a convolution makes of ``min(4, ⌊(L − 38)/3⌋)`` at 19 sizes of 20, and
    what is padded to an even size and enlarged has to be one that windows of 7 divide, which few sizes are."""
    made = make(seed)
    accepts = summarize(made.model, (CHANNELS, *made.letters)).accepts
    assert (accepts and (accepts["L"].minimum, accepts["L"].maximum)) == sizes
    assert faults(seed, make) == []
