"""The sizes of a changed layer as they are written in source."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from convlin.diagnosis.messages.tools import code
from convlin.search.numbers import flattened_map
from convlin.source.products import as_product
from convlin.trace.recording import Finding, Recording


def written(changes: Mapping[str, Any]) -> dict[str, str]:
    """Sizes as they stand in source: ``64`` for ``(64,)``."""
    return {name: code(value) for name, value in changes.items()}


def in_factors(changes: Mapping[str, str], finding: Finding, recording: Recording) -> dict[str, str]:
    """The changes, with the number of a Linear behind a flatten as channels and sizes of the map."""
    if "in_features" not in changes:
        return dict(changes)
    flattened = finding.misfit.detail.get("flattened")  # by the edit that goes with it
    mapped = finding.inputs[0].shape[1:] if flattened else flattened_map(recording, finding)
    if mapped is None or not all(isinstance(size, int) for size in mapped):
        return dict(changes)
    if prod(mapped) != finding.misfit.required:
        return dict(changes)
    return {**changes, "in_features": as_product(mapped)}
