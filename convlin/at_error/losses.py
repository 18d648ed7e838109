"""A loss function refuses what a model made: another batch than the targets have, too few classes, or other axes.

The model is found in the frames, and what it was given.  It counts as found only where it provably
made the predictions: the parameters behind them are its own, or it is the only model there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from math import prod
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from convlin.at_error import loss_shapes, loss_sizes, loss_tensors, stretched
from convlin.at_error.fixes import layer_fix, mistake
from convlin.at_error.frames import frames_outside_torch, holders_of, modules_in, tensors_in
from convlin.at_error.second_run import announced, in_many_processes, plain_pass, run_again, summary_of_pass
from convlin.at_error.written_calls import written_calls
from convlin.module_tree import modules_of, parameters_of
from convlin.sizes.spell import spell, spell_product, spell_shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convlin._summary import Summary
    from convlin.inputs import Plan
    from convlin.records import Call, Shape, TensorInfo

T = TypeVar("T")

_MOST_NODES = 100_000
_MOST_TRIALS = 20
#: What marks the pixels without a label where labels are stored as images of bytes.
_USUAL_MARK = 255


class _Made(NamedTuple):
    """The model that made the predictions, and what it made them of."""

    root: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    hints: tuple[FrameType, ...] = ()


def about(error: BaseException, steps: list[TracebackType]) -> tuple[str, Summary | None] | None:
    """What is wrong with the model in front of a loss function that raised ``error``; None where that is not proved."""
    from convlin._util.torch_private import is_of_accelerator

    frame = next((step.tb_frame for step in steps if loss_shapes.is_loss_function(step.tb_frame)), None)
    if is_of_accelerator(error) or in_many_processes():
        return None
    if frame is None:
        return _about_compared(steps)
    made, target = frame.f_locals["input"], frame.f_locals["target"]
    if isinstance(error, UserWarning):
        said = stretched.about(frame)
        return (said, None) if said is not None else None
    if not _is_tensor(made):
        said = loss_shapes.about_output(frame, made, target)
        return (said, None) if said is not None else None
    if made.dim() == 0 or target.dim() == 0:
        return None
    if made.shape[0] != target.shape[0]:
        of_batch = _about_batch(made, target, steps)
        if of_batch is not None:
            return of_batch
    if isinstance(error, IndexError) and "out of bounds" in str(error) and not target.is_floating_point():
        return _about_labels(made, target, frame.f_locals.get("ignore_index"), steps)
    said = loss_shapes.about(frame, made, target) or loss_tensors.about_beside(frame, made)
    return (said, None) if said is not None else _about_sizes(frame, made, target, steps)


def _about_compared(steps: list[TracebackType]) -> tuple[str, None] | None:
    frame = next((step.tb_frame for step in steps if loss_tensors.compares(step.tb_frame)), None)
    said = loss_tensors.about_compared(frame) if frame is not None else None
    return (said, None) if said is not None else None


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


# The batch


def _about_batch(made: Tensor, target: Tensor, steps: list[TracebackType]) -> tuple[str, Summary | None] | None:
    found = _maker(made, target.shape[0], (made, target), steps)
    output: Shape = tuple(made.shape)
    if found is None:  # the predictions may have been reshaped on their way to the loss
        found = _maker(made, target.shape[0], (made, target), steps, reshaped=True)
        output = _output_of(found, made) if found is not None else output
    if found is None or output[0] not in (made.shape[0], target.shape[0]):
        return None
    summary = _summary(found)
    if output[0] == target.shape[0]:
        return _reshaped_outside(found, summary, output, tuple(made.shape)), summary
    name, before, after = type(found.root).__name__, target.shape[0], made.shape[0]
    said = f"The loss got {after} predictions for {before} targets: {name} turns a batch of {before} into {after}."
    again = _announced(found, summary)
    if any(problem.kind == "batch" for problem in summary.problems) or _takes_cell_state(found):
        return f"{said}\n{again}", summary
    inner = [call for call in summary.calls if not call.inner]
    changing = [call for call in inner if _batches(call) == (before, after)]
    # What a recurrent layer keeps has its layers in front of the batch.
    changing = changing or [call for call in inner if _folds_layers(call, before, after)]
    if len(changing) != 1:
        read = loss_sizes.about_time_first(tuple(made.shape), before, _as_maker(found, summary))
        return (f"{said}\n{read}\n{again}", summary) if read is not None else None
    return f"{said}\nThe batch changes in {_named(changing[0])}. {again}", summary


def _takes_cell_state(found: _Made) -> bool:
    """Whether a remark below the table tells that predictions are made of the state of every layer."""
    from convlin.diagnosis.silent.cell_state import remarks
    from convlin.module_tree import walk

    return _again(found, lambda plan: any(remarks(walk(found.root), plain_pass(found.root, plan))))


def _reshaped_outside(found: _Made, summary: Summary, output: Shape, made: Shape) -> str:
    """That several predictions of each sample were taken for as many samples, by the code in front of the loss."""
    name, batch = type(found.root).__name__, output[0]
    each = spell_product(output[1:]) if sum(size != 1 for size in output[1:]) > 1 else spell(prod(output[1:]))
    said = f"The loss got {made[0]} predictions for {batch} targets: {name} makes {spell_shape(output)}, {each} numbers"
    again = _announced(found, summary)
    return f"{said} for each sample, and what stands in front of the loss makes {spell_shape(made)} of them.\n{again}"


def _batches(call: Call) -> tuple[Any, Any]:
    """The first sizes of what came in and of what came out."""
    shapes = call.input_shape, call.output_shape
    return tuple(shape[0] if shape else None for shape in shapes)  # type: ignore[return-value]


def _folds_layers(call: Call, before: int, after: int) -> bool:
    """Whether a function makes rows of the first two axes, of which the second is the batch."""
    given, made = call.input_shape or (), call.output_shape or ()
    return call.is_function and len(given) > 2 and given[0] * given[1] == after == made[:1][0] and given[1] == before


def _named(call: Call) -> str:
    return f"{call.type} at {call.where.text}" if call.where is not None else f"{call.path} ({call.type})"


# The other sizes


def _about_sizes(
    frame: FrameType, made: Tensor, target: Tensor, steps: list[TracebackType]
) -> tuple[str, Summary | None] | None:
    """Predictions and targets that have as many axes, of which not all are as large, or numbers of classes for each."""
    sizes, given = tuple(made.shape), tuple(target.shape)
    wanted = given if target.is_floating_point() else (*given[:1], *sizes[1:2], *given[1:])
    if sizes == wanted or len(sizes) != len(wanted) or sizes[0] != wanted[0]:
        return None
    found = _maker(made, sizes[0], (made,), steps)
    if found is None:
        return None
    summary = _summary(found)
    said = loss_sizes.about(frame.f_code.co_name, sizes, wanted, _as_maker(found, summary), given=given)
    return f"{said}\n{_announced(found, summary)}", summary


def _as_maker(found: _Made, summary: Summary) -> loss_sizes.Maker:
    def makes(shape: tuple[int, ...]) -> bool:
        return any(tuple(output.shape) == shape for output in _outputs(found))

    return loss_sizes.Maker(found.root, found.hints, summary, makes)


# The classes


def _about_labels(
    made: Tensor, target: Tensor, ignored: int | None, steps: list[TracebackType]
) -> tuple[str, Summary | None] | None:
    labels = target if ignored is None else target[target != ignored]
    classes = made.shape[1] if made.dim() > 1 else made.shape[0]
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest >= 0 and highest < classes:
        return None
    is_mark = ignored is not None and _is_mark(labels, classes)
    found = _maker(made, made.shape[0], (made, target), steps)
    layer, fix = None, None
    if found is not None:
        summary = _summary(found)
        layer = loss_sizes.last_layer(summary, tuple(made.shape), classes)
        if layer is not None and summary.ok and not is_mark:
            size = "out_features" if "out_features" in layer.settings else "out_channels"
            fix = layer_fix(found.root, layer.path, {size: str(highest + 1)}, found.hints)
    name = "the loss function" if layer is None or found is None else layer.path or type(found.root).__name__
    several = f"{classes} score{'s' * (classes != 1)}"
    scores = f"gets {several}" if layer is None else f"{layer.type} makes {several}"
    range_ = f"{lowest} to {highest}" if lowest != highest else f"{highest}"
    own = f"labels 0 to {classes - 1}" if classes > 1 else "label 0"
    said = [f"{scores} for each sample, for the {own}; the labels of this batch are {range_}"]
    if lowest < 0:
        said.append(f"a label below 0 is no class; if {lowest} marks what has no label, pass ignore_index={lowest}")
    elif is_mark:
        said.append(f"if {highest} marks what has no label, as is usual in segmentation, pass ignore_index={highest}")
    elif highest == classes and lowest > 0:
        said.append(f"if your labels count from 1 to {highest}, subtract 1 from them")
    if highest >= classes:
        otherwise = "otherwise " if len(said) > 1 else ""
        each = "the last layer needs an output for each of your classes"
        said.append(f"{otherwise}{each}: {highest + 1} for this batch, more if you have more")
        said += [fix] if fix else []
    return mistake(name, said), None


def _is_mark(labels: Tensor, classes: int) -> bool:
    """Whether the labels are classes that there are, but for a 255 far beyond: in many data sets that is no class."""
    beyond = labels[(labels < 0) | (labels >= classes)]
    return classes < _USUAL_MARK and bool((beyond == _USUAL_MARK).all())


# Who made it


def _maker(
    made: Tensor,
    batch: int,
    others: tuple[Tensor, ...],
    steps: list[TracebackType],
    candidates: Iterable[Tensor] | None = None,
    *,
    reshaped: bool = False,
) -> _Made | None:
    """The one model in the frames that makes a tensor like ``made`` of a batch that is there as well.

    ``reshaped``: of as many elements, with that batch or the first size of ``made`` in front.

    Its inputs are those of a call that stands in the code of the frames; where that cannot be read,
    a tensor that one of them holds.
    """
    from convlin.observe import unwrapped

    frames = frames_outside_torch(steps)
    roots = list(_roots(made, [unwrapped(module) for module in modules_in(frames)]))
    if candidates is None:
        written = [
            _Made(root, call.args, call.kwargs)
            for call in chain.from_iterable(map(written_calls, frames))
            for root in roots
            if root is unwrapped(call.model) and batch in map(_first, _tensors(call.args, call.kwargs))
        ]
        found = next((each for each in written[:_MOST_TRIALS] if _makes(each, made, reshaped=reshaped)), None)
        if found is not None:
            return found._replace(hints=holders_of(found.root, reversed(frames)))
    inputs = {
        (tensor.shape, tensor.dtype): tensor
        for tensor in (tensors_in(frames) if candidates is None else candidates)
        if _first(tensor) == batch and not any(tensor is other for other in others)
    }
    if len(roots) * len(inputs) > _MOST_TRIALS:
        return None
    trials = (_Made(root, (given,), {}) for root in roots for given in inputs.values())
    matches = [each for each in trials if _makes(each, made, reshaped=reshaped)]
    if not matches and candidates is None:  # the input has no name: what the first layer kept of it leads to the model
        return _maker(made, batch, others, steps, _kept_inputs(made), reshaped=reshaped)
    outermost = [each for each in matches if not any(_holds(other.root, each.root) for other in matches)]
    if len(outermost) != 1:
        return None
    return outermost[0]._replace(hints=holders_of(outermost[0].root, reversed(frames)))


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    import torch

    return [each for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor)]


def _announced(found: _Made, summary: Summary) -> str:
    several = len(_tensors(found.args, found.kwargs)) > 1
    inputs = "inputs of the same shapes" if several else "an input of the same shape"
    return announced(type(found.root).__name__, inputs, summary, found.root)


def _first(tensor: Tensor) -> int | None:
    return tensor.shape[0] if tensor.dim() else None


def _roots(made: Tensor, modules: list[nn.Module]) -> Iterator[nn.Module]:
    """The modules that can have made a tensor: all parameters behind it are theirs."""
    from convlin._util.torch_private import LOSSES

    models = {id(module): module for module in modules if not isinstance(module, LOSSES)}
    owned = {key: {id(parameter) for parameter in parameters_of(module)} for key, module in models.items()}
    behind = _parameters_behind(made)
    if behind:
        yield from (module for key, module in models.items() if behind <= owned[key])
        return
    # Without gradients nothing tells who made it, unless there is one model alone.
    with_any = {key: module for key, module in models.items() if owned[key]}
    outermost = [each for each in with_any.values() if not any(_holds(other, each) for other in with_any.values())]
    if len(outermost) == 1:
        yield from outermost


def _parameters_behind(made: Tensor) -> set[int]:
    """The parameters that a tensor was computed from, as far as autograd knows."""
    leaves = (getattr(node, "variable", None) for node in _nodes_behind(made))
    return {id(leaf) for leaf in leaves if leaf is not None}


def _kept_inputs(made: Tensor) -> Iterator[Tensor]:
    """What autograd keeps of the data that a tensor was computed from."""
    for node in _nodes_behind(made):
        for name in ("_saved_input", "_saved_mat1", "_saved_self"):
            with suppress(RuntimeError):  # a backward pass has freed it
                kept = getattr(node, name, None)
                if kept is not None and not kept.requires_grad:
                    yield kept


def _nodes_behind(made: Tensor) -> Iterator[Any]:
    pending: list[Any] = [made.grad_fn]
    seen: set[Any] = set()
    while pending and len(seen) < _MOST_NODES:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        pending += [following for following, _ in node.next_functions]


def _holds(outer: nn.Module, inner: nn.Module) -> bool:
    return outer is not inner and any(module is inner for module in modules_of(outer))


def _makes(found: _Made, made: Tensor, *, reshaped: bool = False) -> bool:
    return any(_is_like(output.shape, made, reshaped=reshaped) for output in _outputs(found))


def _output_of(found: _Made, made: Tensor) -> Shape:
    """The shape of what a model makes that ``made`` is a reshape of."""
    return next(tuple(output.shape) for output in _outputs(found) if _is_like(output.shape, made, reshaped=True))


def _outputs(found: _Made) -> Sequence[TensorInfo]:
    return _again(found, lambda plan: plain_pass(found.root, plan).outputs)


def _is_like(output: Shape, made: Tensor, *, reshaped: bool) -> bool:
    sizes = tuple(made.shape)
    if not reshaped or tuple(output) == sizes:
        return tuple(output) == sizes
    # A squeeze leaves the first size, and a view that changes it all the elements.
    return prod(output) == made.numel() and len(output) > 1 and output[0] != 1


def _summary(found: _Made) -> Summary:
    return _again(found, lambda plan: summary_of_pass(found.root, plan, found.hints))


def _again(found: _Made, work: Callable[[Plan], T]) -> T:
    """What ``work`` finds in the model's call with tensors that the user may have moved to its device on the way."""
    import torch

    def on_device(plan: Plan) -> T:
        return work(plan.with_each(lambda each: each.to(plan.device) if isinstance(each, torch.Tensor) else each))

    return run_again(found.root, found.args, found.kwargs, on_device)
