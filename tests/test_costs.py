"""What a summary does not do: counted, never timed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import counts
from convlin import summarize
from convlin._util.fast_records import maker
from convlin.module_tree import walk
from convlin.ops.names import only_reads
from convlin.records import Call
from convlin.trace.hooks import Hooks
from convlin.untouched.tensor_state import KeptTensors
from examples.cifar10 import CNN
from tests.snapshot import difference, snapshot


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of all tensors of a model whose bytes a summary copies."""
    copied: list[tuple[int, ...]] = []
    copy = KeptTensors._copy

    def counted(self: KeptTensors, tensor: Tensor) -> None:
        if id(tensor) not in self._copies:
            copied.append(tuple(tensor.shape))
        copy(self, tensor)

    monkeypatch.setattr(KeptTensors, "_copy", counted)
    return copied


def test_a_summary_calls_as_many_functions_as_the_table_says() -> None:
    found, table = counts.table(), counts.committed()
    assert found.keys() - table.keys() <= {"8 residual blocks in letters"}  # beside another version of PyTorch
    for name, said in table.items():
        row = found[name]
        about = f"{name}: {row}, and {said} in benchmarks/COUNTS.md"
        assert row.calls <= 1.02 * said.calls, f"{about}: what has become dearer?"
        assert row.functions <= said.functions + 2, f"{about}: a longer way than it was"
        assert row.files <= said.files + 1, f"{about}: a longer way than it was"
        assert row.calls >= 0.98 * said.calls, f"{about}: python -m benchmarks.counts writes the gain down"


def test_nothing_is_copied_of_a_model_that_writes_nothing(copies: list[tuple[int, ...]]) -> None:
    summarize(CNN(), (3, 32, 32))
    assert copies == []


def test_in_training_the_statistics_are_copied_and_no_weight_of_a_convolution(copies: list[tuple[int, ...]]) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = snapshot(model)
    summarize(model, (3, 8, 8), mode="train", batch_size=2)
    assert set(copies) == {(), (4,)}
    assert difference(before, snapshot(model)) == []


def test_an_embedding_is_copied_only_where_its_norms_are_changed(copies: list[tuple[int, ...]]) -> None:
    summarize(nn.Embedding(10, 3), (4,), dtypes=torch.long)
    assert copies == []
    model = nn.Embedding(10, 3, max_norm=0.1)
    before = snapshot(model)
    summarize(model, (4,), dtypes=torch.long)
    assert (10, 3) in copies
    assert difference(before, snapshot(model)) == []


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "reads"),
    [
        (F.batch_norm, (1, 2, 3), {"training": False}, True),
        (F.batch_norm, (1, 2, 3, None, None, True), {}, False),
        (F.instance_norm, (1, 2, 3), {}, False),
        (F.instance_norm, (1, 2, 3), {"use_input_stats": False}, False),
        (F.embedding_bag, (1, 2), {"max_norm": 1.0}, False),
        (torch.batch_norm, (1, None, None, 2, 3, False), {}, True),
        (torch.batch_norm, (1, None, None, 2, 3, False), {"out": 4}, False),
    ],
)
def test_a_flag_tells_whether_a_function_writes(function: Any, args: Any, kwargs: Any, reads: bool) -> None:
    assert only_reads(function, args, kwargs) is reads


def test_a_plain_layer_of_a_quick_pass_has_one_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    hooked: dict[str, int] = {"before": 0, "after": 0}
    for name in hooked:
        put = getattr(Hooks, name)

        def counted(self: Hooks, module: nn.Module, hook: Any, name: str = name, put: Any = put, **how: bool) -> None:
            hooked[name] += 1
            put(self, module, hook, **how)

        monkeypatch.setattr(Hooks, name, counted)
    summarize(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), (4,))
    assert hooked == {"before": 1, "after": 4}, "one hook for each layer, two for what holds them"


def test_a_record_made_in_bulk_is_the_record() -> None:
    values = ("fc", "Linear", (), (), 30, 30)
    made = maker(Call)(*values)
    assert type(made) is Call
    assert made == Call(*values)
    with pytest.raises(AttributeError):
        made.path = "other"  # type: ignore[misc]  # that is the point


def test_the_walk_is_that_of_named_modules() -> None:
    shared = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model = nn.ModuleDict({"a": shared, "b": nn.ModuleList([shared, nn.Linear(2, 2)]), "c": shared[0]})
    nodes = walk(model)
    assert [(node.path, node.module) for node in nodes] == list(model.named_modules())
    assert {node.path: node.aliases for node in nodes if node.aliases} == {"a": ("b.0",), "a.0": ("c",)}


def test_alike_tensors_share_one_record() -> None:
    calls = summarize(nn.Sequential(*(nn.Linear(4, 4) for _ in range(3))), (4,)).calls
    assert calls[0].inputs is calls[1].inputs is calls[2].outputs


def test_a_size_that_is_refused_is_run_once() -> None:
    """Whatever is asked about it; and of another reading that is refused nobody asks at which sizes it is not."""
    seen: Counter[tuple[int, ...]] = Counter()

    class ChannelsLast(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.is_meta:
                seen[tuple(x.shape)] += 1
            return x.permute(0, 2, 3, 1).view(x.shape[0], -1)

    assert not summarize(ChannelsLast(), (4, 8, 6, 5)).ok
    assert seen
    assert {shape: times for shape, times in seen.items() if times > 1} == {}
    seen.clear()
    assert not summarize(ChannelsLast(), torch.zeros(2, 4, 8, 6)).ok
    assert not seen
