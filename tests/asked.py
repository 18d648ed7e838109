"""A call of ``summarize`` in a short file: the caller's is read for where a model was made, and a long one for long."""

from __future__ import annotations

from typing import Any

from torch import nn

from convlin import Summary, summarize


def asked(model: nn.Module, *given: Any, **options: Any) -> Summary:
    """What is said of a model, where nothing is asked of the line to change."""
    return summarize(model, *given, **options)
