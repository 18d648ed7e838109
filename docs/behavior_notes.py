"""What ``docs/behavior.md`` says about each kind of difference, and which settings are of that kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docs.behavior_cases import Case

Answers = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Note:
    """Words, and the differences that they describe."""

    kind: str
    """``meta``, ``fake``, ``formula`` or ``versions``."""
    words: str
    names: tuple[str, ...]
    """How the names of the layers begin."""
    where: Callable[[Case, Answers], bool] = lambda case, answers: True

    def is_about(self, case: Case, answers: Answers) -> bool:
        """Whether a difference is of this kind."""
        return case.name.startswith(self.names) and self.where(case, answers)


def _negative(case: Case, answers: Answers) -> bool:
    padding: Any = case.settings.get("padding", 0)
    values = padding if isinstance(padding, tuple) else (padding,)
    return any(isinstance(value, int) and value < 0 for value in values)


def _extra(case: Case, answers: Answers) -> bool:
    return bool(case.settings.get("output_padding", 0) > 0)


def _no_channels(case: Case, answers: Answers) -> bool:
    shape = case.shapes[0]
    return shape[len(shape) - int(case.name[-2]) - 1] == 0


def _empty_batch(case: Case, answers: Answers) -> bool:
    return case.shapes[0][0] == 0


def _mode(*names: str) -> Callable[[Case, Answers], bool]:
    return lambda case, answers: case.settings.get("mode", "nearest") in names


_NEAREST = ("nearest", "nearest-exact")
_RESIZES = ("F.interpolate", "Upsampl")


NOTES: tuple[Note, ...] = (
    # CPU and meta
    Note(
        "meta",
        "A negative padding of a convolution, a transposed convolution or `Unfold` is refused on the CPU and "
        "cuts or widens on meta.",
        ("Conv", "F.conv", "Unfold"),
        _negative,
    ),
    Note(
        "meta",
        "A transposed convolution without input channels is refused on the CPU and taken on meta.",
        ("ConvTranspose",),
        _no_channels,
    ),
    Note(
        "meta",
        "An `output_padding` that reaches the stride and the dilation is refused on the CPU and taken on meta.",
        ("ConvTranspose",),
        _extra,
    ),
    Note(
        "meta",
        "Average pooling to a fixed size refuses an empty axis on the CPU, unless the size is 1: that is a "
        "mean, which gives NaN. On meta any size goes. `interpolate` in mode area is the same function.",
        ("AdaptiveAvgPool", "F.interpolate"),
        lambda case, answers: case.settings.get("mode", "area") == "area",
    ),
    Note(
        "meta",
        "The nearest modes of `interpolate` take an empty batch on the CPU. On meta they raise a TypeError.",
        _RESIZES,
        lambda case, answers: _empty_batch(case, answers) and _mode(*_NEAREST)(case, answers),
    ),
    Note(
        "meta",
        "The linear modes and bicubic refuse a size of 0 on the CPU, before or after, and no channels. On "
        "meta they give it.",
        _RESIZES,
    ),
    Note(
        "meta",
        "`PixelUnshuffle` gives a tensor without elements back in the shape in which it came, and still wants "
        "height and width to divide. On meta the shape is the documented one, whatever divides.",
        ("PixelUnshuffle",),
    ),
    Note(
        "meta",
        "`one_hot` without `num_classes` needs the values of its input; with a number that is too small it is "
        "refused on the CPU only.",
        ("F.one_hot",),
    ),
    Note(
        "meta",
        "Keys and values of different lengths: in four dimensions the CPU takes more keys than values and "
        "leaves the rest out, without a word. Meta refuses them.",
        ("F.scaled_dot_product_attention",),
    ),
    Note(
        "meta",
        "A `dim` that the tensor does not have is refused on the CPU; on meta `Softmax` and `Softmin` take it.",
        ("Softm",),
    ),
    Note(
        "meta",
        "`grid_sample` of an image without pixels is refused on the CPU and taken on meta.",
        ("F.grid_sample",),
    ),
    Note(
        "meta",
        "A target that is narrower than the image is refused on the CPU and taken on meta.",
        ("NLLLoss", "CrossEntropyLoss"),
    ),
    Note(
        "meta",
        "The loss of one sample without a batch is a scalar on the CPU and has one element on meta.",
        ("MultiMarginLoss", "MultiLabelMarginLoss"),
    ),
    Note(
        "meta",
        "`GaussianNLLLoss` looks at the values of the variance, so it does not run on meta at all.",
        ("GaussianNLLLoss",),
    ),
    Note(
        "meta",
        "Reflection padding that takes more away than there is: of an empty batch the CPU makes a tensor with "
        "a size of −1.",
        ("ReflectionPad", "F.pad"),
        lambda case, answers: "-" in answers[0],
    ),
    Note(
        "meta",
        "`FractionalMaxPool2d` of one sample without channels gives as many on the CPU and is refused on meta.",
        ("FractionalMaxPool2d",),
    ),
    Note(
        "meta",
        "A convolution whose kernel reaches just past the padded input is refused on the CPU; on meta, older versions "
        "give a size of 0.",
        ("Conv1d", "Conv2d", "Conv3d"),
    ),
    # Meta and fake
    Note(
        "fake",
        "Fake tensors refuse the negative padding of a convolution, as the CPU does.",
        ("Conv", "F.conv"),
        _negative,
    ),
    Note(
        "fake",
        "They refuse a transposed convolution without input channels, as the CPU does.",
        ("ConvTranspose",),
        _no_channels,
    ),
    Note(
        "fake",
        "They take keys and values of different lengths, as the CPU does.",
        ("F.scaled_dot_product_attention",),
    ),
    Note(
        "fake",
        "They refuse a convolution that leaves nothing, as the CPU does, where meta gives a size of 0.",
        ("Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d"),
    ),
    Note(
        "fake",
        "Of an empty batch torch 2.9.1 takes an instance norm with running statistics, which the CPU and meta refuse; "
        "before and after it, fake tensors refuse it, too.",
        ("InstanceNorm",),
    ),
    # The documentation and the CPU
    Note(
        "formula",
        "The formula of `MaxPool1d` for `ceil_mode` adds stride − 1 and rounds up as well, so that it counts "
        "a window too many. `MaxPool2d` and `MaxPool3d` have the right one, and all three run alike.",
        ("MaxPool1d",),
    ),
    Note(
        "formula",
        "A convolution refuses a negative padding; the page does not say so.",
        ("Conv1d", "Conv2d", "Conv3d"),
        _negative,
    ),
    Note(
        "formula",
        "With a `padding_mode` the input must be as large as what is copied from it: more than the padding "
        "for reflect, the padding for circular. The page of the padding layer says so, that of the "
        "convolution does not.",
        ("Conv1d", "Conv2d", "Conv3d"),
        lambda case, answers: "padding_mode" in case.settings,
    ),
    Note(
        "formula",
        "An `output_padding` must be smaller than the stride or the dilation; the formula has any.",
        ("ConvTranspose",),
        _extra,
    ),
    Note(
        "formula",
        "A transposed convolution refuses a negative padding; the page does not say so.",
        ("ConvTranspose",),
        _negative,
    ),
    Note(
        "formula",
        "`AvgPool3d`, alone among the pools with padding, and `LPPool3d`, which is made of it, want a whole "
        "window inside the bare input.",
        ("AvgPool3d", "LPPool3d"),
    ),
    Note(
        "formula",
        "`output_size` of an unpooling must lie less than a stride from the computed size. The message says "
        "“between 4 and 8” and refuses both; without a batch, channels in front are refused, batch and "
        "channels taken.",
        ("MaxUnpool",),
    ),
    Note(
        "formula",
        "`FractionalMaxPool3d` wants one cell more than its windows fill, `FractionalMaxPool2d` none; the "
        "page of the former has no condition.",
        ("FractionalMaxPool3d",),
    ),
    Note(
        "formula",
        "`None` keeps an axis inside a tuple for two or three axes. Alone, or in one dimension, it is refused.",
        ("Adaptive",),
        lambda case, answers: "None" in repr(case.settings),
    ),
    Note(
        "formula",
        "`Unfold` and `Fold` refuse a negative padding; their pages do not say so.",
        ("Unfold", "Fold"),
        _negative,
    ),
    Note(
        "formula",
        "Zero padding cuts before it pads, so that nothing can be cut that the other side would fill.",
        ("ZeroPad", "F.pad"),
    ),
    Note(
        "formula",
        "`PixelUnshuffle` hands on a tensor without elements as it came.",
        ("PixelUnshuffle",),
    ),
    Note(
        "formula",
        "Mode lanczos is refused without `antialias=True`.",
        ("F.interpolate",),
        _mode("lanczos"),
    ),
    Note(
        "formula",
        "`EmbeddingBag` with `include_last_offset` and two-dimensional indices leaves out the last bag in older "
        "versions.",
        ("EmbeddingBag",),
    ),
    # Versions
    Note(
        "versions",
        "Reflection padding that takes more away than there is.",
        ("ReflectionPad",),
    ),
    Note(
        "versions",
        "`GroupNorm` of a tensor with channels and without anything in them.",
        ("GroupNorm",),
    ),
    Note(
        "versions",
        "`grid_sample` in mode bicubic, of volumes.",
        ("F.grid_sample",),
        lambda case, answers: case.settings.get("mode") == "bicubic",
    ),
    Note(
        "versions",
        "Padding with a constant that widens one axis and leaves another one empty.",
        ("ZeroPad", "ConstantPad"),
    ),
    Note(
        "versions",
        "Mode lanczos of `interpolate` came later.",
        ("F.interpolate",),
        _mode("lanczos"),
    ),
    Note(
        "versions",
        "`EmbeddingBag` with `include_last_offset` and two-dimensional indices.",
        ("EmbeddingBag",),
    ),
    Note(
        "versions",
        "`GaussianNLLLoss` with a variance that is the same for the whole batch.",
        ("GaussianNLLLoss",),
    ),
)
