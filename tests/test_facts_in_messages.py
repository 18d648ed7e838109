"""What a message says of the tensors that met is so, also of those that are neither a batch nor a first output."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import InputError, summarize


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(1, 4, 3, dtype=torch.cfloat), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.conv(x.to(torch.cfloat)).mean(-1))


def test_complex_numbers_are_not_cast_to_their_real_part() -> None:
    """``.float()`` runs, and drops the imaginary part: the layer is to be made for complex numbers."""
    (problem,) = summarize(Complex(), (1, 9)).problems
    assert "would drop the imaginary part" in problem.message
    assert problem.fix == "dtype=torch.complex64"
    model = Complex()
    model.fc = nn.Linear(4, 2, dtype=torch.complex64)
    assert summarize(model, (1, 9)).ok


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [
        ((2, 6, 13), (2, -1, 4), "one sample has 6·13 = 78 elements, not a multiple of 4"),
        ((2, 6, 13), (2, 5, 4), "one sample has 6·13 = 78 elements, not 20"),
        ((216,), (8, 1, 3, 3), "it has 216 elements, not 72"),
        ((216,), (-1, 5, 3), "it has 216 elements, not a multiple of 15"),
    ],
)
def test_what_a_view_cannot_take(given: tuple[int, ...], sizes: tuple[int, ...], said: str) -> None:
    class View(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(given).view(*sizes) + x.sum()

    with pytest.raises(RuntimeError):
        torch.zeros(given).view(*sizes)
    (problem,) = summarize(View(), (3,)).problems
    assert said in problem.message


def test_another_output_of_a_layer_is_not_taken_for_its_first() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.fc = nn.LSTM(16, 32, 2, batch_first=True), nn.Linear(64, 2)

        def forward(self, x: Tensor) -> Any:
            _, (h, _) = self.lstm(x)
            return self.fc(h)

    (problem,) = summarize(Last(), (12, 16)).problems
    assert "32 is the last axis of 2×1×32, another output of lstm" in problem.message


def test_a_squeeze_that_drops_the_batch_is_named_where_a_function_stops_behind_it() -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return F.softmax(self.fc(F.adaptive_avg_pool2d(self.conv(x), 1).squeeze()), dim=1)

    (problem,) = summarize(Squeezed(), (3, 9, 9)).problems
    assert "drops the batch of 1, too: write squeeze(1), flatten(1) or the like" in " ".join(problem.message.split())
    assert summarize(Squeezed(), (3, 9, 9), batch_size=2).ok


class Spectral(nn.Module):
    def __init__(self, given: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(given, 4, 5, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        modes = torch.einsum("bim,iom->bom", torch.fft.rfft(x)[..., :5], self.weight)
        return torch.fft.irfft(modes, n=x.shape[-1])


class SpectralOfImages(nn.Module):
    """A Fourier layer of two axes: PyTorch refuses complex numbers there in other words."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 4, 5, 5, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        modes = torch.einsum("bixy,ioxy->boxy", torch.fft.rfft2(x)[..., :5, :5], self.weight)
        return torch.fft.irfft2(modes, s=x.shape[-2:])


def test_a_fourier_layer_of_two_axes_may_take_real_numbers() -> None:
    summary = summarize(SpectralOfImages(), (2, 12, 12))
    assert summary.ok
    assert summary.report.inputs[0].dtype == "float32"
    assert summary.output_shape == SpectralOfImages()(torch.zeros(1, 2, 12, 12)).shape


@pytest.mark.parametrize("name", ["rfft", "rfft2", "rfftn", "ihfft", "ihfft2", "ihfftn"])
def test_whatever_fft_takes_real_numbers_alone_gets_them(name: str) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 1, 1, dtype=torch.cfloat))

        def forward(self, x: Tensor) -> Any:
            return getattr(torch.fft, name)(x) * self.weight

    summary = summarize(Scaled(), (2, 8, 8))
    assert summary.ok
    assert summary.report.inputs[0].dtype == "float32"
    assert summary.output_shape == Scaled()(torch.zeros(1, 2, 8, 8)).shape


@pytest.mark.parametrize("shape", [(2, 32), (2, "L")], ids=str)
def test_a_model_of_complex_weights_alone_may_take_real_numbers(shape: tuple[Any, ...]) -> None:
    try:
        summary = summarize(Spectral(), shape)
    except InputError as error:
        if "UnsupportedOperatorException" not in str(error):
            raise
        pytest.skip("this PyTorch has no FFT of sizes in letters")
    assert summary.ok
    assert summary.report.inputs[0].dtype == "float32"
    assert Spectral()(torch.zeros(1, 2, 32)).shape == (1, 4, 32)
    assert not summarize(Spectral(3), shape).ok
    complex_one = nn.Linear(4, 2, dtype=torch.cfloat)
    (problem,) = summarize(complex_one, (5,)).problems
    assert problem.required == 5


class MeanOfNodes(nn.Module):
    """The mean of a graph's nodes, as ``global_mean_pool`` makes it: a sum by scatter over a count."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lin, self.head = nn.Linear(9, 16), nn.Linear(features, 2)

    def pooled(self, x: Tensor, batch: Tensor) -> Tensor:
        graphs = int(batch.max()) + 1
        total = x.new_zeros(graphs, x.size(1)).scatter_add_(0, batch.view(-1, 1).expand_as(x), x)
        count = x.new_zeros(graphs).scatter_add_(0, batch, torch.ones_like(batch, dtype=x.dtype))
        return total / count.clamp(min=1).view(-1, 1).expand_as(total)

    def forward(self, x: Tensor, batch: Tensor) -> Tensor:
        made: Tensor = self.head(self.pooled(self.lin(x), batch))
        return made


def test_features_come_from_what_is_divided() -> None:
    given = [torch.randn(10, 9), torch.tensor([0] * 5 + [1] * 5)]
    means = torch.stack([given[0][:5].mean(0), given[0][5:].mean(0)])
    torch.testing.assert_close(MeanOfNodes(16).pooled(*given), means)
    (problem,) = summarize(MeanOfNodes(12), given).problems
    assert problem.required == 16
    assert "16 is the last axis of 2×16, the output of Tensor.scatter_add_" in problem.message
    assert MeanOfNodes(16)(*given).shape == (2, 2)
