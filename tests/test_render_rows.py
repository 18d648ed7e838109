"""Which rows a table has: depth, filters, folding, parameters one by one; the sums stay the same."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from convlin import InputError, Summary, summarize
from convlin.analysis.memory import activations
from convlin.records import Call, ModuleInfo, ParameterInfo, Report, TensorInfo
from convlin.render.html import html
from convlin.render.options import COLUMNS, Options, options
from convlin.render.row import Row
from convlin.render.rows import build_table
from convlin.render.text import table
from tests.counting import calls
from tests.golden.models import CNN, GOLDEN, Patches, ResNet, Tied, image_classifier
from tests.zoo import SMALL, VERY_LONG, cases

SHOWN: list[dict[str, Any]] = [
    {},
    {"fold": True},
    {"fold": False},
    {"depth": 0},
    {"depth": 1},
    {"depth": 2, "fold": True},
    {"only": "Linear"},
    {"only": "*.0", "parameters": True},
    {"parameters": True},
    {"parameters": True, "depth": 1, "fold": True},
    {"functions": "none"},
    {"functions": "all", "fold": True},
    {"functions": "all", "fold": False, "batch": False},
    {"functions": "all", "fold": False, "depth": 1},
    {"hide": "Linear|*.0", "functions": "none", "fold": True},
    {"hide": "*", "parameters": True},
]


def rows(summary: Summary, **given: object) -> list[Row]:
    return list(build_table(summary.report, options(given)).rows)


def labels(summary: Summary, **given: object) -> list[str]:
    return [row.label for row in rows(summary, **given)]


def assert_the_forms_agree(flat: Sequence[Row], nested: Sequence[Row], shown: Mapping[str, Any]) -> None:
    """The HTML has the rows of the text, and the head of a group stands before something."""
    counted = [row for row in nested if row.kind != "group"]
    assert [(row.label, row.type, row.params, row.calls) for row in counted] == [
        (row.label, row.type, row.params, row.calls) for row in flat
    ], shown
    heads = {row.group for row in nested if row.kind == "group"}
    assert heads == {group for row in counted for group in row.groups}
    if "depth" in shown:
        assert not {"ModuleList", "ModuleDict"} & {row.type for row in counted}, shown


def assert_adds_up(summary: Summary) -> None:
    held = activations(summary.report)
    leaves = [call for call in summary.calls if not call.inner]
    ragged = any(-1 in info.shape for call in leaves for info in call.outputs)  # of a nested tensor
    for shown in SHOWN:
        flat, nested = (build_table(summary.report, options(shown), grouped=grouped).rows for grouped in (False, True))
        assert_the_forms_agree(flat, nested, shown)
        for made in (flat, nested):
            counted = [row for row in made if row.kind != "group"]
            assert sum(row.params or 0 for row in counted) == summary.total_params, shown
            assert sum(row.trainable for row in counted) == summary.trainable_params, shown
            assert held == (-1 if ragged else sum(row.memory for row in counted)), shown


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_columns_add_up_whatever_is_shown(name):
    assert_adds_up(GOLDEN[name]())


@pytest.mark.parametrize(
    "entry",
    cases((entry for entry in SMALL if not entry.requires and "array" not in entry.name), thorough=VERY_LONG),
)
@pytest.mark.filterwarnings("ignore")
def test_columns_add_up_for_the_zoo(entry):
    args, kwargs = entry.inputs()
    model = entry.build()
    summary = summarize(model, list(args) if args else None, kwargs=kwargs)
    assert_adds_up(summary)
    parameters = list(model.parameters())
    if not any(map(nn.parameter.is_lazy, parameters)):
        assert summary.total_params == sum(parameter.numel() for parameter in parameters)
        trainable = [parameter for parameter in parameters if parameter.requires_grad]
        assert summary.trainable_params == sum(parameter.numel() for parameter in trainable)
    assert Summary.from_json(summary.to_json()) == summary
    assert_adds_up(summarize(entry.build()))


def test_flops_are_counted_once_where_they_are_known():
    info = TensorInfo("", (1, 4), "float32", "cpu")
    calls = (
        Call("a.fc", "Linear", (info,), (info,), flops=30),
        Call("a", "Block", (info,), (info,), inner=1, flops=5),
        Call("", "Net", (info,), (info,), inner=2, flops=0),
    )
    modules = tuple(ModuleInfo(path, kind, 1) for path, kind in (("", "Net"), ("a", "Block"), ("a.fc", "Linear")))
    report = Report("Net", (info,), (info,), "cpu", "eval", calls, modules)
    for depth in (None, 0, 1, 2):
        chosen = options({"columns": ["layer", "flops", "mult_adds"], "depth": depth})
        assert sum(row.flops or 0 for row in build_table(report, chosen).rows) == 35
        for tree in (False, True):
            assert "FLOPs 35   mult-adds 17" in table(report, chosen._replace(tree=tree))
        assert "<span>FLOPs 35</span>" in html(report, chosen)


# Depth


def test_depth_counts_containers_and_no_lists():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = block(x)
            return x.flatten(1)

    summary = summarize(Net(), (2, 4))
    assert labels(summary, depth=0) == ["Net"]
    assert labels(summary, depth=1) == ["blocks.0", "blocks.1", ""]
    assert labels(summary, depth=2) == ["blocks.0.0", "blocks.0.1", "blocks.1.0", "blocks.1.1", ""]
    assert [row.params for row in rows(summary, depth=1)] == [20, 20, None]


def test_depth_hides_no_problem():
    model = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(999, 10)))
    found = rows(summarize(model, (3, 8, 8)), depth=1)
    assert [row.label for row in found] == ["0.1 ✗", "0"]


def test_depth_of_what_was_never_called():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(4, 4)
            self.spare = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    found = rows(summarize(Net(), (4,)), depth=1)
    assert [(row.label, row.params, row.remark) for row in found] == [("used", 20, ""), ("spare", 76, "never called")]


# Filters


def test_only_takes_types_and_paths():
    summary = summarize(image_classifier(), (3, 32, 32))
    assert {row.type for row in rows(summary, only="Conv2d|Linear")} == {"Conv2d", "Linear", ""}
    assert labels(summary, only="2.*")[:2] == ["2.0", "2.1"]
    assert labels(summary, only="Max*")[-1] == "(24 other rows)"
    assert labels(summary, only="1") == ["1", "(26 other rows)"]


def test_only_that_names_nothing_says_what_there_is():
    text = summarize(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (2,)).table(only="Conv3d")
    assert "only='Conv3d' names nothing here; there are Linear, ReLU" in text


@pytest.mark.parametrize("option", ["only", "hide"])
def test_names_of_which_there_are_none(option: str) -> None:
    summary = summarize(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (2,))

    def text(names: str) -> str:
        given: dict[str, Any] = {option: names}
        return str(summary.table(**given))

    assert f"{option}='Relu' names nothing here; there are Linear, ReLU" in text("Relu")
    (instead,) = re.findall(r"names nothing here; write '(.*)'", text("Linear, ReLU"))
    assert "names nothing" not in text(instead)
    assert "names nothing" not in text("ReLU|Dropout")


def test_numbers_of_numpy_are_numbers():
    summary = summarize(image_classifier(), (3, 32, 32))
    assert labels(summary, depth=numpy.int64(1)) == labels(summary, depth=1)
    narrow: Any = numpy.int32(60)
    assert summary.table(width=narrow) == summary.table(width=60)


def test_hide_is_the_opposite_of_only():
    summary = summarize(image_classifier(), (3, 32, 32))
    every = labels(summary)
    only, hidden = labels(summary, only="Linear|2.*"), labels(summary, hide="Linear|2.*")
    assert sorted([*only[:-1], *hidden[:-1]]) == sorted(every)
    weights = {f"{module.path}.weight" for module in summary.modules if module.type == "Linear"}
    assert weights
    assert weights < {*labels(summary, parameters=True)}
    assert not weights & {*labels(summary, hide="Linear", parameters=True)}


def test_hide_hides_no_problem():
    assert "fc1 ✗" in labels(summarize(CNN(), (3, 32, 32)), hide="*")


def test_functions_can_be_left_out():
    summary = summarize(CNN(), (3, 32, 32))
    *shown, rest = rows(summary, functions="none")
    assert [row.label for row in shown] == [label for label in labels(summary) if label]
    (function,) = (row for row in rows(summary) if row.kind == "function")
    assert (rest.kind, rest.memory) == ("rest", function.memory)


def test_only_keeps_the_parameters_of_what_it_names():
    found = labels(summarize(CNN(), (3, 32, 32)), only="Linear", parameters=True)
    assert found == ["fc1 ✗", "fc1.weight", "fc1.bias", "(12 other rows)"]


# Folding


def test_identical_blocks_fold():
    found = rows(summarize(Patches(), (3, 32, 32)))
    assert "encoder.layers.0–11.linear1 ×12" in [row.label for row in found]
    linear = next(row for row in found if row.path.endswith("linear1"))
    assert linear.params == 12 * (32 * 64 + 64)
    assert len(linear.calls) == 12


def test_the_first_block_of_a_stage_stays_by_itself():
    found = labels(summarize(ResNet(), (3, 64, 64)))
    assert "layer2.0.conv1" in found
    assert "layer2.1–6.conv1 ×6" in found


def test_short_models_fold_only_when_asked():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    summary = summarize(model, (4,))
    assert labels(summary) == ["0", "1", "2"]
    assert labels(summary, fold=True) == ["0–2 ×3"]
    long = summarize(nn.Sequential(*(nn.Linear(4, 4) for _ in range(70))), (4,))
    assert labels(long) == ["0–69 ×70"]
    assert len(labels(long, fold=False)) == 70


def test_layers_that_take_turns_fold():
    model = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(4, 4), nn.ReLU())), nn.Linear(4, 2))
    assert labels(summarize(model, (4,)), fold=True) == ["0,2,…,6 ×4", "1,3,…,7 ×4", "8"]


def test_folds_lie_in_folds():
    model = nn.Sequential(*(nn.Sequential(*(nn.Linear(4, 4) for _ in range(3))) for _ in range(5)))
    found = rows(summarize(model, (4,)), fold=True)
    assert [(row.label, row.params) for row in found] == [("0–4.0–2 ×15", 15 * 20)]


def test_a_module_called_often_folds_after_its_first_call():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(5):
                x = self.cell(x)
            return x

    found = rows(summarize(Net(), (4,)), fold=True)
    assert [(row.label, row.params, row.counted) for row in found] == [("cell", 20, ""), ("cell ×4", 0, "reused")]


class Steps(nn.Module):
    """A cell that is called for each step of ``order``, which takes that row of the input."""

    def __init__(self, order: Sequence[int], take: str) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 4)
        self.order, self.take = order, take

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(len(x), 4)
        states = []
        for step in self.order:
            if self.take == "index":
                row = x[:, step]
            elif self.take == "slice":
                row = x[:, step : step + 1].flatten(1)
            else:
                row = x.select(1, step)
            state = self.cell(row, state)
            states.append(state)
        return torch.stack(states, dim=1)


@pytest.mark.parametrize("take", ["index", "slice", "select"])
@pytest.mark.parametrize(
    ("order", "written"),
    [(range(100), "1–99"), (range(99, -1, -1), "98–0"), (range(0, 100, 2), "2,4,…,98"), (range(-50, -1), "-49–-2")],
)
def test_the_steps_of_a_loop_fold(order, written, take):
    class Taken(torch.overrides.TorchFunctionMode):
        """The steps that PyTorch is asked for, in their order."""

        def __init__(self) -> None:
            super().__init__()
            self.steps: list[int] = []

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.Tensor.__getitem__:
                step = args[1][1]
                self.steps.append(step.start if isinstance(step, slice) else step)
            elif function is torch.Tensor.select:
                self.steps.append(args[2])
            return function(*args, **(kwargs or {}))

    model = Steps(order, take)
    with Taken() as taken:
        model(torch.zeros(2, 101, 4))
    summary = summarize(model, (101, 4))
    text = str(summary)
    assert len(text.splitlines()) < 20
    assert sum(call.type == "GRUCell" for call in summary.report.calls) == len(taken.steps)
    row = next(row for row in rows(summary) if row.times > 1)
    assert row.times == len(taken.steps) - 1
    if take == "index":
        assert f"Tensor[:, {written}]" in text
        ends = [int(number) for number in re.findall(r"-?[0-9]+", written.replace("–", " "))]
        assert (ends[0], ends[-1]) == (taken.steps[1], taken.steps[-1])
        whole = re.findall(r"Tensor\[:, ([^]]+)\]", summary.to_svg())
        assert len(whole) == 1
        assert whole[0].startswith(str(taken.steps[0]))


def test_steps_that_follow_no_even_order_do_not_fold():
    odd = [0, 1, 2, 4, 7, 3, 12, 5, *range(20, 90)]
    found = rows(summarize(Steps(odd, "index"), (101, 4)))
    folded = [row for row in found if row.times > 1 and row.kind == "function"]
    assert [row.times for row in folded] == [70]
    assert "Tensor[:, 20–89]" in str(summarize(Steps(odd, "index"), (101, 4)))
    assert sum(row.times for row in found if row.type == "Tensor[...]") == len(odd)


@pytest.mark.parametrize("different", ["size", "setting", "type", "number"])
def test_what_differs_does_not_fold(different):
    layers: list[nn.Module] = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)]
    if different == "size":
        layers.append(nn.Conv2d(4, 8, 3, padding=1))
    elif different == "setting":
        layers.append(nn.Conv2d(4, 4, 1))
    elif different == "type":
        layers.append(nn.BatchNorm2d(4))
    model = nn.Sequential(*layers)
    if different == "number":
        model.add_module("9", nn.Conv2d(4, 4, 3, padding=1))
    found = labels(summarize(model, (4, 8, 8)), fold=True)
    assert found[0] == "0–2 ×3"
    assert len(found) == 2


def test_a_problem_is_never_folded_away():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)), nn.Linear(5, 4), *(nn.Linear(4, 4) for _ in range(4)))
    assert labels(summarize(model, (4,)), fold=True) == ["0–3 ×4", "4 ✗", "5–8 ×4"]


def test_structure_folds_too():
    assert labels(summarize(ResNet()))[1] == "layer1.0–3.conv1 ×4"


# Single parameters, shared ones, several outputs


def test_every_parameter_in_a_row():
    found = rows(summarize(Tied(), (7,)), parameters=True)
    single = {row.label: (row.params, row.counted) for row in found if row.kind == "parameter"}
    assert single["embedding.weight"] == (400, "")
    assert single["head.weight"] == (0, "tied")
    assert all(count is not None for count, _ in single.values())
    assert sum(count or 0 for count, _ in single.values()) == 499
    assert all(row.params in (0, None) for row in found if row.kind == "call")


def test_shared_and_reused_are_marked():
    text = str(summarize(Tied(), (7,)))
    assert "(reused)" in text
    assert "(tied)" in text
    assert "shared: head.weight is embedding.weight" in text


def test_several_outputs_stand_on_lines_of_their_own():
    text = summarize(nn.LSTM(4, 3, batch_first=True), (5, 4)).table(columns=["type", "output"])
    assert text.splitlines()[2:6] == ["Type  Output", "LSTM  output 1×5×3", "      h_n 1×1×3", "      c_n 1×1×3"]


def test_many_outputs_do_not_flood_the_table():
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(x[:, : n % 5 + 1] for n in range(40)) + x.unbind(1)

    text = summarize(Net(), (30, 2)).table(columns=["type", "output"])
    assert "30 of 1×2" in text
    assert "… and 26 more" in text


def test_columns_in_any_order():
    found = summarize(CNN(), (3, 32, 32)).table(columns=["params", "layer"]).splitlines()
    assert found[2].split() == ["Params", "Layer"]
    assert found[3].split() == ["432", "conv1"]


def test_every_column_has_something_to_say():
    summary = summarize(CNN(), (3, 32, 32), columns=list(COLUMNS))
    made = build_table(summary.report, Options())
    assert set(made.columns) < set(COLUMNS)
    from convlin.render.columns import COLUMNS as KNOWN

    assert tuple(KNOWN) == COLUMNS
    for name in COLUMNS:
        texts = {KNOWN[name].text(made, row) for row in made.rows}
        assert texts != {""} or name in ("flops", "mult_adds", "where"), name


def test_settings_of_functions_stand_under_the_same_headers():
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.max_pool2d(x, 3, 2, 1)

    text = summarize(Net(), (3, 8, 8)).table(columns=["type", "kernel", "stride", "padding"])
    assert "F.max_pool2d  3       2       1" in text


# Options


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"columns": ["parms"]}, "unknown column 'parms'; did you mean 'params'?"),
        ({"columns": []}, "columns is empty"),
        ({"columns": ["layer", "layer"]}, "column 'layer' is named twice"),
        ({"columns": 3}, "columns=3 should be a list of names"),
        ({"depth": -1}, "depth=-1 is not a valid depth"),
        ({"depth": True}, "depth=True is not a valid depth"),
        ({"only": ""}, "only='' names nothing"),
        ({"fold": "yes"}, "fold='yes' should be True or False"),
        ({"hide": "|"}, "hide='|' names nothing"),
        ({"functions": "some"}, "functions='some' should be 'all', 'shape' or 'none'"),
        ({"width": 10}, "width=10 is not a valid width: write a number of signs from 40 up"),
        ({"width": True}, "width=True is not a valid width"),
        ({"tree": 1}, "tree=1 should be True or False"),
        ({"colums": ["layer"]}, "unknown option 'colums'; did you mean 'columns'?"),
    ],
)
def test_options_are_checked(given, said):
    summary = summarize(nn.Linear(2, 2), (2,))
    with pytest.raises(InputError) as caught:
        summary.table(**given)
    assert said in str(caught.value)


def test_options_of_summarize_hold_for_every_form():
    summary = summarize(CNN(), (3, 32, 32), columns="layer,output", only="Conv2d")
    assert "conv2" in str(summary)
    assert "bn1" not in str(summary)
    assert summary.to_csv().splitlines()[0] == "layer,output"
    assert "bn1" in summary.table(only=None)
    with pytest.raises(InputError, match="did you mean 'output'"):
        summarize(CNN(), (3, 32, 32), columns=["outputs"])


def test_default_stands_for_the_usual_columns():
    assert options({"columns": ["default", "memory"]}).columns == (
        "layer", "type", "input", "output", "params", "arithmetic", "memory",
    )  # fmt: skip


# Speed


def synthetic(length: int) -> Report:
    info = TensorInfo("", (1, 16, 32, 32), "float32", "cpu")
    calls, modules = [], [ModuleInfo("", "Net", 1, is_leaf=False)]
    for number in range(length):
        width = 16 + number % 7 + number * number % 11
        path = f"layers.{number // 10}.{number % 10}"
        calls.append(Call(path, "Conv2d", (info,), (info,), params=width, settings={"kernel_size": (3, 3)}))
        weight = ParameterInfo("weight", (width,), "float32", "cpu", True, None)
        modules.append(ModuleInfo(path, "Conv2d", 1, (weight,)))
    calls.append(Call("", "Net", (info,), (info,), inner=length))
    return Report("Net", (info,), (info,), "cpu", "eval", tuple(calls), tuple(modules))


def test_twice_the_rows_take_twice_the_work() -> None:
    many, half = synthetic(2_000), synthetic(1_000)
    assert len(table(many).splitlines()) > 2_000
    assert calls(lambda: table(many)) < 2.2 * calls(lambda: table(half))


# Width and tree


def named(*names: str) -> nn.Module:
    """A Linear inside containers of these names."""
    model: nn.Module = nn.Linear(8, 8)
    for name in reversed(names):
        model = nn.Sequential(OrderedDict({name: model, "activation": nn.ReLU()}))
    return model


LONG = named("encoder_of_the_image", "first_block_of_layers", "projection_to_the_classes")


def test_whole_paths_that_do_not_fit_become_a_tree():
    summary = summarize(LONG, (8,))
    assert "encoder_of_the_image.first_block_of_layers.projection_to_the_classes  Linear" in summary.table(width=120)
    lines = summary.table(width=80).splitlines()
    assert [line[:30].rstrip() for line in lines[3:6]] == [
        "encoder_of_the_image",
        "  first_block_of_layers",
        "    projection_to_the_classes",
    ]
    assert summary.table(width=120, tree=True) != summary.table(width=120) == summary.table(width=120, tree=False)


def test_the_words_of_a_name_stay_whole_however_deep_it_stands():
    deep = named("encoder", "stages", "layers", "block", "attention", "self", "normalization")
    text = str(summarize(deep, (8,), tree=True, width=70))
    assert re.search(r"^ {12}normalization +Linear", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 70


def test_paths_of_a_flat_table_are_shortened_in_the_middle():
    lines = summarize(LONG, (8,)).table(width=60, tree=False).splitlines()
    assert any(line.startswith("encoder_of_the_image.….") for line in lines)
    assert max(map(len, lines)) <= 60


def test_the_input_gives_way_and_the_table_says_so():
    summary = summarize(LONG, (8,))
    assert "no room for the column Input" in summary.table(width=50)
    chosen = summary.table(width=50, columns="layer,type,input,output")
    assert "Input" in chosen.splitlines()[2]
    assert "no room" not in chosen


def test_the_width_of_a_terminal_does_not_change_the_text(monkeypatch):
    before = str(summarize(LONG, (8,)))
    monkeypatch.setenv("COLUMNS", "40")
    assert str(summarize(LONG, (8,))) == before


# Functions


class Heads(nn.Module):
    """Splits into heads and back, with a sum, a broadcast and a branch on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x).view(2, 5, 4, 2).transpose(1, 2)  # one row
        y = y.transpose(1, 2).reshape(2, 5, 8) + x  # goes on in that row, up to the sum
        wide = y.unsqueeze(1).expand(2, 3, 5, 8).permute(0, 2, 1, 3).flatten(2)  # the broadcast stands between two
        return wide[..., :8].flatten(1) + y.flatten(1)  # both flattens take something else than the row before makes


def test_views_that_follow_one_another_share_a_row():
    summary = summarize(Heads(), torch.zeros(2, 5, 8))
    single = [row for row in rows(summary, fold=False) if row.kind == "function"]
    shared = [row for row in rows(summary) if row.kind == "function"]
    assert [row.links for row in shared] == [4, 1, 1, 2, 1, 1, 1]
    start = 0
    for row in shared:
        stop = start + row.links
        assert row.calls == tuple(call for each in single[start:stop] for call in each.calls)
        assert (row.inputs, row.outputs) == (single[start].inputs, single[stop - 1].outputs)
        start = stop
    text = summary.table()
    assert "view, transpose, reshape (4)  2×5×8" in text
    assert "4·2 = 8" in text
    assert "fold=False shows each" in text
    for given in ({"fold": False}, {"functions": "none"}, {"only": "Linear"}):
        assert "share a row" not in summary.table(**given), given
    assert "Tensor.transpose" in summary.to_csv()
    assert "view, transpose, reshape (4)" in summary.to_csv(fold=True)


class Sums(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = Squared(4)
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.out = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x) + x
        y = self.inner(x) * x
        return self.out(torch.nn.functional.scaled_dot_product_attention(x, y, y)) + x


class Squared(nn.Module):
    """A layer of one's own, whose sums are its own affair."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x + x.relu()


def test_sums_and_attention_are_shown_where_they_happen():
    summary = summarize(nn.Sequential(Sums(), nn.ReLU()), torch.zeros(2, 3, 4))
    expected = ["Squared", "Tensor.add", "Linear", "ReLU", "Tensor.mul", "F.scaled_dot_product_attention", "Linear"]
    for model in (summary, Summary.from_json(summary.to_json())):
        assert [row.type for row in rows(model, functions="all")] == [*expected, "Tensor.add", "ReLU"]
    sums = [row for row in rows(summary, functions="all") if row.kind == "function"]
    assert {info.shape for row in sums for info in (*row.inputs, *row.outputs)} == {(2, 3, 4)}
    assert [len(row.inputs) for row in sums] == [2, 2, 3, 2]
    assert all(row.where is not None and row.path == "0" and row.params is None for row in sums)
    assert "Tensor.add" not in summary.table(functions="shape")
    assert [row.type for row in rows(summary, functions="all", depth=1)] == ["Sums", "ReLU"]
    assert "Tensor.mul" in [row.type for row in rows(summary, functions="all", depth=2)]


def test_the_batch_is_left_out_where_it_stands():
    rnn = nn.LSTM(3, 4, num_layers=2, batch_first=True)
    summary = summarize(rnn, torch.zeros(2, 5, 3))
    (row,) = rows(summary, batch=False)
    assert [info.shape for info in (*row.inputs, *row.outputs)] == [(5, 3), (5, 4), (2, 2, 4), (2, 2, 4)]

    summary = summarize(Heads(), torch.zeros(2, 5, 8))
    whole, without = rows(summary), rows(summary, batch=False)
    for before, after in zip(whole, without, strict=True):
        for first, second in zip((*before.inputs, *before.outputs), (*after.inputs, *after.outputs), strict=True):
            assert second == first._replace(shape=first.shape[1:])
    assert "input 5×8 (batch of 2 left out)" in summary.table(batch=False)
    for form in (summary.to_markdown, summary.to_html, summary.to_csv, summary.to_latex):
        assert "2×5×8" not in form(batch=False)
        assert "(2, 5, 8)" not in form(batch=False)
    letters = str(summarize(nn.Flatten(), (3, "H"), batch_size="N", batch=False))
    assert "input 3×H (batch of N left out)" in letters
    assert "N" not in letters.split("\n\n")[1]
