"""Letters where a model makes plain numbers of its sizes, and where PyTorch makes weights late: real runs decide."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, summarize
from tests.test_letters_hold import Calls


def runs(model: nn.Module, *shape: int) -> tuple[int, ...] | None:
    """The shape that comes out, one sample in; None where PyTorch refuses it."""
    try:
        with torch.no_grad():
            return tuple(model(torch.zeros(1, *shape)).shape)
    except (RuntimeError, ValueError, IndexError):
        return None


def at(shape: tuple[Any, ...] | None, **sizes: int) -> tuple[int, ...]:
    """A shape in letters at these sizes."""
    assert shape is not None
    return tuple(each if isinstance(each, int) else int(each.subs(sizes)) for each in shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.LazyConv1d(8, 3), nn.LazyBatchNorm1d(), nn.LazyConv1d(4, 3)),
        lambda: nn.Sequential(nn.LazyConv1d(8, 3), nn.LazyInstanceNorm1d(affine=True, track_running_stats=True)),
        lambda: nn.Sequential(nn.Conv1d(3, 8, 3), nn.LazyBatchNorm1d(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
                              nn.LazyLinear(4), nn.LazyBatchNorm1d()),
    ],
)  # fmt: skip
def test_lazy_norms_are_followed_and_stay_lazy(make: Callable[[], nn.Module]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, settled = make(), make().eval()
    s = summarize(model, (3, "L"))
    assert [problem.message for problem in s.problems] == []
    settled(torch.zeros(1, 3, 40))
    for length in (5, 12, 33):
        assert at(s.output_shape, L=length) == runs(settled, 3, length)
    waiting = [each for each in model.modules() if isinstance(each, nn.modules.lazy.LazyModuleMixin)]
    assert len(waiting) == len([each for each in make().modules() if type(each).__name__.startswith("Lazy")])
    tensors = [*model.parameters(), *model.buffers()]
    assert not any("materialize" in tensor.__dict__ for tensor in tensors)
    model.eval()(torch.zeros(1, 3, 40))


@pytest.mark.parametrize(
    "size",
    [
        lambda x: tuple(torch.tensor(x.shape[2:]) // 2),
        lambda x: (torch.tensor(x.shape[2:]) // 2).tolist(),
    ],
)
def test_sizes_that_go_through_a_tensor_are_refused_as_values(size: Callable[[Tensor], Any]) -> None:
    model = Calls(lambda x: F.interpolate(x, size=size(x)))
    assert runs(model, 2, 8, 6) == (1, 2, 4, 3)
    with pytest.raises(InputError, match="looks at the values of a tensor"):
        summarize(model, (2, "H", "W"))


class Tokens(nn.Module):
    """Patches as a sequence and back as a square map, as many a vision transformer has it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.last = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Any:
        tokens = self.patch(x).flatten(2)
        side = int(tokens.shape[2] ** 0.5)
        return self.last(tokens.reshape(x.shape[0], 8, side, side))


def test_a_number_made_of_a_size_is_nothing_that_a_size_of_1_stretches_to() -> None:
    model = Tokens().eval()
    s = summarize(model, (3, "H", "H"))
    assert s.accepts is not None
    (found,) = s.accepts.sizes
    sizes = [*range(1, 70), 223, 224]
    assert [size for size in sizes if size in found] == [size for size in sizes if runs(model, 3, size, size)]
    assert all(at(s.output_shape, H=size) == runs(model, 3, size, size) for size in sizes if size in found)


def test_that_pytorch_counts_elements_in_32_bits_ends_no_range_and_that_a_model_does_so_may() -> None:
    """torch 2.6 asks whether a convolution's tensors have more elements, and takes them all the same."""

    def counted(x: Tensor) -> Tensor:
        if x.numel() > 2**31 - 1:
            raise ValueError("too large")
        return x

    s = summarize(nn.Conv2d(3, 8, 4, 4), (3, "H", "H"))
    assert s.accepts is not None
    assert s.accepts.text == "H any from 4 up"
    assert summarize(nn.Sequential(Calls(counted), nn.Conv2d(3, 8, 4, 4)), (3, "H", "H")).accepts is None


def test_a_float_behind_a_padding_to_a_multiple_holds_at_multiples() -> None:
    def padded(x: Tensor) -> Tensor:
        return F.pad(x, (0, 5 - x.shape[-1] % 5)) if x.shape[-1] % 5 else x

    model = nn.Sequential(Calls(padded), nn.Conv1d(4, 4, 4, dilation=2), nn.Upsample(scale_factor=2.3))
    s = summarize(model, (4, "L"))
    assert s.report.remarks == ()
    for length in (*range(7, 60), 100, 101, 300):
        assert at(s.output_shape, L=length) == runs(model, 4, length)


def test_a_compiled_part_runs_as_it_is_written() -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("compiled")

    compiled: Any = torch.compile(nn.Conv1d(2, 3, 3), backend=refuse)
    model = nn.Sequential(compiled, nn.MaxPool1d(2))
    s = summarize(model, (2, "L"))
    assert s.accepts is not None
    assert s.accepts.text == "L any from 4 up"
    plain = nn.Sequential(nn.Conv1d(2, 3, 3), nn.MaxPool1d(2))
    assert [runs(plain, 2, length) is not None for length in (3, 4, 5)] == [False, True, True]


# Sizes that are refused in the middle of a range, and ranges that are a part of what is taken


def refusing(refuses: Callable[[int], bool]) -> nn.Module:
    """A model whose own code refuses some lengths."""

    def call(x: Tensor) -> Tensor:
        if refuses(x.shape[-1]):
            raise ValueError("no such length")
        return x

    return nn.Sequential(Calls(call), nn.Conv1d(2, 3, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: refusing(lambda length: length == 50),
        lambda: refusing(lambda length: 50 <= length < 60),
        lambda: refusing(lambda length: length in (30, 90)),
        lambda: refusing(lambda length: length % 7 == 3),
        lambda: Calls(lambda x: F.interpolate(x, scale_factor=0.29) + x[..., : x.shape[-1] * 29 // 100]),
    ],
)
def test_no_range_has_a_hole(make: Callable[[], nn.Module]) -> None:
    model = make().eval()
    accepts = summarize(model, (2, "L")).accepts
    assert accepts is not None
    (found,) = accepts.sizes
    sizes = [*range(2, 200), 899, 1000]
    assert [size for size in sizes if size in found and runs(model, 2, size) is None] == []
    below = [size for size in (found.minimum - 1, found.minimum - found.step) if size > 1]
    assert [size for size in below if runs(model, 2, size) is not None] == []


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: refusing(lambda length: length not in (32, 64, 128)), (2, "L")),
        (lambda: Calls(lambda x: x.unflatten(2, (int(x.shape[2] ** 0.5), -1)).transpose(2, 3) * 1.0), (2, "L")),
        (lambda: Calls(lambda x: x.view(1, 2, int(x.shape[2] ** 0.5), int(x.shape[2] ** 0.5))), (2, "L")),
    ],
)
def test_one_size_of_several_is_no_answer(make: Callable[[], nn.Module], shape: tuple[Any, ...]) -> None:
    model = make().eval()
    taken = [size for size in (32, 49, 64, 81, 128) if runs(model, 2, size) is not None]
    assert len(taken) > 1
    accepts = summarize(model, shape).accepts
    assert accepts is None or all(size in accepts.sizes[0] for size in taken)


def test_forms_hold_at_the_sizes_that_are_taken() -> None:
    def padded(x: Tensor) -> Tensor:
        return F.pad(x, (0, 2 - x.shape[-1] % 2)) if x.shape[-1] % 2 else x

    model = nn.Sequential(Calls(padded), nn.MaxPool1d(2, ceil_mode=True), nn.MaxPool1d(1, 4), nn.Linear(6, 11)).eval()
    s = summarize(model, (4, "L"))
    assert s.accepts is not None
    assert s.accepts.text == "L from 41 to 48"
    assert s.report.remarks == ()
    for length in range(41, 49):
        assert at(s["0"].output_shape, L=length) == (1, 4, length + length % 2)
