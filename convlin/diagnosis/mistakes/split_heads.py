"""A Linear over the features of one head that gets those of all: the heads are still to be split.

An attention written by hand may do either, split and then map each head, or map all and then split. Which was meant no
shape tells: what a run shows of both is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from convlin.diagnosis.fixes.correction import edits_behind_argument
from convlin.diagnosis.runs.evidence import Wanted, run_to_the_end
from convlin.diagnosis.runs.retries import Retry
from convlin.layers import Misfit
from convlin.module_tree import module_at
from convlin.trace.recording import Finding, Recording

#: Under which names a layer of attention keeps how many heads it has.
_HEADS = ("heads", "num_heads", "n_heads", "nheads", "nhead", "n_head", "num_attention_heads")


def with_heads_split(recording: Recording, model: nn.Module, retry: Retry) -> Recording:
    """The recording with such layers told to get the heads split, where the model runs so.

    Of a pass that stopped behind them it is told that they may be. Where it came to its end, the other must give what
    that gave: of a layer behind the heads, which is to take all of them, it would leave another axis.
    """
    found = {id(each): heads for each in recording.findings if (heads := _heads(each, model)) is not None}
    asked = [finding for finding in recording.findings if id(finding) in found]
    if not asked:
        return recording
    edits = [edits_behind_argument(each, _behind(each, found[id(each)][1])) for each in asked]
    shown = None
    if all(edits):
        shown = run_to_the_end(model, retry, edits=tuple(dict.fromkeys(edit for each in edits for edit in each)))
    proved = shown is not None and not shown.findings and _gives_the_same(recording, shown)
    if shown is None or not proved:
        if recording.failure is None:  # it came to its end, and split it gives something else
            return recording
        told = [each.with_detail(heads=found[id(each)]) if id(each) in found else each for each in recording.findings]
        return replace(recording, findings=told)
    all_at_once = _all_at_once(asked, model, retry)
    split = [_split(each, found[id(each)], _numbers(each, all_at_once or ("in_features",), model)) for each in asked]
    return replace(recording, findings=split, failure=None, required=dict(shown.required))


def _heads(finding: Finding, model: nn.Module) -> tuple[str, int] | None:
    """What the module around a Linear calls its heads, and how many; None where these do not make up what arrives."""
    misfit = finding.misfit
    if misfit.kind != "in_features" or misfit.note or finding.function or not finding.inputs:
        return None
    if type(misfit.required) is not int or type(misfit.declared) is not int or not misfit.declared:
        return None
    count, rest = divmod(misfit.required, misfit.declared)
    if rest or count < 2 or finding.inputs[0].shape[-1] != misfit.required:
        return None
    kept = vars(module_at(model, finding.path.rpartition(".")[0]))
    name = next((name for name in _HEADS if type(kept.get(name)) is int and kept[name] == count), None)
    return (name, count) if name is not None else None


def _behind(finding: Finding, heads: int) -> str:
    return f".unflatten(-1, ({heads}, {finding.misfit.declared}))"


def _gives_the_same(recording: Recording, shown: Recording) -> bool:
    if recording.failure is not None:
        return True
    return [each.shape for each in recording.outputs] == [each.shape for each in shown.outputs]


def _all_at_once(asked: Sequence[Finding], model: nn.Module, retry: Retry) -> tuple[str, ...]:
    """What such layers are to declare to take all heads, as far as the model is right so; empty where it is not."""
    for names in (("in_features",), ("in_features", "out_features")):
        wanted: Wanted = {each.path: _numbers(each, names, model) for each in asked}
        shown = run_to_the_end(model, retry, wanted)
        if shown is not None and not shown.findings:
            return names
    return ()


def _numbers(finding: Finding, names: Sequence[str], model: nn.Module) -> Mapping[str, int]:
    module, times = module_at(model, finding.path), finding.misfit.required // finding.misfit.declared
    return {name: getattr(module, name) * times for name in names}


def _split(finding: Finding, heads: tuple[str, int], all_at_once: Mapping[str, int]) -> Finding:
    misfit = finding.misfit
    detail = {"heads": heads, "split": _behind(finding, heads[1]), "all_at_once": all_at_once}
    return finding._replace(misfit=Misfit("structure", misfit.declared, misfit.required, "heads", detail))
