"""``Print``: what it says of whatever passes, when it is silent, and that it changes nothing."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from convlin import Print, summarize, watch
from convlin.render.text import problems_text


def printed(value: object, **settings: Any) -> str:
    stream = io.StringIO()
    layer = Print(file=stream, **settings)
    assert layer(value) is value
    return stream.getvalue()


def quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


def nested() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.tensor([[1.0, -2.0], [0.5, 0.5]]), "2×2 float32 cpu, min -2, mean 0, max 1\n"),
        (torch.tensor([float("nan"), 1.0, float("-inf")]), "3 float32 cpu, min 1, mean 1, max 1, 1 NaN, 1 infinite\n"),
        (torch.tensor([float("nan")]), "1 float32 cpu, 1 NaN\n"),
        (torch.empty(0, 3), "0×3 float32 cpu, empty\n"),
        (torch.tensor(3), "scalar int64 cpu, min 3, mean 3, max 3\n"),
        (torch.tensor([True, False, True]), "3 bool cpu, 2 of 3 true\n"),
        (torch.ones(2, dtype=torch.complex64), "2 complex64 cpu, mean of magnitudes 1\n"),
        (torch.full((3,), 60000.0, dtype=torch.float16), "3 float16 cpu, min 6e+04, mean 6e+04, max 6e+04\n"),
        (torch.ones(2).to(torch.float8_e4m3fn), "2 float8_e4m3fn cpu, min 1, mean 1, max 1\n"),
        (torch.ones(2, device="meta"), "2 float32 meta\n"),
        (torch.eye(3).to_sparse(), "3×3 float32 cpu, min 0, mean 0.3333, max 1\n"),
        (
            (torch.ones(2), [torch.zeros(1)]),
            "[0] 2 float32 cpu, min 1, mean 1, max 1\n[1][0] 1 float32 cpu, min 0, mean 0, max 0\n",
        ),
        ({"a": torch.ones(1)}, '["a"] 1 float32 cpu, min 1, mean 1, max 1\n'),
        (5, "int 5\n"),
        (None, "NoneType None\n"),
        ((), "tuple ()\n"),
    ],
)
def test_what_is_printed(value, said):
    assert printed(value) == said


def test_tensors_without_plain_values_are_taken_too():
    assert printed(nested()).startswith("2×? float32 cpu")
    assert printed(quantized()) == "2 qint8 cpu, min 1, mean 1, max 1\n"


def test_long_values_are_cut():
    assert printed("x" * 500) == "str '" + "x" * 54 + "…\n" or len(printed("x" * 500)) < 80


def test_label_and_once():
    stream = io.StringIO()
    layer = Print("after conv", once=True, file=stream)
    for _ in range(3):
        layer(torch.ones(1))
    assert stream.getvalue() == "after conv: 1 float32 cpu, min 1, mean 1, max 1\n"
    assert repr(layer) == "Print('after conv', once=True)"


def test_standard_output_is_looked_up_when_something_passes(capsys):
    model = nn.Sequential(Print("x"))
    model(torch.ones(2))
    assert capsys.readouterr().out == "x: 2 float32 cpu, min 1, mean 1, max 1\n"


def test_a_stream_without_utf8_gets_ascii():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Print(file=stream)(torch.ones(1, 3))
    stream.flush()
    assert raw.getvalue() == b"1x3 float32 cpu, min 1, mean 1, max 1\n"


def test_summarize_is_silent_and_does_not_use_up_once(capsys):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Print(once=True), nn.Flatten(), nn.Linear(999, 2))
    summary = summarize(model, (3, 8, 8))
    assert summary["1"].output_shape == (1, 4, 6, 6)
    assert capsys.readouterr().out == ""
    model[:2](torch.ones(1, 3, 8, 8))
    assert capsys.readouterr().out.startswith("1×4×6×6 float32 cpu")


def test_watch_is_the_users_own_call(capsys):
    model = nn.Sequential(Print())
    with watch(model):
        model(torch.ones(2))
    assert capsys.readouterr().out.startswith("2 float32")


def test_gradients_random_numbers_and_values_are_left_alone():
    x = torch.randn(3, 4, requires_grad=True)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    layer = Print(file=io.StringIO())
    (layer(x) * 2).sum().backward()
    assert torch.equal(torch.get_rng_state(), before)
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((3, 4), 2.0))
    assert layer.state_dict() == {}


def test_it_can_be_copied_and_pickled():
    layer = Print("a", once=True)
    assert repr(copy.deepcopy(layer)) == repr(pickle.loads(pickle.dumps(layer))) == repr(layer)


def test_arrays_are_no_tensors():
    assert printed(numpy.zeros(3)) == "ndarray array([0., 0., 0.])\n"


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(9, 8)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return y


def test_a_line_that_is_the_fix_of_many_is_told_once() -> None:
    summary = summarize(nn.Sequential(*[Block() for _ in range(12)]), (8,))
    assert len(summary.problems) == 12
    told = problems_text(summary.report)
    assert told.count("fix ") == told.count("✗") == 1
    assert told.startswith("✗ 0.fc: ")
    assert told.endswith("\n    the same for 1.fc, 2.fc, 3.fc, 4.fc, 5.fc, 6.fc and 5 more")
