"""Run every layer at its corners and write what came out: ``python -m docs.make_behavior``.

The settings of ``docs/behavior_cases.py`` run on the CPU, on the meta device and under ``FakeTensorMode``.  What came
out is kept in ``docs/behavior/VERSION.json``, one file for each torch that this ran beside, and ``docs/behavior.md``
is made from all of them.  Only torch is needed, so that the script runs in any environment that has one:
``PYTHONPATH=. path/to/python -m docs.make_behavior``.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from docs.behavior_cases import CASES, Case
from docs.behavior_documented import DOCUMENTED
from docs.behavior_notes import NOTES, Note

PAGE = Path(__file__).with_name("behavior.md")
DATA = Path(__file__).with_name("behavior")


class Outcome(NamedTuple):
    """What one setting gave: shapes as text, or the name of the exception."""

    cpu: str
    meta: str
    fake: str


Runs: TypeAlias = Mapping[Case, Outcome]


def version() -> str:
    """The running torch, without what was built into it."""
    return torch.__version__.partition("+")[0]


# Running


def observe(cases: Iterable[Case] = CASES) -> dict[Case, Outcome]:
    """The settings that this torch has, on the CPU, on meta and under fake tensors."""
    with _quietly():
        return {case: outcome(case) for case in cases if case.exists}


def on_cpu() -> dict[Case, str]:
    """Every setting that this torch has, on the CPU alone, which takes a tenth of the time."""
    with _quietly():
        return {case: _seen(case, "cpu") for case in CASES if case.exists}


_FAKE = FakeTensorMode()


def outcome(case: Case) -> Outcome:
    """One setting in the three ways."""
    with _FAKE:
        fake = _seen(case, "cpu")
    return Outcome(_seen(case, "cpu"), _seen(case, "meta"), fake)


@contextmanager
def _quietly() -> Iterator[None]:
    """One thread for tensors of a few elements, no gradients, and nothing printed about what is refused."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        torch.set_num_threads(threads)


def _seen(case: Case, device: str) -> str:
    try:
        return _spelled(case.run(device))
    except Exception as error:
        return type(error).__name__


def _spelled(made: Any) -> str:
    if isinstance(made, Tensor):
        return "×".join(map(str, made.shape)) or "scalar"
    if isinstance(made, tuple | list):
        return f"({', '.join(map(_spelled, made))})"
    return repr(made)


def is_refused(text: str) -> bool:
    """Whether an outcome is an exception."""
    return re.fullmatch(r"[A-Z]\w*(Error|Exception)", text) is not None


def same(one: str, other: str) -> bool:
    """Whether two outcomes agree: the same shapes, or refused for whatever reason."""
    return one == other or (is_refused(one) and is_refused(other))


# The data


def to_json(runs: Runs) -> str:
    """By layer, settings and input; three outcomes where they are not all the same text."""
    layers: dict[str, dict[str, dict[str, Any]]] = {}
    for case, seen in runs.items():
        told = seen.cpu if len(set(seen)) == 1 else list(seen)
        layers.setdefault(case.name, {}).setdefault(case.words, {})[case.input] = told
    lines = []
    for name, settings in layers.items():
        rows = [f"  {json.dumps(words)}: {json.dumps(told, ensure_ascii=False)}" for words, told in settings.items()]
        lines.append(f"{json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(text: str) -> dict[Case, Outcome]:
    """The settings that there are still, with what came out."""
    layers = json.loads(text)
    runs = {}
    for case in CASES:
        told = layers.get(case.name, {}).get(case.words, {}).get(case.input)
        if told is not None:
            runs[case] = Outcome(told, told, told) if isinstance(told, str) else Outcome(*told)
    return runs


def recorded() -> dict[str, dict[Case, Outcome]]:
    """What ran beside each version of torch, oldest first."""
    paths = sorted(DATA.glob("*.json"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)])
    return {path.stem: from_json(path.read_text(encoding="utf-8")) for path in paths}


# What differs


class Difference(NamedTuple):
    """A setting where two answers differ, and what both are."""

    case: Case
    answers: tuple[str, ...]


def differences(kind: str, runs: Runs) -> list[Difference]:
    """Where, beside one version: CPU and meta, meta and fake, what runs and what is documented."""
    return [found for case, seen in runs.items() if (found := _KINDS[kind](case, seen)) is not None]


def _meta(case: Case, seen: Outcome) -> Difference | None:
    return None if same(seen.cpu, seen.meta) else Difference(case, (seen.cpu, seen.meta))


def _fake(case: Case, seen: Outcome) -> Difference | None:
    return None if same(seen.meta, seen.fake) else Difference(case, (seen.cpu, seen.meta, seen.fake))


def _formula(case: Case, seen: Outcome) -> Difference | None:
    """A size that the documentation gives to a tensor with elements, and another or none that runs."""
    formula = DOCUMENTED.get(case.name)
    said = None if formula is None else formula(case)
    if said is None or any(size < 0 for size in said):
        return None
    empty = any(0 in shape for shape in (said, *case.shapes))
    ran = _first(seen.cpu)
    if ran == "×".join(map(str, said)) or (empty and is_refused(ran)):
        return None
    return Difference(case, ("×".join(map(str, said)), seen.cpu))


def _first(text: str) -> str:
    return text.lstrip("(").partition(",")[0].partition(")")[0]


_KINDS: Mapping[str, Callable[[Case, Outcome], Difference | None]] = {"meta": _meta, "fake": _fake, "formula": _formula}


def between_versions(runs: Mapping[str, Runs]) -> list[Difference]:
    """Where the CPU answers differently beside two versions; "—" stands for what a version does not have."""
    found = []
    for case in CASES:
        answers = tuple(each[case].cpu if case in each else "—" for each in runs.values())
        ran = [answer for answer in answers if answer != "—"]
        if any(not same(ran[0], answer) for answer in ran[1:]):
            found.append(Difference(case, answers))
    return found


def sorted_out(kind: str, found: Sequence[Difference]) -> tuple[dict[Note, list[Difference]], list[Difference]]:
    """The differences under the words that describe them, and those that no words describe."""
    told: dict[Note, list[Difference]] = {note: [] for note in NOTES if note.kind == kind}
    rest: list[Difference] = []
    for difference in found:
        note = next((note for note in told if note.is_about(*difference)), None)
        (rest if note is None else told[note]).append(difference)
    return told, rest


# The page

_HEAD = """\
# What PyTorch does at the corners

The formulas that convlin explains are held against PyTorch itself, and so is this page: it is written by
`python -m docs.make_behavior`, which runs {count:,} settings of {layers} layers and functions of `torch.nn` and
`torch.nn.functional` on the CPU, on the meta device and under `FakeTensorMode`, with torch {versions}.
The settings are those where a guess may fail: `ceil_mode` with padding and dilation, sizes of 0 and 1, an empty batch
or none, negative padding, factors that do not divide.

In {agree:,} of the {ran:,} settings that torch {newest} has, all three give the same shape, or all three refuse.
Below is every kind of difference, with a few of its settings; of an error the type is shown. `convlin.arithmetic` gives
what runs on the CPU in every setting, and a test holds it to that.

What ran is in `docs/behavior/`, a file for each version. A run beside another torch adds one, and its numbers here.
"""

_SECTIONS = {
    "meta": ("Where the CPU and meta differ", ("CPU", "meta"), """\
The kernels of meta check less than the CPU's, and here and there more. With `device="meta"` convlin asks the CPU where
its formula disagrees with meta, so that it tells what a real run gives; not for losses, `Softmax`, `one_hot` and
attention, for which it says what meta says.
"""),
    "fake": ("Where fake tensors differ from meta", ("CPU", "meta", "fake"), """\
Fake tensors of the CPU answer as meta tensors do, with the differences above, except here:
"""),
    "formula": ("Where the documented formula is not what runs", ("documented", "CPU"), """\
The formula of each page of the documentation (of torch 2.13), with the conditions that the page states, against what
the CPU gives. A tensor without elements that is refused is not counted: no page says what is to come of it.
"""),
}  # fmt: skip

_EXAMPLES = 3


def page(runs: Mapping[str, Runs]) -> str:
    """The whole page, made from what ran beside each version."""
    newest = list(runs)[-1]
    last = runs[newest]
    parts = [
        _HEAD.format(
            count=len({case for each in runs.values() for case in each}),
            layers=len({case.name for each in runs.values() for case in each}),
            versions=_listed([*runs]),
            newest=newest,
            ran=len(last),
            agree=sum(same(seen.cpu, seen.meta) and same(seen.meta, seen.fake) for seen in last.values()),
        )
    ]
    for kind, (title, columns, words) in _SECTIONS.items():
        parts.append(f"## {title}\n\n{words}")
        parts += _kind(kind, columns, {each: differences(kind, ran) for each, ran in runs.items()}, runs)
    parts.append("## Where versions of torch differ\n")
    if len(runs) == 1:
        parts.append(f"One version ran so far, {newest}.\n")
        return "\n".join(parts)
    parts.append(_VERSIONS.format(versions=_listed([*runs])))
    told, rest = sorted_out("versions", between_versions(runs))
    for words, found in [*((note.words, found) for note, found in told.items()), (_WITHOUT_WORDS, rest)]:
        if found:
            parts.append(f"{words} ({_count(found)})\n\n{_table(tuple(runs), found)}")
    if not any(told.values()) and not rest:
        parts.append("No difference was found.\n")
    return "\n".join(parts)


_VERSIONS = """\
What the CPU gives, with torch {versions}. Where meta or fake tensors changed, the lines above have other counts.
A version without the layer has “—”.
"""
_WITHOUT_WORDS = "Not described yet."


def _kind(
    kind: str, columns: tuple[str, ...], found: Mapping[str, Sequence[Difference]], runs: Mapping[str, Runs]
) -> Iterator[str]:
    by_version = {each: sorted_out(kind, differing) for each, differing in found.items()}
    for note in (note for note in NOTES if note.kind == kind):
        counts = {each: len(told[note]) for each, (told, _) in by_version.items()}
        if not any(counts.values()):
            continue
        newest = next(each for each in reversed([*runs]) if counts[each])
        told = by_version[newest][0][note]
        names = {difference.case.name for difference in told}
        tried = sum(case.name in names for case in runs[newest])
        yield f"{note.words} ({_counted(counts, tried)})\n\n{_table(columns, told)}"
    rest = {difference.case: difference for _, left in by_version.values() for difference in left}
    if rest:
        yield f"{_WITHOUT_WORDS} ({_count([*rest.values()])})\n\n{_table(columns, [*rest.values()])}"


def _counted(counts: Mapping[str, int], tried: int) -> str:
    """How many settings, and beside which versions where that differs."""
    if len(set(counts.values())) == 1:
        return f"{next(iter(counts.values()))} of {tried} settings of these layers"
    return "; ".join(f"torch {each}: {count or 'none'}" for each, count in counts.items()) + f" of {tried} settings"


def _count(found: Sequence[Difference]) -> str:
    return f"{len(found)} setting{'s' if len(found) != 1 else ''}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _table(columns: tuple[str, ...], found: Sequence[Difference]) -> str:
    head = ["layer", "input", "settings", *columns]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for case, answers in _chosen(found):
        settings = f"`{case.words}`" if case.settings or case.call or case.train else "the defaults"
        lines.append(f"| {' | '.join([f'`{case.name}`', case.input, settings, *answers])} |")
    return "\n".join(lines) + "\n"


def _chosen(found: Sequence[Difference]) -> list[Difference]:
    """A few that differ from each other: of other layers first."""
    chosen: list[Difference] = []
    for fresh in (True, False):
        for difference in found:
            known = any(
                re.sub(r"\dd$", "", each.case.name) == re.sub(r"\dd$", "", difference.case.name) for each in chosen
            )
            if len(chosen) < _EXAMPLES and difference not in chosen and not (fresh and known):
                chosen.append(difference)
    return sorted(chosen, key=found.index)


def main() -> None:
    """Run beside the installed torch, keep what came out, and write the page anew."""
    DATA.mkdir(exist_ok=True)
    (DATA / f"{version()}.json").write_text(to_json(observe()), encoding="utf-8")
    PAGE.write_text(page(recorded()), encoding="utf-8")


if __name__ == "__main__":
    main()
