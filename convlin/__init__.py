"""convlin: the number that goes into your Linear, and where it comes from."""

from __future__ import annotations

from convlin.errors import ConvlinError, InputError, ShapeError
from convlin.summarize import num_flat_features, summarize
from convlin.summary import Summary

__all__ = ["ConvlinError", "InputError", "ShapeError", "Summary", "num_flat_features", "summarize"]
__version__ = "0.1.0"
