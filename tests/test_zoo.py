"""Models that no one here wrote, and small ones for the odd cases: right tables, and never a mark on the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convlin import Summary, summarize
from tests.recording import record
from tests.rendering import assert_readable
from tests.snapshot import difference, snapshot
from tests.summaries import assert_derived, assert_explained
from tests.zoo import COSTLY, REAL, SMALL, ZooModel, cases

#: Where plain hooks and convlin see different things, and why.
DIFFERENT = {
    "padded_encoder": "plain hooks leave PyTorch's nested-tensor path on, which the function mode turns off",
}

#: The models whose tables are read back and explained as well.
READ = (*REAL[::6], *SMALL)


def _built(entry: ZooModel) -> nn.Module:
    torch.manual_seed(0)
    return entry.build()


def _summarized(entry: ZooModel, model: nn.Module) -> Summary:
    args, kwargs = entry.inputs()
    return summarize(model, list(args) or None, kwargs=kwargs, mode="same" if entry.training else "eval")


def _recorded(entry: ZooModel, model: nn.Module) -> list[tuple[Any, ...]]:
    """What plain hooks see: of the model itself, untouched as it is; of one whose call may change it, of a new one."""
    if entry in SMALL:
        model = _built(entry)
    if not entry.training:
        model.eval()
    args, kwargs = entry.inputs()
    with torch.no_grad():
        return [
            (call.path, call.type, call.input_shapes, call.output_shapes) for call in record(model, *args, **kwargs)
        ]


@pytest.mark.parametrize("entry", cases([*REAL, *SMALL], thorough=COSTLY))
def test_table_agrees_with_plain_hooks_and_the_model_is_untouched(entry: ZooModel) -> None:
    model = _built(entry)
    before = snapshot(model)
    summary = _summarized(entry, model)
    assert difference(before, snapshot(model)) == []

    assert summary.problems == (), summary.problems
    expected = _recorded(entry, model)
    calls = [call for call in summary.calls if not call.is_function]
    prefix = "module." if isinstance(model, nn.DataParallel) else ""
    if prefix:  # paths are told without the wrapper, and the wrapper is no call
        expected = [(path.removeprefix("module").lstrip("."), *rest) for path, *rest in expected if path]
    assert [(call.path, call.type) for call in calls] == [(path, kind) for path, kind, _, _ in expected]
    if entry.name not in DIFFERENT:
        for call, (_, _, inputs, outputs) in zip(calls, expected, strict=True):
            assert call.input_shapes == inputs, call.path
            # Tensors inside objects of a class of its own (a cache) are seen by convlin alone.
            assert _is_subsequence(outputs, call.output_shapes), call.path
            if not any("." in info.place for info in call.outputs):
                assert call.output_shapes == outputs, call.path

    parameters = list(model.parameters())
    if not any(is_lazy(parameter) for parameter in parameters):
        assert summary.total_params == sum(parameter.numel() for parameter in parameters)
        assert summary.trainable_params == sum(p.numel() for p in parameters if p.requires_grad)
    declared = {path: module.in_features for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    for path, required in summary.required_in_features.items():
        if declared.get(f"{prefix}{path}"):
            assert required == declared[f"{prefix}{path}"], path

    assert_derived(summary)
    if entry in READ:
        assert_readable(summary)
        assert_explained(summary)
    assert max(map(len, str(summary).splitlines())) <= 100


def _is_subsequence(few: tuple[Any, ...], many: tuple[Any, ...]) -> bool:
    rest = iter(many)
    return all(any(one == other for other in rest) for one in few)
