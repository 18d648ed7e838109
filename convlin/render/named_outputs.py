"""What PyTorch's documentation calls the several outputs of a layer, and how an index is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call
from convlin.render.words import dots
from convlin.sizes.serialize import is_closed_form, is_size
from convlin.sizes.spell import spell

#: By type of layer, and a setting that PyTorch's own layer of that name has: places and names.
#: Source: the sections "Outputs" of torch.nn.LSTM, RNN, GRU, LSTMCell and MultiheadAttention.
_NAMES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "LSTM": ("hidden_size", {"[0]": "output", "[1][0]": "h_n", "[1][1]": "c_n"}),
    "GRU": ("hidden_size", {"[0]": "output", "[1]": "h_n"}),
    "RNN": ("hidden_size", {"[0]": "output", "[1]": "h_n"}),
    "LSTMCell": ("hidden_size", {"[0]": "h_1", "[1]": "c_1"}),
    "MultiheadAttention": ("num_heads", {"[0]": "attn_output", "[1]": "attn_output_weights"}),
}
#: A longer index is shown as ``[...]``.
_LONGEST = 20


def output_names(call: Call) -> Mapping[str, str]:
    """The names by the place of an output, ``{"[0]": "output", "[1]": "h_n"}``; empty where there are none.

    >>> output_names(Call("rnn", "GRU", settings={"hidden_size": 4}))
    {'[0]': 'output', '[1]': 'h_n'}
    >>> output_names(Call("rnn", "GRU"))
    {}
    """
    setting, names = _NAMES.get(call.type, ("", {}))
    return names if setting in call.settings else {}


def type_text(type_: str, calls: Iterable[Call]) -> str:
    """The type of calls that one row stands for, an index written out where it is one or steps evenly.

    >>> calls = [Call("", "Tensor[...]", settings={"1": (slice(None), step)}, is_function=True) for step in range(9)]
    >>> type_text("Tensor[...]", calls[:1]), type_text("Tensor[...]", calls)
    ('Tensor[:, 0]', 'Tensor[:, 0–8]')
    """
    if type_ != "Tensor[...]":
        return type_
    taken = {part_taken(call): None for call in calls}
    parts = [part for part in taken if part is not None]
    if len(parts) < len(taken) or len({text for text, _ in parts}) != 1:
        return type_
    places = [_places(column) for column in zip(*[numbers for _, numbers in parts], strict=True)]
    if None in places:
        return type_
    text = parts[0][0].format(*places)
    return type_ if len(text) > _LONGEST else f"Tensor[{text}]"


def _places(numbers: Sequence[int]) -> str | None:
    """The number at one place of an index, or those it runs through; None where they do not step evenly."""
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) > 1:
        return None
    return dots(numbers) if steps - {0} else str(numbers[0])


def part_taken(call: Call) -> tuple[str, tuple[int, ...]] | None:
    """Which part of a tensor a function takes: its index with ``{}`` for each number, and the numbers.

    >>> part_taken(Call("", "Tensor[...]", settings={"1": (slice(None), 4)}, is_function=True))
    (':, {}', (4,))
    """
    if not call.is_function or not call.settings:
        return None
    if OPS.called(call.type).family not in (Family.INDEX, Family.PART):
        return None
    numbers: list[int] = []
    given = tuple(call.settings.values())
    text = _index(given[0] if len(given) == 1 else given, numbers)
    return None if text is None else (text, tuple(numbers))


def _index(value: Any, numbers: list[int]) -> str | None:
    if isinstance(value, tuple):
        parts = [_index(item, numbers) for item in value]
        return ", ".join(part for part in parts if part is not None) if value and None not in parts else None
    if value is Ellipsis:
        return "..."
    if isinstance(value, slice):
        bounds = [value.start, value.stop, value.step]
        if not all(bound is None or is_size(bound) for bound in bounds):
            return None
        start, stop, step = ("" if bound is None else _bound(bound, numbers) for bound in bounds)
        return f"{start}:{stop}{f':{step}' if step else ''}"
    return _bound(value, numbers) if value is None or is_size(value) else None


def _bound(value: Any, numbers: list[int]) -> str:
    if type(value) is not int:
        return spell(value) if is_closed_form(value) else str(value)
    numbers.append(value)
    return "{}"
