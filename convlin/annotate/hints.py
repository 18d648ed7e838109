"""Type annotations of tensors as jaxtyping reads them: ``Float[Tensor, "N 3 H W"]``.

jaxtyping: https://docs.kidger.site/jaxtyping
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from convlin.annotate.axis_names import AxisNames, is_axis_name
from convlin.annotate.forwards import Forward
from convlin.records import Call, TensorInfo
from convlin.source.syntax import defaults, named

LIBRARY = "jaxtyping"

#: jaxtyping's name for a kind of dtype, and the names that include it.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "Float": ("Float", "Inexact", "Real", "Num", "Shaped"),
    "Complex": ("Complex", "Inexact", "Num", "Shaped"),
    "Int": ("Int", "Integer", "Real", "Num", "Shaped"),
    "UInt": ("UInt", "Integer", "Real", "Num", "Shaped"),
    "Bool": ("Bool", "Shaped"),
    "Shaped": ("Shaped",),
}
#: Every name that an annotation of a tensor may start with.
NAMES = frozenset(name for names in _KINDS.values() for name in names)
_DTYPES = {
    r"b?float(16|32|64)": "Float", r"complex(32|64|128)": "Complex", r"int(8|16|32|64)": "Int",
    r"uint(8|16|32|64)": "UInt", r"bool": "Bool",
}  # fmt: skip


class Hint(NamedTuple):
    """The annotation of one parameter, or of one returned tensor."""

    kind: str
    axes: str
    may_be_none: bool = False


class Hints(NamedTuple):
    """What can be said of one ``forward``."""

    parameters: Mapping[str, Hint]
    returned: tuple[Hint, ...]
    """One for each tensor; several are a tuple."""


class Written(NamedTuple):
    """An annotation of a tensor that stands in the code."""

    node: ast.expr
    """What is replaced: ``Tensor`` in ``Tensor | None``."""
    tensor: str
    """How the code spells the type: ``torch.Tensor``."""
    kind: str | None = None
    axes: str | None = None

    @property
    def names(self) -> list[str | None]:
        """The axes that have plain names."""
        return [text if is_axis_name(text) else None for text in (self.axes or "").split()]

    @property
    def says_more(self) -> bool:
        """Signs that say what no run tells: ``*batch``, ``#n``, ``...``, ``_``, ``rows=3``, ``{self.size}``."""
        return any(re.match(r"[*#?_]|\.\.\.", text) or re.search("[={]", text) for text in (self.axes or "").split())


def written_in(annotation: ast.expr | None) -> Written | None:
    """The one tensor that an annotation is about; None where there is none or it is about more.

    >>> written_in(ast.parse("Optional[torch.Tensor]", mode="eval").body).tensor
    'torch.Tensor'
    >>> written_in(ast.parse("Float[Tensor, 'n c'] | None", mode="eval").body).names
    ['n', 'c']
    >>> written_in(ast.parse("list[Tensor]", mode="eval").body) is None
    True
    """
    match annotation:
        case ast.Name(id="Tensor") | ast.Attribute(attr="Tensor"):
            return Written(annotation, ast.unparse(annotation))
        case ast.BinOp(op=ast.BitOr(), left=inner, right=ast.Constant(value=None)):
            return written_in(inner)
        case ast.BinOp(op=ast.BitOr(), left=ast.Constant(value=None), right=inner):
            return written_in(inner)
        case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional"), slice=inner):
            return written_in(inner)
        case ast.Subscript(value=kind, slice=ast.Tuple(elts=[tensor, ast.Constant(value=str() as axes)])):
            name = ast.unparse(kind).removeprefix(f"{LIBRARY}.")
            if name in NAMES:
                return Written(annotation, ast.unparse(tensor), name, axes)
    return None


def returned_in(annotation: ast.expr | None) -> list[Written] | None:
    """The tensors that a return annotation is about, one or a tuple of them."""
    one = written_in(annotation)
    if one is not None:
        return [one]
    match annotation:
        case ast.Subscript(value=ast.Name(id="tuple" | "Tuple") | ast.Attribute(attr="Tuple"), slice=parts):
            found = [written_in(each) for each in (parts.elts if isinstance(parts, ast.Tuple) else [parts])]
            return [each for each in found if each is not None] if all(found) else None
    return None


def hints_of(forward: Forward) -> Hints | str:
    """The annotations that are true of every call of a ``forward``, or why there are none."""
    if forward.runs_elsewhere:
        return "it also runs in the forward of another class"
    if not forward.calls:
        return "no call of it was seen"
    arguments = forward.node.args
    parameters = {each.arg: each for each in named(arguments)}
    present = {name: written_in(each.annotation) for name, each in parameters.items()}
    returned = returned_in(forward.node.returns) or []
    if any(each is not None and each.says_more for each in (*present.values(), *returned)):
        return "its annotations say what no run tells"
    given = [_arguments(call, forward, present) for call in forward.calls]
    if any(each is None for each in given):
        return "whether it is given several tensors or one container of them cannot be told: annotate its parameters"
    names = AxisNames()
    found = {}
    for name, parameter in parameters.items():
        tensors = [each.get(name) for each in given if each is not None]
        known = present[name]
        if parameter.annotation is not None and known is None:
            continue
        default = defaults(arguments).get(name)
        may_be_none = isinstance(default, ast.Constant) and default.value is None
        hint = _hint(tensors, names, known, may_be_none=may_be_none)
        if hint is not None:
            found[name] = hint
    return Hints(found, _returned(forward, returned, names))


def _arguments(call: Call, forward: Forward, present: Mapping[str, Written | None]) -> dict[str, TensorInfo] | None:
    """The tensors of a call by the parameter that takes them; None where that cannot be told.

    Records give tensors at ``[0]``, ``[1]`` both for two arguments and for one list of two.
    """
    arguments = forward.node.args
    positional = [*arguments.posonlyargs, *arguments.args][1:]
    places = [tensor.place for tensor in call.inputs]
    if places and all(place.startswith("[") for place in places) and not _takes_two(arguments):
        if len(positional) < 2:
            return {}
        if present[positional[0].arg] is None:
            return None if positional[0].annotation is None else {}
    known = {f"[{index}]": each.arg for index, each in enumerate(positional)}
    known |= {each.arg: each.arg for each in (*positional, *arguments.kwonlyargs)}
    if positional:
        known[""] = positional[0].arg
    return {known[tensor.place]: tensor for tensor in call.inputs if tensor.place in known}


def _takes_two(arguments: ast.arguments) -> bool:
    """Whether a call needs two positional arguments at least, besides ``self``."""
    return len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults) > 2


def _hint(
    tensors: Sequence[TensorInfo | None], names: AxisNames, written: Written | None, *, may_be_none: bool
) -> Hint | None:
    there = [each for each in tensors if each is not None]
    if not there or (len(there) < len(tensors) and not may_be_none):
        return None
    if len({len(each.shape) for each in there}) > 1 or any(size == -1 for each in there for size in each.shape):
        return None
    shapes = [None if each is None else each.shape for each in tensors]
    return Hint(_kind(there, written), names.text(shapes, written.names if written else ()), may_be_none)


def _kind(tensors: Iterable[TensorInfo], written: Written | None) -> str:
    kinds = {
        next((kind for pattern, kind in _DTYPES.items() if re.fullmatch(pattern, each.dtype)), "Shaped")
        for each in tensors
    }
    kind = kinds.pop() if len(kinds) == 1 else "Shaped"
    return written.kind if written is not None and written.kind is not None and written.kind in _KINDS[kind] else kind


def _returned(forward: Forward, written: Sequence[Written], names: AxisNames) -> tuple[Hint, ...]:
    if forward.node.returns is not None and not written:
        return ()
    outputs = [call.outputs for call in forward.calls]
    count = len(outputs[0])
    places = [""] if count == 1 and not outputs[0][0].place else [f"[{index}]" for index in range(count)]
    if any([each.place for each in call] != places for call in outputs) or not count:
        return ()
    if places != [""] and not _is_tuple(forward.node, count, written):
        return ()
    if written and len(written) != count:
        return ()
    hints = [
        _hint([call[index] for call in outputs], names, written[index] if written else None, may_be_none=False)
        for index in range(count)
    ]
    return tuple(each for each in hints if each is not None) if all(hints) else ()


def _is_tuple(node: ast.FunctionDef, count: int, written: Sequence[Written]) -> bool:
    """Whether what is returned is a tuple of so many, as each return or the annotation says."""
    if written:
        return isinstance(node.returns, ast.Subscript) and written_in(node.returns) is None
    returns = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
    return bool(returns) and all(
        isinstance(each, ast.Tuple)
        and len(each.elts) == count
        and not any(isinstance(part, ast.Starred) for part in each.elts)
        for each in returns
    )
