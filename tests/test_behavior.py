"""``docs/behavior.md`` against a new run, and the arithmetic against the same run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize
from convlin.arithmetic import SizeError, features, padding, resampling
from convlin.layers.registry import rule_for
from convlin.ops.catalog import derive
from convlin.records import Call, Derivation, TensorInfo
from docs import make_behavior
from docs.behavior_cases import CASES, Case
from docs.behavior_notes import NOTES
from docs.make_behavior import Outcome, differences, from_json, is_refused, sorted_out, to_json
from tests.behavior_formulas import FORMULAS


@pytest.fixture(scope="module")
def ran() -> Mapping[Case, str]:
    """What the running torch gives on the CPU, in every setting."""
    return make_behavior.on_cpu()


@pytest.fixture(scope="module")
def runs() -> Mapping[Case, Outcome]:
    """What it gives on the CPU, on meta and under fake tensors, in some settings of every layer, and where they differ.

    All settings take minutes, nearly all of them for fake tensors; ``make thorough`` runs those.
    """
    settings: dict[str, list[Case]] = {}
    for case in CASES:
        settings.setdefault(case.name, []).append(case)
    (*_, newest) = _recorded_runs().values()
    some = [case for cases in settings.values() for case in cases[::24]] + _on_meta(newest)[::12]
    return make_behavior.observe(dict.fromkeys(some))


@cache
def _recorded_runs() -> Mapping[str, Mapping[Case, Outcome]]:
    """What ran beside each version of torch, read once."""
    return make_behavior.recorded()


# The page


def _recorded() -> str:
    path = make_behavior.DATA / f"{make_behavior.version()}.json"
    if not path.exists():
        pytest.skip(f"docs.make_behavior has not run beside torch {make_behavior.version()}")
    return path.read_text(encoding="utf-8")


def test_the_data_is_what_a_new_run_gives(ran: Mapping[Case, str], runs: Mapping[Case, Outcome]) -> None:
    recorded = from_json(_recorded())
    wrong = [case for case, seen in ran.items() if recorded[case].cpu != seen]
    wrong += [case for case, seen in runs.items() if recorded[case] != seen]
    assert wrong == [], "write it anew: python -m docs.make_behavior"
    assert recorded.keys() == ran.keys()


@pytest.mark.thorough
def test_all_of_the_data_is_what_a_new_run_gives() -> None:
    assert _recorded() == to_json(make_behavior.observe()), "write it anew: python -m docs.make_behavior"


def test_the_page_is_what_the_script_makes_of_the_data() -> None:
    page = make_behavior.page(_recorded_runs())
    assert make_behavior.PAGE.read_text(encoding="utf-8") == page, "write it anew: python -m docs.make_behavior"


def test_the_data_reads_back() -> None:
    for path in make_behavior.DATA.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert to_json(from_json(text)) == text, path


def test_no_two_settings_are_alike() -> None:
    alike = Counter((case.name, case.input, case.words) for case in CASES)
    assert [each for each, count in alike.items() if count > 1] == []


def test_every_difference_has_words_and_all_words_have_one() -> None:
    recorded = _recorded_runs()
    used = set()
    for kind in ("meta", "fake", "formula"):
        for version, ran in recorded.items():
            told, rest = sorted_out(kind, differences(kind, ran))
            assert rest == [], version
            used |= {note for note, found in told.items() if found}
    told, rest = sorted_out("versions", make_behavior.between_versions(recorded))
    assert rest == []
    used |= {note for note, found in told.items() if found}
    assert [note.words for note in NOTES if note not in used] == []


#: Modules that no setting is for: they hold others, or wait for their sizes, or compute with several processes.
_NOT_TRIED = {
    "Module", "Container", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "DataParallel",
    "SyncBatchNorm", "RNNBase", "RNNCellBase", "Transformer", "TransformerEncoder", "TransformerDecoder",
    "AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss", "CTCLoss", "NLLLoss2d",
}  # fmt: skip


def test_every_layer_is_tried() -> None:
    layers = {
        name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)
    } - _NOT_TRIED
    assert sorted(name for name in layers if not name.startswith("Lazy")) == sorted(
        {case.name for case in CASES if not case.is_function and case.exists}
    )


# The arithmetic


def _shape(text: str) -> tuple[int, ...] | None:
    """The shape of the first tensor that came out; None for a refusal, or a shape that there cannot be."""
    first = text.lstrip("(").partition(",")[0].rstrip(")")
    if is_refused(text) or "-" in first:
        return None
    return () if first == "scalar" else tuple(map(int, first.split("×")))


def _said(case: Case) -> tuple[tuple[int, ...] | None, bool]:
    """The shape that convlin computes (None for a refusal), and whether it has a formula for this setting."""
    try:
        derivation = FORMULAS[case.name](case)
    except SizeError:
        return None, True
    return (None, False) if derivation is None else (derivation.shape, True)


def test_the_arithmetic_gives_what_runs(ran: Mapping[Case, str]) -> None:
    wrong, compared = [], 0
    for case, seen in ran.items():
        if case.name in FORMULAS:
            said, has_formula = _said(case)
            compared += has_formula
            if has_formula and said != _shape(seen):
                wrong.append((case, seen, said))
    assert wrong == []
    assert compared > 4000


#: What the arithmetic asks the running torch, where it asks; the recorded versions from 2.13 on answer yes.
_ASKED = {padding: "pads_to_nothing", features: "counts_every_bag", resampling: "resizes_by_lanczos"}


@pytest.mark.parametrize("version", sorted(path.stem for path in make_behavior.DATA.glob("*.json")))
def test_the_arithmetic_gives_what_ran_beside_every_version(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_new = tuple(map(int, version.split(".")[:2])) >= (2, 13)
    for module, asked in _ASKED.items():
        monkeypatch.setattr(module, asked, lambda: is_new)
    wrong, compared = [], 0
    for case, seen in _recorded_runs()[version].items():
        if case.name in FORMULAS:
            said, has_formula = _said(case)
            compared += has_formula
            if has_formula and said != _shape(seen.cpu):
                wrong.append((case, seen.cpu, said))
    assert wrong == []
    assert compared > 4000


def _infos(tensors: list[Tensor]) -> tuple[TensorInfo, ...]:
    places = [""] if len(tensors) == 1 else [f"[{index}]" for index in range(len(tensors))]
    return tuple(TensorInfo(place, tuple(each.shape), "", "") for place, each in zip(places, tensors, strict=True))


def _derived(case: Case) -> Derivation | None:
    """By the entry of the layer or function, from a call as a pass records it."""
    tensors = case.tensors("cpu")
    if case.is_function:
        return derive(Call("", case.name, _infos(tensors), settings=dict(case.settings)))
    layer = getattr(nn, case.name)(**case.settings)
    rule = rule_for(type(layer))
    if rule.derive is None:
        return None
    settings: dict[str, Any] = rule.reader()(layer) | rule.read_output_size(tuple(tensors), case.call)
    return rule.derive(Call("", case.name, _infos(tensors), settings=settings))


@pytest.mark.filterwarnings("ignore")
def test_the_entries_of_layers_and_functions_give_what_runs(ran: Mapping[Case, str]) -> None:
    wrong, compared = [], 0
    for case, seen in ran.items():
        try:
            derivation = _derived(case)
        except SizeError:
            said = None
        except (AssertionError, TypeError, ValueError, RuntimeError):  # from PyTorch: the layer cannot be made
            assert is_refused(seen), case
            continue
        else:
            if derivation is None:
                continue
            said = derivation.shape
        compared += 1
        if said != _shape(seen):
            wrong.append((case, seen, said))
    assert wrong == []
    assert compared > 4000


# A pass on meta


class Calls(nn.Module):
    """A module whose forward is one function."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case

    def forward(self, *tensors: Tensor) -> Tensor:
        made: Tensor = getattr(F, self.case.name.removeprefix("F."))(*tensors, **self.case.settings)
        return made


#: Where the device differs and no formula tells: values are looked at, a loss, a ``dim``.
_AS_ON_META = ("F.one_hot", "GaussianNLLLoss", "Softm", "NLLLoss", "CrossEntropyLoss", "Multi", "F.scaled_dot")


def _on_meta(runs: Mapping[Case, Outcome]) -> list[Case]:
    found = [difference.case for difference in differences("meta", runs)]
    return [case for case in found if not case.name.startswith(_AS_ON_META) and not case.call]


@pytest.mark.filterwarnings("ignore")
def test_a_pass_on_meta_gives_what_the_cpu_gives(runs: Mapping[Case, Outcome]) -> None:
    wrong, compared = [], 0
    for case in _on_meta(runs):
        model = Calls(case) if case.is_function else getattr(nn, case.name)(**case.settings)
        summary = summarize(model, case.tensors("cpu"), device="meta")
        wanted = _shape(runs[case].cpu)
        compared += 1
        if summary.ok != (wanted is not None) or (summary.ok and summary.output_shape != wanted):
            wrong.append((case, runs[case], summary.problems))
        assert not any("leave out device" in (problem.fix or "") for problem in summary.problems), case
    assert wrong == []
    assert compared > 20
