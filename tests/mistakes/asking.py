"""The calls that ask about a broken model.

They stand in a short file: the caller's is searched for where the model was made, and a long one is searched for long.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from convlin import Summary, fit, summarize, watch
from tests.mistakes.record import Mistake


def built(mistake: Mistake) -> nn.Module:
    torch.manual_seed(0)
    return mistake.build().train(mistake.options.get("mode") == "train")


def options(mistake: Mistake, **more: Any) -> dict[str, Any]:
    found = {**mistake.options, **more}
    if are_tensors(mistake.given):
        del found["batch_size"]
    return found


def are_tensors(given: Any) -> bool:
    return any(isinstance(value, Tensor) for value in (given if isinstance(given, list) else [given]))


def tensors(mistake: Mistake) -> list[Tensor]:
    """What a user would call the model with."""
    given = mistake.given if isinstance(mistake.given, list) else [mistake.given]
    batch = mistake.options["batch_size"]
    return [value if isinstance(value, Tensor) else torch.zeros(batch, *value) for value in given]


def summarized(model: Any, mistake: Mistake, **more: Any) -> Summary:
    """What ``summarize`` says of the model, called as the mistake wants it."""
    return summarize(model, mistake.given, **options(mistake, **more))


def fitted(model: nn.Module, mistake: Mistake) -> nn.Module:
    """The same for ``fit``."""
    return fit(model, mistake.given, **options(mistake))


def watched(model: Any, inputs: list[Tensor]) -> tuple[Summary, Exception | None]:
    """What ``watch`` says of a call, and what the call raised."""
    raised: list[Exception] = []
    with suppress(Exception), watch(model) as summary:
        try:
            model(*inputs)
        except Exception as error:
            raised.append(error)
            raise
    return summary, raised[0] if raised else None
