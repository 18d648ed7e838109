"""Layers of a user's own: one entry, and they are answered for like PyTorch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import InputError, ShapeError, arithmetic, fit, summarize, watch
from convlin.layers import RULES, Arrival, LayerRule, Misfit, Verdict, one_size, register, rule_for, runs_as_documented
from convlin.records import Call, Derivation
from convlin.render.text import problems_text
from tests.readme_example import run

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


class Mixed(nn.Module):
    """A layer that no one has covered: it mixes channels with a matrix, and pools."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.channels, self.out_channels = channels, out_channels
        self.weight = nn.Parameter(torch.rand(out_channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("oc,nchw->nohw", self.weight, x)[..., ::2, ::2]


class Gain(nn.Module):
    """A factor for every channel: its size follows its input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.width = dim
        self.gain = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = Gain(4)
        self.mixed = Mixed(5, 6)
        self.fc = nn.Linear(100, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.mixed(self.gain(x)).flatten(1))


def derive(call: Call) -> Derivation:
    assert call.input_shape is not None
    n, _, height, width = call.input_shape
    return arithmetic.convolution(
        (n, call.settings["channels"], height, width),
        spatial_dims=2, out_channels=call.settings["out_channels"], kernel_size=1, stride=2,
    )  # fmt: skip


MIXED = LayerRule(
    (Mixed,), ("channels", "out_channels"), one_size("channels", axis=1), makes_feature_map=True, derive=derive
)
GAIN = LayerRule((Gain,), ("width",), one_size("width", axis=1, argument="dim", keeps_input=True))


def told(model: nn.Module) -> list[tuple[str, str, object, object]]:
    problems = summarize(model, (3, 8, 8), batch_size=2).problems
    return [(problem.kind, problem.path, problem.declared, problem.required) for problem in problems]


def test_the_page_runs() -> None:
    assert run(PAGE) == 2


def test_one_entry_is_enough() -> None:
    # Without one, what forward calls is judged, and where that cannot go on the pass ends.
    assert [kind for kind, *_ in told(Net())] == ["operands"]
    with register(MIXED), register(GAIN):
        summary = summarize(Net(), (3, 8, 8), batch_size=2)
        text = problems_text(summary.report)
        assert told(Net()) == [("width", "gain", 4, 3), ("channels", "mixed", 5, 3), ("in_features", "fc", 100, 96)]
        assert [problem.fix for problem in summary.problems] == [
            "self.gain = Gain(3)", "self.mixed = Mixed(3, 6)", "self.fc = nn.Linear(96, 2)",
        ], text  # fmt: skip
        mixed = summary["mixed"]
        assert mixed.settings == {"channels": 5, "out_channels": 6}
        assert mixed.derivation is not None
        assert mixed.derivation.shape == mixed.output_shape == (2, 6, 4, 4)
        assert "96 = 6·4·4, the output of mixed" in text
        model = Net()
        with pytest.raises(RuntimeError), watch(model) as watched:
            model(torch.zeros(2, 3, 8, 8))
        assert [problem.path for problem in watched.problems] == ["gain", "mixed", "fc"]
    assert [kind for kind, *_ in told(Net())] == ["operands"]


class Thin(nn.Module):
    """Declares its input as a Linear does, and calls an argument of its constructor otherwise."""

    def __init__(self, in_features: int, thickness: int) -> None:
        super().__init__()
        self.in_features, self.rank = in_features, thickness
        self.weight = nn.Parameter(torch.rand(thickness, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, self.weight)


def test_fit_makes_layers_of_ones_own_anew() -> None:
    examine = one_size("in_features", axis=-1)
    model = nn.Sequential(Thin(5, 3), nn.Linear(4, 2)).double()
    kept = list(model)
    with register(LayerRule((Thin,), ("in_features",), examine)), pytest.raises(ShapeError, match="in_features=7"):
        fit(model, (7,))
    assert list(model) == kept
    rule = LayerRule((Thin,), ("in_features",), examine, arguments=lambda old: {"thickness": old.rank})
    with register(rule):
        assert fit(model, (7,)) is model
    thin, linear = model
    assert isinstance(thin, Thin)
    assert isinstance(linear, nn.Linear)
    assert (thin.in_features, thin.rank, linear.in_features) == (7, 3, 3)
    assert thin.weight.shape == (3, 7)
    assert model(torch.zeros(2, 7, dtype=torch.float64)).shape == (2, 2)


def test_a_derivation_that_is_wrong_is_not_shown() -> None:
    class Right(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixed = Mixed(3, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.mixed(x)

    wrong = LayerRule((Mixed,), (), derive=lambda call: arithmetic.linear(call.inputs[0].shape, out_features=9))
    with register(wrong):
        summary = summarize(Right(), (3, 8, 8))
    assert summary.ok
    assert summary["mixed"].derivation is None


def test_examine_of_ones_own() -> None:
    def examine(module: Mixed, arrival: Arrival) -> Verdict | None:
        x = arrival.first("x")
        if x.shape[1] == module.channels:
            return None
        misfit = Misfit("channels", module.channels, x.shape[1], changes={"channels": x.shape[1]})
        return Verdict((misfit,), arrival.with_first("x", x.new_zeros(x.shape[0], module.channels, *x.shape[2:])))

    with register(LayerRule((Mixed,), (), examine)), register(GAIN):
        assert told(Net())[1] == ("channels", "mixed", 5, 3)


def test_a_subclass_with_a_forward_of_its_own_is_judged_by_what_it_calls() -> None:
    class Twice(Mixed):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(torch.cat([x, x], 1))

    with register(MIXED):
        assert rule_for(Twice) is MIXED
        assert not runs_as_documented(Twice)
        assert runs_as_documented(Mixed)
        assert runs_as_documented(type("Same", (Mixed,), {}))
        assert summarize(nn.Sequential(Twice(6, 2)), (3, 8, 8)).ok


def test_a_setting_that_a_layer_does_not_have_is_recorded_as_none() -> None:
    model = nn.Sequential(Gain(3))
    with register(LayerRule((Gain,), ("width", "thickness"))):
        assert summarize(model, (3, 8, 8))["0"].settings == {"width": model[0].width, "thickness": None}
    with register(LayerRule((Gain,))):
        assert summarize(model, (3, 8, 8))["0"].settings == {}


def test_a_type_is_described_once() -> None:
    kept = register(MIXED)
    try:
        for rule in (MIXED, LayerRule((Gain, Mixed)), LayerRule((nn.Linear,))):
            with pytest.raises(InputError, match="is described already"):
                register(rule)
        assert rule_for(Gain).types == ()
    finally:
        kept.remove()
        kept.remove()
    with register(MIXED) as kept:
        assert rule_for(Mixed) is MIXED
        kept.remove()
        assert rule_for(Mixed) is not MIXED
    no_layers: tuple[Any, ...] = ((), (int,), ("Mixed",))
    for types in no_layers:
        with pytest.raises(InputError, match=r"write types=\(MyLayer,\)"):
            register(LayerRule(types))


def test_every_type_of_torch_has_one_entry() -> None:
    types = [kind for rule in RULES for kind in rule.types]
    assert len(types) == len(set(types))
