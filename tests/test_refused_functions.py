"""Functions that refuse what reaches them: the cause is named, and PyTorch runs what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from convlin import summarize
from convlin.at_error.answer import answer_to


class Joins(nn.Module):
    def __init__(self, width: int, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.change, self.fc = change, nn.Linear(width, 4)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.fc(torch.cat((self.change(one), other), 1))


@pytest.mark.parametrize(
    ("one", "other", "width"), [((6,), (1, 9), 15), ((3, 7), (3, 5, 7), 7), ((3, 5, 7), (3, 2, 5, 7), 7)]
)
def test_the_axis_that_a_cat_misses(one: tuple[int, ...], other: tuple[int, ...], width: int) -> None:
    given = torch.rand(one), torch.rand(other)
    (problem,) = summarize(Joins(width), given).problems  # and nothing of the Linear, which is right
    match = re.search(r"unsqueeze\((\d)\) makes", problem.message)
    assert match is not None
    axis = int(match[1])
    Joins(width, lambda x: x.unsqueeze(axis))(*given)


@pytest.mark.parametrize(("one", "other"), [((6,), (3, 9)), ((6,), (1, 2, 6))])
def test_where_no_one_axis_is_missing_none_is_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    problem = summarize(Joins(15), (torch.rand(one), torch.rand(other))).problems[0]
    assert "dimensions" in problem.message
    assert "unsqueeze" not in problem.message


def test_at_the_error_as_well() -> None:
    model, given = Joins(7), (torch.rand(3, 7), torch.rand(3, 5, 7))
    with pytest.raises(RuntimeError) as info:
        model(*given)
    found = answer_to(info.value)
    assert found is not None
    assert "unsqueeze(1) makes 3×1×7 of 3×7" in found.text


class Does(nn.Module):
    """A convolution, and something behind it."""

    def __init__(self, does: Callable[..., Tensor], channels: int = 2) -> None:
        super().__init__()
        self.conv, self.does = nn.Conv2d(channels, 4, 1), does

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self.conv(x))


@pytest.mark.parametrize("axes", [(0, 2, 1), (0, 1, 2, 3, 4)])
def test_a_permute_of_another_number_of_axes(axes: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="permute"):
        torch.zeros(1, 4, 5, 6).permute(axes)
    for written in (lambda x: x.permute(*axes), lambda x: x.permute(axes), lambda x: torch.permute(x, axes)):
        (problem,) = summarize(Does(written), (2, 5, 6)).problems
        said = f"permute names {len(axes)} axes, ({', '.join(map(str, axes))}), and 1×4×5×6 has 4"
        assert said in " ".join(problem.message.split())


class Multiplies(nn.Module):
    def __init__(self, axis: int | None = None) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        if self.axis is not None:
            one, other = (each.unsqueeze(self.axis) if each.dim() == 2 else each for each in (one, other))
        return torch.bmm(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [((4, 6, 3), (4, 3)), ((4, 6), (4, 6, 3)), ((4, 6), (4, 1, 3)), ((5, 6), (1, 6, 3))]
)
def test_a_matrix_for_a_product_of_batches(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    given = [torch.rand(one), torch.rand(other)]
    with pytest.raises(RuntimeError, match="3D"):
        Multiplies()(*given)
    (problem,) = summarize(Multiplies(), given).problems
    found = re.search(r"unsqueeze\((\d)\) makes", problem.message)
    assert found is not None
    Multiplies(int(found[1]))(*given)


@pytest.mark.parametrize(("one", "other"), [((4, 6), (6, 4)), ((4, 6), (5, 7, 3)), ((1, 6), (1, 6, 3))])
def test_where_no_one_place_makes_them_go_together_none_is_named(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    (problem,) = summarize(Multiplies(), [torch.rand(one), torch.rand(other)]).problems
    assert "bmm takes tensors of 3 dimensions alone" in problem.message
    assert "unsqueeze" not in problem.message
    assert "transpose" not in problem.message


class Products(nn.Module):
    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.mm(one, other)


def test_mm_takes_matrices_alone() -> None:
    given = [torch.rand(2, 4, 6), torch.rand(2, 6, 3)]
    with pytest.raises(RuntimeError, match="must be a matrix"):
        Products()(*given)
    (problem,) = summarize(Products(), given).problems
    assert "mm takes tensors of 2 dimensions alone" in problem.message


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda: nn.Conv2d(8, 8 // 16, 1), "Conv2d is made with out_channels=0"),
        (lambda: nn.Conv2d(8, 4, 0), "Conv2d is made with kernel_size=(0, 0)"),
        (lambda: nn.Conv2d(8, 4, 3, stride=(0, 1)), "Conv2d is made with stride=(0, 1)"),
        (lambda: nn.MaxPool2d(2, 0), "MaxPool2d is made with stride=0"),
    ],
)
def test_a_layer_of_nothing_says_what_it_was_made_with(layer: Callable[[], nn.Module], said: str) -> None:
    model = nn.Sequential(layer())
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 8, 9, 9))
    (problem,) = summarize(model, (8, 9, 9)).problems
    assert problem.message.splitlines()[1] == said


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_behind_a_convolution_of_no_channels_nothing_else_is_wrong() -> None:
    model = nn.Sequential(nn.Conv2d(0, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)).eval()
    (problem,) = summarize(model, (3, 9, 9)).problems
    assert (problem.path, problem.declared, problem.required) == ("0", 0, 3)
    model[0] = nn.Conv2d(3, 8, 1)
    assert model(torch.zeros(1, 3, 9, 9)).shape == (1, 4, 9, 9)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_linear_of_no_features_is_remarked_on() -> None:
    model = nn.Sequential(nn.Linear(8, 8 // 16), nn.ReLU(), nn.Linear(8 // 16, 8))
    one, other = torch.rand(2, 1, 8)
    assert torch.equal(model(one), model(other))
    summary = summarize(model, (8,))
    assert summary.ok
    (remark,) = summary.report.remarks
    assert remark == "0: Linear with out_features=0 gives no features, and nothing behind it depends on its input"


IN_PLACE: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "+=": (lambda x, y: x.__iadd__(y), "; x = x + y makes a new tensor"),
    "/=": (lambda x, y: x.__itruediv__(y), "; x = x / y makes a new tensor"),
    "Tensor.masked_fill_": (lambda x, y: x.masked_fill_(y > 0, 0.0), ""),
}


class Gate(nn.Module):
    """Writes into what a layer of ``left`` features made."""

    def __init__(self, left: int, right: int, write: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, left), nn.Linear(8, right), nn.Linear(max(left, right), 3)
        self.write = write

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.c(self.write(self.a(x), self.b(x)))
        return made


@pytest.mark.parametrize(("name", "write", "instead"), [(name, *found) for name, found in IN_PLACE.items()])
def test_what_is_written_into_a_tensor_that_is_too_small(
    name: str, write: Callable[[Tensor, Tensor], Tensor], instead: str
) -> None:
    """PyTorch stretches what is added, and never what it is written into."""
    for left, right in ((16, 1), (16, 16)):
        Gate(left, right, write).eval()(torch.ones(2, 8))
        assert summarize(Gate(left, right, write), (8,)).ok
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        Gate(1, 16, write).eval()(torch.ones(2, 8))
    summary = summarize(Gate(1, 16, write), (8,))
    (problem,) = summary.problems
    message = " ".join(problem.message.split())
    assert f"{name} cannot combine 1×1 (a) and 1×16" in message
    assert f"together they make 1×16, and the first has no room for that{instead}" in message
    assert summary.report.completed
