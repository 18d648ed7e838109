"""Random models with their source file, and the ways to break them.

A draft is written line by line while its layers really run, so that every number in it is one that PyTorch takes.
Each number that a layer says of its input is a hole: the right number stands there, or a wrong one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

#: What a hole holds instead of the right number.
WRONG = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 24, 31, 32, 48, 64, 99, 100, 128, 256, 512, 1000)


@dataclass(frozen=True)
class Hole:
    """One number of the source that has to be what arrives."""

    name: str
    right: int
    path: str
    """The layer that declares it; empty for the number of a ``view``."""
    also: str = ""
    """Another layer that is given the same constant."""
    arithmetic: str = ""
    """How the number is written out: as a sum, a product, or as it is."""

    def written(self, number: int) -> str:
        """The number as it stands in the file."""
        if self.arithmetic == "sum" and number > 1:
            return f"{number - 1} + 1"
        if self.arithmetic == "product":
            factor = next((each for each in (8, 4, 3, 2) if number % each == 0 and number > each), 0)
            return f"{number // factor} * {factor}" if factor else str(number)
        return str(number)


@dataclass
class Draft:
    """A program whose holes are still open."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    holes: list[Hole] = field(default_factory=list)
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    """Lines in front of the class."""
    attributes: list[str] = field(default_factory=list)
    """Lines of the class itself."""
    parameters: list[str] = field(default_factory=list)
    """What the constructor takes, with defaults."""
    flattening: str = ""
    """The line of ``forward`` that makes a vector of each sample, the first one."""

    def text(self, wrong: Mapping[str, int] | None = None, *, without: str = "") -> str:
        """The source file, with ``wrong`` numbers in some holes and without one line of ``forward``."""
        numbers = {hole.name: hole.written((wrong or {}).get(hole.name, hole.right)) for hole in self.holes}
        forward = [line for line in self.forward if line != without]
        lines = [
            "import itertools", "import torch", "import torch.nn.functional as F", "from torch import nn", "",
            *self.constants, "",
            *self.helpers, "class Net(nn.Module):", *(f"    {line}" for line in self.attributes),
            f"    def __init__({', '.join(['self', *self.parameters])}):", "        super().__init__()",
            *(f"        {line}" for line in self.init), "", "    def forward(self, x):",
            *(f"        {line}" for line in forward), "        return x", "",
        ]  # fmt: skip
        text = "\n".join(lines)
        for name, number in numbers.items():
            text = text.replace(f"<{name}>", number)
        return text

    def inputs(self, batch: int) -> Tensor:
        """A real input."""
        return self.inputs_of(self.shape, batch)

    def inputs_of(self, shape: tuple[int, ...], batch: int) -> Tensor:
        """One whose samples have another shape."""
        generator = torch.Generator().manual_seed(batch)
        if self.dtype == "long":
            return torch.randint(0, 20, (batch, *shape), generator=generator)
        return torch.randn(batch, *shape, generator=generator)


class Writer:
    """Writes one draft; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0
        self._shared = ""
        kind = self._random.choice(["image", "image", "image", "signal", "tokens", "vector"])
        self.draft = Draft(())
        self._x = torch.zeros(0)
        getattr(self, f"_{kind}")()

    # The four kinds

    def _image(self) -> None:
        side = self._pick(12, 16, 20, 28, 32)
        self._start((self._pick(1, 3), side, side))
        for _ in range(self._pick(1, 2, 3)):
            self._pick(
                self._convolution, self._convolution, self._block, self._branches, self._repeated,
                self._down_and_up, self._called_twice, self._carried_on,
            )()  # fmt: skip
        if self._pick(True, False, False):
            self._pick(self._kept_gate, self._kept_sum)()
        self._flatten()
        self._head()

    def _signal(self) -> None:
        self._start((self._pick(1, 2, 6), self._pick(20, 33, 64)))
        for _ in range(self._pick(1, 2)):
            self._convolution()
        if self._pick(True, False, False):
            self._pick(self._kept_gate, self._kept_sum)()
        if self._pick(True, False):
            self._flatten()
        else:
            self._line("x = x.permute(0, 2, 1)", self._x.permute(0, 2, 1))
            self._recurrent()
        self._head()

    def _tokens(self) -> None:
        length, width = self._pick(6, 10, 16), self._pick(8, 12, 16)
        self.draft.dtype = "long"
        self._start((length,))
        self._init("self.embed = nn.Embedding(20, {})", width)
        self._line("x = self.embed(x)", torch.zeros(2, length, width))
        if self._pick(True, False):
            self._init("self.positions = nn.Parameter(torch.zeros(1, 32, {}))", width)
            self._line("x = x + self.positions[:, :x.size(1)]", self._x)
        if self._pick(True, False):
            self._pick(self._kept_table, self._kept_part, self._kept_mask)()
        self._pick(self._recurrent, self._attention, self._heads, self._pooled, self._words)()
        self._head()

    def _vector(self) -> None:
        self._start((self._pick(6, 13, 40),))
        for _ in range(self._pick(1, 2)):
            self._pick(self._linear_of_any, self._linear_of_any, self._stack)()
            if self._pick(True, False):
                self._residual_linear()
        if self._pick(True, False, False):
            self._generator()
        self._head()

    # Tensors of one size that the model keeps

    def _kept_table(self) -> None:
        """Positions that are counted, and looked up."""
        length, width = self._x.shape[1:]
        self.draft.init.append(f"self.kept = nn.Embedding({self._hole(length, 'kept')}, {width})")
        self._line("x = x + self.kept(torch.arange(x.size(1)))", self._x)

    def _kept_part(self) -> None:
        """Of more positions as many as there are words."""
        length, width = self._x.shape[1:]
        self.draft.init.append(f"self.kept = nn.Parameter(torch.zeros(1, {self._hole(length, '')}, {width}))")
        self._line("x = x + self.kept[:, :x.size(1)]", self._x)

    def _kept_mask(self) -> None:
        """Attention to the words in front, by a mask of one size."""
        hole = self._hole(self._x.shape[1], "")
        self.draft.init.append(f'self.register_buffer("kept", torch.ones({hole}, {hole}).tril())')
        self.draft.forward.append("scores = x @ x.transpose(1, 2)")
        self.draft.forward.append('scores = scores.masked_fill(self.kept == 0, float("-inf"))')
        self._line("x = scores.softmax(-1) @ x", self._x)

    def _kept_gate(self) -> None:
        """A weight for each place of the last axis."""
        axes = ", ".join("1" for _ in self._x.shape[2:-1])
        size = f"{self._x.shape[1]}, {f'{axes}, ' if axes else ''}{self._hole(self._x.shape[-1], '')}"
        self.draft.init.append(f"self.kept = nn.Parameter(torch.ones({size}))")
        self._line("x = x * self.kept", self._x)

    def _kept_sum(self) -> None:
        """A weighted sum along the last axis."""
        self.draft.init.append(f"self.kept = nn.Parameter(torch.ones({self._hole(self._x.shape[-1], '')}, 7))")
        letters = "abcdefg"[: self._x.dim() - 1]
        self._line(
            f'x = torch.einsum("{letters}l,lm->{letters}m", x, self.kept)',
            self._x[..., :1].expand(*self._x.shape[:-1], 7),
        )

    # Parts

    def _convolution(self) -> None:
        rank, inside, out = self._x.dim() - 2, self._x.shape[1], self._pick(4, 6, 8, 16)
        name = self._name("conv")
        kernel, stride, padding = self._pick(3, 5), self._pick(1, 1, 2), self._pick(0, 1)
        if min(self._x.shape[2:]) < 8:
            kernel, stride, padding = 3, 1, 1
        layer = getattr(nn, f"Conv{rank}d")(inside, out, kernel, stride, padding)
        hole = self._hole(inside, name)
        self.draft.init.append(f"self.{name} = nn.Conv{rank}d({hole}, {out}, {kernel}, {stride}, {padding})")
        call = f"self.{name}(x)"
        made = layer(self._x)
        match self._pick("relu", "norm", "plain"):
            case "norm":
                norm = self._name("norm")
                kind = self._pick("BatchNorm", "InstanceNorm")
                affine = ", affine=True" if kind == "InstanceNorm" else ""
                self.draft.init.append(f"self.{norm} = nn.{kind}{rank}d({self._hole(out, norm)}{affine})")
                call = f"torch.relu(self.{norm}({call}))"
            case "relu":
                call = f"F.relu({call})"
        self._line(f"x = {call}", made)
        if min(made.shape[2:]) >= 4 and self._pick(True, False):
            pooled = getattr(nn.functional, f"max_pool{rank}d")(made, 2)
            if self._pick(True, False):
                self._line(f"x = F.max_pool{rank}d(x, 2)", pooled)
            else:
                pool = self._name("pool")
                self.draft.init.append(f"self.{pool} = nn.MaxPool{rank}d(2)")
                self._line(f"x = self.{pool}(x)", pooled)

    def _block(self) -> None:
        """A residual block that is a class of its own."""
        width = self._x.shape[1]
        if not any("class Block" in line for line in self.draft.helpers):
            self.draft.helpers += [
                "class Block(nn.Module):", "    def __init__(self, given, width):", "        super().__init__()",
                "        self.first = nn.Conv2d(given, width, 3, padding=1)",
                "        self.second = nn.Conv2d(width, width, 3, padding=1)", "",
                "    def forward(self, x):", "        return x + self.second(F.relu(self.first(x)))", "", "",
            ]  # fmt: skip
        name = self._name("block")
        self.draft.init.append(f"self.{name} = Block({self._hole(width, f'{name}.first')}, {width})")
        self._line(f"x = self.{name}(x)", self._x)

    def _branches(self) -> None:
        """Two branches joined along the channels."""
        inside, left, right = self._x.shape[1], self._pick(2, 4, 6), self._pick(3, 4, 8)
        one, two = self._name("left"), self._name("right")
        self.draft.init.append(f"self.{one} = nn.Conv2d({self._hole(inside, one)}, {left}, 1)")
        self.draft.init.append(f"self.{two} = nn.Conv2d({self._hole(inside, two)}, {right}, 3, padding=1)")
        made = torch.zeros(self._x.shape[0], left + right, *self._x.shape[2:])
        self._line(f"x = torch.cat([self.{one}(x), self.{two}(x)], dim=1)", made)

    def _repeated(self) -> None:
        """Layers in a list, called in a loop."""
        width, name = self._x.shape[1], self._name("layers")
        hole = self._hole(width, f"{name}.0")
        self.draft.init.append(
            f"self.{name} = nn.ModuleList([nn.Conv2d({hole}, {width}, 3, padding=1), nn.Conv2d({width}, {width}, 1)])"
        )
        self.draft.forward += [f"for layer in self.{name}:", "    x = F.relu(layer(x))"]

    def _down_and_up(self) -> None:
        """Half the size, up again, and joined with what there was before."""
        inside, deep, up = self._x.shape[1], self._pick(6, 8), self._pick(4, 8)
        if any(size % 2 for size in self._x.shape[2:]):
            self._called_twice()
            return
        down, back, joined = self._name("down"), self._name("up"), self._name("joined")
        self.draft.init += [
            f"self.{down} = nn.Conv2d({self._hole(inside, down)}, {deep}, 2, stride=2)",
            f"self.{back} = nn.ConvTranspose2d({self._hole(deep, back)}, {up}, 2, stride=2)",
            f"self.{joined} = nn.Conv2d({self._hole(up + inside, joined)}, {inside}, 3, padding=1)",
        ]
        self.draft.forward += ["kept = x", f"x = F.relu(self.{down}(x))"]
        self._line(f"x = self.{joined}(torch.cat([self.{back}(x), kept], dim=1))", self._x)

    def _called_twice(self) -> None:
        """One layer at two places, and a group norm behind."""
        width, name, norm = self._x.shape[1], self._name("same"), self._name("norm")
        self.draft.init.append(f"self.{name} = nn.Conv2d({self._hole(width, name)}, {width}, 3, padding=1)")
        self.draft.init.append(f"self.{norm} = nn.GroupNorm(1, {self._hole(width, norm)})")
        self._line(f"x = self.{norm}(F.relu(self.{name}(F.relu(self.{name}(x)))))", self._x)

    def _carried_on(self) -> None:
        """Convolutions made in a loop, each for what the one in front of it gives."""
        inside, name = self._x.shape[1], self._name("features")
        one, two = self._pick(5, 7, 9), self._pick(4, 6)
        self.draft.init += [
            f"{name}, width = [], {self._hole(inside, f'{name}.0')}", f"for out in ({one}, {two}):",
            f"    {name} += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU()]", "    width = out",
            f"self.{name} = nn.Sequential(*{name}{self._pick('', '[:-1]')})",
        ]  # fmt: skip
        self._line(f"x = self.{name}(x)", torch.zeros(self._x.shape[0], two, *self._x.shape[2:]))

    def _stack(self) -> None:
        """Linears made of a list of sizes."""
        name, sizes = self._name("stack"), [self._pick(9, 15, 18), self._pick(8, 12)]
        hole, others = self._hole(self._x.shape[1], f"{name}.0"), ", ".join(map(str, sizes))
        listed = self._pick(f"[{hole}, {others}]", f"[{hole}] + [{others}]")
        made = self._pick(
            "nn.Linear(i, o) for i, o in zip({0}, {0}[1:])",
            "nn.Linear({0}[i], {0}[i + 1]) for i in range(2)",
            "nn.Linear(i, o) for i, o in itertools.pairwise({0})",
        )
        self.draft.init += [
            f"{name} = {listed}", f"self.{name} = nn.Sequential(*[{made.format(name)}])",
        ]  # fmt: skip
        self._line(f"x = self.{name}(x)", torch.zeros(self._x.shape[0], sizes[1]))

    def _generator(self) -> None:
        """A vector is made an image."""
        deep, name, up = self._pick(4, 6), self._name("project"), self._name("up")
        out = self._pick(3, 8)
        self.draft.init += [
            f"self.{name} = nn.Linear({self._hole(self._x.shape[1], name)}, {deep} * 4 * 4)",
            f"self.{up} = nn.ConvTranspose2d({self._hole(deep, up)}, {out}, 4, 2, 1)",
        ]
        self._line(f"x = self.{up}(self.{name}(x).view(-1, {deep}, 4, 4))", torch.zeros(self._x.shape[0], out, 8, 8))
        self._flatten()

    def _linear_of_any(self) -> None:
        self._linear(self._pick(8, 12, 20))

    def _words(self) -> None:
        """A convolution over the steps of a text."""
        width, out, name = self._x.shape[2], self._pick(6, 10), self._name("conv")
        self.draft.init.append(f"self.{name} = nn.Conv1d({self._hole(width, name)}, {out}, 3, padding=1)")
        made = torch.zeros(self._x.shape[0], out)
        self._line(f"x = F.relu(self.{name}(x.transpose(1, 2))).max(dim=2).values", made)

    def _heads(self) -> None:
        """Attention of its own."""
        width, name, norm = self._x.shape[2], self._name("attention"), self._name("norm")
        self.draft.init.append(f"self.{name} = nn.MultiheadAttention({self._hole(width, name)}, 2, batch_first=True)")
        self.draft.init.append(f"self.{norm} = nn.LayerNorm({self._hole(width, norm)})")
        self._line(f"x = self.{norm}(x + self.{name}(x, x, x)[0])", self._x)
        self._pooled()

    def _flatten(self) -> None:
        features = prod(self._x.shape[1:])
        match self._pick("layer", "function", "method", "size", "number", "pool"):
            case "layer":
                self.draft.init.append("self.flatten = nn.Flatten()")
                line = "x = self.flatten(x)"
            case "function":
                line = "x = torch.flatten(x, 1)"
            case "method":
                line = "x = x.flatten(1)"
            case "size":
                line = "x = x.view(x.size(0), -1)"
            case "number":
                hole = self._hole(features, "")
                line = f"x = x.view(-1, {hole})"
                self._shared = "" if hole.startswith("<") else hole
            case _:
                rank, features = self._x.dim() - 2, self._x.shape[1]
                line = f"x = F.adaptive_avg_pool{rank}d(x, 1).flatten(1)"
        self.draft.flattening = self.draft.flattening or line
        self._line(line, torch.zeros(self._x.shape[0], features))

    def _recurrent(self) -> None:
        batch, length, width = self._x.shape
        hidden, name = self._pick(8, 10), self._name("rnn")
        kind, both = self._pick("LSTM", "GRU", "RNN"), self._pick(True, False)
        options = ", batch_first=True" + (", bidirectional=True" if both else "")
        self.draft.init.append(f"self.{name} = nn.{kind}({self._hole(width, name)}, {hidden}{options})")
        made = torch.zeros(batch, length, hidden * (1 + both))
        self._line(f"x, _ = self.{name}(x)", made)
        self._line(*self._pick(("x = x[:, -1]", made[:, -1]), ("x = x.mean(dim=1)", made.mean(dim=1))))

    def _attention(self) -> None:
        width, name = self._x.shape[2], self._name("encoder")
        self.draft.init.append(
            f"self.{name} = nn.TransformerEncoderLayer({self._hole(width, name)}, 2, 16, batch_first=True)"
        )
        self._line(f"x = self.{name}(x)", self._x)
        self._pooled()

    def _pooled(self) -> None:
        self._line("x = x.mean(dim=1)", self._x.mean(dim=1))

    def _linear(self, out: int) -> None:
        name = self._name("fc")
        self.draft.init.append(f"self.{name} = {self._new_linear(self._x.shape[1], out, name)}")
        made = torch.zeros(self._x.shape[0], out)
        call = f"self.{name}(x)"
        match self._pick("relu", "norm", "layer norm", "plain"):
            case "relu":
                call = f"F.relu({call})"
            case "norm":
                norm = self._name("norm")
                self.draft.init.append(f"self.{norm} = nn.BatchNorm1d({self._hole(out, norm)})")
                call = f"self.{norm}({call})"
            case "layer norm":
                norm = self._name("norm")
                self.draft.init.append(f"self.{norm} = nn.LayerNorm({self._hole(out, norm)})")
                call = f"self.{norm}({call})"
        self._line(f"x = {call}", made)

    def _residual_linear(self) -> None:
        width, name = self._x.shape[1], self._name("same")
        self.draft.init.append(f"self.{name} = nn.Linear({self._hole(width, name)}, {width})")
        self._line(f"x = x + self.{name}(x)", self._x)

    def _head(self) -> None:
        if self._pick(True, False):
            self._linear(self._pick(10, 14, 20))
        name = self._name("fc")
        out = self._pick(2, 5, 11)
        self.draft.init.append(f"self.{name} = {self._new_linear(self._x.shape[1], out, name)}")
        self._line(f"x = self.{name}(x)", torch.zeros(self._x.shape[0], out))

    def _new_linear(self, given: int, out: int, name: str) -> str:
        """A ``Linear`` as people make it: by place, by name, or in a function of their own."""
        if self._shared and self._pick(True, False):  # the constant of the view in front
            hole = self._shared
            self.draft.holes[-1] = replace(self.draft.holes[-1], also=name)
        else:
            hole = self._hole(given, name)
        self._shared = ""
        match self._pick("place", "place", "name", "function", "unpacked"):
            case "name":
                return f"nn.Linear(out_features={out}, in_features={hole})"
            case "function":
                if not any("def linear" in line for line in self.draft.helpers):
                    self.draft.helpers += [
                        "def linear(given, out, bias=True):", "    return nn.Linear(given, out, bias=bias)", "", "",
                    ]  # fmt: skip
                return f"linear({hole}, {out})"
            case "unpacked":
                return f"nn.Linear(*({hole}, {out}))"
        return f"nn.Linear({hole}, {out})"

    # Tools

    def _start(self, shape: tuple[int, ...]) -> None:
        self.draft.shape = shape
        self._x = torch.zeros(2, *shape)

    def _pick(self, *several: Any) -> Any:
        return self._random.choice(several)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _hole(self, right: int, path: str) -> str:
        """The number that a layer says of its input, written in one of the ways that people have."""
        name = f"hole{len(self.draft.holes)}"
        hole = f"<{name}>"
        self.draft.holes.append(Hole(name, right, path, arithmetic=self._pick("", "", "sum", "product")))
        places = ["here", "here", "constant", "dict", "class", "self"]
        match self._pick(*places, "parameter", "local") if path else self._pick(*places):
            case "constant":
                self.draft.constants.append(f"{name.upper()} = {hole}")
                return name.upper()
            case "dict":
                self.draft.constants.append(f'{name.upper()} = {{"width": {hole}, "depth": 3}}')
                return f'{name.upper()}["width"]'
            case "class":
                self.draft.attributes.append(f"{name} = {hole}")
                return f"self.{name}"
            case "self":
                self.draft.init.append(f"self.{name} = {hole}")
                return f"self.{name}"
            case "parameter":
                self.draft.parameters.append(f"{name}={hole}")
                return name
            case "local":
                self.draft.init.append(f"{name} = {hole}")
                return name
        return hole

    def _init(self, text: str, width: int) -> None:
        self.draft.init.append(text.format(width))

    def _line(self, text: str, made: Tensor) -> None:
        self.draft.forward.append(text)
        self._x = made
