"""On a GPU: the dummy goes where the weights are, and the model, its memory and the random state stay as they were."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from convlin import fit, summarize, watch
from tests.snapshot import difference, snapshot
from tests.zoo import REAL, SMALL, ZooModel, cases

pytestmark = pytest.mark.cuda

#: Cases that hold tensors of their own where no ``.to()`` reaches, or whose layers exist for the CPU alone.
CPU_ONLY = frozenset({"hidden_modules", "created_in_forward", "built_on_first_call", "dynamically_quantized"})


class Net(nn.Module):
    def __init__(self, features: int = 288) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(features, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.norm(self.conv(x)).flatten(1)))


def test_the_dummy_goes_where_the_weights_are() -> None:
    model = Net(5).cuda()
    before = snapshot(model)
    summary = summarize(model, (3, 8, 8), mode="train", batch_size=2)
    assert difference(before, snapshot(model)) == []
    assert summary.required_in_features == {"fc": 288}
    assert {info.device for call in summary.calls for info in call.outputs} == {"cuda:0"}


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_model_on_the_cpu_stays_there(mode: str) -> None:
    model = Net(5)
    before = snapshot(model)
    there, here = (summarize(model, (3, 8, 8), batch_size=2, mode=mode, device=device) for device in ("cuda", "cpu"))
    assert difference(before, snapshot(model)) == []
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert [(call.path, call.input_shapes, call.output_shapes) for call in there.calls] == [
        (call.path, call.input_shapes, call.output_shapes) for call in here.calls
    ]
    assert there.required_in_features == {"fc": 288}


def test_random_numbers_are_drawn_as_without_it() -> None:
    model = Net().cuda().train()
    x = torch.randn(4, 3, 8, 8, device="cuda")

    def drawn(*, with_summary: bool) -> torch.Tensor:
        torch.manual_seed(0)
        first = torch.rand(8, device="cuda")
        if with_summary:
            summarize(model, x, mode="train")
            summarize(Net(), (3, 8, 8), mode="train", batch_size=2, device="cuda")
        return torch.cat([first, torch.rand(8, device="cuda")])

    assert torch.equal(drawn(with_summary=True), drawn(with_summary=False))


@pytest.mark.parametrize("device", [None, "cuda"])
def test_nothing_stays_in_the_memory_of_the_device(device: str | None) -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(8)))
    if device is None:
        model.cuda()
    summarize(model, (16, 64, 64), device=device)  # libraries keep workspaces of their own from the first call on
    gc.collect()
    before = torch.cuda.memory_allocated()
    summary = summarize(model, (16, 64, 64), batch_size=8, device=device)
    assert torch.cuda.memory_allocated() == before
    assert summary.ok


def test_no_activation_is_kept_alive() -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(16))).cuda().eval()

    def peak(*, summarized: bool) -> int:
        torch.cuda.reset_peak_memory_stats()
        if summarized:
            summarize(model, (16, 256, 256), batch_size=8)
        else:
            with torch.no_grad():
                model(torch.zeros(8, 16, 256, 256, device="cuda"))
        return torch.cuda.max_memory_allocated()

    peak(summarized=False)
    assert peak(summarized=True) <= 1.01 * peak(summarized=False)


def test_running_out_of_memory_leaves_nothing_behind() -> None:
    model = Net().cuda()
    before, allocated = snapshot(model), torch.cuda.memory_allocated()
    with pytest.raises(torch.OutOfMemoryError) as raised:
        summarize(model, (3, 1 << 12, 1 << 12), batch_size=1 << 14)
    assert difference(before, snapshot(model)) == []
    raised.value.__traceback__ = None
    gc.collect()
    assert torch.cuda.memory_allocated() == allocated


def test_autocast() -> None:
    model = Net(5).cuda()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        summary = summarize(model, (3, 8, 8))
    assert summary.required_in_features == {"fc": 288}
    assert [problem.kind for problem in summary.problems] == ["in_features"]


def test_watch_and_fit() -> None:
    model = fit(Net(5).cuda(), (3, 8, 8))
    assert model.fc.in_features == 288
    assert model.fc.weight.device.type == "cuda"
    with watch(model) as watched:
        model(torch.zeros(2, 3, 8, 8, device="cuda")).sum().backward()
    assert watched.output_shape == (2, 2)
    assert model.fc.weight.grad is not None


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_a_model_spread_over_two_devices() -> None:
    class Spread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 8, device="cuda:0")
            self.b = nn.Linear(7, 2, device="cuda:1")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x).to("cuda:1"))

    summary = summarize(Spread(), (4,))
    assert summary.required_in_features == {"a": 4, "b": 8}


FED_WITH_SHAPES = [entry for entry in (*SMALL, *REAL) if entry.shape is not None and entry.name not in CPU_ONLY]


@pytest.mark.parametrize("entry", cases(FED_WITH_SHAPES))
def test_the_zoo_on_the_device_of_its_weights(entry: ZooModel) -> None:
    """A model of the zoo moved as its user would move it, and fed with shapes alone."""
    torch.manual_seed(0)
    model = entry.build()
    expected = summarize(model, entry.shape, dtypes=entry.dtypes)
    model.cuda()
    before = snapshot(model)
    summary = summarize(model, entry.shape, dtypes=entry.dtypes)
    assert difference(before, snapshot(model)) == []
    assert [(call.path, call.type, call.output_shapes) for call in summary.calls] == [
        (call.path, call.type, call.output_shapes) for call in expected.calls
    ]
