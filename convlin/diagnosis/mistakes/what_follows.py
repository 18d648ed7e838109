"""Where a size is a guess behind a mistake: what the layers further on were made for."""

from __future__ import annotations

from collections.abc import Sequence

from convlin.layers import noun_of
from convlin.ops.misfit import alone
from convlin.records import UNSEEN, Source, past_single_joins
from convlin.trace.axes import is_feature_map
from convlin.trace.recording import Declared, Finding, Recording, of_operands

#: Two factors, one of which may be of another size as a whole.
OF_PRODUCTS = ("matmul", "einsum", "linear", "convolution")


def with_what_follows(recording: Recording) -> list[Finding]:
    """The findings, those that leave a size open with the first layer behind them that declares it.

    That is a sum or a product of two sizes, where one of them is what the layer takes, and channels that cannot be
    shuffled. A sum is told which of the two was made of the other one.
    """
    told = (_with_skip(finding, recording) for finding in recording.findings)
    return [_with_layer_behind(finding, recording.declared_behind) for finding in told]


def _with_skip(finding: Finding, recording: Recording) -> Finding:
    """A sum of a tensor and a map that was made of it, with which of the two is the one that was handed on as it is."""
    if finding.misfit.note != "elementwise":
        return finding
    pair = of_operands(finding, [_handed_on(each, recording) for each in recording.calls[finding.call].sources])
    if len(pair) != 2 or pair[0] == pair[1] or UNSEEN in pair:
        return finding
    skips = [skip for skip in (0, 1) if pair[skip] in recording.upstream([pair[1 - skip]])]
    rank = len(finding.misfit.detail.get("shapes", ((),))[0])
    is_map = len(skips) == 1 and is_feature_map(recording, pair[1 - skips[0]], rank)
    finding = finding.with_detail(older=skips[0]) if len(skips) == 1 else finding
    return finding.with_detail(skip=skips[0]) if is_map else finding


def _handed_on(source: Source, recording: Recording) -> Source:
    """What a tensor is, past activations, dropout and the like."""
    source = past_single_joins(source, recording.joins)
    call = recording.maker(source)
    if call is None or call.is_function or call.params or call.derive is not None or not call.sources:
        return source
    return _handed_on(call.sources[0], recording) if call.input_shape == call.output_shape else source


def _with_layer_behind(finding: Finding, behind: Sequence[Declared]) -> Finding:
    found = next((each for each in behind if each.call > finding.call), None)
    if found is None or not _is_about(finding, found):
        return finding
    return finding.with_detail(behind=(found.path, alone(found.misfit.declared)))


def _is_about(finding: Finding, behind: Declared) -> bool:
    misfit, declared = finding.misfit, alone(behind.misfit.declared)
    if misfit.note == "pixel_shuffle":
        return behind.misfit.kind == "in_channels"
    if misfit.note == "ranks":
        return behind.misfit.kind == "in_features"
    if misfit.note in OF_PRODUCTS:
        return declared in (misfit.declared, misfit.required)
    axes, shapes = misfit.detail.get("axes", ()), misfit.detail.get("shapes", ())
    if misfit.detail.get("channels_last"):  # the axis in which they differ is that of the channels for one of them
        return False
    if (
        misfit.note not in ("elementwise", "concatenate")
        or len(axes) != 1
        or len({len(shape) for shape in shapes}) != 1
    ):
        return False
    (axis,), rank = axes, len(shapes[0])
    if axis % rank not in (1, rank - 1) or declared not in {shape[axis] for shape in shapes}:
        return False
    # What a layer takes may be the size of another axis, in which they agree: of the one that it looks at.
    own = 1 if noun_of(behind.misfit.kind) == "channel" else rank - 1
    return axis % rank == own or any(shape[own] != declared for shape in shapes)
