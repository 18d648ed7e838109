"""What the rules answer on the meta device is what PyTorch answers there, over thousands of random settings."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convlin import summarize
from convlin.ops.meta_shapes import answer
from tests.processes import python

Case = tuple[Any, tuple[Any, ...], dict[str, Any]]

DTYPES = (torch.float32, torch.float32, torch.float32, torch.bfloat16, torch.float64, torch.int64)


class Dice(random.Random):
    """Random settings, one in a few of them wrong."""

    def size(self, most: int = 9) -> int:
        return self.choice((0, 1)) if self.random() < 0.1 else self.randint(1, most)

    def tensor(self, *shape: int) -> Tensor:
        wrong = self.random()
        if wrong < 0.02 and shape:
            shape = (shape[0] + 1, *shape[1:])
        made = torch.empty(shape, dtype=self.choice(DTYPES) if wrong > 0.97 else torch.float32, device="meta")
        if 0.02 < wrong < 0.05 and made.dim() == 4:
            return made.to(memory_format=torch.channels_last)
        if 0.05 < wrong < 0.08:
            return nn.Parameter(made)
        return made.transpose(-1, -2) if 0.08 < wrong < 0.1 and made.dim() > 1 else made

    def in_another_order(self, given: Any) -> Any:
        """The same shape, with its axes in another order in memory, or left out in between."""
        if not isinstance(given, Tensor) or self.random() < 0.6:
            return given
        axes = self.sample(range(given.dim()), given.dim())
        made = given.detach().permute(axes).contiguous().permute([axes.index(axis) for axis in range(given.dim())])
        return made[..., ::2] if given.dim() and self.random() < 0.1 else made

    def maybe(self, *shape: int) -> Tensor | None:
        return self.tensor(*shape) if self.random() < 0.6 else None

    def setting(self, dims: int, low: int, high: int) -> Any:
        if self.random() < 0.4:
            return self.randint(low, high)
        return tuple(self.randint(low, high) for _ in range(dims))


def _convolution(dice: Dice) -> Case:
    dims = dice.randint(1, 3)
    groups = dice.choice((1, 1, 2))
    per_group, out = dice.randint(1, 3), groups * dice.randint(1, 3)
    kernel = [dice.randint(1, 4) for _ in range(dims)]
    shape = [dice.size(3), per_group * groups, *(dice.size() for _ in range(dims))]
    if dice.random() < 0.1:
        del shape[0]
    padding: Any = dice.choice(("same", "valid")) if dice.random() < 0.1 else dice.setting(dims, 0, 2)
    stride = dice.setting(dims, 1, 3)
    settings = (stride, padding, dice.setting(dims, 1, 2), groups)
    args = (dice.tensor(*shape), dice.tensor(out, per_group, *kernel), dice.maybe(out))
    function = (torch.conv1d, torch.conv2d, torch.conv3d)[dims - 1]
    if dice.random() < 0.3:
        return function, args, dict(zip(("stride", "padding", "dilation", "groups"), settings, strict=True))
    args = (dice.in_another_order(args[0]), dice.in_another_order(args[1]), args[2])
    return function, (*args, *settings), {}


def _linear(dice: Dice) -> Case:
    features, out = dice.size(), dice.size()
    leading = [dice.size(4) for _ in range(dice.randint(0, 3))]
    return F.linear, (dice.tensor(*leading, features), dice.tensor(out, features), dice.maybe(out)), {}


def _batch_norm(dice: Dice) -> Case:
    features = dice.size()
    shape = [dice.size(3), features, *(dice.size(4) for _ in range(dice.randint(0, 3)))]
    statistics = (dice.maybe(features), dice.maybe(features)) if dice.random() < 0.2 else (
        dice.tensor(features), dice.tensor(features)
    )  # fmt: skip
    named = {"weight": dice.maybe(features), "bias": dice.maybe(features), "training": dice.random() < 0.1}
    return F.batch_norm, (dice.tensor(*shape), *statistics), named


def _layer_norm(dice: Dice) -> Case:
    normalized = tuple(dice.size(5) for _ in range(dice.randint(1, 2)))
    shape = [*(dice.size(4) for _ in range(dice.randint(0, 2))), *normalized]
    weight = dice.maybe(*normalized)
    if dice.random() < 0.4:
        return F.rms_norm, (dice.tensor(*shape), normalized), {"weight": weight}
    bias = dice.maybe(*normalized) if weight is not None else None
    return F.layer_norm, (dice.tensor(*shape), normalized, weight, bias), {}


def _group_norm(dice: Dice) -> Case:
    groups = dice.randint(1, 3)
    channels = groups * dice.randint(1, 3)
    shape = [dice.size(3), channels, *(dice.size(4) for _ in range(dice.randint(0, 3)))]
    return F.group_norm, (dice.tensor(*shape), groups, dice.maybe(channels), dice.maybe(channels)), {}


def _activation(dice: Dice) -> Case:
    x = dice.tensor(*(dice.size(4) for _ in range(dice.randint(1, 4))))
    kinds: list[tuple[Any, dict[str, Any]]] = (
        [(F.relu, {}), (F.relu, {"inplace": True}), (F.silu, {}), (F.gelu, {}), (F.gelu, {"approximate": "tanh"}),
         (F.hardtanh, {"min_val": 0.0, "max_val": 6.0}), (torch.relu, {}), (F.hardswish, {"inplace": True}),
         (F.hardsigmoid, {}), (F.mish, {}), (torch.sigmoid, {}), (Tensor.tanh, {})]
    )  # fmt: skip
    function, named = dice.choice(kinds)
    return function, (x,), dict(named)


def _together(dice: Dice) -> Case:
    shape = [dice.size(4) for _ in range(dice.randint(1, 4))]
    left = dice.tensor(*shape)
    right: Any = dice.choice((2, 0.5, True)) if dice.random() < 0.2 else dice.tensor(*shape)
    if isinstance(right, Tensor) and dice.random() < 0.3:
        right = dice.tensor(*(dice.choice((1, size)) for size in shape[dice.randint(0, len(shape)) :]))
    left, right = dice.in_another_order(left), dice.in_another_order(right)
    named = ("add", "mul", "sub", "div", "add_", "mul_", "__iadd__", "__rmul__", "__rsub__", "__rpow__",
             "sub_", "div_", "pow")  # fmt: skip
    return getattr(Tensor, dice.choice(named)), (left, right), {}


def _attention(dice: Dice) -> Case:
    rows, heads, length, keys, width = (dice.randint(1, 4) for _ in range(5))
    groups = dice.choice((1, 1, 1, 2))
    values = width if dice.random() < 0.7 else dice.randint(1, 4)
    shapes = ((rows, heads * groups, length, width), (rows, heads, keys, width), (rows, heads, keys, values))
    given = [dice.tensor(*shape) for shape in shapes]
    if dice.random() < 0.5:  # as they come out of a projection
        given = [each.detach().transpose(1, 2).contiguous().transpose(1, 2) for each in given]
    given = [dice.in_another_order(each) if dice.random() < 0.2 else each for each in given]
    named: dict[str, Any] = {"enable_gqa": True} if groups > 1 and dice.random() < 0.9 else {}
    if dice.random() < 0.4:
        shape = tuple(dice.choice((1, size)) for size in (rows, heads * groups, length, keys))[dice.randint(0, 3) :]
        mask = dice.tensor(*shape)
        named["attn_mask"] = mask.bool() if dice.random() < 0.4 else mask
    if dice.random() < 0.2:
        named["is_causal"] = True
    if dice.random() < 0.1:
        named["dropout_p"] = 0.5
    return F.scaled_dot_product_attention, tuple(given), named


def _max_pool(dice: Dice) -> Case:
    dims = dice.randint(1, 3)
    shape = [dice.size(3), dice.size(3), *(dice.size() for _ in range(dims))]
    if dice.random() < 0.1:
        del shape[0]
    named: dict[str, Any] = {"padding": dice.setting(dims, 0, 1), "dilation": dice.setting(dims, 1, 2)}
    if dice.random() < 0.6:
        named["stride"] = () if dice.random() < 0.2 else dice.setting(dims, 0 if dice.random() < 0.1 else 1, 3)
    if dice.random() < 0.4:
        named["ceil_mode"] = True
    name = f"max_pool{dims}d"
    function = getattr(dice.choice((F, torch)), name if dice.random() < 0.9 else f"{name}_with_indices", None)
    return function or getattr(F, name), (dice.tensor(*shape), dice.setting(dims, 1, 4)), named


def _adaptive_pool(dice: Dice) -> Case:
    dims = dice.randint(1, 3)
    shape = [dice.size(3), dice.size(3), *(dice.size() for _ in range(dims))]
    size: Any = dice.choice((1, None)) if dice.random() < 0.2 else dice.setting(dims, 0, 4)
    if isinstance(size, tuple) and dice.random() < 0.2:
        size = (None, *size[1:])
    return getattr(F, f"adaptive_avg_pool{dims}d"), (dice.tensor(*shape), size), {}


def _resize(dice: Dice) -> Case:
    dims = dice.randint(1, 3)
    shape = [dice.size(3), dice.size(3), *(dice.size() for _ in range(dims))]
    usual = ("linear", "bilinear", "trilinear")[dims - 1]
    named: dict[str, Any] = {"mode": dice.choice(("nearest", "nearest-exact", usual, usual, "bicubic"))}
    if dice.random() < 0.5:
        named["size"] = dice.setting(dims, 0 if dice.random() < 0.1 else 1, 9)
    if "size" not in named or dice.random() < 0.05:
        factors = [dice.choice((0.5, 2, 2.0, 1.5, 0.25, 0.7, 0.29, 1 / 3, 2.3, 3)) for _ in range(dims)]
        named["scale_factor"] = factors[0] if dice.random() < 0.5 else tuple(factors)
    for name in ("align_corners", "antialias", "recompute_scale_factor"):
        if dice.random() < 0.1:
            named[name] = dice.random() < 0.5
    x = dice.tensor(*shape)
    return F.interpolate, (dice.in_another_order(x) if dice.random() < 0.3 else x,), named


def _reduction(dice: Dice) -> Case:
    rank = dice.randint(0, 4)
    x = dice.tensor(*(dice.size(4) for _ in range(rank)))
    named: dict[str, Any] = {}
    if dice.random() < 0.8:
        most = dice.randint(0, 2)
        dims = tuple(dice.randint(-rank - 1 if dice.random() < 0.05 else -rank, rank) for _ in range(most))
        named["dim"] = dims if most != 1 or dice.random() < 0.5 else dims[0]
    if "dim" in named and dice.random() < 0.4:
        named["keepdim"] = dice.random() < 0.8
    if dice.random() < 0.05:
        named["dtype"] = torch.float64
    return dice.choice((torch.mean, Tensor.mean, torch.sum, Tensor.sum, Tensor.amax)), (x,), named


def _join(dice: Dice) -> Case:
    shape, dim = [dice.size(4) for _ in range(dice.randint(1, 4))], dice.randint(-2, 3)
    tensors = [dice.in_another_order(dice.tensor(*shape)) for _ in range(dice.randint(1, 3))]
    if -len(shape) <= dim < len(shape):
        shape[dim] += 1
        tensors.append(dice.tensor(*shape))
    given: Any = tuple(tensors) if dice.random() < 0.5 else tensors
    return dice.choice((torch.cat, torch.concat)), (given, dim), {}


_MAKERS = (
    _convolution, _linear, _batch_norm, _layer_norm, _group_norm, _activation, _together, _attention, _max_pool,
    _adaptive_pool, _resize, _reduction, _join,
)  # fmt: skip


#: Those of which the CPU says nothing else: it needs values, or numbers that are all positive.
_AS_ON_META = (_batch_norm,)


@pytest.mark.parametrize("make", _MAKERS)
def test_the_rules_answer_as_pytorch_does(make: Callable[[Dice], Case]) -> None:
    dice = Dice(make.__name__)
    answered = 0
    for _ in range(1000):
        function, args, kwargs = make(dice)
        with torch.no_grad():
            found = answer(function, args, kwargs)
            if found is None:
                continue  # PyTorch itself will say
            answered += 1
            expected = function(*args, **kwargs)
        assert found.shape == expected.shape, (function, args, kwargs)
        assert (found.dtype, found.device, found.requires_grad) == (expected.dtype, expected.device, False)
        assert type(found) is type(expected) is Tensor
        if 0 in found.shape:
            continue
        if make in _AS_ON_META:
            assert _order(found) == _order(expected), (function, args, kwargs)
        else:
            named = {name: _with_values(each) for name, each in kwargs.items()}
            on_the_cpu = function(*map(_with_values, args), **named)
            assert _order(found) == _order(on_the_cpu), (function, args, kwargs)
    assert answered > 300


def _order(tensor: Tensor) -> list[int]:
    """The strides along the axes that have several steps."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def _with_values(given: Any) -> Any:
    """The same on the CPU, where it is a tensor."""
    return torch.empty_strided(given.shape, given.stride(), dtype=given.dtype) if isinstance(given, Tensor) else given


def test_a_layer_norm_of_channels_in_front_is_answered_as_on_the_cpu() -> None:
    for axes in ((0, 2, 1), (1, 2, 0), (2, 1, 0)):
        x, weight = torch.ones(2, 3, 4).permute(axes), torch.ones(torch.ones(2, 3, 4).permute(axes).shape[-1])
        with torch.no_grad():
            made = F.layer_norm(x, weight.shape, weight)
            found = answer(F.layer_norm, (x.to("meta"), weight.shape, weight.to("meta")), {})
        assert found is not None
        assert (found.shape, found.stride()) == (made.shape, made.stride())


def test_an_rms_norm_leaves_channels_last_where_they_are() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.RMSNorm(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x).permute(0, 2, 3, 1).view(x.shape[0], -1)

    model, shape = Normed().eval(), (2, 3, 5, 4)
    expected = model(torch.zeros(shape).to(memory_format=torch.channels_last)).shape
    there = torch.zeros(shape, device="meta").to(memory_format=torch.channels_last)
    found = summarize(model, there, device="meta")
    assert found.ok
    assert found.output_shape == tuple(expected)
    # and where they lie in the usual order that view is refused
    assert not summarize(model, torch.zeros(shape, device="meta"), device="meta").ok
    assert not summarize(model, torch.zeros(shape)).ok


class AsRows(nn.Module):
    """Something, and a view of what comes out that needs its channels last, or its rows."""

    def __init__(self, call: Callable[[Tensor], Tensor], *, last: bool) -> None:
        super().__init__()
        self.call, self.last = call, last

    def forward(self, x: Tensor) -> Tensor:
        x = self.call(x)
        return (x.permute(0, 2, 3, 1) if self.last else x).view(x.shape[0], -1)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.conv2d(x, x.new_ones(6, x.shape[1], 3, 3)), lambda x: F.conv2d(x, x.new_ones(6, x.shape[1], 1, 1)),
        lambda x: F.conv2d(x, x.new_ones(x.shape[1], 1, 3, 3), groups=x.shape[1], padding="same"),
        lambda x: F.conv_transpose2d(x, x.new_ones(x.shape[1], 6, 3, 3)), lambda x: F.group_norm(x, 1),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"), lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"),
        lambda x: F.pad(x, (1, 1, 1, 1), "circular"), lambda x: F.pad(x, (1, 1, 1, 1)), lambda x: torch.roll(x, 1, 2),
        lambda x: F.channel_shuffle(x, 1), lambda x: torch.cat([x, x], 1), lambda x: F.max_pool2d(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 2), lambda x: x + 1, lambda x: F.rms_norm(x, (6,)),
    ],
)  # fmt: skip
def test_what_the_cpu_leaves_with_channels_last_the_meta_device_does(
    call: Callable[[Tensor], Tensor], last: bool, memory_format: torch.memory_format, channels: int
) -> None:
    model, x = AsRows(call, last=last), torch.zeros(2, channels, 8, 6).to(memory_format=memory_format)
    # Of one channel both orders are the same, and strides tell which it is meant to be.
    x = x if channels > 1 or memory_format is torch.contiguous_format else torch.zeros(2, 8, 6, 1).permute(0, 3, 1, 2)
    here, there = summarize(model, x), summarize(model, x.to("meta"), device="meta")
    assert there.ok is here.ok
    assert there.output_shape == here.output_shape


def test_a_weight_with_channels_last_gives_channels_last() -> None:
    for last in (True, False):
        conv = nn.Conv2d(4, 5, 3)
        conv.weight.data = conv.weight.data.to(memory_format=torch.channels_last)
        model = AsRows(conv, last=last)
        here, there = summarize(model, (4, 8, 6)), summarize(model, (4, 8, 6), device="meta")
        assert (here.ok, there.ok) == (last, last)


def test_nothing_is_answered_where_something_else_looks_on() -> None:
    x, weight = torch.empty(1, 3, 8, 8, device="meta"), torch.empty(4, 3, 3, 3, device="meta")
    assert answer(torch.conv2d, (x, weight), {}) is None, "a gradient may be wanted"
    with torch.no_grad():
        assert answer(torch.conv2d, (x, weight), {}) is not None
        assert answer(torch.conv2d, (torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3)), {}) is None
        with FlopCounterMode(display=False):
            assert answer(torch.conv2d, (x, weight), {}) is None
        torch.vmap(lambda each: _assert_none(answer(F.relu, (each,), {}), each))(x)


def _assert_none(found: Tensor | None, x: Tensor) -> Tensor:
    assert found is None
    return x


def test_known_layers_are_answered_for_and_told_as_in_a_real_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[Any] = []

    def counted(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        made = answer(function, args, kwargs)
        if made is not None:
            answered.append(function)
        return made

    monkeypatch.setattr("convlin.ops.meta_shapes.answer", counted)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    real = summarize(model, (3, 8, 8))
    assert not answered
    meta = summarize(model, (3, 8, 8), device="meta")
    assert answered == [torch.conv2d, F.batch_norm, F.relu, F.linear]
    assert [call.output_shapes for call in meta.calls] == [call.output_shapes for call in real.calls]
    assert [call.settings for call in meta.calls] == [call.settings for call in real.calls]


def test_a_residual_network_on_the_meta_device_does_not_load_the_compiler() -> None:
    """Which PyTorch's own answers for a mean, a sum or a batch norm bring with them, in seconds."""
    python(
        "import sys\nimport torch\nfrom torch import nn\nfrom convlin import summarize\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))\n"
        "    def forward(self, x):\n"
        "        y = self.body(x)\n"
        "        y += x\n"
        "        return torch.cat([y * 0.5, x + y], 1)\n"
        "head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)]\n"
        "before = 'torch._dynamo' in sys.modules\n"
        "s = summarize(nn.Sequential(nn.MaxPool2d(2), Block(), *head), (4, 8, 8), device='meta')\n"
        "assert s.output_shape == (1, 2) and ('torch._dynamo' in sys.modules) == before\n"
    )


needs_grouped = pytest.mark.skipif(not hasattr(F, "grouped_mm"), reason="a later function of PyTorch's")


class Grouped(nn.Module):
    """Rows, each of which an expert multiplies by its own matrix; or any other pair."""

    def __init__(self, *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.other = nn.Parameter(torch.ones(shapes[1], dtype=dtype))
        self.ends: Tensor | None = None
        if len(shapes[0]) < 3 or len(shapes[1]) < 3:  # with as many matrices on both sides there is nothing to split
            self.ends = torch.tensor([16, 32], dtype=torch.int32)

    def forward(self, x: Tensor) -> Tensor:
        return F.grouped_mm(x, self.other, offs=self.ends)


@needs_grouped
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_grouped_product_of_any_dtype_runs_on_the_meta_device_as_on_the_cpu(dtype: torch.dtype) -> None:
    model = Grouped((32, 16), (2, 16, 24), dtype=dtype)
    here, there = (summarize(model, torch.zeros(32, 16, dtype=dtype, device=device), device=device)
                   for device in ("cpu", "meta"))  # fmt: skip
    assert there.ok
    assert [call.output_shapes for call in there.calls] == [call.output_shapes for call in here.calls]
    assert there.output_shape == tuple(model(torch.zeros(32, 16, dtype=dtype)).shape)


@needs_grouped
@pytest.mark.parametrize(
    ("given", "other"),
    [((32, 16), (2, 16, 24)), ((2, 8, 16), (16, 32)), ((8, 32), (32, 24)), ((2, 8, 16), (2, 16, 24))],
)  # fmt: skip
def test_the_formula_of_a_grouped_product_is_what_pytorch_gives(given: tuple[int, ...], other: tuple[int, ...]) -> None:
    model = Grouped(given, other, dtype=torch.bfloat16)
    x = torch.zeros(given, dtype=torch.bfloat16)
    expected = tuple(model(x).shape)
    (call,) = (call for call in summarize(model, x).calls if call.is_function)
    if model.ends is None:
        assert call.derivation is None
        return
    assert call.derivation is not None
    assert call.derivation.shape == call.output_shape == expected


@needs_grouped
def test_a_grouped_product_that_is_refused_is_refused_on_the_meta_device() -> None:
    # Other widths, other experts than there are ends, and rows that do not start at multiples of 16 bytes.
    for given, other in (
        ((32, 8), (2, 16, 24)),
        ((32, 16), (3, 16, 24)),
        ((32, 10), (2, 10, 16)),
        ((32, 16), (2, 16, 7)),
    ):
        model = Grouped(given, other)
        with pytest.raises(RuntimeError):
            model(torch.zeros(given))
        assert not summarize(model, torch.zeros(given, device="meta"), device="meta").ok


@needs_grouped
def test_a_grouped_product_of_any_dtype_is_followed_in_letters() -> None:
    found = summarize(nn.Sequential(nn.Flatten(0, 1), Grouped((0, 0), (2, 16, 24))), ("L", 16))
    assert found.ok
    assert found.output_shape is not None
    assert [str(size) for size in found.output_shape] == ["L", "24"]
    assert found.report.accepts is not None
