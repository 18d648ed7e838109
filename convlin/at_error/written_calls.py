"""The calls of modules that stand in the code of a frame, with what its variables hold now.

No code of the user's is run: names, attributes and items are looked up, and of methods only those by
which a tensor gives another view or copy of itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from convlin.at_error.frames import Called, children_of
from convlin.source.syntax import own_scope, parsed_file

if TYPE_CHECKING:
    from torch import nn

#: Methods of a tensor that people write inside the call of a model; none of them writes into it.
_COPIES = frozenset(
    {"to", "cuda", "cpu", "float", "double", "half", "bfloat16", "long", "int", "detach", "clone", "contiguous"}
    | {"unsqueeze", "squeeze", "view", "reshape", "flatten", "permute", "transpose"}
)


def written_calls(frame: FrameType) -> Iterator[Called]:
    """The calls of modules in this frame's code whose arguments can be looked up, the one that ran last first."""
    from torch import nn

    for node in sorted(_calls_in(frame), key=lambda node: _turn(node, frame.f_lineno)):
        try:
            model = _value(node.func, frame)
            if isinstance(model, nn.Module):
                yield Called(model, *_arguments(node, frame))
        except LookupError:
            continue


def forward_calls(frame: FrameType, line: int, model: nn.Module) -> Iterator[Called]:
    """The calls of the model's own ``forward`` on a line of this frame's code: ``model.forward(x)``.

    What is called on a model that the line makes (``Net().forward(x)``) can be of this one.
    """
    for node in _calls_in(frame):
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        match node.func:
            case ast.Attribute(value=owner, attr="forward"):
                called: Any = model
                with suppress(LookupError):
                    called = _value(owner, frame)
                with suppress(LookupError):
                    if called is model:
                        yield Called(model, *_arguments(node, frame))


def _calls_in(frame: FrameType) -> list[ast.Call]:
    """All calls in a frame's own code, where its file can be read."""
    parsed = parsed_file(frame.f_code.co_filename)
    if parsed is None:
        return []
    function = None if frame.f_code.co_name == "<module>" else parsed.function(frame.f_code)
    if function is None and frame.f_code.co_name != "<module>":
        return []
    body = parsed.tree.body if function is None else function.body
    return [each for each in own_scope(body if isinstance(body, list) else [body]) if isinstance(each, ast.Call)]


def _turn(node: ast.Call, line: int) -> tuple[bool, int]:
    """Calls in front of the line where the frame stands come first, the nearest one before the others."""
    return node.lineno > line, -node.lineno


def _arguments(node: ast.Call, frame: FrameType) -> tuple[tuple[Any, ...], dict[str, Any]]:
    named: dict[str, Any] = {}
    for each in node.keywords:
        value = _value(each.value, frame)
        named.update({each.arg: value} if each.arg is not None else _plain(value, dict))
    return tuple(_values(node.args, frame)), named


def _values(nodes: list[ast.expr], frame: FrameType) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from _plain(_value(node.value, frame), (list, tuple))
        else:
            yield _value(node, frame)


def _plain(value: Any, kind: type | tuple[type, ...]) -> Any:
    """The value, if it is one of Python's own containers."""
    if not isinstance(value, kind):
        raise LookupError
    return value


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What an expression stands for now.

    Raises:
        LookupError: that takes more than looking it up.
    """
    import torch

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return frame.f_locals[name] if name in frame.f_locals else frame.f_globals[name]
        case ast.Tuple(elts=parts):
            return tuple(_values(parts, frame))
        case ast.List(elts=parts):
            return list(_values(parts, frame))
        case ast.Attribute(value=owner, attr=name):
            return _attribute(_value(owner, frame), name)
        case ast.Subscript(value=owner, slice=index):
            return _item(_value(owner, frame), _value(index, frame))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
            return -number
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _COPIES:
            tensor = _value(owner, frame)
            if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
                raise LookupError
            args, kwargs = _arguments(node, frame)
            with torch.no_grad():
                return getattr(tensor, name)(*args, **kwargs)
    raise LookupError


def _attribute(owner: Any, name: str) -> Any:
    """An attribute that an object keeps itself: no property, nothing that is computed."""
    kept = getattr(owner, "__dict__", None)
    if type(kept) is not dict:
        raise LookupError
    return kept[name] if name in kept else children_of(kept)[name]


def _item(owner: Any, index: Any) -> Any:
    """An item of a list, tuple or dict, in the way that Python finds it."""
    if type(owner).__getitem__ not in (list.__getitem__, tuple.__getitem__, dict.__getitem__):
        raise LookupError
    return owner[index]
