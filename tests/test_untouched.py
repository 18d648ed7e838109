"""After a pass, returned or raised, the model and the process's random state are what they were."""

from __future__ import annotations

import collections
import copy
import importlib
import io
import pickle
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode

import convlin
from convlin import InputError, num_flat_features, summarize
from convlin.errors import UntouchedWarning
from examples.cifar10 import CNN, ThreeWrong
from examples.small_cnn import WrongCNN
from tests.processes import PATIENCE, python
from tests.snapshot import difference, snapshot


class Raises(nn.Module):
    """Changes whatever it can reach, then raises ``error``."""

    count: Tensor

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen: list[Tensor] = []
        # In a function, since the note on the exception is none of the model's own.
        self.error = lambda: error
        self.register_buffer("count", torch.zeros(100_000))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        self.last = self.conv(self.norm(x))
        self.count += 1
        with torch.no_grad():
            self.conv.weight.mul_(0.5)
        assert self.conv.bias is not None
        self.conv.bias.data = torch.ones(4)
        self.norm.eval()
        self.register_forward_hook(lambda *_: None)
        torch.manual_seed(1)
        numpy.random.seed(1)
        random.seed(1)
        raise self.error()


SEEDS_NUMPY = """
import sys, torch
from convlin import summarize
summarize(torch.nn.Linear(3, 4), (3,))
print("numpy.random" in sys.modules)

class Net(torch.nn.Module):
    def forward(self, x):
        import numpy
        numpy.random.seed(1)
        return x

summarize(Net(), (3,))
import numpy
print(numpy.random.random() == numpy.random.RandomState(1).random())
numpy.random.seed(7)
summarize(Net(), (3,))
print(numpy.random.random() == numpy.random.RandomState(7).random())
"""


def test_numpys_random_numbers_are_not_loaded_and_not_left_seeded() -> None:
    done = python(SEEDS_NUMPY)
    assert done.stdout.split() == ["False", "False", "True"], done.stderr


ERRORS: list[BaseException] = [
    AttributeError("mine"), ValueError("mine"), RuntimeError("mine"), RecursionError("deep"), MemoryError(),
    KeyboardInterrupt(), SystemExit(3), torch.OutOfMemoryError("CUDA out of memory"),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("mode", ["eval", "train", "same"])
def test_an_exception_leaves_as_itself_and_nothing_behind(error: BaseException, mode: str) -> None:
    model = Raises(error)
    before = snapshot(model)
    with pytest.raises(type(error)) as caught:
        summarize(model, (3, 8, 8), mode=mode)
    assert caught.value is error
    assert difference(before, snapshot(model)) == []


def test_the_users_own_error_carries_the_table_up_to_it() -> None:
    with pytest.raises(AttributeError) as caught:
        summarize(Raises(AttributeError("mine")), (3, 8, 8))
    (note,) = caught.value.__notes__
    assert "norm" in note
    assert "1×4×6×6" in note


@pytest.mark.parametrize("model", [CNN(), ThreeWrong(), WrongCNN()], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("mode", ["eval", "train", "same"])
def test_right_and_wrong_models_are_untouched(model: nn.Module, mode: str) -> None:
    before = snapshot(model)
    summarize(model, (3, 32, 32), mode=mode, batch_size=2)
    assert difference(before, snapshot(model)) == []


def test_a_frozen_norm_inside_a_model_in_train_mode_stays_frozen() -> None:
    model = CNN().train()
    model.conv_layer[1].eval()
    summarize(model, (3, 32, 32))
    assert model.conv_layer[0].training
    assert not model.conv_layer[1].training


def test_statistics_of_train_mode_are_given_back() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.InstanceNorm2d(3, track_running_stats=True)).train()
    batch = torch.randn(4, 3, 8, 8)
    before = snapshot(model)
    summary = summarize(model, batch, mode="train")
    assert summary.report.mode == "train"
    assert difference(before, snapshot(model)) == []


def test_lazy_layers_tell_their_number_and_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10))
    before = snapshot(model)
    summary = summarize(model, (3, 8, 8))
    assert summary.required_in_features == {"3": 288}
    assert difference(before, snapshot(model)) == []
    assert type(model[3]) is nn.LazyLinear
    model(torch.zeros(1, 3, 10, 10))
    assert model[3].in_features == 512


class Loaded(random.Random):
    """A generator that counts."""

    thrown = 0

    def randint(self, a: int, b: int) -> int:
        self.thrown += 1
        return super().randint(a, b)


class Keeps(nn.Module):
    """A queue, and generators of Python's and of numpy's, one of them under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.recent = collections.deque([1, 2], maxlen=2)
        self.dice, self.numbers = random.Random(3), numpy.random.default_rng(5)
        self.same, self.legacy = self.dice, numpy.random.RandomState(7)
        self.loaded = Loaded(9)

    def forward(self, x: Tensor) -> Tensor:
        self.recent.append(self.same.randint(1, 6) + self.loaded.randint(1, 6))
        return x * self.numbers.random() * self.legacy.rand()


def test_queues_and_generators_of_the_model_are_given_back() -> None:
    model, other = Keeps(), Keeps()
    before = snapshot(model)
    summarize(model, (3,))
    assert difference(before, snapshot(model)) == []
    assert (model.dice.random(), model.numbers.random()) == (other.dice.random(), other.numbers.random())
    assert (model.legacy.rand(), model.loaded.random()) == (other.legacy.rand(), other.loaded.random())
    assert model.loaded.thrown == 0


def test_a_generator_without_a_state_stands_in_no_ones_way() -> None:
    model: Any = nn.Linear(3, 2)
    model.of_the_system = random.SystemRandom()
    assert summarize(model, (3,)).ok


def test_a_default_dtype_that_forward_sets_is_given_back() -> None:
    class Doubles(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.set_default_dtype(torch.float64)
            return x + torch.zeros(1)

    assert str(summarize(Doubles(), (3,)).calls[0].outputs[0].dtype) == "float64"
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("error", [MemoryError("full"), RecursionError("deep"), torch.OutOfMemoryError("full")])
def test_running_out_of_something_is_no_finding(error: Exception) -> None:
    class Runs(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    with pytest.raises(type(error)) as caught:
        summarize(Runs(), (3,))
    assert caught.value is error


def test_bad_input_changes_nothing() -> None:
    model = CNN()
    before = snapshot(model)
    for bad in [(3, -1, 32), (), (3, 32.0, 32), "3,32,32", ((3, 32, 32), (10,)), {"nonsense": (3,)}, [[3, 32, 32]]]:
        with pytest.raises(InputError):
            summarize(model, bad)
    assert difference(before, snapshot(model)) == []


def test_a_timeout_signal_in_forward_leaves_nothing_behind() -> None:
    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)  # here: before and behind it a busy machine takes as long
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                x = self.norm(x)
            return x

    def stop(_: int, frame: FrameType | None) -> None:
        # Python drops what is raised in a callback of the garbage collector or of a weak reference (hypothesis and
        # torch._dynamo have them): wait until the signal falls into convlin's code, the layer's or the model's.
        if frame is not None and frame.f_code.co_filename.startswith(places):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise TimeoutError("too long")

    places = (str(Path(convlin.__file__).parent), str(Path(nn.__file__).parent), __file__)
    model = Slow()
    before = snapshot(model)
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        with pytest.raises(TimeoutError):
            summarize(model, (4,), mode="train", batch_size=3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert difference(before, snapshot(model)) == []


class Alarm(TorchFunctionMode):
    """Raises as a signal handler does that happens to run inside a torch function."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") == "relu":
            raise TimeoutError("too long")
        return func(*args, **(kwargs or {}))


def test_an_alarm_inside_a_torch_function_is_no_finding() -> None:
    """It ends the pass: were it taken for a refusal of torch's, the model would be run once more."""
    runs = []
    model = nn.Sequential(nn.ReLU())
    model.register_forward_pre_hook(lambda *_: runs.append(1))
    with pytest.raises(TimeoutError), Alarm():
        summarize(model, (4,))
    assert len(runs) == 1


def test_an_alarm_that_loses_the_mode_leaves_those_of_others() -> None:
    class Loses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.overrides._pop_mode()
            raise TimeoutError("too long")

    with BaseTorchFunctionMode():
        before = torch._C._len_torch_function_stack()
        with pytest.raises(TimeoutError):
            summarize(Loses(), (4,))
        assert torch._C._len_torch_function_stack() == before


def test_threads_do_not_disturb_each_other() -> None:
    shared = CNN()
    models = [shared, shared, WrongCNN(), ThreeWrong(), shared]
    before = [snapshot(model) for model in models]
    expected = [str(summarize(model, (3, 32, 32))) for model in models]
    results: list[list[str]] = [[] for _ in models]

    def work(index: int) -> None:
        for _ in range(3):
            results[index].append(str(summarize(models[index], (3, 32, 32))))

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(len(models))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert results == [[text] * 3 for text in expected]
    for model, saved in zip(models, before, strict=True):
        assert difference(saved, snapshot(model)) == []


def test_another_thread_that_uses_the_model_is_not_recorded() -> None:
    model = CNN().eval()
    stop = threading.Event()

    def use() -> None:
        with torch.no_grad():
            while not stop.is_set():
                model(torch.zeros(1, 3, 32, 32))

    alone = summarize(model, (3, 32, 32))
    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    try:
        beside = [summarize(model, (3, 32, 32)) for _ in range(3)]
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert all(summary == alone for summary in beside)


class Trained(nn.Module):
    """Norms, dropout, shared and constrained weights: all that a summary could disturb."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(8 * 16, 8)
        self.again = nn.Linear(8, 8)
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.out.weight.data = torch.renorm(self.out.weight.data, 2, 0, 1.0)
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        x = self.drop(self.fc(x.flatten(1)))
        return self.out(self.again(F.relu(self.again(x))))


def _train(between: Callable[[nn.Module, str], Any], *, autocast: bool = False) -> list[Tensor]:
    torch.manual_seed(0)
    model = Trained()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(50):
        between(model, "start")
        x, y = torch.randn(6, 3, 8, 8), torch.randint(4, (6,))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            if autocast:
                between(model, "autocast")
            loss = F.cross_entropy(model(x), y)
        between(model, "forward")
        optimizer.zero_grad()
        with torch.autograd.set_detect_anomaly(True, check_nan=False) if autocast else torch.enable_grad():
            loss.backward()
        between(model, "backward")
        optimizer.step()
    return [*model.parameters(), *model.buffers(), torch.get_rng_state()]


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning")  # asked for, to see that it goes together
def test_a_training_run_with_a_summary_at_every_step_ends_bit_identical(autocast: bool) -> None:
    def inside(model: nn.Module, moment: str) -> None:
        summarize(model, (3, 8, 8), mode="train" if moment == "backward" else "eval", batch_size=2)
        if moment == "forward":
            with torch.inference_mode():
                summarize(model, (3, 8, 8))

    with_summaries = _train(inside, autocast=autocast)
    without = _train(lambda *_: None, autocast=autocast)
    assert all(torch.equal(left, right) for left, right in zip(with_summaries, without, strict=True))


def test_num_flat_features_inside_init_draws_no_random_number() -> None:
    torch.manual_seed(3)
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2))
    before = torch.get_rng_state()
    assert num_flat_features(features, (3, 32, 32)) == 4 * 15 * 15
    assert torch.equal(before, torch.get_rng_state())


class WritesUnseen(nn.Module):
    """Writes to what it holds where no function mode sees it."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            self.seen.add_(1)
            self.fc.weight.mul_(2)
        return self.fc(x)


def test_a_write_that_nothing_saw_coming_is_told() -> None:
    model = WritesUnseen()
    with pytest.warns(UntouchedWarning, match=r"wrote to 1 tensor\(s\) of the model \(4×4\).*copy.deepcopy"):
        summarize(model, (4,))
    assert torch.equal(model.seen, torch.zeros(3))  # small buffers are copied beforehand


class _Hiding(nn.Module):
    """Uses the names of PyTorch's methods for things of its own."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.inner = nn.Sequential(nn.Linear(10, 2))
        for name in names:
            setattr(self, name, [self.conv])

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.conv(x).flatten(1))


HIDDEN = ("modules", "parameters", "named_modules", "named_parameters", "buffers", "named_buffers", "children",
          "named_children", "get_submodule")  # fmt: skip


@pytest.mark.parametrize("names", [*((name,) for name in HIDDEN), HIDDEN], ids="+".join)
@pytest.mark.parametrize("size", [3, 8])
def test_a_model_may_use_the_name_of_a_method_for_its_own(names: tuple[str, ...], size: int) -> None:
    model = _Hiding(*names)
    summary = summarize(model, (3, size, size), columns=["layer", "output", "where"])
    # What PyTorch flattens is what the Linear needs.
    needed = model.conv(torch.zeros(1, 3, size, size)).flatten(1).shape[1]
    assert summary.required_in_features == {"inner.0": needed}
    assert summary.problems
    assert all(getattr(model, name) == [model.conv] for name in names)


def test_in_letters_a_model_may_use_the_names_of_methods_too() -> None:
    model = _Hiding(*HIDDEN)
    assert summarize(model, (3, "H", "H"), columns=["layer", "output", "where"]).problems
    assert all(getattr(model, name) == [model.conv] for name in HIDDEN)


class OwnLazy(nn.Module):
    """A layer that settles its size at the first call without being one of PyTorch's lazy ones, as those of PyG."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = UninitializedParameter()
        self.hook = self.register_forward_pre_hook(self.settle)

    def settle(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        with torch.no_grad():
            self.weight.materialize((4, args[0].shape[-1]))
            self.weight.fill_(1.0)
        self.hook.remove()
        del self.hook

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


@pytest.mark.parametrize("shape", [(7,), ("N", 7)])
def test_a_lazy_layer_of_another_package_stays_lazy(shape: tuple[Any, ...]) -> None:
    model = nn.Sequential(OwnLazy(), nn.Linear(4, 2))
    before = snapshot(model)
    summary = summarize(model, shape)
    assert summary.problems == ()
    assert difference(before, snapshot(model)) == []
    assert summary.total_params == 4 * 7 + 4 * 2 + 2
    assert model(torch.zeros(2, 3)).shape == (2, 2)  # its first call settles another size
    model = nn.Sequential(OwnLazy(), nn.Linear(5, 2))
    (problem,) = summarize(model, shape).problems
    assert (problem.path, problem.declared, problem.required) == ("1", 5, 4)


class Resizes(nn.Module):
    """Resizes what it keeps to what arrives, as an observer of quantization does for each channel."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        torch.amax(x, (0, 2, 3), out=self.seen.resize_(x.shape[1]))
        return x


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, "H", 8)])
def test_a_buffer_that_forward_resizes_gets_its_size_back_each_time(shape: tuple[Any, ...]) -> None:
    model = nn.Sequential(Resizes(), nn.Conv2d(3, 4, 3))
    for _ in range(3):  # from the second on there is room where the elements are
        summarize(model, shape)
        seen = model.get_buffer("0.seen")
        assert (seen.shape, seen.tolist()) == ((1,), [1.0])
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 4, 6, 6)
    assert model.get_buffer("0.seen").shape == (3,)


def test_a_model_prepared_for_quantization_is_trained_after_summaries() -> None:
    quantization = importlib.import_module("torch.ao.quantization")
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).train()
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    with warnings.catch_warnings():  # that it moves to another package
        warnings.simplefilter("ignore")
        quantization.prepare_qat(model, inplace=True)
    twin, image = copy.deepcopy(model), torch.randn(2, 3, 8, 8)
    for shape in ((3, 8, 8), (3, 8, 8), (3, "H", 8)):
        summary = summarize(model, shape, mode="same")
        assert summary.problems == ()
    state, expected = model.state_dict(), twin.state_dict()
    assert state.keys() == expected.keys()
    assert all(state[name].shape == expected[name].shape for name in state)
    assert all(torch.equal(state[name], expected[name]) for name in state)
    assert torch.equal(model(image), twin(image))
    assert torch.equal(model.get_buffer("0.weight_fake_quant.scale"), twin.get_buffer("0.weight_fake_quant.scale"))


class _Slotted:
    __slots__ = ("count", "empty")

    def __init__(self) -> None:
        self.count = 0

    def step(self) -> None:
        _COUNT.__set__(self, _COUNT.__get__(self) + 1)
        self.empty = True


class _Shadowed(_Slotted):
    """A property stands before a slot of the base, as in the paths of Python 3.13."""

    __slots__ = ()

    @property
    def count(self) -> str:  # type: ignore[override]
        return "a property without a setter"

    def __init__(self) -> None:
        _COUNT.__set__(self, 0)


_COUNT: Any = vars(_Slotted)["count"]


@pytest.mark.parametrize("kind", [_Slotted, _Shadowed])
def test_slots_are_put_back_whatever_stands_before_them(kind: type[_Slotted]) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state = kind()

        def forward(self, x: Tensor) -> Tensor:
            self.state.step()
            return x

    model = Counts()
    summarize(model, (3,))
    assert _COUNT.__get__(model.state) == 0
    assert not hasattr(model.state, "empty")
    model(torch.zeros(1))
    assert (_COUNT.__get__(model.state), model.state.empty) == (1, True)


class Copies(nn.Module):
    """Keeps, or runs, another form of a layer of its own, as momentum encoders and ensembles do."""

    def __init__(self, made: Callable[[nn.Module], nn.Module], width: int = 48) -> None:
        super().__init__()
        self.online, self.made = nn.Sequential(nn.Flatten(), nn.Linear(width, 16)), made
        self.kept: list[nn.Module] = []
        self.target: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.target is None:
            self.target, unused = self.made(self.online), self.made(self.online)
            self.kept.append(unused)
        found: Tensor = self.online(x) + self.target(x)
        return found


def _saved(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module, file)
    found: nn.Module = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    return found


def _hooks_of(model: nn.Module) -> int:
    dicts = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")
    return sum(len(getattr(module, name)) for module in model.modules() for name in dicts)


@pytest.mark.parametrize("made", [copy.deepcopy, copy.copy, _saved], ids=["deepcopy", "copy", "saved"])
@pytest.mark.parametrize("given", [(3, 4, 4), torch.zeros(2, 3, 4, 4)], ids=["shape", "tensor"])
def test_a_layer_that_is_copied_in_forward(made: Callable[[nn.Module], nn.Module], given: Any) -> None:
    """No hook goes into the copy: it is no part of the model, and outlives the pass."""
    model = Copies(made)
    summary = summarize(model, given)
    assert summary.ok
    assert (model.target, model.kept) == (None, [])
    with convlin.watch(model) as watched:
        model(torch.zeros(2, 3, 4, 4))
    assert watched.ok
    assert model.target is not None
    copies = [model, model.target, *model.kept]
    assert [_hooks_of(each) for each in copies] == [0] * len(copies)
    for each in copies:  # plain PyTorch, long after
        assert each(torch.zeros(2, 3, 4, 4)).shape == (2, 16)
        pickle.loads(pickle.dumps(each.online if isinstance(each, Copies) else each))
    wrong = summarize(Copies(made, 47), given)
    assert wrong.problems[0].required == 48 or "48 meets 47" in wrong.problems[0].message


def test_what_was_saved_in_forward_is_read_without_convlin(tmp_path: Path) -> None:
    class Saves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            torch.save(self.fc, tmp_path / "fc.pt")
            found: Tensor = self.fc(x)
            return found

    assert summarize(Saves(), (4,)).ok
    loads = f"import sys, torch; fc = torch.load({str(tmp_path / 'fc.pt')!r}, weights_only=False)"
    said = python(f"{loads}; print(fc(torch.zeros(1, 4)).shape); print('convlin' in sys.modules)").stdout
    assert said == "torch.Size([1, 2])\nFalse\n"
