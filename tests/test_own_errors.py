"""What the user's own code does wrong, or does to what it is given: told as it is, and nothing is left behind."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize, watch
from convlin._util.packages import CONVLIN
from tests.mistakes.mending import loaded, mended
from tests.snapshot import difference, snapshot


class Block(nn.Module):
    """Looks something up that is not there, behind a layer."""

    def __init__(self, look: Any) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 4)})
        self.layers = nn.ModuleList([nn.Linear(4, 4)])
        self.stages = nn.Sequential(nn.Linear(4, 4))
        self.weights = nn.ParameterDict({"a": nn.Parameter(torch.ones(4))})
        self.look = look

    def forward(self, x: Tensor) -> Tensor:
        return self.look(self)(self.fc(x) * self.scale)


@pytest.mark.parametrize(
    "look",
    [
        lambda block: block.nope,
        lambda block: block.heads["b"],
        lambda block: block.layers[3],
        lambda block: block.stages[3],
        lambda block: block.weights["b"],
        lambda block: block.get_submodule("heads.b"),
    ],
)
@pytest.mark.parametrize("watched", [False, True], ids=["given", "watched"])
def test_what_the_users_code_looks_up_leaves_as_it_is(look: Any, watched: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), Block(look))
    with pytest.raises((AttributeError, KeyError, IndexError)) as own:
        model(torch.zeros(1, 4))
    with pytest.raises(type(own.value)) as raised:  # noqa: PT012
        if watched:
            with watch(model):
                model(torch.zeros(1, 4))
        else:
            summarize(model, (4,))
    assert str(raised.value) == str(own.value)
    (note,) = raised.value.__notes__
    assert ("the pass stopped here" if watched else "raised here") in note
    assert "PyTorch says" not in note


class Writes(nn.Module):
    """Counts up what it is given, and looks that up."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor, seen: list[int] | None = None) -> Tensor:
        x += 5
        if seen is not None:
            seen.append(seen.pop(0))
        return self.fc(self.words(x))


def test_every_pass_sees_what_the_caller_gave() -> None:
    for x in torch.zeros(1, 3, dtype=torch.long), torch.zeros(2, 40000, dtype=torch.long)[:, ::2]:
        seen, version = [1, 2], x._version
        problems = summarize(Writes(), [x, seen]).problems
        assert [problem.kind for problem in problems] == ["in_features"]  # several passes, each from 0 to 5
        assert not x.any()
        assert (x._version, seen) == (version, [1, 2])
    y = -torch.ones(1, 5)
    summarize(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2)), y)
    assert (y == -1).all()


class Forces(nn.Module):
    """The gradient of an energy."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden, self.energy = nn.Linear(3, 8), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x.requires_grad_(True)
        energy = self.energy(torch.tanh(self.hidden(x))).sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]


class Learns(nn.Module):
    """Goes a step of gradient descent inside, as far as the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.fc(x).sum().backward()
        return self.fc(x)


def test_gradients_taken_in_forward() -> None:
    model, x = Forces(8), torch.zeros(5, 3)
    for given in x, (3,):
        before = snapshot(model)
        summary = summarize(model, given)
        assert summary.ok
        assert summary.output_shape == (len(given) if given is x else 1, 3)
        assert difference(before, snapshot(model)) == []
    assert not x.requires_grad
    assert [problem.required for problem in summarize(Forces(9), (3,)).problems] == [8]


def test_of_a_backward_pass_in_forward_nothing_stays() -> None:
    model = Learns()
    model(torch.ones(2, 3))
    kept = model.fc.weight.grad
    assert kept is not None
    values = kept.clone()
    before = snapshot(model)
    assert summarize(model, (3,)).ok
    assert difference(before, snapshot(model)) == []
    assert model.fc.weight.grad is kept
    assert torch.equal(kept, values)


def test_numbers_beside_tensors_are_passed_as_they_are() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 4, batch_first=True)

        def forward(self, x: Tensor, lengths: list[int]) -> Any:
            return self.rnn(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))[1]

    x = torch.zeros(2, 6, 3)
    assert summarize(Packed(), [x, [6, 4]]).output_shape == tuple(Packed()(x, [6, 4]).shape)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_flags_of_a_scripted_block_stay() -> None:
    block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
    for frozen in range(2):
        scripted = torch.jit.script(block)
        scripted.train()
        list(scripted.children())[frozen].eval()
        model = nn.Sequential(scripted)
        flags = [module.training for module in model.modules()]
        assert len(set(flags)) == 2
        for mode in "eval", "train", "same":
            summarize(model, (4,), mode=mode, batch_size=2)
            assert [module.training for module in model.modules()] == flags


class Uncalled(nn.Module):
    """Layers that are named or made and not called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)
        self.fc = nn.Linear(64, 2)


class Made(Uncalled):
    """A layer made of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = nn.ReLU(x)  # type: ignore[assignment, arg-type]
        x = self.pool(x)
        return self.fc(x.flatten(1))


class MadeInside(Uncalled):
    """The same inside an expression."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(nn.ReLU(self.conv(x))).flatten(1))


class Named(Uncalled):
    """A layer of the model's in place of what it returns."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        for _ in range(1):
            x = self.pool  # type: ignore[assignment]
        return self.conv(x)


class NamedAtOnce(Uncalled):
    """The same without a loop around it."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x)).flatten(1, 2).unsqueeze(1).expand(-1, 3, -1, -1)
        x = self.pool  # type: ignore[assignment]
        return self.conv(x)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Made, "x = nn.ReLU()(x)  # type: ignore[assignment, arg-type]"),
        (MadeInside, "return self.fc(self.pool(nn.ReLU()(self.conv(x))).flatten(1))"),
        (NamedAtOnce, "x = self.pool(x)  # type: ignore[assignment]"),
    ],
)
def test_a_module_that_is_not_called(kind: Any, line: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        kind()(torch.zeros(1, 3, 10, 10))
    (problem,) = summarize(kind(), (3, 10, 10)).problems
    assert problem.message.startswith("a module, ")
    assert problem.fix == line
    path = tmp_path / "copy.py"
    path.write_bytes(Path(__file__).read_bytes())
    path.write_text(mended(kind(), (problem,), path))
    getattr(loaded(path), kind.__name__)()(torch.zeros(1, 3, 10, 10))


def test_of_a_module_in_a_loop_no_line_is_told() -> None:
    (problem,) = summarize(Named(), (3, 10, 10)).problems
    assert "self.pool is the layer itself" in problem.message
    assert problem.fix == "x = self.pool(x)"


def test_a_forward_without_return() -> None:
    class Forgets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(3, 3), nn.Identity())

        def forward(self, x: Tensor) -> None:
            self.layers(x)
            self.layers[1](None)

    summary = summarize(Forgets(), (3,))
    assert "forward returns None: is a return missing?" in str(summary)
    assert summary.report.modules[-1].calls == 2  # a layer that returns None was called nevertheless
    assert "is a return missing" not in str(summarize(nn.Linear(3, 3), (3,)))


class Yields(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        yield self.fc(x)


class Awaits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    async def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


@pytest.mark.parametrize(("model", "said"), [(Yields(), "only when it is iterated"), (Awaits(), "when it is awaited")])
def test_a_forward_whose_code_runs_later(model: Yields | Awaits, said: str) -> None:
    """A plain hook sees no call of the layer either; that nobody awaits is no warning."""
    called = []
    handle = model.fc.register_forward_hook(lambda *given: called.append(given))
    returned = model(torch.zeros(1, 3))
    handle.remove()
    returned.close()
    assert not called
    assert said in str(summarize(model, (3,)))


class Leaks(nn.Module):
    """A regression whose last line makes rows of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).view(-1, 1)


class LeaksImages(nn.Module):
    """Images with channels into a recurrent layer that was written for images without."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.LSTM(28, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x.view(-1, 28, 28))[0][:, -1])


class Squeezes(nn.Module):
    """Right for every batch but one of 1."""

    def __init__(self, squeeze: bool) -> None:
        super().__init__()
        self.conv, self.fc, self.squeeze = nn.Conv2d(1, 8, 5), nn.Linear(8, 10), squeeze

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3), keepdim=True)
        return self.fc(x.squeeze() if self.squeeze else x.flatten(1))


class Words(nn.Module):
    """The rows are the steps of all sentences: meant, and nothing is said."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc = nn.Embedding(20, 8), nn.Linear(8, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.words(x)).view(-1, 20)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (Leaks(), (4,), "the batch went from {batch} to {rows}"),
        (LeaksImages(), (3, 28, 28), "the batch went from {batch} to {rows}"),
        (Squeezes(squeeze=True), (1, 12, 12), "drops the batch of 1, too"),
        (Squeezes(squeeze=False), (1, 12, 12), ""),
        (Words(), (7,), ""),
    ],
)
def test_where_the_batch_is_lost(model: nn.Module, shape: tuple[int, ...], said: str, batch: int) -> None:
    given = torch.zeros(batch, *shape, dtype=torch.long if isinstance(model, Words) else torch.float32)
    made = model(given).shape
    if isinstance(model, Squeezes) and batch > 1:
        said = ""
    assert (made[0] == batch) == (not said) or isinstance(model, Words)
    summary = summarize(model, shape, batch_size=batch)
    assert summary.ok
    told = said.format(batch=batch, rows=made[0])
    assert [told in remark for remark in summary.report.remarks] == [True] * bool(said)


class Recurrent(nn.Module):
    """Words, an LSTM and its last step; ``turned`` where forward itself puts time first."""

    def __init__(self, *, batch_first: bool, turned: bool = False) -> None:
        super().__init__()
        self.words, self.lstm = nn.Embedding(20, 8), nn.LSTM(8, 16, batch_first=batch_first)
        self.turned = turned

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        out, _ = self.lstm(x.transpose(0, 1) if self.turned else x)
        out = out.transpose(0, 1) if self.turned else out
        return out[:, -1]


@pytest.mark.parametrize("batch", [1, 4, 7, "N"])
@pytest.mark.parametrize(
    "model",
    [Recurrent(batch_first=False), Recurrent(batch_first=True), Recurrent(batch_first=False, turned=True)],
    ids=["time first", "batch first", "turned"],
)
def test_a_batch_that_is_read_as_time(model: Recurrent, batch: int | str) -> None:
    words = torch.randint(20, (4, 7))
    others = words.clone()
    others[:3] = (others[:3] + 1) % 20
    with torch.no_grad():
        mixes_samples = not torch.allclose(model(words)[3], model(others)[3])
    summary = summarize(model, ("L" if batch == "N" else 7,), batch_size=batch)
    assert summary.ok
    told = ["without batch_first=True takes time first" in remark for remark in summary.report.remarks]
    # Of 7 times 7 nothing tells whether they were exchanged.
    assert told == ([True] if mixes_samples and batch != 7 else [])
    assert summarize(model, words).report.remarks == ()


def test_attention_that_reads_the_batch_as_time() -> None:
    def made(*, batch_first: bool) -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    (remark,) = summarize(made(batch_first=False), (7, 8), batch_size=4).report.remarks
    assert remark.startswith("layers.0.self_attn: MultiheadAttention without batch_first=True")
    assert summarize(made(batch_first=True), (7, 8), batch_size=4).report.remarks == ()


def test_a_squeeze_is_named_where_a_layer_misses_the_batch() -> None:
    model = nn.Sequential(Squeezes(squeeze=True), nn.BatchNorm1d(10))
    assert summarize(model, (1, 12, 12), batch_size=4).ok
    model[0].fc = nn.Identity()
    model[1] = nn.BatchNorm1d(8)
    (problem,) = summarize(model, (1, 12, 12)).problems
    assert re.search(r"squeeze\(\) at \S*test_own_errors\.py", " ".join(problem.message.split()))
    assert "rows" not in problem.message


class _Refuses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 1:
            raise KeyError("mine")
        made: Tensor = self.fc(x)
        return made


def _own_steps(error: BaseException) -> list[tuple[str, int]]:
    """The functions and lines of this file that an error came through; convlin's are in no step below the first."""
    steps = traceback.extract_tb(error.__traceback__)
    assert not [step.filename for step in steps[1:] if step.filename.startswith(CONVLIN + "trace")]
    return [(step.name, step.lineno or 0) for step in steps if step.filename == __file__][1:]


@pytest.mark.parametrize("shape", [(2, 5), (5,)])
def test_the_traceback_of_an_error_is_that_of_the_plain_call(shape: tuple[int, ...]) -> None:
    net, x = _Refuses(), torch.zeros(shape)
    with pytest.raises((RuntimeError, KeyError)) as plain:
        net(x)
    with pytest.raises(plain.type) as watched, watch(net):
        net(x)
    assert _own_steps(watched.value) == _own_steps(plain.value)
    if len(shape) == 1:
        with pytest.raises(KeyError) as told:
            summarize(net, x)
        assert _own_steps(told.value) == _own_steps(plain.value)
