"""Linear layers that do not fit what reaches them.

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

# 1: a Linear behind convolutions has the wrong in_features ------------------------------------------------------------


@mistake(
    1, (3, 32, 32),
    Wrong("in_features", "fc1", 999, 2048, "self.fc1 = nn.Linear(999, 10)", "self.fc1 = nn.Linear(2048, 10)",
          ("receives 2048 features", "2048 = 32·8·8, the output of max_pool, flattened")),
)  # fmt: skip
class OneLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(999, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.max_pool(F.relu(self.bn2(self.conv2(x))))
        return self.fc1(x.view(-1, 32 * 8 * 8))


@mistake(
    1, (3, 32, 32),
    Wrong("in_features", "fc_layer.1", 2048, 4096, "nn.Linear(2048, 1024),", "nn.Linear(4096, 1024),",
          ("4096 = 256·4·4, the output of conv_layer.5, flattened",)),
    Wrong("in_features", "fc_layer.3", 1000, 1024, "nn.Linear(1000, 512),", "nn.Linear(1024, 512),",
          ("1024 is the last axis of 2×1024, the output of fc_layer.1",)),
    Wrong("in_features", "fc_layer.6", 500, 512, "nn.Linear(500, 10),  # ten classes",
          "nn.Linear(512, 10),  # ten classes"),
)  # fmt: skip
class ThreeLinears(nn.Module):
    """The fully connected part of a CIFAR-10 network, wrong in all its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(128, 256, 3, padding=1),
            nn.MaxPool2d(2, 2),
        )
        self.fc_layer = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(2048, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1000, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(500, 10),  # ten classes
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_layer(x)
        x = x.view(x.size(0), -1)
        return self.fc_layer(x)


@mistake(
    1, (1, 28, 28),
    Wrong("in_features", "fc1", 256, 400, "self.fc1 = nn.Linear(in_features=256, out_features=120, bias=False)",
          "self.fc1 = nn.Linear(in_features=400, out_features=120, bias=False)",
          ("400 = 16·5·5, the output of F.max_pool2d at ",)),
)  # fmt: skip
class FunctionalLeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(in_features=256, out_features=120, bias=False)  # 16 channels
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.fc1(x)))


@mistake(
    1, (3, 16, 16),
    Wrong("in_features", "heads.classes.1", 128, 256, '"classes": nn.Sequential(nn.Flatten(), nn.Linear(128, 10)),',
          '"classes": nn.Sequential(nn.Flatten(), nn.Linear(256, 10)),'),
    Wrong("in_features", "heads.boxes.1", 64, 256, '"boxes": nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),',
          '"boxes": nn.Sequential(nn.Flatten(), nn.Linear(256, 4)),',
          ("256 = 16·4·4, the output of blocks.1.1, flattened by heads.boxes.0",)),
)  # fmt: skip
class HeadsInModuleDict(nn.Module):
    """Blocks of a ModuleList in a loop, heads of a ModuleDict in another."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2)),
                nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.MaxPool2d(2)),
            ]
        )
        self.heads = nn.ModuleDict(
            {
                "classes": nn.Sequential(nn.Flatten(), nn.Linear(128, 10)),
                "boxes": nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),
            }
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for block in self.blocks:
            x = block(x)
        return {name: head(x) for name, head in self.heads.items()}


@mistake(
    1, [(3, 16, 16), (3, 16, 16)],
    Wrong("in_features", "embed", 100, 512, "self.embed = nn.Linear(100, 8)", "self.embed = nn.Linear(512, 8)"),
    Wrong("in_features", "compare", 8, 16, "self.compare = nn.Linear(8, 1)", "self.compare = nn.Linear(16, 1)"),
)  # fmt: skip
class SiameseShared(nn.Module):
    """One layer used twice has one mistake, not two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.embed = nn.Linear(100, 8)
        self.compare = nn.Linear(8, 1)

    def one(self, x: Tensor) -> Tensor:
        return self.embed(self.conv(x).flatten(1))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.compare(torch.cat([self.one(left), self.one(right)], dim=1))


@mistake(
    1, (3, 8, 8),
    Wrong("in_features", "layers.1", 18, 20, "self.layers.append(nn.Linear(18, 20))",
          "self.layers.append(nn.Linear(20, 20))"),
    Wrong("in_features", "out", 192, 20, "self.out = nn.Linear(192, 5)", "self.out = nn.Linear(20, 5)"),
)  # fmt: skip
class AppendedInLoop(nn.Module):
    """Layers of a list that is built by hand, and a last layer made before them; reported as they are met."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(192, 5)
        self.layers = nn.ModuleList([nn.Linear(192, 20)])
        self.layers.append(nn.Linear(18, 20))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(start_dim=1)
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.out(x)


class _WithClassifier(nn.Module):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.classifier = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@mistake(
    1, (3, 9, 9),
    Wrong("in_features", "classifier", 8, 16, "super().__init__(8, 6)", "super().__init__(16, 6)"),
)  # fmt: skip
class LayerOfBaseClass(_WithClassifier):
    def __init__(self) -> None:
        super().__init__(8, 6)


# 2: the flatten is forgotten ------------------------------------------------------------------------------------------


@mistake(
    2, (3, 16, 16),
    Wrong("structure", "fc", 1024, 1024, "return self.fc(F.relu(self.conv(x)))",
          "return self.fc(F.relu(self.conv(x)).flatten(1))",
          ("a 4-D tensor, 2×16×8×8, reaches Linear", "flatten it first", "16·8·8 = 1024 features")),
)  # fmt: skip
class NoFlatten(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.conv(x)))


@mistake(
    2, (3, 32, 32),
    Wrong("structure", "fc1", 8, 1024, "x = self.fc1(x)", "x = self.fc1(x.flatten(1))", ("a 4-D tensor",)),
    Wrong("in_features", "fc1", 8, 1024, "self.fc1 = nn.Linear(8, 10)", "self.fc1 = nn.Linear(1024, 10)",
          ("1024 = 16·8·8, once 2×16×8×8 is flattened",)),
    raises=False,
)  # fmt: skip
class SilentlyNoFlatten(nn.Module):
    """The width happens to equal in_features: no error, and a 4-D output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(4)
        self.fc1 = nn.Linear(8, 10)
        self.fc2 = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.fc1(x)
        return self.fc2(F.relu(x))


@mistake(
    2, (1, 12, 12, 12),
    Wrong("structure", "head.1", 4, 512, "self.head(self.body(x))", "self.head(self.body(x).flatten(1))",
          ("a 5-D tensor, 2×8×4×4×4",)),
    Wrong("in_features", "head.1", 4, 512, "nn.Linear(4, 3)", "nn.Linear(512, 3)"),
    raises=False,
)  # fmt: skip
class SilentlyNoFlatten3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 8, 3, stride=3), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@mistake(
    2, (1, 28, 28),
    Wrong("structure", "layers.0", 784, 784, "self.layers(x)", "self.layers(x.flatten(1))",
          ("a 4-D tensor, 2×1×28×28, reaches",)),
    Wrong("in_features", "layers.2", 64, 128, "nn.Linear(64, 10)", "nn.Linear(128, 10)"),
)  # fmt: skip
class ImageIntoLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@mistake(
    2, (3, 40),
    Wrong("structure", "fc", 160, 160, "return self.fc(self.pool(self.conv(x)))",
          "return self.fc(self.pool(self.conv(x)).flatten(1))", ("a 3-D tensor, 2×8×20",)),
)  # fmt: skip
class NoFlatten1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 5, padding=2)
        self.pool = nn.MaxPool1d(2)
        self.fc = nn.Linear(160, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.conv(x)))


# 11: the image is not of the size that the net was made for -----------------------------------------------------------


@mistake(
    11, (3, 92, 92),
    Wrong("in_features", "fc", 7200, 16928, "self.fc = nn.Linear(7200, 2)", "self.fc = nn.Linear(16928, 2)",
          ("16928 = 32·23·23", "in_features=7200 is right for a square input of 60×60 to 63×63")),
)  # fmt: skip
class LargerImage(nn.Module):
    """Made for images of 60 × 60: 7200 = 32·15·15."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.fc = nn.Linear(7200, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x))


@mistake(
    11, (1, 80),
    Wrong("in_features", "fc", 392, 312, "self.fc = nn.Linear(392, 2)", "self.fc = nn.Linear(312, 2)",
          ("in_features=392 is right for an input of length 100 to 101",)),
)  # fmt: skip
class ShorterSignal(nn.Module):
    """Made for signals of 100 samples: 392 = 8·49."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)
        self.fc = nn.Linear(392, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.avg_pool1d(self.conv(x), 2).flatten(1))


# 14: Conv1d, and (N, L, C) --------------------------------------------------------------------------------------------


@mistake(
    14, (1, 100),
    Wrong("in_features", "fc", 800, 784, "self.fc = nn.Linear(800, 2)", "self.fc = nn.Linear(784, 2)",
          ("784 = 8·98, the output of conv",)),
)  # fmt: skip
class Conv1dToLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)
        self.fc = nn.Linear(800, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.conv(x), start_dim=1))


@mistake(
    14, (100, 4),
    Wrong("in_channels", "conv", 4, 100, "x = F.relu(self.conv(x))", "x = F.relu(self.conv(x.permute(0, 2, 1)))",
          ("this looks like N,L,C", "permuted it is 2×4×100")),
    Wrong("in_features", "fc", 8, 784, "self.fc = nn.Linear(8, 2)", "self.fc = nn.Linear(784, 2)"),
)  # fmt: skip
class LengthBeforeChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        return self.fc(x.flatten(1))


# 15: Conv3d, and video as (N, T, C, H, W) -----------------------------------------------------------------------------


@mistake(
    15, (1, 16, 16, 16),
    Wrong("in_features", "head.2", 1000, 1728, "nn.Linear(1000, 2)", "nn.Linear(1728, 2)", ("1728 = 8·6·6·6",)),
)  # fmt: skip
class Conv3dToLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 4, 3), nn.MaxPool3d(2), nn.Conv3d(4, 8, 2))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(1000, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@mistake(
    15, (16, 3, 20, 20),
    Wrong("in_channels", "conv", 3, 16, "x = self.conv(clip)", "x = self.conv(clip.permute(0, 2, 1, 3, 4))",
          ("dimension 2 has the 3 channels", "permuted it is 2×3×16×20×20")),
)  # fmt: skip
class TimeBeforeChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.conv(clip)
        return self.fc(x.mean((2, 3, 4)))
