"""Write ``docs/mistakes.md`` anew, from what PyTorch and convlin say: ``python -m docs.make_mistakes``.

The broken models are those of ``tests/mistakes``.  Each is written to a file of its own, run by
plain PyTorch and by convlin, and mended with what convlin says where that is a line to change.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
import re
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convlin import summarize
from convlin.render.text import problems_text
from tests.mistakes import MISTAKES, Mistake
from tests.mistakes.mending import loaded, mended

PAGE = Path(__file__).with_name("mistakes.md")

_HEAD = """\
# The mistakes people make, and what convlin answers

Search this page for the message that you got. Every example was run: the messages are those of
PyTorch {version} on the CPU, the answers those of convlin, and so are the corrections. Colab and
servers with a GPU word some messages otherwise; the answers are the same.

This page is written by `python -m docs.make_mistakes`.
"""


@dataclass(frozen=True)
class Row:
    """One mistake: its title, what is to be known about it, and the models that show it."""

    number: int
    title: str
    text: str
    examples: tuple[str, ...]


ROWS = (
    Row(1, "A Linear behind convolutions has the wrong `in_features`",
        "What a Linear takes is the number of features of one sample once it is flattened: channels · height · width "
        "of what the last layer before it gives. The mistake shows in whichever Linear is called first; convlin goes "
        "on and finds the others in the same run.",
        ("OneLinear", "ThreeLinears")),
    Row(2, "The flatten is forgotten",
        "A Linear works on the last axis of whatever it gets. When that happens to have the right size, nothing is "
        "raised, and the output has four dimensions.",
        ("NoFlatten", "SilentlyNoFlatten")),
    Row(3, "`view(-1, N)` with a wrong N that does not divide",
        "The number in the view is the same number as in the Linear behind it. `x.flatten(1)` needs none.",
        ("ViewDoesNotFit",)),
    Row(4, "`view(-1, N)` with a wrong N that divides: the batch changes",
        "Nothing is raised: -1 takes whatever is left, and here it is the batch that grows or shrinks. Later the loss "
        "complains: `Expected input batch_size (4) to match target batch_size (1).`",
        ("ViewChangesBatch", "BatchIntoFeatures")),
    Row(5, "A convolution made for another number of channels",
        "Gray images have one channel, colored ones three, and every convolution takes as many as the one before it "
        "gives.",
        ("GrayImages",)),
    Row(6, "Images with the channels last",
        "numpy, PIL and TensorFlow keep images as height, width, channels; PyTorch takes the channels first.",
        ("ChannelsLast",)),
    Row(7, "No dimension for the channels",
        "A convolution in two dimensions takes a batch of images with channels: four dimensions in all.",
        ("NoChannels", "FlatIntoConvolution", "BatchWithoutChannels")),
    Row(8, "The batch written into the shape, or left out of a tensor",
        "convlin puts the batch in front of a shape itself. A convolution takes one image without a batch, and then "
        "it is the flatten that goes wrong.",
        ("BatchInShape", "TensorWithoutBatch")),
    Row(9, "A normalization of the wrong width or rank, or a batch of one in training",
        "BatchNorm and InstanceNorm are told the channels of what reaches them, and their name says how many "
        "dimensions that has.",
        ("NormsOfOtherWidth", "NormOfOtherRank", "BatchOfOne")),
    Row(10, "LSTM, GRU and RNN in front of a Linear",
        "They return a tuple, they are twice as wide in two directions, and their `input_size` is the last axis. A "
        "first state is of their `hidden_size`.",
        ("TupleOfLSTM", "BidirectionalLSTM", "LastOfBidirectional", "RecurrentInSequential", "StateOfACell")),
    Row(11, "The image is not of the size that the network was made for",
        "There are two ways out: another number in the Linear, or images of the size for which the number is right. "
        "convlin tells both.",
        ("LargerImage", "ShorterSignal")),
    Row(12, "The image is too small",
        "Every pooling halves the image, and every convolution without padding takes from its border. What convlin "
        "calls the smallest input was run, and so was the one with a pixel less.",
        ("TooManyPools", "KernelLargerThanImage", "FunctionTooSmall1d")),
    Row(13, "Transposed convolutions",
        "The output size of a transposed convolution is not free: `stride` sizes can be had, and `output_padding` "
        "chooses among them.",
        ("OutputSize", "OutputPadding", "TransposedChannels")),
    Row(14, "Conv1d in front of a Linear, and signals as (N, L, C)",
        "The same as with images, in one dimension: channels · length, and channels before the length.",
        ("Conv1dToLinear", "LengthBeforeChannels")),
    Row(15, "Conv3d in front of a Linear, and video as (N, T, C, H, W)",
        "The same in three dimensions: channels · depth · height · width, and channels before the time.",
        ("Conv3dToLinear", "TimeBeforeChannels")),
    Row(16, "A skip connection with an odd size, or without padding or stride",
        "A pooling of an odd size loses a pixel that the way up does not give back, and a convolution without padding "
        "an edge that its input still has. A shortcut needs the stride of the branch beside it.",
        ("OddSkip", "OddResidual3d", "ResidualWithoutPadding", "ShortcutWithoutStride", "PoolWithoutStride")),
    Row(17, "Numbers of another kind",
        "A shape given to convlin becomes a tensor of the kind that the model takes. A tensor is used as it is.",
        ("DoubleInput", "ByteImage", "FloatTokens", "IndexOutOfRange")),
    Row(18, "The width of LayerNorm, GroupNorm and MultiheadAttention",
        "LayerNorm and attention go by the last axis, GroupNorm by the channels.",
        ("AttentionBlock", "GroupNorms", "AttentionWidth")),
    Row(19, "Unflatten, or a view into an image, whose sizes do not multiply up",
        "What the sizes multiply to is what one sample has to have.",
        ("UnflattenLayer", "ViewIntoImage")),
    Row(20, "`view` of a tensor that is not contiguous",
        "`permute` and `transpose` change the order of the elements without moving them, and `view` cannot follow.",
        ("ViewOfPermuted", "ViewOfTransposed")),
    Row(21, "A shape, a tensor or a result taken apart into the wrong number of names",
        "Python says how many names there are, and not of what. A line is proposed where it is the only one of those "
        "tried with which the model runs.",
        ("SizesOfFlattened", "ChunksOfTheBatch", "StatesOfGRU", "StatesOfLSTM", "RowsOfTheBatch")),
    Row(22, "A mean or a maximum along the wrong dim",
        "What is left is a length, which would fit inputs of one size alone: the axis of the features is gone, or not "
        "last. Over all axes but the batch and the features they are left.",
        ("MeanOfTheFeatures", "MaximumOfTheRows")),
)  # fmt: skip

_ELSEWHERE = """\
## The first mistake on other devices, and compiled

The [first of these models](#{anchor}) gets other messages on the meta device and inside `torch.compile`:

### {meta}

### {compiled}

`summarize(model, (3, 32, 32), device="meta")` and `summarize(torch.compile(model), (3, 32, 32))` answer as above.
"""

_ARITHMETIC = """\
## Wrong arithmetic

Answers to these questions often carry a slip: the `+ 1` is missing, the dilation is left out, the
parentheses stand wrong as in `(W − F + 2P/S) + 1`, nothing is rounded down, the stride of a pooling is
taken as 1 (its default is the kernel size), or the channels are forgotten in the product.
[arithmetic.md](arithmetic.md) has the formulas, and `explain` puts the numbers of your layer into them
and says what each of these slips would have given.
"""


def page() -> str:
    """The whole page."""
    by_name = {mistake.name: mistake for mistake in MISTAKES}
    parts = [_HEAD.format(version=torch.__version__.partition("+")[0]), "".join(_contents())]
    with tempfile.TemporaryDirectory() as folder, _quietly():
        for row in ROWS:
            parts.append(f"## {_title(row)}\n\n{_filled(row.text)}\n")
            parts += (_in_its_folder(by_name[name], Path(folder)) for name in row.examples)
        parts.append(_elsewhere(by_name["OneLinear"]))
    parts.append(_ARITHMETIC)
    return "\n".join(parts)


def _title(row: Row) -> str:
    return f"{row.number}. {row.title}"


def _anchor(row: Row) -> str:
    return re.sub(r"[^\w\- ]", "", _title(row).lower()).replace(" ", "-")


def _contents() -> Iterator[str]:
    for row in ROWS:
        yield f"- [{_title(row)}](#{_anchor(row)})\n"


def _filled(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _in_its_folder(mistake: Mistake, folder: Path) -> str:
    """The example as one sees it who stands beside the file."""
    own = folder / mistake.name
    own.mkdir()
    with contextlib.chdir(own):
        return _example(mistake, own / "net.py")


def _example(mistake: Mistake, path: Path) -> str:
    path.write_text(source_of(mistake), encoding="utf-8")
    model_class = getattr(loaded(path), mistake.name)
    torch.manual_seed(0)
    model = model_class().train(mistake.options.get("mode") == "train")
    said = _raised(model, _tensors(mistake))
    summary = summarize(model, mistake.given, **options(mistake))
    answer = problems_text(summary.report)
    code = path.read_text(encoding="utf-8")
    blocks = [
        f"### {said}",
        f"```python\n{code}```",
        f"That is PyTorch's answer to `{_call(mistake)}`. convlin's answer to `{_summarize(mistake)}`:",
        f"```text\n{answer}\n```",
    ]
    if mistake.mended:
        right = mended(model, summary.problems, path)
        blocks += ["Mended, and run:", f"```diff\n{_difference(code, right)}\n```"]
        path.write_text(right, encoding="utf-8")
        again = getattr(loaded(path), mistake.name)()
        again.eval()(*_tensors(mistake))
        assert summarize(again, mistake.given, **options(mistake)).ok, mistake.name
    return "\n\n".join(blocks) + "\n"


def source_of(mistake: Mistake) -> str:
    """A file of its own with the class, and what it is built on, as a user would have it."""
    kinds = [kind for kind in reversed(inspect.getmro(mistake.build)) if kind.__module__ == mistake.build.__module__]  # type: ignore[arg-type]
    body = "\n\n".join(_class_source(kind) for kind in kinds)
    imports = ["import torch"] if "torch." in body else []
    imports += ["import torch.nn.functional as F"] if re.search(r"\bF\.", body) else []
    imports += ["from torch import Tensor, nn"] if "Tensor" in body else ["from torch import nn"]
    return "\n".join(imports) + "\n\n\n" + body


def _class_source(kind: type) -> str:
    lines = inspect.getsource(kind).splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("class "))
    return "".join(lines[start:])


def options(mistake: Mistake) -> dict[str, Any]:
    """The options of ``summarize``; a tensor has its batch."""
    given = mistake.given if isinstance(mistake.given, list) else [mistake.given]
    has_tensors = any(isinstance(value, Tensor) for value in given)
    return {name: value for name, value in mistake.options.items() if not (has_tensors and name == "batch_size")}


def _given(mistake: Mistake) -> list[Any]:
    return mistake.given if isinstance(mistake.given, list) else [mistake.given]


def _tensors(mistake: Mistake) -> list[Tensor]:
    batch = mistake.options["batch_size"]
    return [value if isinstance(value, Tensor) else torch.zeros(batch, *value) for value in _given(mistake)]


def _spelled(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.any():
        return f"torch.tensor({value.tolist()})"
    dtype = "" if value.dtype == torch.get_default_dtype() else f", dtype={value.dtype}"
    return f"torch.zeros({', '.join(map(str, value.shape))}{dtype})"


def _call(mistake: Mistake) -> str:
    return f"model({', '.join(map(_spelled, _tensors(mistake)))})"


def _summarize(mistake: Mistake) -> str:
    given = ", ".join(map(_spelled, _given(mistake)))
    given = f"[{given}]" if isinstance(mistake.given, list) else given
    said = {name: value for name, value in options(mistake).items() if (name, value) != ("batch_size", 1)}
    return f"summarize({', '.join(['model', given, *(f'{name}={value!r}' for name, value in said.items())])})"


def _raised(model: Callable[..., Tensor], inputs: list[Tensor]) -> str:
    """The first line of what PyTorch says; that it says nothing, and what comes out."""
    try:
        output = model(*inputs)
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        return f"`{type(error).__name__}: {first}`"
    return f"No error, and the output is {'×'.join(map(str, output.shape))}"


def _difference(wrong: str, right: str) -> str:
    lines = difflib.unified_diff(wrong.splitlines(), right.splitlines(), "net.py", "net.py", n=0, lineterm="")
    return "\n".join(line for line in lines if line[:3] not in ("---", "+++") and not line.startswith("@@"))


def _elsewhere(mistake: Mistake) -> str:
    meta = _raised(mistake.build().to("meta"), [value.to("meta") for value in _tensors(mistake)])
    compiled = torch.compile(mistake.build(), backend="eager")
    return _ELSEWHERE.format(anchor=_anchor(ROWS[0]), meta=meta, compiled=_raised(compiled, _tensors(mistake)))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the compiler logs about the model that is broken on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
