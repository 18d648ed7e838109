"""What convlin does where a version of torch lacks a private name."""

from __future__ import annotations

import ast
import enum
import json
import re
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules import module
from torch.nn.modules.module import register_module_forward_hook

from convlin import summarize
from convlin._util import torch_private
from tests.processes import python

#: Names that are taken away before convlin is imported.  Without these everything is answered as before: without every
#: second of them at once, since one may keep the next one from being asked for, and in the long run without each alone.
REPLACED = (
    "torch._C._len_torch_function_stack", "torch._C._get_function_stack_at", "torch._C._pop_torch_function_stack",
    "torch._C._push_on_torch_function_stack", "torch._C._len_torch_dispatch_stack",
    "torch._C._functorch.peek_interpreter_stack", "torch._C._autograd._unsafe_set_version_counter",
    "torch.nn.modules.conv._ConvNd", "torch.nn.modules.conv._ConvTransposeNd", "torch.nn.modules.loss._Loss",
    "torch.nn.modules.batchnorm._BatchNorm", "torch.nn.modules.batchnorm._NormBase",
    "torch.nn.modules.instancenorm._InstanceNorm", "torch._compile._disable_dynamo",
    "torch.AcceleratorError", "torch.ops.aten.sym_is_contiguous", "torch._C._set_tracing_state",
)  # fmt: skip
HALVES = (REPLACED[::2], REPLACED[1::2])
#: Without these named sizes are refused, and the rest is answered as before.
OF_NAMED_SIZES = (
    "torch._dispatch.python.enable_python_dispatcher", "torch._dynamo.source.ConstantSource",
    "torch._subclasses.fake_tensor.FakeTensorMode", "torch.fx.experimental.symbolic_shapes.DimDynamic",
    "torch.fx.experimental.symbolic_shapes.ShapeEnv", "torch.utils._sympy.value_ranges.ValueRanges",
    "torch.utils._sympy.functions.ToFloat", "torch._refs",
)  # fmt: skip
#: Without these convlin cannot be imported.
NEEDED = (
    "torch._C.DisableTorchFunction", "torch.utils._python_dispatch.TorchDispatchMode",
    "torch.utils._python_dispatch._disable_current_modes",
)  # fmt: skip

WITHOUT = """
import importlib, json, os, sys
import torch
from torch import nn
import torch._dynamo.source, torch._refs, torch.fx.experimental.symbolic_shapes  # while every name is there

torch.set_num_threads(1)


def take_away(path):
    owner, _, name = path.rpartition(".")
    home = torch
    for part in owner.split(".")[1:]:
        home = getattr(home, part)
    if isinstance(getattr(home, name, None), type(sys)):
        sys.modules[path] = None
    vars(home).pop(name, None)


def answers():
    try:
        from convlin import InputError, Print, summarize
        from convlin.errors import ConvlinError
        from convlin.at_error.answer import _is_loss
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(7), nn.ReLU(inplace=True), nn.ConvTranspose2d(8, 6, 2, stride=2),
            nn.InstanceNorm2d(5, affine=True), Print("here"), nn.Flatten(), nn.Linear(10, 4),
        )
        plain = summarize(model, (3, 8, 8))
    except ImportError as error:
        return str(error)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.norm, self.fc = nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Linear(24, 3)

        def forward(self, x):
            return self.fc(self.norm(self.body(x)).relu_().flatten(1))

    found = [str(plain), _is_loss(nn.CrossEntropyLoss()), _is_loss(model)]
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for given in ({"mode": "train", "batch_size": 2}, {"device": "meta"}, {"columns": ["layer", "output", "flops"]}):
        found.append(str(summarize(net, (2, 8), **given)))
    found.append(str(summarize(net, (2, 9))))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    try:
        found.append(str(summarize(nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)), (2, "L"))))
    except ConvlinError as error:
        found.append(str(error))
    return found


for names in ((), *NAMES):
    sys.stdout.flush()
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        with open(ours) as loaded:
            # What torch has loaded for its answers the other children need not load again.
            for module in loaded.read().split() if not names else ():
                importlib.import_module(module)
        os.waitpid(child, 0)
        continue
    try:
        for name in names:
            take_away(name)
        print(json.dumps([names, answers()]), flush=True)
        if not names:
            loaded = [each for each in sys.modules if each.split(".")[0] in ("torch", "sympy")]
            os.write(theirs, " ".join(loaded).encode())
    except BaseException as error:
        import traceback
        print(json.dumps([names, traceback.format_exc()]), flush=True)
    finally:
        os._exit(0)
"""


def answers(*names: tuple[str, ...]) -> dict[tuple[str, ...], object]:
    """What convlin answers where some names are missing, and (of no names) where all are there."""
    with tempfile.TemporaryDirectory() as folder:
        said = python(WITHOUT.replace("NAMES", repr(names)), cwd=folder).stdout
    return {tuple(missing): found for missing, found in map(json.loads, said.splitlines())}


@pytest.fixture(scope="module")
def without() -> dict[tuple[str, ...], object]:
    return answers(*HALVES, *((name,) for name in (*OF_NAMED_SIZES, *NEEDED)))


def test_every_name_is_taken_away_in_turn() -> None:
    source = Path(torch_private.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("torch"):
            named |= {alias.name for alias in node.names}
    private = {name for name in named - own if re.fullmatch(r"_[A-Za-z]\w+", name)}
    # Modules that the others lie in, attributes of operators, of weights and of what fully_shard made, and what torch
    # itself cannot do without: tests of their own are below.
    private -= {"_C", "_autograd", "_functorch", "_get_fsdp_state", "_fsdp_param_groups", "_fsdp_param_group"}
    private -= {"_training_state", "_is_compiling_flag", "_schema", *torch_private._GLOBAL_HOOKS}
    private -= {"_is_param", "_DisableTorchDispatch", "_get_tracing_state"}
    taken = {name.rpartition(".")[2] for name in (*REPLACED, *OF_NAMED_SIZES, *NEEDED)}
    assert private - taken == set()


@pytest.mark.parametrize("names", HALVES, ids=["even", "odd"])
def test_without_the_names_that_are_replaced(names: tuple[str, ...], without: dict[tuple[str, ...], object]) -> None:
    assert isinstance(without[()], list)
    assert without[names] == without[()]


@pytest.mark.thorough
def test_without_each_name_that_is_replaced() -> None:
    before, *found = answers(*((name,) for name in REPLACED)).items()
    assert isinstance(before[1], list)
    assert found == [((name,), before[1]) for name in REPLACED]


@pytest.mark.parametrize("name", OF_NAMED_SIZES)
def test_without_a_name_that_named_sizes_need(name: str, without: dict[tuple[str, ...], object]) -> None:
    before, found = without[()], without[name,]
    assert isinstance(before, list)
    assert isinstance(found, list), found
    assert found[:-1] == before[:-1]
    missing = name.rpartition(".")[2]
    told = re.match(r"named sizes need parts of PyTorch that torch \S+ keeps elsewhere \((.*)\): write", found[-1])
    assert told
    assert missing in told[1]


@pytest.mark.parametrize("name", NEEDED)
def test_without_a_name_that_every_pass_needs(name: str, without: dict[tuple[str, ...], object]) -> None:
    assert without[name,] == (
        f"convlin needs {name}, which torch {torch.__version__} has not: "
        "use a version of torch that convlin was tried with"
    )


def test_a_global_hook_is_seen() -> None:
    assert not torch_private.has_global_hooks()
    handle = register_module_forward_hook(lambda *_: None)
    try:
        assert torch_private.has_global_hooks()
    finally:
        handle.remove()
    assert not torch_private.has_global_hooks()


@pytest.mark.parametrize("name", torch_private._GLOBAL_HOOKS)
def test_without_one_of_the_registries(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(module, name)
    monkeypatch.delattr(module, name)
    assert not torch_private.has_global_hooks()


def test_symbols_of_an_older_environment() -> None:
    class Older:
        var_to_val = {"s0": 3}  # noqa: RUF012  # an instance attribute there

    assert torch_private.values_of_symbols(Older()) == {"s0": 3}


def test_operators_that_a_version_lacks_are_left_out() -> None:
    found = torch_private.operators("aten.size.default", "aten.size.nothing_like_it", "nowhere.at.all")
    assert list(found) == [torch.ops.aten.size.default]


def test_the_version_of_a_tensor_is_set() -> None:
    tensor = torch.zeros(3)
    before = tensor._version
    tensor.add_(1)
    assert tensor._version == before + 1
    torch_private.set_version(tensor, before)
    assert tensor._version == before


def test_a_setter_that_takes_one_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[object, int]] = []

    def setter(tensor: object, version: int) -> None:
        if isinstance(tensor, tuple):
            raise TypeError("incompatible function arguments")
        taken.append((tensor, version))

    monkeypatch.setattr(torch._C._autograd, "_unsafe_set_version_counter", setter)
    tensor = torch.zeros(1)
    torch_private.set_version(tensor, 7)
    assert taken == [(tensor, 7)]


def test_without_the_flag_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch_private.compiling():
        assert torch.compiler.is_compiling()
    assert not torch.compiler.is_compiling()
    monkeypatch.delattr(torch.compiler, "_is_compiling_flag")
    with torch_private.compiling():
        assert not hasattr(torch.compiler, "_is_compiling_flag")


def test_a_model_in_train_mode_without_the_setter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C._autograd, "_unsafe_set_version_counter")
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert summarize(model, (4,), batch_size=3, mode="train").ok
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_wrapper_that_keeps_one_group_of_parameters() -> None:
    class Phase(enum.Enum):
        IDLE = 0
        FORWARD = 1

    class State:
        def __init__(self) -> None:
            self._training_state = Phase.FORWARD

    class Module:
        def _get_fsdp_state(self) -> State:
            return state

    state, group = State(), State()
    state._fsdp_param_group = group  # type: ignore[attr-defined]
    torch_private.end_forward(Module())
    assert (state._training_state, group._training_state) == (Phase.IDLE, Phase.IDLE)


def test_an_operator_without_a_schema_may_write() -> None:
    class OpOverload:
        """As far as it is asked: one that does not tell what it writes to."""

        def __str__(self) -> str:
            return "mine.reads.default"

    assert torch_private.operator_name(OpOverload()) == "torch.ops.mine.reads"
    assert torch_private.operator_writes(OpOverload())
    assert not torch_private.operator_writes(torch.ops.aten.relu.default)
