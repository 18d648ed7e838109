"""The quick pass: it tells what the thorough tracer tells, and sees whatever is not PyTorch's own layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convlin import Summary, summarize, watch
from convlin.records import Source
from convlin.tensors import sizes
from convlin.trace import tracer as trace
from convlin.trace.function_mode import Between
from tests.snapshot import difference, snapshot
from tests.zoo import SMALL, VERY_LONG, ZooModel, cases


@contextmanager
def _thorough(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passes without the hooks of a quick one: they are for sizes that are read as they are."""
    with monkeypatch.context() as patch:
        patch.setattr(trace, "sizes", lambda tensor: sizes(tensor))
        yield


def _summarized(entry: ZooModel, model: nn.Module) -> Summary:
    args, kwargs = entry.inputs()
    return summarize(model, list(args) or None, kwargs=kwargs, mode="same" if entry.training else "eval")


@pytest.mark.parametrize("entry", cases(SMALL, thorough=VERY_LONG))
def test_it_tells_what_the_tracer_tells(entry: ZooModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = entry.build()
    quick = _summarized(entry, model)
    with _thorough(monkeypatch):
        assert _summarized(entry, model) == quick


class Block(nn.Module):
    """Layers of PyTorch's own, and a function between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4 * 8 * 8, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(torch.flatten(self.relu(self.norm(self.conv(x))), 1))


IMAGE = (3, 8, 8)


def _seen(monkeypatch: pytest.MonkeyPatch, model: nn.Module, **options: Any) -> list[str]:
    """The names of the functions that the mode is asked about."""
    names: list[str] = []
    ask = Between.__torch_function__

    def counted(self: Between, func: Any, *rest: Any) -> Any:
        names.append(getattr(func, "__name__", ""))
        return ask(self, func, *rest)

    monkeypatch.setattr(Between, "__torch_function__", counted)
    summarize(model, IMAGE, **options)
    return names


def test_the_mode_is_off_inside_layers_that_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _seen(monkeypatch, Block()) == ["flatten"]


def test_in_training_it_sees_who_writes_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Block()
    before = snapshot(model)
    assert _seen(monkeypatch, model, mode="train", batch_size=2) == ["dim", "add_", "batch_norm", "flatten"]
    assert difference(before, snapshot(model)) == []


class WritesToItsOwn(nn.Module):
    """A layer that works in place is given a weight, a part of a buffer and what another layer made."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)
        self.weight = nn.Parameter(-torch.ones(3, 4, 4))
        self.register_buffer("seen", -torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        self.relu(self.weight.data)
        self.relu(self.seen[:4])
        return self.relu(self.conv(self.relu(x))) + self.weight


def test_what_a_layer_that_works_in_place_writes_to_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image = WritesToItsOwn(), -torch.ones(1, 3, 4, 4)
    before = snapshot(model)
    summary = summarize(model, image)
    assert [call.type for call in summary.calls if call.path == "relu"] == ["ReLU"] * 4
    assert difference(before, snapshot(model)) == []
    assert bool((image == -1).all())
    block = Block()
    block.relu.inplace = True
    assert _seen(monkeypatch, block) == ["flatten"]  # the mode is off while such a layer runs


class Catching(Block):
    """A layer raises, forward catches it, and goes on to write to its own weights."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(7, 7)

    def forward(self, x: Tensor) -> Any:
        try:
            self.other(x)
        except RuntimeError:
            self.other.weight.add_(1)
        return super().forward(x).view(2, 5)


def test_it_is_on_again_behind_a_layer_that_raised() -> None:
    model = Catching()
    before = snapshot(model)
    s = summarize(model, IMAGE)
    assert difference(before, snapshot(model)) == []
    assert [call.type for call in s.calls if call.is_function] == ["torch.flatten", "Tensor.view"]


class Raising(nn.Module):
    """A layer of somebody's own."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no")


@pytest.mark.parametrize("nested", [False, True])
def test_what_runs_behind_a_module_that_raised_belongs_to_who_caught_it(nested: bool) -> None:
    class Trying(Block):
        def __init__(self) -> None:
            super().__init__()
            self.bad = nn.Sequential(nn.ReLU(), Raising()) if nested else Raising()
            self.idle = Idle(nn.ReLU())

        def forward(self, x: Tensor) -> Any:
            try:
                x = self.bad(x)
            except RuntimeError:
                self.idle(x)
                x = x.reshape(-1, 3, 8, 8)[:, :, ::2].repeat(1, 1, 2, 1)
            return super().forward(x).view(2, 5)

    class Idle(nn.Sequential):
        def forward(self, x: Tensor) -> None:
            self[0](x.unsqueeze(0))

    s = summarize(nn.Sequential(Trying()), IMAGE)
    names = [(call.path, call.type) for call in s.calls if call.is_function]
    assert names == [
        ("0.idle", "Tensor.unsqueeze"), ("0", "Tensor[...]"), ("0", "Tensor.repeat"), ("0", "torch.flatten"),
        ("0", "Tensor.view"),
    ]  # fmt: skip
    assert [call.path for call in s.calls if not call.is_function][-2:] == ["0", ""]


class Leaving(nn.Module):
    """Something runs while the exception is on its way out."""

    def __init__(self, layer: nn.Module, *, runs: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), layer)
        self.runs = runs

    def forward(self, x: Tensor) -> Any:
        try:
            return self.inner(x)
        finally:
            if self.runs:
                x.view(-1)


@pytest.mark.parametrize("layer", [nn.PixelShuffle(2), nn.CosineSimilarity(), nn.Linear(5, 2)], ids=repr)
@pytest.mark.parametrize("device", [None, "meta"])
def test_where_a_pass_stopped_does_not_depend_on_what_runs_on_the_way_out(layer: nn.Module, device: str | None) -> None:
    straight, around = (
        summarize(Leaving(layer, runs=runs), IMAGE, device=device).problems[0] for runs in (False, True)
    )
    assert straight == replace(around, call=straight.call)
    assert straight.path == "inner.1"


def test_it_is_on_again_behind_what_an_alarm_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``KeyboardInterrupt`` in PyTorch's own layer, for which no hook is called."""
    model = Block()
    interrupted = nn.Linear(192, 2)
    model.interrupted = interrupted
    raised: list[int] = []
    linear = torch.nn.functional.linear

    def once(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if weight is interrupted.weight:
            raised.append(1)
            raise KeyboardInterrupt
        return linear(input, weight, bias)

    def forward(x: Tensor) -> Any:
        with suppress(KeyboardInterrupt):
            interrupted(torch.flatten(x, 1))
        return Block.forward(model, x)

    monkeypatch.setattr(torch.nn.functional, "linear", once)
    model.forward = forward  # type: ignore[method-assign]
    before = snapshot(model)
    s = summarize(model, IMAGE)
    assert raised
    assert difference(before, snapshot(model)) == []
    assert [call.type for call in s.calls if call.is_function][-1] == "torch.flatten"
    assert torch._C._len_torch_function_stack() == 0


class Watching(TorchFunctionMode):
    """Somebody else's mode."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("inside", [False, True])
def test_a_mode_of_somebody_else_sees_what_it_would_see(inside: bool) -> None:
    model, x, mode = Block().eval(), torch.rand(1, *IMAGE), Watching()
    calls = {"conv2d", "batch_norm", "relu", "flatten", "linear"}
    forward = model.forward

    def under_mode(x: Tensor) -> Any:
        with mode:
            return forward(x)

    if inside:
        model.forward = under_mode  # type: ignore[method-assign]
        summarize(model, x)
    else:
        with mode:
            summarize(model, x)
    seen, mode.names = mode.names, []
    under_mode(x)
    assert [name for name in seen if name in calls] == [name for name in mode.names if name in calls]


def test_a_hook_on_all_modules_is_seen() -> None:
    model = Block()
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, args, output: output.unsqueeze(0).squeeze(0) if isinstance(module, nn.Conv2d) else None
    )
    try:
        s = summarize(model, IMAGE)
    finally:
        handle.remove()
    assert [call.type for call in s.calls if call.is_function] == [
        "Tensor.unsqueeze",
        "Tensor.squeeze",
        "torch.flatten",
    ]


def test_settings_are_those_of_the_time_of_the_call() -> None:
    class Growing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor) -> Any:
            x = self.conv(x)
            self.conv.stride = (2, 2)
            return self.conv(x)

    first, second = (call for call in summarize(Growing(), IMAGE).calls if call.type == "Conv2d")
    assert (first.settings["stride"], first.output_shape) == ((1, 1), (1, 3, 8, 8))
    assert (second.settings["stride"], second.output_shape) == ((2, 2), (1, 3, 4, 4))
    assert second.derivation is not None


def test_a_module_whose_weight_another_one_uses_is_no_idle_one() -> None:
    model = Block()
    model.spare = nn.Linear(4 * 8 * 8, 10)
    model.spare.weight = model.fc.weight
    (spare,) = (module for module in summarize(model, IMAGE).modules if module.path == "spare")
    assert spare.remark == "its weight is tied to fc"


def test_a_layer_called_by_name_that_raised_is_no_call() -> None:
    class Named(Block):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.Linear(7, 7)

        def forward(self, x: Tensor) -> Any:
            with suppress(RuntimeError):
                self.other(input=x)
            return super().forward(x)

    s = summarize(Named(), IMAGE)
    assert s.ok
    assert "other" not in [call.path for call in s.calls]
    assert [call.type for call in s.calls if call.is_function] == ["torch.flatten"]


class ListHead(nn.Module):
    """As the heads of YOLO are written: what each level makes takes the place of what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList([nn.Conv2d(4, 6, 1), nn.Conv2d(4, 6, 1)])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        for index, level in enumerate(self.levels):
            maps[index] = level(maps[index]).flatten(2)
        return maps


class DictHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        batch["scores"] = self.fc(batch.pop("features").mean((2, 3)))
        return batch


class InPlaceHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.squeeze_(3).squeeze_(2))


class Headed(nn.Module):
    """A convolution, and a head that changes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.by_list, self.by_name, self.by_dict = ListHead(), ListHead(), DictHead()
        self.in_place = InPlaceHead()

    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        listed = self.by_list([x, x])
        named = self.by_name(maps=[x, x])
        return listed, named, self.by_dict({"features": x}), self.in_place(x.mean((2, 3), keepdim=True))


def _came_in(model: nn.Module, x: Tensor) -> dict[str, list[tuple[int, ...]]]:
    """What plain hooks in front of each module see."""
    seen: dict[str, list[tuple[int, ...]]] = {}

    def tensors(value: Any) -> list[Tensor]:
        if isinstance(value, Tensor):
            return [value]
        inner = value.values() if isinstance(value, dict) else value
        return [tensor for each in inner for tensor in tensors(each)]

    def note(name: str) -> Any:
        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            seen[name] = [tuple(each.shape) for each in tensors([*args, kwargs])]

        return before

    handles = [each.register_forward_pre_hook(note(name), with_kwargs=True) for name, each in model.named_modules()]
    model(x)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("columns", ["default", ["layer", "flops"]])
def test_what_reaches_a_module_is_what_is_there_before_it_runs(columns: Any) -> None:
    model, x = Headed().eval(), torch.zeros(1, *IMAGE)
    expected = _came_in(model, x)
    summary = summarize(model, IMAGE, columns=columns)
    assert {call.path: list(call.input_shapes) for call in summary if not call.is_function} == expected
    with watch(model) as watched:
        model(x)
    assert {call.path: list(call.input_shapes) for call in watched if not call.is_function} == expected


def test_what_reaches_a_block_comes_from_in_front_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)))
    summary = summarize(model, IMAGE)
    assert summary["1"].sources == (Source.call(0),)
    with _thorough(monkeypatch):
        assert summarize(model, IMAGE) == summary
