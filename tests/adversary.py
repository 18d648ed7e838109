"""Random models as source, and what breaks them: numbers that are wrong, and calls that are forgotten.

Every model is a text.  ``⟨16⟩`` stands around a number that can be broken, ``⟦.flatten(1)⟧`` around what can be
forgotten; the model that is right is the text without the marks.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

_NUMBER = re.compile(r"⟨(\d+)⟩")
_CALL = re.compile(r"⟦(.*?)⟧")


@dataclass
class Draft:
    """A model under construction: the lines of its two functions, and the shape of one sample so far."""

    shape: tuple[int, ...]
    made: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    count: int = 0

    def name(self, kind: str) -> str:
        """A name that no layer has yet."""
        self.count += 1
        return f"{kind}{self.count}"

    def layer(self, kind: str, arguments: str, behind: str = "") -> str:
        """Make a layer of ``torch.nn`` and call it."""
        name = self.name(kind.lower())
        self.made.append(f"self.{name} = nn.{kind}({arguments})")
        self.called.append(f"x = self.{name}(x){behind}")
        return name

    def text(self, given: tuple[int, ...]) -> str:
        """The module that the lines are."""
        made = "\n        ".join(self.made)
        called = "\n        ".join(self.called)
        return (
            "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"
            f"GIVEN = {given}\n\n\n"
            "def block(inputs, outputs):\n"
            "    conv = nn.Conv2d(inputs, outputs, 3, padding=1)\n"
            "    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())\n\n\n"
            f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {made}\n\n"
            f"    def forward(self, x):\n        {called}\n        return x\n"
        )


def drafted(rng: random.Random) -> str:
    """A random model that is right, with its marks."""
    given = _image_shape(rng) if rng.random() < 0.65 else (rng.randint(5, 12), rng.choice([8, 12, 16]))
    draft = Draft(given)
    if len(given) == 3:
        _of_images(draft, rng)
    else:
        _of_sequences(draft, rng)
    for _ in range(rng.randint(0, 2)):
        width = rng.choice([10, 20, 30, 48])
        draft.layer("Linear", f"⟨{draft.shape[0]}⟩, ⟨{width}⟩")
        draft.called.append(
            rng.choice(["x = F.relu(x)", "x = torch.tanh(x)", "x = F.dropout(x, training=self.training)"])
        )
        draft.shape = (width,)
        if rng.random() < 0.3:
            draft.layer("BatchNorm1d", f"⟨{width}⟩")
    draft.layer("Linear", f"⟨{draft.shape[0]}⟩, 7")
    return draft.text(given)


def broken(text: str, rng: random.Random, times: int) -> tuple[str, str]:
    """The model that is right, and the same with up to ``times`` things wrong in it."""
    places = [*_NUMBER.finditer(text), *_CALL.finditer(text)]
    chosen = rng.sample(places, min(times, len(places)))
    wrong = text
    for place in sorted(chosen, key=lambda each: -each.start()):
        is_number = place.group().startswith("⟨")
        size = int(place[1]) if is_number else 0
        new = str(rng.choice([size + 1, size + 3, max(size - 1, 1), 2 * size, 999])) if is_number else ""
        wrong = wrong[: place.start()] + new + wrong[place.end() :]
    return _plain(text), _plain(wrong)


def _plain(text: str) -> str:
    return _CALL.sub(r"\1", _NUMBER.sub(r"\1", text))


def _image_shape(rng: random.Random) -> tuple[int, int, int]:
    side = rng.choice([16, 20, 28, 32])
    return (rng.choice([1, 3]), side, side + rng.choice([0, 0, 4]))


def _of_images(draft: Draft, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        channels, height, width = draft.shape
        outputs = rng.choice([4, 6, 8, 12])
        step = rng.choice(["conv", "conv", "block", "residual", "shared", "loop", "concatenated"])
        if step == "conv" or channels < 4:
            padding, stride = rng.choice([(1, 1), (0, 1), (1, 2)])
            draft.layer("Conv2d", f"⟨{channels}⟩, ⟨{outputs}⟩, 3, stride={stride}, padding={padding}")
            height, width = ((size + 2 * padding - 3) // stride + 1 for size in (height, width))
            draft.shape = (outputs, height, width)
            if rng.random() < 0.5:
                draft.layer(*rng.choice([("BatchNorm2d", f"⟨{outputs}⟩"), ("GroupNorm", f"2, ⟨{outputs}⟩")]))
            draft.called.append("x = F.relu(x)")
        elif step == "block":
            name = draft.name("block")
            draft.made.append(f"self.{name} = block(⟨{channels}⟩, ⟨{outputs}⟩)")
            draft.called.append(f"x = self.{name}(x)")
            draft.shape = (outputs, height, width)
        elif step == "residual":
            name = draft.name("conv")
            draft.made.append(f"self.{name} = nn.Conv2d(⟨{channels}⟩, {channels}, 3, padding=1)")
            draft.called.append(f"x = x + self.{name}(x)")
        elif step == "shared":
            name = draft.name("conv")
            draft.made.append(f"self.{name} = nn.Conv2d(⟨{channels}⟩, {channels}, 1)")
            draft.called.append(f"x = self.{name}(torch.relu(self.{name}(x)))")
        elif step == "loop":
            name = draft.name("convs")
            draft.made.append(
                f"self.{name} = nn.ModuleList([nn.Conv2d(⟨{channels}⟩, {channels}, 3, padding=1) for _ in range(2)])"
            )
            draft.called += [f"for layer in self.{name}:", "    x = torch.relu(layer(x))"]
        else:
            first, second = draft.name("conv"), draft.name("conv")
            draft.made.append(f"self.{first} = nn.Conv2d(⟨{channels}⟩, ⟨{outputs}⟩, 1)")
            draft.made.append(f"self.{second} = nn.Conv2d(⟨{channels}⟩, 4, 3, padding=1)")
            draft.called.append(f"x = torch.cat((self.{first}(x), self.{second}(x)), 1)")
            draft.shape = (outputs + 4, height, width)
        if min(draft.shape[1:]) > 5 and rng.random() < 0.6:
            draft.layer(rng.choice(["MaxPool2d", "AvgPool2d"]), "2")
            draft.shape = (draft.shape[0], draft.shape[1] // 2, draft.shape[2] // 2)
    channels, height, width = draft.shape
    features = channels * height * width
    if rng.random() < 0.2:
        draft.layer("AdaptiveAvgPool2d", "1", ".flatten(1)")
        draft.shape = (channels,)
        return
    flat = rng.choice(["x.flatten(1)", "x.view(x.size(0), -1)", f"x.view(-1, ⟨{features}⟩)", "torch.flatten(x, 1)", ""])
    if flat:
        draft.called.append(f"x = {flat}")
        draft.shape = (features,)
        return
    hidden = rng.choice([16, 24])
    name = draft.name("linear")
    draft.made.append(f"self.{name} = nn.Linear(⟨{features}⟩, ⟨{hidden}⟩)")
    draft.called.append(f"x = self.{name}(x⟦.flatten(1)⟧)")
    draft.shape = (hidden,)


def _of_sequences(draft: Draft, rng: random.Random) -> None:
    width = draft.shape[1]
    for _ in range(rng.randint(1, 3)):
        step = rng.choice(["recurrent", "attention", "norm", "linear", "conv"])
        if step == "recurrent":
            hidden, both = rng.choice([8, 12]), rng.random() < 0.3
            options = ", bidirectional=True" if both else ""
            draft.layer(rng.choice(["LSTM", "GRU"]), f"⟨{width}⟩, {hidden}, batch_first=True{options}", "⟦[0]⟧")
            width = hidden * (1 + both)
        elif step == "attention":
            name = draft.name("attention")
            draft.made.append(f"self.{name} = nn.MultiheadAttention(⟨{width}⟩, 2, batch_first=True)")
            draft.called.append(f"x = x + self.{name}(x, x, x)[0]")
        elif step == "norm":
            draft.layer("LayerNorm", f"⟨{width}⟩")
        elif step == "linear":
            outputs = rng.choice([8, 12, 16])
            draft.layer("Linear", f"⟨{width}⟩, ⟨{outputs}⟩")
            width = outputs
        else:
            outputs, name = rng.choice([6, 10, 14]), draft.name("conv")
            draft.made.append(f"self.{name} = nn.Conv1d(⟨{width}⟩, ⟨{outputs}⟩, 3, padding=1)")
            draft.called.append(f"x = self.{name}(x.transpose(1, 2)).transpose(1, 2)")
            width = outputs
    draft.called.append(rng.choice(["x = x[:, -1]", "x = x.mean(1)"]))
    draft.shape = (width,)
