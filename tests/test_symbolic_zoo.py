"""Named sizes over the real image models: every closed form, evaluated, equals what plain hooks see."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.inputs import read_inputs
from convlin.symbolic.confirm import Confirmed, confirmed
from convlin.symbolic.follow import follow
from convlin.symbolic.runs import keeps_batch
from convlin.symbolic.trials import Trials
from tests.recording import record
from tests.zoo import REAL, ZooModel, cases

IMAGES = [entry for entry in REAL if entry.image]
#: The whole zoo takes a quarter of an hour; `make test` runs a few cheap models of every family.
SAMPLE = {
    "convolutions": ("resnet", "regnet", "convnext", "monai ResNet"),
    "U-Nets": ("monai UNet 2d", "monai RegUNet"),
    "transformers": ("vit",),
    "several scales": ("poolformer",),
    "windows": ("swin2sr",),
    "detection": ("yolos",),
    "one number out": ("monai Regressor",),
}
LETTERS = ("H", "W", "D")
SIZES = 6

#: What is not told right for every size, and why.
EXCEPTIONS = {
    "mobilevit": "unfolds patches after an interpolation to plain numbers",
    "dpt": "takes int() of the square root of the number of patches, which is a plain number",
}


#: The models that `make test` leaves to `make thorough`.
TAIL = {entry.name for entry in IMAGES} - {name for family in SAMPLE.values() for name in family}


def test_exceptions_are_few() -> None:
    names = {entry.name for entry in IMAGES}
    assert names >= EXCEPTIONS.keys()
    assert len(EXCEPTIONS) <= 0.05 * len(names)
    sample = [name for family in SAMPLE.values() for name in family]
    assert names >= {*sample}
    assert not EXCEPTIONS.keys() & {*sample}


@pytest.mark.parametrize("entry", cases((entry for entry in IMAGES if entry.name not in EXCEPTIONS), thorough=TAIL))
def test_closed_forms_equal_what_is_observed(entry: ZooModel) -> None:
    torch.manual_seed(0)
    model = entry.build().eval()
    assert isinstance(entry.shape, tuple)
    channels, *base = entry.shape
    found = in_letters(model, (channels, *LETTERS[: len(base)]))
    assert found.followed.recording.failure is None
    assert not found.wrong
    forms = [
        (call.path, [info.shape for info in call.outputs])
        for call in found.followed.recording.calls
        if not call.is_function
    ]
    compared, draw = 0, random.Random(1)
    for round_ in range(4 * SIZES):
        sizes = tuple(draw.randint(size // 2, 3 * size) if round_ % 2 else draw.randint(1, 3) * size for size in base)
        sizes = sizes if round_ else tuple(base)
        observed = hooked(model, torch.zeros(1, channels, *sizes))
        if observed is None:  # the model does not take this size
            continue
        evaluation = found.followed.session.evaluation(dict(zip(LETTERS, sizes, strict=False)))
        valued = [(path, [tuple(map(evaluation, shape)) for shape in shapes]) for path, shapes in forms]
        assert valued == observed, sizes
        compared += 1
        if compared == SIZES:
            break
    assert compared


@pytest.mark.parametrize("entry", cases((entry for entry in IMAGES if entry.name in EXCEPTIONS), thorough=EXCEPTIONS))
def test_an_exception_is_one(entry: ZooModel) -> None:
    with pytest.raises(AssertionError):
        test_closed_forms_equal_what_is_observed(entry)


def in_letters(model: nn.Module, shape: tuple[Any, ...]) -> Confirmed:
    plan = read_inputs(model, shape)
    followed = follow(model, plan, "eval")
    trials = Trials(model, followed.plan, "eval", keeps_batch(plan, followed.recording), followed.cost)
    return confirmed(followed, trials)


def hooked(model: nn.Module, image: torch.Tensor) -> list[tuple[str, list[tuple[int, ...]]]] | None:
    """What plain hooks see: the path of every module called and its outputs; None where the model refuses."""
    try:
        with torch.no_grad():
            return [(call.path, list(call.output_shapes)) for call in record(model, image)]
    except Exception:  # whatever it raises, it takes no such image
        return None


@pytest.mark.parametrize("entry", cases(entry for entry in IMAGES if entry.name in ("resnet", "vit", "convnext")))
def test_accepted_sizes_of_real_models(entry: ZooModel) -> None:
    torch.manual_seed(0)
    model = entry.build().eval()
    assert isinstance(entry.shape, tuple)
    accepts = summarize(model, (entry.shape[0], "H", "W")).accepts
    assert accepts is not None
    low = [found.minimum for found in accepts.sizes]
    assert hooked(model, torch.zeros(1, entry.shape[0], *low)) is not None
    for axis, found in enumerate(accepts.sizes):
        below = [*low]
        below[axis] -= found.step
        assert below[axis] < 1 or hooked(model, torch.zeros(1, entry.shape[0], *below)) is None
