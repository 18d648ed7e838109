"""Write ``docs/gallery.md`` and its pictures anew: ``python -m docs.make_gallery``, then look at each of them.

The networks are those that the tests draw, and small ones of transformers: random weights, nothing downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from convlin import Summary, summarize
from tests.pictures.models import PICTURED
from tests.zoo import REAL

PAGE = Path(__file__).with_name("gallery.md")
PICTURES = PAGE.parent / "images" / "gallery"


@dataclass(frozen=True)
class Entry:
    """One network of the page."""

    name: str
    """In ``tests/pictures/models.py``, or the type of a model of transformers."""
    title: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)
    """Of ``to_svg``."""

    @property
    def is_own(self) -> bool:
        """Whether it is written in the tests; others change with the version of transformers."""
        return self.name in PICTURED


ENTRIES = (
    Entry("lenet", "LeNet-5", "`batch=False`: maps are written as papers do.", {"batch": False, "title": "LeNet-5"}),
    Entry("cifar10_wrong", "A wrong number", "A CNN for CIFAR-10 whose first Linear was given 2304 features."),
    Entry("too_small", "An input that is too small", "The pass stops where nothing is left to convolve."),
    Entry("vgg16", "VGG-16 for CIFAR-10", "Convolutions alike, one after the other, are one group."),
    Entry("resnet18", "A narrow ResNet", "Blue lines are the identities of the residual blocks."),
    Entry("mobile", "Depthwise convolutions", "A small MobileNet: depthwise convolutions are told from full ones."),
    Entry("inception", "An Inception block", "Four branches that meet in a concatenation, divided as they are."),
    Entry("dense_block", "A dense block", "Every layer takes what all before it made."),
    Entry("unet", "A U-Net", "Down and up again: each level below the one before."),
    Entry("autoencoder", "An autoencoder", "Maps become a line of features, and that becomes maps."),
    Entry("volume", "A 3D CNN", "Volumes are drawn in slices.", {"title": "A 3D CNN"}),
    Entry("two_inputs", "An image and a table", "Each input with its place.", {"title": "An image and a table"}),
    Entry("siamese", "A siamese network", "Two arms with shared weights, and three outputs by their names."),
    Entry("tagger", "An LSTM", "Two layers in both directions, and the last step of what they return."),
    Entry("encoder", "A Transformer encoder", "One layer in a frame, and how often it runs."),
    Entry("vit", "A vision Transformer", "Patches become a sequence; attention as people write it."),
    Entry("mixture", "A mixture of experts", "Four experts side by side are one frame."),
    Entry("bert", "BERT", "Embeddings that add up, and two layers (transformers)."),
    Entry("t5", "T5", "What the encoder returns goes to the cross-attention of each layer (transformers)."),
    Entry("wav2vec2", "Wav2Vec 2.0", "A waveform, its features, and the positional convolution (transformers)."),
)


def summary_of(entry: Entry) -> Summary:
    """The network's summary."""
    torch.manual_seed(0)
    if entry.is_own:
        return PICTURED[entry.name]()
    model = next(each for each in REAL if each.name == entry.name)
    args, kwargs = model.inputs()
    return summarize(model.build(), list(args) or None, kwargs=kwargs)


def picture_of(entry: Entry) -> str:
    """The network's picture, which follows the reader's own setting of light and dark."""
    return summary_of(entry).to_svg(**entry.options)


def page() -> str:
    """The whole page."""
    import transformers

    parts = [
        "# Gallery\n\nTwenty networks as [`to_svg()`](picture.md) draws them, each in one call: "
        "`summarize(model, (3, 32, 32)).to_svg()`. The pictures are in the light or dark colors of the reader.\n\n"
        f"`python -m docs.make_gallery` writes this page; the models of others are those of transformers "
        f"{transformers.__version__}.\n"
    ]
    for entry in ENTRIES:
        alt = entry.title.replace('"', "")
        parts.append(f"## {entry.title}\n\n{entry.text}\n\n![{alt}](images/gallery/{entry.name}.svg)\n")
    return "\n".join(parts)


def main() -> None:
    PICTURES.mkdir(exist_ok=True, parents=True)
    for entry in ENTRIES:
        (PICTURES / f"{entry.name}.svg").write_text(picture_of(entry), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
