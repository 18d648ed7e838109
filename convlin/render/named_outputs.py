"""What PyTorch's documentation calls the several outputs of a layer, and how an index is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from convlin.records import Call
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
    """The type of calls that one row stands for, an index written out where it is the same in all of them.

    >>> type_text("Tensor[...]", [Call("", "Tensor[...]", settings={"1": (slice(None), -1)})])
    'Tensor[:, -1]'
    """
    if type_ != "Tensor[...]":
        return type_
    texts = {_index(call.settings["1"]) if "1" in call.settings else None for call in calls}
    text = texts.pop() if texts else None
    return type_ if texts or text is None or len(text) > _LONGEST else f"Tensor[{text}]"


def _index(value: Any) -> str | None:
    if isinstance(value, tuple):
        parts = [_index(item) for item in value]
        return ", ".join(part for part in parts if part is not None) if value and None not in parts else None
    if value is Ellipsis:
        return "..."
    if isinstance(value, slice):
        bounds = [value.start, value.stop, value.step]
        if not all(bound is None or is_size(bound) for bound in bounds):
            return None
        start, stop, step = ("" if bound is None else _bound(bound) for bound in bounds)
        return f"{start}:{stop}{f':{step}' if step else ''}"
    return _bound(value) if value is None or is_size(value) else None


def _bound(value: Any) -> str:
    return spell(value) if is_closed_form(value) else str(value)
