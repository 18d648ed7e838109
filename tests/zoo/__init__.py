"""Models to test with: ``REAL`` ones of other packages and ``SMALL`` ones written for one case each."""

from __future__ import annotations

import importlib.util
from collections.abc import Container, Iterable
from typing import Any

import pytest

from tests.zoo.real import REAL
from tests.zoo.record import ZooModel, dummy_arguments
from tests.zoo.small import COMPILED, SMALL

__all__ = ["COMPILED", "COSTLY", "REAL", "SMALL", "VERY_LONG", "ZooModel", "cases", "dummy_arguments"]

#: Models whose pass is dear, beside a lighter relative that is called the same way.
COSTLY = frozenset({
    "monai DenseNet121", "conditional_detr", "stablelm", "pvt_v2", "informer", "vits", "monai AHNet", "rt_detr",
    "monai VNet", "ibert", "align", "mobilevitv2", "monai BasicUNetPlusPlus", "mobilenet_v2", "monai SwinUNETR",
    "deformable_detr", "dab-detr", "monai UNETR", "mask2former", "mobilevit", "monai SENet", "efficientnet",
    "table-transformer", "mobilenet_v1", "cvt", "groupvit", "glpn", "autoformer", "mt5", "pvt", "dac", "swin2sr",
    "monai HighResNet", "maskformer-swin", "chinese_clip", "altclip", "siglip", "owlvit", "monai SegResNetDS",
    "pegasus", "pegasus_x", "umt5", "swinv2", "layoutlm", "thousand_layers",
})  # fmt: skip

#: Models of very many layers, which say the same in most tests as one of few; pictures and mistakes try them all.
VERY_LONG = frozenset({"thousand_layers"})


def cases(entries: Iterable[ZooModel], *, thorough: Container[str] = ()) -> list[Any]:
    """The entries as parameters of a test, named by their names; skipped where a package is missing.

    Those whose names are ``thorough`` belong to the long tail that ``make thorough`` runs.
    """
    return [pytest.param(entry, id=entry.name, marks=_marks(entry, thorough)) for entry in entries]


def _marks(entry: ZooModel, thorough: Container[str]) -> list[pytest.MarkDecorator]:
    missing = [name for name in entry.requires if importlib.util.find_spec(name) is None]
    return [
        *([pytest.mark.skip(reason=f"needs {', '.join(missing)}")] if missing else []),
        *([pytest.mark.thorough] if entry.name in thorough else []),
    ]
