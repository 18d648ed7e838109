"""The pass stopped, and no rule of a layer or function says why.

Too small an input, something that the meta device cannot do, or PyTorch's own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from operator import lt
from typing import Any

import torch
from torch import nn

from convlin._util.call_spelling import call_spelling
from convlin.diagnosis.messages import quotation, times
from convlin.diagnosis.runs.chosen_dtypes import other_dtype
from convlin.diagnosis.runs.claims import claims_of, fitting, in_a_line
from convlin.diagnosis.runs.integer_inputs import index_of, made_of, places_reached
from convlin.diagnosis.runs.retries import Retry
from convlin.diagnosis.silent import leaving_batch, without_values
from convlin.diagnosis.silent.findings import suspects
from convlin.diagnosis.stopped import divided, shape_in_kwargs
from convlin.diagnosis.stopped.refusals import reason
from convlin.diagnosis.stopped.unpooling import Told, too_small
from convlin.inputs import Plan, model_device
from convlin.layers import rule_for
from convlin.module_tree import sharing, walk
from convlin.ops.catalog import OPS
from convlin.ops.meta_replay import is_said_by_cpu
from convlin.records import Claim, ClaimKind, Evidence, Problem
from convlin.search.checked_sizes import sizes_taken
from convlin.search.resized import Resized, Spatial, form_of
from convlin.search.smallest import Smallest, smallest_input
from convlin.search.ways import Ends
from convlin.trace.call_sites import raising_line
from convlin.trace.einops_errors import is_of_einops
from convlin.trace.recording import Failure, Recording

_OPERATOR = re.compile(r"\b\w+::\w+")
_VALUES_ASKED_FOR = re.compile(r"item\(\) cannot be called|no data|data is not allocated|meta tensors?\b.*\.item")
_OTHER_DEVICE = re.compile(
    r"is not on the expected device|same device|on device \w+|device mismatch|CPU int64 tensor", re.IGNORECASE
)


def _with_values(model: nn.Module) -> str:
    """What to write for a pass on a device that has values: the model may have been made on meta."""
    elsewhere = 'run it on a device with values: model.to_empty(device="cpu"), and inputs made there'
    return call_spelling().off_meta(elsewhere if model_device(model).type == "meta" else "")


def stopped(recording: Recording, failure: Failure, model: nn.Module, plan: Plan, mode: str) -> Problem:
    """The problem that tells where and why, as far as that can be known; tries smaller and larger inputs."""
    call = failure.call if failure.call >= 0 else None
    what = failure.function or (type(model).__name__ if call is None else recording.calls[call].type)
    arrived = ", ".join(times(info.shape) for info in failure.inputs) or "no tensor"
    where = failure.where or (None if is_of_einops(failure.error) else raising_line(failure.error))
    said = quotation(failure.error)
    on_meta = plan.device.type == "meta" and not is_said_by_cpu(failure.error)
    passed = shape_in_kwargs.told(plan) if not failure.inputs else None
    if passed is not None:
        stops = f"{what} stopped the pass; {arrived} arrived\n{passed.message}"
        return Problem("error", failure.path, message=stops, fix=passed.fix, call=call)
    if (whole := divided.told(failure, model, Retry(plan, mode))) is not None:
        return Problem(
            "error", failure.path, message=f"{what} stopped the pass; {arrived} arrived\n{said}\n{whole.message}",
            fix=whole.fix, where=where, call=call, edits=whole.edits,
            evidence=Evidence.RUN if whole.fix else Evidence.DERIVED,
        )  # fmt: skip
    unseen = _unseen(failure, what, arrived, said, model) if on_meta else None
    told = unseen or too_small(recording, failure, said)
    if told is not None:
        return Problem("error", failure.path, None, None, told.message, told.fix, told.where or where, call)
    parted = _parted(recording, failure, model)
    if parted:
        message = f"{what} stopped the pass; {arrived} arrived\n{parted}\n{said}"
        return Problem("error", failure.path, message=message, where=where, call=call)
    sizes = Resized(model, plan, mode, suspects)
    smallest = _smallest(sizes, recording)
    if smallest is not None and any(map(lt, smallest.given, smallest.required)):
        given, required = smallest.given, smallest.required
        sentence, claims = _from_where_on(smallest)
        message = f"{what} receives {arrived}, too small for it: the input is {times(given)}\n{sentence}\n{said}"
        return Problem(
            "too_small", failure.path, given, required, message, None, failure.where, call,
            evidence=Evidence.RUN, claims=claims,
        )  # fmt: skip
    squeezed = leaving_batch.squeezed_before(recording, failure) if plan.batch_size == 1 else ""
    stops = f"{what} stopped the pass; {arrived} arrived"
    hidden = _in_torchscript(recording, failure)
    message = "\n".join(filter(None, (stops, squeezed, hidden or reason(recording, failure), said)))
    # Behind something that stood in a pass shows nothing that the model as it is would do.
    is_asked = _is_about_sizes(failure) and not on_meta and not recording.findings
    taken = sizes_taken(sizes, failure.error) if is_asked else None
    claims = claims_of(taken) if taken is not None else ()
    if claims:
        message = f"{message}\n{in_a_line(claims)}"
    chosen = other_dtype(recording, model, plan, mode) if not claims else None
    if chosen is not None:
        message = f"{message}\n{chosen.message}"
        return Problem(
            "error", failure.path, message=message, fix=chosen.fix(plan), where=where, call=call, evidence=Evidence.RUN
        )
    # Some functions ask for more there: another dtype, another layout.
    fix = _with_values(model) if on_meta else _as_integers(failure, recording, plan)
    return Problem("error", failure.path, message=message, fix=fix, where=where, call=call, claims=claims)


def _in_torchscript(recording: Recording, failure: Failure) -> str:
    """What to do where the layer that refuses lies in a module that TorchScript runs; empty where it does not."""
    module = recording.modules[failure.call] if failure.call >= 0 else None
    if not isinstance(module, torch.jit.ScriptModule):
        return ""
    return "the layers inside TorchScript cannot be seen: pass the model itself, without torch.jit"


def _smallest(sizes: Resized, recording: Recording) -> Smallest | None:
    """The smallest input, where one that is larger helps: of images, of sequences of features, of given indices."""
    for each in (sizes, replace(sizes, of_sequence=True), replace(sizes, of_indices=True)):
        found = smallest_input(each, recording)
        if found is not None:
            fits = None if found.fits is None else (found.fits[0], each.whole(found.fits[1]))
            return replace(
                found, given=each.whole(found.given), required=each.whole(found.required),
                fits=fits, start=each.whole(found.start) if found.start else found.start,
            )  # fmt: skip
    return None


def _parted(recording: Recording, failure: Failure, model: nn.Module) -> str:
    """That a layer shares its weight with another one of other sizes, which it was not made for; empty where not."""
    module = recording.modules[failure.call] if failure.call >= 0 else None
    for nodes in sharing(model):
        own = next((node for node in nodes if node.module is module), None)
        if own is None or own.module.weight is None:
            continue
        if all(getattr(own.module, name, size) == size for name, size in _of_weights(own.module).items()):
            continue
        weight = own.module.weight
        others = [
            node for node in nodes if node.module is not module and node.module._parameters.get("weight") is weight
        ]
        if others and isinstance(weight, torch.Tensor):
            names = " and ".join(f"{node.path}.weight" for node in (own, *others))
            declared = ", ".join(f"{node.path} declares {_declared(node.module)}" for node in (own, *others))
            return f"{names} are one, of {times(tuple(weight.shape))}: {declared}"
    return ""


def _of_weights(module: nn.Module) -> Mapping[str, Any]:
    """The sizes that a layer should declare to go with its weights; empty where no rule tells."""
    rule = rule_for(type(module))
    shapes = {name: tuple(each.shape) for name, each in module._parameters.items() if each is not None}
    return {} if rule.from_weights is None else rule.from_weights(module, shapes)


def _declared(module: nn.Module) -> str:
    return " and ".join(f"{name}={getattr(module, name)}" for name in _of_weights(module))


def _as_integers(failure: Failure, recording: Recording, plan: Plan) -> str | None:
    """What to write where a function takes indices, and the caller asked for an input of floats."""
    asked, dummies = plan.floats_asked(), [*plan.dummies()]
    if not OPS.called(failure.function).indexes or not asked or any("int" in each.dtype for each in failure.inputs):
        return None
    behind = made_of(recording, index_of(failure, recording))
    places = asked.intersection(places_reached(plan, behind)) if behind.is_certain else frozenset()
    if not places and len(dummies) > 1:  # something made of one of them
        return "x = x.long()"
    kinds = [torch.long if each.place in places or len(dummies) == 1 else each.dtype for each in dummies]
    if len(dummies) > 1 and len(dummies) != len(plan.args):
        return None
    names = [str(kind).removeprefix("torch.") for kind in kinds]
    return f"{call_spelling().dtypes(names)}, or x.long() there"


def _is_about_sizes(failure: Failure) -> bool:
    """Whether what was said names a size of what arrived: otherwise no other size of the input would help."""
    if isinstance(failure.error, AssertionError):  # torch._assert
        return True
    named = {int(number) for number in re.findall(r"\d+", str(failure.error)) if len(number) < 8}
    return any(size in named for info in failure.inputs for size in info.shape[1:])


def _from_where_on(smallest: Smallest) -> tuple[str, tuple[Claim, ...]]:
    """What is said of the smallest input, and the claims in it."""

    def run(kind: ClaimKind, text: str, size: Spatial) -> Claim:
        return Claim(kind, text, Evidence.RUN, (size,))

    required = times(smallest.required)
    works = run(ClaimKind.SMALLEST, f"the smallest input that works is {required}", smallest.required)
    if smallest.fits is not None:
        path, largest = smallest.fits
        several, form = largest != smallest.required, form_of(smallest.start, smallest.required, largest)
        if not smallest.is_right:
            fits = fitting(path, smallest.start, Ends(smallest.required, largest))
            return fits.text, (fits,)
        which = f"the smallest {form.of('input')} that works" if several else f"the {form.of('input')} that works"
        works = run(ClaimKind.SMALLEST, f"{which} is {required}", smallest.required)
        most = (run(ClaimKind.LARGEST, f"the largest {times(largest)}", largest),) if several else ()
        return f"{', '.join(each.text for each in (works, *most))}: {path} expects that size", (works, *most)
    if not smallest.is_right:
        works = run(ClaimKind.REACHES, f"the smallest input that gets to the end is {required}", smallest.required)
    if smallest.reaches is not None:
        wrong = smallest.reaches
        declared, needed = wrong.misfit.declared, wrong.misfit.required
        return f"{works.text}\nthere {wrong.path} needs in_features={needed}, and has {declared}", (works,)
    return works.text, (works,)


def _unseen(failure: Failure, what: str, arrived: str, said: str, model: nn.Module) -> Told | None:
    """Why a pass on the meta device cannot go on; None where the device is not to blame."""
    with_values = _with_values(model)
    look = OPS.called(what).looks_at_values
    if look is not None or _VALUES_ASKED_FOR.search(said):
        who = f"forward looks at the values of a tensor ({look})" if look else f"{what} looks at the values of a tensor"
        return Told(
            f"{who}, and on the meta device there are none\n"
            "run it where tensors have values, or make the decision from the shape",
            with_values,
        )
    if isinstance(failure.error, NotImplementedError):
        operator = _OPERATOR.search(said)
        wanting = f"PyTorch has none for {operator[0]}" if operator else said
        return Told(f"{what} has no form for the meta device; {arrived} arrived\n{wanting}", with_values)
    if _OTHER_DEVICE.search(said) and not without_values.without_values(walk(model)):
        found, other = failure.elsewhere, "forward makes or keeps the other one"
        if found is not None:
            other = f"{times(found.shape)} comes of what {found.where.text} makes"
        return Told(
            f"in {what} a tensor of the meta device meets one that is elsewhere; {arrived} arrived\n"
            f"only the input, parameters and buffers are there; {other}\n{said}",
            f"make it with device=x.device, or keep it with register_buffer; or {with_values}",
            None if found is None else found.where,
        )
    return None
