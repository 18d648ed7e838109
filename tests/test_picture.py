"""The picture: what must hold of every one, the kept ones to the letter, and each way of drawing by itself."""

from __future__ import annotations

import doctest
import os
import runpy
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch
from torch import nn
from torch.nn import functional as F

from convlin import InputError, Summary, summarize
from convlin.records import Call, Report, Source, TensorInfo
from convlin.render import words
from convlin.render.picture import kinds, picture, svg
from convlin.render.picture.arrange import Parallel, arrange
from convlin.render.picture.condense import MOST, span
from convlin.render.picture.drawing import Block, Drawing, Label
from convlin.render.picture.flow import build
from convlin.render.picture.graph import Graph
from convlin.render.picture.look import Look
from convlin.render.picture.measure import STYLES
from convlin.render.picture.names import short_names
from convlin.render.picture.simplify import simplify
from convlin.render.picture.trouble import lines
from docs.make_gallery import ENTRIES, PICTURES, picture_of
from tests.counting import calls
from tests.golden.models import GOLDEN
from tests.pictures.models import KEPT, PICTURED, Mixture, Siamese, SmallCNN, ViT, mlp
from tests.processes import python
from tests.zoo import REAL, SMALL, ZooModel, cases

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]

#: Of the real models those that differ most in how they are built.
FROM_OTHERS = (
    "bert", "gpt2", "vit", "resnet", "swin", "t5", "whisper", "clip", "mask2former", "jamba", "encodec", "canine",
    "monai UNet 2d", "monai BasicUNet", "monai DenseNet121", "monai VNet", "monai UNETR", "monai AutoencoderKL",
)  # fmt: skip


@pytest.fixture(scope="module")
def summaries() -> dict[str, Summary]:
    return {name: build() for name, build in {**GOLDEN, **PICTURED}.items()}


NAMES = sorted({**GOLDEN, **PICTURED})


# What holds of every picture


def all_labels(drawn: Drawing) -> list[Label]:
    """Every text of the picture."""
    return [*drawn.labels, *(label for block in drawn.blocks for label in block.labels)]


def _overlap(first: Box, second: Box) -> bool:
    slack = 0.01
    return (
        first[0] < second[2] - slack
        and second[0] < first[2] - slack
        and first[1] < second[3] - slack
        and second[1] < first[3] - slack
    )


def _body(block: Block) -> Box:
    half_width, half_height = block.element.block_width / 2, block.element.block_height / 2
    return block.x - half_width, block.y - half_height, block.x + half_width, block.y + half_height


def _check(drawn: Drawing, width: float = 900) -> None:
    """No label over another, none over a foreign block, no block over another, all of it inside the picture."""
    labels = all_labels(drawn)
    for first, second in combinations(labels, 2):
        assert not _overlap(first.box, second.box), f"{first.text!r} over {second.text!r}"
    for one, other in combinations(drawn.blocks, 2):
        assert not _overlap(_body(one), _body(other)), f"{one.element.node} over {other.element.node}"
    for block in drawn.blocks:
        for label in labels:
            if label not in block.labels:
                assert not _overlap(_body(block), label.box), f"{label.text!r} over {block.element.node}"
    framed = {key: number for number, box in enumerate(drawn.frames) for key in box.frame.keys}
    paths: dict[tuple[int, str], str] = {}
    for block in drawn.blocks:
        told = " ".join(label.text for label in block.labels if label.style == "name")
        node = block.element.node
        if told and node.name:  # two blocks with one name are one module, called twice
            assert paths.setdefault((framed.get(node.key, -1), told), node.name) == node.name, told
    for label in labels:
        left, top, right, bottom = label.box
        assert left >= 0, label.text
        assert top >= 0, label.text
        assert right <= drawn.width, label.text
        assert bottom <= drawn.height, label.text
    assert drawn.width <= width


def _check_text(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert all(child.text for child in list(root)[:2])
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not names & {"script", "image", "foreignObject", "use", "a"}
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in text
    assert "@import" not in text
    return root


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stands_over_anything(name, summaries):
    _check(picture(summaries[name].report))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_well_formed_and_by_itself(name, theme, summaries):
    root = _check_text(summaries[name].to_svg(theme=theme))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_what_is_written(name, summaries):
    report = summaries[name].report
    root = ET.fromstring(svg(report))
    written = sorted(element.text or "" for element in root.iter(f"{SVG}text"))
    drawn = picture(report)
    signs = [b.element.node.sign for b in drawn.blocks if b.element.node.is_sign and len(b.element.node.sign) > 1]
    tags = [tag.letter for tag in drawn.tags]
    assert written == sorted([label.text for label in all_labels(drawn)] + signs + tags)


@pytest.mark.parametrize("name", NAMES)
def test_every_block_tells_the_shape_of_its_call(name, summaries):
    report = summaries[name].report
    drawn = picture(report)
    assert drawn.blocks or not report.calls
    for block in drawn.blocks:
        node = block.element.node
        told = "".join(label.text for label in reversed(block.labels) if label.style == "shape")
        if node.is_sign or node.shape is None:
            assert not told
        elif node.key[0] < 0:
            assert told == words.shape(report.inputs[node.key[1]].shape)
        elif node.role != "module":
            assert told == words.shape(report.calls[node.key[0]].output_shape)
        else:
            assert told in {words.shape(call.output_shape) for call in report.calls if call.path == node.name}


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_is_told_in_red(name, summaries):
    report = summaries[name].report
    drawn = picture(report)
    red = [label.text for label in all_labels(drawn) if label.style == "problem"]
    told = " ".join(label.text.strip() for label in all_labels(drawn) if label.style == "footer")
    for problem in report.problems:
        assert problem.message.splitlines()[0] in told
        if problem.call is not None:
            assert set(lines(problem)) <= set(red)
    assert bool(red) == (bool(report.problems) or bool(report.mode and not report.completed))


@pytest.mark.parametrize("name", NAMES)
def test_not_too_much(name, summaries):
    assert len([block for block in picture(summaries[name].report).blocks if block.element.solid]) <= MOST


@pytest.mark.parametrize("name", NAMES)
def test_the_same_every_time(name, summaries):
    again = {**GOLDEN, **PICTURED}[name]()
    assert again.to_svg() == summaries[name].to_svg()


@pytest.mark.parametrize("name", NAMES)
def test_a_summary_read_back_gives_the_same_picture(name, summaries):
    assert Summary.from_json(summaries[name].to_json()).to_svg() == summaries[name].to_svg()


@pytest.mark.parametrize(
    "entry", cases([*SMALL, *REAL], thorough={entry.name for entry in REAL}.difference(FROM_OTHERS))
)
@pytest.mark.filterwarnings("ignore")
def test_pictures_of_the_zoo(entry: ZooModel) -> None:
    torch.manual_seed(0)
    model = entry.build().eval()
    args, kwargs = entry.inputs()
    both: dict[str, Any] = {"kwargs": kwargs} if args and kwargs else {}
    try:
        report = summarize(model, list(args) if args else kwargs, **both).report
    except Exception as error:  # some are made to fail; how is tested elsewhere
        pytest.skip(f"no summary: {type(error).__name__}")
    _check(picture(report))
    _check_text(svg(report))


class _Decoder(nn.Module):
    """Four blocks of two rows each; what ``position`` returns goes into every one of them."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.query, self.key_of, self.value, self.leave = (nn.Linear(64, 64) for _ in range(5))
            self.feed_forward = nn.Sequential(nn.Linear(64, 128), nn.Linear(128, 256), nn.Linear(256, 64))

        def forward(self, x, place):
            inner = self.enter(x)
            query, key = self.query(inner) * place, self.key_of(inner) * place
            x = x + self.leave(query * key + self.value(inner))
            return x + self.feed_forward(x)

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 64)
        self.position = nn.Linear(64, 64)
        self.blocks = nn.ModuleList(self.Block() for _ in range(4))
        self.head = nn.Linear(64, 8)

    def forward(self, x):
        x = self.embed(x)
        place = self.position(x)
        for block in self.blocks:
            x = block(x, place)
        return self.head(x)


@pytest.mark.parametrize("width", [700, 846])
def test_one_frame_around_all_the_rows_of_a_block_that_repeats(width):
    drawn = picture(summarize(_Decoder(), (12, 8)).report, width)
    _check(drawn, width)
    assert [(box.frame.name, box.frame.times) for box in drawn.frames] == [("blocks.0–3", 4)]
    assert [label.text for label in all_labels(drawn) if label.style == "frame"] == ["×4   blocks.0–3"]
    (frame,) = drawn.frames
    inside = (frame.left, frame.top, frame.right, frame.bottom)
    blocks = {block.element.node.name: block for block in drawn.blocks if block.element.node.name}
    assert len({block.y for name, block in blocks.items() if name.startswith("blocks.")}) > 1
    assert {"embed", "position", "head", "blocks.0.enter", "blocks.0.feed_forward.2"} <= set(blocks)
    for name, block in blocks.items():
        assert _overlap(_body(block), inside) == name.startswith("blocks."), name
        for label in block.labels:
            assert _overlap(label.box, inside) == name.startswith("blocks."), label.text
    signs = [block for block in drawn.blocks if block.element.node.is_sign]
    assert len(signs) == 6
    assert all(_overlap(_body(block), inside) for block in signs)


def test_the_names_from_others_are_right():
    assert set(FROM_OTHERS) <= {entry.name for entry in REAL}


def test_rows_are_as_wide_as_asked_for(summaries):
    heights = []
    for width in (420, 846, 1600):
        drawn = picture(summaries["vgg16"].report, width)
        _check(drawn, width)
        heights.append(drawn.height)
    assert heights[0] > heights[1] > heights[2]


def test_text_can_be_read():
    assert all(style.size >= 10 for style in STYLES.values())


def test_a_title_in_place_of_the_class(summaries):
    root = ET.fromstring(summaries["lenet"].to_svg(title="LeNet-5 & friends"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "LeNet-5 & friends" in texts
    assert summaries["lenet"].report.model not in texts


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"width": 100}, "width=100 is not a valid width: write a number of pixels from 420 up"),
        ({"width": 800.5}, "width=800.5 is not a valid width"),
        ({"title": " "}, "title=' ' is not a title"),
    ],
)
def test_what_a_picture_cannot_be(given, said, summaries):
    with pytest.raises(InputError) as caught:
        summaries["lenet"].to_svg(**given)
    assert said in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_without_a_converter_the_message_says_what_to_do(suffix, summaries, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    with pytest.raises(InputError, match=r"pip install 'convlin\[picture\]'"):
        summaries["lenet"].save(tmp_path / f"net{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_converter_without_its_library_is_told(summaries, tmp_path, monkeypatch):
    (tmp_path / "cairosvg.py").write_text('raise OSError("no library called cairo-2 was found")', encoding="utf-8")
    monkeypatch.delitem(sys.modules, "cairosvg", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="install libcairo2, or save"):
        summaries["lenet"].save(tmp_path / "net.png")


@pytest.mark.parametrize(("suffix", "signature"), [(".png", b"\x89PNG\r\n"), (".pdf", b"%PDF-")])
def test_saved_as_a_picture_for_print(suffix, signature, summaries, tmp_path):
    pytest.importorskip("cairosvg")
    path = tmp_path / f"net{suffix}"
    summaries["lenet"].save(path)
    assert path.read_bytes().startswith(signature)


# The kept ones


@pytest.mark.parametrize("name", KEPT)
def test_as_kept(name, summaries):
    kept = (HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert summaries[name].to_svg() == kept, f"{name} changed; if it is meant: python -m tests.pictures.update"


def test_no_picture_is_left_over():
    assert {path.stem for path in HERE.glob("*.svg")} == set(KEPT)


_DRAW = """
import sys
from convlin.render.picture import svg
from convlin.render.schema import from_json
print(svg(from_json(sys.stdin.read())[0]), end="")
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_nothing_depends_on_the_order_of_sets(seed, summaries):
    for name in ("vit", "unet"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        done = python(_DRAW, input=summaries[name].to_json(), env=env)
        assert done.stdout == summaries[name].to_svg()


# What is drawn


def _graph(summary: Summary) -> Graph:
    graph = build(summary.report)
    simplify(graph, summary.calls)
    return graph


def _labels(summary: Summary, style: str) -> list[str]:
    return [label.text for label in all_labels(picture(summary.report)) if label.style == style]


def test_the_flatten_is_a_step_of_its_own(summaries):
    assert _labels(summaries["cifar10"], "note") == ["256·4·4 = 4096"]
    assert _labels(summaries["volume"], "note") == ["8·4·4·2 = 256"]
    assert len(picture(summaries["cifar10"].report).fans) == 1


def test_a_wrong_layer_says_what_it_needs(summaries):
    summary = summaries["cifar10_wrong"]
    assert _labels(summary, "problem") == ["needs in_features=4096", "has 2304"]
    assert any(text.startswith("✗ ") for text in _labels(summary, "name"))
    two = summaries["small_cnn_wrong"]
    assert _labels(two, "problem") == ["needs in_channels=16", "has 15", "needs in_features=2048", "has 999"]
    assert summaries["cifar10"].to_svg().count('class="block wrong"') == 0
    assert two.to_svg().count('class="block wrong"') == 2


def test_many_problems_with_long_names_stay_within_the_picture():
    class Parallel(nn.Module):
        def __init__(self):
            super().__init__()
            for number in range(11):
                self.add_module(f"{'a_very_long_name_of_a_layer_' * 6}{number}", nn.Linear(7, 2))

        def forward(self, x):
            return sum(layer(x) for layer in self.children())

    report = summarize(Parallel(), (3,)).report
    drawn = picture(report)
    _check(drawn)
    texts = [label.text for label in all_labels(drawn)]
    assert f"✗ … and {len(report.problems) - 8} more" in texts
    assert len(report.problems) == 11


def test_a_view_that_does_not_fit(summaries):
    assert _labels(summaries["small_cnn_view"], "problem")[:2] == ["needs 3200", "has 2048"]


def test_layers_that_keep_the_shape_are_folded(summaries):
    nodes = _graph(summaries["small_cnn"]).in_order()
    assert [(node.name or node.type) for node in nodes] == ["input", "conv1", "conv2", "pool", "Tensor.view", "fc1"]
    assert nodes[1].after == ("BatchNorm2d", "F.relu")


class Activated(nn.Module):
    """Activations between layers: as modules, or as the functions that these call."""

    def __init__(self, *, functions: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        if functions:
            self.relu, self.act, self.gate = F.relu, F.silu, torch.sigmoid
        else:
            self.relu, self.act, self.gate = nn.ReLU(), nn.SiLU(), nn.Sigmoid()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.gate(self.act(self.conv2(x)) + x)


def test_activations_are_told_alike_as_functions_and_as_modules():
    def told(functions: bool) -> list[tuple[str, list[str]]]:
        nodes = _graph(summarize(Activated(functions=functions), (3, 8, 8))).in_order()
        said = {"F.relu": "ReLU", "F.silu": "SiLU", "torch.sigmoid": "Sigmoid"}
        return [(node.name or node.sign, [said.get(name, name) for name in node.after]) for node in nodes]

    assert told(functions=True) == told(functions=False)
    assert told(functions=True) == [("input", []), ("conv1", ["ReLU"]), ("conv2", ["SiLU"]), ("+", ["Sigmoid"])]


class Split(nn.Module):
    """One branch takes the activation, and the other what it was applied to."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.left, self.right = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

    def forward(self, x):
        x = self.conv(x)
        return torch.cat([self.left(F.relu(x)), self.right(x)], 1)


def test_an_activation_is_written_on_the_branch_that_takes_it():
    nodes = {node.name: node for node in _graph(summarize(Split(), (3, 8, 8))).in_order()}
    assert (nodes["conv"].after, nodes["left"].before, nodes["right"].before) == ((), ("F.relu",), ())


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8 * 36, 2)

    def forward(self, x):
        x = self.conv(x)
        return self.fc((x * torch.sigmoid(x)).flatten(1))


class OfTwo(ByHand):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.fc((self.conv(x) * torch.sigmoid(self.other(x))).flatten(1))


def test_what_meets_itself_behind_an_activation_is_told_once():
    one, two = summarize(ByHand(), (3, 8, 8)), summarize(OfTwo(), (3, 8, 8))
    assert "the size is kept" in two.explain("fc")
    assert "the size is kept" not in one.explain("fc")
    assert "torch.sigmoid" in one.table(functions="all")


def test_a_wrong_layer_is_never_folded():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(9), nn.ReLU())
    summary = summarize(model, (3, 8, 8))
    assert _labels(summary, "problem") == ["needs num_features=8", "has 9"]


def test_groups_of_convolutions(summaries):
    blocks = [block.element for block in picture(summaries["vgg16"].report).blocks]
    assert [element.node.count for element in blocks if element.node.role == "conv"] == [2, 2, 3, 3, 3]
    assert "0.–2" not in "".join(_labels(summaries["vgg16"], "name"))
    assert "0–2" in _labels(summaries["vgg16"], "name")


def test_sizes_follow_shapes(summaries):
    drawn = picture(summaries["lenet"].report).blocks
    solid = {block.element.node.name: block.element.solid for block in drawn if block.element.solid is not None}
    first, second = solid["conv1"], solid["conv2"]
    assert first.height > second.height
    assert first.thickness < second.thickness
    assert solid["fc1"].height > solid["fc2"].height > solid["fc3"].height


def test_identities_are_arcs(summaries):
    summary = summaries["resnet18"]
    plan = arrange(_graph(summary))
    assert len(plan.skips) == 5  # eight blocks, three of which have a convolution there
    assert sum(isinstance(part, Parallel) for part in plan.series.parts) == 3
    drawn = picture(summary.report)
    assert sum(line.kind == "skip" for line in drawn.lines) == 5
    assert sum(block.element.node.sign == "+" for block in drawn.blocks) == 8


def test_a_u_has_levels(summaries):
    drawn = picture(summaries["unet"].report)
    axes = sorted({block.y for block in drawn.blocks})
    assert len(axes) == 4
    at: dict[float, list[Any]] = {axis: [b.element.node for b in drawn.blocks if b.y == axis] for axis in axes}
    assert [node.shape[-1] for node in at[axes[-1]]] == [4, 4]
    assert all(node.shape[-1] == 32 for node in at[axes[0]])
    assert sum(line.kind == "skip" for line in drawn.lines) == 3


def test_branches_stand_in_lanes(summaries):
    drawn = picture(summaries["inception"].report)
    lanes = {block.element.node.name: block.y for block in drawn.blocks if block.element.node.name}
    assert len({lanes[name] for name in ("branch1", "branch3.0", "branch5.0", "pool.0")}) == 4
    assert lanes["branch3.0"] == lanes["branch3.2"]
    assert lanes["stem"] == lanes["fc"]


def test_every_layer_feeds_the_next(summaries):
    drawn = picture(summaries["dense_block"].report)
    assert sum(line.kind == "skip" for line in drawn.lines) == 4 + 3 + 2 + 1


def test_an_encoder_is_one_layer_in_a_frame(summaries):
    drawn = picture(summaries["encoder"].report)
    assert [(box.frame.times, box.frame.name) for box in drawn.frames] == [(6, "encoder.layers.0–5")]
    signs = [block.element.node for block in drawn.blocks if block.element.node.sign == "+"]
    assert [node.after for node in signs] == [("LayerNorm",), ("LayerNorm",)]
    assert sum(line.kind == "skip" for line in drawn.lines) == 2


def test_an_encoder_that_normalizes_first(summaries):
    graph = _graph(summaries["encoder_norm_first"])
    sums = [node for node in graph.in_order() if node.sign == "+"]
    assert len(sums) == 4
    assert all(not node.after for node in sums)
    for first, second in pairwise(sums):
        assert first.key in graph.sources[second.key]


def test_the_lanes_of_an_attention(summaries):
    drawn = picture(summaries["vit"].report)
    lanes = {block.element.node.type: block for block in drawn.blocks if block.element.node.sign == "attention"}
    assert len(lanes) == 1
    names = {label.text for block in drawn.blocks for label in block.labels if label.style == "name"}
    assert {"query", "key", "value", "project"} <= names  # the frame's title says the rest of their paths
    assert [box.frame.times for box in drawn.frames] == [3]


def test_experts_stand_side_by_side():
    drawn = picture(summarize(Mixture(), (8,)).report)
    assert next(label.text for label in drawn.labels if label.style == "frame").startswith("4 side by side")


def test_where_the_pass_stopped(summaries):
    text = summaries["too_small"].to_svg()
    assert 'class="missing"' in text
    assert 'class="cross"' in text


def test_a_stop_that_no_call_shows(summaries):
    report = replace(summaries["lenet"].report, completed=False, outputs=())
    ends = [block for block in picture(report).blocks if block.element.node.role == "end"]
    assert [label.text for block in ends for label in block.labels] == ["the pass stopped here"]


def test_without_a_pass_there_is_nothing_to_draw():
    drawn = picture(summarize(SmallCNN()).report)
    assert not drawn.blocks
    assert "nothing to draw" in drawn.labels[1].text


def test_named_sizes_are_drawn_by_their_expressions(summaries):
    height = sympy.Symbol("H", integer=True, positive=True)
    half = sympy.floor((height + 1) / 2)
    named = {32: height, 16: half, 8: sympy.floor(half / 2), 2048: 32 * sympy.floor(half / 2) ** 2}

    def name(infos: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        return tuple(
            info._replace(
                shape=tuple(
                    named.get(size, size) if axis > 1 or size == 2048 else size for axis, size in enumerate(info.shape)
                )
            )
            for info in infos
        )

    report = summaries["small_cnn"].report
    calls = tuple(replace(call, inputs=name(call.inputs), outputs=name(call.outputs)) for call in report.calls)
    drawn = picture(replace(report, inputs=name(report.inputs), outputs=name(report.outputs), calls=calls))
    _check(drawn)
    heights = {block.element.node.name: block.element.solid.height for block in drawn.blocks if block.element.solid}
    assert heights["conv1"] > heights["conv2"] > heights["pool"]
    assert any("H" in label.text for label in all_labels(drawn) if label.style == "shape")


# Long ones


def test_the_sizes_that_fit_stand_in_the_heading():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    assert "accepts H exactly 8" in summarize(net, (3, "H", 8)).to_svg()


def test_ten_thousand_linears_are_one_block():
    report = _chain([8] * 10_001)
    text = svg(report)
    assert calls(lambda: svg(_chain([8] * 2_001))) < 2.2 * calls(lambda: svg(_chain([8] * 1_001)))
    assert "Linear ×10,000" in text
    assert len(picture(report).blocks) == 2


def test_the_middle_is_left_out_where_nothing_repeats():
    report, many, half = (
        _chain([number % 997 + 1 + number // 997 for number in range(size)]) for size in (5_001, 2_001, 1_001)
    )
    drawn = picture(report)
    assert calls(lambda: picture(many)) < 2.2 * calls(lambda: picture(half))
    assert len(drawn.blocks) <= MOST + 2
    gaps = [block.element.node.type for block in drawn.blocks if block.element.node.role == "gap"]
    assert gaps == [f"{5_002 - len(drawn.blocks):,} more"]
    _check(drawn)


def test_what_is_wrong_in_the_middle_stays():
    sizes = list(range(1, 402))
    model = mlp(tuple(sizes))
    model[200] = nn.Linear(999, sizes[201])
    drawn = picture(summarize(model, (1,)).report)
    assert "needs in_features=201" in [label.text for label in all_labels(drawn)]
    assert sum(block.element.node.role == "gap" for block in drawn.blocks) == 2
    _check(drawn)


def _chain(sizes: list[int]) -> Report:
    """A report of Linears one after the other, as ``summarize`` would make it."""

    def info(size: int) -> tuple[TensorInfo, ...]:
        return (TensorInfo("", (1, size), "float32", "cpu"),)

    calls = [
        Call(
            str(index),
            "Linear",
            info(size),
            info(sizes[index + 1]),
            sources=(Source.call(index - 1) if index else Source.input(0),),
        )
        for index, size in enumerate(sizes[:-1])
    ]
    root = Call("", "Sequential", info(sizes[0]), info(sizes[-1]), inner=len(calls), sources=(Source.input(0),))
    return Report("Sequential", info(sizes[0]), info(sizes[-1]), "cpu", "eval", (*calls, root), ())


def test_repeated_blocks_are_drawn_once(summaries):
    drawn = picture(summaries["resnet34"].report)
    assert [box.frame.times for box in drawn.frames] == [3, 3, 5]
    _check(drawn)


def test_a_vit_of_any_length_has_one_picture():
    twelve = picture(summarize(ViT(12), (3, 32, 32)).report)
    three = picture(summarize(ViT(3), (3, 32, 32)).report)
    assert [box.frame.times for box in twelve.frames] == [12]
    assert [(b.x, b.y) for b in twelve.blocks] == [(b.x, b.y) for b in three.blocks]


# Texts


def test_names_are_escaped():
    odd = 'a<b>&"c\x00\x1b'
    call = Call(odd, odd, (TensorInfo("", (1, 4), "float32", "cpu"),), (TensorInfo("", (1, 4), "float32", "cpu"),))
    report = Report(odd, call.inputs, call.outputs, "cpu", "eval", (call,), ())
    root = _check_text(svg(report))
    assert 'a<b>&"c��' in (root[0].text or "")


def test_themes():
    text = {theme: svg(_chain([4, 2]), theme=theme) for theme in ("auto", "light", "dark")}
    assert "prefers-color-scheme:dark" in text["auto"]
    assert "prefers-color-scheme" not in text["light"] + text["dark"]
    assert "#0d1117" in text["dark"]
    assert "#0d1117" not in text["light"]
    with pytest.raises(InputError, match="sepia"):
        svg(_chain([4, 2]), theme="sepia")


def test_pictures_with_different_themes_share_a_page():
    """Every rule of a style sheet is about pictures of its own theme only."""
    for theme in ("light", "dark"):
        root = ET.fromstring(svg(_chain([4, 2]), theme=theme))
        style = root.find(f"{SVG}style")
        assert style is not None
        for rule in (style.text or "").split("}"):
            for selector in rule.partition("{")[0].split(","):
                assert not selector or selector.startswith(f".convlin-{theme} ")


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("features.0", "features.2", "features.0–2"),
        ("enc.layer.0.conv", "enc.layer.3.conv", "enc.layer.0–3.conv"),
        ("conv1", "conv2", "conv1–conv2"),
        ("a.b", "a.c.d", "a.b – c.d"),
        ("fc", "fc", "fc"),
        ("fc", "", "fc"),
    ],
)
def test_span(first, last, expected):
    assert span(first, last) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["layer1.0.conv1"], ["layer1.0.conv1"]),
        (["encoder.layer.0.attention.output.dense"], ["…output.dense"]),
        (["embeddings.token_type_embeddings"], ["…token_type_embeddings"]),
        (["down.0.double_conv.0–3", "down.1.double_conv.0–3"], ["0.double_conv.0–3", "1.double_conv.0–3"]),
        (["net.stages.0.0.convolution", "net.stages.0.1.convolution"], ["0.convolution", "1.convolution"]),
        (["a.b.one", "a.b.one.two"], ["one", "one.two"]),
        (["AVeryLongNameOfALayerThatGoesOn"], ["AVeryLongN…rThatGoesOn"]),
        (["a_very_long_name_of_1_layer_out", "a_very_long_name_of_2_layer_out"], None),
        ([f"a_long_name.that_goes.on_and_on.{n}.until_it.does_not_fit.any_more" for n in (1, 2)], None),
    ],
)
def test_names_tell_the_blocks_apart(names, expected):
    found = ["|".join(lines) for lines in short_names(names).values()]
    assert len(set(found)) == len(names)
    assert expected is None or found == expected


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("Conv2d", "conv"), ("LazyConv1d", "conv"), ("ConvTranspose2d", "up"), ("F.interpolate", "up"),
        ("Conv1D", "linear"), ("F.max_pool2d", "pool"), ("Tensor.mean", "pool"), ("torch.cat", "cat"),
        ("Tensor.view", "reshape"), ("Tensor[...]", "reshape"), ("Flatten", "reshape"), ("LSTM", "recurrent"),
        ("MultiheadAttention", "attention"), ("Embedding", "embed"), ("ReLU", "other"), ("@", "product"),
    ],
)  # fmt: skip
def test_role(type, expected):
    assert kinds.role(type) == expected


@pytest.mark.parametrize(
    ("type", "settings", "expected"),
    [
        ("Conv2d", {"kernel_size": (3, 3), "stride": (1, 1)}, "3×3"),
        ("Conv2d", {"kernel_size": (7, 7), "stride": (2, 2)}, "7×7 /2"),
        ("Conv2d", {"kernel_size": (3, 1), "stride": (2, 1)}, "3×1 /2×1"),
        ("MaxPool2d", {"kernel_size": 2, "stride": 2}, "2×2 /2"),
        ("F.max_pool2d", {"1": 2, "stride": None}, "2×2 /2"),
        ("MultiheadAttention", {"num_heads": 4}, "4 heads"),
        ("LSTM", {"num_layers": 2}, "2 layers"),
        ("Linear", {"in_features": 3}, ""),
    ],
)
def test_detail(type, settings, expected):
    assert kinds.detail(type, settings) == expected


# The page and the example


def test_the_page_runs():
    results = doctest.testfile(str(ROOT / "docs" / "picture.md"), module_relative=False, encoding="utf-8")
    assert results.attempted
    assert not results.failed


def test_the_images_of_the_page_are_what_the_example_draws(tmp_path, monkeypatch):
    example = str(ROOT / "examples" / "draw_network.py")
    monkeypatch.setattr(sys, "argv", [example, str(tmp_path)])
    monkeypatch.syspath_prepend(ROOT / "examples")  # where Python looks first for what a script imports
    runpy.run_path(example, run_name="__main__")
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "images").glob("*-*.svg")}
    assert drawn == {name: kept.get(name) for name in drawn}, "python examples/draw_network.py docs/images"


# Marks


@pytest.fixture(scope="module")
def siamese(summaries) -> Summary:
    return summaries["siamese"]


def labels_of(drawn: Drawing) -> list[tuple[str, list[str]]]:
    return [(block.element.node.name, [label.text for label in block.labels]) for block in drawn.blocks]


def test_inputs_outputs_and_shared_weights_are_marked(siamese):
    told = labels_of(picture(siamese.report))
    assert [name for name, _ in told if name in ("left", "right")] == ["left", "right"]  # as forward calls them
    outputs = {name: text for name, texts in told for text in texts if text.startswith("output")}
    assert outputs == {
        "match": 'output ["match"]',
        "trunk.4": 'output ["embedding"]',
        "kind": 'output ["kind"]',
    }
    shared = [name for name, texts in told if "shared weights" in texts]
    assert sorted(shared) == sorted(["trunk.0", "trunk.1", "trunk.2", "trunk.4"] * 2)
    assert [any("depthwise" in text for text in texts) for name, texts in told if name == "trunk.1"] == [True] * 2
    assert [any("2 groups" in text for text in texts) for name, texts in told if name == "trunk.2"] == [True] * 2
    _check(picture(siamese.report))


@pytest.mark.parametrize("name", NAMES)
def test_every_output_is_marked_where_it_is_made(name, summaries):
    report = summaries[name].report
    assert len(report.made_by) == len(report.outputs)
    seen = {info.place for info, source in zip(report.outputs, report.made_by, strict=True) if source.is_made}
    told = [label.text for block in picture(report).blocks for label in block.labels if label.style == "output"]
    assert len(told) == len(seen)


def test_without_the_batch_maps_are_written_as_papers_do(siamese, summaries):
    text = siamese.to_svg(batch=False)
    assert ">8@10×10</text>" in text
    assert ">1×8×10×10</text>" not in text
    assert "input left=1×12×12, right=1×12×12" in text
    kept = summarize(Siamese(), [(1, 12, 12), (1, 12, 12)], batch=False)
    assert kept.to_svg() == text
    assert kept.to_svg(batch=True) == siamese.to_svg()
    assert "1×8×10×10" in siamese.to_svg()


def test_an_index_is_written_as_in_the_code(summaries):
    assert ">Tensor[:, -1]</text>" in summaries["tagger"].to_svg()


def test_names_can_be_left_out(siamese):
    drawn = picture(siamese.report, look=Look(names=False))
    assert not [label for block in drawn.blocks for label in block.labels if label.style == "name"]
    assert ">trunk.0</text>" not in siamese.to_svg(names=False)


def test_a_rotary_embedding_is_one_sign():
    class Rotary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.angles, self.out = nn.Linear(8, 8), nn.Embedding(5, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
            q, angles = self.q(x), self.angles(places)
            half = torch.cat((-q[..., 4:], q[..., :4]), -1)
            return self.out(q * angles.cos() + half * angles.sin())

    summary = summarize(Rotary(), [torch.zeros(1, 5, 8), torch.arange(5)[None]])
    signs = [block.element.node.sign for block in picture(summary.report).blocks if block.element.node.is_sign]
    assert signs == ["rotary"]


# The gallery


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.is_own], ids=lambda entry: entry.name)
def test_the_gallery_shows_what_is_drawn(entry, summaries):
    kept = (PICTURES / f"{entry.name}.svg").read_text(encoding="utf-8")
    assert summaries[entry.name].to_svg(**entry.options) == kept, "python -m docs.make_gallery"


def test_the_gallery_has_all_its_pictures():
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert {path.stem for path in PICTURES.glob("*.svg")} == {entry.name for entry in ENTRIES}
    assert all(f"images/gallery/{entry.name}.svg" in text and f"## {entry.title}\n" in text for entry in ENTRIES)
    assert len(ENTRIES) == 20


@pytest.mark.thorough
@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if not entry.is_own], ids=lambda entry: entry.name)
def test_the_gallery_shows_what_is_drawn_of_others(entry):
    transformers = pytest.importorskip("transformers")
    if f"transformers {transformers.__version__}" not in (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8"):
        pytest.skip("drawn with another version of transformers")
    assert picture_of(entry) == (PICTURES / f"{entry.name}.svg").read_text(encoding="utf-8")
