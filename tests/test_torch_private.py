"""What convlin does where a version of torch lacks a private name."""

from __future__ import annotations

import enum

import pytest
import torch
from torch import nn
from torch.nn.modules import module
from torch.nn.modules.module import register_module_forward_hook

from convlin import summarize
from convlin._util import torch_private


def test_a_global_hook_is_seen() -> None:
    assert not torch_private.has_global_hooks()
    handle = register_module_forward_hook(lambda *_: None)
    try:
        assert torch_private.has_global_hooks()
    finally:
        handle.remove()
    assert not torch_private.has_global_hooks()


@pytest.mark.parametrize("name", torch_private._GLOBAL_HOOKS)
def test_without_one_of_the_registries(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(module, name)
    monkeypatch.delattr(module, name)
    assert not torch_private.has_global_hooks()


def test_symbols_of_an_older_environment() -> None:
    class Older:
        var_to_val = {"s0": 3}  # noqa: RUF012  # an instance attribute there

    assert torch_private.values_of_symbols(Older()) == {"s0": 3}


def test_operators_that_a_version_lacks_are_left_out() -> None:
    found = torch_private.operators("aten.size.default", "aten.size.nothing_like_it", "nowhere.at.all")
    assert list(found) == [torch.ops.aten.size.default]


def test_the_version_of_a_tensor_is_set() -> None:
    tensor = torch.zeros(3)
    before = tensor._version
    tensor.add_(1)
    assert tensor._version == before + 1
    torch_private.set_version(tensor, before)
    assert tensor._version == before


def test_a_setter_that_takes_one_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[object, int]] = []

    def setter(tensor: object, version: int) -> None:
        if isinstance(tensor, tuple):
            raise TypeError("incompatible function arguments")
        taken.append((tensor, version))

    monkeypatch.setattr(torch._C._autograd, "_unsafe_set_version_counter", setter)
    tensor = torch.zeros(1)
    torch_private.set_version(tensor, 7)
    assert taken == [(tensor, 7)]


def test_a_model_in_train_mode_without_the_setter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C._autograd, "_unsafe_set_version_counter")
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert summarize(model, (4,), batch_size=3, mode="train").ok
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_wrapper_that_keeps_one_group_of_parameters() -> None:
    class Phase(enum.Enum):
        IDLE = 0
        FORWARD = 1

    class State:
        def __init__(self) -> None:
            self._training_state = Phase.FORWARD

    class Module:
        def _get_fsdp_state(self) -> State:
            return state

    state, group = State(), State()
    state._fsdp_param_group = group  # type: ignore[attr-defined]
    torch_private.end_forward(Module())
    assert (state._training_state, group._training_state) == (Phase.IDLE, Phase.IDLE)
