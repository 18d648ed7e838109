"""A network that works out the width of its own Linear, for whatever image it is made for.

Run it:

    python examples/flat_features.py
"""

import torch
from torch import nn

from convlin import num_flat_features, summarize


class Net(nn.Module):
    """Convolutions, and one Linear that fits behind them."""

    def __init__(self, image: tuple[int, int, int], classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(image[0], 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, stride=2),
            nn.ReLU(),
            nn.AvgPool2d(3),
        )
        self.fc = nn.Linear(num_flat_features(self.features, image), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).flatten(1))


if __name__ == "__main__":
    for image in ((1, 28, 28), (3, 32, 32), (3, 224, 160)):
        model = Net(image)
        print(image, model.fc, summarize(model, image).ok)
