"""Letters where a model makes plain numbers of its sizes, and where PyTorch makes weights late: real runs decide."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from convlin import InputError, Summary, summarize
from convlin.sizes.spell import spell_shape
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


# What comes of a plain number: a formula where runs show one, else "?", and never the number of the sample


NUMBERS: dict[str, tuple[Callable[[Tensor], Tensor], Any]] = {
    "int of a half": (lambda x: F.interpolate(x, size=int(x.shape[-1] * 0.5)), "L any from 2 up"),
    "int of 0.7": (lambda x: x[..., : int(0.7 * x.shape[-1])], "L any"),
    "power": (lambda x: x[..., : int(x.shape[-1] ** 0.5)], "L any"),
    "math.sqrt": (lambda x: x[..., : int(math.sqrt(x.shape[-1]))], "L any"),
    "math.sqrt twice": (lambda x: x[..., : 2 * int(math.sqrt(x.shape[-1] // 4))], "L any"),
    "math.log2": (lambda x: x[..., : int(math.log2(x.shape[-1]))], None),
    "round": (lambda x: F.interpolate(x, size=round(x.shape[-1] * 1.7)), "L any"),
    "a tensor of it": (lambda x: x[..., : int(torch.tensor(x.shape[-1]) * 0.5)], "L any"),
    "a loop": (lambda x: torch.stack([x[..., i] for i in range(x.shape[-1])], -1), "L any"),
    "a loop over half": (lambda x: torch.stack([x[..., i] for i in range(x.shape[-1] // 2)], -1), "L any from 2 up"),
    "steps of two": (lambda x: torch.cat([x[..., i : i + 1] for i in range(0, x.shape[-1], 2)], -1), "L any"),
    "until it is short": (lambda x: halved_until(x, 8), "L any"),
}  # fmt: skip


def halved_until(x: Tensor, size: int) -> Tensor:
    while x.shape[-1] > size:
        x = F.max_pool1d(x, 2)
    return x


@pytest.mark.parametrize("case", NUMBERS)
def test_what_comes_of_a_plain_number_is_what_runs_show(case: str) -> None:
    call, accepted = NUMBERS[case]
    model = Calls(call)
    s = summarize(model, (3, "L"))
    assert s.ok
    said = " ".join(s.report.remarks)
    form = s.output_shape
    assert form is not None
    hedged = "not for all" in said or "found right only where" in said
    for length in (2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 25, 63, 64, 65, 99, 100, 101, 150, 224):
        there = runs(model, 3, length)
        if -1 not in form and not hedged and there is not None:
            assert at(form, L=length) == there
    if -1 in form:
        assert "no formula was found" in said
    elif not hedged:
        assert "what comes of it was tried at" in said or "round" in case
    assert (s.accepts and s.accepts.text) == accepted


@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        (lambda n: max(round(n / 32), 1) * 32, (16, 48, 79, 80, 81, 112, 144, 176)),
        (lambda n: round(n / 10_000) + 1, (4999, 5000, 5001, 15_000, 25_000)),
        (lambda n: round(n / 2 + 0.5) + 1, (1, 2, 3, 4, 5, 6)),
        (lambda n: round(n / 3) + 1, (1, 2, 4, 5, 7, 8)),
    ],
)  # fmt: skip
def test_a_half_is_rounded_to_the_even_number(size: Callable[[int], int], lengths: tuple[int, ...]) -> None:
    model = Calls(lambda x: F.interpolate(x, size=size(x.shape[-1])))
    s = summarize(model, (3, "L"))
    assert s.ok
    assert not s.report.remarks
    for length in lengths:
        assert at(s.output_shape, L=length) == runs(model, 3, length)


def padded_as_tensorflow_does(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Until the last window is full, as the MobileNets of ``transformers`` have it."""
    rest = int(x.shape[-1]) % stride
    more = max(kernel - (rest or stride), 0)
    return F.pad(x, (more // 2, more - more // 2))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (6, 2), (4, 3), (7, 4)])
def test_what_is_padded_beyond_a_multiple_has_its_form(kernel: int, stride: int) -> None:
    def twice(x: Tensor) -> Tensor:
        for _ in range(2):
            x = F.avg_pool1d(padded_as_tensorflow_does(x, kernel, stride), kernel, stride)
        return x

    model = Calls(twice)
    s = summarize(model, (3, "L"))
    assert not any("not for" in remark or "no formula" in remark for remark in s.report.remarks)
    padded = [call for call in s.calls if call.type == "F.pad"]
    assert len(padded) == 2
    for length in (*range(1, 40), 99, 100, 101, 130, 131, 224, 1000):
        assert at(s.output_shape, L=length) == runs(model, 3, length)
        there = length
        for call in padded:
            assert at(call.output_shape, L=length)[-1] == stride * -(-there // stride) + kernel - stride
            there = -(-there // stride)


@pytest.mark.parametrize("share", [8, 4, 16])
def test_windows_as_far_apart_as_the_length_says(share: int) -> None:
    model = Calls(lambda x: x.unfold(-1, 8, x.shape[-1] // share).mean(-1))
    s = summarize(model, (3, "L"))
    assert s.ok
    assert all((str(s), s.to_html(), s.explain()))
    (row,) = [call for call in s.calls if call.type == "Tensor.unfold"]
    for length in (16, 24, 31, 32, 33, 100):
        if -1 not in (row.output_shape or ()):
            assert at(row.output_shape, L=length) == (*(runs(model, 3, length) or ()), 8)


@pytest.mark.parametrize(
    ("call", "features", "accepted"),
    [
        (lambda x: F.interpolate(x, size=int(x.shape[-1] * 0.5)), 150, (100, 101)),
        (lambda x: x[..., : int(math.sqrt(x.shape[-1]))], 30, (100, 120)),
        (lambda x: x[..., : int(torch.tensor(x.shape[-1]) * 0.5)], 60, (40, 41)),
    ],
)
def test_a_plain_number_in_front_of_a_linear_has_the_range_of_real_runs(
    call: Callable[[Tensor], Tensor], features: int, accepted: tuple[int, int]
) -> None:
    model = nn.Sequential(Calls(call), nn.Flatten(), nn.Linear(features, 4))
    s = summarize(model, (3, "L"))
    assert s.ok
    assert s.accepts is not None
    assert (s.accepts["L"].minimum, s.accepts["L"].maximum) == accepted
    taken = [length for length in range(1, 300) if runs(model, 3, length) is not None]
    assert taken == list(range(accepted[0], accepted[1] + 1))


def test_a_side_of_a_square_is_the_root_that_forward_takes_and_no_size_that_it_equals_for_squares() -> None:
    class Sides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 8, stride=8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x).flatten(2)
            side = int(x.shape[-1] ** 0.5)
            return x.reshape(x.shape[0], 8, side, side)

    model = Sides()
    s = summarize(model, (3, "H", "W"))
    assert s.output_shape is not None
    assert spell_shape(s.output_shape) == "1×8×int(√(⌊H/8⌋·⌊W/8⌋))×int(√(⌊H/8⌋·⌊W/8⌋))"
    for height, width in ((32, 72), (16, 64), (64, 64), (40, 45)):
        there = runs(model, 3, height, width)
        assert there is not None
        assert at(s.output_shape, H=height, W=width) == there
    assert Summary.from_json(s.to_json()) == s


def test_what_letters_cannot_go_through_is_no_error_of_the_model() -> None:
    model = Calls(lambda x: x[..., : int(numpy.sqrt(x.shape[-1]))])
    assert runs(model, 3, 64) == (1, 3, 8)
    with pytest.raises(InputError, match=r"cannot be followed through this forward, which runs at numbers.* TypeError"):
        summarize(model, (3, "L"))


@pytest.mark.parametrize(
    ("model", "written"),
    [
        (lambda x: x[..., : int(2 * x.shape[-1] / 3)], "Tensor[..., :⌊2·L/3⌋]"),
        (lambda x: x[:, 0, : int(x.shape[-1] ** 0.5)], "Tensor[:, 0, :⌊√L⌋]"),
        (lambda x: x[:, :3, : int(x.shape[-1] / 3)], "Tensor[:, :3, :⌊L/3⌋]"),
        (lambda x: x[..., -int(x.shape[-1] / 3) :], "Tensor[...]"),
        (lambda x: x[..., int(x.shape[-1] / 3)], "Tensor[...]"),
        (lambda x: x[..., : x.shape[-1] // 2], "Tensor[..., :⌊L/2⌋]"),
        (lambda x: x[..., :7], "Tensor[..., :7]"),
    ],
)
def test_an_index_is_written_without_the_number_of_one_size(model: Callable[[Tensor], Tensor], written: str) -> None:
    s = summarize(Calls(model), (4, "L"))
    row = next(line for line in str(s).splitlines() if "Tensor[" in line)
    assert f" {written} " in row
    for length in (13, 64, 100):  # and what a number in the index says is what PyTorch makes
        there = runs(Calls(model), 4, length)
        assert there is not None
        assert s.output_shape is not None
        told = at(s.output_shape, L=length)
        assert all(size in (-1, other) for size, other in zip(told, there, strict=True))
    assert Summary.from_json(s.to_json()) == s


@pytest.mark.parametrize(
    ("given", "instead", "name", "to_write"),
    [
        (lambda n: numpy.fmod(n, 4) + 1, lambda n: n % 4 + 1, "np.fmod", "%"),
        (numpy.log1p, math.log1p, "np.log1p", "math.log1p"),
        (numpy.arctan, math.atan, "np.arctan", "math.atan"),
        (lambda n: numpy.round(n / 3), lambda n: round(n / 3), "np.rint", "round"),
        (lambda n: divmod(n, 5)[0], lambda n: n // 5, "divmod", "// and %"),
    ],
)
def test_functions_that_take_no_size_in_letters(
    given: Callable[[Any], Any], instead: Callable[[Any], Any], name: str, to_write: str
) -> None:
    wrong = Calls(lambda x: x[..., : int(given(x.shape[-1]))])
    right = Calls(lambda x: x[..., : int(instead(x.shape[-1]))])
    expected = [runs(wrong, 3, length) for length in (13, 64, 100)]
    assert expected == [runs(right, 3, length) for length in (13, 64, 100)]
    with pytest.raises(InputError) as caught:
        summarize(wrong, (3, "L"))
    assert f" of {name}, which takes no size in letters; write {to_write} in its place" in str(caught.value)
    assert "test_letters_numbers.py:" in str(caught.value)
    assert "Sym" not in str(caught.value)
    assert summarize(right, (3, "L")).ok


POOLED_WHOLE: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "a max of a signal": (lambda x: F.max_pool1d(x, x.size(2)), 1),
    "a mean of a signal": (lambda x: F.avg_pool1d(x, x.size(2)), 1),
    "a layer made on the way": (lambda x: nn.MaxPool1d(x.size(2))(x), 1),
    "half of it at a time": (lambda x: F.max_pool1d(x, x.size(2), stride=2, padding=1, ceil_mode=True), 1),
    "a max of a map": (lambda x: F.max_pool2d(x, x.size()[2:]), 2),
    "a mean of a map": (lambda x: F.avg_pool2d(x, (x.size(2), x.size(3))), 2),
    "the rows of a map": (lambda x: F.max_pool2d(x, (x.size(2), 1)), 2),
}


@pytest.mark.parametrize("case", POOLED_WHOLE)
def test_a_pool_over_all_of_it_behind_a_convolution_without_padding(case: str) -> None:
    call, dims = POOLED_WHOLE[case]
    model = nn.Sequential(nn.Conv1d(2, 6, 3) if dims == 1 else nn.Conv2d(2, 6, 3), Calls(call), nn.ReLU())
    letters = "HW"[:dims]
    summary = summarize(model, (2, *letters))
    assert "1×2×H" in str(summary)
    assert all((summary.to_html(), summary.to_json(), summary.explain("1")))
    assert summary.accepts is not None
    least = summary.accepts["H"].minimum
    for sizes in product((least, least + 1, 20, 41), repeat=dims):
        assert at(summary.output_shape, **dict(zip(letters, sizes, strict=True))) == runs(model, 2, *sizes)
    assert runs(model, 2, *(least - 1,) * dims) is None


@pytest.mark.parametrize("pieces", [2, 3])
def test_as_many_pieces_at_all_but_a_few_sizes_are_no_plain_number(pieces: int) -> None:
    model = Calls(lambda x: x.chunk(pieces, -1)[pieces - 1])
    summary = summarize(model, (3, "H", "W"))
    assert not any("plain number" in remark for remark in summary.report.remarks)
    assert summary.accepts is not None
    _, wide = summary.accepts.sizes
    for size in (*range(1, 40), 997, 2500):
        shape = runs(model, 3, 2, size)
        assert shape is not None or size not in wide
        if size in wide:
            assert at(summary.output_shape, H=2, W=size) == shape
    assert runs(model, 3, 2, wide.minimum - 1) is None


def test_what_an_error_says_of_sizes_is_in_letters() -> None:
    def forward(x: Tensor) -> Tensor:
        width = x.shape[-1]
        if isinstance(width, torch.SymInt):
            raise ValueError(f"{width // 7} windows of {x.shape[-2]}")
        return x

    with pytest.raises(InputError, match=r"ValueError: ⌊W/7⌋ windows of H; write numbers"):
        summarize(Calls(forward), (3, "H", "W"))


def test_the_words_of_a_models_own_error_stay() -> None:
    def forward(x: Tensor) -> Tensor:
        halves = F.avg_pool2d(x, 2)  # the names that PyTorch's symbols have, and those of sizes made of them
        raise ValueError(f"{', '.join(f'a{number}, s{number}' for number in range(100))}: {halves.dim()} axes")

    with pytest.raises(ValueError, match=r"^a0, s0, a1, s1, a2, s2, .* a99, s99: 4 axes"):
        summarize(Calls(forward), (3, "H", "W"))


class Waves(nn.Module):
    """Four pools by four, and the mean of what is left, as networks of raw sound have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv1d(1, 8, 80, 16), nn.Conv1d(8, 8, 3), nn.Conv1d(8, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second, self.third):
            x = F.max_pool1d(layer(x), 4)
        return F.avg_pool1d(x, x.shape[-1])


@pytest.mark.parametrize("batch", ["N", 2])
def test_the_mean_of_all_steps_is_one_at_every_length(batch: Any) -> None:
    model = Waves()
    s = summarize(model, (1, "T"), batch_size=batch)
    assert s.ok
    assert at(s.output_shape, T=9000, N=2) == (2, 8, 1)
    for length in (1728, 2751, 2752, 4095, 4096, 9000, 33_000):
        assert runs(model, 1, length) == (1, 8, 1)
        for row in s.calls:
            if row.type == "torch.avg_pool1d" and -1 not in (row.output_shape or ()):
                assert at(row.output_shape, T=length, N=2) == (2, 8, 1)


class CountsElements(TorchDispatchMode):
    """Elements of all tensors that operations make."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.count += made.numel() if isinstance(made, Tensor) else 0
        return made


class Resampled(nn.Module):
    """Features of nine positions, resampled at a grid of one and a half times as many: its lines are plain numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features = F.unfold(self.embed(x), 3, padding=1).view(x.shape[0], 36, x.shape[2], x.shape[3])
        lines = [torch.linspace(-1, 1, size * 3 // 2, device=x.device) for size in x.shape[2:]]
        grid = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).flip(-1).unsqueeze(0)
        return F.grid_sample(features, grid, mode="nearest", align_corners=False).flatten(2)


def test_a_run_that_is_said_to_be_too_large_is_large() -> None:
    model = Resampled()
    for remark in summarize(model, (3, "H", "W")).report.remarks:
        for height, width, most in re.findall(r"a run at H = (\d+), W = (\d+)\b.*? makes more than ([\d,]+)", remark):
            with torch.no_grad(), CountsElements() as counted:
                model.to("meta")(torch.zeros(1, 3, int(height), int(width), device="meta"))
            assert counted.count > int(most.replace(",", ""))
