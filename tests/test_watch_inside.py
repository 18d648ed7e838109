"""What else may happen inside a watched block: tracing, a summary, a module in the place of another."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import fit, summarize, watch


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(144, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        x = x.flatten(1)
        return self.fc(x)


IMAGES = torch.randn(5, 3, 8, 8)


def shapes_by_hooks(net: nn.Module, run: Callable[[], object]) -> list[tuple[str, tuple[int, ...]]]:
    """What plain hooks see of the layers."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    hooks = [
        module.register_forward_hook(lambda _, __, made, path=path: seen.append((path, tuple(map(int, made.shape)))))
        for path, module in net.named_children()
    ]
    with warnings.catch_warnings(action="ignore"):
        run()
    for hook in hooks:
        hook.remove()
    return seen


def test_the_sizes_of_a_traced_call_are_numbers_and_the_graph_is_that_of_the_model() -> None:
    net = Net()
    with warnings.catch_warnings(action="ignore"):
        plain = torch.jit.trace(net, IMAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace")
        with watch(net) as summary:
            traced = torch.jit.trace(net, IMAGES)
    seen = shapes_by_hooks(net, lambda: torch.jit.trace(net, IMAGES))
    layers = [call for call in summary.calls if not call.is_function and call.path]
    assert [(call.path, call.output_shape) for call in layers] == seen
    assert all(type(size) is int for call in summary.calls for shape in call.output_shapes for size in shape)
    assert json.loads(summary.to_json())["calls"][0]["outputs"][0]["shape"] == [5, 4, 6, 6]
    assert [node.kind() for node in traced.inlined_graph.nodes()] == [
        node.kind() for node in plain.inlined_graph.nodes()
    ]
    others = torch.randn(7, 3, 8, 8)
    assert torch.equal(traced(others), net(others))


@pytest.mark.parametrize(
    "inside",
    [
        lambda net: summarize(net, (3, 8, 8), batch_size=7),
        lambda net: summarize(net, (3, "H", 8)),
        lambda net: summarize(net, (3, 9, 9)),  # which does not fit
        lambda net: fit(net, (3, 8, 8)),
    ],
)
def test_a_summary_inside_the_block_is_no_call_of_yours(inside: Callable[[nn.Module], object]) -> None:
    net = Net()
    with watch(net) as alone:
        net(IMAGES)
    with watch(net) as summary:
        inside(net)
        net(IMAGES)
        inside(net)
    assert [(call.path, call.type, call.output_shape) for call in summary.calls] == [
        (call.path, call.type, call.output_shape) for call in alone.calls
    ]
    assert summary.report.inputs[0].shape == (5, 3, 8, 8)
    assert not summary.problems
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_module_in_the_place_of_another_is_seen_and_has_no_hook_afterwards() -> None:
    net = Net()

    def run() -> None:
        net(IMAGES)
        net.fc = nn.Linear(144, 3)
        net(IMAGES)

    with watch(net) as summary:
        run()
    layers = [(call.path, call.output_shape) for call in summary.calls if call.path and not call.is_function]
    assert layers == [("conv", (5, 4, 6, 6)), ("fc", (5, 2)), ("conv", (5, 4, 6, 6)), ("fc", (5, 3))]
    assert net(IMAGES).shape == (5, 3)
    assert "not called" not in str(summary)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_wrong_module_in_the_place_of_another_is_told() -> None:
    net = Net()

    def run() -> None:
        with watch(net):
            net.fc = nn.Linear(99, 3)
            net(IMAGES)

    with pytest.raises(RuntimeError, match="mat1 and mat2") as raised:
        run()
    assert "needs in_features=144, has 99" in raised.value.__notes__[0]
