"""Models in wrappers, compiled ones, ones that run out of something: the table of the module inside, nothing left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from convlin import ConvlinError, InputError, summarize, watch
from tests.snapshot import difference, snapshot


class Net(nn.Module):
    def __init__(self, features: int = 288) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(features, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).flatten(1))


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    store: Any = vars(distributed)["HashStore"]  # public, and not among the names that are declared
    distributed.init_process_group("gloo", store=store(), rank=0, world_size=1)
    # The first time that anything runs compiled, PyTorch puts functions of its own into its classes.
    torch.compile(nn.Identity(), backend="eager")(torch.zeros(1))
    yield
    distributed.destroy_process_group()


def _in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "compiled in place": _in_place,
    "data parallel": nn.DataParallel,
    "compiled data parallel": lambda model: torch.compile(nn.DataParallel(model), backend="eager"),
    "distributed": DistributedDataParallel,
    "distributed compiled": lambda model: DistributedDataParallel(torch.compile(model, backend="eager")),
}


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
@pytest.mark.parametrize("features", [288, 5])
def test_paths_are_those_of_the_module_inside(wrap: Callable[[nn.Module], nn.Module], features: int) -> None:
    expected = summarize(Net(features), (3, 8, 8))
    model = wrap(Net(features))
    before = snapshot(model)
    summary = summarize(model, (3, 8, 8))
    assert difference(before, snapshot(model)) == []
    assert summary.calls == expected.calls
    assert summary.required_in_features == {"fc": 288}
    assert summary.ok == (features == 288)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_compiled_layer_inside_runs_as_it_was_written(in_place: bool) -> None:
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        compiled.append(len(inputs))
        return graph.forward

    layer = Block()
    if in_place:
        layer.compile(backend=backend)
    first: Any = layer if in_place else torch.compile(layer, backend=backend)
    model = nn.Sequential(first, nn.Flatten(), nn.Linear(9, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = summarize(model, (3, 8, 8))
        with watch(model[:2]) as watched:
            model[:2](torch.zeros(1, 3, 8, 8))
    assert compiled == []
    assert summary.required_in_features == {"2": 288}
    assert watched.output_shape == (1, 288)
    assert [call.type for call in summary.calls if call.type == "Conv2d"] == ["Conv2d"]
    # It is compiled as before when its user calls it.
    model[:2](torch.zeros(1, 3, 8, 8))
    assert compiled


class NeedsMuch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x).expand(1 << 50, 4).contiguous()


def test_running_out_of_memory_is_no_mistake_in_the_shapes() -> None:
    model = NeedsMuch()
    before = snapshot(model)
    with pytest.raises(RuntimeError, match="allocate memory") as raised:
        summarize(model, (4,))
    assert difference(before, snapshot(model)) == []
    assert not isinstance(raised.value, ConvlinError)
    assert "the calls up to here" in raised.value.__notes__[0]


class CallsItself(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


def deep_inside(depth: int, model: nn.Module) -> None:
    if depth:
        deep_inside(depth - 1, model)
    else:
        summarize(model, (4,))


# Where in a call the stack ends, the model's own or a hook's, is a matter of how deep it began.
@pytest.mark.parametrize("depth", range(10))
def test_endless_recursion_leaves_nothing_behind(depth: int) -> None:
    model = CallsItself()
    before = snapshot(model)
    with pytest.raises(RecursionError) as raised:
        deep_inside(depth, model)
    assert difference(before, snapshot(model)) == []
    assert len(raised.value.__notes__[0].splitlines()) < 40


class Spread(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.here = nn.Linear(4, 8)
        self.there = nn.Linear(7, 2, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.there(self.here(x).to("meta"))


def test_a_model_spread_over_devices() -> None:
    model = Spread()
    summary = summarize(model, (4,))
    assert summary.required_in_features == {"here": 4, "there": 8}
    assert [call.outputs[0].device for call in summary.calls if not call.is_function] == ["cpu", "meta", "meta"]
    assert model.there.weight.is_meta
    assert not model.here.weight.is_meta


@pytest.mark.skipif(torch.cuda.is_available(), reason="has such a device")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="device='cuda' was asked for"):
        summarize(Net(), (3, 8, 8), device="cuda")


@pytest.mark.parametrize(
    "context", [torch.inference_mode, torch.no_grad, torch.enable_grad, torch.autograd.detect_anomaly]
)
def test_whatever_context_the_caller_is_in(context: Callable[[], object]) -> None:
    model = Net(5)
    expected = summarize(model, (3, 8, 8))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Anomaly Detection")
        with context():  # type: ignore[attr-defined]
            modes = (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled())
            summary = summarize(model, (3, 8, 8))
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()) == modes
    assert summary == expected
