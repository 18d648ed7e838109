"""The settings that ``docs/make_behavior.py`` runs: every layer, at the corners where a guess may fail.

Nothing but torch is needed here, so that the same settings run beside any version of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape: TypeAlias = "tuple[int, ...]"
Settings: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One call: ``nn.NAME(**settings)(*inputs, **call)``, or ``F.name(*inputs, **settings)``."""

    name: str
    """``MaxPool2d``, ``F.interpolate``."""
    shapes: tuple[Shape, ...]
    settings: Settings = field(default_factory=dict)
    call: Settings = field(default_factory=dict)
    """What the layer is called with beside its inputs."""
    train: bool = False
    integers: tuple[int, ...] = ()
    """Which inputs hold integers: indices, labels."""

    @property
    def is_function(self) -> bool:
        """Whether it is a function of ``torch.nn.functional``."""
        return self.name.startswith("F.")

    @property
    def exists(self) -> bool:
        """Whether this torch has it."""
        return hasattr(F if self.is_function else nn, self.name.removeprefix("F."))

    @property
    def input(self) -> str:
        """The shapes of the inputs as text."""
        return " and ".join("×".join(map(str, shape)) or "scalar" for shape in self.shapes)

    @property
    def words(self) -> str:
        """The settings as text."""
        parts = [f"{key}={value!r}" for key, value in self.settings.items()]
        parts += [f"called with {key}={value!r}" for key, value in self.call.items()]
        parts += ["in training"] if self.train else []
        return ", ".join(parts) or "as it is"

    def tensors(self, device: str) -> list[Tensor]:
        """The inputs, of zeros."""
        return [
            torch.zeros(shape, dtype=torch.long if index in self.integers else torch.float32, device=device)
            for index, shape in enumerate(self.shapes)
        ]

    def run(self, device: str) -> Any:
        """What comes out."""
        inputs = self.tensors(device)
        if self.is_function:
            return getattr(F, self.name.removeprefix("F."))(*inputs, **self.settings)
        with torch.device(device):
            layer: nn.Module = getattr(nn, self.name)(**self.settings)
        return layer.train(self.train)(*inputs, **self.call)


def grid(**values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Every combination; a value of ``...`` leaves its setting out."""
    for chosen in product(*values.values()):
        yield {key: value for key, value in zip(values, chosen, strict=True) if value is not ...}


def images(dims: int, *sizes: int, channels: int = 2) -> list[tuple[Shape, ...]]:
    """A batch of each size, and for the first size one sample, an empty batch, and no channels in either."""
    first = (sizes[0],) * dims
    shapes: list[Shape] = [(1, channels, *(size,) * dims) for size in sizes]
    shapes += [(channels, *first), (0, channels, *first), (1, 0, *first), (0, *first)]
    return [(shape,) for shape in shapes]


def cases_of(name: str, shapes: Iterable[tuple[Shape, ...]], settings: Iterable[Settings], **more: Any) -> list[Case]:
    """A layer at every combination of input and settings."""
    return [Case(name, shape, given, **more) for shape, given in product(shapes, settings)]


def thinned(name: str, shapes: Iterable[tuple[Shape, ...]], settings: Sequence[Settings], step: int) -> list[Case]:
    """The first input with all settings, the others with one of each ``step``."""
    first, *others = shapes
    return cases_of(name, [first], settings) + cases_of(name, others, settings[::step])


# Windows


def _convolutions() -> Iterator[Case]:
    given: list[Settings] = [
        {"kernel_size": 3},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "padding": 2, "dilation": 3},
        {"kernel_size": 3, "padding": -1},
        {"kernel_size": 1, "stride": 2, "padding": -1},
        {"kernel_size": 4, "padding": "same"},
        {"kernel_size": 2, "padding": "same", "dilation": 3},
        {"kernel_size": 3, "padding": "same", "stride": 2},
        {"kernel_size": 3, "padding": "valid", "stride": 2},
        *({"kernel_size": 3, "padding": 2, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
        {"kernel_size": 4, "padding": "same", "padding_mode": "reflect"},
        {"kernel_size": 1, "padding": -1, "padding_mode": "circular"},
    ]
    for dims in (1, 2, 3):
        full = [{"in_channels": 2, "out_channels": 4, **each} for each in given]
        shapes = images(dims, 7, 1, 0)
        yield from thinned(f"Conv{dims}d", shapes, full, 1 if dims == 1 else 2)
        odd: list[tuple[Shape, ...]] = [((1, 3, *(7,) * dims),), ((2,),), ((1, 2, *(7,) * (dims + 1)),)]
        yield from cases_of(f"Conv{dims}d", odd, full[:1])
        # Sizes that only one sample or an empty batch has.
        yield from cases_of(f"Conv{dims}d", [((0, 2, *(1,) * dims),), ((2, *(1,) * dims),)], full[:2])
    weights = ((4, 2, 3), (4, 2, 4))
    for weight in weights:
        inputs = [((1, 2, 7), weight), ((2, 7), weight), ((0, 2, 7), weight)]
        yield from cases_of("F.conv1d", inputs, grid(stride=(..., 2), padding=(..., 1, -1, "same", "valid")))


def _transposed() -> Iterator[Case]:
    for dims in (1, 2, 3):
        base = {"in_channels": 2, "out_channels": 4, "kernel_size": 3}
        steps = [
            {**base, **each}
            for each in grid(stride=(1, 2, 3), dilation=(1, 2), output_padding=(0, 1, 2, 3))
            if dims < 3 or each["stride"] < 3
        ]
        name = f"ConvTranspose{dims}d"
        yield from cases_of(name, [((1, 2, *(5,) * dims),)], steps)
        few: list[Settings] = [
            {**base, "stride": 2, "padding": 1, "output_padding": 1},
            {**base, "stride": 2, "padding": -1},
            {**base, "stride": 2, "padding": 3},
            {**base, "padding": 1, "padding_mode": "reflect"},
        ]
        yield from cases_of(name, images(dims, 4, 1, 0), few)
        for size in (6, 8, 9, 10, 11):
            for settings in ({**base, "stride": 2}, {**base, "stride": 2, "dilation": 3}):
                yield Case(name, ((1, 2, *(4,) * dims),), settings, {"output_size": [size] * dims})
        yield Case(name, ((1, 2, *(4,) * dims),), {**base, "stride": 2}, {"output_size": [1, 4, *[10] * dims]})
        yield Case(name, ((2, *(4,) * dims),), {**base, "stride": 2}, {"output_size": [4, *[10] * dims]})


def _pools() -> Iterator[Case]:
    for dims in (1, 2, 3):
        sizes = (7,) if dims == 3 else (7, 6, 5, 4) if dims == 1 else (7, 6)
        windows = [
            *grid(kernel_size=(2, 3), stride=(..., 2, 4), padding=(..., 1), ceil_mode=(..., True)),
            {"kernel_size": 1, "stride": 3, "ceil_mode": True},
            {"kernel_size": 3, "padding": 2},
            {"kernel_size": 4, "padding": -1},
            {"kernel_size": 4, "stride": 5, "padding": 2, "ceil_mode": True},
            {"kernel_size": 9},
        ]
        small = [each for each in windows if each.get("stride") != 4][::2]
        dilated = [*grid(kernel_size=(2, 3), stride=(2, 3), padding=(..., 1), dilation=(2, 3), ceil_mode=(..., True))]
        whole = [((1, 2, *(size,) * dims),) for size in sizes]
        rest = [shape for shape in images(dims, 6, 2, 1, 0) if shape not in whole]
        for name, given in (("MaxPool", windows + dilated), ("AvgPool", windows)):
            yield from cases_of(f"{name}{dims}d", whole, given)
            yield from cases_of(f"{name}{dims}d", rest, small)
        lp = [{"norm_type": 2, **each} for each in windows if "padding" not in each]
        yield from cases_of(f"LPPool{dims}d", whole, lp)
        yield from cases_of(f"LPPool{dims}d", rest, lp if dims == 3 else lp[::2])
        yield from cases_of(f"MaxPool{dims}d", [*whole[:1], ((0, 2, *(6,) * dims),)], [
            {"kernel_size": 2, "return_indices": True}
        ])  # fmt: skip
    yield from cases_of("AvgPool2d", [((1, 2, 7, 6),)], [{"kernel_size": (3, 2), "stride": (2, 3), "ceil_mode": True}])


def _unpools() -> Iterator[Case]:
    for dims in (1, 2, 3):
        name = f"MaxUnpool{dims}d"
        given: list[Settings] = [
            {"kernel_size": 2},
            {"kernel_size": 3, "stride": 2},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": 2, "padding": 1},
        ]
        for shape in [each[0] for each in images(dims, 3, 1, 0)]:
            yield from cases_of(name, [(shape, shape)], given, integers=(1,))
        square = (1, 2, *(3,) * dims)
        for size in (4, 5, 6, 7, 8, 9):
            yield Case(name, (square, square), {"kernel_size": 2}, {"output_size": [size] * dims}, integers=(1,))
        yield Case(name, (square, square), {"kernel_size": 2}, {"output_size": [1, 2, *[7] * dims]}, integers=(1,))
        yield Case(name, (square[1:],) * 2, {"kernel_size": 2}, {"output_size": [2, *[7] * dims]}, integers=(1,))
        yield Case(name, (square[1:],) * 2, {"kernel_size": 2}, {"output_size": [1, 2, *[7] * dims]}, integers=(1,))


def _other_pools() -> Iterator[Case]:
    for dims in (2, 3):
        given = [
            *grid(kernel_size=(1, 2, 3), output_size=(1, 4, 5, 6, (3, *(2,) * (dims - 1)), 0)),
            *grid(kernel_size=(2,), output_ratio=(0.3, 0.5, 0.9, 1 / 3, 0.99, 1.0)),
            {"kernel_size": 2, "output_size": (None, *(2,) * (dims - 1))},
            {"kernel_size": 2},
            {"kernel_size": 2, "output_size": 2, "output_ratio": 0.5},
        ]
        yield from thinned(f"FractionalMaxPool{dims}d", images(dims, 7, 1, 0), given, 4)
    for dims, kind in product((1, 2, 3), ("Avg", "Max")):
        name = f"Adaptive{kind}Pool{dims}d"
        sizes: list[Any] = [3, 1, 9, 0, -1, None, (3,), (None,)]
        if dims > 1:
            sizes += [(None, *(3,) * (dims - 1)), (0, *(3,) * (dims - 1)), (None,) * dims]
        yield from cases_of(name, images(dims, 7, 1, 0), [{"output_size": size} for size in sizes])


def _folds() -> Iterator[Case]:
    given: list[Settings] = [
        {"kernel_size": 2},
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "dilation": 2, "padding": 1},
        {"kernel_size": (1, 3), "padding": (0, 1)},
        {"kernel_size": 2, "padding": -1},
        {"kernel_size": 2, "stride": 3},
    ]
    yield from cases_of("Unfold", images(2, 6, 1, 0), given)
    yield from cases_of("Unfold", [((1, 2, 6),), ((6, 6),), ((1, 2, 6, 6, 6),)], given[:1])
    for size in ((5, 5), (6, 4), (1, 1), 0):
        for settings in given:
            for channels, blocks in ((8, 16), (8, 9), (8, 4), (18, 9), (18, 6), (6, 20), (6, 30), (7, 9)):
                if (blocks + channels) % 5 == 0 or size == (5, 5):
                    yield Case("Fold", ((1, channels, blocks),), {"output_size": size, **settings})
    yield from cases_of(
        "Fold", [((8, 16),), ((0, 8, 16),), ((1, 0, 16),), ((1, 8, 0),), ((16,),), ((1, 1, 8, 16),)],
        [{"output_size": 5, "kernel_size": 2}],
    )  # fmt: skip


# Sizes by name


def _pads() -> Iterator[Case]:
    modes = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular", "Zero": "constant"}
    for (name, _), dims in product(modes.items(), (1, 2, 3)):
        pairs: list[Any] = [1, 3, 4, 5, -1, -2, -3, -4]
        pairs += [(2, -1) * dims, (-3, 4) * dims, (0, 0) * (dims - 1) + (1, 3), (-4, -1) + (1, 1) * (dims - 1)]
        yield from thinned(f"{name}Pad{dims}d", images(dims, 4, 1, 0), [{"padding": pair} for pair in pairs], dims)
    # More taken away than there is, of an empty batch.
    yield from cases_of("ReflectionPad2d", [((0, 2, 4, 4),)], [{"padding": (-4, -1, 1, 2)}])
    for dims in (1, 2, 3):
        pairs = [1, (-1, 2) * (dims - 1) + (0, -4)]
        yield from cases_of(
            f"ConstantPad{dims}d", images(dims, 4, 1, 0), [{"padding": pair, "value": 1.0} for pair in pairs]
        )
    shapes: list[tuple[Shape, ...]] = [((),), ((5,),), ((2, 5),), ((1, 2, 5),), ((1, 2, 3, 4, 5),), ((0,),)]
    for mode in ("constant", "reflect", "replicate", "circular"):
        for pad in ((1, 2), (1, 1, 2, 2), (1,), (), (0, 0, 0, 0, 1, 1), (1,) * 8):
            yield from cases_of("F.pad", shapes, [{"pad": pad, "mode": mode}])


def _resizes() -> Iterator[Case]:
    by_rank = {
        3: ("nearest", "nearest-exact", "linear", "area"),
        4: ("nearest", "bilinear", "bicubic", "area", "lanczos"),
        5: ("nearest", "trilinear", "area"),
    }
    scales = (2, 1.5, 1 / 3, 0.1, 61 / 7, 0, -1.0)
    for rank, modes in by_rank.items():
        for mode in modes:
            given: list[Settings] = [{"scale_factor": scale, "mode": mode} for scale in scales]
            given += [{"size": size, "mode": mode} for size in (5, 1, 0)]
            given += [
                {"scale_factor": 1.7, "mode": mode, "recompute_scale_factor": True},
                {"scale_factor": 0.3, "mode": mode, "recompute_scale_factor": True},
                {"size": 5, "mode": mode, "recompute_scale_factor": True},
                {"size": 5, "scale_factor": 2, "mode": mode},
                {"mode": mode},
                {"scale_factor": (2,), "mode": mode},
                {"size": (3,), "mode": mode},
            ]
            whole, *others = images(rank - 2, 7, 1, 0)
            yield from cases_of("F.interpolate", [whole], given)
            yield from cases_of("F.interpolate", others, [given[0], given[3], given[7], given[9]])
    for mode in ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area"):
        shapes: list[tuple[Shape, ...]] = [((5,),), ((2, 5),), ((2, 5, 5),), ((1, 2, 5, 5),), ((1, 2, 5, 5, 5),)]
        yield from cases_of("F.interpolate", [*shapes, ((1, 2, 3, 3, 3, 3),)], [{"scale_factor": 2, "mode": mode}])
    for mode in ("bilinear", "bicubic"):
        yield from cases_of(
            "F.interpolate", images(2, 7, 1), grid(scale_factor=(0.5, 2.5), mode=(mode,), antialias=(True,))
        )
        yield from cases_of(
            "F.interpolate", images(2, 7, 1), grid(scale_factor=(0.5, 2.5), mode=(mode,), align_corners=(True,))
        )
    yield from cases_of("Upsample", images(2, 7, 1), [
        {"scale_factor": 2}, {"scale_factor": (2, 0.5)}, {"size": (3, 9), "mode": "bilinear"}, {"scale_factor": 2.7},
        {"scale_factor": 0.3, "recompute_scale_factor": True, "mode": "bilinear"},
    ])  # fmt: skip
    yield from cases_of("F.interpolate", images(2, 7, 1), [
        {"size": (5, 3), "mode": "lanczos", "antialias": True},
            {"scale_factor": 0.5, "mode": "area", "antialias": True},
    ])  # fmt: skip
    yield from cases_of("F.interpolate", images(1, 0), [{"size": 1, "mode": "area"}])
    yield from cases_of("UpsamplingNearest2d", images(2, 7, 1), [{"scale_factor": 2}, {"size": 3}])
    yield from cases_of("UpsamplingBilinear2d", images(2, 7, 1), [{"scale_factor": 2}, {"size": 3}])


def _shuffles() -> Iterator[Case]:
    shapes: list[tuple[Shape, ...]] = [
        ((1, 8, 4, 6),), ((8, 4, 6),), ((8, 4),), ((0, 8, 4, 6),), ((1, 0, 4, 6),), ((1, 8, 0, 6),), ((1, 6, 3, 5),),
        ((2, 1, 8, 4, 6),),
    ]  # fmt: skip
    yield from cases_of("PixelShuffle", shapes, [{"upscale_factor": factor} for factor in (1, 2, 3, 0, -1)])
    yield from cases_of("PixelUnshuffle", shapes, [{"downscale_factor": factor} for factor in (1, 2, 3, 0, -1)])
    yield from cases_of("ChannelShuffle", shapes, [{"groups": groups} for groups in (1, 2, 3, 8, 0, -1)])
    yield from cases_of("ChannelShuffle", [((8,),), ((2, 8),), ((2, 8, 5),)], [{"groups": 2}])


def _reshapes() -> Iterator[Case]:
    shapes: list[tuple[Shape, ...]] = [((2, 12, 3),), ((12,),), ((),), ((2, 0, 3),), ((0, 12),)]
    yield from cases_of("Flatten", shapes, grid(start_dim=(..., 0, 2, -1), end_dim=(..., 1, -2, 0)))
    sizes = [(3, 4), (-1, 4), (3, -1), (5, -1), (-1, -1), (12,), (), (0, 0), (0, -1), (2, 3, 2)]
    yield from thinned("Unflatten", shapes, [{"dim": dim, "unflattened_size": size} for dim in (1, 0, -1)
                                             for size in sizes], 2)  # fmt: skip
    yield from cases_of(
        "GLU", [((2, 4, 6),), ((2, 5),), ((),), ((1,),), ((0, 4),), ((2, 0),)], grid(dim=(..., 0, 1, 3))
    )
    one_hot: list[tuple[Shape, ...]] = [((3,),), ((2, 3),), ((),), ((0,),)]
    yield from cases_of("F.one_hot", one_hot, grid(num_classes=(..., 4, 1, 0)), integers=(0,))


# Features


def _features() -> Iterator[Case]:
    shapes: list[tuple[Shape, ...]] = [
        ((2, 3),),
        ((3,),),
        ((),),
        ((2, 4, 3),),
        ((0, 3),),
        ((2, 0),),
        ((2, 5),),
        ((0,),),
    ]
    yield from cases_of("Linear", shapes, grid(in_features=(3,), out_features=(4, 0), bias=(..., False)))
    yield from cases_of("Linear", [((2, 0),), ((0,),)], grid(in_features=(0,), out_features=(4,)))
    pairs = [((2, 3), (2, 5)), ((3,), (5,)), ((2, 4, 3), (2, 4, 5)), ((0, 3), (0, 5)), ((2, 3), (1, 5)),
        ((1, 3), (2, 5)),
             ((2, 3), (5,)), ((2, 3), (2, 4)), ((), ()), ((2, 1, 3), (2, 4, 5))]  # fmt: skip
    yield from cases_of("Bilinear", pairs, [{"in1_features": 3, "in2_features": 5, "out_features": 4}])
    yield from cases_of("Embedding", [((2, 5),), ((),), ((0,),), ((2, 0),)], [
        {"num_embeddings": 3, "embedding_dim": 4}, {"num_embeddings": 3, "embedding_dim": 0},
    ], integers=(0,))  # fmt: skip
    bag = {"num_embeddings": 3, "embedding_dim": 4}
    one: list[tuple[Shape, ...]] = [((2, 5),), ((0, 5),), ((2, 0),), ((5,),), ((2, 5, 6),), ((),)]
    modes = [{**bag, **each} for each in grid(mode=("sum", "mean", "max"), include_last_offset=(..., True))]
    yield from cases_of("EmbeddingBag", one, modes, integers=(0,))
    two: list[tuple[Shape, ...]] = [((5,), (1,)), ((5,), (0,)), ((0,), (1,)), ((0,), (0,)), ((2, 5), (2,))]
    sums = [each for each in modes if each["mode"] != "max"]
    yield from cases_of("EmbeddingBag", two, sums, integers=(0, 1))
    yield from cases_of("EmbeddingBag", [((5,), (1,)), ((0,), (1,))], [{**bag, "mode": "max"}], integers=(0, 1))


def _recurrent() -> Iterator[Case]:
    shapes: list[tuple[Shape, ...]] = [
        ((5, 3, 4),), ((5, 4),), ((0, 3, 4),), ((5, 0, 4),), ((0, 4),), ((5, 3, 2),), ((4,),), ((1, 5, 3, 4),),
    ]  # fmt: skip
    for name in ("RNN", "LSTM", "GRU"):
        given = [
            {"input_size": 4, "hidden_size": 3, **each}
            for each in grid(num_layers=(..., 2), bidirectional=(..., True), batch_first=(..., True))
        ]
        if name == "LSTM":
            given += [{"input_size": 4, "hidden_size": 3, "proj_size": size} for size in (1, 2, 3, 4)]
            given += [{"input_size": 4, "hidden_size": 3, "proj_size": 2, "bidirectional": True, "num_layers": 2}]
        else:
            given += [{"input_size": 4, "hidden_size": 3, "proj_size": 2}]
        yield from thinned(name, shapes, given, 3)
    cells: list[tuple[Shape, ...]] = [((3, 4),), ((4,),), ((0, 4),), ((3, 2),), ((2, 3, 4),), ((),)]
    for name in ("RNNCell", "LSTMCell", "GRUCell"):
        yield from cases_of(name, cells, [{"input_size": 4, "hidden_size": 3}])


def _attention() -> Iterator[Case]:
    base = {"embed_dim": 4, "num_heads": 2}
    same = ((5, 3, 4),) * 3
    inputs = [same, ((5, 4),) * 3, ((0, 3, 4),) * 3, ((5, 0, 4),) * 3, ((5, 3, 4), (6, 3, 4), (6, 3, 4)),
              ((5, 3, 4), (0, 3, 4), (0, 3, 4)), ((5, 3, 4), (6, 2, 4), (6, 2, 4)),
              ((3, 5, 4), (3, 6, 4), (3, 6, 4)), ((5, 3, 4), (6, 3, 4), (7, 3, 4)), ((4,),) * 3]  # fmt: skip
    options: list[Settings] = [
        {}, {"batch_first": True}, {"add_bias_kv": True}, {"add_zero_attn": True},
        {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True}, {"bias": False},
    ]  # fmt: skip
    yield from cases_of("MultiheadAttention", inputs, [{**base, **each} for each in options])
    for call in ({"need_weights": False}, {"average_attn_weights": False}):
        for train in (False, True):
            for shapes in inputs[:4]:
                yield Case("MultiheadAttention", shapes, base, call, train)
    yield from cases_of("MultiheadAttention", [((5, 3, 4), (6, 3, 2), (6, 3, 7)), same], [
        {**base, "kdim": 2, "vdim": 7}, {**base, "kdim": 2}, {"embed_dim": 4, "num_heads": 3},
    ])  # fmt: skip
    block = {"d_model": 4, "nhead": 2, "dim_feedforward": 8}
    for train in (False, True):
        yield from cases_of(
            "TransformerEncoderLayer", [((5, 3, 4),), ((5, 4),), ((0, 3, 4),), ((5, 0, 4),), ((1, 5, 3, 4),)],
            [block, {**block, "batch_first": True}], train=train,
        )  # fmt: skip
        yield from cases_of(
            "TransformerDecoderLayer", [((5, 3, 4), (6, 3, 4)), ((5, 4), (6, 4)), ((5, 3, 4), (6, 2, 4)),
                                        ((5, 3, 4), (0, 3, 4))],
            [block, {**block, "batch_first": True}], train=train,
        )  # fmt: skip
    products = [((2, 2, 5, 4),) * 3, ((2, 2, 5, 4), (2, 2, 6, 4), (2, 2, 6, 7)),
        ((2, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 4)),
                ((2, 4, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4)), ((5, 4), (6, 4), (6, 4)), ((4,), (4,), (4,)),
                ((0, 2, 5, 4),) * 3, ((2, 2, 0, 4), (2, 2, 6, 4), (2, 2, 6, 4)),
                    ((2, 2, 5, 4), (2, 2, 0, 4), (2, 2, 0, 4)),
                ((2, 2, 5, 0),) * 3, ((2, 2, 5, 4), (2, 2, 6, 3), (2, 2, 6, 4)),
                ((2, 2, 5, 4), (2, 2, 7, 4), (2, 2, 6, 4)), ((2, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4))]  # fmt: skip
    yield from cases_of("F.scaled_dot_product_attention", products, [{}, {"is_causal": True}, {"enable_gqa": True}])


# Layers that keep the shape, and what they take


def _norms() -> Iterator[Case]:
    for dims in (1, 2, 3):
        shapes = [*images(dims, 4, 1, 0, channels=4), ((2, 4),), ((1, 4),), ((2, 3, *(4,) * dims),),
                  ((2, 4, *(1,) * dims),)]  # fmt: skip
        for train in (False, True):
            yield from cases_of(f"BatchNorm{dims}d", shapes, [
                {"num_features": 4}, {"num_features": 4, "affine": False, "track_running_stats": False},
            ], train=train)  # fmt: skip
            yield from cases_of(f"InstanceNorm{dims}d", shapes, [
                {"num_features": 4}, {"num_features": 4, "affine": True, "track_running_stats": True},
            ], train=train)  # fmt: skip
    shapes = [
        ((2, 4, 5),),
        ((1, 4),),
        ((2, 4),),
        ((4,),),
        ((0, 4, 5),),
        ((2, 0, 5),),
        ((2, 4, 0),),
        ((1, 4, 1),),
        ((2, 3, 5),),
    ]
    yield from cases_of("GroupNorm", shapes, [{"num_groups": groups, "num_channels": 4} for groups in (1, 2, 4)])
    for name in ("LayerNorm", "RMSNorm"):
        yield from cases_of(name, [((2, 5),), ((5,),), ((0, 5),), ((2, 4),), ((2, 3, 5),), ((2, 0),), ((),)], [
            {"normalized_shape": 5}, {"normalized_shape": (3, 5)}, {"normalized_shape": 0}, {"normalized_shape": ()},
        ])  # fmt: skip
    yield from cases_of("LocalResponseNorm", [((2, 4, 5),), ((2, 4),), ((0, 4, 5),), ((2, 0, 5),), ((4,),)],
                        [{"size": 2}, {"size": 0}, {"size": 9}])  # fmt: skip
    yield from cases_of("CrossMapLRN2d", [((2, 4, 5, 5),), ((4, 5, 5),), ((0, 4, 5, 5),)], [{"size": 2}, {"size": 9}])


_SAME = ("ReLU", "ReLU6", "SiLU", "GELU", "Tanh", "Sigmoid", "ELU", "SELU", "CELU", "LeakyReLU", "Hardtanh",
         "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink", "Tanhshrink", "LogSigmoid", "Softplus", "Softsign",
         "Mish", "RReLU", "Identity", "Dropout", "AlphaDropout", "FeatureAlphaDropout")  # fmt: skip


def _alike() -> Iterator[Case]:
    shapes: list[tuple[Shape, ...]] = [((2, 3),), ((),), ((0, 3),)]
    for name in _SAME:
        yield from cases_of(name, shapes, [{}], train=True)
    yield from cases_of("Threshold", shapes, [{"threshold": 0.5, "value": 1.0}])
    for name in ("Softmax", "Softmin", "LogSoftmax"):
        yield from cases_of(name, [*shapes, ((2, 0),)], [{}, {"dim": 0}, {"dim": -1}, {"dim": 2}])
    ranks: list[tuple[Shape, ...]] = [((),), ((3,),), *(((2, *(3,) * rank),) for rank in range(1, 6))]
    yield from cases_of("Softmax2d", [*ranks, ((0, 3, 2, 2),)], [{}])
    for name in ("Dropout1d", "Dropout2d", "Dropout3d"):
        yield from cases_of(name, [*ranks, ((0, 3, 2, 2),)], [{}], train=True)
        yield from cases_of(name, ranks, [{}])
    yield from cases_of("PReLU", [((2, 4, 5),), ((2, 5),), ((4,),), ((),), ((0, 4),)], [
        {}, {"num_parameters": 4},
    ])  # fmt: skip
    pairs = [
        ((2, 3), (2, 3)),
        ((2, 3), (3,)),
        ((2, 3), (1, 3)),
        ((0, 3), (0, 3)),
        ((3,), (3,)),
        ((2, 3), (2, 4)),
        ((), ()),
    ]
    yield from cases_of("CosineSimilarity", pairs, [{}, {"dim": -1}])
    yield from cases_of("PairwiseDistance", pairs, [{}, {"keepdim": True}])
    yield from cases_of("F.normalize", [((2, 3),), ((3,),), ((),), ((0, 3),)], [{}, {"dim": 0}])
    yield from cases_of("F.pdist", [((4, 3),), ((1, 3),), ((0, 3),), ((4, 0),), ((3,),), ((2, 4, 3),)], [{}])
    grids = [((1, 2, 5, 5), (1, 3, 4, 2)), ((2, 2, 5, 5), (1, 3, 4, 2)), ((0, 2, 5, 5), (0, 3, 4, 2)),
             ((1, 2, 0, 5), (1, 3, 4, 2)), ((1, 0, 5, 5), (1, 3, 4, 2)), ((1, 2, 5, 5), (1, 0, 4, 2)),
             ((1, 2, 5, 5), (1, 3, 4, 3)), ((1, 2, 5, 5, 5), (1, 3, 4, 2)),
                 ((1, 2, 5, 5, 5), (1, 3, 4, 2, 3)), ((2, 5, 5), (3, 4, 2))]  # fmt: skip
    yield from cases_of("F.grid_sample", grids, [
        {"align_corners": False}, {"align_corners": False, "mode": "bicubic"},
    ])  # fmt: skip
    yield from cases_of("F.affine_grid", [((1, 2, 3),), ((0, 2, 3),), ((1, 3, 4),), ((2, 2, 3),), ((2, 3),)], [
        {"size": [1, 2, 5, 6], "align_corners": False}, {"size": [1, 2, 0, 6], "align_corners": False},
    ])  # fmt: skip


def _losses() -> Iterator[Case]:
    pairs = [
        ((2, 3), (2, 3)),
        ((2, 3), (3,)),
        ((2, 3), (2, 1)),
        ((0, 3), (0, 3)),
        ((2, 3), (2, 4)),
        ((), ()),
        ((2, 3), (2,)),
    ]
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss", "SoftMarginLoss",
                 "KLDivLoss", "PoissonNLLLoss", "HingeEmbeddingLoss", "MultiLabelSoftMarginLoss"):  # fmt: skip
        yield from cases_of(name, pairs, [{"reduction": "mean"}, {"reduction": "none"}])
    labels = [((2, 3), (2,)), ((3,), ()), ((0, 3), (0,)), ((2, 3), (3,)), ((2, 3), (1,)), ((2, 3, 4), (2, 4)),
              ((2, 3, 4, 5), (2, 4, 5)), ((2, 3, 4, 5), (2, 4, 4)), ((2, 3, 4), (2, 1)), ((2, 3), (2, 1)),
              ((2, 3, 0), (2, 0))]  # fmt: skip
    for name in ("NLLLoss", "CrossEntropyLoss"):
        yield from cases_of(name, labels, [{"reduction": "mean"}, {"reduction": "none"}], integers=(1,))
    yield from cases_of("CrossEntropyLoss", [pairs[0], pairs[3], pairs[4]], [{"reduction": "none"}])
    yield from cases_of("MultiMarginLoss", labels[:5], [{}, {"reduction": "none"}], integers=(1,))
    yield from cases_of("MultiLabelMarginLoss", pairs, [{}, {"reduction": "none"}], integers=(1,))
    three = [
        ((2, 3),) * 3,
        ((2, 3), (2, 3), (1, 3)),
        ((0, 3),) * 3,
        ((3,),) * 3,
        ((2, 3), (2, 3), (2, 4)),
        ((2, 3), (2, 3), (2,)),
    ]
    for name in ("TripletMarginLoss", "TripletMarginWithDistanceLoss", "MarginRankingLoss", "CosineEmbeddingLoss",
                 "GaussianNLLLoss"):  # fmt: skip
        yield from cases_of(name, three, [{"reduction": "mean"}, {"reduction": "none"}])


#: Every setting, family by family.
CASES: tuple[Case, ...] = tuple(
    case
    for family in (
        _convolutions, _transposed, _pools, _unpools, _other_pools, _folds, _pads, _resizes, _shuffles, _reshapes,
        _features, _recurrent, _attention, _norms, _alike, _losses,
    )
    for case in family()
)  # fmt: skip
