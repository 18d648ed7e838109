"""torchvision's models: the table of each is what plain hooks see.  Skipped where torchvision cannot be imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.records import SourceKind
from convlin.sizes.closed_form import Letter
from convlin.sizes.evaluate import Evaluation
from tests.recording import record
from tests.snapshot import difference, snapshot

# Beside a build of torch that it was not made for, torchvision raises RuntimeError when it is imported.
try:
    from torchvision import models as zoo
except (ImportError, RuntimeError) as error:
    pytest.skip(f"torchvision: {error}", allow_module_level=True)

SIZES = {"inception_v3": 299}


def _classification() -> Iterator[str]:
    yield from zoo.list_models(module=zoo)


def _build(name: str, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return zoo.get_model(name, weights=None, **settings).eval()


def _agrees(model: nn.Module, shape: tuple[int, ...], **settings: Any) -> None:
    """The table of the model is that of plain hooks, nothing is reported, and the model stays as it was."""
    before = snapshot(model) if settings.get("device") != "meta" else None
    summary = summarize(model, shape, **settings)
    assert summary.problems == ()
    assert before is None or difference(before, snapshot(model)) == []
    with torch.no_grad():
        expected = record(model, torch.zeros(1, *shape, device=settings.get("device")))
    modules = [call for call in summary.calls if not call.is_function]
    assert [(call.path, call.type) for call in modules] == [(seen.path, seen.type) for seen in expected]
    for call, seen in zip(modules, expected, strict=True):
        assert call.input_shapes == seen.input_shapes, call.path
        assert call.output_shapes == seen.output_shapes, call.path
    linear = {path: module.in_features for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    # What is called through multi_head_attention_forward is no call of a module.
    assert set(summary.required_in_features) <= set(linear)
    assert all(linear[path] == size for path, size in summary.required_in_features.items())
    called = {seen.path for seen in expected if seen.path in linear}
    assert called == set(summary.required_in_features)


@pytest.mark.parametrize("name", list(_classification()))
def test_classification_on_meta(name: str) -> None:
    settings = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    # RegNet computes its widths with tensors of values, and maxvit its relative positions.
    with torch.device("cpu" if name.startswith(("regnet", "maxvit")) else "meta"):
        model = zoo.get_model(name, weights=None, **settings).eval()
    size = SIZES.get(name, 224)
    _agrees(model.to("meta"), (3, size, size), device="meta")


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_classification_with_values(name: str) -> None:
    _agrees(_build(name), (3, 64, 64) if name != "alexnet" else (3, 96, 96))


@pytest.mark.parametrize("name", zoo.list_models(module=zoo.segmentation))
def test_segmentation(name: str) -> None:
    _agrees(_build(name, weights_backbone=None), (3, 64, 64))


@pytest.mark.parametrize("name", zoo.list_models(module=zoo.video))
def test_video_on_meta(name: str) -> None:
    _agrees(_build(name).to("meta"), (3, 16, 224, 224), device="meta")


@pytest.mark.parametrize("name", zoo.list_models(module=zoo.detection))
def test_detection(name: str) -> None:
    """With numbers on the CPU: boxes are sorted by value, which tensors without values cannot answer."""
    settings = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 64}
    if "rcnn" in name:
        settings |= {"rpn_post_nms_top_n_test": 20, "box_detections_per_img": 5}
    model = _build(name, weights_backbone=None, num_classes=5, **settings)
    # The images that it makes of the input are in an object that the recording does not open.
    _agrees_with_values(model, [torch.zeros(3, 64, 64)], unread=("GeneralizedRCNNTransform",))


@pytest.mark.parametrize("name", zoo.list_models(module=zoo.optical_flow))
def test_optical_flow(name: str) -> None:
    image = torch.zeros(1, 3, 128, 128)
    _agrees_with_values(_build(name), image, image)


def _agrees_with_values(model: nn.Module, *args: Any, unread: tuple[str, ...] = ()) -> None:
    """The same for what is called with values; of the ``unread`` types the outputs are not compared."""
    before = snapshot(model)
    summary = summarize(model, list(args))
    assert summary.problems == ()
    assert difference(before, snapshot(model)) == []
    with torch.no_grad():
        expected = record(model, *args)
    modules = [call for call in summary.calls if not call.is_function]
    assert [(call.path, call.type) for call in modules] == [(seen.path, seen.type) for seen in expected]
    for call, seen in zip(modules, expected, strict=True):
        assert call.input_shapes == seen.input_shapes, call.path
        assert call.output_shapes == seen.output_shapes or call.type in unread, call.path


def test_quantization() -> None:
    model = zoo.quantization.resnet18(weights=None, quantize=False).eval()
    _agrees(model, (3, 64, 64))


def test_functions_between_torchvisions_layers_have_rows() -> None:
    alexnet = summarize(zoo.alexnet(weights=None), (3, 224, 224))
    assert [call.type for call in alexnet.calls if call.is_function] == ["torch.flatten"]
    assert alexnet.required_in_features == {"classifier.1": 9216, "classifier.4": 4096, "classifier.6": 4096}
    resnet = summarize(zoo.resnet18(weights=None), (3, 64, 64))
    assert [call.type for call in resnet.calls if call.is_function] == ["torch.flatten"]
    joins = {source for call in resnet.calls for source in call.sources if source.kind is SourceKind.JOIN}
    assert len(joins) == 8  # one residual in each block


def test_a_wrong_number_in_a_torchvision_model() -> None:
    model = zoo.resnet18(weights=None)
    model.fc = nn.Linear(500, 10)
    (problem,) = summarize(model, (3, 64, 64)).problems
    assert (problem.path, problem.declared, problem.required) == ("fc", 500, 512)
    model.fc = nn.Linear(problem.required, 10)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vgg11", "squeezenet1_1"])
def test_letters_against_real_runs(name: str) -> None:
    model = _build(name)
    summary = summarize(model, (3, "H", "W"))
    assert summary.problems == ()
    forms = [(call.path, call.output_shapes) for call in summary.calls if not call.is_function]
    for height, width in [(32, 32), (33, 47), (64, 96), (75, 75), (101, 40)]:
        evaluation = Evaluation({Letter("H"): height, Letter("W"): width})
        with torch.no_grad():
            expected = record(model, torch.zeros(1, 3, height, width))
        valued = [(path, tuple(tuple(map(evaluation, shape)) for shape in shapes)) for path, shapes in forms]
        assert valued == [(seen.path, seen.output_shapes) for seen in expected]
