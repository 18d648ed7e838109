"""Models that another library wrapped or offloaded: the rows are what plain hooks see, the model stays as it was."""

from __future__ import annotations

import functools
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convlin import InputError, Summary, summarize
from tests.recording import record
from tests.snapshot import difference, snapshot


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(512, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(self.pool(self.conv(x)).flatten(1))))


def agrees(model: nn.Module, *, mode: str = "eval") -> Summary:
    """The table is that of plain hooks, nothing is reported, and the model stays as it was."""
    model.train(mode == "train")
    before = snapshot(model)
    summary = summarize(model, (3, 16, 16), mode=mode)
    assert summary.problems == ()
    assert difference(before, snapshot(model)) == []
    with torch.no_grad():
        expected = record(model, torch.zeros(1, 3, 16, 16))
    modules = [call for call in summary.calls if not call.is_function]
    assert [(call.path, call.type, call.input_shapes, call.output_shapes) for call in modules] == [
        (seen.path, seen.type, seen.input_shapes, seen.output_shapes) for seen in expected
    ]
    linear = {path: module.in_features for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert summary.required_in_features == {seen.path: linear[seen.path] for seen in expected if seen.path in linear}
    return summary


# accelerate: the weights lie elsewhere, on the meta device for whoever looks, and come for the call of each layer


def _on_cpu(model: nn.Module, folder: Path) -> nn.Module:
    accelerate = pytest.importorskip("accelerate")
    return accelerate.cpu_offload(model, execution_device=torch.device("cpu"))


def _on_disk(model: nn.Module, folder: Path) -> nn.Module:
    accelerate = pytest.importorskip("accelerate")
    return accelerate.disk_offload(model, folder, execution_device=torch.device("cpu"))


@pytest.mark.parametrize("offload", [_on_cpu, _on_disk])
def test_offloaded_weights(offload: Callable[[nn.Module, Path], nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    x, plain = torch.randn(2, 3, 16, 16), Net().eval()
    expected = plain(x)
    model = offload(plain, tmp_path)
    assert all(parameter.is_meta for parameter in model.parameters())
    summary = agrees(model)
    assert summary.report.device == "cpu"
    (problem,) = summarize(model, (3, 18, 18)).problems
    assert (problem.path, problem.declared, problem.required) == ("fc1", 512, 648)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert torch.equal(model(x), expected)


def test_what_offloaded_weights_cannot_do(tmp_path: Path) -> None:
    model = _on_cpu(Net(), tmp_path)
    with pytest.raises(InputError, match=r'^Net is offloaded by accelerate, which device="meta" cannot pass: leave'):
        summarize(model, (3, 16, 16), device="meta")
    with pytest.raises(InputError, match=r"^Net is offloaded by accelerate, which named sizes cannot pass: write num"):
        summarize(model, (3, "H", "W"))
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


# PEFT: adapters beside the layers


def _adapted(config: str, **settings: Any) -> nn.Module:
    with warnings.catch_warnings():  # from what it imports
        warnings.simplefilter("ignore")
        peft = pytest.importorskip("peft")
    return peft.get_peft_model(Net(), getattr(peft, config)(**settings))


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("LoraConfig", {"r": 4, "target_modules": ["fc1", "conv"]}),
        ("IA3Config", {"target_modules": ["fc1"], "feedforward_modules": []}),
        ("LoHaConfig", {"target_modules": ["fc1"]}),
    ],
)
def test_adapters(config: str, settings: dict[str, Any], mode: str) -> None:
    agrees(_adapted(config, **settings), mode=mode)


def test_a_wrong_size_behind_adapters() -> None:
    model = _adapted("LoraConfig", r=4, target_modules=["fc1"])
    problems = summarize(model, (3, 18, 18)).problems
    inside = "base_model.model.fc1"
    assert [(each.path, each.declared, each.required) for each in problems] == [
        (f"{inside}.base_layer", 512, 648),
        (f"{inside}.lora_A.default", 512, 648),
    ]


# Quantization, and what was exported


def _quantized() -> nn.Module:
    quantization = importlib.import_module("torch.ao.quantization")
    with warnings.catch_warnings():  # that it moves to another package
        warnings.simplefilter("ignore")
        model = quantization.quantize_dynamic(Net().eval(), {nn.Linear})
    assert isinstance(model, nn.Module)
    return model


@pytest.fixture(params=["x86", "qnnpack"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What quantized layers run with: QNNPACK checks no size; torchvision leaves it chosen."""
    if request.param not in torch.backends.quantized.supported_engines:
        pytest.skip(f"PyTorch has no {request.param} here")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = request.param
    yield request.param
    torch.backends.quantized.engine = before


# PyTorch 2.15 warns so in the first pass of a process with QNNPACK; here warnings are errors.
@pytest.mark.filterwarnings("ignore:Currently, qnnpack incorrectly ignores reduce_range")
def test_quantized_weights(engine: str) -> None:
    model = _quantized()
    before = snapshot(model)
    summary = summarize(model, (3, 16, 16))
    assert summary.problems == ()
    assert [summary[path].output_shape for path in ("conv", "fc1", "fc2")] == [(1, 8, 16, 16), (1, 32), (1, 10)]
    if engine == "x86":  # QNNPACK is never given another size, here or by convlin: it does not ask
        with pytest.raises(RuntimeError, match="648"):
            model(torch.zeros(1, 3, 18, 18))
    (problem,) = summarize(model, (3, 18, 18)).problems
    assert (problem.path, problem.declared, problem.required) == ("fc1", 512, 648)
    with pytest.raises(InputError, match=r"^Net is quantized, with weights packed in LinearPackedParams, which named "):
        summarize(model, (3, "H", "W"))
    assert difference(before, snapshot(model)) == []


def test_an_exported_program() -> None:
    image = torch.zeros(2, 3, 16, 16)
    with warnings.catch_warnings():  # from what it copies
        warnings.simplefilter("ignore")
        model = torch.export.unflatten(torch.export.export(Net().eval(), (image,)))
    before = snapshot(model)
    summary = summarize(model, image, mode="same")
    assert summary.problems == ()
    assert difference(before, snapshot(model)) == []
    with torch.no_grad():
        expected = record(model, image)
    assert [(call.path, call.output_shapes) for call in summary.calls if not call.is_function] == [
        (seen.path, seen.output_shapes) for seen in expected
    ]
    accepts = summarize(model, (3, "H", "W"), batch_size=2, mode="same").accepts
    assert accepts is not None
    assert [found.exact for found in accepts.sizes] == [16, 16]


# torchao and Opacus


@pytest.mark.parametrize("config", ["Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"])
def test_layers_of_torchao(config: str) -> None:
    # Beside a torch that it was not made for it cannot be imported.
    quantization = pytest.importorskip("torchao.quantization", exc_type=ImportError)
    model = Net().eval()
    quantization.quantize_(model, getattr(quantization, config)())
    weight = model.fc1.weight
    summary = summarize(model, (3, 16, 16))
    assert summary.problems == ()
    assert summary.required_in_features == {"fc1": 512, "fc2": 32}
    assert model.fc1.weight is weight
    (problem,) = summarize(model, (3, 18, 18)).problems
    assert (problem.path, problem.declared, problem.required) == ("fc1", 512, 648)


_PACKED = """
import torch
from torch import Tensor

before = []

class Packed(Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.linear:
            for each in before:
                each()
            if args[0].shape[-1] != args[1].shape[-1]:
                raise RuntimeError("the blocks do not fit")
        return super().__torch_function__(func, types, args, kwargs or {})
"""


def _packed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, list[Callable[[], None]]]:
    """A model whose weight is a tensor of an installed package, and what its function calls first."""
    file = folder / "site-packages" / "packed" / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text(_PACKED)
    spec = importlib.util.spec_from_file_location("packed", file)
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "packed", package)
    spec.loader.exec_module(package)
    model = Net().eval()
    model.fc1.weight = nn.Parameter(model.fc1.weight.detach().as_subclass(package.Packed))
    return model, package.before


def test_what_the_tensor_of_a_package_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = _packed(tmp_path, monkeypatch)
    assert summarize(model, (3, 16, 16)).problems == ()
    with pytest.raises(RuntimeError, match=r"^the blocks do not fit$"):
        model(torch.zeros(1, 3, 18, 18))
    (problem,) = summarize(model, (3, 18, 18)).problems
    assert (problem.path, problem.declared, problem.required) == ("fc1", 512, 648)
    model.fc1 = nn.Linear(648, 32)
    assert model(torch.zeros(1, 3, 18, 18)).shape == (1, 10)


def test_what_interrupts_the_tensor_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, before = _packed(tmp_path, monkeypatch)

    def alarm() -> None:
        raise TimeoutError

    before.append(alarm)
    with pytest.raises(TimeoutError):
        summarize(model, (3, 18, 18))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_gradients_of_each_sample(mode: str) -> None:
    opacus = pytest.importorskip("opacus")
    agrees(opacus.GradSampleModule(Net()), mode=mode)


def scripted() -> nn.Module:
    """A module whose ``forward`` is scripted by itself."""
    # Not where it decorates: TorchScript reads a comment about types there as its own.
    script_method: Callable[[Any], Any] = torch.jit.script_method  # type: ignore[attr-defined]  # as torch declares it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still there

        class Scripted(torch.jit.ScriptModule):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(1, 4, 5)
                self.fc = nn.Linear(4 * 24 * 24, 10)

            @script_method
            def forward(self, x: Tensor) -> Tensor:
                return self.fc(torch.relu(self.conv(x)).flatten(1))

        return Scripted()


class Timed(nn.Module):
    """A ``forward`` that was wrapped on the module, as a profiler does it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)
        plain = self.forward

        @functools.wraps(Timed.forward)
        def forward(x: Tensor) -> Tensor:
            return plain(x)

        self.forward = forward  # type: ignore[method-assign]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


@pytest.mark.parametrize("make", [scripted, Timed])
@pytest.mark.parametrize("given", [(1, 28, 28), {"x": (1, 28, 28)}, torch.zeros(1, 1, 28, 28)], ids=str)
def test_a_forward_that_is_unbound_takes_its_inputs(make: Callable[[], nn.Module], given: Any) -> None:
    model = make()
    summary = summarize(model, given)
    assert not summary.problems
    assert summary.output_shape == tuple(model(torch.zeros(1, 1, 28, 28)).shape)


class Quantizer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(8).round().div(8)


class QuantizedLinear(nn.Linear):
    """A Linear by class with modules of its own inside, as those of quantization libraries."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after)
        self.of_input, self.of_weight = Quantizer(), Quantizer()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.of_input(x), self.of_weight(self.weight), self.bias)


class QuantizedConv(nn.Conv2d):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 3)
        self.of_input, self.of_weight = Quantizer(), Quantizer()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.of_input(x), self.of_weight(self.weight), self.bias)


@pytest.mark.parametrize(
    ("kind", "shape", "declared"), [(QuantizedLinear, (144,), "in_features"), (QuantizedConv, (3, 9, 9), "in_channels")]
)
def test_a_layer_with_quantizers_inside(kind: type[nn.Module], shape: tuple[int, ...], declared: str) -> None:
    with pytest.raises(RuntimeError):
        kind(4, 5)(torch.zeros(1, *shape))
    summary = summarize(nn.Sequential(kind(4, 5), nn.ReLU()), shape)
    (problem,) = summary.problems
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("0", declared, 4, shape[0])
    assert summary.output_shape == kind(shape[0], 5)(torch.zeros(1, *shape)).shape


def test_a_layer_that_gives_its_function_another_tensor_than_it_got() -> None:
    class Halved(QuantizedLinear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.of_input(x[..., ::2]), self.weight, self.bias)

    with pytest.raises(RuntimeError):
        Halved(4, 5)(torch.zeros(1, 10))
    (problem,) = summarize(nn.Sequential(Halved(4, 5)), (10,)).problems
    assert problem.changes == {}  # of the layer it is not known what 10 features ask for
    assert Halved(5, 5)(torch.zeros(1, 10)).shape == (1, 5)


_TUPLES = """
from typing import NamedTuple

import torch
from torch import Tensor, nn

class Quantized(NamedTuple):
    value: Tensor
    scale: Tensor

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        x, weight, bias = args
        return quantized(func, x, weight.value * weight.scale, bias)

def quantized(func, x, weight, bias):
    return torch.matmul(x, weight.t()) + bias

class Layer(nn.Linear):
    def __init__(self, before, after):
        super().__init__(before, after)
        self.inner = nn.Identity()

    def forward(self, x):
        weight = Quantized(self.inner(self.weight), torch.ones(1))
        return torch.nn.functional.linear(x, weight, self.bias)
"""


def test_a_layer_whose_weight_is_a_tuple_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site-packages" / "shared_name" / "tuples"  # in a namespace, as optimum.quanto
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(_TUPLES)
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    layer = importlib.import_module("shared_name.tuples").Layer
    with pytest.raises(RuntimeError, match="1x144 and 100x5"):
        layer(100, 5)(torch.zeros(1, 144))
    (problem,) = summarize(nn.Sequential(layer(100, 5)), (144,)).problems
    assert (problem.path, problem.declared, problem.required) == ("0", 100, 144)
    assert layer(144, 5)(torch.zeros(1, 144)).shape == (1, 5)
