"""What is proposed where a mistake has more than one way out: each way is taken as it is told, and PyTorch is asked."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin import Summary, summarize
from convlin.records import ClaimKind, Evidence
from convlin.source import apply
from tests.claims import runs
from tests.source_programs import load_file

IMPORTS = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"


def written(folder: Path, text: str, name: str = "Net") -> nn.Module:
    """The model of a program, which stands in a file, so that its lines can be edited."""
    path = folder / "net.py"
    path.write_text(IMPORTS + text)
    model = getattr(load_file(path), name)()
    assert isinstance(model, nn.Module)
    return model.eval()


def mended(folder: Path, summary: Summary, name: str = "Net") -> nn.Module:
    """The same with all edits that were told."""
    assert all(problem.edits for problem in summary.problems), summary
    for file, data in apply([edit for problem in summary.problems for edit in problem.edits]).items():
        Path(file).write_bytes(data)
    model = getattr(load_file(folder / "net.py"), name)()
    assert isinstance(model, nn.Module)
    return model.eval()


# Dtypes that the caller names -----------------------------------------------------------------------------------------


class Looked(nn.Module):
    """Takes indices, in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.table, self.weight = how, nn.Embedding(50, 4), nn.Parameter(torch.zeros(50, 4))

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "layer":
            return self.table(x)
        if self.how == "function":
            return F.embedding(x, self.weight)
        if self.how == "index_select":
            return self.weight.index_select(0, x.reshape(-1))
        return F.one_hot(x, 4)


class WordsAndFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.fc = nn.Embedding(50, 4), nn.Linear(3, 4)

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        return self.fc(features) + self.table(words).mean(1)


WAYS = ["layer", "function", "index_select", "one_hot"]


# On the meta device not every function looks at the dtype.
@pytest.mark.parametrize(("how", "device"), [*((how, "cpu") for how in WAYS), ("layer", "meta")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_that_were_asked_for_are_not_made_integers(how: str, dtype: torch.dtype, device: str) -> None:
    model = Looked(how)
    with pytest.raises((RuntimeError, IndexError)):
        model(torch.zeros(2, 7, dtype=dtype))
    summary = summarize(model, (7,), dtypes=dtype, device=device)
    [problem] = summary.problems
    assert summary.report.calls[0].inputs[0].dtype == str(dtype).removeprefix("torch.")
    assert ".long()" in str(problem.fix)
    model(torch.zeros(2, 7, dtype=dtype).long())


@pytest.mark.parametrize("how", WAYS)
def test_floats_that_nobody_asked_for_become_integers(how: str) -> None:
    model = Looked(how)
    assert summarize(model, (7,)).ok
    assert summarize(model, (7,), dtypes="long").ok
    model(torch.zeros(2, 7, dtype=torch.long))


@pytest.mark.parametrize(
    ("dtypes", "ok"),
    [
        (None, True),
        ({"words": torch.long}, True),
        ({"features": torch.float32}, True),
        ({"words": torch.float32}, False),
        ([torch.float32, torch.float32], False),
    ],
)
def test_of_several_inputs_those_alone_are_kept_that_have_a_name(dtypes: Any, ok: bool) -> None:
    summary = summarize(WordsAndFeatures(), [(3,), (7,)], dtypes=dtypes)
    assert summary.ok == ok
    assert summary.ok or [(each.path, each.kind) for each in summary.problems] == [("table", "dtype")]
    assert summary["fc"].inputs[0].dtype == "float32", "these are features, whatever the words are"


# A video where an image is taken --------------------------------------------------------------------------------------

VIDEO = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn, self.lstm, self.fc = nn.Conv2d(3, 8, 3), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 2)

    def forward(self, x):
        UNPACKED
        features = self.cnn(GIVEN).mean((2, 3))
        out, _ = self.lstm(features.view(b, t, -1))
        return self.fc(out[:, -1])
"""


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("given", ["x", "x / 2"])
@pytest.mark.parametrize("unpacked", ["b, t, c, h, w = x.shape", "b, t = x.shape[:2]"])
def test_a_video_is_folded_into_the_batch_where_forward_takes_it_apart(
    unpacked: str, given: str, batch: int, tmp_path: Path
) -> None:
    model = written(tmp_path, VIDEO.replace("UNPACKED", unpacked).replace("GIVEN", given))
    assert not runs(model, torch.zeros(5, 3, 16, 16)), "with the batch in the shape it is refused as well"
    summary = summarize(model, (5, 3, 16, 16), batch_size=batch)
    [problem] = summary.problems
    assert "summarize(" not in str(problem)
    assert ".flatten(0, 1)" in str(problem.fix)
    if given != "x":  # no input of the model: another may have been meant
        return
    assert problem.evidence is Evidence.RUN
    right = mended(tmp_path, summary)
    assert [right(torch.zeros(size, 5, 3, 16, 16)).shape for size in (1, 2, 4)] == [(1, 2), (2, 2), (4, 2)]


def test_the_batch_in_the_shape_is_told_where_the_model_takes_it() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    [problem] = summarize(model, (8, 3, 16, 16)).problems
    found = re.match(r"summarize\(model, \(3, 16, 16\), batch_size=(\d+)\)", str(problem.fix))
    assert found is not None
    assert model(torch.zeros(int(found[1]), 3, 16, 16)).shape == (8, 2)


GRAY = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, 4, 3)

    def forward(self, x):
        b, h, w = x.shape
        return self.conv(x).mean((2, 3)).view(b, -1)
"""


def test_a_shape_that_forward_cannot_take_apart_is_not_told(tmp_path: Path) -> None:
    model = written(tmp_path, GRAY.replace("CHANNELS", "1"))
    assert not runs(model, torch.zeros(2, 1, 16, 16))
    summary = summarize(model, (16, 16), batch_size=2)
    assert "summarize(" not in str(summary.problems[0])
    assert mended(tmp_path, summary)(torch.zeros(3, 16, 16)).shape == (3, 4)


def test_nothing_is_told_to_write_where_no_channels_can_be_had(tmp_path: Path) -> None:
    model = written(tmp_path, GRAY.replace("CHANNELS", "3"))
    assert not runs(model, torch.zeros(2, 3, 16, 16))
    [problem] = summarize(model, (16, 16), batch_size=2).problems
    assert problem.fix is None
    assert "has no channel dimension" in problem.message


# A line that several calls run ----------------------------------------------------------------------------------------

BLOCK = """
class Block(nn.Module):
    def __init__(self, given, out):
        super().__init__()
        self.conv, self.short = nn.Conv1d(given, out, 3, padding=1), nn.Conv1d(given, out, 1)

    def forward(self, x):
        return F.relu(self.conv(x)) + self.short(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.blocks = Block(8, 8), nn.Sequential(Block(8, 8), Block(8, 8))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
"""

#: What ``forward`` does, and the line that a run shows to be the one to change; None where the input is to be another.
LINES = {
    "one after the other": ("y = self.blocks(self.first(x))\nreturn self.head(y.mean(2))", "self.first(x.permute"),
    "in a Sequential": ("y = self.blocks(x)\nreturn self.head(y.mean(2))", "self.blocks(x.permute"),
    "the same twice": (
        "y = self.first(x * 2)\ny = self.first(y)\nreturn self.head(y.mean(2))", "self.first((x * 2).permute"
    ),
    "side by side": ("return self.head((self.blocks[0](x) + self.blocks[1](x)).mean(2))", None),
    "in a loop": ("for block in self.blocks:\n    x = block(x)\nreturn self.head(x.mean(2))", None),
    "beside another use": ("y = self.blocks(x) + x\nreturn self.head(y.mean(2))", None),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_changed_where_no_other_call_is_broken_by_it(name: str, tmp_path: Path) -> None:
    lines, expected = LINES[name]
    model = written(tmp_path, BLOCK + "".join(f"        {line}\n" for line in lines.splitlines()))
    summary = summarize(model, (30, 8), batch_size=2)
    if expected is None:
        [problem] = summary.problems
        assert "give it as N×C×L, and the model runs as it is" in problem.message
        assert problem.fix == "summarize(model, (8, 30))"
        assert runs(model, torch.zeros(2, 8, 30))
        assert summarize(model, (8, 30)).ok
        return
    # Each problem's line as it is told, written into the file: no other edits.
    text = (tmp_path / "net.py").read_text().splitlines()
    for problem in summary.problems:
        assert problem.where is not None
        assert problem.fix is not None
        old = text[problem.where.line - 1]
        text[problem.where.line - 1] = old[: len(old) - len(old.lstrip())] + problem.fix
    assert len(summary.problems) == 1
    assert expected in str(summary.problems[0].fix)
    (tmp_path / "net.py").write_text("\n".join(text))
    right = load_file(tmp_path / "net.py").Net()
    assert not runs(model, torch.zeros(2, 30, 8))
    assert [right(torch.zeros(size, 30, 8)).shape for size in (1, 2, 3)] == [(1, 2), (2, 2), (3, 2)]


# What the layer in front should give ----------------------------------------------------------------------------------


class Residual(nn.Module):
    """A sum of what a layer gives and what the next makes of it."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, first, 3, padding=1), nn.Conv2d(8, second, 3, padding=1)
        self.last = nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.second(x))


def test_a_layer_that_cannot_give_what_a_sum_asks_for_is_not_told_to() -> None:
    [problem] = summarize(Residual(8, 16), (3, 8, 8)).problems
    assert (problem.kind, problem.layer, problem.fix) == ("operands", "", None)
    assert "last takes 16" in problem.message
    assert "should give" not in problem.message
    assert not runs(Residual(16, 16), torch.zeros(2, 3, 8, 8)), "the second refuses it then"


class Heads(nn.Module):
    """Queries, keys and values of one Linear, at every step of a sequence."""

    def __init__(self, features: int, *, used_twice: bool) -> None:
        super().__init__()
        self.qkv, self.other, self.used_twice = nn.Linear(16, features), nn.Linear(32, 5), used_twice

    def forward(self, x: Tensor) -> Tensor:
        made = self.qkv(x)
        q, k, v = made.reshape(x.size(0), x.size(1), 3, 2, 8).unbind(2)
        out = (q * k * v).flatten(2)
        return out + self.other(made).mean(-1, keepdim=True) if self.used_twice else out


@pytest.mark.parametrize("used_twice", [False, True])
def test_a_linear_is_told_the_features_that_a_view_asks_for_of_it(used_twice: bool) -> None:
    [problem] = summarize(Heads(32, used_twice=used_twice), (7, 16), batch_size=2).problems
    found = re.search(r"either qkv gives (\d+), or the sizes multiply to (\d+)", problem.message)
    assert (found is None) == used_twice, "the other layer would not take it"
    assert not runs(Heads(48, used_twice=True), torch.zeros(2, 7, 16))
    if found is not None:
        assert int(found[2]) == 7 * 32
        assert Heads(int(found[1]), used_twice=False)(torch.zeros(2, 7, 16)).shape == (2, 7, 16)


@pytest.mark.parametrize(("width", "parts"), [(60, (3, 8, 7)), (20, (8, 2)), (21, (4, 5))])
def test_heads_that_leave_a_rest(width: int, parts: tuple[int, ...]) -> None:
    class Parted(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.qkv = nn.Linear(6, width)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.qkv(x)
            return made.view(x.size(0), x.size(1), *parts[:-1], made.size(2) // math.prod(parts[:-1]))

    [problem] = summarize(Parted(width), (5, 6), batch_size=2).problems
    told = " ".join(problem.message.split())
    found = re.search(rf"each of 2×5 has {width} elements, .*: {width} is not a multiple of (?:\S+ = )?(\d+)", told)
    assert found is not None
    multiple = int(found[1])
    assert not runs(Parted(width), torch.zeros(2, 5, 6))
    assert width % multiple
    Parted(width - width % multiple)(torch.zeros(2, 5, 6))


DECODER = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.emb = nn.Sequential(
            nn.Linear(20, 32),
            nn.ReLU(),
        ), nn.Linear(4, 16)
        self.dec = {}

    def forward(self, feats, x):
        return self.dec(self.emb(x), self.enc(feats))
"""


@pytest.mark.parametrize(
    "made",
    [
        "nn.TransformerDecoderLayer(16, 2, 8, batch_first=True)",
        "nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 8, batch_first=True), num_layers=3)",
    ],
)
def test_a_memory_of_another_width_is_told_where_it_is_made(made: str, tmp_path: Path) -> None:
    model, given = written(tmp_path, DECODER.format(made)), (torch.zeros(2, 7, 20), torch.zeros(2, 5, 4))
    assert not runs(model, *given)
    [problem] = (summary := summarize(model, [(7, 20), (5, 4)])).problems
    assert (problem.path, problem.kind, problem.required) == ("enc.0", "out_features", 16)
    assert "or all of these" not in problem.message, "no number of theirs would do"
    assert mended(tmp_path, summary)(*given).shape == (2, 5, 16)


def test_the_same_mistake_in_the_next_block_is_no_other_one() -> None:
    [problem, *_] = summarize(nn.Sequential(*(Heads(32, used_twice=False) for _ in range(2))), (7, 16)).problems
    found = re.search(r"either 0.qkv gives (\d+), or", problem.message)
    assert found is not None
    right = nn.Sequential(*(Heads(int(found[1]), used_twice=False) for _ in range(2)))
    assert right(torch.zeros(2, 7, 16)).shape == (2, 7, 16)


class ShuffledOnce(nn.Module):
    def __init__(self, channels: int, *, used_twice: bool) -> None:
        super().__init__()
        self.conv, self.shuffle, self.other = nn.Conv2d(3, channels, 1), nn.PixelShuffle(2), nn.Conv2d(10, 1, 1)
        self.used_twice = used_twice

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        out = self.shuffle(x).mean((1, 2, 3))
        return out + self.other(x).mean((1, 2, 3)) if self.used_twice else out


@pytest.mark.parametrize("used_twice", [False, True])
def test_channels_to_be_shuffled_are_told_of_a_layer_that_can_give_them(used_twice: bool) -> None:
    [problem] = summarize(ShuffledOnce(10, used_twice=used_twice), (3, 6, 6)).problems
    told = problem.message.splitlines()[-1]
    assert ("could give" in told) == (not used_twice)
    assert [int(size) for size in re.findall(r"\d+", told)] == [8, 12]
    assert [runs(ShuffledOnce(size, used_twice=used_twice), torch.zeros(2, 3, 6, 6)) for size in (8, 12)] == (
        [not used_twice] * 2
    )


# One number that is given to two layers -------------------------------------------------------------------------------

ONE_NUMBER = """
class Up(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(channels, channels // 2, 2, 2), nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, x, skipped):
        return self.conv(torch.cat([self.up(x), skipped], 1))


class Both(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.one, self.other = nn.Conv2d(channels, 4, 1), nn.Conv2d(channels, 4, 1)

    def forward(self, x, y):
        return self.one(x) + self.other(y)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.down = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 32, 2, 2)
        self.made, self.last = KIND(64), KIND(8)

    def forward(self, x):
        skipped = self.first(x)
        x = self.down(skipped)
        RETURN
"""


def test_one_number_is_told_once_where_one_layer_leads_to_the_other(tmp_path: Path) -> None:
    text = ONE_NUMBER.replace("KIND", "Up").replace(
        "RETURN",
        "x = self.made(x, skipped)\n        return self.last(torch.cat([x, x], 1)[..., :4, :4], x)",
    )
    model = written(tmp_path, text)
    summary = summarize(model, (3, 8, 8))
    told = [found for problem in summary.problems for found in re.findall(r"in_channels=(\d+)", str(problem.fix))]
    [number] = told
    assert {problem.path for problem in summary.problems} >= {"made.up", "made.conv"}
    assert "made.up has the same number, which is to be 32" in str(summary)
    right = written(tmp_path, text.replace("Up(64)", f"Up({number})"))
    assert right(torch.zeros(2, 3, 8, 8)).shape == (2, 4, 8, 8)


def test_no_number_is_told_where_none_fits_both(tmp_path: Path) -> None:
    text = ONE_NUMBER.replace("KIND", "Both").replace(
        "RETURN", "return self.made(skipped[..., ::2, ::2], x) + 0 * self.last(x[:, :8], x[:, :8])"
    )
    summary = summarize(written(tmp_path, text), (3, 8, 8))
    assert [(problem.path, problem.fix) for problem in summary.problems] == [("made.one", None), ("made.other", None)]
    for problem in summary.problems:
        assert "none fits: made.one needs 16, made.other 32" in problem.message
    both = load_file(tmp_path / "net.py").Both
    assert not any(runs(both(number), torch.zeros(1, 16, 4, 4), torch.zeros(1, 32, 4, 4)) for number in range(1, 65))


# Which inputs were tried ----------------------------------------------------------------------------------------------


class Rectangles(nn.Module):
    """Made for 40×90; squares of 53×53 to 60×60 have as many features, and a rectangle may have them, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 5, 2), nn.Conv2d(4, 4, 5, 2), nn.Conv2d(4, 8, 5, 2))
        self.head = nn.Linear(8 * 2 * 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).flatten(1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((32, 32), "in_features=128 is right for a square input of 53×53 to 60×60"),
        ((8, 8), "the smallest square input that works is 53×53, the largest 60×60: head expects that size"),
        ((40, 80), "in_features=128 is right for an input of 40×85 to 40×92"),
    ],
)
def test_of_two_axes_it_is_said_which_inputs_were_tried(given: tuple[int, int], told: str) -> None:
    model = Rectangles()
    [problem] = summarize(model, (3, *given)).problems
    assert told in " ".join(problem.message.split())
    sizes = [(40, 90), (37, 85), (53, 53), (60, 60), (40, 85), (40, 92)]
    assert all(runs(model, torch.zeros(2, 3, *size)) for size in sizes)
    assert not any(runs(model, torch.zeros(2, 3, *size)) for size in [(52, 52), (61, 61), (40, 84), (40, 93)])


class AtMost(nn.Module):
    """Refuses by itself what has too many pixels, whatever their proportions."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.conv, self.most = nn.Conv2d(3, 4, 3), most

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.shape[2] * x.shape[3] <= self.most, f"at most {self.most} pixels, got {x.shape[3]}")
        return self.conv(x)


def test_the_largest_of_squares_is_called_that() -> None:
    model = AtMost(400)
    [problem] = summarize(model, (3, 64, 64)).problems
    found = re.search(
        r"the largest square input that the model takes is (\d+)×(\d+)", " ".join(problem.message.split())
    )
    assert found is not None
    side = int(found[1])
    assert runs(model, torch.zeros(1, 3, side, side))
    assert runs(model, torch.zeros(1, 3, side - 10, side + 10)), "a longer one, which is no square"
    with pytest.raises(AssertionError, match="at most 400 pixels"):
        model(torch.zeros(1, 3, side + 1, side + 1))


# Sizes that fit by chance ---------------------------------------------------------------------------------------------


class ByBatch(nn.Module):
    """Counts the samples where it means the words: right where both are as many."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.words, self.places, self.how = nn.Embedding(50, 8), nn.Embedding(30, 8), how
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        words: Tensor = self.words(x)
        if self.how == "sum":
            return words + self.places(torch.arange(x.size(0)))
        if self.how == "mask":
            mask = torch.zeros(x.size(0), x.size(0))
            return self.attend(words, words, words, attn_mask=mask)[0]
        return torch.bmm(words @ words.transpose(1, 2), words.transpose(0, 1))


@pytest.mark.parametrize("batch", [2, 3, 4])
@pytest.mark.parametrize("how", ["sum", "mask", "product"])
def test_a_size_that_fits_since_the_batch_is_as_large_is_not_told(how: str, batch: int) -> None:
    model = ByBatch(how).eval()
    given = torch.zeros(batch, batch, dtype=torch.long)
    assert runs(model, given)
    with pytest.raises((RuntimeError, AssertionError)):
        model(torch.zeros(batch + 1, batch, dtype=torch.long))
    for summary in (
        summarize(model, (20,), batch_size=batch, dtypes=torch.long),
        summarize(model, torch.zeros(batch, 20, dtype=torch.long)),
    ):
        [problem] = summary.problems
        assert problem.claims == ()
        assert "input of" not in problem.message
        assert "that works" not in problem.message


def test_a_size_that_is_that_of_the_batch_is_told_where_every_batch_takes_it() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(50, 8), nn.Parameter(torch.zeros(1, 4, 8))

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.words(x) + self.places
            return made

    for batch in (3, 4):
        [problem] = summarize(Kept(), (9,), batch_size=batch, dtypes=torch.long).problems
        assert [claim.inputs for claim in problem.claims] == [((4,), (4,))]
        assert "an input of length 4 works" in problem.message
        assert runs(Kept(), torch.zeros(batch + 1, 4, dtype=torch.long))


class Positioned(nn.Module):
    """As many positions as features, and one too few."""

    def __init__(self, places: int, layer: nn.Module) -> None:
        super().__init__()
        self.first, self.places, self.layer = nn.Linear(5, 16), nn.Parameter(torch.zeros(1, places, 16)), layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.first(x) + self.places)


@pytest.mark.parametrize("layer", [nn.Linear(16, 3), nn.LayerNorm(16), nn.GRU(16, 3, batch_first=True)])
def test_features_are_not_what_another_axis_differs_in(layer: nn.Module) -> None:
    [problem] = summarize(Positioned(16, layer), (17, 5), batch_size=2).problems
    assert "they differ in dimension 1: 17 and 16" in problem.message
    assert "layer takes 16" not in problem.message
    Positioned(17, layer)(torch.zeros(2, 17, 5))  # the layer takes it, whatever that axis has


# A weight that two layers share ---------------------------------------------------------------------------------------


class TiedTo(nn.Module):
    def __init__(self, embedded: int, hidden: int) -> None:
        super().__init__()
        self.encoder, self.rnn = nn.Embedding(60, embedded), nn.GRU(embedded, hidden, batch_first=True)
        self.decoder = nn.Linear(hidden, 60)
        self.decoder.weight = self.encoder.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.rnn(self.encoder(x))[0])


def test_two_layers_with_one_weight_are_told_with_what_each_declares() -> None:
    model = TiedTo(24, 32)
    [problem] = summarize(model, (12,), batch_size=2, dtypes=torch.long).problems
    told = " ".join(problem.message.split())
    rows, columns = model.decoder.weight.shape
    assert f"decoder.weight and encoder.weight are one, of {rows}×{columns}" in told
    assert f"decoder declares in_features={model.decoder.in_features} and out_features=60" in told
    assert f"encoder declares num_embeddings=60 and embedding_dim={model.encoder.embedding_dim}" in told
    assert not runs(model, torch.zeros(2, 12, dtype=torch.long))
    for same in (24, 32):
        assert TiedTo(same, same)(torch.zeros(2, 12, dtype=torch.long)).shape == (2, 12, 60)


# A dimension of 1 -----------------------------------------------------------------------------------------------------

ROWS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.fc = nn.LSTM(28, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        SHAPE
        y, _ = self.rnn(x)
        return self.fc(y[:, -1])
"""


@pytest.mark.parametrize("batch", [1, 2])
def test_an_image_of_one_channel_is_squeezed_for_a_recurrent_layer(batch: int, tmp_path: Path) -> None:
    model = written(tmp_path, ROWS.replace("SHAPE", "b, c, h, w = x.shape"))
    [problem] = summarize(model, (1, 28, 28), batch_size=batch).problems
    assert problem.where is not None
    assert problem.fix == "y, _ = self.rnn(x.squeeze(1))"
    right = written(
        tmp_path, ROWS.replace("SHAPE", "b, c, h, w = x.shape").replace("self.rnn(x)", "self.rnn(x.squeeze(1))")
    )
    assert [right(torch.zeros(size, 1, 28, 28)).shape for size in (1, 2, 3)] == [(1, 10), (2, 10), (3, 10)]


def test_a_dimension_is_not_squeezed_where_that_is_wrong_as_well(tmp_path: Path) -> None:
    model = written(tmp_path, ROWS.replace("SHAPE", "pass"))
    [*problems] = summarize(model, (1, 28, 27), batch_size=2).problems
    assert problems
    assert not any("squeeze" in str(problem) for problem in problems)
    assert not runs(model, torch.zeros(2, 28, 27))


# What is said of sizes behind something that stood in -----------------------------------------------------------------


class Patches(nn.Module):
    """Patches of 8×8 that were not embedded: no size of the image makes one as wide as the token in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.head = nn.Parameter(torch.zeros(1, 1, 48)), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 2, 4, 3, 5, 1).reshape(b, -1, 64 * c)
        return self.head(torch.cat((self.token.expand(b, -1, -1), x), dim=1)[:, 0])


class SkipBehindAView(nn.Module):
    """Even sizes alone go through a skip connection; behind it the number of channels may be wrong."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up, self.fc = nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Linear(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(x.size(0), 3, x.size(2), -1)
        return self.fc((x + self.up(self.down(x))).mean((2, 3)))


@pytest.mark.parametrize("size", [24, 32, 40, 64])
def test_tensors_are_not_said_to_go_together_where_the_model_does_not_get_so_far(size: int) -> None:
    model, reached = Patches(), []

    class Joins(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            reached.extend(["joined"] * (func is torch.cat))
            return made

    with Joins():
        assert not any(runs(model, torch.zeros(1, 3, side, side)) for side in range(8, 90))
    assert not reached, "at no size"
    [problem, *_] = summarize(model, (3, size, size)).problems
    assert problem.kind == "operands"
    assert problem.claims == ()
    assert "go together" not in problem.message


def test_tensors_go_together_where_nothing_stands_in_in_front_of_them() -> None:
    problem, _ = summarize(SkipBehindAView(4), (3, 9, 9)).problems
    assert "with inputs of 8×8 and 10×10 they go together: multiples of 2" in problem.message
    assert runs(SkipBehindAView(3), torch.zeros(1, 3, 8, 8))
    assert not runs(SkipBehindAView(3), torch.zeros(1, 3, 9, 9))


class PooledBehindASum(nn.Module):
    """A sum that a wrong stride spoils at every size from 2 on, and a pool that asks for four rows behind it."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first, self.second = nn.Conv2d(8, 8, 3, stride, 1), nn.Conv2d(8, 8, 3, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.first(x)
        return F.avg_pool2d(self.second(x), 4).flatten(1)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_nothing_is_said_of_sizes_behind_what_fits_at_none(size: int) -> None:
    model = PooledBehindASum(2)
    assert not any(runs(model, torch.zeros(1, 3, side, side)) for side in range(2, 70))
    problems = summarize(model, (3, size, size)).problems
    assert [each.kind for each in problems] == ["operands"], "what stands in decides about the pool behind it"
    assert not any(each.claims for each in problems)
    assert not any("gets past" in each.message or "takes an input" in each.message for each in problems)
    assert "smallest" not in problems[-1].message


@pytest.mark.parametrize("size", [8, 9, 16, 20])
def test_the_size_that_a_pool_asks_for_is_told_where_nothing_is_in_front(size: int) -> None:
    model = PooledBehindASum(1)
    [problem] = summarize(model, (3, size, size)).problems
    [claim] = problem.claims
    smallest = next(side for side in range(2, 70) if runs(model, torch.zeros(1, 3, side, side)))
    assert claim.inputs == ((smallest, smallest),)


def test_a_linear_is_not_said_to_be_right_where_what_is_in_front_of_it_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(channels, 8, 7), nn.MaxPool2d(2), nn.Conv2d(8, 10, 5))
            self.fc = nn.Linear(360, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.body(x).flatten(1))

    assert not any(runs(Net(4), torch.zeros(1, 3, side, side)) for side in range(1, 60))
    first, small = summarize(Net(4), (3, 10, 10)).problems
    assert (first.kind, small.kind) == ("in_channels", "too_small")
    assert all(claim.kind is ClaimKind.REACHES for claim in small.claims)
    assert [side for side in range(1, 60) if runs(Net(3), torch.zeros(1, 3, side, side))] == [26, 27]
    [small] = summarize(Net(3), (3, 10, 10)).problems
    assert [claim.inputs for claim in small.claims] == [((26, 26),), ((27, 27),)]


class Joined(nn.Module):
    """Features of three kinds side by side, one of which has axes too many."""

    def __init__(self, given: tuple[int, ...], taken: int, way: str = "") -> None:
        super().__init__()
        self.first, self.other, self.way = nn.Linear(10, 28), nn.Linear(3, 16), way
        self.table, self.out = nn.Parameter(torch.rand(2, *given)), nn.Linear(taken, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        more = eval(f"more{self.way}", {"more": self.table + 0})
        made: Tensor = self.out(torch.cat([self.first(x), more, self.other(y)], 1))
        return made


@pytest.mark.parametrize(
    ("given", "taken"), [((12, 32), 76), ((32, 12), 76), ((12, 32), 44 + 384), ((5, 6, 7), 49), ((5, 6, 7), 44 + 210)]
)
def test_what_makes_features_of_more_axes_is_what_the_layer_behind_takes(given: tuple[int, ...], taken: int) -> None:
    inputs = torch.zeros(2, 10), torch.zeros(2, 3)
    assert not runs(Joined(given, taken), *inputs)
    problem, *_ = summarize(Joined(given, taken), list(inputs)).problems
    found = re.search(r"; (\S+|mean\(\(2, 3\)\)) makes .* = (\d+), as out takes", " ".join(problem.message.split()))
    assert found is not None
    assert int(found[2]) == taken
    assert Joined(given, taken, f".{found[1]}")(*inputs).shape == (2, 2)


def test_a_layer_that_takes_neither_is_not_told() -> None:
    problem, *_ = summarize(Joined((12, 32), 99), [torch.zeros(2, 10), torch.zeros(2, 3)]).problems
    assert "flatten(1) makes 2×384 of 2×12×32" in problem.message
    assert "as out takes" not in problem.message


class AddedInPlace(nn.Module):
    """A table with three rows too many, which is added in place: no length makes that go."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv1d(3, 8, 4, stride=4)
        self.positions = nn.Parameter(torch.zeros(3, 16, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).transpose(1, 2)
        x += self.positions[:, : x.shape[1]]
        return x


def test_what_is_refused_for_another_reason_does_not_get_past() -> None:
    model = AddedInPlace()
    (problem,) = summarize(model, (3, 64)).problems
    for length in (8, 32, 60, 68, 128):
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 3, length))
    assert not problem.claims


class Attends(nn.Module):
    """Attention over all elements of a map, of which the check behind it takes nothing but 256 rows."""

    def __init__(self, ran: list[tuple[str, int]]) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, stride=2)
        self.ran = lambda *which: ran.append(which)

    def forward(self, x: Tensor) -> Tensor:
        self.ran(x.device.type, x.shape[-1])
        rows = self.embed(x).flatten(2).transpose(1, 2)
        rows = (rows @ rows.transpose(1, 2)).softmax(-1) @ rows
        if x.shape[-1] != 256:
            raise ValueError("an image of 256×256 was expected")
        return rows


def test_what_would_take_far_more_than_the_given_pass_is_run_without_values() -> None:
    ran: list[tuple[str, int]] = []
    with pytest.raises(ValueError, match="was expected") as raised:
        summarize(Attends(ran), (3, 64, 64))
    assert "the model takes an input of 256×256" in "\n".join(raised.value.__notes__)
    assert {side for device, side in ran if device == "cpu"} == {64}
    assert ("meta", 256) in ran


class RepeatsThree(Attends):
    """What is refused behind the attention is refused at every size."""

    def forward(self, x: Tensor) -> Tensor:
        self.ran(x.device.type, x.shape[-1])
        rows = self.embed(x).flatten(2).transpose(1, 2)
        return (rows @ rows.transpose(1, 2) @ rows).unflatten(2, (3, -1))


def test_where_no_size_is_taken_none_is_run_that_takes_far_more_than_the_given_one() -> None:
    ran: list[tuple[str, int]] = []
    (problem,) = summarize(RepeatsThree(ran), (3, 64, 64)).problems
    assert not problem.claims
    assert max(side for device, side in ran if device == "cpu") <= 128


class OfNoChannels(nn.Module):
    """The meta device runs a convolution of no channels; the map in front has many elements in little memory."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()
        self.conv = nn.Conv2d(3, 8 // 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.same(x.expand(4096, -1, -1, -1))
        return self.conv(x)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_where_the_meta_device_refuses_nothing_it_is_not_asked_for_what_is_large() -> None:
    model = OfNoChannels()
    assert runs(copy.deepcopy(model).to("meta"), torch.zeros(1, 3, 256, 256, device="meta"))
    assert not any(runs(model, torch.zeros(1, 3, side, side)) for side in (64, 256, 512))
    (problem,) = summarize(model, (3, 64, 64)).problems
    assert (problem.kind, problem.claims) == ("error", ())


class Skips(nn.Module):
    """A U-Net that takes its skips in the order in which they were made: what the decoders declare is right."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.down3 = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 8), (8, 16), (16, 32)))
        self.up2, self.up1 = nn.Conv2d(48, 16, 3, padding=1), nn.Conv2d(24, 8, 3, padding=1)
        self.backwards = False

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in (self.down1, self.down2):
            x = layer(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.down3(x)
        for layer, skip in zip((self.up2, self.up1), skips[::-1] if self.backwards else skips, strict=True):
            x = layer(torch.cat([F.interpolate(x, scale_factor=2), skip], 1))
        return x


def test_a_sum_over_tensors_that_do_not_go_together_is_not_certain() -> None:
    model = Skips()
    joined, *others = summarize(model, (3, 32, 32)).problems
    assert joined.kind == "operands"
    assert [problem.path for problem in others] == ["up2", "up1"]
    for problem in others:
        assert "with tensors that do go together it may be another number" in problem.message
        assert not problem.edits
    model.backwards = True
    assert runs(model, torch.zeros(1, 3, 32, 32)), "the numbers declared were right"


class Attention(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.GRU(16, hidden, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(16, 32, batch_first=True)
        self.out = nn.Linear(64, 10)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        (keys, _), (queries, _) = self.encoder(source), self.decoder(target)
        weights = torch.softmax(torch.bmm(queries, keys.transpose(1, 2)), -1)
        return self.out(torch.cat([queries, torch.bmm(weights, keys)], -1))


def test_a_number_behind_a_product_that_does_not_fit_is_not_certain() -> None:
    product, out = summarize(Attention(32), [(12, 16), (7, 16)]).problems
    assert (product.kind, out.path, out.declared, out.required) == ("operands", "out", 64, 96)
    assert "it may be another number once those sizes are equal" in out.message
    assert not out.edits
    assert runs(Attention(16), torch.zeros(2, 12, 16), torch.zeros(2, 7, 16)), "64 was right"


class Depthwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 16, 6, groups=16)
        self.wide, self.narrow = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return x + self.narrow(self.wide(self.deep(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def test_a_map_of_one_cell_that_is_stretched_is_no_input_that_works() -> None:
    model = Depthwise()
    assert runs(model, torch.zeros(1, 3, 27, 27)), "by chance: 6×6 and 1×1"
    (problem,) = summarize(model, (3, 32, 32)).problems
    assert (problem.kind, problem.claims) == ("operands", ())


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
def test_a_norm_of_rows_that_were_a_map_may_be_of_their_channels(kind: Callable[[int], nn.Module]) -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 16, 3, 2, 1), kind(16)

        def forward(self, x: Tensor, order: tuple[int, ...] = (0, 1, 2)) -> Tensor:
            rows: Tensor = self.norm(self.conv(x).flatten(2).permute(order))
            return rows

    model = Rows()
    (problem,) = summarize(model, (3, 32, 32)).problems
    assert "dimension 1 has the 16 channels; permuted it is 1×256×16" in problem.message
    assert not problem.edits, "the norm may be of other features as well"
    assert model(torch.zeros(1, 3, 32, 32), (0, 2, 1)).shape == (1, 256, 16)
