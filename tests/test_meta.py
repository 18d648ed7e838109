"""The same table on the meta device, or the line that stands in the way; the model stays where it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import Summary, summarize
from tests.snapshot import difference, snapshot
from tests.zoo import COSTLY, REAL, SMALL, ZooModel, cases

#: Models that need a tensor's values, or an operation that PyTorch does not have on meta, or make tensors elsewhere.
IMPOSSIBLE = frozenset(
    """
    created_in_forward built_on_first_call hidden_modules packed_inside padded_encoder
    dynamically_quantized running_statistics array_input sparse_input returns_normal_distribution
    returns_categorical_distribution returns_sparse returns_array looks_at_values
    superpoint deberta deberta-v2 squeezebert convbert megatron-bert rembert roformer nystromformer ibert big_bird
    longformer xlm flaubert canine reformer biogpt switch_transformers
    bart mbart plbart pegasus bigbird_pegasus marian m2m_100 blenderbot blenderbot-small led sew-d encodec vits align
    blip vilt bridgetower clap layoutlm visual_bert llava detr conditional_detr table-transformer dab-detr
    decision_transformer
    """.split()  # noqa: SIM905  # sixty words in quotes are harder to read
)


def _summarized(entry: ZooModel, model: nn.Module, device: str | None) -> Summary:
    args, kwargs = entry.inputs()
    return summarize(model, list(args) or None, kwargs=kwargs, mode="same" if entry.training else "eval", device=device)


#: They keep what they made of the first input of a size, for good: on both devices it has to have been made.
REMEMBERING = frozenset({"rt_detr"})


@pytest.fixture(autouse=True)
def _distributions_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """``torch.compile`` in an earlier test of the process leaves the checks of distributions off for good."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)


#: What the meta device makes of a layer does not hang on the model that it is in: one of three of those of others.
SAMPLE = {entry.name for entry in (*SMALL, *REAL[::3])} - COSTLY


@pytest.mark.parametrize(
    "entry", cases([*SMALL, *REAL], thorough={entry.name for entry in (*SMALL, *REAL)}.difference(SAMPLE))
)
def test_the_table_is_the_same_or_says_what_stands_in_the_way(entry: ZooModel) -> None:
    torch.manual_seed(0)
    model = entry.build()
    if entry.name in REMEMBERING:
        _summarized(entry, model, None)
        _summarized(entry, model, "meta")
    before = snapshot(model)
    there = _summarized(entry, model, "meta")
    assert difference(before, snapshot(model)) == []
    if entry.name in IMPOSSIBLE:
        (problem,) = there.problems
        assert problem.kind == "error"
        assert 'leave out device="meta"' in (problem.fix or "")
        assert problem.where is not None or problem.path
        return
    here = _summarized(entry, model, None)
    assert there.ok, there.problems
    assert [(call.path, call.type, call.input_shapes, call.output_shapes, call.params) for call in there.calls] == [
        (call.path, call.type, call.input_shapes, call.output_shapes, call.params) for call in here.calls
    ]
    assert there.total_params == here.total_params
    assert there.required_in_features == here.required_in_features


class MakesItsOwn(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.zeros(4)


def test_a_tensor_made_elsewhere_is_named() -> None:
    (problem,) = summarize(MakesItsOwn(), (4,), device="meta").problems
    assert problem.where is not None
    assert problem.where.file == __file__
    assert "elsewhere" in problem.message
    assert "device=x.device" in (problem.fix or "")


class MakesPositions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(x)
        positions = torch.arange(x.size(1))
        scaled = positions[:, None] / 10
        return x + scaled * torch.ones(8)


def test_the_line_that_makes_a_tensor_elsewhere_is_the_one_to_change() -> None:
    (problem,) = summarize(MakesPositions(), (5, 8), device="meta").problems
    line = MakesPositions.forward.__code__.co_firstlineno + 2
    assert problem.where == (__file__, line)
    assert f":{line} makes" in problem.message

    class Right(MakesPositions):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.fc(x)
            positions = torch.arange(x.size(1), device=x.device)
            return x + positions[:, None] / 10

    Right().to("meta")(torch.zeros(1, 5, 8, device="meta"))


def test_a_model_on_meta_is_traced_there_by_itself() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(5, 2))
    summary = summarize(model, (3, 8, 8))
    assert summary.required_in_features == {"2": 288}
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_a_model_too_large_for_this_machine() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Linear(1 << 20, 1 << 20) for _ in range(4)))  # 16 TiB
    summary = summarize(model, (1 << 20,))
    assert summary.ok
    assert summary.total_params == sum(parameter.numel() for parameter in model.parameters())


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.features = nn.Linear(5, 4)

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        return self.features(features) + self.words(words).mean(1)


def test_an_embedding_gets_integers_on_meta_too() -> None:
    model = Two().to("meta")
    for given in ([(5,), (7,)], {"words": (7,), "features": (5,)}):
        s = summarize(model, given)
        assert s.ok
        dtypes = {call.path: call.inputs[0].dtype for call in s if call.path in ("words", "features")}
        assert dtypes == {"words": "int64", "features": "float32"}


# What the CPU says counts


@pytest.mark.parametrize("layer", [nn.Conv1d(3, 4, 3), nn.ConvTranspose1d(3, 4, 3)])
def test_a_bias_of_another_size_is_a_problem_there_too(layer: nn.Conv1d | nn.ConvTranspose1d) -> None:
    layer = copy.deepcopy(layer)
    layer.bias = nn.Parameter(torch.zeros(5))
    here, there = (summarize(layer, (3, 8), device=device).problems for device in ("cpu", "meta"))
    assert [problem.message for problem in there] == [problem.message for problem in here]
    assert [problem.fix for problem in there] == [None]


def test_an_empty_batch_passes_there_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2))
    for given, device in ((torch.zeros(0, 3, 8, 8), "meta"), (torch.zeros(0, 3, 8, 8, device="meta"), None)):
        summary = summarize(model if device else copy.deepcopy(model).to("meta"), given, device=device)
        assert summary.ok
        assert summary.output_shape == (0, 4, 12, 12)


class LooksAtValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) if x.sum() > 0 else x


def test_the_fix_is_for_who_chose_the_device() -> None:
    model = LooksAtValues()
    (problem,) = summarize(model, (4,), device="meta").problems
    assert problem.fix == 'leave out device="meta"'
    (problem,) = summarize(model.to("meta"), (4,)).problems
    assert problem.fix == 'run it on a device with values: model.to_empty(device="cpu"), and inputs made there'


class SizeInATensor(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        half: Any = torch.tensor(4, device=x.device)
        return nn.functional.interpolate(x, size=(half, half))


def test_a_size_in_a_tensor_is_not_asked_of_the_cpu() -> None:
    assert summarize(SizeInATensor(), (3, 8, 8)).ok
    (problem,) = summarize(SizeInATensor(), (3, 8, 8), device="meta").problems
    assert "the values of a tensor" in problem.message
    assert problem.fix == 'leave out device="meta"'


class PaddedConvolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.norm, self.pool = nn.GroupNorm(2, 4), nn.AdaptiveAvgPool2d((None, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(self.up(self.conv(x)), (1, 0, 2, 0))
        return self.pool(nn.functional.interpolate(self.norm(x), scale_factor=3))


def _put_in(shape: tuple[Any, ...] | None, height: int, width: int) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else int(size.subs({"H": height, "W": width})) for size in shape or ())


@pytest.mark.parametrize("lives_there", [True, False])
def test_letters_are_followed_there_as_on_the_cpu(lives_there: bool) -> None:
    model = PaddedConvolutions()
    there = summarize(
        copy.deepcopy(model).to("meta") if lives_there else model, (3, "H", "W"), device=None if lives_there else "meta"
    )
    assert there.problems == ()
    for height, width in ((8, 8), (9, 14)):
        assert _put_in(there.output_shape, height, width) == model(torch.zeros(1, 3, height, width)).shape


@pytest.mark.parametrize("is_last", [True, False])
def test_channels_that_come_last_stay_there_in_letters_too(is_last: bool) -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            given = x.contiguous(memory_format=torch.channels_last)
            return self.conv(given if is_last else x).permute(0, 2, 3, 1).view(1, -1)

    there = summarize(Viewed(), (3, "H", "W"), device="meta")
    if is_last:
        assert _put_in(there.output_shape, 6, 9) == Viewed()(torch.zeros(1, 3, 6, 9)).shape
        return
    with pytest.raises(RuntimeError):
        Viewed()(torch.zeros(1, 3, 6, 9))
    assert "reshape" in there.problems[0].message


@pytest.mark.parametrize("left", [0, 2, 4])
def test_a_layer_that_was_left_without_values(left: int) -> None:
    """PyTorch runs some of these, on memory that nobody wrote to, and refuses others."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten(), nn.Linear(18, 5))
    saved = net.state_dict()
    net[left].to(device="meta")
    summary = summarize(net, (3, 5, 5))
    [remark] = [each for each in summary.report.remarks if "meta" in each]
    assert f"the weights of {left} have no values" in remark
    assert "only the input, parameters and buffers are there" not in str(summary)
    net[left].to_empty(device="cpu")
    net.load_state_dict(saved)
    assert summarize(net, (3, 5, 5)).report.remarks == ()
    assert net(torch.zeros(1, 3, 5, 5)).isfinite().all()
    assert summarize(net.to(device="meta"), (3, 5, 5)).report.remarks == ()
