"""What is proposed where a mistake has more than one way out: each way is taken as it is told, and PyTorch is asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import summarize

# Dtypes that the caller names -----------------------------------------------------------------------------------------


class Looked(nn.Module):
    """Takes indices, in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.table, self.weight = how, nn.Embedding(50, 4), nn.Parameter(torch.zeros(50, 4))

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "layer":
            return self.table(x)
        if self.how == "function":
            return F.embedding(x, self.weight)
        if self.how == "index_select":
            return self.weight.index_select(0, x.reshape(-1))
        return F.one_hot(x, 4)


class WordsAndFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.fc = nn.Embedding(50, 4), nn.Linear(3, 4)

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        return self.fc(features) + self.table(words).mean(1)


WAYS = ["layer", "function", "index_select", "one_hot"]


# On the meta device not every function looks at the dtype.
@pytest.mark.parametrize(("how", "device"), [*((how, "cpu") for how in WAYS), ("layer", "meta")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_that_were_asked_for_are_not_made_integers(how: str, dtype: torch.dtype, device: str) -> None:
    model = Looked(how)
    with pytest.raises((RuntimeError, IndexError)):
        model(torch.zeros(2, 7, dtype=dtype))
    summary = summarize(model, (7,), dtypes=dtype, device=device)
    [problem] = summary.problems
    assert summary.report.calls[0].inputs[0].dtype == str(dtype).removeprefix("torch.")
    assert ".long()" in str(problem.fix)
    model(torch.zeros(2, 7, dtype=dtype).long())


@pytest.mark.parametrize("how", WAYS)
def test_floats_that_nobody_asked_for_become_integers(how: str) -> None:
    model = Looked(how)
    assert summarize(model, (7,)).ok
    assert summarize(model, (7,), dtypes="long").ok
    model(torch.zeros(2, 7, dtype=torch.long))


@pytest.mark.parametrize(
    ("dtypes", "ok"),
    [
        (None, True),
        ({"words": torch.long}, True),
        ({"features": torch.float32}, True),
        ({"words": torch.float32}, False),
        ([torch.float32, torch.float32], False),
    ],
)
def test_of_several_inputs_those_alone_are_kept_that_have_a_name(dtypes: Any, ok: bool) -> None:
    summary = summarize(WordsAndFeatures(), [(3,), (7,)], dtypes=dtypes)
    assert summary.ok == ok
    assert summary.ok or [(each.path, each.kind) for each in summary.problems] == [("table", "dtype")]
    assert summary["fc"].inputs[0].dtype == "float32", "these are features, whatever the words are"
