"""Small words: shapes, places, who made a tensor, what a layer is called."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from convlin._util.call_spelling import call_spelling
from convlin.ops.catalog import CAT, OPS
from convlin.records import UNSEEN, Call, Location, Report, Shape, Size, Source, SourceKind, last_made
from convlin.sizes.prove import spelled
from convlin.sizes.serialize import is_closed_form
from convlin.sizes.spell import factor, spell, spell_product
from convlin.trace.recording import Finding

_FLATTENING = ("flatten", "view", "reshape")
#: How people write what PyTorch's function mode knows by another name.
_SIGNS = {
    "Tensor.add": "+", "Tensor.sub": "-", "Tensor.mul": "*", "Tensor.div": "/", "Tensor.matmul": "@",
    "Tensor.add_": "+=", "Tensor.sub_": "-=", "Tensor.mul_": "*=", "Tensor.div_": "/=",
}  # fmt: skip
AXES = {3: "N×C×L", 4: "N×C×H×W", 5: "N×C×D×H×W"}


def times(shape: Shape) -> str:
    """A shape as people write it: ``1×32×8×8``, ``N×(8·H·W)``."""
    if not shape:
        return "a scalar"
    return "×".join(f"({factor(size)})" if getattr(size, "is_Mul", False) else factor(size) for size in shape)


def product_of(shape: Shape) -> str:
    """``32·8·8 = 2048`` for one sample of a shape; the number alone where there is nothing to multiply."""
    sizes = shape[1:]
    return equation(spell_product(sizes), spell(prod(sizes)))


def equation(*sides: str) -> str:
    """``32·8·8 = 2048``; one side alone where both read the same, as a formula in letters does."""
    return " = ".join(dict.fromkeys(sides))


def code(value: Any) -> str:
    """A size, or some, as they stand in source: ``64`` for ``(64,)``, ``8*((H + 1)//2)`` for a closed form."""
    if isinstance(value, tuple) and len(value) == 1:
        return code(value[0])
    if isinstance(value, tuple) and any(map(is_closed_form, value)):
        return f"({', '.join(map(code, value))})"
    return spelled(value) if is_closed_form(value) else str(value)


def call_with(sizes: Shape) -> str:
    """The call with one sample of these sizes: ``summarize(model, (3, 32, 32))``."""
    return call_spelling().call([named_or_int(sizes)])


def named_or_int(sizes: Iterable[Size]) -> list[int | str]:
    """Sizes as a call gives them: integers, and letters."""
    return [size if isinstance(size, int) else code(size) for size in sizes]


def at(where: Location | None) -> str:
    """Where that is, if it is known."""
    return f" at {where.text}" if where is not None else ""


def who(report: Report, source: Source) -> str:
    """What made a tensor: a layer's path, a function and its line, or the input."""
    call = call_of(report, source)
    if call is None:
        return "the input" if source.kind is SourceKind.INPUT else "an earlier step"
    if call.is_function:
        return f"{call.type}{at(call.where)}"
    return call.path or call.type


def call_of(report: Report, source: Source) -> Call | None:
    """The call that made a tensor, past the places where several met."""
    source = last_made(source, report.joins)
    made = source.kind is SourceKind.CALL and source.number < len(report.calls)
    return report.calls[source.number] if made else None


def origin(finding: Finding, report: Report) -> str:
    """The line that tells where the last axis of what arrived comes from; empty where that was not seen."""
    source = maker_of(report, finding.source)
    call = call_of(report, source)
    if call is None or call.input_shape is None or call.output_shape is None:
        last = finding.inputs[0].shape[-1]
        return f"\n{spell(last)} is the last axis of the input" if finding.is_model_input else ""
    given, made = call.input_shape, call.output_shape
    flattens = call.type.rpartition(".")[2].lower() in _FLATTENING
    if flattens and len(given) > 2 and len(made) == 2 and prod(given[1:]) == made[-1]:
        before = _named(report, maker_of(report, call.sources[0] if call.sources else UNSEEN))
        by = f"flattened{at(call.where)}" if call.is_function else f"flattened by {call.path}"
        return f"\n{equation(spell(made[-1]), spell_product(given[1:]))}{before}, {by}"
    arrived_as = finding.inputs[0]
    other = next((each for each in call.outputs[1:] if each.shape == arrived_as.shape != made), None)
    if other is not None:  # of a layer that returns several: its last state, say
        made, which = other.shape, f"another output of {who(report, source)}"
    else:
        which = f"the output of {who(report, source)}"
    return f"\n{spell(made[-1])} is the last axis of {times(made)}, {which}"


def is_cat(call: Call) -> bool:
    """Whether a call is ``torch.cat``, by any of its names."""
    return call.is_function and OPS.called(call.type) is CAT


def _named(report: Report, source: Source) -> str:
    """What a tensor is, behind its shape; nothing where its making was not seen (``torch.ops``)."""
    if source.kind is SourceKind.INPUT:
        return ", the input"
    return f", the output of {who(report, source)}" if call_of(report, source) is not None else ""


def maker_of(report: Report, source: Source) -> Source:
    """The call that gave a tensor its shape, past those that hand the shape on (activations, dropout)."""
    while True:
        call = call_of(report, source)
        if call is None or call.is_function or not call.sources or call.inner or call.derive is not None:
            return source
        if call.input_shape != call.output_shape or call.stood_in or call_of(report, call.sources[0]) is None:
            return source
        source = call.sources[0]


def name_of(finding: Finding) -> str:
    """The layer as PyTorch prints it, cut to what it declares: ``Conv2d(3, 16, …)``."""
    if not finding.layer:
        return called(finding.function)
    kind, _, settings = finding.layer.replace(", bias=True", "").removesuffix(")").partition("(")
    parts = _split(settings)
    if not parts and finding.misfit.changes:  # PyTorch prints none of the sizes of a layer with others inside
        return f"{kind}({next(iter(finding.misfit.changes))}={finding.misfit.declared}, …)"
    shown = [part for part in parts if "=" not in part] or parts[:2]
    return f"{kind}({', '.join([*shown, '…'] if len(shown) < len(parts) else shown)})"


def _split(settings: str) -> list[str]:
    """``(5, 10), eps=1e-05`` at the commas outside of parentheses."""
    parts: list[str] = []
    for part in settings.split(", ") if settings else []:
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    return parts


def called(function: str) -> str:
    """A function as people write it: ``+`` for ``Tensor.add``."""
    return _SIGNS.get(function, function)


def arrived(finding: Finding) -> str:
    """The shape that arrived: of several tensors, that of the one it is about."""
    return times(finding.inputs[finding.misfit.input].shape) if finding.inputs else "no tensor"


def what_arrived(finding: Finding, report: Report) -> str:
    """What arrived: the input, or what something made of it."""
    which, source, is_input = finding.misfit.input, finding.source, finding.is_model_input
    if which:
        source, is_input = report.calls[finding.call].sources[which], False
    if is_input or source.kind is SourceKind.INPUT:
        return "the input"
    call = call_of(report, source)
    return (
        f"the output of {who(report, maker_of(report, source))}"
        if call is not None
        else "the output of an earlier step"
    )


def plural(count: object, noun: str) -> str:
    """``1 feature``, ``2 features``."""
    return f"{spell(count)} {noun}{'' if count == 1 else 's'}"
