"""Random models in letters: every form equals a real run, every range is right at its ends, no problem is invented.

``CONVLIN_RANDOM_LETTERS`` says how many models are drawn; the same number gives the same models.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize

COUNT = int(os.environ.get("CONVLIN_RANDOM_LETTERS", "30"))
#: How many models one test draws: a test more for every so many.
TOGETHER = 10
CHANNELS = 4
SIZES = (*range(1, 45), 63, 64, 65, 99, 100, 101, 127, 128, 150, 201, 255, 256, 257, 300)


class Stage(nn.Module):
    """One step of a model, told by its text."""

    def __init__(self, text: str, call: Callable[[Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.text, self.call = text, call
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)

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

    return Stage(f"{count} positions by {way}", call, table=table)


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


def observed(model: nn.Sequential, size: int) -> list[tuple[int, ...]] | None:
    """The shape behind every stage, one after the other; None where PyTorch refuses the size.

    Nor is a size taken at which a single step meets several positions: docs/named-sizes.md says why.
    """
    x, shapes = torch.zeros(1, CHANNELS, size), []
    try:
        with torch.no_grad():
            for stage in model:
                if "by sum" in str(stage) and x.shape[-1] == 1 != stage.get_parameter("table.weight").shape[0]:
                    return None
                x = stage(x)
                shapes.append(tuple(x.shape))
    except (RuntimeError, ValueError, IndexError):
        return None
    return shapes


def faults(seed: int) -> list[str]:
    """What is said of a random model and no real run bears out."""
    torch.manual_seed(0)
    model = drawn(seed)
    real = {size: observed(model, size) for size in SIZES}
    runs = [size for size in SIZES if real[size] is not None]
    s = summarize(model, (CHANNELS, "L"))
    found = []
    if runs and not s.ok:
        found.append(f"problem invented, runs at {runs[:5]}: {[each.message for each in s.problems]}")
    told = {call.path: call.output_shape for call in s.calls if not call.is_function}
    hedged = "not for all" in "".join(s.report.remarks) or "plain number" in "".join(s.report.remarks)
    claimed = [size for size in runs if s.accepts is None or size in s.accepts.sizes[0]]
    for size in [] if hedged else claimed:
        for index, shape in enumerate(real[size] or ()):
            forms = told.get(str(index))
            if forms is None:
                continue
            value = tuple(each if isinstance(each, int) else int(each.subs({"L": size})) for each in forms)
            if len(value) != len(shape) or any(one not in (-1, other) for one, other in zip(value, shape, strict=True)):
                found.append(f"{index}: {forms} at L = {size} is {value}, really {shape}")
                break
    if s.accepts is not None:
        (range_,) = s.accepts.sizes
        inside = [size for size in SIZES if size in range_]
        ends = [range_.minimum, range_.maximum or 1000 // range_.step * range_.step + range_.minimum % range_.step]
        refused = [size for size in (*inside, *ends) if observed(model, size) is None]
        if refused:
            found.append(f"accepts {range_.text}, but not {refused}")
        outside = {range_.minimum - 1, range_.minimum - range_.step, (range_.maximum or -1) + 1}
        found += [
            f"accepts {range_.text}, and {size} as well"
            for size in sorted(outside)
            if size > 1 and observed(model, size) is not None
        ]
    return [f"seed {seed}: {each}\n{model}" for each in found]


@pytest.mark.parametrize("first", range(0, COUNT, TOGETHER))
def test_what_is_said_of_random_models_holds(first: int) -> None:
    assert [fault for seed in range(first, min(first + TOGETHER, COUNT)) for fault in faults(seed)] == []


@pytest.mark.parametrize("seed", [102, 112, 10361, 10186])
def test_models_that_were_told_wrong(seed: int) -> None:
    """A piece that is shorter for a short input, a Linear over the length, a sum that a single step stretches."""
    assert faults(seed) == []
