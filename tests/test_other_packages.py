"""Models of packages beside torch's: rows as plain hooks see them, no problem invented, the model as it was.

Each package is skipped where it cannot be imported: ``python -m tests.compat`` installs them.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from convlin import InputError, Summary, summarize
from tests.real_letters import NAMES, held
from tests.recording import record
from tests.snapshot import difference, snapshot
from tests.zoo.others import OTHERS
from tests.zoo.record import ZooModel

#: With letters a model is run at some dozens of sizes, which takes longer than some seconds with these.
_COSTLY = ("torchvision", "open_clip", "snntorch", "T2TViT", "Linknet", "Segformer")
LETTERS = tuple(entry for entry in OTHERS if entry.image and not any(name in entry.name for name in _COSTLY))
#: Models whose table of positions asks for a number of patches, however they lie.
PATCHES = ("vit_pytorch simple_vit.SimpleViT", "vit_pytorch cct.CCT")
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
    found = held(model, channels, base, summary, other_shapes=entry.name in PATCHES)
    assert found.wrong == ()
    assert found.outside == ()
    assert found.compared or found.is_hedged
