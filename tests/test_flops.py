"""Operations per call, against PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convlin import summarize
from tests.snapshot import difference, snapshot
from tests.zoo import REAL, SMALL, ZooModel, cases

#: Models that ask for something no dispatch mode can be around, PyTorch's own counter included.
WITHOUT = {"scripted_whole", "compiled"}


@pytest.mark.parametrize("entry", cases([*REAL[::4], *SMALL]))
def test_the_calls_add_up_to_what_pytorch_counts(entry: ZooModel) -> None:
    if entry.training or entry.name in WITHOUT:
        pytest.skip("runs in train mode, or where no mode reaches")
    torch.manual_seed(0)
    model = entry.build().eval()
    args, kwargs = entry.inputs()
    before = snapshot(model)
    summary = summarize(model, list(args) or None, kwargs=kwargs, columns=["layer", "flops"])
    assert difference(before, snapshot(model)) == []

    torch.manual_seed(0)
    twin = entry.build().eval()
    counter = FlopCounterMode(display=False)
    torch.backends.mha.set_fastpath_enabled(False)  # the counter knows no formula for its fused kernels
    try:
        with torch.no_grad(), counter:
            twin(*entry.inputs()[0], **entry.inputs()[1])
    except (AssertionError, RecursionError, RuntimeError, TypeError) as error:
        pytest.skip(f"PyTorch's own counter cannot: {type(error).__name__}")
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert sum(call.flops or 0 for call in summary.calls) == counter.get_total_flops()


def test_each_layer_gets_its_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 6 * 6, 5))
    summary = summarize(model, (3, 8, 8), columns=["layer", "flops"], batch_size=2)
    by_path = {call.path: call.flops for call in summary.calls}
    # 2 for multiply and add, per batch, per output element, per input element that goes into it.
    assert by_path == {"0": 2 * 2 * 8 * 6 * 6 * 3 * 3 * 3, "1": 0, "2": 2 * 2 * 5 * 288, "": 0}


def test_operations_are_counted_only_where_asked_for() -> None:
    assert all(call.flops is None for call in summarize(nn.Linear(3, 4), (3,)).calls)
