"""The small CNN whose relu and flatten are no modules, and the number behind its ``view``.

Run it:

    python examples/small_cnn.py
"""

import torch
import torch.nn.functional as F
from torch import nn

from convlin import summarize


class CNN(nn.Module):
    """Two convolutions, a pooling, a ``view`` and one Linear, for 3×32×32 images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(2048, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.max_pool(x)
        x = x.view(-1, 32 * 8 * 8)
        return self.fc1(x)


class WrongCNN(CNN):
    """The same, with a guess in place of 2048."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(999, 10)


if __name__ == "__main__":
    print(summarize(WrongCNN(), (3, 32, 32)))
