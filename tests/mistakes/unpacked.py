"""What is taken apart into more or fewer names than it has parts.

Every model is written as its author would have written it, mistake and all, and stands under what must be answered.
The file is copied by a test that writes the corrections into the copy and runs that.
"""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from tests.mistakes import record
from tests.mistakes.record import Mistake, Wrong

MISTAKES: list[Mistake] = []
mistake = partial(record.mistake, MISTAKES)


@mistake(
    21, (3, 16, 16),
    Wrong("structure", "", 4, 3, "b, c, h, w = x.shape",
          says=("b, c, h, w are 4 names, and x.shape has 3 sizes", "x is 2×8×196, the output of Tensor.flatten",
                "in front of that it is 2×8×14×14")),
    mended=False,
)  # fmt: skip
class SizesOfFlattened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2)
        b, c, h, w = x.shape
        return self.fc(x.view(b, c, h * w).mean(2))


@mistake(
    21, (6, 32),
    Wrong("structure", "", 3, 2, "q, k, v = self.qkv(x).chunk(3)", "q, k, v = self.qkv(x).chunk(3, dim=-1)",
          ("q, k, v are 3 names, and chunk(3, dim=0) gives 2 parts",
           "self.qkv(x) is 2×6×96, with 2 in dimension 0",
           "along dim=-1 it gives 3 of 2×6×32")),
)  # fmt: skip
class ChunksOfTheBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3)
        return self.out(F.scaled_dot_product_attention(q, k, v))


@mistake(
    21, (7, 8),
    Wrong("structure", "", 2, 1, "out, (h, c) = self.rnn(x)", "out, h = self.rnn(x)",
          ("(h, c) are 2 names for one tensor, 1×2×16, which rnn returns",
           "GRU returns (output, h_n): only an LSTM returns (output, (h_n, c_n))")),
)  # fmt: skip
class StatesOfGRU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        out, (h, c) = self.rnn(x)
        return self.fc(h[-1])


@mistake(
    21, (7, 8),
    Wrong("structure", "", 3, 2, "out, h, c = self.rnn(x)", "out, (h, c) = self.rnn(x)",
          ("out, h, c are 3 names, and LSTM returns two: (output, (h_n, c_n))",)),
)  # fmt: skip
class StatesOfLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        out, h, c = self.rnn(x)
        return self.fc(h[-1])


@mistake(
    21, (12,),
    Wrong("structure", "", 3, 2, "mean, variance, rest = self.encoder(x)",
          "mean, variance, rest = self.encoder(x).chunk(3, dim=-1)",
          ("mean, variance, rest are 3 names, and self.encoder(x) is one tensor, 2×24",
           "taken apart along its first dimension it gives 2 parts", ".chunk(3, dim=-1) gives 3 of 2×8")),
)  # fmt: skip
class RowsOfTheBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 24)
        self.decoder = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        mean, variance, rest = self.encoder(x)
        return self.decoder(mean + variance * rest)
