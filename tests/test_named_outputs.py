"""The several outputs of a layer have the names of PyTorch's documentation, and an index is shown as it is written."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convlin import Summary, summarize

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "LSTM": (nn.LSTM(4, 3), (5, 4), nn.LSTM.__doc__ or ""),
    "GRU": (nn.GRU(4, 3), (5, 4), nn.GRU.__doc__ or ""),
    "RNN": (nn.RNN(4, 3), (5, 4), nn.RNN.__doc__ or ""),
    "LSTMCell": (nn.LSTMCell(4, 3), (4,), nn.LSTMCell.__doc__ or ""),
    "MultiheadAttention": (nn.MultiheadAttention(4, 2), (5, 4), nn.MultiheadAttention.forward.__doc__ or ""),
}


class Around(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        given = (x, x, x) if isinstance(self.layer, nn.MultiheadAttention) else (x,)
        first: Tensor = self.layer(*given)[0]
        return first


def documented(text: str) -> list[str]:
    """The names under "Outputs" of a layer's documentation."""
    outputs = re.split(r"\n\s*Outputs?:", text)[1]
    names = re.findall(r"\*\*(\w+)\*\*", outputs.split("Attributes:")[0].split("Variables:")[0])
    # "Outputs: output, (h_n, c_n)" lists a lone one without stars.
    return list(dict.fromkeys([*re.findall(r"\w+_?\w*", outputs.split("\n")[0]), *names]))


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_have_the_names_of_the_documentation(name: str) -> None:
    layer, shape, text = LAYERS[name]
    table = summarize(Around(layer), shape).table(width=200)
    shown = re.findall(
        r"(?<=  )([a-z]\w+)(?= +\d+×\d)", table.partition("Arithmetic")[2].rpartition("\n\nparameters")[0]
    )
    assert len(shown) >= 2
    assert [each for each in documented(text) if each in shown] == shown


class LSTM(nn.Module):
    """A layer of the user's own, with a name of PyTorch's."""

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return x, (x, x)


def test_a_layer_of_the_users_has_places() -> None:
    table = str(summarize(Around(LSTM()), (4,)))
    assert "[1][0] 1×4" in table
    assert "h_n" not in table


def taken(index: Any) -> str:
    class Taken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[index]

    summary = summarize(Taken(), (6, 7, 8))
    assert str(Summary.from_json(summary.to_json())) == str(summary)
    return next(found for found in re.findall(r"Tensor\[.*?\](?= )", str(summary)))


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        ":, -1",
        "..., 0",
        ":, None",
        "None",
        ":, 0, 1:, ::2",
        ":, :, 1:5:2, 3",
        ":, 2",
        ":, -3:, 0, ..., None",
    ],
)
def test_an_index_is_shown_as_it_is_written(text: str) -> None:
    index = eval(f"At()[{text}]", {"At": type("At", (), {"__getitem__": lambda self, index: index})})
    assert taken(index) == f"Tensor[{text}]"


def test_an_index_that_cannot_be_written_is_left_out() -> None:
    assert taken((slice(None), torch.tensor([0, 1]), 0)) == "Tensor[...]"
    assert taken((slice(None), [0, 1], 0)) == "Tensor[...]"
    assert taken((slice(None), slice(None, -1), slice(1, -1, 3), slice(2, -26))) == "Tensor[...]"  # too long
