"""Every broken model gets its answer: from summarize, on meta, compiled, from watch; right, and with nothing left."""

from __future__ import annotations

import inspect
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from convlin import ShapeError, Summary, fit, summarize, watch
from convlin.records import Problem
from convlin.render.text import problems_text
from convlin.source import apply
from tests.mistakes import MISTAKES, Mistake, Wrong
from tests.mistakes.asking import are_tensors, built, fitted, summarized, tensors, watched
from tests.mistakes.innocent import INNOCENT, Innocent
from tests.mistakes.mending import loaded, mended
from tests.snapshot import difference, snapshot
from tests.summaries import assert_problems_explained

#: What a new layer can mend.
SIZES = (
    "in_features", "in1_features", "in2_features", "in_channels", "num_features", "num_channels", "num_parameters",
    "normalized_shape", "input_size", "embed_dim", "kdim", "vdim", "num_embeddings", "out_features",
    "padding", "stride",
)  # fmt: skip
#: Of the right kind, and yet no layer is wrong: the input is.
UNFIT = (
    "MeanOfTheFeatures",
    "MaximumOfTheRows",
    "ChannelsLast",
    "ChannelsLastNested",
    "ChannelsLastScaled",
    "LengthBeforeChannels",
    "RecurrentIntoConvolution",
    "NormBehindRecurrent",
    "RecurrentBehindConvolution",
    "TimeBeforeChannels",
    "BatchWithoutChannels",
    "BatchWithoutChannelsAndNorm",
    "NoFeatureAxis",
)


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> None:
    # The first call of all loads the compiler, which puts its own functions into torch.
    torch.compile(nn.Linear(2, 2), backend="eager")(torch.zeros(1, 2))


def each(*mistakes: Mistake) -> list[Any]:
    return [pytest.param(mistake, id=f"{mistake.row:02}-{mistake.name}") for mistake in mistakes]


def every_third(*mistakes: Mistake) -> list[Any]:
    """All of them, two of three in the long tail: each is told right elsewhere, and here by one more way."""
    return [
        pytest.param(mistake, id=f"{mistake.row:02}-{mistake.name}", marks=[pytest.mark.thorough] * bool(number % 3))
        for number, mistake in enumerate(mistakes)
    ]


def check(problems: tuple[Problem, ...], expected: tuple[Wrong, ...], mistake: Mistake, told: str) -> None:
    """Every expected problem, in order, and no other."""
    assert [(problem.kind, problem.path) for problem in problems] == [(one.kind, one.path) for one in expected], told
    for problem, one in zip(problems, expected, strict=True):
        assert (problem.declared, problem.required) == (one.declared, one.required), told
        for text in one.says:
            assert text in " ".join(problem.message.split()), told
        if one.line is None:
            assert problem.where is None or one.kind == "too_small", told
            assert problem.fix == one.advice, told
            continue
        number, line = line_of(mistake, one.line)
        assert problem.where is not None, told
        assert (Path(problem.where.file), problem.where.line) == (mistake.file, number), told
        assert problem.fix != line, told
        if one.right is not None:
            assert problem.fix == line.replace(one.line, one.right), told
        else:
            assert one.advice is None or said_place(problem.fix) == one.advice, told


def said_place(fix: str | None) -> str | None:
    """``fix`` with the folders and line numbers that it names left out."""
    return None if fix is None else re.sub(r"[\w/.-]*?(\w+\.py):\d+", r"\1:{}", fix)


#: A class and where it starts in its file, which is read once.
source_lines = cache(inspect.getsourcelines)


def line_of(mistake: Mistake, part: str) -> tuple[int, str]:
    """Number and text of the only line of a class that holds ``part``."""
    for kind in inspect.getmro(mistake.build):  # type: ignore[arg-type]
        if kind.__module__ != mistake.build.__module__:
            break
        lines, start = source_lines(kind)
        # Above the class stands what is expected of it.
        body = next(number for number, line in enumerate(lines) if line.startswith("class "))
        found = [(start + body + number, line.strip()) for number, line in enumerate(lines[body:]) if part in line]
        if found:
            assert len(found) == 1, f"{part!r} stands on several lines of {mistake.name}"
            return found[0]
    raise AssertionError(f"{part!r} does not stand in {mistake.name}")


def untouched_summary(model: nn.Module, mistake: Mistake, **more: Any) -> Summary:
    before = snapshot(model)
    summary = summarized(model, mistake, **more)
    assert difference(before, snapshot(model)) == []
    return summary


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_mistake(mistake: Mistake) -> None:
    summary = untouched_summary(built(mistake), mistake)
    told = problems_text(summary.report)
    check(summary.problems, mistake.wrong, mistake, told)
    assert not summary.ok
    assert "convlin/" not in told
    # What is too long is source: a corrected line is as long as the user's own.
    assert all(len(line) <= 100 for line in told.splitlines() if not line.startswith("    fix")), told
    assert_problems_explained(summary)


@pytest.mark.parametrize("mistake", every_third(*(mistake for mistake in MISTAKES if not mistake.values)))
def test_on_meta(mistake: Mistake) -> None:
    summary = untouched_summary(built(mistake), mistake, device="meta")
    check(summary.problems, mistake.wrong, mistake, problems_text(summary.report))


@pytest.mark.parametrize("mistake", every_third(*MISTAKES))
def test_compiled(mistake: Mistake) -> None:
    model = built(mistake)
    compiled: Any = torch.compile(model, backend="eager")
    before = snapshot(model)
    summary = summarized(compiled, mistake)
    assert difference(before, snapshot(model)) == []
    check(summary.problems, mistake.wrong, mistake, problems_text(summary.report))


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_watched(mistake: Mistake) -> None:
    assert_told_where_watched(mistake, compiled=False)


@pytest.mark.parametrize("mistake", every_third(*MISTAKES))
def test_watched_and_compiled(mistake: Mistake) -> None:
    assert_told_where_watched(mistake, compiled=True)


def assert_told_where_watched(mistake: Mistake, *, compiled: bool) -> None:
    model = built(mistake)
    called: Any = torch.compile(model, backend="eager") if compiled else model
    inputs = tensors(mistake)
    silent = not mistake.raises
    before = snapshot(model)
    summary, error = watched(called, inputs)
    assert (error is None) == silent
    if error is None:
        # Nothing stands in here: of a silent mistake the first sign is told.
        assert summary.problems, "nothing was told"
        expected = mistake.watched or tuple(one for one in mistake.wrong if one.kind in ("structure", "batch"))
        check(summary.problems, expected, mistake, problems_text(summary.report))
        return
    note = "\n".join(error.__notes__)
    if not model.training:
        assert difference(before, snapshot(model)) == []
    check(summary.problems, mistake.watched or mistake.wrong, mistake, note)
    for problem in summary.problems:
        for line in problem.message.splitlines():
            assert line in note


#: What is shown for these is not written: a number may be used elsewhere or mean something else, or what the sizes
#: look like is one of two things that may have been meant.
UNCERTAIN = {
    "MeanOfTheFeatures", "MaximumOfTheRows",
    "ClassesOfOnesOwn", "ChannelsLast", "ChannelsLastNested", "ChannelsLastScaled",
    "RecurrentIntoConvolution", "NoChannels", "BatchWithoutChannels", "BatchWithoutChannelsAndNorm",
    "VectorIntoTransposed", "VectorIntoConv1d", "NoFeatureAxis", "NoChannels1d", "NormBehindRecurrent",
    "RecurrentBehindConvolution", "LengthBeforeChannels", "TimeBeforeChannels",
}  # fmt: skip

# The corrections, executed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", each(*(mistake for mistake in MISTAKES if mistake.mended)))
def test_corrections_are_right(mistake: Mistake, tmp_path: Path) -> None:
    path = tmp_path / mistake.file.name
    path.write_bytes(mistake.file.read_bytes())
    broken = getattr(loaded(path), mistake.name)()
    summary = summarized(broken, mistake)
    text = mended(broken, summary.problems, path)
    if mistake.name in UNCERTAIN:
        assert any(problem.unfixed for problem in summary.problems)
    else:
        edits = [edit for problem in summary.problems for edit in problem.edits]
        assert all(problem.edits for problem in summary.problems), problems_text(summary.report)
        assert apply(edits) == {str(path): text.encode()}, "what is shown is what `convlin fix` writes"
    path.write_text(text)

    model = getattr(loaded(path), mistake.name)()
    again = summarized(model, mistake)
    assert again.ok, problems_text(again.report)
    model.eval()(*tensors(mistake))
    assert all(again.required_in_features[name] == number for name, number in summary.required_in_features.items())


@pytest.mark.parametrize("mistake", each(*MISTAKES))
def test_fit(mistake: Mistake) -> None:
    """Layers of the right size where that is all that is wrong; otherwise the list, and nothing is changed."""
    model = built(mistake)
    if all(kind in SIZES for kind in {one.kind for one in mistake.wrong}) and mistake.name not in UNFIT:
        wrong = tuple(one.path for one in mistake.wrong)
        kept = {name: module for name, module in model.named_modules() if not name or not name.startswith(wrong)}
        assert fitted(model, mistake) is model
        assert summarized(model, mistake).ok
        assert all(model.get_submodule(name) is module for name, module in kept.items())
        model.eval()(*tensors(mistake))
        return
    before = snapshot(model)
    with pytest.raises(ShapeError) as caught:
        fitted(model, mistake)
    assert difference(before, snapshot(model)) == []
    said = " ".join(str(caught.value).split())
    for one in mistake.wrong:
        assert all(text in said for text in one.says)


@pytest.mark.parametrize("mistake", each(*(mistake for mistake in MISTAKES if mistake.wrong[-1].kind == "too_small")))
def test_smallest_input_is_proved(mistake: Mistake) -> None:
    """Plain PyTorch runs at the required size, and not with one pixel less on any axis."""
    required = mistake.wrong[-1].required
    model = built(mistake)
    channels = next(module.in_channels for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd))
    model(torch.zeros(2, channels, *required))
    for axis in range(len(required)):
        smaller = list(required)
        smaller[axis] -= 1
        with pytest.raises(RuntimeError):
            model(torch.zeros(2, channels, *smaller))


# What is seldom met ---------------------------------------------------------------------------------------------------


class Rare(NamedTuple):
    """Layers and a forward, and what must be said about them."""

    layers: str
    forward: str
    given: tuple[int, ...]
    says: str
    fix: str | None
    """The ``fix``; ``{}`` for a line that makes the model right."""


RARE: dict[str, Rare] = {
    "one direction of two": Rare(
        "self.lstm = nn.LSTM(4, 8, batch_first=True, bidirectional=True)\nself.fc = nn.Linear(16, 2)",
        "_, (h, _) = self.lstm(x)\nreturn self.fc(h[-1])", (5, 4),
        "lstm is bidirectional, and h_n holds its directions apart: torch.cat((h[-2], h[-1]), dim=1)", "{}",
    ),
    "a number of neither direction": Rare(
        "self.lstm = nn.LSTM(4, 8, batch_first=True, bidirectional=True)\nself.fc = nn.Linear(20, 2)",
        "_, (h, _) = self.lstm(x)\nreturn self.fc(h[-1])", (5, 4), "8 is the last axis of 2×8", "{}",
    ),
    "channels and groups": Rare(
        "self.conv = nn.Conv2d(3, 6, 3)\nself.norm = nn.GroupNorm(4, 8)", "return self.norm(self.conv(x))", (3, 8, 8),
        "6 cannot be divided into 4 groups, but into 3", "self.norm = nn.GroupNorm(3, 6)",
    ),
    "features and heads": Rare(
        "self.attend = nn.MultiheadAttention(8, 4, batch_first=True)", "return self.attend(x, x, x)[0]", (5, 6),
        "6 cannot be divided into 4 heads, but into 3", "self.attend = nn.MultiheadAttention(6, 3, batch_first=True)",
    ),
    "an index below zero": Rare(
        "self.words = nn.Embedding(8, 4)", "return self.words(x.long() - 1)", (3,),
        "a negative index reaches Embedding(8, 4), which has the indices 0 to 7", None,
    ),
    "a packed sequence": Rare(
        "self.lstm = nn.LSTM(4, 8, batch_first=True)\nself.fc = nn.Linear(8, 2)",
        "x = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True)\n"
        "x, _ = self.lstm(x)\nreturn self.fc(x)", (5, 4),
        "a PackedSequence reaches Linear(in_features=8, out_features=2), which takes a tensor",
        "x, lengths = nn.utils.rnn.pad_packed_sequence(x, batch_first=True) in front of this line",
    ),
    "an array": Rare(
        "self.fc = nn.Linear(4, 2)", "return self.fc(x.numpy())", (4,), "a numpy array reaches Linear",
        "x = torch.as_tensor(x)",
    ),
    "images without channels": Rare(
        "self.conv = nn.Conv2d(3, 8, 3)", "return self.conv(x)", (8, 8),
        "Conv2d(3, 8, …) takes N×C×H×W, and 2×8×8 has no channel dimension C", "summarize(model, (3, 8, 8))",
    ),
    "rows without a number": Rare(
        "self.conv = nn.Conv2d(3, 8, 3)", "return self.conv(x)", (8,),
        "got 2: 2×8 a dimension for the channels and one for the image's rows are missing", None,
    ),
    "a flat tensor and an instance norm": Rare(
        "self.norm = nn.InstanceNorm2d(8, affine=True)", "return self.norm(x.flatten(1))", (8, 4, 4),
        "InstanceNorm2d(8, …) expects 4 dimensions (N×C×H×W), got 2: 2×128", None,
    ),
    "an image and an LSTM": Rare(
        "self.lstm = nn.LSTM(6, 8)", "return self.lstm(x)[0]", (3, 6, 6),
        "LSTM(6, 8) expects 3 dimensions, got 4: 2×3×6×6", None,
    ),
    "a sequence and a cell": Rare(
        "self.cell = nn.GRUCell(8, 8)", "return self.cell(x)", (3, 8),
        "GRUCell(8, 8) expects 2 dimensions, got 3: 2×3×8", None,
    ),
    "a Linear over channels": Rare(
        "self.conv = nn.Conv1d(3, 8, 3)\nself.fc = nn.Linear(8, 10)", "return self.fc(self.conv(x))", (3, 8),
        "x.mean(2), or at every step x.transpose(1, 2), has the 8 that were declared", "{}",
    ),
    "a Sequential without Flatten": Rare(
        "self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(288, 10))", "return self.net(x)", (3, 8, 8),
        "a 4-D tensor, 2×8×6×6, reaches Linear(in_features=288, out_features=10): flatten it first", "{}",
    ),
    "joined with another rank": Rare(
        "", "return torch.cat([x, x, x[..., None]])", (4,), "torch.cat cannot join 2×4 (the input) and 2×4", None,
    ),
    "joined along an axis": Rare(
        "", "return torch.concatenate([x, x[:, :2]], axis=0)", (4,), "they differ in dimension 1: 4 and 2", None,
    ),
    "a weight made on the way": Rare(
        "", "return F.linear(x, torch.ones(3, 7))", (4,),
        "F.linear cannot combine 2×4 (the input) and 3×7 4 meets 7: these two must be equal", None,
    ),
    "a reshape by names": Rare(
        "", "return torch.reshape(input=x, shape=(3, 5))", (4,),
        "reshape(3, 5) cannot take 2×4 one sample has 4 elements, not 5", "x = x.flatten(1)",
    ),
    "an unflatten by names": Rare(
        "", "return torch.unflatten(input=x, dim=1, sizes=(5, 2))", (4,),
        "torch.unflatten: 5·2 = 10, and dimension 1 of 2×4 has 4", None,
    ),
    "an unflatten of no dimension": Rare(
        "", "return x.unflatten(2, (5, 2))", (4,), "PyTorch says: Dimension out of range", None,
    ),
}  # fmt: skip

_NET = """import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
{layers}

    def forward(self, x):
{forward}
"""


@pytest.mark.parametrize("name", RARE)
def test_rare_mistake(name: str, tmp_path: Path) -> None:
    layers, forward, given, says, fix = RARE[name]
    path = tmp_path / "net.py"
    lines = {"layers": textwrap.indent(layers, " " * 8), "forward": textwrap.indent(forward, " " * 8)}
    path.write_text(_NET.format(**lines), encoding="utf-8")
    model, x = loaded(path).Net(), torch.zeros(2, *given)
    with pytest.raises(Exception):  # noqa: B017, PT011  # that PyTorch refuses it, in whatever way
        model(x)
    summary = summarize(model, given, batch_size=2)
    told = problems_text(summary.report)
    problem = summary.problems[0]
    assert says in " ".join(problem.message.split()), told
    source: list[str | None] = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(one.fix not in source for one in summary.problems), told
    if fix != "{}":
        assert problem.fix == fix, told
        return
    path.write_text(mended(model, summary.problems, path), encoding="utf-8")
    loaded(path).Net()(x)


@pytest.mark.parametrize("call", ["torch.cat([])", "torch.stack(())", "torch.cat([x, 3])", "x.unflatten(1, 5)"])
def test_what_torch_refuses_by_itself_is_said_in_its_words(call: str) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return eval(call, {"torch": torch, "x": x})

    with pytest.raises(Exception) as plain:  # noqa: PT011  # whatever PyTorch raises
        Net()(torch.zeros(1, 4))
    try:
        said = summarize(Net(), (4,)).problems[0].message
    except type(plain.value) as error:
        said = str(error)
    assert " ".join(str(plain.value).split()) in " ".join(said.split())


# What is no mistake ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", INNOCENT, ids=lambda case: case.build.__name__)
def test_no_false_alarm(case: Innocent) -> None:
    given = case.given if isinstance(case.given, list) else [case.given]
    tensors_given = are_tensors(case.given)
    for batch in (1, 2, 3):
        torch.manual_seed(0)
        given_too: dict[str, Any] = {} if tensors_given else {"batch_size": batch}
        summary = summarize(case.build(), case.given, **given_too)
        assert summary.ok, problems_text(summary.report)
        # By their dtype: a model that starts with an embedding is given integers.
        dtype = getattr(torch, summary.report.inputs[0].dtype)
        model = case.build()
        with watch(model) as watched:
            model(*(value if tensors_given else torch.zeros(batch, *value, dtype=dtype) for value in given))
        assert watched.ok, problems_text(watched.report)


def test_fit_divides_into_as_many_groups_and_heads_as_it_can() -> None:
    model = nn.Sequential(
        nn.Conv2d(8, 10, 3, groups=2, padding=1), nn.GroupNorm(4, 20), nn.Flatten(2),
        nn.TransformerEncoderLayer(15, 5, 8, batch_first=True),
    )  # fmt: skip
    assert fit(model, (5, 4, 4)) is model
    conv, norm, _, block = model
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.GroupNorm)
    assert isinstance(block, nn.TransformerEncoderLayer)
    assert (conv.in_channels, conv.groups, norm.num_channels, norm.num_groups) == (5, 1, 10, 2)
    assert (block.self_attn.embed_dim, block.self_attn.num_heads) == (16, 4)
    assert model(torch.zeros(1, 5, 4, 4)).shape == (1, 10, 16)


def test_of_several_tensors_the_one_that_does_not_fit_is_told() -> None:
    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(4, 9)
            self.join = nn.Bilinear(6, 8, 3)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.join(x, self.embed(y))

    (problem,) = summarize(Scores(), [(6,), (4,)]).problems
    assert problem.message.splitlines()[1] == "1×9 is the output of embed"

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, kdim=8, vdim=8, batch_first=True)

        def forward(self, x: Tensor, memory: Tensor) -> Tensor:
            mask = torch.zeros(memory.shape[:2], dtype=torch.bool)
            return self.attention(x, key_padding_mask=mask, value=memory, key=memory[..., :8])[0]

    (problem,) = summarize(Attends(), [(5, 12), (7, 10)]).problems
    assert (problem.kind, problem.message.splitlines()[1]) == ("vdim", "1×7×10 is the input")


def test_behind_an_embedding_the_features_come_last() -> None:
    class TextCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(100, 50)
            self.convs = nn.ModuleList([nn.Conv1d(50, 16, size) for size in (3, 4, 5)])

        def forward(self, x: Tensor) -> Tensor:
            x = self.words(x)
            return torch.cat([conv(x).amax(2) for conv in self.convs], 1)

    problems = summarize(TextCNN(), torch.zeros(2, 20, dtype=torch.long)).problems
    fix = "return torch.cat([conv(x.permute(0, 2, 1)).amax(2) for conv in self.convs], 1)"
    assert [problem.fix for problem in problems] == [fix] * 3
    # A feature map whose size happens to be the number is one still.
    (problem,) = summarize(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(8, 4, 3)), (3, 8, 8)).problems
    assert (problem.changes, problem.required) == ({"in_channels": "16"}, 16)


def test_an_image_that_the_next_layer_takes_tells_that_the_linear_is_wrong() -> None:
    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(100, 256 * 7 * 7)
            self.up = nn.ConvTranspose2d(128, 1, 4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.up(self.fc(x).view(-1, 128, 7, 7))

    (problem,) = summarize(Generator(), (100,), batch_size=3).problems
    assert (problem.kind, problem.fix) == ("batch", None)
    (in_letters,) = summarize(Generator(), (100,), batch_size="N").problems
    assert (in_letters.kind, in_letters.required) == ("batch", 12544)
    assert problem.message.splitlines() == [
        "view(-1, 128, 7, 7) makes 6×128×7×7 of 3×12544: the batch went from 3 to 6",
        "one sample has 12544 elements, not 128·7·7 = 6272",
        "either fc gives 6272, or the sizes multiply to 12544",
    ]


def test_patches_of_an_image_are_no_lost_batch() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.conv = nn.Linear(8, 48), nn.Conv2d(3, 5, 3)

        def forward(self, x: Tensor) -> Tensor:
            patches = self.conv(self.fc(x).view(-1, 3, 4, 4))
            return patches.view(x.size(0), -1)

    assert summarize(Patches(), (8,), batch_size=2).ok
    assert summarize(nn.Sequential(nn.Linear(8, 48), nn.Unflatten(1, (3, 4, 4))), (8,), batch_size=2).ok


def test_samples_that_were_joined_in_place_of_channels() -> None:
    class Joined(nn.Module):
        def __init__(self, last: nn.Module) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), last

        def forward(self, x: Tensor) -> Tensor:
            arms = self.first(x), self.second(x)
            return self.last(torch.cat([arm.mean((2, 3)) if isinstance(self.last, nn.Linear) else arm for arm in arms]))

    for last in (nn.Conv2d(16, 4, 1), nn.Linear(16, 4)):
        (problem,) = summarize(Joined(last), (3, 5, 5), batch_size=2).problems
        assert "joined the samples, 4×8" in problem.message
        assert " ".join(problem.message.split()).endswith("along dim=1 it gives 8 + 8 = 16")
        assert problem.fix is not None
        assert problem.fix.endswith("else arm for arm in arms], dim=1))")
        make: Any = type(last)
        (other,) = summarize(Joined(make(17, 4, *(1,) * (last.weight.dim() // 4))), (3, 5, 5)).problems
        assert "joined the samples: along dim=1 it gives 8 + 8 = 16" in " ".join(other.message.split())
        assert not other.edits  # 8 and 16 are both possible


def test_scores_may_be_flattened_with_their_batch() -> None:
    assert summarize(nn.Sequential(nn.Linear(8, 1), nn.Flatten(0)), (8,), batch_size=3).ok


# Lines that may not stand where they are told -------------------------------------------------------------------------


class InLoop(nn.Module):
    """Only the first of the layers that the line calls needs a dimension more."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = torch.relu(conv(x))
        return x


class NormsInLoop(nn.Module):
    """Each of the layers that the line calls needs the axes in another order, and its result back."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm1d(6), nn.BatchNorm1d(6)])

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = norm(x) + 1
        return x


class NormInSequential(nn.Module):
    """Between two layers of a container no line can be written."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 6), nn.BatchNorm1d(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_a_corrected_line_may_stand_where_it_is_told(tmp_path: Path) -> None:
    problems = summarize(NormsInLoop(), torch.zeros(2, 5, 6)).problems
    assert [problem.fix for problem in problems] == ["x = norm(x.permute(0, 2, 1)).permute(0, 2, 1) + 1"] * 2
    path = tmp_path / "copy.py"
    path.write_bytes(Path(__file__).read_bytes())
    path.write_text(mended(NormsInLoop(), problems, path))
    assert loaded(path).NormsInLoop().eval()(torch.zeros(2, 5, 6)).shape == (2, 5, 6)

    (problem,) = summarize(InLoop(), (28, 28)).problems
    line = next(number for number, text in enumerate(inspect.getsourcelines(InLoop)[0]) if "for conv" in text)
    line += inspect.getsourcelines(InLoop)[1]
    assert problem.fix == f"x = x.unsqueeze(1) in front of the loop at line {line}"
    InLoop()(torch.zeros(1, 28, 28).unsqueeze(1))

    (problem,) = summarize(NormInSequential(), (5, 12), batch_size=3).problems
    assert (problem.fix, problem.changes) == (None, {})


def test_nothing_is_claimed_of_other_inputs_behind_a_mistake() -> None:
    """A range of inputs is one of the model as it is."""

    class Net(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, 8, 3)
            self.fc = nn.Linear(8 * 30 * 30, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv(x).flatten(1))

    (alone,) = summarize(Net(3), (3, 20, 20)).problems
    assert "is right for an input of 32×32" in alone.message
    Net(3)(torch.zeros(1, 3, 32, 32))
    _, behind = summarize(Net(20), (3, 20, 20)).problems
    assert behind.kind == "in_features"
    assert "is right for" not in behind.message
    with pytest.raises(RuntimeError):
        Net(20)(torch.zeros(1, 3, 32, 32))


def test_of_an_input_that_passes_the_model_was_run_with_it() -> None:
    class Net(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.down, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
            self.fc = nn.Linear(features, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc((x + self.up(self.down(x))).mean((2, 3)))

    assert "inputs of 8×8 and 10×10 work: multiples of 2" in summarize(Net(3), (3, 9, 9)).problems[0].message
    Net(3)(torch.zeros(1, 3, 8, 8))
    first, _ = summarize(Net(4), (3, 9, 9)).problems
    assert "with inputs of 8×8 and 10×10 they go together: multiples of 2" in first.message
    with pytest.raises(RuntimeError):
        Net(4)(torch.zeros(1, 3, 8, 8))
