"""Functions that a model compiles inside ``forward``: a pass that is looked at runs them as they are written."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from convlin import summarize, watch


@torch.compile(backend="eager", fullgraph=True)
def cut(x: Tensor) -> Tensor:
    """Three rows of what is positive."""
    return x.relu()[:, :3]


class Compiled(nn.Module):
    """Calls a compiled function of its file."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        return cut(self.first(x))


class Attention(nn.Module):
    """FlexAttention, which compiles a function of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Any:
        from torch.nn.attention.flex_attention import flex_attention

        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 2, 8).permute(2, 0, 3, 1, 4)
        attended: Any = flex_attention(q, k, v)
        return self.out(attended.transpose(1, 2).flatten(2))


def test_a_compiled_function_inside_forward_is_no_mistake() -> None:
    model = Compiled().eval()
    with torch.no_grad():
        expected = {length: tuple(model(torch.zeros(1, length, 4)).shape) for length in (2, 6)}
    s = summarize(model, (6, 4))
    assert (s.ok, s.output_shape) == (True, expected[6])
    s = summarize(model, ("L", 4))
    assert s.ok
    assert s.output_shape is not None
    for length, shape in expected.items():
        assert tuple(size if isinstance(size, int) else size.subs({"L": length}) for size in s.output_shape) == shape


def test_flex_attention_runs_and_a_watched_call_does_not_fail() -> None:
    model, x = Attention().eval(), torch.zeros(1, 16, 16)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's, that it was called without torch.compile
        expected = model(x).shape
        s = summarize(model, (16, 16))
        assert [problem.message for problem in s.problems] == []
        assert s.output_shape == tuple(expected)
        with watch(model):
            assert model(x).shape == expected
