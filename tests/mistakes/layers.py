"""Normalizations, recurrent layers, transposed convolutions, attention; kinds of numbers.

Every model is written as its author would have written it, mistake and all, and stands under what must be answered.
The file is copied by a test that writes the corrections into the copy and runs that.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.mistakes import record
from tests.mistakes.record import Mistake, Wrong

MISTAKES: list[Mistake] = []
mistake = partial(record.mistake, MISTAKES)

# 9: normalizations of the wrong width or rank; a batch of one in training ---------------------------------------------


@mistake(
    9, (3, 8, 8),
    Wrong("num_features", "bn1", 32, 64, "self.bn1 = nn.BatchNorm2d(32, momentum=0.05)",
          "self.bn1 = nn.BatchNorm2d(64, momentum=0.05)",
          ("BatchNorm2d(32, …) receives 64 channels, expects 32", "the output of conv1")),
    Wrong("num_features", "norm", 8, 16, "self.norm = nn.InstanceNorm2d(8, affine=True)",
          "self.norm = nn.InstanceNorm2d(16, affine=True)"),
    Wrong("in_features", "fc", 10, 1024, "self.fc = nn.Linear(10, 2)", "self.fc = nn.Linear(1024, 2)"),
)  # fmt: skip
class NormsOfOtherWidth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(32, momentum=0.05)
        self.conv2 = nn.Conv2d(64, 16, 1)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.norm(self.conv2(x))
        return self.fc(x.flatten(1))


@mistake(
    9, (3, 8, 8),
    Wrong("structure", "1", 3, 4, "nn.BatchNorm1d(8),", "nn.BatchNorm2d(8),",
          ("BatchNorm1d(8, …) expects 2 or 3 dimensions", "got 4: 2×8×6×6")),
    Wrong("num_features", "4", 4, 5, "nn.BatchNorm1d(4),", "nn.BatchNorm1d(5),"),
)  # fmt: skip
class NormOfOtherRank(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm1d(8),
            nn.Flatten(),
            nn.Linear(288, 5),
            nn.BatchNorm1d(4),
        )


@mistake(
    9, (32,),
    Wrong("batch", "bn", 1, 2, advice="batch_size=2 or more, or model.eval()",
          says=("in training needs more than one value per channel", "1×16 has one")),
    batch_size=1, mode="train", mended=False,
)  # fmt: skip
class BatchOfOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32, 16)
        self.bn = nn.BatchNorm1d(16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.fc(x))
        return F.relu(x)


@mistake(
    9, (3, 4, 4),
    Wrong("batch", "pool.2", 1, 2, advice="batch_size=2 or more, or model.eval()"),
    Wrong("in_features", "fc", 16, 8, "self.fc = nn.Linear(16, 4)", "self.fc = nn.Linear(8, 4)"),
    batch_size=1, mode="train", mended=False,
)  # fmt: skip
class BatchOfOneBehindPooling(nn.Module):
    """Image-level pooling, as in DeepLab: one value per channel is left."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x).flatten(1))


# 10: recurrent layers and Linear --------------------------------------------------------------------------------------


@mistake(
    10, (20, 8),
    Wrong("structure", "fc", "Tensor", "tuple", "return self.fc(x)", "return self.fc(x[0])",
          ("LSTM returns (output, (h_n, c_n)): take [0]",)),
)  # fmt: skip
class TupleOfLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lstm(x)
        return self.fc(x)


@mistake(
    10, (20, 8),
    Wrong("structure", "1", "Tensor", "tuple", "nn.Linear(16, 3)", None, ("GRU returns (output, h_n): take [0]",)),
    Wrong("in_features", "1", 16, 32, "nn.Linear(16, 3)", "nn.Linear(32, 3)", ("32 = 2·16: 0 is bidirectional",)),
    mended=False,
)  # fmt: skip
class RecurrentInSequential(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.GRU(8, 16, bidirectional=True, batch_first=True), nn.Linear(16, 3))


@mistake(
    10, (20, 9),
    Wrong("input_size", "lstm", 8, 9, "self.lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)",
          "self.lstm = nn.LSTM(9, 16, num_layers=2, bidirectional=True, batch_first=True)",
          ("receives 9 features, expects 8",)),
    Wrong("in_features", "fc", 16, 32, "self.fc = nn.Linear(16, 3)", "self.fc = nn.Linear(32, 3)",
          ("32 = 2·16", "lstm is bidirectional")),
)  # fmt: skip
class BidirectionalLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])


@mistake(
    10, (6,),
    Wrong("input_size", "cell", 5, 6, "self.cell = nn.GRUCell(5, 12)", "self.cell = nn.GRUCell(6, 12)"),
    Wrong("in_features", "fc", 6, 12, "self.fc = nn.Linear(6, 1)", "self.fc = nn.Linear(12, 1)"),
)  # fmt: skip
class CellInLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(5, 12)
        self.fc = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = None
        for _ in range(3):
            hidden = self.cell(x, hidden)
        return self.fc(hidden)


@mistake(
    10, (20, 8),
    Wrong("batch", "fc", 32, 32, "return self.fc(h.flatten(1))", None,
          ("receives 16 features with a batch of 1, and 32 with one of 2",
           "with the batch in front, .transpose(0, 1)")),
    mended=False, batch_size=1,
)  # fmt: skip
class LastStateOfTwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True)
        self.fc = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = self.lstm(x)
        return self.fc(h.flatten(1))


# 13: transposed convolutions ------------------------------------------------------------------------------------------


@mistake(
    13, (4, 4, 4),
    Wrong("output_size", "up", (10, 10), ((7, 7), (8, 8)), "return self.up(x, output_size=(10, 10))",
          "return self.up(x, output_size=(8, 8))", ("cannot give 10×10 from 2×4×4×4", "7×7 to 8×8")),
)  # fmt: skip
class OutputSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x, output_size=(10, 10))


@mistake(
    13, (8, 10),
    Wrong("output_padding", "up.1", (2,), (1,), "output_padding=2", "output_padding=1"),
    Wrong("in_channels", "last", 8, 4, "self.last = nn.ConvTranspose1d(8, 1, 2, stride=2)",
          "self.last = nn.ConvTranspose1d(4, 1, 2, stride=2)"),
)  # fmt: skip
class OutputPadding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.ReLU(), nn.ConvTranspose1d(8, 4, 3, stride=2, output_padding=2))
        self.last = nn.ConvTranspose1d(8, 1, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(x))


@mistake(
    13, (1, 8, 8, 8),
    Wrong("in_channels", "decoder.0", 8, 4, "nn.ConvTranspose3d(8", "nn.ConvTranspose3d(4",
          ("receives 4 channels, expects 8",)),
)  # fmt: skip
class TransposedChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv3d(1, 4, 3, stride=2, padding=1)
        self.decoder = nn.ModuleList([nn.ConvTranspose3d(8, 2, 2, 2), nn.Conv3d(2, 1, 1)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        for layer in self.decoder:
            x = layer(x)
        return x


# 17: the kind of numbers ----------------------------------------------------------------------------------------------


@mistake(
    17, torch.zeros(2, 4, dtype=torch.float64),
    Wrong("dtype", "fc1", "float32", "float64", "x = self.fc1(x)", "x = self.fc1(x.float())",
          ("float64 reaches Linear(in_features=4, out_features=3), whose weights are float32",)),
    Wrong("in_features", "fc2", 4, 3, "self.fc2 = nn.Linear(4, 1)", "self.fc2 = nn.Linear(3, 1)"),
)  # fmt: skip
class DoubleInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.fc2 = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x)


@mistake(
    17, torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
    Wrong("dtype", "net.0", "float32", "uint8", "return self.net(image)",
          "return self.net(image.float())", ("uint8 reaches Conv2d(3, 4, …), whose weights are float32",)),
)  # fmt: skip
class ByteImage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)


@mistake(
    17, torch.zeros(2, 7),
    Wrong("dtype", "embedding", "int64", "float32", "x = self.embedding(tokens)",
          "x = self.embedding(tokens.long())", ("float32 reaches Embedding(10, 4), which takes integers",)),
    Wrong("in_features", "fc", 5, 4, "self.fc = nn.Linear(5, 2)", "self.fc = nn.Linear(4, 2)"),
)  # fmt: skip
class FloatTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.fc = nn.Linear(5, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.fc(x)


@mistake(
    17, torch.tensor([[1, 2, 12]]),
    Wrong("num_embeddings", "embedding", 10, 13, "self.embedding = nn.Embedding(10, 4, padding_idx=0)",
          "self.embedding = nn.Embedding(13, 4, padding_idx=0)",
          ("index 12 reaches Embedding(10, 4, …), which has the indices 0 to 9",)),
    values=True,
)  # fmt: skip
class IndexOutOfRange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4, padding_idx=0)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)


# 18: the width of LayerNorm, GroupNorm, MultiheadAttention ------------------------------------------------------------


@mistake(
    18, (7, 32),
    Wrong("normalized_shape", "norm", (64,), (32,), "self.norm = nn.LayerNorm(64)", "self.norm = nn.LayerNorm(32)",
          ("normalizes over 64, and 2×7×32 ends in 32",)),
    Wrong("embed_dim", "attention", 16, 32, "self.attention = nn.MultiheadAttention(16, 4, batch_first=True)",
          "self.attention = nn.MultiheadAttention(32, 4, batch_first=True)", ("receives 32 features, expects 16",)),
    Wrong("in_features", "fc", 16, 32, "self.fc = nn.Linear(16, 32)", "self.fc = nn.Linear(32, 32)"),
)  # fmt: skip
class AttentionBlock(nn.Module):
    """The residual sums behind what stands in are no mistakes of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(64)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.fc = nn.Linear(16, 32)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.fc(F.relu(x))


@mistake(
    18, (24, 10, 10),
    Wrong("num_channels", "norms.0", 16, 24, "self.norms = nn.ModuleList([nn.GroupNorm(4, 16), nn.GroupNorm(2, 12)])",
          "self.norms = nn.ModuleList([nn.GroupNorm(4, 24), nn.GroupNorm(2, 24)])"),
    Wrong("num_channels", "norms.1", 12, 24, "self.norms = nn.ModuleList([nn.GroupNorm(4, 16), nn.GroupNorm(2, 12)])",
          "self.norms = nn.ModuleList([nn.GroupNorm(4, 24), nn.GroupNorm(2, 24)])"),
    Wrong("num_parameters", "act", 8, 24, "self.act = nn.PReLU(8)", "self.act = nn.PReLU(24)"),
)  # fmt: skip
class GroupNorms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(4, 16), nn.GroupNorm(2, 12)])
        self.act = nn.PReLU(8)

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = norm(x)
        return self.act(x)


@mistake(
    18, [(5, 12), (6, 10)],
    Wrong("kdim", "attention", 8, 10, "self.attention = nn.MultiheadAttention(12, 3, kdim=8, vdim=9, batch_first=True)",
          "self.attention = nn.MultiheadAttention(12, 3, kdim=10, vdim=10, batch_first=True)"),
    Wrong("vdim", "attention", 9, 10, "self.attention = nn.MultiheadAttention(12, 3, kdim=8, vdim=9, batch_first=True)",
          "self.attention = nn.MultiheadAttention(12, 3, kdim=10, vdim=10, batch_first=True)"),
    Wrong("normalized_shape", "norm", (5, 10), (5, 12), "self.norm = nn.RMSNorm((5, 10))",
          "self.norm = nn.RMSNorm((5, 12))"),
)  # fmt: skip
class CrossAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, kdim=8, vdim=9, batch_first=True)
        self.norm = nn.RMSNorm((5, 10))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        attended, _ = self.attention(x, memory, memory)
        return self.norm(x + attended)


@mistake(
    18, (7, 32),
    Wrong("embed_dim", "blocks.1", 16, 32, "nn.MultiheadAttention(16, 4)", "nn.MultiheadAttention(32, 4)"),
    Wrong("in_features", "fc", 64, 32, "self.fc = nn.Linear(64, 2)", "self.fc = nn.Linear(32, 2)"),
)  # fmt: skip
class AttentionWidth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.MultiheadAttention(32, 4)])
        self.blocks.append(nn.MultiheadAttention(16, 4))
        self.fc = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x, _ = block(x, x, x)
        return self.fc(x)


@mistake(
    10, (20, 8),
    Wrong("in_features", "fc", 16, 32, "self.fc = nn.Linear(16, 3)", "self.fc = nn.Linear(32, 3)"),
)  # fmt: skip
class LastOfBidirectional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 16, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.gru(x)
        return self.fc(out[:, -1])


@mistake(
    18, [(6,), (9,)],
    Wrong("in1_features", "join", 5, 6, "self.join = nn.Bilinear(5, 8, 3)", "self.join = nn.Bilinear(6, 9, 3)"),
    Wrong("in2_features", "join", 8, 9, "self.join = nn.Bilinear(5, 8, 3)", "self.join = nn.Bilinear(6, 9, 3)"),
)  # fmt: skip
class BothOfBilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.join = nn.Bilinear(5, 8, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.join(left, right)


@mistake(
    18, (3, 12, 12),
    Wrong("in_channels", "conv", 4, 3, "self.conv = nn.Conv2d(4, 6, 3)", "self.conv = nn.Conv2d(3, 6, 3)"),
    Wrong("in_channels", "depthwise", 8, 6, "self.depthwise = nn.Conv2d(8, 16, 3, groups=8, bias=False)",
          "self.depthwise = nn.Conv2d(6, 12, 3, groups=6, bias=False)"),
    Wrong("num_features", "norm", 16, 12, "self.norm = nn.BatchNorm2d(16)", "self.norm = nn.BatchNorm2d(12)"),
    Wrong("in_channels", "grouped", 16, 12, "self.grouped = nn.Conv2d(16, 10, 3, groups=2)",
          "self.grouped = nn.Conv2d(12, 10, 3, groups=2)"),
    Wrong("num_channels", "groups", 12, 10, "self.groups = nn.GroupNorm(4, 12)", "self.groups = nn.GroupNorm(2, 10)"),
)  # fmt: skip
class Depthwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3)
        self.depthwise = nn.Conv2d(8, 16, 3, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.grouped = nn.Conv2d(16, 10, 3, groups=2)
        self.groups = nn.GroupNorm(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.groups(self.grouped(self.norm(self.depthwise(self.conv(x)))))


@mistake(
    9, (5, 10),
    Wrong("num_features", "norm", 20, 5, "x = self.norm(x)", "x = self.norm(x.permute(0, 2, 1)).permute(0, 2, 1)",
          ("2×5×20: this looks like N,L,C (channels last)", "permuted it is 2×20×5")),
    Wrong("in_features", "fc", 7, 20, "self.fc = nn.Linear(7, 2)", "self.fc = nn.Linear(20, 2)"),
)  # fmt: skip
class NormBehindRecurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(10, 20, batch_first=True)
        self.norm = nn.BatchNorm1d(20)
        self.fc = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        x = self.norm(x)
        return self.fc(x[:, -1])


@mistake(
    10, (40, 100),
    Wrong("input_size", "gru", 64, 100, "_, h = self.gru(x)", "_, h = self.gru(x.permute(0, 2, 1))",
          ("2×64×100: dimension 1 has the 64 features", "permuted it is 2×100×64")),
    Wrong("in_features", "fc", 5, 32, "self.fc = nn.Linear(5, 3)", "self.fc = nn.Linear(32, 3)"),
)  # fmt: skip
class RecurrentBehindConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(40, 64, 3, padding=1)
        self.gru = nn.GRU(64, 32, batch_first=True)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        _, h = self.gru(x)
        return self.fc(h[-1])
