"""One network for each way in which a picture can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlin import Summary, summarize


class SmallCNN(nn.Module):
    """Two wrong numbers can be put in."""

    def __init__(self, channels: int = 16, features: int = 2048) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(channels, 32, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(features, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc1(self.pool(x).view(-1, 32 * 8 * 8))


class LeNet(nn.Module):
    """Pooling by functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))


def cifar10(features: int = 4096) -> nn.Module:
    """The CIFAR-10 CNN with its first Linear's number."""

    def block(into: int, between: int, out: int) -> list[nn.Module]:
        first = [nn.Conv2d(into, between, 3, padding=1), nn.BatchNorm2d(between), nn.ReLU()]
        return [*first, nn.Conv2d(between, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2)]

    layers = [*block(3, 32, 64), *block(64, 128, 128), nn.Dropout2d(0.05), *block(128, 256, 256)]
    heads = [nn.Linear(features, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, 10)]
    return nn.Sequential(nn.Sequential(*layers), nn.Flatten(), nn.Sequential(*heads))


def mobile() -> nn.Module:
    """Depthwise convolutions, each followed by one of 1×1."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU6()]
    for into, out, stride in ((16, 32, 1), (32, 64, 2), (64, 64, 1)):
        layers += [nn.Conv2d(into, into, 3, stride, 1, groups=into), nn.ReLU6(), nn.Conv2d(into, out, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg16() -> nn.Module:
    """Thirteen convolutions in five groups."""
    layers: list[nn.Module] = []
    channels = 3
    for width, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    heads = [nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*layers, *heads)


class ResidualBlock(nn.Module):
    """An identity, or a convolution where the size changes."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.downsample = nn.Conv2d(into, out, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.bn1(self.conv1(x)))) + self.downsample(x))


class ResNet(nn.Module):
    """Four stages of residual blocks."""

    def __init__(self, blocks: tuple[int, ...] = (2, 2, 2, 2)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3)
        stages, channels = [], 8
        for number, times in enumerate(blocks):
            width = 8 << number
            for turn in range(times):
                stages.append(ResidualBlock(channels, width, 2 if number and not turn else 1))
                channels = width
        self.layers = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layers(self.conv1(x)).mean((2, 3)))


class UNet(nn.Module):
    """Down, up, and long lines between."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32)) -> None:
        super().__init__()
        pairs = list(zip((3, *widths), widths, strict=False))
        self.downs = nn.ModuleList([nn.Conv2d(into, out, 3, padding=1) for into, out in pairs])
        self.pool = nn.MaxPool2d(2)
        self.middle = nn.Conv2d(widths[-1], 2 * widths[-1], 3, padding=1)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(2 * width, width, 2, 2) for width in reversed(widths)])
        self.joined = nn.ModuleList([nn.Conv2d(2 * width, width, 3, padding=1) for width in reversed(widths)])

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.downs:
            x = F.relu(down(x))
            kept.append(x)
            x = self.pool(x)
        x = self.middle(x)
        for up, joined, skip in zip(self.ups, self.joined, reversed(kept), strict=True):
            x = joined(torch.cat([skip, up(x)], 1))
        return x


class Encoder(nn.Module):
    """PyTorch's own Transformer layers."""

    def __init__(self, layers: int = 6, *, norm_first: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(32, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(tokens)).mean(1))


class Attention(nn.Module):
    """One block of a transformer as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.query, self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.project = nn.Linear(32, 32)
        self.mlp = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        normed = self.norm1(x)
        query, key, value = (
            layer(normed).view(batch, steps, 4, -1).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.project(attended.transpose(1, 2).reshape(batch, steps, width))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches, and blocks of attention."""

    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 8, 8)
        self.blocks = nn.Sequential(*(Attention() for _ in range(blocks)))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.patch(x).flatten(2).transpose(1, 2))[:, 0])


class Inception(nn.Module):
    """Four branches side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.branch1 = nn.Conv2d(16, 8, 1)
        self.branch3 = nn.Sequential(nn.Conv2d(16, 8, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1))
        self.branch5 = nn.Sequential(nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(16, 8, 1))
        self.fc = nn.Linear(40, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.pool(x)], 1)
        return self.fc(x.mean((2, 3)))


class DenseBlock(nn.Module):
    """Every layer takes all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.layers = nn.ModuleList([nn.Conv2d(8 + 4 * number, 4, 3, padding=1) for number in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        found = [self.stem(x)]
        for layer in self.layers:
            found.append(F.relu(layer(torch.cat(found, 1))))
        return torch.cat(found, 1)


class Tagger(nn.Module):
    """A recurrent layer, its last step, a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 32, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(64, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(self.lstm(self.embed(tokens))[0][:, -1])


class TwoInputs(nn.Module):
    """An image and a table."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.table = nn.Sequential(nn.Linear(10, 8), nn.ReLU())
        self.head = nn.Linear(16, 2)

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        return self.head(torch.cat([self.image(image), self.table(table)], 1))


def signal() -> nn.Module:
    """One spatial axis, and a wrong Linear."""
    layers = [nn.Conv1d(1, 8, 7, 2, 3), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(1000, 5)]
    return nn.Sequential(*layers)


def volume() -> nn.Module:
    """Three spatial axes."""
    return nn.Sequential(nn.Conv3d(1, 8, 3), nn.AdaptiveAvgPool3d((4, 4, 2)), nn.Flatten(), nn.Linear(256, 3))


def autoencoder() -> nn.Module:
    """Maps become a line, and a line becomes maps."""
    down = [nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1568, 16)]
    up = [nn.Linear(16, 1568), nn.Unflatten(1, (8, 14, 14)), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid()]
    return nn.Sequential(*down, *up)


def too_small() -> nn.Module:
    """The pass stops inside."""
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.Flatten(), nn.Linear(16, 2))


class Mixture(nn.Module):
    """Experts that are not one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*(nn.Linear(8 + number, 9 + number) for number in range(8)))
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 32), nn.Linear(32, 16)) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return torch.stack([expert(x) for expert in self.experts]).sum(0)


class Siamese(nn.Module):
    """Two arms of one trunk, and three outputs."""

    def __init__(self) -> None:
        super().__init__()
        depthwise = nn.Conv2d(8, 8, 3, groups=8)
        grouped = nn.Conv2d(8, 8, 3, groups=2)
        self.trunk = nn.Sequential(nn.Conv2d(1, 8, 3), depthwise, grouped, nn.Flatten(), nn.Linear(8 * 6 * 6, 16))
        self.match, self.kind = nn.Linear(16, 1), nn.Linear(16, 3)

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        first, second = self.trunk(left), self.trunk(right)
        return {"match": self.match((first - second).abs()), "embedding": first, "kind": self.kind(first)}


def mlp(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linears one after the other."""
    return nn.Sequential(*(nn.Linear(into, out) for into, out in pairwise(sizes)))


def _tokens(model: nn.Module) -> Summary:
    return summarize(model, (16,), dtypes=torch.long)


PICTURED: dict[str, Callable[[], Summary]] = {
    "small_cnn": lambda: summarize(SmallCNN(), (3, 32, 32)),
    "small_cnn_wrong": lambda: summarize(SmallCNN(15, 999), (3, 32, 32)),
    "small_cnn_view": lambda: summarize(SmallCNN(), (3, 40, 40)),
    "cifar10": lambda: summarize(cifar10(), (3, 32, 32)),
    "cifar10_wrong": lambda: summarize(cifar10(2304), (3, 32, 32)),
    "lenet": lambda: summarize(LeNet(), (1, 32, 32)),
    "mobile": lambda: summarize(mobile(), (3, 64, 64)),
    "vgg16": lambda: summarize(vgg16(), (3, 32, 32)),
    "resnet18": lambda: summarize(ResNet(), (3, 64, 64)),
    "resnet34": lambda: summarize(ResNet((3, 4, 6, 3)), (3, 64, 64)),
    "unet": lambda: summarize(UNet(), (3, 32, 32)),
    "encoder": lambda: _tokens(Encoder()),
    "encoder_norm_first": lambda: _tokens(Encoder(2, norm_first=True)),
    "vit": lambda: summarize(ViT(), (3, 32, 32)),
    "inception": lambda: summarize(Inception(), (3, 32, 32)),
    "dense_block": lambda: summarize(DenseBlock(), (3, 32, 32)),
    "tagger": lambda: _tokens(Tagger()),
    "two_inputs": lambda: summarize(TwoInputs(), [(3, 32, 32), (10,)]),
    "signal": lambda: summarize(signal(), (1, 500)),
    "volume": lambda: summarize(volume(), (1, 16, 16, 8)),
    "autoencoder": lambda: summarize(autoencoder(), (1, 28, 28)),
    "too_small": lambda: summarize(too_small(), (3, 8, 8)),
    "siamese": lambda: summarize(Siamese(), [(1, 12, 12), (1, 12, 12)]),
    "mixture": lambda: summarize(Mixture(), (8,)),
}

#: Those whose pictures are kept in files.
KEPT = ("small_cnn_wrong", "small_cnn_view", "lenet", "unet", "encoder", "vit", "inception", "two_inputs", "too_small")
