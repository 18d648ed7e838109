"""Receptive fields against what depends on what: a NaN in one column of the input shows wherever it is seen."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from convlin import summarize
from convlin.analysis.receptive_field import Field, receptive_fields


def seen_columns(model: nn.Module, channels: int, size: int) -> list[tuple[int, int]]:
    """For each output column the first and last input column that it depends on."""
    with torch.no_grad():
        dependent = []
        for column in range(size):
            image = torch.rand(1, channels, size, size)
            image[..., column] = float("nan")
            dependent.append(model(image).isnan().flatten(0, -2).any(0))
    table = torch.stack(dependent)  # input columns by output columns
    return [(int(column.nonzero().min()), int(column.nonzero().max())) for column in table.T if column.any()]


def last_field(model: nn.Module, channels: int, size: int) -> Field | None:
    summary = summarize(model, (channels, size, size))
    assert summary.ok
    fields = receptive_fields(summary.report)
    return next(field for field, call in zip(reversed(fields), reversed(summary.calls), strict=True) if not call.inner)


def assert_true(model: nn.Module, *, channels: int = 2, size: int = 64) -> None:
    """What the report says of the width is what really happens in the middle of the image."""
    model.eval()
    field = last_field(model, channels, size)
    assert field is not None
    axis = field.axes[-1]
    columns = seen_columns(model, channels, size)
    inner = [(number, pair) for number, pair in enumerate(columns) if pair[0] > 0 and pair[1] < size - 1]
    assert len(inner) > 3, "the image is too small to have units that do not see its edge"
    assert max(last - first + 1 for _, (first, last) in inner) == axis.size
    upsamples = any(
        isinstance(module, nn.Upsample | nn.ConvTranspose2d | nn.PixelShuffle) for module in model.modules()
    )
    if not upsamples:  # behind those the units differ in where they look
        for number, (first, last) in inner:
            if last - first + 1 == axis.size:
                assert Fraction(first + last, 2) == axis.offset + number * axis.jump


def conv(before: int, after: int, kernel: int, **settings: object) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, **settings)  # type: ignore[arg-type]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(2, 4, 3, stride=2, padding=1)
        self.one, self.two = conv(4, 4, 3, padding=1), conv(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last = conv(4, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.last(x + self.two(F.relu(self.norm(self.one(x)))))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = conv(2, 3, 1), conv(2, 3, 5, padding=2)
        self.last = conv(6, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.cat([self.small(x), self.large(x)], dim=1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.bottom = conv(2, 4, 3, padding=1), conv(4, 4, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)
        self.last = conv(8, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        return self.last(torch.cat([skip, self.up(self.bottom(F.max_pool2d(skip, 2)))], dim=1))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 2, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.weight, stride=2, dilation=2)
        x = F.avg_pool2d(F.relu(x), 3, 1)
        return F.lp_pool2d(F.pad(x, (1, 2, 0, 0)), 2, 2)


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(2, 8, 3)
        self.glu, self.last = nn.GLU(dim=1), conv(2, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, _ = self.glu(self.conv(x)).chunk(2, dim=1)
        return self.last(first[:, :2])


NETS = {
    "plain": lambda: nn.Sequential(conv(2, 4, 3), nn.ReLU(), conv(4, 4, 5, stride=2, padding=1), nn.MaxPool2d(2)),
    "dilated": lambda: nn.Sequential(conv(2, 4, 3, dilation=3), nn.AvgPool2d(3, 2, 1), conv(4, 2, 2, dilation=2)),
    "same": lambda: nn.Sequential(conv(2, 4, 4, padding="same", dilation=3), conv(4, 4, 3, padding="same")),
    "padded": lambda: nn.Sequential(nn.ReflectionPad2d((3, 1, 0, 2)), conv(2, 4, 3), nn.LPPool2d(2, 3, stride=2)),
    "oblong": lambda: nn.Sequential(nn.Conv2d(2, 4, (1, 7), stride=(1, 3)), nn.MaxPool2d((2, 1))),
    "transposed": lambda: nn.Sequential(conv(2, 4, 3, stride=2), nn.ConvTranspose2d(4, 2, 4, 2, 1), conv(2, 2, 3)),
    "unshuffled": lambda: nn.Sequential(nn.PixelUnshuffle(4), conv(32, 4, 3, padding=1), nn.Dropout()),
    "shuffled": lambda: nn.Sequential(conv(2, 8, 3), nn.PixelShuffle(2), conv(2, 2, 3)),
    "upsampled": lambda: nn.Sequential(conv(2, 4, 3, stride=2), nn.Upsample(scale_factor=3), conv(4, 2, 4)),
    "twice": lambda: nn.Sequential(*(layer for k in (3, 5) for layer in (nn.Upsample(scale_factor=2), conv(2, 2, k)))),
    "adaptive": lambda: nn.Sequential(conv(2, 4, 3, padding=1), nn.AdaptiveAvgPool2d(16), conv(4, 2, 3)),
    "residual": Residual,
    "inception": Inception,
    "u-net": UNet,
    "functions": Functional,
    "gated": Gated,
    "parametrized": lambda: nn.Sequential(
        weight_norm(conv(2, 4, 3)), nn.ReLU(), spectral_norm(conv(4, 2, 5, stride=2)), nn.ReLU()
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", NETS)
def test_field_is_what_units_really_see(name: str) -> None:
    torch.manual_seed(0)
    assert_true(NETS[name]())


@pytest.mark.parametrize("seed", range(25))
def test_chains_drawn_at_random(seed: int) -> None:
    draw = random.Random(seed)
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for _ in range(draw.randint(1, 4)):
        kernel, stride = draw.randint(1, 4), draw.randint(1, 2)
        padding = draw.randint(0, kernel // 2)
        kind = draw.choice(("conv", "max", "avg", "relu"))
        if kind == "conv":
            layers.append(conv(2, 2, kernel, stride=stride, padding=padding, dilation=draw.randint(1, 2)))
        elif kind == "max":
            layers.append(nn.MaxPool2d(kernel, stride, padding, dilation=draw.randint(1, 2)))
        elif kind == "avg":
            layers.append(nn.AvgPool2d(kernel, stride, padding))
        else:
            layers.append(nn.ReLU())
    layers.append(conv(2, 2, 2))
    assert_true(nn.Sequential(*layers), size=96)


def test_text_and_value() -> None:
    summary = summarize(nn.Sequential(nn.Conv2d(3, 8, (3, 5)), nn.MaxPool2d(2), nn.Flatten()), (3, 32, 32))
    convolution, pooled, flat, _ = receptive_fields(summary.report)
    assert convolution is not None
    assert pooled is not None
    assert flat is not None
    assert (convolution.text, pooled.text, flat.text) == ("3×5", "4×6", "all")
    assert pooled.value == (4, 6)
    assert [axis.jump for axis in pooled.axes] == [2, 2]


class Resized(nn.Module):
    """``F.interpolate`` between two convolutions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.first, self.last, self.settings = conv(2, 4, 3), conv(4, 4, 3), settings

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.interpolate(self.first(x), **self.settings))


class Excited(nn.Module):
    """A weight for every channel from the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.last = conv(2, 4, 3), conv(4, 4, 1), conv(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x * self.gate(F.adaptive_avg_pool2d(x, 1)))


def test_the_mean_of_equal_areas_is_a_pooling() -> None:
    assert_true(Resized(size=(31, 31), mode="area"))


@pytest.mark.parametrize("model", [Resized(size=(1, 1), mode="area"), Excited()], ids=["shrunk to one", "excited"])
def test_behind_a_mean_of_everything_every_unit_sees_everything(model: nn.Module) -> None:
    if isinstance(model, Resized):
        model.last = conv(4, 4, 1)
    field = last_field(model, 2, 16)
    assert field is not None
    assert field.text == "all"
    assert set(seen_columns(model.eval(), 2, 16)) == {(0, 15)}


class Uneven(nn.Module):
    """Some units behind the upsampling see four columns of the input, others three."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = conv(2, 4, 3), conv(4, 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.interpolate(self.conv(x), scale_factor=2))


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = conv(2, 4, 3), conv(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.last(x @ x.mT @ x)


class Own(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flip(-1).cumsum(-1))


class Pooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = conv(2, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.avg_pool2d(x, 3, stride=1, padding=1))


@pytest.mark.parametrize(
    "model",
    [
        Uneven(),
        Attending(),
        nn.Sequential(Own(2, 2, 3)),
        Pooling(),
        Resized(size=(5, 5), mode="area"),
        Resized(scale_factor=2, mode="bilinear", align_corners=True),
        Resized(scale_factor=2, mode="bicubic", antialias=True),
    ],
    ids=lambda m: type(m).__name__,
)
def test_nothing_is_said_where_something_on_the_way_is_not_known(model: nn.Module) -> None:
    summary = summarize(model, (2, 16, 16))
    field = receptive_fields(summary.report)[-2]
    assert field is None or field.value is None


class Met(nn.Module):
    """Two arms of different reach that meet in one function, behind a convolution or right at the input."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], *, at_input: bool) -> None:
        super().__init__()
        self.function, self.at_input = function, at_input
        self.one, self.two = conv(2, 2, 3, padding=1), conv(2, 2, 5, padding=2)
        self.last = conv(2, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        one = x.clone() if self.at_input else self.one(x)
        return self.last(self.function(one, self.two(x)))


MEETINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add_": lambda a, b: a.add_(b), "sub_": lambda a, b: a.sub_(b), "mul_": lambda a, b: a.mul_(b),
    "div_": lambda a, b: a.div_(b), "rsub": torch.rsub, "sub": torch.sub, "mul": torch.mul,
    "add": torch.add, "+": lambda a, b: a + b,
}  # fmt: skip


@pytest.mark.parametrize("at_input", [False, True])
@pytest.mark.parametrize("name", MEETINGS)
def test_arms_that_meet_in_place_or_reflected(name: str, at_input: bool) -> None:
    assert_true(Met(MEETINGS[name], at_input=at_input))
