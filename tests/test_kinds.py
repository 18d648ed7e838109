"""Models in wrappers, compiled ones, ones that run out of something: the table of the module inside, nothing left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from convlin import ConvlinError, InputError, fit, summarize, watch
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


class Parts(nn.Module):
    """A compiled block, a compiled container and a compiled layer, or the same without the compiler."""

    def __init__(self, compiled: bool) -> None:
        super().__init__()

        def part(module: nn.Module) -> Any:
            return torch.compile(module, backend="eager") if compiled else module

        self.block = part(Block())
        self.seq = nn.Sequential(part(nn.Sequential(nn.Flatten(), nn.Linear(99, 20))), nn.ReLU())
        self.fc = part(nn.Linear(21, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.seq(self.block(x)))


def test_what_is_compiled_inside_has_the_name_that_it_has_without() -> None:
    model, plain = Parts(compiled=True), Parts(compiled=False)
    assert [path for path, _ in model.named_modules()] != [path for path, _ in plain.named_modules()]
    before = snapshot(model)
    summary, expected = summarize(model, (3, 8, 8)), summarize(plain, (3, 8, 8))
    assert difference(before, snapshot(model)) == []
    assert str(summary) == str(expected)
    assert summary.explain() == expected.explain()
    assert summary.problems == expected.problems
    assert summary.required_in_features == {"seq.0.1": 288, "fc": 20}
    for path in summary.required_in_features:
        assert isinstance(model.get_submodule(path), nn.Linear) or path == "fc"


def test_layers_of_compiled_parts_are_exchanged_and_stay_compiled() -> None:
    model = fit(Parts(compiled=True), (3, 8, 8))
    plain = Parts(compiled=False)
    fit(plain, (3, 8, 8)).load_state_dict({k.replace("_orig_mod.", ""): v for k, v in model.state_dict().items()})
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(model(x), plain(x))
    assert type(model.fc).__name__ == type(model.block).__name__ == "OptimizedModule"
    summarize(model, (3, 8, 8)).check()


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("script", [torch.jit.script, lambda model: torch.jit.trace(model, torch.zeros(1, 3, 8, 8))])
def test_what_torchscript_runs_is_named_as_it_was_written(script: Callable[[nn.Module], nn.Module]) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(288, 2))
    model = script(plain)
    assert len({type(module) for module in model.children()}) == 1
    [wrong] = summarize(model, (3, 9, 9)).problems
    assert "the layers inside TorchScript cannot be seen: pass the model itself" in wrong.message
    named = {module.path: module.type for module in summarize(model, (3, 8, 8)).modules if module.path}
    assert named == {path: type(module).__name__ for path, module in plain.named_modules() if path}
