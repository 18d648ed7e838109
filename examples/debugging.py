"""A debugging session: a network that fails with ``mat1 and mat2 shapes cannot be multiplied``.

Run it:

    python examples/debugging.py
"""

import torch
import torch.nn.functional as F
from torch import nn

from convlin import Print, summarize


class Digits(nn.Module):
    """For 1×28×28 images, written with the numbers of a net for 32×32 ones, and one slip."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


if __name__ == "__main__":
    model = Digits()

    print("PyTorch stops at the first mistake and names no layer.  One run of summarize finds both:\n")
    s = summarize(model, (1, 28, 28))
    print(s)

    print("\nWhere the number of fc1 comes from:\n")
    print(s.explain("fc1"))

    print("\nThe numbers alone:", dict(s.required_in_features))

    print("\nA look at the values that pass, as with print:\n")
    look = nn.Sequential(nn.Flatten(), Print("flat"), nn.ReLU(), Print("positive"))
    look(torch.arange(-4.0, 4.0).reshape(1, 2, 2, 2))
