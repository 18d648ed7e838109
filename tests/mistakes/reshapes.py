"""Views and reshapes that do not fit, or that fit and should not.

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

# 3: view(-1, N) with a wrong N that does not divide -------------------------------------------------------------------


@mistake(
    3, (3, 36, 36),
    Wrong("reshape", "", 2048, 2592, "x = x.view(-1, 32 * 8 * 8)", "x = x.flatten(1)",
          ("view(-1, 2048) cannot take 1×32×9×9, the output of pool", "32·9·9 = 2592 elements, not 2048")),
    Wrong("in_features", "fc", 2048, 2592, "self.fc = nn.Linear(2048, 10)", "self.fc = nn.Linear(2592, 10)"),
    batch_size=1,
)  # fmt: skip
class ViewDoesNotFit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(2048, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv(x)))
        x = x.view(-1, 32 * 8 * 8)
        return self.fc(x)


@mistake(
    3, (2, 50),
    Wrong("reshape", "net", 100, 400, "return self.fc(torch.relu(self.conv(x)).reshape(x.size(0), 100))",
          "return self.fc(torch.relu(self.conv(x)).flatten(1))", ("8·50 = 400 elements, not 100",)),
    Wrong("in_features", "net.fc", 100, 400, "self.fc = nn.Linear(100, 3)", "self.fc = nn.Linear(400, 3)"),
    Wrong("in_features", "last", 4, 3, "self.last = nn.Linear(4, 1)", "self.last = nn.Linear(3, 1)"),
)  # fmt: skip
class ReshapeInChild(nn.Module):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(2, 8, 3, padding=1)
            self.fc = nn.Linear(100, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.relu(self.conv(x)).reshape(x.size(0), 100))

    def __init__(self) -> None:
        super().__init__()
        self.net = ReshapeInChild.Net()
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.net(x))


@mistake(
    3, (1, 10, 10, 10),
    Wrong("reshape", "", 1000, 256, "flat = torch.reshape(x, (-1, 1000))", "flat = torch.flatten(x, 1)"),
    Wrong("in_features", "fc", 1000, 256, "self.fc = nn.Linear(1000, 2)", "self.fc = nn.Linear(256, 2)"),
)  # fmt: skip
class TorchReshape3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3, stride=2)
        self.fc = nn.Linear(1000, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        flat = torch.reshape(x, (-1, 1000))
        return self.fc(flat)


# 4: view(-1, N) with a wrong N that divides: the batch changes --------------------------------------------------------


@mistake(
    4, (3, 64, 64),
    Wrong("batch", "", 2048, 8192, "x = x.view(-1, 32 * 8 * 8)", "x = x.flatten(1)",
          ("the batch went from 1 to 4", "32·16·16 = 8192 features")),
    Wrong("in_features", "fc", 2048, 8192, "self.fc = nn.Linear(2048, 10)", "self.fc = nn.Linear(8192, 10)"),
    raises=False, batch_size=1,
)  # fmt: skip
class ViewChangesBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(2048, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv(x)))
        x = x.view(-1, 32 * 8 * 8)
        return self.fc(x)


@mistake(
    4, (1, 24),
    Wrong("batch", "", 48, 96, "x = x.reshape(-1, 48)", "x = x.flatten(1)", ("the batch went from 2 to 4",)),
    Wrong("in_features", "head.0", 48, 96, "self.head = nn.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 2))",
          "self.head = nn.Sequential(nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, 2))"),
    raises=False,
)  # fmt: skip
class ReshapeChangesBatch1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3, padding=1)
        self.head = nn.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.reshape(-1, 48)
        return self.head(x)


@mistake(
    4, (3, 8, 8),
    Wrong("batch", "", 288, 144, "return self.fc(self.conv(x).view(-1, 288))",
          "return self.fc(self.conv(x).flatten(1))", ("4·6·6 = 144 features",)),
    Wrong("in_features", "fc", 288, 144, "self.fc = nn.Linear(288, 5)", "self.fc = nn.Linear(144, 5)"),
    raises=False,
)  # fmt: skip
class BatchIntoFeatures(nn.Module):
    """Twice the features, and the two samples become one row."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(288, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).view(-1, 288))


@mistake(
    4, (3, 8, 8),
    Wrong("batch", "", 288, 144, "x = x.flatten()", "x = x.flatten(1)"),
    Wrong("in_features", "fc", 143, 144, "self.fc = nn.Linear(143, 5)", "self.fc = nn.Linear(144, 5)"),
)  # fmt: skip
class FlattenWithBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(143, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.flatten()
        return self.fc(x)


@mistake(
    4, (3, 64, 64),
    Wrong("batch", "", 2048, 8192, "x = F.dropout(F.relu(F.max_pool2d(F.relu(self.conv(x)), 2)), 0.1).view(-1, 2048)",
          "x = F.dropout(F.relu(F.max_pool2d(F.relu(self.conv(x)), 2)), 0.1).flatten(1)",
          ("makes 8×2048 of 2×32×16×16: the batch went from 2 to 8",)),
    Wrong("in_features", "fc", 2048, 8192, "self.fc = nn.Linear(2048, 10)", "self.fc = nn.Linear(8192, 10)"),
    raises=False,
)  # fmt: skip
class ViewAmongOthers(nn.Module):
    """Functions that keep the shape stand on the same line: it is the view that is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.fc = nn.Linear(2048, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(F.relu(F.max_pool2d(F.relu(self.conv(x)), 2)), 0.1).view(-1, 2048)
        return self.fc(x)


@mistake(
    4, (3, 64, 64),
    Wrong("batch", "net.1", 2048, 8192, "return x.view(-1, 32 * 8 * 8)", "return x.flatten(1)",
          ("the batch went from 2 to 8",)),
    Wrong("in_features", "net.2", 2048, 8192, "nn.Linear(2048, 10)", "nn.Linear(8192, 10)"),
    raises=False, watched=(Wrong("batch", "net.1", 2048, 8192, advice="x = x.flatten(1)"),),
)  # fmt: skip
class ViewInModule(nn.Module):
    """The view is a module of its own."""

    class View(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(-1, 32 * 8 * 8)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 32, 3, stride=4, padding=1), ViewInModule.View(), nn.Linear(2048, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


# 19: Unflatten --------------------------------------------------------------------------------------------------------


@mistake(
    19, (16,),
    Wrong("reshape", "decoder.1", (32, 8, 8), 1024, "nn.Unflatten(1, (32, 8, 8)),", None,
          ("32·8·8 = 2048", "dimension 1 of 2×1024 has 1024",
           "either decoder.0 gives 2048, or the sizes multiply to 1024")),
    Wrong("in_channels", "decoder.3", 16, 8, "nn.ConvTranspose2d(16, 1, 2),", "nn.ConvTranspose2d(8, 1, 2),"),
    mended=False,
)  # fmt: skip
class UnflattenLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(16, 1024),
            nn.Unflatten(1, (32, 8, 8)),
            nn.ConvTranspose2d(32, 8, 2, stride=2),
            nn.ConvTranspose2d(16, 1, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(x)


@mistake(
    19, (10,),
    Wrong("reshape", "", (4, 6), 20, "x = self.fc(x).unflatten(1, (4, 6))", None,
          ("4·6 = 24", "either fc gives 24, or the sizes multiply to 20")),
    mended=False,
)  # fmt: skip
class UnflattenFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 20)
        self.conv = nn.Conv1d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x).unflatten(1, (4, 6))
        return self.conv(x)


@mistake(
    19, (10,),
    Wrong("reshape", "", 128, 100, "x = x.view(-1, 8, 4, 4)", None,
          ("view(-1, 8, 4, 4) cannot take 2×100, the output of fc", "100 elements, not 128")),
    mended=False,
)  # fmt: skip
class ViewIntoImage(nn.Module):
    """A generator: what follows was written for the sizes of the view."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 100)
        self.up = nn.ConvTranspose2d(8, 1, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        x = x.view(-1, 8, 4, 4)
        return self.up(x)


# 20: view of a tensor that is not contiguous --------------------------------------------------------------------------


@mistake(
    20, (5, 6, 6),
    Wrong("reshape", "", "view", "reshape", "x = x.view(x.size(0), -1)", "x = x.reshape(x.size(0), -1)",
          ("view(2, -1) cannot take 2×6×6×5", "use reshape")),
    Wrong("in_features", "fc", 18, 180, "self.fc = nn.Linear(18, 2)", "self.fc = nn.Linear(180, 2)"),
)  # fmt: skip
class ViewOfPermuted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(18, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = x.view(x.size(0), -1)
        return self.fc(x)


@mistake(
    20, (7, 12),
    Wrong("reshape", "blocks.0", "view", "reshape", "transpose(1, 2).view(x.", "transpose(1, 2).reshape(x."),
)  # fmt: skip
class ViewOfTransposed(nn.Module):
    """Heads of an attention put together without ``contiguous()``."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(12, 12)
            self.out = nn.Linear(12, 12)

        def forward(self, x: Tensor) -> Tensor:
            heads = self.project(x).view(x.size(0), x.size(1), 3, 4).transpose(1, 2)
            heads = torch.softmax(heads @ heads.transpose(2, 3), dim=-1) @ heads
            joined = heads.transpose(1, 2).view(x.size(0), x.size(1), 12)
            return self.out(joined)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ViewOfTransposed.Block()])

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks[0](x)


@mistake(
    4, (100,),
    Wrong("batch", "", 6272, 12544, "x = torch.relu(self.fc(x)).view(-1, 128, 7, 7)",
          "x = torch.relu(self.fc(x)).view(-1, 256, 7, 7)",
          ("the batch went from 2 to 4", "one sample has 12544 = 256·7·7 elements")),
)  # fmt: skip
class GeneratorChangesBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(100, 256 * 7 * 7)
        self.up = nn.ConvTranspose2d(256, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.fc(x)).view(-1, 128, 7, 7)
        return self.up(x)


@mistake(
    4, (1, 12, 12),
    Wrong("batch", "net.1", 400 * 2, 400, "nn.Flatten(0),", "nn.Flatten(1),",
          ("the batch of 2 went into the features", "one sample has 4·10·10 = 400 features")),
    Wrong("in_features", "net.2", 99, 400, "nn.Linear(99, 3),", "nn.Linear(400, 3),"),
)  # fmt: skip
class FlattenLayerWithBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.Flatten(0),
            nn.Linear(99, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
