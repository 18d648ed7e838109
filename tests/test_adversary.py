"""Random models broken at random: what ``convlin fix --write`` makes of them runs as the intact model does.

The oracle is the intact model under PyTorch.  convlin may say that it cannot fix a model; it may not write a file that
fails, or that computes other shapes, and it may not report a layer that was left as it was.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convlin import summarize
from convlin.cli import fixing, main
from convlin.diagnosis.runs.evidence import arguments_by_path
from convlin.layers import remade
from convlin.records import ClaimKind, Evidence
from convlin.source import apply
from tests.adversary import WRONG, Draft, Hole, Writer
from tests.asked import asked
from tests.claims import hold
from tests.properties import examples
from tests.source_programs import load_file

#: Models in `make test`; `make thorough` draws as many as its profile says.
COUNT = examples(100).max_examples


GIVES = ("out_features", "out_channels", "embedding_dim")


def _in_process(job: Any) -> tuple[int | None, str]:
    """What ``fix`` asks a new process for, without the seconds that a process takes."""
    model = load_file(Path(job.model.partition(":")[0])).Net()
    shape = tuple(map(int, job.input[0].split(",")))
    summary = asked(model, shape, batch_size=int(job.batch_size), dtypes=[*map(_dtype, job.dtypes)] or None)
    return len(summary.problems), str(summary)


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name)
    assert isinstance(found, torch.dtype)
    return found


@pytest.mark.parametrize("seed", range(0, COUNT, 5))
def test_a_shape_that_holds_the_batch_changes_no_file(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = Writer(seed).draft
    (tmp_path / "net.py").write_text(draft.text())
    monkeypatch.chdir(tmp_path)
    sizes = ",".join(map(str, (4, *draft.shape)))
    main(["fix", "net.py:Net", sizes, "--write", *(["--dtypes", draft.dtype] if draft.dtype != "float32" else [])])
    said = capsys.readouterr()
    assert (tmp_path / "net.py").read_text() == draft.text(), f"{draft.text()}\n{said.out}{said.err}"


def _broken(draft: Draft, draw: random.Random) -> dict[Hole, int]:
    holes = draw.sample(draft.holes, min(len(draft.holes), draw.randint(1, 3)))
    return {hole: draw.choice([number for number in WRONG if number != hole.right]) for hole in holes}


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Of what the model learns; of a tensor that it keeps for the longest input, more may be right."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if not name.startswith("kept")}


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_fixed_model_is_the_intact_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, draft = random.Random(seed), Writer(seed).draft
    batch = draw.choice([1, 2, 3, 4])
    path = tmp_path / "net.py"
    path.write_text(draft.text())
    intact = load_file(path).Net().eval()
    expected = {size: intact(draft.inputs(size)).shape for size in (1, batch, 5)}
    healthy = asked(intact, draft.shape, batch_size=batch, dtypes=_dtype(draft.dtype))
    assert healthy.problems == (), healthy

    wrong = _broken(draft, draw)
    without = draft.flattening if draw.random() < 0.2 else ""
    if without:  # with a wrong number behind it nobody could know that a flatten was meant
        wrong = {}
    path.write_text(draft.text({hole.name: number for hole, number in wrong.items()}, without=without))
    told = f"{path.read_text()}\n{wrong}"
    try:
        broken = load_file(path).Net().eval()
    except Exception:  # a constructor that refuses the number: nothing can be run
        return
    summary = asked(broken, draft.shape, batch_size=batch, dtypes=_dtype(draft.dtype))
    if without and not summary.problems:  # as many channels as steps, say: PyTorch runs it, and nothing is to be said
        assert broken(draft.inputs(batch)).shape[0] == batch, told
        return
    loses_batch = any("the batch went from" in remark for remark in summary.report.remarks)
    layers = {path for hole in (draft.holes if without else wrong) for path in (hole.path, hole.also)}
    # Two layers with one wrong number by chance: that the layer in front gives another one is the shorter explanation.
    repeated = {number for number, times in Counter(wrong.values()).items() if times > 1}
    in_front = {each.path for each in summary.problems if each.kind in GIVES and each.required in repeated}
    blamed = {problem.path for problem in summary.problems} - in_front
    assert blamed <= layers | {""}, f"{told}\n{summary}"
    for problem in summary.problems:
        hole = next((hole for hole in wrong if hole.path == problem.path), None)
        if hole is not None and hole.path and not without and isinstance(problem.required, int):
            # Where two readings are told, it may be the other's.
            assert problem.required == hole.right or f"={hole.right}" in problem.message, f"{told}\n{summary}"

    def at(size: tuple[int, ...]) -> list[torch.Tensor]:
        return [draft.inputs_of(size if len(size) == len(draft.shape) else (*draft.shape[:1], *size), batch)]

    for problem in summary.problems:
        for claim in problem.claims:
            if claim.kind is not ClaimKind.BATCH:
                hold(claim, problem, broken, at)

    if summary.problems and all(problem.evidence is Evidence.RUN for problem in summary.problems):
        remade_as = arguments_by_path([problem for problem in summary.problems if problem.changes])
        assert remade_as is not None, told
        edited = [edit for problem in summary.problems if not problem.changes for edit in problem.edits]
        other = tmp_path / "edited.py"
        other.write_bytes(apply(edited).get(str(path), path.read_bytes()))
        again = load_file(other).Net().eval()
        for layer, arguments in remade_as.items():
            again.set_submodule(layer, remade(again.get_submodule(layer), arguments))
        made = again(draft.inputs(batch)).shape
        is_open = any("may have been meant" in problem.unfixed for problem in summary.problems)
        assert made == expected[batch] or (loses_batch and made[0] != batch) or is_open, f"{told}\n{summary}"

    monkeypatch.setattr(fixing, "_problems_now", _in_process)
    monkeypatch.chdir(tmp_path)
    sizes = ",".join(map(str, draft.shape))
    options = ["--batch-size", str(batch), *(["--dtypes", draft.dtype] if draft.dtype != "float32" else [])]
    capsys.readouterr()
    status = main(["fix", "net.py:Net", sizes, *options, "--write"])
    said = capsys.readouterr()
    told = f"{told}\n{summary}\n{said.out}{said.err}\n{path.read_text()}"
    if status != 0:
        assert summary.problems, told
        assert "skipped" in said.err or "nothing is changed" in said.err or "fixes nothing" in said.err, told
        return
    fixed = load_file(path).Net().eval()
    if loses_batch:  # PyTorch runs it, and it is said that it may not be what was meant
        assert fixed(draft.inputs(batch)).shape[0] != batch, told
        return
    assert {size: fixed(draft.inputs(size)).shape for size in expected} == expected, told
    assert in_front or _shapes(fixed) == _shapes(intact), told


# What was found, reduced


def test_a_width_that_equals_the_channels_by_chance() -> None:
    """Taken for channels last, it makes the Linear wrong as well; the other explanation needs one mistake."""
    model = nn.Sequential(nn.Conv2d(12, 4, 3, padding=1), nn.Flatten(), nn.Linear(576, 11))
    (problem,) = summarize(model, (1, 12, 12), batch_size=3).problems
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("0", "in_channels", 12, 1)
    assert "permute" not in f"{problem.message}{problem.fix}"
    model[0] = nn.Conv2d(1, 4, 3, padding=1)
    assert model(torch.zeros(3, 1, 12, 12)).shape == (3, 11)


def test_a_square_image_is_not_taken_for_channels_last() -> None:
    """A wrong number that is the width by chance, with others: the other explanation needs as many mistakes."""
    model = nn.Sequential(nn.Conv2d(32, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(64, 5))
    first, last = summarize(model, (3, 32, 32)).problems
    assert (first.path, first.declared, first.required) == ("0", 32, 3)
    assert (last.path, last.declared, last.required) == ("3", 64, 3072)
    model[0], model[3] = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3072, 5)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_what_the_proving_run_shows_of_the_batch_is_said() -> None:
    """``view(-1, 4)`` of a map of 4×4 and a Linear of 4 are right for PyTorch: nothing stands in for what they show."""
    model = nn.Sequential(nn.Conv2d(9, 16, 3, padding=1), RowsOfFour(), nn.Linear(4, 11))
    summary = summarize(model, (3, 4, 4), batch_size=2)
    (problem,) = summary.problems
    assert (problem.path, problem.evidence) == ("0", Evidence.RUN)
    assert "the batch went from 2 to 128" in "".join(summary.report.remarks)
    model[0] = nn.Conv2d(3, 16, 3, padding=1)
    assert model(torch.zeros(2, 3, 4, 4)).shape == (128, 11)


class RowsOfFour(nn.Module):
    """The width that it is given, whatever the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(-1, 4)


class TwoReadings(nn.Module):
    """As many mistakes if the axes were to be permuted as if the layer's number is wrong."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(channels, 8, 3, padding=1), nn.Linear(features, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.fc(torch.relu(self.conv(x)).flatten(1))
        return made


def test_a_number_that_depends_on_what_was_meant_is_told_for_both() -> None:
    conv, fc = summarize(TwoReadings(64, 100), (6, 64)).problems
    assert conv.unfixed == "in_channels=6 may have been meant"
    assert (fc.required, fc.edits) == (48, ())
    assert "if the axes were meant as they reach conv, in_features=512" in fc.message
    x = torch.zeros(2, 6, 64)
    assert TwoReadings(64, 48)(x.permute(0, 2, 1)).shape == (2, 5)
    assert TwoReadings(6, 512)(x).shape == (2, 5)


class OneRowForEachLine(nn.Module):
    """The wrong number of a ``view`` is the width of the map by chance: each of its lines becomes a sample."""

    def __init__(self, view: int, features: int) -> None:
        super().__init__()
        self.view = view
        self.conv, self.fc = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(features, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(torch.relu(self.conv(x)).view(-1, self.view))


@pytest.mark.parametrize("batch", [1, 2])
def test_the_lines_of_a_map_are_no_samples(batch: int) -> None:
    problems = summarize(OneRowForEachLine(3, 99), (1, 3, 3), batch_size=batch).problems
    assert [(problem.kind, problem.path, problem.required) for problem in problems] == [
        ("batch", "", 144),
        ("in_features", "fc", 144),
    ]
    assert OneRowForEachLine(144, 144)(torch.zeros(batch, 1, 3, 3)).shape == (batch, 5)


def test_channels_last_stays_the_answer_where_it_explains_all() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 8 * 12, 11))
    (problem,) = summarize(model, (8, 12, 3)).problems
    assert problem.fix is not None
    assert "permute(0, 3, 1, 2)" in problem.fix
    assert model(torch.zeros(2, 8, 12, 3).permute(0, 3, 1, 2)).shape == (2, 11)


def test_behind_a_batch_in_the_shape_no_number_is_told() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(784, 10))
    (problem,) = summarize(model, (4, 1, 28, 28)).problems
    assert (problem.path, problem.kind) == ("0", "structure")
    assert "(1, 28, 28)" in f"{problem.message}{problem.fix}"
    assert model(torch.zeros(4, 1, 28, 28)).shape == (4, 10)


class Written(nn.Module):
    """A batch of 64 is written into the view, and one of the axes is as long as the features that are left."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(512, 10)

    def forward(self, x: Any) -> Any:
        return self.fc(torch.relu(self.conv(x).view(64, -1)))


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_in_a_view_is_no_wrong_number(batch: int) -> None:
    model = Written()
    assert model(torch.zeros(64, 3, 8, 8)).shape == (64, 10)  # the Linear is right
    (problem,) = summarize(model, (3, 8, 8), batch_size=batch).problems
    assert problem.path == ""
    assert f"the batch went from {batch} to 64" in problem.message
    assert problem.fix is not None
    assert "flatten(1)" in problem.fix


def test_a_vector_that_no_window_fits_on_is_one_sample_with_its_axes_exchanged() -> None:
    x = torch.zeros(100, 8)
    model = nn.Sequential(nn.Conv1d(8, 16, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(0), nn.Linear(16, 4))
    with pytest.raises(RuntimeError):
        model(x)
    (problem,) = summarize(model, x).problems
    assert (problem.path, problem.kind, problem.declared, problem.required) == ("0", "in_channels", 8, 100)
    assert "permuted it is 8×100" in problem.message
    assert model(x.permute(1, 0)).shape == (4,)


@pytest.mark.parametrize("layer", [nn.Conv1d(8, 16, 1), nn.Conv1d(8, 16, 3, padding=1), nn.ConvTranspose1d(8, 16, 3)])
def test_a_vector_that_a_window_fits_on_lacks_the_length(layer: nn.Module) -> None:
    x = torch.zeros(100, 8)
    with pytest.raises(RuntimeError):
        layer(x)
    (problem,) = summarize(nn.Sequential(layer), x).problems
    assert "has the 8 channels alone: L is missing" in problem.message
    assert layer(x.unsqueeze(-1)).shape[:2] == (100, 16)
