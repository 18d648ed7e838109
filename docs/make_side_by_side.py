"""Write ``docs/side-by-side.md`` anew: ten models by torchinfo and by convlin, ``python -m docs.make_side_by_side``.

Needs torchinfo, which is in the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convlin import summarize
from tests.pictures import models

PAGE = Path(__file__).with_name("side-by-side.md")


@dataclass(frozen=True)
class Entry:
    """One model, what it is run on, and what reads better where."""

    title: str
    build: Callable[[], nn.Module]
    shape: Any
    said: str
    dtypes: torch.dtype | None = None


ENTRIES = (
    Entry(
        "LeNet",
        models.LeNet,
        (1, 32, 32),
        "torchinfo's rows are fewer and quickly read. The two poolings and the flatten are functions, "
        "which it does not see: that 400 is 16·5·5 stands in convlin's table alone.",
    ),
    Entry(
        "A CNN for CIFAR-10",
        models.cifar10,
        (3, 32, 32),
        "The nesting is plainer in torchinfo's tree (convlin draws one with `tree=True`). The way from "
        "32×32 to 4096, and the path that names each layer in your code, are plainer in convlin's.",
    ),
    Entry(
        "The same with a wrong number",
        lambda: models.cifar10(2304),
        (3, 32, 32),
        "torchinfo raises, with the layers up to there; PyTorch's own error stands above it. convlin's "
        "table goes on and says what to write.",
    ),
    Entry(
        "A ResNet",
        lambda: models.ResNet((1, 1, 1, 1)),
        (3, 64, 64),
        "torchinfo's rows for the blocks make the four stages easier to see. Its table has no `mean`; "
        'convlin\'s has it. Neither shows the sums by default; convlin does with `functions="all"`.',
    ),
    Entry(
        "A U-Net",
        models.UNet,
        (3, 32, 32),
        "convlin reads better: its table has the concatenations. torchinfo's has a row for a list before "
        "each of its layers, marked recursive though nothing is.",
    ),
    Entry(
        "A Transformer encoder",
        lambda: models.Encoder(2),
        (16,),
        "torchinfo reads better: two layers of 8,544 parameters, and no more. convlin goes down to every "
        "Linear where it is not told `depth=2`.",
        torch.long,
    ),
    Entry(
        "A vision Transformer",
        lambda: models.ViT(2),
        (3, 32, 32),
        "torchinfo's table is shorter and shows the blocks. convlin's has the names of the projections "
        'and how the heads are split; without the latter it is `functions="none"`.',
    ),
    Entry(
        "An LSTM",
        models.Tagger,
        (16,),
        "torchinfo shows the first output of the LSTM; convlin all three by PyTorch's names, and the step "
        "that is taken of them.",
        torch.long,
    ),
    Entry(
        "Two inputs",
        models.TwoInputs,
        [(3, 32, 32), (10,)],
        "torchinfo's tree keeps the two branches apart, which reads well. convlin says what went in and "
        "where the branches meet.",
    ),
    Entry(
        "Shared weights",
        models.Siamese,
        [(1, 12, 12), (1, 12, 12)],
        "Both count the shared weights once and mark the second pass over them, torchinfo as recursive, "
        "convlin as reused.",
    ),
)


def by_convlin(entry: Entry) -> str:
    """convlin's table, with its defaults."""
    return str(summarize(entry.build(), entry.shape, dtypes=entry.dtypes).table(ascii_only=False))


def by_torchinfo(entry: Entry) -> str:
    """torchinfo's table, with its defaults, or what it raises."""
    import torchinfo

    shapes = entry.shape if isinstance(entry.shape, list) else [entry.shape]
    dtypes = None if entry.dtypes is None else [entry.dtypes] * len(shapes)
    try:
        found = torchinfo.summary(entry.build(), [(1, *shape) for shape in shapes], dtypes=dtypes, verbose=0)
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "\n".join(line.rstrip() for line in str(found).splitlines())


def page() -> str:
    """The whole page."""
    import torchinfo

    parts = [
        "# Ten models, side by side\n\nThe same models by torchinfo "
        f"{torchinfo.__version__} and by convlin, both with their defaults, and what reads better where. "
        "`python -m docs.make_side_by_side` writes this page. What each option is called here is in "
        "[Coming from another tool](coming-from.md).\n"
    ]
    for entry in ENTRIES:
        theirs, ours = by_torchinfo(entry), by_convlin(entry)
        parts.append(f"## {entry.title}\n\n{entry.said}\n\n```text\n{theirs}\n```\n\n```text\n{ours}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
