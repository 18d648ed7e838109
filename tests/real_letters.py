"""What letters tell of real models, held against plain hooks: ``python -m tests.real_letters zoo torchvision timm``.

Prints a line for each model, and for each family how many have a range and no note (proved), a range with a note that
says at which sizes it was tried or that others are taken as well, a table alone, or nothing, and of how many something
is wrong.  A family is skipped where its package cannot be imported; ``timm:40:60`` is a part of one.
"""

from __future__ import annotations

import copy
import importlib
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from math import prod
from typing import NamedTuple

import torch
from torch import nn

from convlin import InputError, Summary, summarize
from convlin.records import Accepts
from convlin.sizes.closed_form import Letter
from convlin.sizes.evaluate import Evaluation
from tests.recording import record
from tests.zoo import REAL

NAMES = ("H", "W", "D")
#: At how many sizes the forms are compared.
SIZES = 10
#: The largest size that is run for an end.
_LARGEST = 512
#: Of the others a run takes seconds.
_MOST_PARAMETERS = 120_000_000
#: Words of the remarks that the formulas do not hold at every size.
_HEDGES = ("not for all", "plain number", "no formula")

Hooked = list[tuple[str, list[tuple[int, ...]]]]


class Held(NamedTuple):
    """What came of holding the claims of one summary against runs of the model."""

    wrong: tuple[str, ...]
    outside: tuple[tuple[int, ...], ...]
    """Sizes outside of the range that PyTorch takes: where a single patch is stretched, they do not count as taken."""
    compared: int
    is_hedged: bool
    """A remark says that the formulas do not hold at every size: they are not compared."""


def held(model: nn.Module, channels: int, base: Sequence[int], summary: Summary, *, other_shapes: bool = False) -> Held:
    """Hold forms and ranges against plain hooks at the ends, one step outside, and at sizes around ``base``.

    ``other_shapes`` of a model that takes other images than those of the range, with as many patches.
    """
    names, accepts, wrong, outside, compared = NAMES[: len(base)], summary.accepts, [], [], 0
    forms = [(call.path, call.output_shapes) for call in summary.calls if not call.is_function]
    is_hedged = any(words in remark for remark in summary.report.remarks for words in _HEDGES)
    wrong += [f"a problem: {problem.message}" for problem in summary.problems]
    for sizes in (*_ends(accepts), *_some(base)):
        if prod(sizes) > max(prod(base), prod([_LARGEST] * len(base))):  # an attention makes a weight for every two
            continue
        seen = _hooked(model, channels, sizes)
        if accepts is not None and not accepts.condition:
            inside = [size in found for size, found in zip(sizes, accepts.sizes, strict=True)]
            # A range is that around one size: other images with as many patches lie outside on two sides.
            if seen is None and all(inside):
                wrong.append(f"{accepts.text}, and {sizes} is refused")
            if seen is not None and not all(inside) and (not other_shapes or any(inside)):
                outside.append(sizes)
        if seen is None or is_hedged:
            continue
        evaluation = Evaluation({Letter(name): size for name, size in zip(names, sizes, strict=True)})
        valued = [(path, [tuple(map(evaluation, shape)) for shape in shapes]) for path, shapes in forms]
        if valued != seen:
            path, found = next(pair for pair in zip(valued, seen, strict=False) if pair[0] != pair[1])
            wrong.append(f"at {sizes} {path}, really {found}")
        compared += 1
        if compared == SIZES:
            break
    return Held(tuple(wrong), tuple(outside), compared, is_hedged)


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


def _hooked(model: nn.Module, channels: int, sizes: Sequence[int]) -> Hooked | None:
    """What plain hooks see of each call; None where the model refuses.  A run may change a model: it is copied."""
    model = copy.deepcopy(model)
    try:
        with torch.no_grad():
            seen = record(model, torch.zeros(1, channels, *sizes))
    except Exception:  # whatever it raises, it takes no such image
        return None
    return [(call.path, list(call.output_shapes)) for call in seen]


# Families of models


class Image(NamedTuple):
    """A model of images, and the shape that it was made for."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


def _zoo() -> Iterator[Image]:
    for entry in REAL:
        if entry.image:
            assert isinstance(entry.shape, tuple)
            yield Image(entry.name, entry.build, entry.shape)


#: What stands in the names of small models.
_SMALL = ("tiny", "nano", "pico", "femto", "atto", "_xs", "_050", "18", "small", "_s", "mini", "_b0", "_0")


def _one_of_each(names: Iterable[str], module_of: Callable[[str], str]) -> Iterator[str]:
    """Of each module the model with the shortest name that says it is small."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(module_of(name), []).append(name)
    for each in families.values():
        yield min(each, key=lambda name: (not any(word in name for word in _SMALL), len(name), name))


def _torchvision() -> Iterator[Image]:
    models = importlib.import_module("torchvision.models")
    for module, settings in ((models, {}), (models.segmentation, {"weights_backbone": None})):
        names = models.list_models(module=module)
        for name in _one_of_each(names, lambda name: str(models.get_model_builder(name).__module__)):
            more = {"init_weights": False} if name in ("inception_v3", "googlenet") else settings
            size = 299 if name == "inception_v3" else 224
            yield Image(name, partial(models.get_model, name, weights=None, **more), (3, size, size))


def _timm() -> Iterator[Image]:
    timm = importlib.import_module("timm")
    for name in _one_of_each(timm.list_models(), lambda name: str(timm.model_entrypoint(name).__module__)):
        shape = timm.get_pretrained_cfg(name).input_size
        yield Image(name, partial(timm.create_model, name, pretrained=False), tuple(shape))


FAMILIES: dict[str, Callable[[], Iterator[Image]]] = {"zoo": _zoo, "torchvision": _torchvision, "timm": _timm}


def told_of(image: Image) -> tuple[str, str]:
    """Which kind of answer a model gets, and what is to be said of it: the sizes, and what is wrong."""
    torch.manual_seed(0)
    model = image.build().eval()
    if sum(parameter.numel() for parameter in model.parameters()) > _MOST_PARAMETERS:
        return "too large to be run here", ""
    channels, *base = image.shape
    start = time.process_time()
    try:
        summary = summarize(model, (channels, *NAMES[: len(base)]))
    except InputError as error:
        return "refused", str(error).partition("\n")[0]
    seconds = time.process_time() - start
    found = held(model, channels, base, summary, other_shapes=True)
    said = summary.accepts.text if summary.accepts is not None else " | ".join(summary.report.remarks)
    more = f", {found.outside[0]} runs, too" if found.outside else ""
    said = f"{said} ({found.compared} sizes compared, {seconds:.0f} s{more})"
    if found.wrong:
        return "wrong", f"{said}: {'; '.join(found.wrong)}"
    if summary.accepts is None:
        return "a table, no range", said
    return ("a range, with a note" if summary.report.remarks else "a range"), said


def main(families: Sequence[str]) -> None:
    """Print what every model of the families, or of parts of them, gets, and a row for each."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for part in families or FAMILIES:
        family, *places = part.split(":")
        counts: Counter[str] = Counter()
        try:
            for image in islice(FAMILIES[family](), *(int(place) if place else None for place in places or ["", ""])):
                kind, said = told_of(image)
                counts[kind] += 1
                print(f"{family} {image.name}: {kind}. {said}", flush=True)
        except ImportError as error:
            print(f"{family}: skipped, {error}")
        print(f"| {part} | {', '.join(f'{count} {kind}' for kind, count in counts.most_common())} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
