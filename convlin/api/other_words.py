"""Arguments that ``summarize`` does not have: what torchinfo, torchsummary and Keras call them, and what to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from convlin._util.suggest import nearest_or_all
from convlin.errors import UnknownArgumentError
from convlin.inputs.reading import names_of_forward
from convlin.inputs.spelling import show

#: Where the name alone says it.
_WRITE = {
    "input_data": "pass the tensors in its place: summarize(model, input)",
    "batch_dim": "convlin adds the batch: batch_size=1",
    "cache_forward_pass": "keep the summary and print it as often as you like",
    "dtype": "write dtypes=",
    "training": 'write mode="train"',
    "train": 'write mode="train"',
    "eval": 'write mode="eval"',
    "col_names": 'write columns=["layer", "output", "params"]',
    "col_width": "write width= for the whole table",
    "line_length": "write width=",
    "row_settings": "paths are always shown, and tree=True indents them",
    "expand_nested": "nested modules are always shown, and depth=1 hides them",
    "show_trainable": 'write columns="default,trainable"',
    "verbose": "nothing is printed before you print the summary",
    "print_fn": "str(summary) is the text",
    "max_depth": "write depth=",
}


def refusal(other: Mapping[str, Any], known: Iterable[str], model: object = None) -> UnknownArgumentError:
    """What to raise for the first argument that does not exist: Python's own error, with what to write instead.

    >>> refusal({"input_size": (16, 3, 32, 32)}, ()).args[0]
    'summarize() has no input_size=(16, 3, 32, 32): write summarize(model, (3, 32, 32), batch_size=16)'
    >>> refusal({"batch": 8}, ()).args[0]
    'batch=8 should be True or False: for the size write batch_size=8'
    >>> refusal({"colums": ["layer"]}, ("columns", "depth")).args[0]
    "summarize() has no colums=['layer']; did you mean 'columns'?"
    """
    name, value = next(iter(other.items()))
    taken = names_of_forward(model) if name != "batch" and isinstance(model, nn.Module) else []
    if name in taken:
        # A shape in kwargs would stay a tuple.
        is_input = name == taken[0] and _is_shape(value)
        right = f"summarize(model, {{{name!r}: {tuple(value)}}})" if is_input else f"kwargs={{{name!r}: …}}"
        return UnknownArgumentError(f"summarize() has no {name}={show(value)}, which forward takes: write {right}")
    if name == "batch":
        return UnknownArgumentError(f"batch={show(value)} should be True or False{_instead(name, value, known)}")
    return UnknownArgumentError(f"summarize() has no {name}={show(value)}{_instead(name, value, known)}")


def _instead(name: str, value: Any, known: Iterable[str]) -> str:
    if name in ("input_size", "input_shape"):
        return f": write {_with_shape(value)}"
    if name == "batch":
        if isinstance(value, int | str):
            return f": for the size write batch_size={value!r}"
        return ": pass the tensors in its place, summarize(model, batch)"
    return f": {_WRITE[name]}" if name in _WRITE else nearest_or_all(name, known)


def _with_shape(value: Any) -> str:
    """The call with a shape that the others write with its batch in front: of four sizes and more, that is certain."""
    shapes = [value] if _is_shape(value) else value
    if not isinstance(shapes, list | tuple) or not shapes or not all(map(_is_shape, shapes)):
        return "the shape without its batch, summarize(model, (3, 32, 32))"
    batches = {shape[0] for shape in shapes}
    has_batch = all(len(shape) >= 4 for shape in shapes) and len(batches) == 1
    written = [tuple(shape[1:] if has_batch else shape) for shape in shapes]
    batch = batches.pop() if has_batch else None
    size = "" if batch in (None, 1) else f", batch_size={batch}"
    return f"summarize(model, {written[0] if _is_shape(value) else written}{size})" + (
        "" if has_batch else ", the shape without its batch"
    )


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(type(size) is int for size in value)
