"""Operations per call, against PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convlin import summarize
from tests.snapshot import difference, snapshot
from tests.zoo import COSTLY, REAL, SMALL, ZooModel, cases

#: Models that ask for something no dispatch mode can be around, PyTorch's own counter included.
WITHOUT = {"scripted_whole", "compiled"}


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # said by the switch of oneDNN
@pytest.mark.parametrize("entry", cases([*REAL[::8], *SMALL], thorough=COSTLY))
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
        # Nor for those of the CPU's attention and LSTM.
        with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False), torch.no_grad(), counter:
            twin(*entry.inputs()[0], **entry.inputs()[1])
    except (AssertionError, RecursionError, RuntimeError, TypeError) as error:
        pytest.skip(f"PyTorch's own counter cannot: {type(error).__name__}")
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert sum(call.flops or 0 for call in summary.calls) == counter.get_total_flops()


class Fused(nn.Module):
    """What the CPU has kernels of its own for."""

    def __init__(self, layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 8, num_layers=layers, bidirectional=bidirectional, batch_first=True)
        self.attention = nn.MultiheadAttention(8 * (1 + bidirectional), 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.lstm(x)[0]
        mixed, _ = self.attention(hidden, hidden, hidden, need_weights=False)
        heads = mixed.unflatten(-1, (2, -1)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
def test_the_kernels_of_the_cpu_count_as_what_meta_does_in_their_place(layers: int, bidirectional: bool) -> None:
    model = Fused(layers, bidirectional).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Fused(layers, bidirectional).eval().to("meta")(torch.empty(3, 5, 4, device="meta"))
    summary = summarize(model, (5, 4), batch_size=3, columns=["layer", "flops"])
    by_path = {call.path: call.flops or 0 for call in summary.calls}
    assert min(by_path["lstm"], by_path["attention"]) > 0
    assert sum(call.flops or 0 for call in summary.calls) == counter.get_total_flops()
    on_meta = summarize(model, (5, 4), batch_size=3, columns=["layer", "flops"], device="meta")
    assert [call.flops for call in summary.calls] == [call.flops for call in on_meta.calls]


def test_each_layer_gets_its_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 6 * 6, 5))
    summary = summarize(model, (3, 8, 8), columns=["layer", "flops"], batch_size=2)
    by_path = {call.path: call.flops for call in summary.calls}
    # 2 for multiply and add, per batch, per output element, per input element that goes into it.
    assert by_path == {"0": 2 * 2 * 8 * 6 * 6 * 3 * 3 * 3, "1": 0, "2": 2 * 2 * 5 * 288, "": 0}


def test_operations_are_counted_only_where_asked_for() -> None:
    assert all(call.flops is None for call in summarize(nn.Linear(3, 4), (3,)).calls)
