"""Questions and bug reports of real users, each with PyTorch as the judge of the answer."""

from __future__ import annotations

import importlib
import linecache
import re
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from convlin import InputError, ShapeError, Summary, fit, summarize, watch
from convlin.records import Problem
from convlin.sizes.closed_form import Letter
from convlin.sizes.evaluate import Evaluation
from convlin.source import apply
from tests.mistakes.mending import loaded
from tests.rendering import Page

# A watched call whose exception the caller catches --------------------------------------------------------------------


class Stack(nn.Module):
    def __init__(self, second: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(second, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_an_exception_caught_inside_the_block_is_told_as_one_that_leaves_it() -> None:
    net, given = Stack(5), torch.rand(2, 4)
    with suppress(RuntimeError), watch(net) as outside:
        net(given)
    with watch(net) as inside, suppress(RuntimeError):
        net(given)
    [problem] = inside.problems
    assert outside.problems == (problem,)
    assert (problem.path, problem.declared, problem.required) == ("body.2", 5, 3)
    Stack(problem.required)(given)  # PyTorch agrees


def test_a_model_that_is_not_called_in_the_block_is_told_so() -> None:
    net = Stack(3)
    with watch(net) as summary:
        nn.Linear(4, 3)(torch.zeros(1, 4))  # of another model
    assert "Stack was not called in the with block" in str(summary)
    assert "no forward pass" in str(summary).splitlines()[0]
    assert (summary.calls, summary.total_params) == ((), sum(each.numel() for each in net.parameters()))
    with watch(net) as summary:
        net(torch.zeros(1, 4))
    assert "not called" not in str(summary)


def test_an_error_of_another_model_is_none_of_the_watched_one() -> None:
    net, other, given = Stack(3), nn.Sequential(nn.Linear(5, 2)), torch.rand(2, 4)
    with pytest.raises(RuntimeError), watch(net) as uncalled:
        other(given)
    assert "Stack was not called in the with block" in str(uncalled)
    assert (uncalled.problems, uncalled.calls) == ((), ())
    with pytest.raises(RuntimeError), watch(net) as called:
        other(net(given).repeat(1, 2))
    assert "the error comes from another module than Stack" in str(called)
    assert "not called" not in str(called)
    assert (called.problems, called.output_shape) == ((), net(given).shape)
    with pytest.raises(ZeroDivisionError), watch(net) as empty:
        _ = 1 / 0
    assert "Stack was not called in the with block" in str(empty)
    with pytest.raises(RuntimeError), watch(net) as of_a_layer:
        net.body[0](given[:, 1:])
    assert [each.path for each in of_a_layer.problems] == ["body.0"]
    assert "called in" not in str(of_a_layer)


def test_the_memory_of_several_watched_calls_is_that_of_the_first() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    kept = 4 * sum(4 * count for count in (144, 144, 144, 2))  # 4 samples of 4 bytes: what each layer returns
    with watch(net) as summary:
        for batch in (4, 4, 2):
            torch.flatten(net(torch.zeros(batch, 3, 8, 8)))
    assert summary.memory().activations == kept
    assert summary.memory(batch_size=8).activations == 2 * kept
    assert "(the first of 3 calls)" in str(summary)
    assert len(summary.calls) == 3 * 6
    with watch(net) as once:
        net(torch.zeros(4, 3, 8, 8))
    assert once.memory() == summary.memory()
    assert "the first of" not in str(once)


def test_a_model_that_calls_itself_is_called_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor, again: bool = True) -> Tensor:
            x = self.fc(x)
            return self(x, again=False) if again else x

    net = Twice()
    with watch(net) as summary:
        net(torch.zeros(1, 4))
    assert summary.memory().activations == 2 * 4 * 4
    assert "the first of" not in str(summary)


def test_what_runs_behind_a_caught_exception_does_not_hide_it() -> None:
    net, given = Stack(5), torch.rand(2, 4)
    with watch(net) as summary:
        with suppress(RuntimeError):
            net(given)
        torch.flatten(torch.zeros(2, 2))
    assert [problem.path for problem in summary.problems] == ["body.2"]


def test_of_several_calls_the_one_that_failed_is_told() -> None:
    net = Stack(3)
    with watch(net) as summary:
        with suppress(RuntimeError):
            net(torch.rand(2, 9))
        net(torch.rand(2, 4))
    [problem] = summary.problems
    assert (problem.path, problem.declared, problem.required) == ("body.0", 4, 9)
    assert summary.output_shape == (2, 2)


def test_a_watched_bare_container_is_found_where_it_was_made() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2))
    with suppress(RuntimeError), watch(net) as summary:
        net(torch.rand(2, 4))
    asked = summarize(net, (4,)).problems[0]
    assert asked.where is not None
    assert (summary.problems[0].where, summary.problems[0].fix) == (asked.where, asked.fix)
    assert summary.problems[0].fix == "net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))"


# Two ends of one reshape ----------------------------------------------------------------------------------------------


class Unflattened(nn.Module):
    def __init__(self, width: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.fc = nn.Linear(8, width)
        self.parts = nn.Unflatten(1, sizes)

    def forward(self, z: Tensor) -> Tensor:
        return self.parts(self.fc(z))


def test_unflatten_is_told_both_ways_out() -> None:
    [problem] = summarize(Unflattened(2048, (32, 7, 7)), (8,)).problems
    found = re.search(r"either fc gives (\d+), or the sizes multiply to (\d+)", problem.message)
    assert found is not None
    width, product = map(int, found.groups())
    assert Unflattened(width, (32, 7, 7))(torch.zeros(1, 8)).shape == (1, 32, 7, 7)
    assert Unflattened(2048, (32, 8, product // (32 * 8)))(torch.zeros(1, 8)).shape == (1, 32, 8, 8)


def test_unflatten_of_another_axis_asks_nothing_of_the_linear() -> None:
    net = nn.Sequential(nn.Linear(8, 6), nn.Unflatten(1, (2, 4)))
    [problem] = summarize(net, (9, 8)).problems
    assert "either" not in problem.message
    nn.Sequential(net[0], nn.Unflatten(1, (3, 3)))(torch.zeros(1, 9, 8))  # the axis has 9, whatever the Linear gives


# Unpooling an odd size ------------------------------------------------------------------------------------------------


class Unpooled(nn.Module):
    def __init__(self, rank: int, sized: bool) -> None:
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{rank}d")(2)
        self.sized = sized

    def forward(self, x: Tensor) -> Tensor:
        halves, indices = self.pool(x)
        return self.unpool(halves, indices, output_size=x.shape if self.sized else None)


@pytest.mark.parametrize("rank", [2, 3])
def test_unpooling_an_odd_size_is_no_input_too_small(rank: int) -> None:
    given = torch.arange(5.0**rank).view(1, 1, *(5,) * rank)
    with pytest.raises((RuntimeError, ValueError), match="max index"):
        Unpooled(rank, sized=False)(given)
    summary = summarize(Unpooled(rank, sized=False), given)
    [problem] = summary.problems
    assert (problem.kind, problem.path) == ("error", "unpool")
    assert problem.fix == f"pass output_size={(5,) * rank}, the size that pool was given"
    assert problem.where is not None
    assert "smallest" not in problem.message
    assert Unpooled(rank, sized=True)(given).shape == given.shape


# Shapes that are none -------------------------------------------------------------------------------------------------


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(10, 10)
        self.fc = nn.Linear(110, 20)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.fc(torch.cat([self.label(label), z], 1))


def test_one_number_for_each_sample_is_an_empty_shape_or_a_tensor() -> None:
    labels = torch.zeros(1, dtype=torch.long)
    by_tensor, by_shape = (summarize(Conditional(), given) for given in ([torch.zeros(1, 100), labels], [(100,), ()]))
    assert by_tensor.ok
    assert by_shape.calls == by_tensor.calls


class OneDict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.conv(batch["x"])


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, items: list[dict[str, Tensor]]) -> list[Tensor]:
        return [self.fc(item["x"]) for item in items]


@dataclass
class Holder:
    x: Tensor


class OneObject(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, held: Holder) -> Tensor:
        return self.fc(held.x)


@pytest.mark.parametrize("given", [[{"x": (2, 12)}], {"batch": {"x": (2, 12)}}])
def test_a_shape_inside_a_dict_is_told_as_the_tensor_to_write(given: Any) -> None:
    with pytest.raises(InputError, match=r"such as (torch\.zeros\(1, 2, 12\))") as caught:
        summarize(OneDict(), given)
    found = re.search(r"such as (.*)", str(caught.value))
    assert found is not None
    tensor = eval(found[1], {"torch": torch})
    assert OneDict()({"x": tensor}).shape == (1, 4, 10)
    assert summarize(OneDict(), [{"x": tensor}]).output_shape == (1, 4, 10)


def test_a_dict_that_is_one_argument_is_told_with_its_spelling() -> None:
    with pytest.raises(InputError, match=re.escape("write [inputs], with tensors in it")):
        summarize(OneDict(), {"x": (2, 12)})


def test_a_list_that_is_one_argument_is_told_with_its_spelling() -> None:
    items = [{"x": torch.zeros(4, 2)}, {"x": torch.zeros(4, 2)}]
    with pytest.raises(InputError, match=re.escape("or [[…]] to pass the list itself as one input")):
        summarize(Bag(), items)
    assert [tuple(made.shape) for made in Bag()(items)] == [(4, 3), (4, 3)]
    assert summarize(Bag(), [items]).ok


def test_an_object_in_a_tuple_is_told_with_its_spelling() -> None:
    held = Holder(torch.zeros(6, 2))
    with pytest.raises(InputError, match=re.escape("several inputs belong in a list: write summarize(model, [Holder")):
        summarize(OneObject(), (held,))
    assert OneObject()(held).shape == (6, 3)
    assert summarize(OneObject(), [held]).output_shape == (6, 3)


# The arithmetic of the axis that changes ------------------------------------------------------------------------------


def arithmetic(summary: Summary) -> str:
    """The one cell of the column."""
    [cell] = summary.table(columns="arithmetic").split("\n\n")[1].splitlines()[1:]
    return cell


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (nn.Conv2d(1, 8, (1, 64), padding=(0, 32)), "1125 + 2·32 − 64 + 1 = 1126"),
        (nn.Conv2d(1, 8, (64, 1), padding=(32, 0)), "22 + 2·32 − 64 + 1 = 23"),
        (nn.AvgPool2d((1, 4)), "⌊(1125 − 4)/4⌋ + 1 = 281"),
        (nn.MaxPool2d(2), "⌊(22 − 2)/2⌋ + 1 = 11, W likewise 562"),
        (nn.Conv2d(1, 8, (3, 5)), "22 − 3 + 1 = 20, W 1125 − 5 + 1 = 1121"),
        (nn.Conv2d(1, 8, 3, padding=1), "22 + 2·1 − 3 + 1 = 22, W likewise 1125"),
    ],
)
def test_the_arithmetic_is_that_of_the_axes_that_change(layer: nn.Module, told: str) -> None:
    assert arithmetic(summarize(layer, (1, 22, 1125))) == told
    sizes = [int(size) for size in re.findall(r"(?:= |likewise )(\d+)", told)]
    assert set(sizes) <= set(layer(torch.zeros(1, 1, 22, 1125)).shape)


def test_the_arithmetic_in_letters_is_that_of_the_letter() -> None:
    summary = summarize(nn.Conv2d(1, 8, (1, 64), padding=(0, 32)), (1, 22, "T"))
    assert arithmetic(summary) == "T + 2·32 − 64 + 1 = T + 1"


# The line -------------------------------------------------------------------------------------------------------------


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.other(x)


def test_what_has_no_fix_has_its_line_in_the_text() -> None:
    summary = summarize(Sum(), (4,))
    [problem] = summary.problems
    assert problem.fix is None
    assert problem.where is not None
    assert f"    at   {problem.where.text}" in str(summary).splitlines()


# A model that was made elsewhere --------------------------------------------------------------------------------------

FACTORY = """\
from torch import nn


def build_model(classes):
    return nn.Sequential(
        nn.Conv2d(1, 8, 5),
        nn.Flatten(),
        nn.Linear(100, classes),
    )


NET = nn.Sequential(nn.Conv2d(1, 8, 5), nn.Flatten(), nn.Linear(55, 10))
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the user's that makes the models, imported."""
    (tmp_path / "of_the_user.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "of_the_user", raising=False)
    return importlib.import_module("of_the_user")


def fixed(source: str, problem: Problem) -> str:
    """The text with the line of a problem replaced by its fix."""
    assert problem.where is not None
    assert problem.fix is not None
    lines = source.splitlines()
    wrong = lines[problem.where.line - 1]
    lines[problem.where.line - 1] = wrong[: len(wrong) - len(wrong.lstrip())] + problem.fix
    return "\n".join(lines)


def run(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, "fixed", "exec"), names)
    return names


def test_a_model_of_another_files_factory_is_found_there(factory: ModuleType) -> None:
    net = factory.build_model(10)
    [problem] = summarize(net, (1, 12, 12)).problems
    assert problem.where is not None
    assert problem.where.file == factory.__file__
    assert run(fixed(FACTORY, problem))["build_model"](10)(torch.zeros(1, 1, 12, 12)).shape == (1, 10)


def test_a_model_that_another_file_holds_is_found_there(factory: ModuleType) -> None:
    with suppress(RuntimeError), watch(factory.NET) as watched:
        factory.NET(torch.zeros(1, 1, 12, 12))
    for problem in *summarize(factory.NET, (1, 12, 12)).problems, *watched.problems:
        assert problem.where is not None
        assert problem.where.file == factory.__file__
        assert run(fixed(FACTORY, problem))["NET"](torch.zeros(1, 1, 12, 12)).shape == (1, 10)


CELLS = (
    "from torch import nn\nfrom convlin import summarize, watch\n",
    "net = nn.Sequential(\n    nn.Linear(2, 2),\n    nn.Linear(3, 1),\n)\n",  # run, and then written anew:
    "net = nn.Sequential(\n    nn.Conv2d(1, 8, 5),\n    nn.Flatten(),\n    nn.Linear(100, 10),\n)\n",
    "problems = summarize(net, (1, 12, 12)).problems\n",
)


def test_a_model_of_an_earlier_cell_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    for number, cell in enumerate(CELLS):
        name = f"<ipython-input-{number}-0123456789ab>"  # as IPython runs it
        monkeypatch.setitem(linecache.cache, name, (len(cell), None, cell.splitlines(True), name))
        exec(compile(cell, name, "exec"), names)
    [problem] = names["problems"]
    assert problem.where is not None
    assert problem.where.text == "cell 2, line 4"
    assert run(CELLS[0] + fixed(CELLS[2], problem))["net"](torch.zeros(1, 1, 12, 12)).shape == (1, 10)


# Where a tensor comes from --------------------------------------------------------------------------------------------


class Gathered(nn.Module):
    def __init__(self, fills: str, width: int) -> None:
        super().__init__()
        self.conv, self.fc, self.fills = nn.Linear(7, 32), nn.Linear(width, 3), fills

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        made, nodes = self.conv(x), torch.zeros(2, 32)
        if self.fills == "index_add":
            nodes = nodes.index_add(0, index, made)
        else:
            nodes = nodes.scatter_add(0, index[:, None].expand_as(made), made)
        return self.fc(nodes)


@pytest.mark.parametrize("fills", ["index_add", "scatter_add"])
def test_what_is_gathered_comes_from_the_call_that_gathers(fills: str) -> None:
    given = [torch.zeros(6, 7), torch.tensor([0, 0, 0, 1, 1, 1])]
    summary = summarize(Gathered(fills, 16), given)
    [problem] = summary.problems
    shapes: list[tuple[int, ...]] = []
    right = Gathered(fills, problem.required)
    right.fc.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape)))
    right(*given)
    told = "×".join(map(str, shapes[0]))
    assert f"is the last axis of {told}, the output of Tensor.{fills}" in " ".join(problem.message.split())


class Sampled(nn.Module):
    """A spatial transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.turn, self.fc = nn.Linear(196, 6), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self.turn(x.flatten(1)).view(-1, 2, 3), list(x.shape), align_corners=False)
        return self.fc(F.grid_sample(x, grid, align_corners=False).flatten(1))


def test_what_is_sampled_from_the_input_comes_from_the_call_that_samples() -> None:
    summary = summarize(Sampled(100), (1, 14, 14))
    [problem] = summary.problems
    told = " ".join(problem.message.split())
    assert told.startswith(
        "Linear(in_features=100, out_features=3) receives 196 features 196 = 1·14·14, the output of F.grid_sample"
    )
    assert Sampled(problem.required)(torch.zeros(2, 1, 14, 14)).shape == (2, 3)


class Packed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(width, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        out, _ = self.lstm(pack_padded_sequence(x, lengths, batch_first=True))
        return self.fc(pad_packed_sequence(out, batch_first=True)[0])


def test_behind_a_packed_sequence_the_number_has_its_reason() -> None:
    given = [torch.zeros(3, 7, 8), torch.tensor([7, 4, 2])]
    summary = summarize(Packed(6), given)
    [problem] = summary.problems
    assert problem.message.splitlines()[1] == "12 = 2·6: lstm is bidirectional"
    assert Packed(problem.required)(*given).shape == (3, 7, 2)
    shapes = [call.output_shape for call in summary.calls if call.type == "pad_packed_sequence"]
    assert shapes == [(3, 7, 12)]


# A layer of another library -------------------------------------------------------------------------------------------


class OfAnotherLibrary(nn.Module):
    """A Linear that is none of PyTorch's, as that of graph libraries."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class OfAProduct(OfAnotherLibrary):
    """The same as a product, its weights the other way round: as graph convolutions are written."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.weight = nn.Parameter(torch.zeros(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.mm(x, self.weight)


class OfAnOperator(OfAProduct):
    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


@pytest.mark.parametrize("kind", [OfAnotherLibrary, OfAProduct, OfAnOperator])
def test_a_layer_that_declares_its_width_is_judged_by_it(kind: type[OfAnotherLibrary]) -> None:
    net = nn.Sequential(nn.Linear(4, 8), kind(9, 3), nn.ReLU(), nn.Linear(2, 2))
    for device in ("cpu", "meta"):
        first, second = summarize(net, (4,), device=device).problems
        assert (first.kind, first.path, first.declared, first.required) == ("in_channels", "1", 9, 8)
        assert (second.kind, second.path, second.declared, second.required) == ("in_features", "3", 2, 3)
        right = nn.Sequential(nn.Linear(4, 8), kind(first.required, 3), nn.Linear(second.required, 2))
        assert right(torch.zeros(1, 4)).shape == (1, 2)
    [alone] = summarize(kind(9, 3), (8,)).problems
    assert alone.message.splitlines()[1] == "1×8 is the input"
    with pytest.raises(ShapeError, match="in_channels=8"):
        fit(net, (4,))


@pytest.mark.parametrize("kind", [OfAProduct, OfAnOperator])
def test_a_product_with_what_is_no_weight_of_the_layer_asks_for_no_width(kind: type[OfAnotherLibrary]) -> None:
    class Twice(kind):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            return x @ (2 * self.weight)

    [problem] = summarize(Twice(9, 3), (8,)).problems
    assert (problem.kind, problem.declared, problem.required) == ("operands", 9, 8)


def test_a_product_of_a_layer_with_another_width_is_no_wrong_width() -> None:
    class Scaled(OfAnotherLibrary):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight[:, :5])

    [problem] = summarize(Scaled(9, 3), (8,)).problems
    assert (problem.kind, problem.declared, problem.required) == ("operands", 5, 8)


# Positions from a table -----------------------------------------------------------------------------------------------


class Positions(nn.Module):
    pe: Tensor

    def __init__(self, *, given: bool) -> None:
        super().__init__()
        self.words, self.given = nn.Embedding(100, 32), given
        self.register_buffer("pe", torch.zeros(200, 32) if given else torch.zeros(1, 200, 32))

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        return x + (self.pe[: x.size(1)] if self.given else self.pe[:, : x.size(1)])


@pytest.mark.parametrize(
    ("model", "differs"),
    [
        (Positions(given=False), "dimension 1: 230 and 200"),
        (Positions(given=True), "dimension 1 of 1×230×32: 230 and 200"),
    ],
    ids=["batch", "no batch"],
)
def test_a_part_of_a_table_has_the_name_of_the_table(model: nn.Module, differs: str) -> None:
    [problem] = summarize(model, (230,)).problems
    assert "(self.pe[...])" in problem.message
    assert f"they differ in {differs}" in problem.message.splitlines()
    with pytest.raises(RuntimeError, match="size of tensor a"):
        model(torch.zeros(1, 230, dtype=torch.long))
    assert model(torch.zeros(1, 200, dtype=torch.long)).shape == (1, 200, 32)
    accepts = summarize(model, ("L",)).accepts
    assert accepts is not None
    assert accepts.text == "L from 1 to 200"


# The batch in a view --------------------------------------------------------------------------------------------------


class BatchInView(nn.Module):
    def __init__(self, width: int, *, flat: bool = False) -> None:
        super().__init__()
        self.conv, self.fc, self.flat = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(width, 2), flat

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.flatten(1) if self.flat else x.view(64, -1))


def test_a_batch_written_into_a_view_is_not_the_positions_of_the_image() -> None:
    lost, width = summarize(BatchInView(9), (3, 8, 8)).problems  # 64 = 8·8 is the positions as well
    assert lost.message.splitlines()[0].endswith("the batch went from 1 to 64")
    assert (width.path, width.required) == ("fc", 512)
    for batch in 1, 64:
        assert BatchInView(width.required, flat=True)(torch.zeros(batch, 3, 8, 8)).shape == (batch, 2)
    assert BatchInView(width.required)(torch.zeros(64, 3, 8, 8)).shape == (64, 2)


# An exception of the user's own ---------------------------------------------------------------------------------------


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("mine")


def test_the_module_that_raised_is_told_so_and_leaves_its_exception() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(Raises(), nn.Linear(4, 2)))
    with pytest.raises(KeyError, match="mine") as caught:
        summarize(net, (4,))
    [note] = caught.value.__notes__
    rows = {line.split()[0]: line for line in note.splitlines() if line.startswith(("1.0", "0 "))}
    assert rows["1.0"].endswith("raised here")
    assert "raised here" not in rows["0"]
    with pytest.raises(KeyError, match="mine"):
        net(torch.zeros(1, 4))


# Pages have the rows of the text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2])
def test_a_page_with_a_depth_has_the_rows_of_the_text(depth: int) -> None:
    block = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4))
    net = nn.Sequential(block, nn.Linear(4, 2))
    summary = summarize(net, (4,))
    columns = ["layer", "type", "params"]
    lines = summary.table(columns=columns, depth=depth, tree=False).split("\n\n")[1].splitlines()[1:]
    text = [re.split(r" {2,}", line.strip()) for line in lines]
    read = Page(summary.to_html(columns=columns, depth=depth))
    page = [
        [cell.strip() for cell in row]
        for row, names in zip(read.rows[1:], read.row_classes[1:], strict=True)
        if "group" not in names  # the heads of what folds repeat the sums of their rows
    ]
    assert [row[-2:] for row in page] == [row[-2:] for row in text]
    assert sum(int(row[-1]) for row in page) == sum(value.numel() for value in net.parameters())


# A size that no formula holds -----------------------------------------------------------------------------------------


def test_a_fraction_of_the_size_is_no_constant_of_the_sample() -> None:
    for ratio in (0.5, 0.7):
        layer = nn.FractionalMaxPool2d(3, output_ratio=ratio)
        shape = summarize(layer, (1, "H", 40)).output_shape
        assert shape is not None
        for size in range(10, 300, 7):
            assert Evaluation({Letter("H"): size})(shape[2]) == layer(torch.zeros(1, 1, size, 40)).shape[2], (
                ratio,
                size,
            )


# Two inputs in each other's place -------------------------------------------------------------------------------------


class ImageAndText(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.words, self.fc = nn.Conv2d(3, 8, 3), nn.Embedding(100, 8), nn.Linear(16, 2)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        made: Tensor = self.fc(torch.cat([self.conv(image).mean((2, 3)), self.words(text).mean(1)], 1))
        return made


IMAGE, TEXT = torch.zeros(2, 3, 16, 16), torch.zeros(2, 7, dtype=torch.long)


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ([(7,), (3, 16, 16)], "summarize(model, [(3, 16, 16), (7,)])"),
        ({"image": (7,), "text": (3, 16, 16)}, 'summarize(model, {"image": (3, 16, 16), "text": (7,)})'),
        ([TEXT, IMAGE], "pass (2, 3, 16, 16) as image and (2, 7) as text"),
    ],
)
def test_two_inputs_in_each_others_place_look_swapped(given: Any, fix: str) -> None:
    net = ImageAndText()
    [problem] = summarize(net, given).problems
    assert problem.message.startswith("these two inputs look swapped: image gets (")
    assert "if they are meant so: " in problem.message
    assert problem.fix == fix
    assert net(IMAGE, TEXT).shape == (2, 2)  # PyTorch agrees
    with pytest.raises((RuntimeError, TypeError)):
        net(TEXT, IMAGE)


def test_two_of_three_inputs_look_swapped() -> None:
    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = nn.Linear(4, 2), nn.Linear(5, 2), nn.Linear(6, 2)

        def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
            return self.one(a) + self.two(b) + self.three(c)

    [problem] = summarize(Three(), [(4,), (6,), (5,)]).problems
    assert "b gets (6,), and c gets (5,)" in problem.message
    assert problem.fix == "summarize(model, [(4,), (5,), (6,)])"
    assert Three()(torch.zeros(1, 4), torch.zeros(1, 5), torch.zeros(1, 6)).shape == (1, 2)


@pytest.mark.parametrize("given", [[(7,), (1, 16, 16)], [(3, 16, 16), (3, 16, 16)], [(3, 2, 2), (7,)]])
def test_what_is_wrong_exchanged_as_well_is_not_swapped(given: Any) -> None:
    for problem in summarize(ImageAndText(), given).problems:
        assert "swapped" not in problem.message


def test_inputs_in_each_others_place_are_told_beside_the_users_own_exception() -> None:
    class Asks(ImageAndText):
        def forward(self, image: Tensor, text: Tensor) -> Tensor:
            if image.dim() != 4:
                raise ValueError("an image has four axes")
            return super().forward(image, text)

    with pytest.raises(ValueError, match="four axes") as raised:
        summarize(Asks(), [(7,), (3, 16, 16)])
    [note] = raised.value.__notes__
    assert "look swapped: image gets (7,), and text gets (3, 16, 16)" in note
    assert Asks()(IMAGE, TEXT).shape == (2, 2)


def test_inputs_in_each_others_place_are_told_where_one_is_taken_apart() -> None:
    class Unpacks(ImageAndText):
        def forward(self, image: Tensor, text: Tensor) -> Tensor:
            _, _, _, _ = image.shape
            return super().forward(image, text)

    with pytest.raises(ValueError, match="not enough values to unpack"):
        Unpacks()(TEXT, IMAGE)
    [problem] = summarize(Unpacks(), [(7,), (3, 16, 16)]).problems
    assert "look swapped: image gets (7,), and text gets (3, 16, 16)" in problem.message
    assert "_, _, _, _ are 4 names, and image.shape has 2 sizes" in problem.message
    assert problem.fix == "summarize(model, [(3, 16, 16), (7,)])"
    assert Unpacks()(IMAGE, TEXT).shape == (2, 2)


# The model's own check of the size ------------------------------------------------------------------------------------


class Checked(nn.Module):
    """Refuses some sizes by itself."""

    def __init__(self, check: Callable[[tuple[int, ...]], bool], size: int = 0) -> None:
        super().__init__()
        self.conv, self.check, self.size = nn.Conv2d(3, 8, 3), check, size
        self.wanted = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        sizes = tuple(x.shape[2:])
        if not self.check(sizes):
            wanted = f" doesn't match model ({self.size}*{self.size})" if self.size else " is wrong"
            raise ValueError(f"Input image size ({sizes[0]}*{sizes[1]}){wanted}")
        return self.conv(x)


def refused(net: nn.Module, shape: tuple[int, ...]) -> str:
    """The note on the user's own exception, without the table."""
    with pytest.raises((ValueError, AssertionError)) as own:
        net(torch.zeros(1, *shape))
    with pytest.raises(type(own.value)) as raised:
        summarize(net, shape)
    assert str(raised.value) == str(own.value)
    [note] = raised.value.__notes__
    return str(note.rpartition("\n\n")[2])


@pytest.mark.parametrize(
    ("net", "said", "passes", "stops"),
    [
        (
            Checked(lambda sizes: sizes == (32, 32), 32), "takes an input of 32×32, and neither 31×31 nor 33×33",
            [(32, 32)], [(31, 31), (33, 33)],
        ),
        (
            Checked(lambda sizes: sizes == (64, 48)), "takes an input of 64×48, and neither 63×47 nor 65×49",
            [(64, 48)], [(63, 47), (65, 49)],
        ),
        (
            Checked(lambda sizes: sizes[0] % 8 == 0), "takes inputs of 24×24 and 32×32: multiples of 8",
            [(24, 24), (32, 32), (40, 40)], [(31, 31), (33, 33)],
        ),
        (
            Checked(lambda sizes: min(sizes) >= 50), "the smallest square input that the model takes is 50×50",
            [(50, 50)], [(49, 49)],
        ),
        (
            Checked(lambda sizes: max(sizes) <= 20), "the largest square input that the model takes is 20×20",
            [(20, 20)], [(21, 21)],
        ),
    ],
)  # fmt: skip
def test_a_check_of_ones_own_is_told_with_the_sizes_that_pass(
    net: Checked, said: str, passes: list[tuple[int, int]], stops: list[tuple[int, int]]
) -> None:
    net.wanted = passes[0]
    note = refused(net, (3, 30, 30))
    assert said in note
    line = Checked.forward.__code__.co_firstlineno + 4
    assert f"(the check is at {Path(__file__).relative_to(Path.cwd())}:{line})" in note
    for size in passes:
        net(torch.zeros(1, 3, *size))
    for size in stops:
        with pytest.raises(ValueError, match="Input image size"):
            net(torch.zeros(1, 3, *size))


def test_a_check_of_the_length_of_a_signal() -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] % 16 == 0, "whole frames"
            return self.conv(x)

    assert "takes inputs of 96 and 112: multiples of 16" in refused(Frames(), (1, 100))
    for length in (96, 112):
        Frames()(torch.zeros(1, 1, length))


def test_a_check_by_torchs_own_function_is_told_with_the_sizes_that_pass() -> None:
    class Asserts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.image_size = nn.Conv2d(3, 8, 4, 4), (32, 32)

        def forward(self, x: Tensor) -> Tensor:
            torch._assert(x.shape[2] == self.image_size[0], f"height ({x.shape[2]}) is not {self.image_size[0]}")
            return self.conv(x)

    [problem] = summarize(Asserts(), (3, 28, 28)).problems
    assert problem.message.endswith("the model takes an input of 32×32, and neither 31×31 nor 33×33")
    assert Asserts()(torch.zeros(1, 3, 32, 32)).shape == (1, 8, 8, 8)
    for size in (31, 33):
        with pytest.raises(AssertionError):
            Asserts()(torch.zeros(1, 3, size, size))


@pytest.mark.parametrize("check", [lambda sizes: False, lambda sizes: sizes[1] == 3 * sizes[0]])
def test_nothing_is_said_where_no_size_passes(check: Callable[[tuple[int, ...]], bool]) -> None:
    assert "model takes" not in refused(Checked(check), (3, 28, 28))


# Modules that are not called, and whose parameters are used -----------------------------------------------------------


class Tied(nn.Module):
    """A head that has the weight of the words, and one that functions alone use."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(20, 8), nn.Linear(8, 20)
        self.head.weight = self.words.weight
        self.alone, self.both = nn.Linear(8, 8), nn.Linear(8, 20)
        self.both.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(self.words(x), self.alone.weight)
        return F.linear(x, self.words.weight, self.both.bias)


def test_a_tied_layer_is_told_with_the_one_that_is_called() -> None:
    net = Tied()
    said = {module.path: module.remark for module in summarize(net, (5,)).modules}
    assert said["head"] == "its weight is tied to words"
    assert net.head.weight is net.words.weight
    assert said["alone"] == said["both"] == "not called as a module, but its parameters are used"


def test_a_layer_inside_attention_stands_behind_it() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.attention = nn.Linear(8, 8), nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            made: Tensor = self.attention(x, x, x)[0]
            return made

    names = [line.split()[0] for line in summarize(Attends(), (5, 8)).table(columns="layer").splitlines() if line]
    assert names.index("attention.out_proj") == names.index("attention") + 1
    assert names == [*names[:2], "first", "attention", "attention.out_proj", *names[5:]]


# Operators that are called as torch.ops, and those of one's own -------------------------------------------------------


@torch.library.custom_op("convlin_tests::every_second", mutates_args=())
def every_second(x: Tensor) -> Tensor:
    return x[..., ::2].clone()


@torch.library.custom_op("convlin_tests::add_one_", mutates_args=("x",))
def add_one_(x: Tensor) -> None:
    x.add_(1)


class Operated(nn.Module):
    def __init__(self, operator: Callable[[Tensor], Tensor], features: int) -> None:
        super().__init__()
        self.conv, self.fc, self.operator = nn.Conv2d(3, 4, 3), nn.Linear(features, 3), operator

    def forward(self, x: Tensor) -> Tensor:
        x = self.operator(self.conv(x))
        return self.fc(x.flatten(1))


OPERATORS: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda x: torch.ops.aten.max_pool2d(x, [2, 2]), "torch.ops.aten.max_pool2d"),
    (lambda x: torch.ops.aten.max_pool2d.default(x, [2, 2]), "torch.ops.aten.max_pool2d"),
    (every_second, "torch.ops.convlin_tests.every_second"),
    (lambda x: torch.ops.convlin_tests.every_second(x), "torch.ops.convlin_tests.every_second"),
]


@pytest.mark.parametrize(("operator", "name"), OPERATORS)
def test_an_operator_has_a_row_and_is_the_source_of_what_it_made(
    operator: Callable[[Tensor], Tensor], name: str
) -> None:
    net, given = Operated(operator, 16), torch.zeros(2, 3, 8, 8)
    summary = summarize(net, given)
    [call] = [call for call in summary.calls if call.type == name]
    made = operator(net.conv(given))
    assert (call.input_shape, call.output_shape) == ((2, 4, 6, 6), tuple(made.shape))
    assert call.where is not None
    assert call.where.file == __file__
    [problem] = summary.problems
    assert f"the output of {name} at" in " ".join(problem.message.split())
    assert problem.required == made.flatten(1).shape[1]
    assert Operated(operator, problem.required)(given).shape == (2, 3)


@pytest.mark.parametrize(
    "write", [add_one_, lambda x: torch.ops.aten.add_.Scalar(x, 1), lambda x: torch.ops.aten.add_(x, 1)]
)
def test_what_an_operator_writes_to_comes_back(write: Callable[[Tensor], Any]) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = nn.Buffer(torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            write(self.count)
            write(x)
            return x + self.count

    net, given = Counts(), torch.zeros(3, 2)
    assert summarize(net, given).ok
    assert net.count.tolist() == [0, 0]
    assert not given.any()
    assert net(given).tolist() == [[2, 2]] * 3


def test_an_exported_program_has_rows() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    given = torch.zeros(1, 3, 8, 8)
    exported = torch.export.export(net, (given,)).module()
    summary = summarize(exported, given, mode="same")
    made = [call.output_shape for call in summary.calls if call.type.startswith("torch.ops.aten.")]
    expected = [tuple(net[: index + 1](given).shape) for index in range(4)]
    assert [shape for shape in expected if shape in made] == expected
    assert summary.report.made_by[0].is_made


class AsManySteps(nn.Module):
    """Declares as many channels as the signal has steps; with its axes in another order the next kernel is too long."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(channels, 4, 3, 2), nn.Conv1d(4, 4, 3)
        self.head = nn.Linear(features, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)).mean(2))


def test_a_reading_in_which_the_pass_stops_is_not_the_one_with_fewer_mistakes() -> None:
    problems = summarize(AsManySteps(64, 7), (6, 64)).problems
    assert [(problem.path, problem.required) for problem in problems] == [("first", 6), ("head", 4)]
    assert AsManySteps(6, 4)(torch.zeros(2, 6, 64)).shape == (2, 5)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        AsManySteps(64, 7)(torch.zeros(2, 64, 6))


# A line that is told takes the place of the line that stands there ----------------------------------------------------


def pasted(text: str, *problems: Problem) -> str:
    """The text of a file with the line of each problem replaced, as a reader does it."""
    lines = text.splitlines()
    for problem in problems:
        assert problem.where is not None
        assert problem.fix is not None
        number = problem.where.line - 1
        indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
        lines[number] = indent + problem.fix
    return "\n".join(lines) + "\n"


TWO_IN_A_LINE = """
from torch import nn

class Block(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(hidden, dim), nn.ReLU(), nn.Linear({width}, {last}))

    def forward(self, x):
        return x + self.net(x)

class Net(nn.Sequential):
    def __init__(self, *dims):
        super().__init__(*(Block(dim, 32) for dim in dims))
"""


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_two_layers_of_a_line_that_runs_more_than_once_are_told_together(blocks: int, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = TWO_IN_A_LINE.format(width="hidden + 1", last="dim")  # two numbers, and not one line of swapped ones
    path.write_text(text, encoding="utf-8")
    problems = summarize(loaded(path).Net(*[20] * blocks), (20,)).problems
    assert len(problems) == 2 * blocks
    for problem in problems:  # each line by itself
        path.write_text(pasted(text, problem), encoding="utf-8")
        loaded(path).Net(*[20] * blocks)(torch.zeros(1, 20))


def test_a_layer_beside_that_needs_two_numbers_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = TWO_IN_A_LINE.format(width="hidden", last=20)
    path.write_text(text, encoding="utf-8")
    problems = summarize(loaded(path).Net(24, 28), (20,)).problems
    assert [(problem.path, problem.required) for problem in problems] == [
        ("0.net.0", 20), ("0.net.2", 24), ("1.net.0", 20), ("1.net.2", 28),
    ]  # fmt: skip
    for problem in problems[::2]:
        path.write_text(pasted(text, problem), encoding="utf-8")
        for block in loaded(path).Net(24, 28):
            block.net[0](torch.zeros(1, 20))
            assert block.net[2].in_features == 32
    assert [problem.fix for problem in problems[1::2]] == [None, None]  # one number cannot be both


# A weight that is another layer's as well -----------------------------------------------------------------------------

SHARED = """
from torch import nn

class Net(nn.Module):
    def __init__(self, embedded=32, hidden=48, own=False):
        super().__init__()
        self.words = nn.Embedding(100, embedded)
        self.rnn = nn.LSTM(embedded, hidden, batch_first=True)
        self.head = nn.Linear(32, 100, bias=False)
        if not own:
            self.head.weight = self.words.weight

    def forward(self, x):
        return self.head(self.rnn(self.words(x))[0])

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(9, 2)
        self.second = nn.Linear(9, 2)
        self.second.weight = self.first.weight

    def forward(self, x, y):
        return self.first(x) + self.second(y)
"""


def test_another_number_for_a_layer_with_a_shared_weight_is_no_fix(tmp_path: Path) -> None:
    path, words = tmp_path / "net.py", torch.zeros(2, 7, dtype=torch.long)
    path.write_text(SHARED, encoding="utf-8")
    [problem] = summarize(loaded(path).Net(), (7,), dtypes=torch.long).problems
    assert (problem.path, problem.required, problem.fix, problem.edits) == ("head", 48, None, ())
    told = " ".join(problem.message.split())
    assert "head.weight and words.weight are one, of 100×32: a new size must fit both, or each needs a weight" in told
    assert problem.where is not None
    assert "self.head = nn.Linear(32" in SHARED.splitlines()[problem.where.line - 1]
    # The number alone changes nothing, and what is said instead does.
    path.write_text(SHARED.replace("nn.Linear(32,", "nn.Linear(48,"), encoding="utf-8")
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        loaded(path).Net()(words)
    assert loaded(path).Net(own=True)(words).shape == loaded(path).Net(48)(words).shape == (2, 7, 100)


def test_layers_that_share_a_weight_and_need_one_size_are_fixed_together(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(SHARED, encoding="utf-8")
    [alone] = summarize(loaded(path).Pair(), [(9,), (6,)]).problems
    assert (alone.path, alone.fix, alone.edits) == ("second", None, ())
    problems = summarize(loaded(path).Pair(), [(6,), (6,)]).problems
    path.write_bytes(apply(edit for problem in problems for edit in problem.edits)[str(path)])
    assert loaded(path).Pair()(torch.zeros(1, 6), torch.zeros(1, 6)).shape == (1, 2)


# A layer that the line calls by a variable ----------------------------------------------------------------------------

BY_VARIABLE = """
import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 12)
        self.convs = nn.ModuleList([nn.Conv2d(1, 8, (size, 12)) for size in (2, 3)])
        self.last, self.fc = nn.Conv2d(8, 8, 1), nn.Linear(48, 4)
{methods}
"""
LAYERS_AS_VARIABLES = {
    "an argument": (
        "def pooled(self, x, conv):\n    return F.relu(conv(x)).squeeze(3).amax(2)",
        "x = self.words(x)\nreturn torch.cat([self.pooled(x, conv) for conv in self.convs], 1)",
        "return F.relu(conv(x.unsqueeze(1))).squeeze(3).amax(2)",
    ),
    "a local name": (
        "",
        "conv, x = self.convs[0], self.words(x)\nreturn conv(x + 1).amax((2, 3))",
        "return conv((x + 1).unsqueeze(1)).amax((2, 3))",
    ),
    "another function beside it": (
        "def pooled(self, x, act):\n    return act(self.convs[-1](x)).amax((2, 3))",
        "return self.pooled(self.words(x), F.relu)",
        None,
    ),
    "one of two layers": (
        "def called(self, x, conv):\n    return F.relu(conv(x))",
        "return self.called(self.called(self.words(x), self.convs[0]), self.last).amax((2, 3))",
        None,
    ),
    "arguments that are not written": (
        "def called(self, conv, *given):\n    return F.relu(conv(*given))",
        "return self.called(self.convs[0], self.words(x)).amax((2, 3))",
        "x = x.unsqueeze(1) in front of this line",
    ),
    "one of two layers by their names": (
        "",
        "x, self.first = self.words(x), self.convs[0]\nfor name in ('first', 'last'):\n"
        "    x = getattr(self, name)(x)\nreturn x.amax((2, 3))",
        None,
    ),
    "arguments of a layer by its name": (
        "def called(self, *given):\n    return F.relu(self.conv(*given))",
        "self.conv = self.convs[0]\nreturn self.called(self.words(x)).amax((2, 3))",
        "x = x.unsqueeze(1) in front of this line",
    ),
}


@pytest.mark.parametrize("name", LAYERS_AS_VARIABLES)
def test_a_line_that_calls_a_variable_is_told_as_a_run_bears_it_out(name: str, tmp_path: Path) -> None:
    method, forward, fix = LAYERS_AS_VARIABLES[name]
    path, words = tmp_path / "net.py", torch.zeros(2, 7, dtype=torch.long)
    methods = f"{method}\n\ndef forward(self, x):\n{textwrap.indent(forward, '    ')}"
    text = BY_VARIABLE.format(methods=textwrap.indent(methods, "    "))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuntimeError):
        loaded(path).Net()(words)
    problem = summarize(loaded(path).Net(), words).problems[0]
    assert problem.fix == fix
    if fix is not None and fix.startswith("return"):
        path.write_text(pasted(text, problem), encoding="utf-8")
        assert loaded(path).Net()(words).shape[0] == 2
        assert summarize(loaded(path).Net(), words).ok


# Samples joined in place of features ----------------------------------------------------------------------------------

JOINED = """
import torch
from torch import cat, nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.act = nn.Linear(12, 16), nn.Linear(20, 16), nn.ReLU()
        self.layers = nn.ModuleList([nn.Linear(32, 16), nn.Linear(16, 8)])
        self.wide, self.narrow = nn.Linear(32, 3), nn.Linear(16, 3)

    def forward(self, x, y):
        x, y = self.left(x), self.right(y)
{forward}
"""
LOOP = "for layer in self.layers:\n    z = torch.relu(layer(z))\nreturn z"
#: Each with the line that takes the place of another one, or with None where there is no such line.
JOINS = {
    "by position": (f"z = torch.cat([x, y], 0)\n{LOOP}", "z = torch.cat([x, y], 1)"),
    "by name": (f"z = torch.cat([x, y], dim=0)\n{LOOP}", "z = torch.cat([x, y], dim=1)"),
    "an axis": (f"z = torch.concatenate((x, y), axis=0)\n{LOOP}", "z = torch.concatenate((x, y), axis=1)"),
    "left out": (f"z = cat((x, y),)  # both\nz = torch.relu(z)\n{LOOP}", "z = cat((x, y), dim=1)  # both"),
    "over lines": (f"z = torch.cat(\n    [x, y]\n)\n{LOOP}", "z = torch.cat(\n    [x, y], dim=1\n)"),
    "with a layer between": (f"z = self.act(torch.cat([x, y]))\n{LOOP}", "z = self.act(torch.cat([x, y], dim=1))"),
    "needed as it is": ("z = torch.cat([x, y])\nreturn self.wide(z), self.narrow(z)", None),
    "of two": ("z, z2 = torch.cat([x, y]), torch.cat([y, x])\nreturn self.wide(z)", None),
}


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_line_that_joined_the_samples_is_the_one_to_change(name: str, batch: int, tmp_path: Path) -> None:
    forward, fix = JOINS[name]
    path, given = tmp_path / "net.py", (torch.zeros(batch, 12), torch.zeros(batch, 20))
    text = JOINED.format(forward=textwrap.indent(forward, " " * 8))
    path.write_text(text, encoding="utf-8")
    net = loaded(path).Net()
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        net(*given)
    problem = summarize(net, [(12,), (20,)], batch_size=batch).problems[0]
    assert f"joined the samples, {2 * batch}×16: along dim=1 it gives 16 + 16 = 32" in " ".join(problem.message.split())
    assert (problem.fix, bool(problem.edits)) == (fix, True) if fix else not problem.edits
    if fix is None:
        assert problem.fix == (None if "needed" in name else "pass dim=1 to torch.cat")
        return
    path.write_bytes(apply(problem.edits)[str(path)])
    assert textwrap.indent(fix, " " * 8) in path.read_text(encoding="utf-8")
    assert loaded(path).Net()(*given).shape == (batch, 8)


def test_other_numbers_of_samples_are_not_to_be_joined_along_another_axis() -> None:
    class Net(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.fc = nn.Linear(features, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.cat([x, x[:1]]))

    [problem] = summarize(Net(32), (16,), batch_size=3).problems
    assert "dim=1" not in problem.message
    assert Net(problem.required)(torch.zeros(3, 16)).shape == (4, 3)


class Forgetful(nn.Module):
    """A block that ends without a ``return``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)


class OfForgetful(nn.Module):
    def __init__(self, *, flat: bool) -> None:
        super().__init__()
        self.block, self.fc, self.flat = Forgetful(), nn.Linear(8, 2), flat

    def forward(self, x: Tensor) -> Any:
        x = self.block(x)
        return self.fc(x.flatten(1) if self.flat else x)


def test_a_block_without_a_return_is_named() -> None:
    told = "block (Forgetful) returns no tensor: is a return missing in its forward?"
    assert told in summarize(OfForgetful(flat=False), (3, 8, 8)).report.remarks
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'flatten'") as raised:
        summarize(OfForgetful(flat=True), (3, 8, 8))
    assert told in "\n".join(raised.value.__notes__)
    assert summarize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(5, 2)), (3, 8, 8)).report.remarks == ()
