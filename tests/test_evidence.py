"""Whatever is said to be known by a run is tried: on the model itself, by PyTorch alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize
from convlin.diagnosis.runs.evidence import arguments_by_path
from convlin.layers import remade
from convlin.records import ClaimKind, Evidence
from tests.claims import hold, runs
from tests.mistakes import MISTAKES, Mistake
from tests.mistakes.asking import built, summarized, tensors
from tests.snapshot import difference, snapshot


class Resized(nn.Module):
    """Two halves that go together for even sizes alone, and a layer behind them that is wrong."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 3, 2, 2)
        self.fc = nn.Linear(features, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.up(self.down(x))
        return self.fc(x.mean((2, 3)))


class OddAlone(nn.Module):
    """What comes back up is as large as what went down for odd sizes alone."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 3, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x)) + x


class OfOneImage(nn.Module):
    """Right for one size of image alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 8 * 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x)).flatten(1))


class WrongSlices(nn.Module):
    """Built for other channels, and given too few slices."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.fc = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.MaxPool3d(2)), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3, 4)))


class Tied(nn.Module):
    """A layer that shares its weight with the embedding: another number would part them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out, self.fc = nn.Embedding(12, 8), nn.Linear(8, 12, bias=False), nn.Linear(6, 8)
        self.out.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(self.table(x)))


class AsksForItsNumber(nn.Module):
    """A ``forward`` that refuses what its layer would take."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        if self.fc.in_features != 5:
            raise RuntimeError("made for 5")
        return x


def narrow_alexnet(features: int, last: int = 10) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Linear(features, 10), nn.Linear(last, 2),
    )  # fmt: skip


def of_spectrograms() -> nn.Sequential:
    """A Linear that 64 bins of 34 to 49 frames suit, among others."""
    layers: list[nn.Module] = []
    for given, out in (1, 4), (4, 4), (4, 8), (8, 16):
        layers += [nn.Conv2d(given, out, 3, padding=2), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 5 * 4, 10))


#: For each: the model, the shape of one sample, and how it is summarized.
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "a wrong number": (OfOneImage, (3, 12, 12), {}),
    "too many frames": (of_spectrograms, (1, 64, 87), {}),
    "too many bins": (of_spectrograms, (1, 128, 44), {}),
    "a wrong number in a deep model": (lambda: narrow_alexnet(100), (3, 300, 300), {}),
    "an image too small for the number": (lambda: narrow_alexnet(144), (3, 16, 24), {}),
    "an image too small, and a number that none suits": (lambda: narrow_alexnet(7), (3, 32, 32), {}),
    "sizes that do not go together": (lambda: Resized(3), (3, 17, 17), {}),
    "sizes that do not go together, and a wrong number": (lambda: Resized(5), (3, 17, 17), {}),
    "too small for the number, and another number wrong": (lambda: narrow_alexnet(144, 12), (3, 16, 16), {}),
    "odd sizes": (OddAlone, (3, 16, 16), {}),
    "a shape with its batch": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 10)), (5, 100), {}),
    "too small, and wrong channels": (WrongSlices, (1, 2, 9, 9), {}),
    "a shared weight": (Tied, (7,), {"dtypes": torch.long}),
    "a forward that asks": (AsksForItsNumber, (9,), {}),
}
_OF_THE_LIST = [mistake for mistake in MISTAKES if not mistake.values]


#: The edit exchanges a layer where the model is made, which has been made already.
MADE_IN_INIT = {"NormOfOtherRank"}


def summary_of(name: str) -> tuple[nn.Module, Summary]:
    build, shape, more = CASES[name]
    model = build().eval()
    before = snapshot(model)
    summary = summarize(model, shape, **more)
    assert not difference(before, snapshot(model))
    return model, summary


def seen_by(model: nn.Module, path: str, inputs: list[Tensor]) -> list[torch.Size]:
    """The shapes that reach a layer, by a plain hook."""
    shapes: list[torch.Size] = []
    handle = model.get_submodule(path).register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    with handle, torch.no_grad():
        model(*inputs)
    return shapes


@pytest.mark.parametrize("name", [name for name in CASES if name != "a shape with its batch"])
def test_what_is_said_of_other_inputs_holds(name: str) -> None:
    model, summary = summary_of(name)
    channels = CASES[name][1][0]
    for problem in summary.problems:
        for claim in problem.claims:
            hold(claim, problem, model, lambda size: [torch.randn(1, channels, *size)])


@pytest.mark.parametrize("mistake", [pytest.param(each, id=each.name) for each in _OF_THE_LIST])
def test_what_is_said_of_the_list_of_mistakes_holds(mistake: Mistake) -> None:
    model = built(mistake)
    summary = summarized(model, mistake)
    given = tensors(mistake)

    def at(size: tuple[int, ...]) -> list[Tensor]:
        (image,) = given
        return [torch.randn(*image.shape[: image.dim() - len(size)], *size)]

    for problem in summary.problems:
        for claim in problem.claims:
            hold(claim, problem, model, at)
    by_layers = all(problem.changes for problem in summary.problems)
    known = [problem for problem in summary.problems if problem.evidence is Evidence.RUN]
    if all(problem.changes or problem.edits for problem in summary.problems) and mistake.name not in MADE_IN_INIT:
        assert known == list(summary.problems), "run with all that is to be done"
    else:
        assert not any(problem.changes or problem.edits for problem in known), "run with all of it, or with none"
    if not by_layers:  # with other lines in ``forward``: test_mistakes runs the edited file
        return
    for path, arguments in (arguments_by_path(known) or {}).items():
        model.set_submodule(path, remade(model.get_submodule(path), arguments))
    for problem in known:
        (shape, *_) = seen_by(model, problem.path, given)
        if problem.kind.startswith("out_"):  # the layers that it gives this to were run above
            assert getattr(model.get_submodule(problem.path), problem.kind) == problem.required
        elif problem.kind == "padding":
            assert shape[2:] == given[0].shape[2:], "no layer in front of it takes an edge off any more"
        elif problem.kind == "stride":
            model.eval()(*given)  # what it gives meets maps of the same size
        elif type(model.get_submodule(problem.path)) in (nn.Linear, nn.Conv1d, nn.Conv2d):
            assert shape[-1 if problem.kind == "in_features" else 1] == problem.required


@pytest.mark.parametrize(("name", "span"), [("too many frames", "64×34 to 64×49"), ("too many bins", "50×44 to 65×44")])
def test_of_an_image_that_is_not_square_one_axis_is_changed(name: str, span: str) -> None:
    (problem,) = summary_of(name)[1].problems
    (claim,) = problem.claims
    assert claim.text.endswith(f"is right for an input of {span}")


def test_a_shape_with_its_batch_was_run_as_one() -> None:
    model, summary = summary_of("a shape with its batch")
    (problem,) = summary.problems
    assert problem.evidence is Evidence.RUN
    (claim,) = problem.claims
    assert claim.kind is ClaimKind.BATCH
    assert claim.text == "with batch_size=5 the model runs as it is"
    assert runs(model, torch.randn(5, 100))
    assert not runs(model, torch.randn(1, 5, 100))


def test_every_kind_of_claim_is_tried() -> None:
    problems = [problem for name in CASES for problem in summary_of(name)[1].problems]
    assert {claim.kind for problem in problems for claim in problem.claims} == set(ClaimKind)
    assert {problem.evidence for problem in problems} == set(Evidence)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a wrong number", Evidence.RUN),
        ("a wrong number in a deep model", Evidence.RUN),
        ("a forward that asks", Evidence.DERIVED),
        ("sizes that do not go together", Evidence.DERIVED),
    ],
)
def test_a_number_is_known_by_a_run_only_where_the_model_was_right_with_it(name: str, expected: Evidence) -> None:
    assert {problem.evidence for problem in summary_of(name)[1].problems} == {expected}


def test_a_layer_that_shares_its_weight_is_not_parted_from_it() -> None:
    model = Tied()
    model.out = nn.Linear(9, 12, bias=False)
    model.table.weight = nn.Parameter(torch.zeros(12, 9))
    model.out.weight = model.table.weight
    summary = summarize(model, (7,), dtypes=torch.long)
    assert {problem.path: problem.evidence for problem in summary.problems} == {
        "fc": Evidence.DERIVED,
        "out": Evidence.DERIVED,
    }


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_run_that_proves_a_number_takes_no_random_numbers_and_leaves_nothing(device: str) -> None:
    model = narrow_alexnet(100).train()
    before, state = snapshot(model), torch.random.get_rng_state()
    summary = summarize(model, (3, 256, 256), device=device)
    assert [problem.evidence for problem in summary.problems] == [Evidence.RUN]
    assert not difference(before, snapshot(model))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_is_raised_in_that_run_leaves_the_old_layers(error: type[BaseException]) -> None:
    class Raises(AsksForItsNumber):
        def forward(self, x: Tensor) -> Tensor:
            if self.fc.in_features != 5:
                raise error
            return self.fc(x)

    model = Raises().train()
    fc, before, state = model.fc, snapshot(model), torch.random.get_rng_state()
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else nullcontext():
        assert {problem.evidence for problem in summarize(model, (9,)).problems} == {Evidence.DERIVED}
    assert model.fc is fc
    assert not difference(before, snapshot(model))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_layer_whose_weights_are_many_is_tried_without_them() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 4096), nn.ReLU(), nn.Linear(4096, 2))
    summary = summarize(model, (3, 64, 64))
    (problem,) = summary.problems
    assert (problem.required, problem.evidence) == (12288, Evidence.RUN)


def test_in_letters_a_number_is_derived() -> None:
    summary = summarize(OfOneImage(), (4, "H", "W"))
    assert {problem.evidence for problem in summary.problems} == {Evidence.DERIVED}


def test_json_keeps_how_it_is_known() -> None:
    _, summary = summary_of("an image too small for the number")
    (written,) = summary.to_dict()["problems"]
    assert written["evidence"] == "run"
    assert [claim["kind"] for claim in written["claims"]] == ["smallest", "largest"]
    assert Summary.from_json(summary.to_json()).problems[0].claims == summary.problems[0].claims
