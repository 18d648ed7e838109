"""A Linear that gives no features: what comes behind it is the same for every input, and nothing refuses that."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from convlin.trace.recording import Recording


def remarks(recording: Recording) -> Iterator[str]:
    """Said as a remark: a ``features // 16`` that came to 0 is a mistake, a head of no classes may be meant."""
    for _, call, module in recording.calls_of(nn.Linear):
        if module.out_features == 0:
            path = call.path or call.type
            yield f"{path}: Linear with out_features=0 gives no features, and nothing behind it depends on its input"
