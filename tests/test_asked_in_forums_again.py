"""More kinds of questions that people ask: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from convlin import summarize
from convlin.records import Evidence
from convlin.source import apply, locate
from tests.source_programs import load_file

# A view that makes other rows of the samples, and one that asks for the samples again -------------------------------

STEPS = """\
import torch
from torch import nn


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 12, 5), nn.Linear(40, 10)
        self.rnn, self.out = nn.GRU(10, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x):
        batch = x.size(0)
        x = torch.relu(self.conv(x))
        x = x.view(-1, 40)
        x = self.fc(x)
        x = x.view(batch, -1, 10)
        return self.out(self.rnn(x)[0][:, -1])
"""


@pytest.mark.parametrize("asked", ["batch, -1", "30, -1", "batch, 1"])
def test_a_view_whose_rows_cannot_become_the_batch_again(asked: str, tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)  # 30 samples of 12·20: 180 rows of 40
    path.write_text(STEPS.replace("batch, -1", asked).replace("Conv1d(2, 12, 5)", "Conv1d(2, 9, 5)"))
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        load_file(path).Steps()(x)
    problems = summarize(load_file(path).Steps(), x).problems
    assert [(each.kind, each.path, each.required) for each in problems] == [
        ("batch", "", 180),
        ("in_features", "fc", 180),
    ]
    assert "view(-1, 40) makes 135×40 of 30×9×20: the batch went from 30 to 135" in problems[0].message
    assert all(each.evidence is Evidence.RUN for each in problems)
    (fixed,) = apply([edit for each in problems for edit in each.edits]).values()
    path.write_bytes(fixed)
    assert load_file(path).Steps()(x).shape == (30, 3)


def test_rows_that_become_the_batch_again_are_no_mistake(tmp_path: Path) -> None:
    path, x = tmp_path / "steps.py", torch.rand(30, 2, 24)
    path.write_text(STEPS)
    assert load_file(path).Steps()(x).shape == (30, 3)
    assert summarize(load_file(path).Steps(), x).ok


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [
        ((6, 8), (4, -1, 8), "it has 6·8 = 48 elements, no multiple of 4·8 = 32"),
        ((6, 8), (5, 2, 4), "it has 6·8 = 48 elements, not 5·2·4 = 40"),
    ],
)
def test_a_view_into_another_number_of_rows(given: tuple[int, ...], sizes: tuple[int, ...], said: str) -> None:
    class View(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(given).view(*sizes) + x.sum()

    with pytest.raises(RuntimeError):
        torch.zeros(given).view(*sizes)
    report = summarize(View(), (3,))
    assert said in report.problems[0].message
    assert "one sample has" not in str(report)


# Attention written by hand ------------------------------------------------------------------------------------------

HEADS = """\
import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.q, self.k = nn.Linear(self.size, self.size), nn.Linear(self.size, self.size)
        self.back = nn.Linear(width, 6)

    def split(self, x):
        return x.reshape(x.size(0), x.size(1), self.heads, self.size)

    def forward(self, one, other):
        q = SPLIT(self.q(one))
        k = SPLIT(self.k(other))
        weights = torch.einsum("nqhd,nkhd->nhqk", q, k).softmax(-1)
        made = torch.einsum("nhqk,nkhd->nqhd", weights, k)
        return self.back(made.flatten(2))
"""


@pytest.mark.parametrize("split", ["", "self.split"])
def test_heads_that_are_not_split(split: str, tmp_path: Path) -> None:
    path, given = tmp_path / "heads.py", (torch.rand(2, 5, 12), torch.rand(2, 7, 12))
    path.write_text(HEADS.replace("SPLIT", split))
    with pytest.raises(RuntimeError):
        load_file(path).Heads(12, 3)(*given)
    problems = summarize(load_file(path).Heads(12, 3), list(given)).problems
    assert [(each.path, each.kind, each.required) for each in problems] == [
        ("q", "structure", 12),
        ("k", "structure", 12),
    ]
    text = path.read_text()
    for problem in problems:
        assert "12 = 3·4, and heads=3: the heads are not split" in " ".join(problem.message.split())
        assert problem.fix is not None
        assert problem.where is not None
        lines = text.splitlines()
        lines[problem.where.line - 1] = f"        {problem.fix}"
        text = "\n".join(lines)
    path.write_text(text)
    assert load_file(path).Heads(12, 3)(*given).shape == (2, 5, 6)
    if split:  # the other reading that is told
        assert "all heads at once: in_features=12 and out_features=12" in " ".join(problems[0].message.split())
        path.write_text(HEADS.replace("SPLIT", split))
        model = load_file(path).Heads(12, 3)
        model.q, model.k = nn.Linear(12, 12), nn.Linear(12, 12)
        assert model(*given).shape == (2, 5, 6)


def test_a_layer_behind_the_heads_takes_all_of_them(tmp_path: Path) -> None:
    path, given = tmp_path / "heads.py", [torch.rand(2, 5, 12), torch.rand(2, 7, 12)]
    text = HEADS.replace("SPLIT(self.q(one))", "self.q(self.split(one))")
    path.write_text(text.replace("SPLIT(self.k(other))", "self.k(self.split(other))").replace("(width, 6)", "(4, 6)"))
    (problem,) = summarize(load_file(path).Heads(12, 3), given).problems
    assert (problem.path, problem.kind, problem.required) == ("back", "in_features", 12)
    assert "split" not in problem.message
    model = load_file(path).Heads(12, 3)
    model.back = nn.Linear(12, 6)
    assert model(*given).shape == (2, 5, 6)


# Frames of a video that stay in the batch ---------------------------------------------------------------------------

FRAMES = """\
import torch
from torch import nn


class Frames(nn.Module):
    def __init__(self, size=54):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 6, 3), nn.AdaptiveAvgPool2d(3)
        self.rnn, self.out = nn.GRU(size, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x):
        b, t = x.shape[:2]
        f = self.pool(self.conv(FOLD))
        f = VIEW
        made = self.rnn(f)[0]
        return self.out(made[:, -1])
"""


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("fold", ["x.flatten(0, 1)", "x.reshape(b * t, *x.shape[2:])"])
@pytest.mark.parametrize("view", ["f.view(f.size(0), f.size(1), -1)", "f.flatten(2)", "f"])
def test_frames_that_are_not_taken_out_of_the_batch(view: str, fold: str, batch: int, tmp_path: Path) -> None:
    path, x = tmp_path / "frames.py", torch.rand(batch, 7, 2, 9, 9)
    path.write_text(FRAMES.replace("FOLD", fold).replace("VIEW", view))
    with pytest.raises((RuntimeError, ValueError)):
        load_file(path).Frames()(x)
    (problem,) = summarize(load_file(path).Frames(), x).problems
    assert (problem.path, problem.kind, problem.evidence) == ("rnn", "structure", Evidence.RUN)
    assert f"view(batch, 7, -1){' in its place' if view != 'f' else ''} gives {batch}×7×54" in " ".join(
        problem.message.split()
    )
    (fixed,) = apply(problem.edits).values()
    path.write_bytes(fixed)
    assert load_file(path).Frames()(x).shape == (batch, 4)
    path.write_text(FRAMES.replace("FOLD", fold).replace("VIEW", "f.view(b, 7, -1)"))
    assert load_file(path).Frames()(x).shape == (batch, 4)


def test_frames_that_are_not_taken_out_of_the_batch_and_another_size(tmp_path: Path) -> None:
    path, x = tmp_path / "frames.py", torch.rand(3, 7, 2, 9, 9)
    path.write_text(FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.flatten(2)"))
    (problem,) = summarize(load_file(path).Frames(20), x).problems
    assert "gives 3×7×54, and the layer needs input_size=54" in " ".join(problem.message.split())
    assert not problem.edits
    path.write_text(FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.view(b, 7, -1)"))
    assert load_file(path).Frames(54)(x).shape == (3, 4)


def test_rows_of_each_frame_as_its_steps(tmp_path: Path) -> None:
    """The samples come back behind the layer: what it takes is one frame at a time."""
    path, x = tmp_path / "frames.py", torch.rand(3, 7, 2, 9, 9)
    text = FRAMES.replace("FOLD", "x.flatten(0, 1)").replace("VIEW", "f.flatten(2)")
    path.write_text(text.replace("made[:, -1]", "made.mean(1).view(b, t, -1).mean(1)"))
    (problem,) = summarize(load_file(path).Frames(20), x).problems
    assert (problem.path, problem.kind, problem.required) == ("rnn", "input_size", 9)
    assert load_file(path).Frames(9)(x).shape == (3, 4)


# Recurrent layers with arguments by position ------------------------------------------------------------------------

LAYER = """\
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = LAYER
"""


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("nn.LSTM(9, 10, 2)", "nn.LSTM(9, 10, 2, batch_first=True)"),
        ("nn.GRU(9, 10, 2, False)", "nn.GRU(9, 10, 2, False, batch_first=True)"),
        ("nn.LSTM(9, 10, 2, True, False, 0.1)", "nn.LSTM(9, 10, 2, True, True, 0.1)"),
        ("nn.RNN(9, 10, 2, nonlinearity='relu')", "nn.RNN(9, 10, 2, nonlinearity='relu', batch_first=True)"),
        ("nn.RNN(9, 10, 2)", "nn.RNN(9, 10, 2, batch_first=True)"),
        ("nn.LSTM(9, 10, 1, True, False, 0., True)", "nn.LSTM(9, 10, 1, True, True, 0., True)"),
    ],
)
def test_a_recurrent_layer_with_arguments_by_position(written: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(LAYER.replace("LAYER", written))
    model = load_file(path).Model()
    site = locate(model, "rnn", (type(model),))
    assert site is not None
    assert site.rewrite({"batch_first": "True"}) == f"self.rnn = {told}"
    path.write_text(LAYER.replace("LAYER", told))
    made = load_file(path).Model().rnn
    assert made.batch_first
    names = ("input_size", "hidden_size", "num_layers", "bias", "dropout", "bidirectional", "mode")
    assert [getattr(made, name) for name in names] == [getattr(model.rnn, name) for name in names]


# Refusals in sizes and names ----------------------------------------------------------------------------------------


class Does(nn.Module):
    """A convolution, and something behind it."""

    def __init__(self, does: Callable[..., Tensor], channels: int = 2) -> None:
        super().__init__()
        self.conv, self.does = nn.Conv2d(channels, 4, 1), does

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self.conv(x))


@pytest.mark.parametrize("axes", [(0, 2, 1), (0, 1, 2, 3, 4)])
def test_a_permute_of_another_number_of_axes(axes: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="permute"):
        torch.zeros(1, 4, 5, 6).permute(axes)
    for written in (lambda x: x.permute(*axes), lambda x: x.permute(axes), lambda x: torch.permute(x, axes)):
        (problem,) = summarize(Does(written), (2, 5, 6)).problems
        said = f"permute names {len(axes)} axes, ({', '.join(map(str, axes))}), and 1×4×5×6 has 4"
        assert said in " ".join(problem.message.split())


class Fixed(nn.Module):
    """A map whose size does not come from the input, and a pool."""

    def __init__(self, size: int, pool: Callable[[Tensor], Tensor], axes: int) -> None:
        super().__init__()
        self.fc, self.pool, self.shape = nn.Linear(3, 2 * size**axes), pool, (-1, 2, *[size] * axes)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.fc(x).view(self.shape))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5},
        {"kernel_size": 6, "padding": 1},
        {"kernel_size": 4, "dilation": 3},
        {"kernel_size": 7, "stride": 2, "ceil_mode": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("as_function", [False, True])
def test_a_pool_that_is_larger_than_its_map(axes: int, options: dict[str, int], as_function: bool) -> None:
    made = (nn.MaxPool1d, nn.MaxPool2d)[axes - 1](**options)  # type: ignore[arg-type]
    function: Any = (F.max_pool1d, F.max_pool2d)[axes - 1]
    pool = (lambda x: function(x, **options)) if as_function else made
    problem = summarize(Fixed(2, pool, axes), (3,)).problems[0]
    found = re.search(r"is 2, but must be at least (\d+)", problem.message)
    assert found is not None
    least = int(found[1])
    function(torch.zeros(1, 2, *[least] * axes), **options)
    with pytest.raises(RuntimeError):
        function(torch.zeros(1, 2, *[least - 1] * axes), **options)


class Text(nn.Module):
    """Words, or their vectors, under kernels of several lengths."""

    def __init__(self, lengths: tuple[int, ...], pool: int = 0) -> None:
        super().__init__()
        self.words, self.pool = nn.Embedding(30, 6), pool
        self.convs = nn.ModuleList([nn.Conv2d(1, 4, (length, 6)) for length in lengths])
        self.fc = nn.Linear(4 * len(lengths), 2)

    def forward(self, x: Tensor) -> Tensor:
        vectors = self.words(x) if not x.is_floating_point() else x
        maps = [conv(vectors.unsqueeze(1)).squeeze(3) for conv in self.convs]
        return self.fc(torch.cat([F.max_pool1d(each, self.pool or each.size(2))[:, :, 0] for each in maps], 1))


@pytest.mark.parametrize(("lengths", "pool"), [((2, 4, 5), 0), ((3,), 0), ((2,), 7), ((4, 2), 3)])
@pytest.mark.parametrize("words", [True, False])
def test_the_smallest_text(lengths: tuple[int, ...], pool: int, words: bool) -> None:
    def given(length: int) -> Tensor:
        return torch.randint(30, (2, length)) if words else torch.rand(2, length, 6)

    model = Text(lengths, pool)
    (problem,) = summarize(model, given(2)).problems
    found = re.search(r"the smallest input that works is (\d+)", problem.message)
    assert found is not None
    model(given(int(found[1])))
    with pytest.raises(RuntimeError):
        model(given(int(found[1]) - 1))


class Unpools(nn.Module):
    def __init__(self, which: int, first: str = "x") -> None:
        super().__init__()
        self.which, self.first = which, first
        self.pool, self.back, self.more = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, one = self.pool(x)
        x, two = self.pool(self.more(x))
        which = (one, two)[self.which]
        return self.back(x, which) if self.first == "x" else self.back(which, x)


def test_indices_in_the_place_of_the_tensor() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        Unpools(1, "indices")(torch.rand(1, 2, 8, 8))
    (problem,) = summarize(Unpools(1, "indices"), (2, 8, 8)).problems
    assert "takes the tensor first and its indices second: here the indices come first" in " ".join(
        problem.message.split()
    )
    Unpools(1)(torch.rand(1, 2, 8, 8))


def test_the_indices_of_another_pool() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        Unpools(0)(torch.rand(1, 2, 8, 8))
    (problem,) = summarize(Unpools(0), (2, 8, 8)).problems
    told = " ".join(problem.message.split())
    assert "the indices of pool, given 1×2×8×8; those that go with 1×4×2×2 are of pool, given 1×4×4×4" in told
    Unpools(1)(torch.rand(1, 2, 8, 8))


class Packs(nn.Module):
    def __init__(self, **options: bool) -> None:
        super().__init__()
        self.rnn, self.options = nn.GRU(3, 4), options

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((x.size(0),), x.size(1))
        return self.rnn(pack_padded_sequence(x, lengths, **self.options))[1][-1]


def test_sequences_packed_as_if_time_were_first() -> None:
    x = torch.rand(4, 6, 3)
    with pytest.raises(RuntimeError, match="lengths"):
        Packs()(x)
    (problem,) = summarize(Packs(), x).problems
    assert "of 4×6×3 it reads 6 as the batch with batch_first=True the batch is 4" in " ".join(problem.message.split())
    assert Packs(batch_first=True)(x).shape == (4, 4)


class Multiplies(nn.Module):
    def __init__(self, axis: int | None = None) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        if self.axis is not None:
            one, other = (each.unsqueeze(self.axis) if each.dim() == 2 else each for each in (one, other))
        return torch.bmm(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [((4, 6, 3), (4, 3)), ((4, 6), (4, 6, 3)), ((4, 6), (4, 1, 3)), ((5, 6), (1, 6, 3))]
)
def test_a_matrix_for_a_product_of_batches(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    given = [torch.rand(one), torch.rand(other)]
    with pytest.raises(RuntimeError, match="3D"):
        Multiplies()(*given)
    (problem,) = summarize(Multiplies(), given).problems
    found = re.search(r"unsqueeze\((\d)\) makes", problem.message)
    assert found is not None
    Multiplies(int(found[1]))(*given)


@pytest.mark.parametrize(("one", "other"), [((4, 6), (6, 4)), ((4, 6), (5, 7, 3)), ((1, 6), (1, 6, 3))])
def test_where_no_one_place_makes_them_go_together_none_is_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    (problem,) = summarize(Multiplies(), [torch.rand(one), torch.rand(other)]).problems
    assert "bmm takes tensors of 3 dimensions alone" in problem.message
    assert "unsqueeze" not in problem.message
    assert "transpose" not in problem.message


# Other inputs -------------------------------------------------------------------------------------------------------


class Squeezes(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 3, 3, 4, 1), nn.MaxPool2d((5, 1))
        self.fc = nn.Linear(features, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)).squeeze())


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("given", [True, False])
def test_an_input_of_another_rank_at_the_layer_is_not_told(batch: int, given: bool) -> None:
    reached: list[int] = []
    model = Squeezes(64)
    hook = model.fc.register_forward_pre_hook(lambda module, args: reached.append(args[0].dim()))
    model(torch.rand(4, 1, 20, 256))  # the width has the number, and stands where the channels were
    with pytest.raises(RuntimeError):
        model(torch.rand(4, 1, 20, 4))
    assert reached == [3, 2]
    hook.remove()
    told = summarize(model, torch.rand(batch, 1, 20, 4)) if given else summarize(model, (1, 20, 4), batch_size=batch)
    (problem,) = told.problems
    assert (problem.kind, problem.required) == ("in_features", 3)
    assert "right for" not in problem.message


# A number that is passed on -----------------------------------------------------------------------------------------

PASSED = """\
from torch import nn


class Coder(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.down, self.up = nn.Linear(features, hidden), nn.Linear(hidden, features)

    def forward(self, x):
        return self.up(self.down(x))


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3)
        self.coder = Coder(
            16,
            5,
        )

    def forward(self, x):
        return self.coder(self.conv(x).flatten(1))
"""


def test_the_line_that_gives_a_number_used_elsewhere_too(tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    path.write_text(PASSED)
    with pytest.raises(RuntimeError):
        load_file(path).Whole()(x)
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert (problem.path, problem.required, problem.edits) == ("coder.down", 21, ())
    found = re.search(r"features is given at \S*passed.py:(\d+)", " ".join(problem.message.split()))
    assert found is not None
    lines = PASSED.splitlines()
    lines[int(found[1]) - 1] = lines[int(found[1]) - 1].replace("16", "21")
    path.write_text("\n".join(lines))
    assert load_file(path).Whole()(x).shape == (2, 21)


@pytest.mark.parametrize("written", ["", "features = features + 0", "make = lambda features: features"])
def test_the_call_that_gives_a_number_which_it_was_given(written: str, tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    body = f"    {written}\n        " if written else ""
    text = PASSED.replace("            16,", "            size,").replace("__init__(self):", "__init__(self, size=16):")
    path.write_text(text.replace("    self.down, self.up", f"{body or '    '}self.down, self.up"))
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert (problem.path, problem.required, problem.edits) == ("coder.down", 21, ())
    found = re.search(r"features is given at \S*passed.py:(\d+)", " ".join(problem.message.split()))
    assert (found is None) == (written.startswith("features = "))  # there it is another number
    if found is None:
        return
    lines = path.read_text().splitlines()
    at = int(found[1]) - 1
    assert "Coder(" in lines[at]
    lines[at + 1] = lines[at + 1].replace("size", "21")
    path.write_text("\n".join(lines))
    assert load_file(path).Whole()(x).shape == (2, 21)


def test_a_number_of_the_same_constructor_is_not_told_so(tmp_path: Path) -> None:
    path, x = tmp_path / "passed.py", torch.rand(2, 2, 9)
    path.write_text(PASSED.replace("        self.down, self.up", "        features = 16\n        self.down, self.up"))
    (problem,) = summarize(load_file(path).Whole(), x).problems
    assert "is given at" not in problem.message
