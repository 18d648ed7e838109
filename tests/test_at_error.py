"""The answer at the error: from real calls whose traceback is all that there is."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin._summary import Summary
from convlin.at_error import answer as answering
from convlin.at_error import second_run
from convlin.at_error.answer import answer, answer_to
from convlin.at_error.module_call import module_call
from tests.source_programs import load


class Net(nn.Module):
    def __init__(self, fc1: int = 999, fc2: int = 77) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.fc1 = nn.Linear(fc1, 20)
        self.fc2 = nn.Linear(fc2, 10)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        x = F.max_pool2d(F.relu_(self.norm(self.conv(x * scale))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def raised(work: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as info:  # noqa: PT011  # each test says which one by what comes out of it
        work()
    return info.value


def summary_at(error: BaseException) -> Summary | None:
    found = answer_to(error)
    return None if found is None else found.summary


def training_step(model: nn.Module, images: Tensor) -> None:
    model(images, scale=2.0).sum().backward()


def test_every_mistake_behind_the_first_one() -> None:
    model = Net()
    summary = summary_at(raised(lambda: training_step(model, torch.randn(4, 3, 16, 16))))
    assert summary is not None
    assert [(each.path, each.declared, each.required) for each in summary.problems] == [
        ("fc1", 999, 512),
        ("fc2", 77, 20),
    ]
    # PyTorch is the judge: with both numbers put in, the same step runs.
    training_step(Net(512, 20), torch.randn(4, 3, 16, 16))
    assert summary.report.mode == "train"
    assert summary.calls[0].input_shape == (4, 3, 16, 16)


def test_model_inputs_and_random_state_stay_as_they_were() -> None:
    model, images = Net(), torch.randn(4, 3, 16, 16)
    error = raised(lambda: model(images))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given, state, training = images.clone(), torch.get_rng_state(), model.training
    assert answer(error)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(images, given)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training == training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(weight.grad is None for weight in model.parameters())


def test_an_input_that_forward_overwrites_keeps_its_values() -> None:
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x.add_(1))

    images = torch.zeros(2, 5)
    error = raised(lambda: Overwrites()(images))
    assert answer(error)
    assert torch.equal(images, torch.ones(2, 5))


def test_the_outermost_module_and_its_callers() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4)))
    call = module_call(raised(lambda: model(torch.zeros(2, 5))))
    assert call is not None
    assert call.outermost.model is model
    assert call.outermost.args[0].shape == (2, 5)
    assert [frame.f_code.co_name for frame in call.callers][-1] == "<lambda>"


class Wraps(nn.Module):
    """Rebinds its input, and calls the ``forward`` of its part by name, as its own is called."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        made: Tensor = self.part.forward(x)
        return made


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_forward_that_is_called_by_name_is_a_call(wraps: bool, is_named: bool) -> None:
    def called(fc1: int, fc2: int) -> Tensor:
        images = torch.randn(4, 3, 16, 16)
        if is_named:
            model = Wraps(Net(fc1, fc2)) if wraps else Net(fc1, fc2)
            made: Tensor = model.forward(images)
        else:
            made = (Wraps(Net(fc1, fc2)) if wraps else Net(fc1, fc2)).forward(images)
        return made

    summary = summary_at(raised(lambda: called(999, 77)))
    assert summary is not None
    before = "part." if wraps else ""
    assert [(each.path, each.required) for each in summary.problems] == [(f"{before}fc1", 512), (f"{before}fc2", 20)]
    assert summary.report.inputs[0].shape == (4, 3, 16, 16)
    called(512, 20)


def test_a_forward_by_name_of_arguments_that_cannot_be_looked_up() -> None:
    error = raised(lambda: Wraps(Net()).forward(torch.randn(4, 3, 16, 16)))
    summary = summary_at(error)
    assert summary is not None
    assert [(each.path, each.required) for each in summary.problems] == [("", 512)]  # the layer itself was called


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4))

    def forward(self, x: Tensor, *others: Tensor, scale: int = 1, **more: int) -> Tensor:
        return (x + sum(others)) @ self.weight * scale * more["times"]


def test_a_forward_by_name_without_a_layer_in_it() -> None:
    def called(features: int) -> None:
        x = torch.zeros(2, features)
        Scaled().forward(x, x, x, scale=2, times=3)

    call = module_call(raised(lambda: called(5)))
    assert call is not None
    assert [tuple(each.shape) for each in call.outermost.args] == [(2, 5)] * 3
    assert call.outermost.kwargs == {"scale": 2, "times": 3}
    summary = summary_at(raised(lambda: called(5)))
    assert summary is not None
    assert "5 meets 3" in summary.problems[0].message
    called(3)


def test_other_objects_with_attributes_of_such_names() -> None:
    class Wrapper:
        def __init__(self, net: nn.Module) -> None:
            self.net = net
            self._modules = ["net"]  # as in skorch

        def step(self, images: Tensor) -> Tensor:
            return self.net(images)

    assert summary_at(raised(lambda: Wrapper(Net()).step(torch.randn(4, 3, 16, 16))))


def test_a_module_with_hooks() -> None:
    model = Net()
    model.register_forward_pre_hook(lambda module, args: None)
    summary = summary_at(raised(lambda: model(torch.randn(4, 3, 16, 16))))
    assert summary is not None
    assert summary.problems[0].required == 512


def test_an_exception_raised_from_it() -> None:
    def fails() -> None:
        try:
            Net()(torch.randn(4, 3, 16, 16))
        except RuntimeError as error:
            raise ValueError("training failed") from error

    told = answer(raised(fails))
    assert told is not None
    assert "needs in_features=512, has 999" in told


class Refuses(nn.Module):
    """Raises what its user decided to raise, behind layers that fit."""

    def __init__(self, refuse: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.refuse = refuse

    def forward(self, x: Tensor) -> Tensor:
        self.refuse(self.fc(x))
        return x


def _raise(error: Exception) -> None:
    raise error


def _assert(x: Tensor) -> None:
    assert x.shape[1] == 4, "four features"


@pytest.mark.parametrize(
    "refuse",
    [
        lambda x: _raise(ValueError("x is too small")),
        lambda x: _raise(RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x400 and 256x120)")),
        _assert,
        lambda x: {"there": 1}["missing"],
        lambda x: [1, 2][7],
        lambda x: int("seven"),
        lambda x: x.no_such_attribute,
        lambda x: _raise(KeyboardInterrupt()),  # type: ignore[arg-type]
    ],
)
def test_what_the_users_own_code_raised_gets_no_answer(refuse: Callable[[Tensor], object]) -> None:
    with pytest.raises(BaseException) as info:  # noqa: PT011
        Refuses(refuse)(torch.zeros(2, 3))
    assert answer(info.value) is None


def test_no_module_no_answer() -> None:
    assert answer(raised(lambda: torch.zeros(2, 3) @ torch.zeros(4, 5))) is None
    assert answer(RuntimeError("never raised")) is None


def test_a_loss_is_not_where_the_mistake_is() -> None:
    assert answer(raised(lambda: nn.CrossEntropyLoss()(torch.zeros(1, 3), torch.zeros(4).long()))) is None


def test_what_convlin_said_already_is_not_said_again() -> None:
    def stops(x: Tensor) -> None:
        raise ValueError("enough")

    assert answer(raised(lambda: summarize(Refuses(stops), (3,)))) is None


def test_an_error_that_does_not_come_again_gets_no_answer() -> None:
    model = Net()
    error = raised(lambda: model(torch.randn(4, 3, 16, 16)))
    assert answer(error)
    model.fc1 = nn.Linear(888, 20)
    assert answer(error) is None


def test_a_second_run_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: Net()(torch.randn(4, 3, 16, 16)))
    assert answer(error)
    monkeypatch.setattr(second_run, "_PATIENCE", -1.0)
    assert answer(error) is None


def test_a_second_run_that_ends_anywhere_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Net()
    error = raised(lambda: model(torch.randn(4, 3, 16, 16)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ended = 0
    for calls in range(1, 200, 12):
        clock = iter([0.0] * calls)
        monkeypatch.setattr(second_run, "time", SimpleNamespace(monotonic=lambda clock=clock: next(clock, math.inf)))
        ended += answer(error) is None
        assert torch.is_grad_enabled()
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert ended > 3
    monkeypatch.undo()
    assert answer(error)


class Views(nn.Module):
    """The line that does not fit is a function's, in a child."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        self.last = Rows()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(x))


class Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.view(x.shape[0], 100))


@pytest.mark.parametrize("model", [Net(), Views(), nn.Sequential(nn.LSTM(16, 5)), nn.Sequential(nn.Linear(5, 2))])
def test_what_is_too_large_runs_on_meta(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: model(torch.randn(4, 3, 16, 17)))
    there = answer_to(error)
    monkeypatch.setattr(second_run, "_MOST_VALUES", 10)
    on_meta = answer_to(error)
    assert there is not None
    assert there.summary is not None
    assert on_meta is not None
    assert on_meta.said == "convlin ran this call again on the meta device, which computes shapes alone:"
    assert on_meta.summary is not None
    assert on_meta.summary.problems == there.summary.problems
    assert all(each.device.type == "cpu" for each in model.parameters())


def test_on_meta_the_mistake_has_to_be_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Net()
    error = raised(lambda: model(torch.randn(4, 3, 16, 16)))
    monkeypatch.setattr(second_run, "_MOST_VALUES", 10)
    assert answer(error)
    model.conv = nn.Conv2d(3, 4, 3, padding=1)  # now it stops in front of the layer
    assert answer(error) is None


def test_a_model_that_looks_at_values_gets_no_answer_on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(9, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x[:, : int(x.sum() > 0) + 3])

    error = raised(lambda: Looks()(torch.ones(2, 8)))
    assert answer(error)
    monkeypatch.setattr(second_run, "_MOST_VALUES", 10)
    assert answer(error) is None


def test_memory_that_a_second_run_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allocation that fails in the second run alone, as on a device that the first one has filled."""
    model = Net()
    error = raised(lambda: model(torch.randn(4, 3, 16, 16)))

    def full(module: nn.Module, args: tuple[Tensor]) -> None:
        if args[0].device.type != "meta":
            raise torch.OutOfMemoryError

    model.register_forward_pre_hook(full)
    summary = summary_at(error)
    assert summary is not None
    assert summary.report.device == "meta"
    assert [each.required for each in summary.problems] == [512, 20]


def test_an_error_of_its_own_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: Net()(torch.randn(4, 3, 16, 16)))
    monkeypatch.setattr(answering, "_fails_alike", lambda *arguments: 1 / 0)
    assert answer(error) is None
    assert "mat1 and mat2" in str(error)


def test_indices_are_the_users_own() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    model(torch.tensor([[1, 2, 9]]))
    told = answer(raised(lambda: model(torch.tensor([[1, 2, 10]]))))
    assert told is not None
    assert "index 10 reaches Embedding(10, 4)" in told


def test_a_call_with_too_many_arguments_is_said_by_python() -> None:
    assert answer(raised(lambda: Net()(torch.randn(4, 3, 16, 16), 3))) is None


def test_layers_of_pytorch_alone() -> None:
    for model in (nn.Linear(4, 2), nn.Sequential(nn.Flatten(), nn.Linear(4, 2))):

        def run(model: nn.Module = model) -> Tensor:
            return model(torch.zeros(3, 5))

        summary = summary_at(raised(run))
        assert summary is not None
        assert summary.problems[0].required == 5


@pytest.mark.parametrize("wrap", [lambda net: torch.compile(net, backend="eager"), nn.DataParallel])
def test_a_wrapped_model_is_looked_into(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = wrap(Net())
    summary = summary_at(raised(lambda: model(torch.randn(4, 3, 16, 16))))
    assert summary is not None
    assert [(each.path, each.required) for each in summary.problems] == [("fc1", 512), ("fc2", 20)]


@pytest.mark.parametrize(
    "wrapped",
    [
        "torch.compile({}, backend='eager')",
        "nn.DataParallel({})",
        "torch.compile(nn.DataParallel({}), backend='eager')",
        "nn.DataParallel(torch.compile({}, backend='eager'))",
    ],
)
def test_the_line_of_a_model_that_is_wrapped_where_it_is_made(wrapped: str, tmp_path: Path) -> None:
    def program(features: int) -> str:
        making = wrapped.format(f"nn.Sequential(nn.Flatten(), nn.Linear({features}, 2))")
        return f"import torch\nfrom torch import nn\n\ndef run(x):\n    model = {making}\n    return model(x)\n"

    wrong = load(tmp_path, program(10))
    summary = summary_at(raised(lambda: wrong.run(torch.zeros(2, 3, 4))))
    assert summary is not None
    [problem] = summary.problems
    right = program(12)
    assert problem.fix == right.splitlines()[4].strip()
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == (wrong.__file__, 5)
    assert load(tmp_path, right).run(torch.zeros(2, 3, 4)).shape == (2, 2)


def test_a_model_under_autocast() -> None:
    model = Net()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        error = raised(lambda: model(torch.randn(4, 3, 16, 16)))
        inside = summary_at(error)
    outside = summary_at(error)
    assert inside is not None
    assert outside is not None
    assert [each.required for each in inside.problems] == [each.required for each in outside.problems] == [512, 20]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
def test_one_of_several_processes_runs_nothing_again() -> None:
    """The others would have to run it, too; ``test_run`` starts two of them in the long run."""
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2))
    for world, answered in ((2, False), (1, True)):
        store = importlib.import_module("torch.testing._internal.distributed.fake_pg").FakeStore()
        torch.distributed.init_process_group("fake", rank=0, world_size=world, store=store)
        try:
            assert (answer(raised(lambda: net(torch.zeros(2, 4)))) is not None) == answered
        finally:
            torch.distributed.destroy_process_group()


def test_without_torch_there_is_nothing_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(lambda: Net()(torch.randn(4, 3, 16, 16)))
    monkeypatch.delitem(sys.modules, "torch")
    assert answer(error) is None
    assert "torch" not in sys.modules
