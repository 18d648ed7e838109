"""Random networks with random mistakes: told are the numbers of a real run with lazy layers, and the wrong layers only.

Every network is drawn layer by layer while it runs, so that its sizes are those of real layers.  It
is built twice from the same draft: once with lazy layers, which find out by themselves what they
need, and once with the numbers a user would have written, some of them wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import event, given
from hypothesis import strategies as st
from torch import Tensor, nn

from convlin import fit, summarize
from convlin.render.text import problems_text
from tests.properties import examples

SAID_WRONG = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 24, 31, 64, 99, 128, 1000)


@dataclass(frozen=True)
class Part:
    """One layer of a draft; ``make(None)`` gives it lazy, or a probe where PyTorch has no lazy one."""

    make: Callable[[Any], nn.Module]
    kind: str = ""
    """The attribute that holds the size of its input; empty for a layer without."""
    right: Any = None
    declared: Any = None

    @property
    def is_wrong(self) -> bool:
        return self.declared != self.right

    def built(self, lazy: bool) -> nn.Module:
        return self.make(None if lazy else self.declared)


@dataclass(frozen=True)
class Box:
    """A container of parts."""

    make: Callable[[list[nn.Module]], nn.Module]
    parts: tuple[Any, ...]

    def built(self, lazy: bool) -> nn.Module:
        return self.make([part.built(lazy) for part in self.parts])


@dataclass(frozen=True)
class Draft:
    shape: tuple[int, ...]
    batch: int
    body: Box
    head: Box
    flatten: str
    view: int
    """The number in ``view(-1, N)``."""
    features: int
    """The number that should stand there."""

    def built(self, lazy: bool) -> Network:
        return Network(self.body.built(lazy), self.head.built(lazy), self.flatten, self.features if lazy else self.view)


class Network(nn.Module):
    def __init__(self, body: nn.Module, head: nn.Module, flatten: str, view: int) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.flatten, self.view = flatten, view

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        if self.flatten == "function":
            x = torch.flatten(x, 1)
        elif self.flatten == "size":
            x = x.view(x.size(0), -1)
        elif self.flatten == "reshape":
            x = x.reshape(len(x), -1)
        elif self.flatten == "view":
            x = x.view(-1, self.view)
        return self.head(x)


class Residual(nn.Module):
    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Dense(nn.Module):
    """What went in is joined to what came out, along the channels."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers:
            y = layer(y)
        return torch.cat([x, y], 1)


class Twice(nn.Module):
    """The same layers, called two times."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({f"layer{index}": layer for index, layer in enumerate(layers)})

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            for layer in self.layers.values():
                x = layer(x)
        return x


class Halved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pools = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
        return pools[x.dim() - 3](x, 2)


class Drafting:
    """Draws layers and runs each at once."""

    def __init__(self, draw: Any, rank: int) -> None:
        self.draw, self.rank = draw, rank
        spatial = tuple(draw(st.integers(5, (40, 20, 9)[rank - 1])) for _ in range(rank))
        self.channels = draw(st.integers(1, 4))
        self.batch = draw(st.integers(1, 3))
        self.x = torch.zeros(self.batch, self.channels, *spatial)
        self.shape = (self.channels, *spatial)

    def of_rank(self, name: str) -> Any:
        return getattr(nn, f"{name}{self.rank}d")

    def sized(self, kind: str, right: Any, make: Callable[[Any], nn.Module], *never: int, multiple: int = 1) -> Part:
        """A layer that is told the size of its input, now and then wrongly."""
        declared = right
        if self.draw(st.integers(0, 3)) == 0:
            if isinstance(right, tuple):
                axis = self.draw(st.integers(0, len(right) - 1))
                other = self.draw(st.sampled_from([size for size in SAID_WRONG if size != right[axis]]))
                declared = (*right[:axis], other, *right[axis + 1 :])
            else:
                sizes = [size * multiple for size in SAID_WRONG if size * multiple not in (right, *never)]
                declared = self.draw(st.sampled_from(sizes))
        return self.ran(Part(make, kind, right, declared))

    def ran(self, part: Part) -> Part:
        with torch.no_grad():
            self.x = part.make(None).eval()(self.x)
        return part

    def convolution(self, *, same: bool = False) -> Part:
        draw, channels = self.draw, self.x.shape[1]
        out = channels if same else draw(st.integers(1, 6))
        groups = draw(st.sampled_from([size for size in (1, 2, 3) if channels % size == 0 == out % size]))
        if same:
            dilation = draw(st.integers(1, 2))
            options = {"kernel_size": 3, "padding": dilation, "dilation": dilation}
        else:
            smallest = min(self.x.shape[2:])
            kernel = draw(st.integers(1, min(3, smallest)))
            options = {"kernel_size": kernel, "stride": draw(st.integers(1, 2)), "padding": draw(st.integers(0, 1))}
        options |= {"groups": groups, "bias": draw(st.booleans())}
        lazy, plain = self.of_rank("LazyConv"), self.of_rank("Conv")

        def make(size: int | None) -> nn.Module:
            return lazy(out, **options) if size is None else plain(size, out, **options)

        # An input whose channels stand elsewhere is another mistake.
        never = self.x.shape[2:] if tuple(self.x.shape[1:]) == self.shape else ()
        # And so is a depthwise convolution: one that looks like it is told to become one of its size.
        return self.sized("in_channels", channels, make, *never, *((groups,) if groups > 1 else ()), multiple=groups)

    def transposed(self) -> Part:
        out = self.draw(st.integers(1, 6))
        stride = self.draw(st.integers(1, 2))
        lazy, plain = self.of_rank("LazyConvTranspose"), self.of_rank("ConvTranspose")

        def make(size: int | None) -> nn.Module:
            return lazy(out, 2, stride=stride) if size is None else plain(size, out, 2, stride=stride)

        never = self.x.shape[2:] if tuple(self.x.shape[1:]) == self.shape else ()
        return self.sized("in_channels", self.x.shape[1], make, *never)

    def normalization(self) -> Part:
        draw, channels = self.draw, self.x.shape[1]
        kind = draw(st.sampled_from(["batch", "instance", "group", "layer", "rms", "prelu"]))
        if kind in ("layer", "rms"):
            axes = draw(st.integers(1, self.rank))
            layer: Any = nn.LayerNorm if kind == "layer" else nn.RMSNorm
            right = tuple(self.x.shape[-axes:])
            return self.sized("normalized_shape", right, lambda size: nn.Identity() if size is None else layer(size))
        if kind == "group":
            groups = draw(st.sampled_from([size for size in (1, 2, 3) if channels % size == 0]))
            return self.sized(
                "num_channels", channels,
                lambda size: nn.Identity() if size is None else nn.GroupNorm(groups, size), multiple=groups,
            )  # fmt: skip
        if kind == "prelu":
            return self.sized(
                "num_parameters", channels, lambda size: nn.Identity() if size is None else nn.PReLU(size), 1
            )
        name = "BatchNorm" if kind == "batch" else "InstanceNorm"
        plain, options = self.of_rank(name), {} if kind == "batch" else {"affine": True, "track_running_stats": True}
        return self.sized(
            "num_features", channels, lambda size: nn.Identity() if size is None else plain(size, **options)
        )

    def plain(self) -> Part:
        draw, smallest = self.draw, min(self.x.shape[2:])
        several = [
            lambda _: nn.ReLU(inplace=True), lambda _: nn.GELU(), lambda _: nn.Dropout(0.2),
            lambda _: nn.Upsample(scale_factor=2) if smallest < 4 else nn.Sigmoid(),
        ]  # fmt: skip
        if smallest > 1:
            pool = self.of_rank(draw(st.sampled_from(["MaxPool", "AvgPool"])))
            stride = draw(st.sampled_from([None, 1, 2]))
            several += [lambda _: pool(2, stride), lambda _: pool(2, stride, ceil_mode=True), lambda _: Halved()] * 2
        adaptive, size = self.of_rank("AdaptiveAvgPool"), draw(st.integers(1, 3))
        several.append(lambda _: adaptive(size))
        return self.ran(Part(draw(st.sampled_from(several))))

    def activation(self) -> Part:
        return self.ran(Part(self.draw(st.sampled_from([lambda _: nn.ReLU(), lambda _: nn.Tanh()]))))

    def block(self) -> Any:
        """Layers with something around them."""
        kind = self.draw(st.sampled_from([Residual, Dense, Twice]))
        before = self.x
        parts = [self.convolution(same=True)]
        parts += [self.normalization()] if self.draw(st.booleans()) else []
        parts.append(self.activation())
        if kind is Dense:
            self.x = torch.cat([before, self.x], 1)
        return Box(kind, tuple(parts))

    def layer(self) -> Any:
        choice = self.draw(st.integers(0, 9))
        if choice < 3:
            return self.convolution()
        if choice == 3 and self.rank < 3 and max(self.x.shape[2:]) < 30:
            return self.transposed()
        if choice < 6:
            return self.normalization()
        return self.block() if choice < 8 else self.plain()

    def linear(self) -> Part:
        out, bias = self.draw(st.integers(1, 9)), self.draw(st.booleans())

        def make(size: int | None) -> nn.Module:
            return nn.LazyLinear(out, bias=bias) if size is None else nn.Linear(size, out, bias=bias)

        return self.sized("in_features", self.x.shape[1], make)

    def of_flat(self) -> Part:
        features = self.x.shape[1]
        choice = self.draw(st.integers(0, 4))
        if choice == 0:
            return self.sized(
                "num_features", features, lambda size: nn.Identity() if size is None else nn.BatchNorm1d(size)
            )
        if choice == 1:
            return self.sized(
                "normalized_shape", (features,), lambda size: nn.Identity() if size is None else nn.LayerNorm(size)
            )
        return self.activation() if choice == 2 else self.linear()

    def nested(self, parts: list[Any]) -> Box:
        """The parts, some of them in containers of their own."""
        found: list[Any] = []
        while parts:
            count = min(self.draw(st.integers(1, 4)), len(parts))
            taken, parts = parts[:count], parts[count:]
            alone = count == 1 or self.draw(st.booleans())
            found += taken if alone else [Box(lambda layers: nn.Sequential(*layers), tuple(taken))]
        return Box(lambda layers: nn.Sequential(*layers), tuple(found))


@st.composite
def drafts(draw: Any) -> Draft:
    making = Drafting(draw, draw(st.integers(1, 3)))
    body = making.nested([making.convolution(), *(making.layer() for _ in range(draw(st.integers(0, 6))))])
    flatten = draw(st.sampled_from(["function", "size", "reshape", "view", "layer"]))
    mapped = making.x
    features = prod(mapped.shape[1:])
    making.x = mapped.flatten(1)
    view = features
    if flatten == "view" and draw(st.integers(0, 2)) == 0:
        # Rows of whole axes are meant more often than not.
        tails = {prod(mapped.shape[axis:]) for axis in range(1, mapped.dim() + 1)}
        view = draw(st.sampled_from([size for size in (*SAID_WRONG, 2 * features) if size not in tails]))
    parts = [Part(lambda _: nn.Flatten())] if flatten == "layer" else []
    parts += [making.linear(), *(making.of_flat() for _ in range(draw(st.integers(0, 3))))]
    return Draft(making.shape, making.batch, body, making.nested(parts), flatten, view, features)


def parts_of(part: Any, module: nn.Module) -> list[tuple[nn.Module, Part]]:
    """The layers that a draft became."""
    if isinstance(part, Part):
        return [(module, part)]
    inner: Any = module
    inner = inner.inner if isinstance(module, Residual) else inner.layers if hasattr(inner, "layers") else inner
    children = list(inner.values()) if isinstance(inner, nn.ModuleDict) else list(inner)
    assert len(children) == len(part.parts)
    return [found for each, child in zip(part.parts, children, strict=True) for found in parts_of(each, child)]


@examples(15)
@given(drafts())
def test_random_network(draft: Draft) -> None:
    lazy = draft.built(lazy=True).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lazy layers announce themselves
        lazy(torch.zeros(draft.batch, *draft.shape))
    needed = {path: each.in_features for path, each in lazy.named_modules() if isinstance(each, nn.Linear)}

    model = draft.built(lazy=False)
    paths = {id(module): path for path, module in model.named_modules()}
    expected = {
        (part.kind, paths[id(module)], part.declared, part.right)
        for box, top in ((draft.body, model.body), (draft.head, model.head))
        for module, part in parts_of(box, top)
        if part.is_wrong
    }
    if draft.flatten == "view" and draft.view != draft.features:
        divides = draft.batch * draft.features % draft.view == 0
        expected.add(("batch" if divides else "reshape", "", draft.view, draft.features))

    event(f"{min(len(expected), 4)} wrong")
    summary = summarize(model, draft.shape, batch_size=draft.batch)
    told = f"{model}\n{summary}"
    found = [(problem.kind, problem.path, problem.declared, problem.required) for problem in summary.problems]
    assert set(found) == expected, told
    assert len(found) == len(expected), told
    assert summary.required_in_features == needed, told
    assert summary.ok == (not expected)

    if all(kind not in ("batch", "reshape") for kind, *_ in expected):
        again = summarize(fit(model, draft.shape, batch_size=draft.batch), draft.shape, batch_size=draft.batch)
        assert again.ok, problems_text(again.report)
        assert again.required_in_features == needed
        model.eval()(torch.zeros(draft.batch, *draft.shape))
