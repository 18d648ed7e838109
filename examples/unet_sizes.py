"""Which image sizes does this U-Net take, and what comes out of it?

Run it:

    python examples/unet_sizes.py
"""

import torch
from torch import nn

from convlin import summarize


def double(channels: int, width: int) -> nn.Sequential:
    """Two convolutions that keep the size."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    )


class UNet(nn.Module):
    """Three times half the size and back, with a skip connection at each level."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.down3 = double(3, 16), double(16, 32), double(32, 64)
        self.bottom = double(64, 128)
        self.up3 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.up2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.out3, self.out2, self.out1 = double(128, 64), double(64, 32), double(32, 16)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down1(x)
        second = self.down2(self.pool(first))
        third = self.down3(self.pool(second))
        x = self.up3(self.bottom(self.pool(third)))
        x = self.up2(self.out3(torch.cat([x, third], 1)))
        x = self.up1(self.out2(torch.cat([x, second], 1)))
        return self.head(self.out1(torch.cat([x, first], 1)))


if __name__ == "__main__":
    model = UNet()

    print("With letters in the place of numbers:\n")
    s = summarize(model, (3, "H", "W"), columns=["layer", "type", "output"], depth=1)
    print(s)

    print("\nAn image of 100×100 does not go through:\n")
    for problem in summarize(model, (3, 100, 100)).problems:
        print(problem.message)

    print("\nOne of 96×128 does:", summarize(model, (3, 96, 128)).check().output_shape)
