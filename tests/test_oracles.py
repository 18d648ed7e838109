"""The oracles are right themselves: the snapshot sees every change, the recording counts by hand, the zoo runs."""

from __future__ import annotations

import ast
import collections
import random
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.overrides import TorchFunctionMode

from tests.processes import python
from tests.recording import Recorded, record, record_copy, shape_of, shapes_in, tensors_in
from tests.snapshot import assert_unchanged, difference, snapshot
from tests.zoo import REAL, SMALL, VERY_LONG, ZooModel, cases, dummy_arguments

SMALL_BY_NAME = {entry.name: entry for entry in SMALL}
TESTS = Path(__file__).parent


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Models this small lose time to a second thread, most of all where test processes share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """These tests change the state of the process on purpose."""
    states = torch.get_rng_state(), numpy.random.get_state(), random.getstate()
    dtype, fast_path = torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()
    yield
    torch.set_rng_state(states[0])
    numpy.random.set_state(states[1])
    random.setstate(states[2])
    torch.set_default_dtype(dtype)
    torch.backends.mha.set_fastpath_enabled(fast_path)
    torch.set_grad_enabled(True)


# The snapshot ---------------------------------------------------------------------------------------------------------


class Subject(nn.Module):
    """A model with a bit of everything that can change."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.alias = self.features
        self.fc = parametrizations.spectral_norm(nn.Linear(4, 2))
        self.plain = nn.Linear(2, 2)
        self.lazy = nn.LazyLinear(3)
        self.meta = nn.Linear(2, 2, device="meta")
        self.hidden = [nn.BatchNorm1d(3)]
        self.register_buffer("nan", torch.tensor([float("nan"), 0.0]))
        self.register_buffer("sparse", torch.eye(3).to_sparse())
        self.total = torch.zeros(3)
        self.array = numpy.zeros(3)
        self.sizes = [1, [2, 3]]
        self.table: dict[str, Any] = {"a": {"b": [1]}}
        self.names = {"x"}
        self.recent = collections.deque([1])
        self.pair = (1, [2])
        self.rate = float("nan")
        self.state = types.SimpleNamespace(step=0)
        self.generator = torch.Generator()
        self.dice = random.Random(3)
        self.slot = 1
        for parameter in self.plain.parameters():
            parameter.grad = torch.ones_like(parameter)

    @property
    def batch_norm(self) -> nn.BatchNorm2d:
        found = self.features[1]
        assert isinstance(found, nn.BatchNorm2d)
        return found


class PassingMode(TorchFunctionMode):
    """A function mode that does nothing but be there; a snapshot must not come by."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function is not Tensor.detach, "a snapshot reads tensors past the modes"
        return function(*args, **(kwargs or {}))


class OtherLinear(nn.Linear):
    """Another class with the same attributes."""


def _next_number(tensor: Tensor) -> None:
    """Change the lowest bit of the first element."""
    with torch.no_grad():
        tensor.view(-1)[0] = torch.nextafter(tensor.view(-1)[0], torch.tensor(10.0))


def _nothing(*anything: object) -> None:
    """A hook."""


def _reorder(dictionary: dict[str, Any]) -> None:
    key = next(iter(dictionary))
    dictionary[key] = dictionary.pop(key)


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "training flag of the root": (lambda model: setattr(model, "training", False), "<root>:training"),
    "training flag of one layer": (lambda model: model.batch_norm.eval(), "features.1:training"),
    "training flag of a hidden module": (lambda model: model.hidden[0].eval(), "<root>:hidden[0]"),
    "one bit of a buffer": (lambda model: _next_number(model.batch_norm.running_mean), "running_mean'] bytes"),
    "integer buffer": (lambda model: model.batch_norm.num_batches_tracked.add_(1), "num_batches_tracked'] bytes"),
    "sign of zero": (lambda model: model.nan.neg_(), "_buffers['nan'] bytes"),
    "buffer of a hidden module": (lambda model: _next_number(model.hidden[0].running_var), "hidden[0]"),
    "sparse buffer": (lambda model: model.sparse._values().mul_(2), "_buffers['sparse'] values bytes"),
    "equal buffer, another object": (
        lambda model: setattr(model, "nan", model.nan.clone()),
        "_buffers['nan']:",
    ),
    "buffer no longer persistent": (
        lambda model: model._non_persistent_buffers_set.add("nan"),
        "_non_persistent_buffers_set members",
    ),
    "one bit of a parameter": (lambda model: _next_number(model.plain.weight), "_parameters['weight'] bytes"),
    "parameter on other storage": (
        lambda model: setattr(model.plain.weight, "data", model.plain.weight.data.clone()),
        "_parameters['weight'] data_ptr",
    ),
    "equal parameter, another object": (
        lambda model: setattr(model.plain, "weight", nn.Parameter(model.plain.weight.detach())),
        "plain:_parameters['weight']:",
    ),
    "parameter of a parametrization": (
        lambda model: _next_number(model.fc.parametrizations.weight.original),
        "fc.parametrizations.weight:_parameters['original'] bytes",
    ),
    "buffer of a parametrization": (
        lambda model: _next_number(model.fc.parametrizations.weight[0]._u),
        "fc.parametrizations.weight.0:_buffers['_u'] bytes",
    ),
    "frozen parameter": (lambda model: model.plain.weight.requires_grad_(False), "_parameters['weight'] requires_grad"),
    "transposed strides": (
        lambda model: setattr(model.plain.weight, "data", model.plain.weight.data.t()),
        "_parameters['weight'] strides",
    ),
    "attribute of a parameter": (
        lambda model: setattr(model.plain.weight, "mark", 1),
        "_parameters['weight'] attributes",
    ),
    "hook of a parameter": (
        lambda model: model.plain.weight.register_hook(lambda gradient: None),
        "_parameters['weight']._backward_hooks",
    ),
    "gradient gone": (lambda model: model.plain.zero_grad(), "_parameters['weight'].grad"),
    "gradient changed": (lambda model: model.plain.weight.grad.add_(1), "_parameters['weight'].grad bytes"),
    "equal gradient, another object": (
        lambda model: setattr(model.plain.weight, "grad", torch.ones(2, 2)),
        "_parameters['weight'].grad:",
    ),
    "gradient appears": (
        lambda model: setattr(model.features[0].bias, "grad", torch.ones(4)),
        "features.0:_parameters['bias'].grad",
    ),
    "lazy layer materialized": (lambda model: model.lazy(torch.zeros(1, 2)), "lazy type"),
    "meta parameter": (lambda model: model.meta.to_empty(device="cpu"), "meta:_parameters"),
    "forward hook": (lambda model: model.plain.register_forward_hook(_nothing), "plain:_forward_hooks keys"),
    "forward hook with keywords": (
        lambda model: model.plain.register_forward_hook(_nothing, with_kwargs=True),
        "plain:_forward_hooks_with_kwargs keys",
    ),
    "forward hook always called": (
        lambda model: model.plain.register_forward_hook(_nothing, always_call=True),
        "plain:_forward_hooks_always_called keys",
    ),
    "forward pre-hook": (
        lambda model: model.plain.register_forward_pre_hook(_nothing, with_kwargs=True),
        "plain:_forward_pre_hooks_with_kwargs keys",
    ),
    "backward hook": (lambda model: model.plain.register_full_backward_hook(_nothing), "plain:_backward_hooks keys"),
    "backward pre-hook": (
        lambda model: model.plain.register_full_backward_pre_hook(_nothing),
        "plain:_backward_pre_hooks keys",
    ),
    "state hook": (lambda model: model.register_state_dict_post_hook(_nothing), "<root>:_state_dict_hooks keys"),
    "attribute added": (lambda model: setattr(model.plain, "cache", 1), "plain:cache: new"),
    "attribute removed": (lambda model: delattr(model, "rate"), "<root>:rate: gone"),
    "attribute changed": (lambda model: setattr(model, "rate", 0.0), "<root>:rate"),
    "attribute order": (lambda model: _reorder(model.__dict__), "<root> attributes"),
    "true for one": (lambda model: model.sizes.__setitem__(0, True), "<root>:sizes[0]"),
    "list grown": (lambda model: model.sizes.append(4), "<root>:sizes length"),
    "inner list changed": (lambda model: model.sizes[1].append(4), "<root>:sizes[1] length"),
    "equal list, another object": (lambda model: setattr(model, "sizes", [1, model.sizes[1]]), "<root>:sizes:"),
    "nested dictionary": (lambda model: model.table["a"]["b"].append(2), "<root>:table['a']['b'] length"),
    "key added": (lambda model: model.table.update(c=1), "<root>:table keys"),
    "set grown": (lambda model: model.names.add("y"), "<root>:names members"),
    "deque grown": (lambda model: model.recent.append(2), "<root>:recent length"),
    "list in a tuple": (lambda model: model.pair[1].append(3), "<root>:pair[1] length"),
    "array": (lambda model: model.array.fill(1), "<root>:array bytes"),
    "plain tensor": (lambda model: model.total.add_(1), "<root>:total bytes"),
    "object of an own class": (lambda model: setattr(model.state, "step", 1), "<root>:state.step"),
    "generator": (lambda model: torch.rand(1, generator=model.generator), "<root>:generator state"),
    "generator of Python": (lambda model: model.dice.random(), "<root>:dice state"),
    "slot": (lambda model: setattr(model, "slot", 2), "<root>:slot"),
    "module replaced": (lambda model: setattr(model, "plain", nn.Linear(2, 2)), "plain:"),
    "module added": (lambda model: setattr(model, "more", nn.ReLU()), "<root>:_modules keys"),
    "alias removed": (lambda model: delattr(model, "alias"), "<root>:_modules keys"),
    "order of modules": (lambda model: _reorder(model._modules), "<root>:_modules keys"),
    "another class": (lambda model: setattr(model.plain, "__class__", OtherLinear), "plain __class__"),
    "random state of torch": (lambda model: torch.rand(1), "random state of torch"),
    "random state of numpy": (lambda model: numpy.random.rand(), "random state of numpy"),
    "random state of Python": (lambda model: random.random(), "random state of python"),
    "default dtype": (lambda model: torch.set_default_dtype(torch.float64), "default dtype"),
    "grad mode": (lambda model: torch.set_grad_enabled(False), "grad mode"),
    "fast path": (lambda model: torch.backends.mha.set_fastpath_enabled(False), "transformer fast path"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_snapshot_sees_a_change(name: str) -> None:
    change, place = CHANGES[name]
    model = Subject()
    before = snapshot(model)
    assert difference(before, snapshot(model)) == []

    change(model)

    lines = difference(before, snapshot(model))
    assert any(place in line for line in lines), "\n".join(lines) or "no difference"


def test_a_change_undone_is_no_difference() -> None:
    model = Subject()
    before = snapshot(model)
    handle = model.plain.register_forward_hook(_nothing, with_kwargs=True, always_call=True)
    model.batch_norm.eval().train()
    model.sizes.append(4)
    model.sizes.pop()
    model.state.step = 3
    model.state.step = 0
    handle.remove()
    assert_unchanged(before, model)


def test_assert_unchanged_lists_every_difference() -> None:
    model = Subject()
    before = snapshot(model)
    model.rate = 1.0
    model.batch_norm.eval()
    with pytest.raises(
        AssertionError, match=r"(?s)features\.1:training.*<root>:rate|<root>:rate.*features\.1:training"
    ):
        assert_unchanged(before, model)


@pytest.mark.parametrize(
    ("context", "place"),
    [
        (torch.no_grad, "process: grad mode"),
        (torch.inference_mode, "process: inference mode"),
        (lambda: torch.autocast("cpu", dtype=torch.bfloat16), "process: autocast on cpu"),
        (lambda: torch.device("meta"), "process: default device"),
        (torch.autograd.detect_anomaly, "process: anomaly detection"),
        (PassingMode, "process: function modes"),
    ],
    ids=["no_grad", "inference_mode", "autocast", "device", "anomaly", "function mode"],
)
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled:UserWarning")
def test_snapshot_sees_a_mode(context: Callable[[], Any], place: str) -> None:
    model = nn.Linear(2, 2)
    before = snapshot(model)
    with context():
        inside = snapshot(model)
    assert [line for line in difference(before, inside) if line.startswith(place)]
    assert difference(before, snapshot(model)) == []


def test_snapshot_sees_what_is_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(2, 2)
    before = snapshot(model)
    monkeypatch.setattr(nn.Linear, "forward", _nothing)
    monkeypatch.setattr(F, "relu", _nothing)
    monkeypatch.setattr(Tensor, "softmax", _nothing)
    handle = torch.nn.modules.module.register_module_forward_hook(_nothing)
    lines = difference(before, snapshot(model))
    handle.remove()
    monkeypatch.undo()
    for place in (
        "torch.nn.functional.relu: <",
        "torch.Tensor.softmax: new",
        "class torch.nn.modules.linear.Linear.forward: <",
        "process: _global_forward_hooks keys: ",
    ):
        assert any(line.startswith(place) for line in lines), place
    assert difference(before, snapshot(model)) == []


def test_snapshot_reads_packed_weights() -> None:
    model = SMALL_BY_NAME["dynamically_quantized"].build()
    before = snapshot(model)
    layer: Any = model[0]  # type: ignore[index]
    assert_unchanged(before, model)
    layer._weight_bias()[1].data.add_(1)
    assert any("bytes" in line for line in difference(before, snapshot(model)))


@pytest.mark.parametrize("name", ["scripted_submodule", "traced_submodule"])
def test_snapshot_reads_scripted_modules(name: str) -> None:
    model = SMALL_BY_NAME[name].build()
    block: Any = model.block
    before = snapshot(model)

    block.train(not block.training)
    assert any("training" in line for line in difference(before, snapshot(model)))
    block.train(not block.training)
    assert_unchanged(before, model)

    dict(block.named_buffers())["1.running_mean"].add_(1)
    assert any("running_mean" in line for line in difference(before, snapshot(model)))


def test_snapshot_leaves_lazy_and_meta_parameters_alone() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2, device="meta"))
    snapshot(model)
    assert isinstance(model[0], nn.LazyLinear)
    assert model[1].weight.is_meta


# What the forward of these models does to them, by the place where the snapshot has to show it.
EFFECTS = {
    "caches_input": "<root>:cache: new",
    "replaces_attribute": "<root>:scratch: gone",
    "appends_features": "<root>:by_size[4] length",
    "counts_in_buffer": "_buffers['calls'] bytes",
    "plain_tensor_attribute": "<root>:total bytes",
    "object_state": "<root>:generator state",
    "max_norm_data": "_parameters['weight'] data_ptr",
    "clamped_parameter": "_parameters['weight'] bytes",
    "replaces_parameter": "layer:_parameters['weight']:",
    "toggles_training": "dropout:training",
    "freezes_itself": "requires_grad",
    "hooks_itself": "layer:_forward_hooks keys",
    "draws_random_numbers": "random state of numpy",
    "random_branch": "random state of torch",
    "max_norm_embedding": "_parameters['weight'] bytes",
    "built_on_first_call": "head",
    "slotted": "<root>:calls",
    "hidden_modules": "running_mean",
    "spectral_norm": "_buffers['_u'] bytes",
    "spectral_norm_hook": "_buffers['weight_u'] bytes",
    "running_statistics": "2:_buffers['running_mean'] bytes",
    "lazy_layers": "4 type",
    "feature_extractor": "<root>:collected keys",
}


@pytest.mark.parametrize("name", EFFECTS)
def test_snapshot_sees_what_forward_leaves_behind(name: str) -> None:
    model, args, kwargs = _ready(SMALL_BY_NAME[name])
    before = snapshot(model)
    model(*args, **kwargs)
    lines = difference(before, snapshot(model))
    assert any(EFFECTS[name] in line for line in lines), "\n".join(lines) or "no difference"


# The recording --------------------------------------------------------------------------------------------------------


def test_recording_of_a_model_counted_by_hand() -> None:
    model = SMALL_BY_NAME["functional_classifier"].build().eval()
    with torch.no_grad():
        found = record(model, torch.zeros(2, 3, 32, 32))
    assert found == [
        Recorded("conv1", "Conv2d", ((2, 3, 32, 32),), ((2, 16, 32, 32),)),
        Recorded("bn1", "BatchNorm2d", ((2, 16, 32, 32),), ((2, 16, 32, 32),)),
        Recorded("conv2", "Conv2d", ((2, 16, 32, 32),), ((2, 32, 16, 16),)),
        Recorded("bn2", "BatchNorm2d", ((2, 32, 16, 16),), ((2, 32, 16, 16),)),
        Recorded("max_pool", "MaxPool2d", ((2, 32, 16, 16),), ((2, 32, 8, 8),)),
        Recorded("fc1", "Linear", ((2, 2048),), ((2, 10),)),
        Recorded("", "FunctionalClassifier", ((2, 3, 32, 32),), ((2, 10),)),
    ]


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("shared_module", ["layer", "layer", "layer", "head", ""]),
        ("aliased_module", ["encoder.0", "encoder.1", "encoder", "encoder.0", "encoder.1", "encoder", ""]),
        ("recursion", ["layer", "layer", "layer", "", "", "", ""]),
        ("loop", ["cell"] * 5 + ["head", ""]),
        ("containers", ["stages.0", "stages.1", "stages.2", "heads.mean", "heads.variance", ""]),
        ("direct_forward", ["block.0", "block.1", ""]),
        ("created_in_forward", ["layer", ""]),
        ("bare_linear", [""]),
        ("scripted_submodule", ["before", "block", "after", ""]),
        ("traced_submodule", ["before", "block", "after", ""]),
        ("scripted_whole", [""]),
        ("data_parallel", ["module.0", "module.1", "module", ""]),
    ],
)
def test_recording_of_paths(name: str, paths: list[str]) -> None:
    model, args, kwargs = _ready(SMALL_BY_NAME[name])
    assert [call.path for call in record(model, *args, **kwargs)] == paths


def test_recording_lists_every_tensor() -> None:
    model, args, kwargs = _ready(SMALL_BY_NAME["nested_inputs"])
    (*_, root) = record(model, *args, **kwargs)
    assert root.input_shapes == ((2, 4), (2, 4), (3,))
    assert root.output_shapes == ((2, 2), (2, 2), (3,))

    model, args, kwargs = _ready(SMALL_BY_NAME["keyword_inputs"])
    (*_, root) = record(model, *args, **kwargs)
    assert root.input_shapes == ((2, 6), (2, 6))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("tuple", [(2, 4), (), (2, 1)]),
        ("list", [(2, 4), (2, 4), (4,)]),
        ("dict", [(2, 4), (2,), (2, 4)]),
        ("named_tuple", [(2, 4), (2, 4), (2, 4)]),
        ("dataclass", [(2, 4), (2, 4), (4,)]),
        ("none", []),
        ("string", []),
        ("number", []),
        ("own_class", []),
        ("namespace", []),
        ("normal_distribution", [(2, 4), (2, 4)]),
        ("categorical_distribution", [(2, 4)]),
        ("packed_sequence", [(3, 4), (2,)]),
        ("set", [(2, 4)]),
        ("deque", [(2, 4), (2, 4)]),
        ("sparse", [(2, 4)]),
        ("nested_tensor", [(2, -1, 4)]),
        ("complex", [(2, 4)]),
        ("array", []),
        ("generator", []),
        ("self_containing", [(2, 4)]),
        ("empty", [(0, 4)]),
    ],
)
def test_recording_of_outputs(name: str, shapes: list[tuple[int, ...]]) -> None:
    model, args, kwargs = _ready(SMALL_BY_NAME[f"returns_{name}"])
    inner = next(call for call in record(model, *args, **kwargs) if call.path == "inner")
    assert list(inner.output_shapes) == shapes


def test_recording_of_a_model_output() -> None:
    pytest.importorskip("transformers")
    model, args, kwargs = _ready(SMALL_BY_NAME["returns_model_output"])
    inner = next(call for call in record(model, *args, **kwargs) if call.path == "inner")
    assert inner.output_shapes == ((2, 4), (2, 4), (2, 4))


def test_recording_is_in_order_of_completion_and_repeats_a_repeated_tensor() -> None:
    tensor = torch.zeros(2)
    assert list(tensors_in([tensor, {"again": tensor}])) == [tensor, tensor]
    assert shapes_in((torch.zeros(1), [torch.zeros(2, 3)])) == ((1,), (2, 3))
    assert shape_of(torch.zeros(())) == ()


@pytest.mark.parametrize("name", ["transformer_encoder", "padded_encoder"])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
def test_hooks_switch_the_fast_path_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, args, kwargs = _ready(SMALL_BY_NAME[name])
    fast_calls = []
    fast_path = torch._transformer_encoder_layer_fwd

    def counted(*values: Any, **named: Any) -> Any:
        fast_calls.append(values)
        return fast_path(*values, **named)

    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", counted)
    with torch.no_grad():
        model(*args, **kwargs)
        assert len(fast_calls) == 2, "without hooks both layers take the fast path"
        paths = [call.path for call in record(model, *args, **kwargs)]
    assert len(fast_calls) == 2, "with hooks none does"
    inner = ("self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2")
    prefix = "encoder." if name == "padded_encoder" else ""
    assert [f"{prefix}layers.{index}.{layer}" for index in (0, 1) for layer in inner] == [
        path for path in paths if path.count(".") == prefix.count(".") + 2
    ]


def test_hooks_go_when_forward_raises() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 2))
    before = snapshot(model)
    with pytest.raises(RuntimeError):
        record(model, torch.zeros(1, 4))
    assert_unchanged(before, model)


# What copy.deepcopy cannot do: values in slots are lost, uninitialized buffers and computed weights are refused.
NOT_COPIED = ("slotted", "lazy_layers", "weight_norm_hook")


@pytest.mark.parametrize("name", [name for name in EFFECTS if name not in NOT_COPIED])
def test_record_copy_changes_nothing(name: str) -> None:
    entry = SMALL_BY_NAME[name]
    model, (args, kwargs) = entry.build(), entry.inputs()
    before = snapshot(model)
    record_copy(model, *args, **kwargs)
    assert_unchanged(before, model)


# The zoo --------------------------------------------------------------------------------------------------------------


def _ready(entry: ZooModel) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """The model in the mode that its entry is meant for, and its arguments."""
    torch.manual_seed(0)
    model = entry.build()
    if not entry.training:
        model.eval()
    return model, *entry.inputs()


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    left, right = list(one.parameters()), list(other.parameters())
    return len(left) == len(right) and all(
        torch.nn.parameter.is_lazy(a) or a.is_meta or torch.equal(a, b) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("entry", cases([*SMALL, *REAL], thorough=VERY_LONG.union(entry.name for entry in REAL)))
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
def test_model_builds_and_runs(entry: ZooModel) -> None:
    """Twice the same weights, a snapshot that reads without a trace, and a pass that the recording sees to its end."""
    model, args, kwargs = _ready(entry)
    torch.manual_seed(0)
    assert _same_weights(entry.build(), model)

    before = snapshot(model)
    assert difference(before, snapshot(model)) == []

    with torch.no_grad():
        calls = record(model, *args, **kwargs)
        assert calls[-1].path == ""
        if entry.shape is not None and not entry.training:
            device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
            args, kwargs = dummy_arguments(entry, device=device)
            assert record(model, *args, **kwargs)[-1].path == ""


def test_the_zoo_is_large_and_its_names_are_unique() -> None:
    names = [entry.name for entry in (*REAL, *SMALL)]
    assert [name for name, times in collections.Counter(names).items() if times > 1] == []
    assert sum("transformers" in entry.requires for entry in REAL) >= 64
    assert sum("monai" in entry.requires and "einops" not in entry.requires for entry in REAL) >= 12
    assert len(SMALL) >= 42
    assert [entry.name for entry in SMALL if not entry.note] == []
    assert all(entry.shape is not None and len(entry.shape) == 3 for entry in (*REAL, *SMALL) if entry.image)


def test_importing_the_zoo_imports_no_other_package() -> None:
    program = "import sys, tests.zoo; print(sorted({'transformers', 'monai', 'convlin'} & set(sys.modules)))"
    assert python(program, cwd=TESTS.parent).stdout.strip() == "[]"


def test_oracles_know_nothing_of_convlin() -> None:
    files = [TESTS / "snapshot.py", TESTS / "recording.py", *sorted((TESTS / "zoo").glob("*.py"))]
    imported: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    assert "torch" in imported
    assert "convlin" not in imported
