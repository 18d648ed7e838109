#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.fx.experimental.optimization.fuse folds a BatchNorm into the convolution before it where that keeps the
# outputs, and leaves a convolution alone that is called twice, as it leaves one whose output is used twice.
# Behavior: it looks at the uses of the output and not at the calls of the layer. A convolution that is called twice
# takes the BatchNorm after one call into its weight, and the other call computes with it too; after two BatchNorms it
# has both. The outputs change, without a warning.
# Seen: not equal for a convolution with a BatchNorm after one of two calls, and with one after each; equal for a
# convolution called once, and for one whose output is used twice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.fx.experimental.optimization import fuse


class Model(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(2) for _ in range(2))
        self.run = run

    def forward(self, x):
        return self.run(self.conv, *self.norms, x)


def used_twice(conv, norm, _, x):
    y = conv(x)
    return norm(y) + y


runs = {
    "called once": lambda conv, norm, _, x: norm(conv(x)),
    "output used twice": used_twice,
    "called twice, one norm": lambda conv, norm, _, x: norm(conv(x)) + conv(x),
    "called twice, two norms": lambda conv, norm, other, x: other(conv(norm(conv(x)))),
}
equal = {}
for name, run in runs.items():
    torch.manual_seed(0)
    model, x = Model(run), torch.randn(8, 2, 5, 5)
    for _ in range(20):
        model.train()(x)
    with torch.no_grad():
        equal[name] = torch.allclose(fuse(model.eval())(x), model(x), atol=1e-4)
print(equal)
assert list(equal.values()) == [True, True, False, False]
EOF
