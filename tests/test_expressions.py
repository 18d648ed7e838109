"""Which expression of a user's code made which tensors, held against hooks and the code itself."""

from __future__ import annotations

from types import CodeType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize, watch
from convlin.records import CodePlace, Report


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.conv(x))


def halved(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(4) for _ in range(3))
        self.rnn = nn.LSTM(8, 5, batch_first=True)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = halved(self.stem(x))
        for block in self.blocks:
            x = block(x)
        out, (_h, _c) = self.rnn(x.mean(1))
        low, high = out.chunk(2, 1)
        return low + high + torch.zeros(5)


def text_of(place: CodePlace, code: CodeType) -> str:
    """The source text of a place, by Python's own positions of the running code."""
    line, last, start, end = list(code.co_positions())[place.offset // 2]
    assert line is not None
    assert line == last
    with open(place.file, encoding="utf-8") as file:
        return file.read().splitlines()[line - 1].encode()[start:end].decode()


def results(report: Report) -> dict[str, list[tuple[str, tuple[tuple[int, ...], ...], int]]]:
    codes = {each.__qualname__: each.__code__ for each in (Block.forward, Net.forward, halved)}
    found: dict[str, list[tuple[str, tuple[tuple[int, ...], ...], int]]] = {}
    for each in report.expressions:
        text = text_of(each.places[0], codes[each.places[0].function])
        found.setdefault(text, []).append((each.path, tuple(shape for _, shape in each.outputs), each.times))
    return found


def test_each_expression_of_the_users_code_has_what_it_made() -> None:
    found = results(summarize(Net(), (3, 16, 16)).report)
    image = (1, 4, 8, 8)
    assert found["self.stem(x)"] == [("", ((1, 4, 16, 16),), 1)]
    assert found["F.max_pool2d(x, 2)"] == [("", (image,), 1)]
    assert found["block(x)"] == [("", (image,), 3)]
    assert found["x + F.relu(self.conv(x))"] == [(f"blocks.{index}", (image,), 1) for index in range(3)]
    assert found["self.rnn(x.mean(1))"] == [("", ((1, 8, 5), (1, 1, 5), (1, 1, 5)), 1)]
    assert found["out.chunk(2, 1)"] == [("", ((1, 4, 5), (1, 4, 5)), 1)]
    assert found["torch.zeros(5)"] == [("", ((5,),), 1)]
    assert found["low + high + torch.zeros(5)"] == [("", ((1, 4, 5),), 1)]


def test_a_function_of_the_users_knows_which_call_led_to_it() -> None:
    report = summarize(Net(), (3, 16, 16)).report
    (pooled,) = [each for each in report.expressions if each.places[0].function == "halved"]
    inside, call = pooled.places
    assert text_of(inside, halved.__code__) == "F.max_pool2d(x, 2)"
    assert text_of(call, Net.forward.__code__) == "halved(self.stem(x))"


def test_letters_and_a_watched_call_give_the_same_expressions() -> None:
    model = Net().eval()
    quick = [each.places for each in summarize(model, (3, 16, 16)).report.expressions]
    with watch(model) as watched:
        model(torch.zeros(1, 3, 16, 16))
    assert [each.places for each in watched.report.expressions] == quick
    letters = summarize(model, (3, "H", 16)).report
    assert [each.places for each in letters.expressions] == quick


def test_the_call_that_failed_is_told() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x @ torch.ones(7, 7)

    report = summarize(Wrong(), (3, 16, 16)).report
    last = report.expressions[-1]
    assert last.places[0].function.endswith("Wrong.forward")
    assert text_of(last.places[0], Wrong.forward.__code__) == "x @ torch.ones(7, 7)"
    (problem,) = report.problems
    assert problem.call in last.calls


def test_code_of_installed_packages_has_no_expressions() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert tuple(summarize(model, (5, 8)).report.expressions) == ()
