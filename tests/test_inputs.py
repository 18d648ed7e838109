"""What cannot be right is refused before anything runs: with what was passed, and with what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from convlin import ConvlinError, InputError, assert_shapes, explain, fit, num_flat_features, summarize, watch
from convlin.inputs import model_dtype
from convlin.sizes.closed_form import Letter
from tests.snapshot import difference, snapshot

RAN: list[str] = []


class Image(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(3600, 2)

    def forward(self, x: Tensor) -> Tensor:
        RAN.append("forward")
        return self.fc(self.conv(x).flatten(1))


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
        RAN.append("forward")
        return self.fc(left) * scale + self.fc(right)


def build() -> nn.Module:
    return Image()


def refused(call: Callable[[], Any], *said: str) -> None:
    RAN.clear()
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert RAN == []
    for text in said:
        assert text in message, message
    assert "\n" not in message
    assert not re.search(r"0x[0-9a-f]{4}", message), message
    assert "convlin." not in message


# The model

NO_MODELS: list[tuple[Any, tuple[str, ...]]] = [
    (Image, ("Image is a class", "write Image()")),
    (nn.Linear, ("Linear is a class", "write Linear(in_features=…, out_features=…)")),
    (None, ("None is not one", "summarize(model, (3, 32, 32))")),
    (build, ("the function build is not one: if it makes a model, write build()",)),
    (nn.Linear(2, 2).forward, ("the function forward is not one: write the Linear that it belongs to",)),
    (partial(nn.Linear, 2), ("a partial of the class Linear is not one: if it makes a model, call it",)),
    (lambda x: x, ("the function <lambda> is not one: if it makes a model, call it",)),
    ("resnet18", ("'resnet18' is not one",)),
    ((3, 32, 32), ("(3, 32, 32) is not one", "the model comes first")),
    (torch.zeros(3), ("a tensor of 3 is not one",)),
    ([nn.Linear(2, 2)], ("a list of modules is not one", "nn.Sequential")),
    (nn.Linear(2, 2).state_dict(), ("load_state_dict",)),
    (3, ("3 is not one",)),
]


@pytest.mark.parametrize(("model", "said"), NO_MODELS)
@pytest.mark.parametrize("door", [summarize, fit, num_flat_features, explain, watch, assert_shapes])
def test_no_model(door: Callable[..., Any], model: Any, said: tuple[str, ...]) -> None:
    def call() -> None:
        if door is watch:
            with watch(model):
                pass
        elif door is assert_shapes:
            assert_shapes(model, (3, 32, 32), {"fc": ("N", 2)})
        else:
            door(model, (3, 32, 32))

    refused(call, "the model is an nn.Module", *said)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.ModuleList([nn.Linear(2, 2)]), ("ModuleList has no forward", "nn.Sequential(*layers)")),
        (nn.ModuleDict({"a": nn.Linear(2, 2)}), ("ModuleDict has no forward",)),
        (nn.Module(), ("Module has no forward", "write one")),
    ],
)
def test_without_forward(model: nn.Module, said: tuple[str, ...]) -> None:
    refused(lambda: summarize(model, (2,)), *said)
    assert not summarize(model).calls  # its structure can be shown


class Bare(nn.Module):
    def __init__(self) -> None:
        self.size = 3

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("door", [summarize, fit, num_flat_features])
@pytest.mark.parametrize("is_part", [False, True])
def test_an_init_that_leaves_out_that_of_the_module(door: Callable[..., Any], is_part: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 3), Bare()) if is_part else Bare()
    with pytest.raises(AttributeError):
        model(torch.zeros(1, 3))
    refused(lambda: door(model, (3,)), "Bare.__init__ does not call super().__init__(): write that as its first line")


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((3, 10**10, 10**10), {}),
        ((3, 10**10, 10**10), {"device": "meta"}),
        ((3, 2**63, 8), {}),
        ((3, 10**40, "W"), {}),
        ((3, 8, 8), {"batch_size": 2**63}),
    ],
)
def test_more_bytes_than_pytorch_counts(shape: tuple[Any, ...], options: dict[str, Any]) -> None:
    numbers = [8 if isinstance(size, str) else size for size in shape]
    with pytest.raises((RuntimeError, TypeError)):
        torch.zeros(options.get("batch_size", 1), *numbers, device="meta")
    refused(lambda: summarize(Image(), shape, **options), "has more bytes than PyTorch can count: write other sizes")


def test_as_many_bytes_as_pytorch_counts() -> None:
    sizes = (2**30, 2**30)
    assert summarize(nn.Identity(), sizes, device="meta").output_shape == (1, *sizes)


class TimeStep(nn.Module):
    """As a denoising model takes it: an image, and for each the step that it is at."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.embedding = nn.Conv2d(3, 4, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        angles = step[:, None] * torch.arange(3)
        shift: Tensor = self.embedding(torch.cat([angles.sin(), angles.cos()], -1))
        out: Tensor = self.convolution(x) + shift[:, :, None, None]
        return out


@pytest.mark.parametrize("batch", [1, 5])
def test_an_empty_shape_beside_others_is_one_number_a_sample(batch: int) -> None:
    model, step = TimeStep(), torch.zeros(batch)
    by_tensor = summarize(model, [torch.zeros(batch, 3, 8, 8), step])
    for given in ([(3, 8, 8), ()], {"x": (3, 8, 8), "step": ()}):
        s = summarize(model, given, batch_size=batch)
        assert s.ok
        assert [call.output_shape for call in s.calls] == [call.output_shape for call in by_tensor.calls]
        assert s.output_shape == tuple(model(torch.zeros(batch, 3, 8, 8), step).shape)
    assert summarize(model, [(3, "H", "W"), ()], batch_size="N")["embedding"].input_shape == (Letter("N"), 6)


class ByName(nn.Module):
    def forward(self, **inputs: Tensor) -> Tensor:
        RAN.append("forward")
        return inputs["x"]


class OfKeyword(nn.Module):
    def forward(self, *, image: Tensor) -> Tensor:
        RAN.append("forward")
        return image


class NoSelf(nn.Module):
    def forward(x) -> None:
        RAN.append("forward")


class OfNothing(nn.Module):
    def forward(self) -> Tensor:
        RAN.append("forward")
        return torch.zeros(3)


class Misspelled(nn.Module):
    def foward(self, x: Tensor) -> Tensor:
        return x


def test_a_forward_that_takes_no_input_so() -> None:
    """What is told to write is another call than the one that was made, and it runs."""
    refused(lambda: summarize(ByName(), (3,)), 'takes inputs by name: write summarize(model, {"name": (3, 32, 32)})')
    refused(lambda: summarize(OfKeyword(), (3,)), 'write summarize(model, {"image": (3, 32, 32)})')
    assert summarize(OfKeyword(), {"image": (3, 32, 32)}).ok
    refused(lambda: summarize(NoSelf(), (3,)), "NoSelf.forward(x) has no self: write def forward(self, x)")
    refused(lambda: summarize(OfNothing(), (3,)), "forward(self) takes no input: write summarize(model, {})")
    assert summarize(OfNothing(), {}).output_shape == (3,)
    refused(lambda: summarize(Misspelled(), (3,)), "Misspelled has no forward", "should it be the name of 'foward'?")


@pytest.mark.parametrize(
    ("second", "written"),
    [
        (4, "summarize(model, (3, 32, 32), batch_size=4)"),
        ("cpu", "summarize(model, (3, 32, 32), device='cpu')"),
        (torch.device("cpu"), "summarize(model, (3, 32, 32), device='cpu')"),
        (torch.float32, "summarize(model, (3, 32, 32), dtypes=torch.float32)"),
        ("train", "summarize(model, (3, 32, 32), mode='train')"),
        ("fc", "summarize(model, (3, 32, 32)).explain('fc')"),
    ],
)
@pytest.mark.parametrize("door", [summarize, explain, fit, num_flat_features])
def test_what_stands_behind_the_input_is_told_with_its_keyword(door: Any, second: Any, written: str) -> None:
    model: nn.Module = Image()
    refused(lambda: door(model, (3, 32, 32), second), f"write {written}")
    assert eval(written, {"summarize": summarize, "model": model, "torch": torch})


def test_a_layer_behind_the_input_is_told_by_its_path() -> None:
    model = Image()
    refused(lambda: explain(model, (3, 32, 32), model.fc), "write summarize(model, (3, 32, 32)).explain('fc')")
    refused(lambda: explain(model, (3, 32, 32), nn.Linear(1, 1)), "several inputs belong in a list")


def test_a_batch_size_of_numpy_is_one() -> None:
    assert summarize(Image(), (3, 32, 32), batch_size=numpy.int64(2)).output_shape == (2, 2)  # type: ignore[arg-type]


# The shape

NO_SHAPES = [
    ((3, 0, 32), ("0 in the shape (3, 0, 32) is not a valid size", "positive")),
    ((3, -1, 32), ("-1 in the shape (3, -1, 32)", "sizes are positive, without the batch")),
    ((3, 32.0, 32), ("32.0 in the shape (3, 32.0, 32)", "positive integers", "/ makes a float: write //")),
    ((3, "32", 32), ("'32' in the shape (3, '32', 32)", '(3, "H", "W")')),
    ((3, "H W", 32), ("'H W' in the shape",)),
    ((3, True, 32), ("True in the shape",)),
    ((3, None, 32), ("None in the shape (3, None, 32)",)),
    ((3, float("nan"), 32), ("nan in the shape",)),
    ((3, [32, 32]), ("[32, 32] in the shape",)),
    ((3, torch.tensor(32), 32), ("tensor(32) in the shape (3, tensor(32), 32)",)),
    ((), ("the shape () is empty", "(3, 32, 32)")),
    ([], ("the list of inputs is empty", "[(3, 32, 32), (10,)]")),
    ([3, 32, 32], ("[3, 32, 32] is a list of inputs", "write the shape as a tuple, (3, 32, 32)")),
    ([[3, 32, 32]], ("[3, 32, 32] is not a valid shape: write it as a tuple, (3, 32, 32)",)),
    (((3, 32, 32), (3, 32, 32)), ("several inputs belong in a list: write summarize(model, [(3, 32, 32), (3",)),
    (784, ("784 is not a valid input", "(784,) or (3, 32, 32)")),
    (True, ("True is not a valid input", "(784,)")),
    (3.5, ("3.5 is not a valid input",)),
    ("3,32,32", ("'3,32,32' is not a valid input", "(3, 32, 32)")),
    (range(3, 6), ("range(3, 6) is not a valid input", "(3, 4, 5)")),
    ({3}, ("{3} is not a valid input",)),
    ({1: (3, 32, 32)}, ("1 is not a valid name", '{"input_ids": (128,)}', "[inputs]")),
    ({}, ("cannot be called with no input", "'x'", "summarize(model, (3, 32, 32))")),
    ({"y": (3, 32, 32)}, ("has no 'y': it takes x",)),
    ([(3, 32, 32), (3, 32, 32)], ("Image.forward(x", "cannot be called with 2 inputs")),
    (DataLoader(TensorDataset(torch.zeros(1))), ("a DataLoader is not a valid input", "next(iter(loader))")),
    (TensorDataset(torch.zeros(1)), ("a TensorDataset is not a valid input", "dataset[0][0].unsqueeze(0)")),
    (iter([3, 32, 32]), ("a list_iterator is not a valid input", "only once", "write list(...)")),
    (nn.Linear(2, 2), ("a Linear is not a valid input", "(3, 32, 32)", "write [input]")),
    (nn.Linear, ("the class Linear is not a valid input",)),
    (..., ("Ellipsis is not a valid input",)),
    (
        (torch.zeros(3, 32, 32), 6),
        ("(a tensor of 3×32×32, 6) is not a valid input", "summarize(model, x.unsqueeze(0))"),
    ),
    (
        [torch.zeros(4, 3, 32, 32), torch.zeros(4)],
        ("with 2 inputs", "leave out labels, as in summarize(model, images)"),
    ),
]


@pytest.mark.parametrize(
    ("given", "said"), NO_SHAPES, ids=[f"{type(given).__name__}-{n}" for n, (given, _) in enumerate(NO_SHAPES)]
)
def test_no_shape(given: Any, said: tuple[str, ...]) -> None:
    model = Image()
    before = snapshot(model)
    refused(lambda: summarize(model, given), *said)
    assert difference(before, snapshot(model)) == []


def test_the_number_of_inputs() -> None:
    model = Pair()
    refused(lambda: summarize(model, (4,)), "1 input", "'right'", 'summarize(model, {"left": (…), "right": (…)})')
    refused(lambda: summarize(model, [(4,)] * 4), "4 inputs", "too many")
    refused(
        lambda: summarize(model, (4,), (4,)), "several inputs belong in a list: write summarize(model, [(4,), (4,)])"
    )
    tensors = torch.zeros(1, 4), torch.zeros(1, 4)
    refused(lambda: summarize(model, *tensors), "several inputs belong in a list: write summarize(model, [x1, x2])")
    refused(lambda: summarize(model, tensors[0], numpy.zeros((2, 3))), "several inputs belong in a list")
    own = nn.Sequential(nn.Linear(4, 2))
    own.named_modules = []  # type: ignore[assignment]  # a name that a model may use for something of its own
    refused(lambda: summarize(own, (4,), "0"), "write summarize(model, (4,)).explain('0')")
    refused(lambda: summarize(Image(), 3, 32, 32), "belong in parentheses: write summarize(model, (3, 32, 32))")
    refused(lambda: summarize(model, {"left": (4,), "rihgt": (4,)}), "no 'rihgt'", "did you mean 'right'?")
    refused(lambda: summarize(model, [(4,), (4,)], kwargs={"scal": 2}), "no 'scal'", "did you mean 'scale'?")
    no_kwargs: tuple[Any, Any] = ([2], {1: 2})
    refused(lambda: summarize(model, [(4,), (4,)], kwargs=no_kwargs[0]), "kwargs is a dict", "[2]")
    refused(lambda: summarize(model, [(4,), (4,)], kwargs=no_kwargs[1]), "kwargs is a dict", "{1: 2}")
    refused(lambda: summarize(model, {"left": (4,), "right": (4,)}, kwargs={"left": 1}), "'left' is given twice")


class _Asks(nn.Module):
    """Looks at its input before any layer does."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = x.shape[-1]
        return self.fc(x) / features


class _Noise(nn.Module):
    """Takes a size, and no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, size: tuple[int, ...]) -> Tensor:
        return self.fc(torch.rand(size))


@pytest.mark.parametrize("given", [(4,), [4], (5, 4)])
def test_a_shape_in_kwargs_stays_what_it_is(given: Any) -> None:
    wrong = summarize(nn.Linear(4, 2), kwargs={"input": given}).problems[0]
    assert f"input={given} in kwargs reaches forward as a {type(given).__name__}" in wrong.message
    assert wrong.fix is not None
    assert eval(wrong.fix, {"summarize": summarize, "model": nn.Linear(4, 2)}).ok
    with pytest.raises(AttributeError, match="has no attribute") as info:
        summarize(_Asks(), kwargs={"x": given})
    (note,) = info.value.__notes__
    assert eval(note.rpartition("write ")[2], {"summarize": summarize, "model": _Asks()}).ok
    with pytest.raises(TypeError) as caught:
        summarize(_Asks(), x=given)
    assert eval(str(caught.value).rpartition("write ")[2], {"summarize": summarize, "model": _Asks()}).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_is_told_with_what_is_wrong_of_its_tensor(dtype: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2)).eval()
    array = numpy.ones((3, 8, 8), dtype)
    first, second = summarize(model, array).problems
    assert (first.required, first.path) == ("ndarray", "0")
    assert first.fix is not None
    names = {"torch": torch, "x": array}
    exec(first.fix, names)
    (alone,) = summarize(model, names["x"]).problems
    assert second.message == alone.message
    assert "one sample without a batch" in second.message
    assert model(names["x"].unsqueeze(0)).shape == (1, 2)  # type: ignore[attr-defined]


def test_an_array_with_its_channels_last() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    array = numpy.ones((2, 8, 8, 3), "float32")
    _, second = summarize(model, array).problems
    assert second.fix == "x = x.permute(0, 3, 1, 2)"
    assert model(torch.as_tensor(array).permute(0, 3, 1, 2)).shape == (2, 2)


@pytest.mark.parametrize("given", [numpy.array([3, 10, 10]), torch.tensor([3, 10, 10])])
@pytest.mark.parametrize("features", [256, 99])
def test_the_sizes_of_a_shape_as_an_input(given: Any, features: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(features, 2))
    (problem,) = summarize(model, given).problems
    assert problem.fix == "summarize(model, (3, 10, 10))"
    assert "3, 10 and 10, which look like a shape" in problem.message
    assert model[:2](torch.zeros(1, 3, 10, 10)).shape == (1, 256)


def test_indices_are_no_shape() -> None:
    model = nn.Sequential(nn.Embedding(40, 6), nn.Linear(5, 2))
    (problem,) = summarize(model, torch.tensor([3, 10, 10])).problems
    assert (problem.path, problem.required) == ("1", 6)


def test_a_size_that_forward_takes_is_no_input() -> None:
    assert summarize(_Noise(), kwargs={"size": (3, 4)}).ok
    (problem,) = summarize(_Noise(), kwargs={"size": (3, 5)}).problems
    assert (problem.required, "kwargs" in problem.message) == (5, False)


def test_the_batch_in_the_shape_is_told_with_both_spellings() -> None:
    """Only the layer knows how many dimensions it takes: it is told as a problem, and nothing is left behind."""
    for given in ((8, 3, 32, 32), [(8, 3, 32, 32)]):
        model = Image()
        before = snapshot(model)
        (problem,) = summarize(model, given).problems
        assert problem.kind == "structure"
        assert "(8, 3, 32, 32) seems to hold one" in problem.message
        assert (
            problem.fix == "summarize(model, (3, 32, 32), batch_size=8) or summarize(model, torch.zeros(8, 3, 32, 32))"
        )
        assert difference(before, snapshot(model)) == []


def test_the_batch_in_a_shape_of_letters_is_told_with_a_call_that_runs() -> None:
    [problem] = summarize(Averaged(), ("N", 3, "H", "W")).problems
    assert problem.fix == 'summarize(model, (3, "H", "W"), batch_size="N")'
    assert eval(problem.fix, {"summarize": summarize, "model": Averaged()}).ok


class Averaged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda s: s[0], "0 is not the path of a module: write a string such as '0'"),
        (lambda s: s[9], "9 is not the path of a module: write a string such as '0'"),
        (lambda s: s[nn.Linear(1, 1)], "a Linear is not the path of a module: write a string such as '0'"),
        (lambda s: s.explain(0), "0 is not the path of a module: write a string such as '0'"),
        (lambda s: s["2"], "there is no module '2'"),
        (lambda s: s.check({"0": (1, 2)}), "shapes are compared with s.assert_shapes({...})"),
        (lambda s: s.check(3), "3 is not the path of a lock"),
        (lambda s: s.lock(3), "3 is not the path of a lock"),
        (lambda s: s.save(3), "3 is not the path of a file: write a name such as 'net.html'"),
        (lambda s: s.diff(nn.Linear(1, 1)), "a Linear is not a Summary"),
        (lambda s: summarize(nn.Linear(2, 2))["."], "'.' was not called: no forward pass was run"),
    ],
)
def test_what_no_summary_can_be_asked(ask: Callable[[Any], Any], said: str) -> None:
    s = summarize(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (2,))
    with pytest.raises(ConvlinError) as caught:
        ask(s)
    assert said in str(caught.value)


# The options

NO_OPTIONS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"batch_size": 0}, ("batch_size=0", "positive integer", '"N"')),
    ({"batch_size": -1}, ("batch_size=-1",)),
    ({"batch_size": 1.5}, ("batch_size=1.5",)),
    ({"batch_size": "N 2"}, ("batch_size='N 2'",)),
    ({"batch_size": True}, ("batch_size=True",)),
    ({"batch_size": None}, ("batch_size=None",)),
    ({"trials": 69}, ("trials=69", "write 70 (the default) or more")),
    ({"trials": 100.0}, ("trials=100.0",)),
    ({"trials": True}, ("trials=True",)),
    ({"trials": "140"}, ("trials='140'",)),
    ({"trials": 140}, ("trials=140 is for named sizes", '(3, "H", "W")', "leave it out")),
    ({"dtypes": "flaot32"}, ("'flaot32' is not a valid dtype", "did you mean 'float32'?")),
    ({"dtypes": float}, ("dtypes=float is not a dtype of PyTorch", "write dtypes=torch.float32")),
    ({"dtypes": numpy.int64}, ("dtypes=int64 is not a dtype of PyTorch", "write dtypes=torch.int64")),
    ({"dtypes": [numpy.dtype("int64")]}, ("dtype('int64') is not a dtype of PyTorch", "write torch.int64")),
    ({"dtypes": str}, ("dtypes=the class str is not a valid dtype", "torch.long")),
    ({"dtypes": 3}, ("dtypes=3",)),
    ({"dtypes": [torch.long, torch.long]}, ("2 dtypes for 1 input",)),
    ({"dtypes": {"y": torch.long}}, ("dtypes names 'y', and the inputs are 'x'",)),
    ({"dtypes": {"x": "lnog"}}, ("'lnog' is not a valid dtype", "did you mean 'long'?")),
    ({"device": "gpu"}, ("device='gpu'", '"cpu", "cuda" or "meta"')),
    ({"device": "META"}, ("device='META'",)),
    ({"device": -1}, ("device=-1",)),
    ({"device": object()}, ("device=<object object>",)),
    ({"mode": "trian"}, ("mode='trian'", 'mode="train"')),
    ({"mode": True}, ("mode=True",)),
    ({"columns": ["layer", "parmas"]}, ("'parmas'", "did you mean 'params'?")),
    ({"columns": 3}, ("columns=3", '["layer", "output", "params"]')),
    ({"columns": []}, ("columns is empty",)),
    ({"depth": -1}, ("depth=-1",)),
    ({"depth": 1.5}, ("depth=1.5",)),
    ({"only": 3}, ("only=3", '"Conv2d|Linear"')),
    ({"fold": "no"}, ("fold='no'", "True or False")),
    ({"parameters": 1}, ("parameters=1",)),
    ({"ascii_only": "yes"}, ("ascii_only='yes'",)),
]


@pytest.mark.parametrize(
    ("options", "said"),
    NO_OPTIONS,
    ids=[f"{next(iter(options))}-{index}" for index, (options, _) in enumerate(NO_OPTIONS)],
)
def test_no_option(options: dict[str, Any], said: tuple[str, ...]) -> None:
    model = Image()
    before = snapshot(model)
    refused(lambda: summarize(model, (3, 32, 32), **options), *said)
    assert difference(before, snapshot(model)) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:7", torch.device("cuda", 1)])
def test_a_device_that_is_not_there(device: Any) -> None:
    refused(lambda: summarize(Image(), (3, 32, 32), device=device), str(device), 'write device="cpu"')


@pytest.mark.cuda
def test_a_cuda_device_that_is_not_there() -> None:
    refused(lambda: summarize(Image(), (3, 32, 32), device="cuda:99"), "'cuda:99'", "CUDA device")


@pytest.mark.skipif(hasattr(torch, "xpu") and torch.xpu.is_available(), reason="needs a machine without one")
def test_a_device_of_another_maker() -> None:
    refused(lambda: summarize(Image(), (3, 32, 32), device="xpu"), "device='xpu'", "this PyTorch has none")


@pytest.mark.parametrize("door", [summarize, fit, num_flat_features, explain])
def test_an_unknown_option_is_refused_by_python(door: Callable[..., Any]) -> None:
    RAN.clear()
    with pytest.raises(TypeError, match="batchsize"):
        door(Image(), (3, 32, 32), batchsize=2)
    assert RAN == []


@pytest.mark.parametrize("door", [fit, num_flat_features])
def test_what_runs_the_model_needs_an_input(door: Callable[..., Any]) -> None:
    refused(lambda: door(Image(), None), "give it an input", "(3, 32, 32)")


def test_letters_where_only_numbers_will_do() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 2))
    kept = model[1]
    with pytest.raises(InputError, match="numbers for all sizes"):
        fit(model, (3, "L"))
    assert model[1] is kept
    with pytest.raises(InputError, match="numbers for all sizes"):
        num_flat_features(nn.Flatten(), (3, "L"))


# What is taken, although it looks odd


@pytest.mark.parametrize(
    "given", [(numpy.int64(3), numpy.int32(32), 32), torch.Size([3, 32, 32]), [(3, 32, 32)], {"x": (3, 32, 32)}]
)
def test_spellings_of_a_shape(given: Any) -> None:
    summary = summarize(Image(), given)
    assert summary.ok
    assert summary.report.inputs[0].shape == (1, 3, 32, 32)
    assert all(type(size) is int for size in summary.report.inputs[0].shape)


class Box:
    """Something of the user's own that holds a tensor."""

    def __init__(self) -> None:
        self.content = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("given", "forward"),
    [
        ((torch.zeros(2, 3),), lambda x: x),
        (({"x": torch.zeros(2, 3)},), lambda table: table["x"]),
        ([{"x": [torch.zeros(2, 3)]}], lambda table: table["x"][0]),
        (Box(), lambda box: box.content),
        ((3,), torch.relu),  # no signature that Python could read
    ],
    ids=["a tuple", "a table in a tuple", "a table in a list", "an object", "a function written in C"],
)
def test_what_forward_takes_is_passed_on(given: Any, forward: Callable[..., Tensor]) -> None:
    model = nn.Module()
    model.forward = forward
    tensor = torch.zeros(1, 3) if forward is torch.relu else torch.zeros(2, 3)
    assert summarize(model, given).output_shape == tensor.shape


def test_dtypes_go_by_the_names_of_forward_too() -> None:
    double = Pair().double()
    ways: tuple[Any, ...] = ({"left": torch.float64}, {"[0]": "float64"}, ["double", torch.float64], "torch.float64")
    for dtypes in ways:
        assert summarize(double, [(4,), (4,)], dtypes=dtypes).ok


def test_the_dtype_of_a_model() -> None:
    assert model_dtype(nn.Embedding(3, 4).half()) is torch.float16
    assert model_dtype(nn.ReLU()) is torch.get_default_dtype()
    model = nn.Module()
    model.register_buffer("small", torch.zeros(2, dtype=torch.float8_e4m3fn))
    assert model_dtype(model) is torch.get_default_dtype()


class _Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 8, batch_first=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.lstm(x)[0][:, -1])


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (64, 1, 28, 28)),
        (nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8)), (32, 20)),
        (_Last(), (64, 100, 28)),
        (nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(80, 2)), (16, 10)),
    ],
    ids=["mlp", "norm", "lstm", "tokens"],
)
def test_a_batch_in_the_shape_is_said_where_the_model_is_right(model: nn.Module, shape: tuple[int, ...]) -> None:
    index = isinstance(model, nn.Sequential) and isinstance(model[0], nn.Embedding)
    given = torch.zeros(shape, dtype=torch.long if index else torch.float32)
    assert model.eval()(given).shape[0] == shape[0]  # PyTorch takes the whole shape as it is
    (problem,) = summarize(model, shape).problems
    assert problem.kind == "batch"
    assert f"a batch of {shape[0]}" in problem.message
    assert not problem.changes
    assert problem.where is None
    assert problem.fix is not None
    assert eval(problem.fix, {"summarize": summarize, "model": model}).problems == ()


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(1024, 10)), (3, 32, 32)),
        (nn.Sequential(nn.Flatten(), nn.Linear(700, 10)), (64, 1, 28, 28)),
    ],
    ids=["channels", "also_wrong"],
)
def test_a_wrong_layer_is_not_told_as_a_batch_in_the_shape(model: nn.Module, shape: tuple[int, ...]) -> None:
    needed = torch.zeros(1, *shape).flatten(1).shape[1]
    (problem,) = summarize(model, shape).problems
    assert (problem.kind, problem.required) == ("in_features", needed)


# Words of others


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"input_size": (1, 3, 8, 8)}, "summarize(model, (3, 8, 8))"),
        ({"input_size": [16, 3, 8, 8]}, "summarize(model, (3, 8, 8), batch_size=16)"),
        ({"input_size": (3, 8, 8)}, "summarize(model, (3, 8, 8))"),
        ({"input_shape": [(2, 3, 8, 8)]}, "summarize(model, [(3, 8, 8)], batch_size=2)"),
    ],
)
def test_input_size_is_answered_with_the_call_to_write(given, written):
    model = nn.Conv2d(3, 4, 3)
    with pytest.raises(TypeError) as caught:
        summarize(model, **given)
    assert f"write {written}" in str(caught.value)
    assert eval(written).output_shape[1:] == (4, 6, 6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch": 8}, "batch=8 should be True or False: for the size write batch_size=8"),
        ({"batch": torch.zeros(1, 3, 8, 8)}, "summarize(model, batch)"),
        ({"input_data": torch.zeros(1, 3, 8, 8)}, "summarize(model, input)"),
        ({"input_size": "3,8,8"}, "the shape without its batch, summarize(model, (3, 32, 32))"),
        ({"col_names": ["kernel_size"]}, "summarize() has no col_names=['kernel_size']: write columns="),
        ({"train": True}, 'summarize() has no train=True: write mode="train"'),
        ({"output_size": 3}, "which forward takes: write kwargs={'output_size': …}"),
        ({"verbose": 0}, "nothing is printed before you print the summary"),
        ({"dept": 1}, "summarize() has no dept=1; did you mean 'depth'?"),
    ],
)
def test_an_argument_that_does_not_exist(given, said):
    model = nn.ConvTranspose2d(3, 4, 3)
    with pytest.raises(TypeError) as caught:
        summarize(model, (3, 8, 8), **given)
    assert said in str(caught.value)
    assert not model._forward_hooks


class _Two(NamedTuple):
    left: Tensor
    right: Tensor


class _OfTwo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, two: _Two) -> Tensor:
        return self.fc(two.left) + self.fc(two.right)


def test_what_holds_tensors_goes_to_the_device_that_is_asked_for() -> None:
    two = _Two(torch.zeros(3, 4), torch.zeros(3, 4))
    assert summarize(_OfTwo(), [two], device="meta").check().output_shape == (3, 2)
    assert two.left.device.type == "cpu"
    packed = pack_sequence([torch.zeros(3, 4), torch.zeros(2, 4)])
    assert summarize(nn.LSTM(4, 2), [packed], device="meta").check().output_shape == (5, 2)
