"""Models of packages beside torch's: rows as plain hooks see them, no problem invented, the model as it was.

Each package is skipped where it cannot be imported: ``python -m tests.compat`` installs them.
"""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import nn

from convlin import InputError, Summary, summarize
from convlin.records import Accepts
from convlin.sizes.closed_form import Letter
from convlin.sizes.evaluate import Evaluation
from tests.recording import record
from tests.snapshot import difference, snapshot
from tests.zoo.others import OTHERS
from tests.zoo.record import ZooModel

#: With letters a model is run at some dozens of sizes, which takes longer than some seconds with these.
_COSTLY = ("torchvision", "open_clip", "snntorch", "T2TViT", "Linknet", "Segformer")
LETTERS = tuple(entry for entry in OTHERS if entry.image and not any(name in entry.name for name in _COSTLY))
#: Models whose table of positions asks for a number of patches, however they lie.
PATCHES = ("vit_pytorch simple_vit.SimpleViT", "vit_pytorch cct.CCT")
NAMES = ("H", "W", "D")
SIZES = 10
#: The largest size that is run for an end.
_LARGEST = 512
#: In training the others take long, and quantized integers are not trained.
TRAINED = tuple(
    entry
    for entry in OTHERS
    if entry.family not in ("torchvision", "timm", "segmentation_models_pytorch", "pytorch_tcn")
)


@pytest.fixture(autouse=True)
def _others_may_warn() -> Iterator[None]:
    """These packages use what PyTorch calls old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def built(entry: ZooModel) -> nn.Module:
    """The model; the test is skipped where its package cannot be imported.

    Beside a build of torch that they were not made for, packages with code in C++ raise OSError or RuntimeError.
    """
    for package in entry.requires:
        try:
            importlib.import_module(package)
        except (ImportError, OSError, RuntimeError) as error:
            pytest.skip(f"{package}: {error}")
    torch.manual_seed(0)
    return entry.build()


def readable(summary: Summary) -> None:
    """Text, JSON and picture are made, and the text is no wider than a terminal."""
    assert max(map(len, str(summary).splitlines())) <= 100
    assert summary.to_json()
    assert summary.to_svg()


@pytest.mark.parametrize(
    ("entry", "mode"),
    [*((entry, "eval") for entry in OTHERS), *((entry, "train") for entry in TRAINED)],
    ids=str,
)
def test_rows_are_what_plain_hooks_see(entry: ZooModel, mode: str) -> None:
    model = built(entry).train(mode == "train")
    before = snapshot(model)
    args, kwargs = entry.inputs()
    summary = summarize(model, list(args) or None, kwargs=kwargs, mode=mode)
    assert difference(before, snapshot(model)) == []
    assert summary.problems == ()
    readable(summary)
    args, kwargs = entry.inputs()
    with torch.no_grad():
        expected = record(model, *args, **kwargs)
    calls = [call for call in summary.calls if not call.is_function]
    assert [(call.path, call.type) for call in calls] == [(seen.path, seen.type) for seen in expected]
    for call, seen in zip(calls, expected, strict=True):
        assert call.input_shapes == seen.input_shapes, call.path
        assert call.output_shapes == seen.output_shapes, call.path
    linear = {path: module.in_features for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    called = {seen.path: linear[seen.path] for seen in expected if seen.path in linear}
    assert dict(summary.required_in_features) == called


@pytest.mark.parametrize("entry", LETTERS, ids=str)
def test_what_letters_claim_is_right(entry: ZooModel) -> None:
    model = built(entry).eval()
    assert isinstance(entry.shape, tuple)
    channels, *base = (int(size) for size in entry.shape)
    names = NAMES[: len(base)]
    before = snapshot(model)
    try:
        summary = summarize(model, (channels, *names))
    except InputError:  # no claim
        assert difference(before, snapshot(model)) == []
        return
    assert difference(before, snapshot(model)) == []
    assert summary.problems == ()
    readable(summary)
    accepts = summary.accepts
    forms = [(call.path, call.output_shapes) for call in summary.calls if not call.is_function]
    # A remark says that the formulas do not hold at every size.
    has_other_sizes = any(
        words in remark for remark in summary.report.remarks for words in ("not for all", "plain number", "no formula")
    )
    compared = 0
    for sizes in (*_ends(accepts), *_some(base)):
        seen = _hooked(model, channels, sizes)
        if accepts is not None and not accepts.condition:
            inside = [size in found for size, found in zip(sizes, accepts.sizes, strict=True)]
            # A range is that around one size: other images with as many patches lie outside on two sides.
            if entry.name not in PATCHES or any(inside):
                assert all(inside) == (seen is not None), sizes
        if seen is None or has_other_sizes:
            continue
        evaluation = Evaluation({Letter(name): size for name, size in zip(names, sizes, strict=True)})
        valued = [(path, [tuple(map(evaluation, shape)) for shape in shapes]) for path, shapes in forms]
        assert valued == seen, sizes
        compared += 1
        if compared == SIZES:
            break
    assert compared or has_other_sizes


def _ends(accepts: Accepts | None) -> Iterator[tuple[int, ...]]:
    """The smallest and the largest sizes that are accepted, and one step outside of each."""
    if accepts is None:
        return
    low = [found.minimum for found in accepts.sizes]
    yield tuple(low)
    for axis, found in enumerate(accepts.sizes):
        if found.minimum > 1:
            yield (*low[:axis], found.minimum - 1, *low[axis + 1 :])
    high = [found.maximum for found in accepts.sizes]
    if all(most is not None and most < _LARGEST for most in high):
        yield tuple(most + found.width - 1 for most, found in zip(high, accepts.sizes, strict=True) if most is not None)
        yield tuple(most + found.width for most, found in zip(high, accepts.sizes, strict=True) if most is not None)


def _some(base: Sequence[int]) -> Iterator[tuple[int, ...]]:
    draw = random.Random(1)
    yield tuple(base)
    for round_ in range(3 * SIZES):
        if round_ % 2:
            yield tuple(draw.randint(max(size // 2, 1), 2 * size) for size in base)
        else:
            yield tuple(draw.randint(1, 4) * size // 2 for size in base)


def _hooked(model: nn.Module, channels: int, sizes: Sequence[int]) -> list[tuple[str, list[tuple[int, ...]]]] | None:
    """What plain hooks see of each call; None where the model refuses."""
    try:
        with torch.no_grad():
            seen = record(model, torch.zeros(1, channels, *sizes))
    except Exception:  # whatever it raises, it takes no such image
        return None
    return [(call.path, list(call.output_shapes)) for call in seen]
