#!/usr/bin/env bash
# torch 2.13.0.
# Guess: the formula on the page of MaxPool1d for ceil_mode=True is what runs.
# Behavior: the page adds stride - 1 and rounds up as well, and takes a window away only where the last
# would start outside. Of 456 settings (lengths to 30, kernels and strides to 4, no padding) it has one
# window too many in 68. MaxPool2d and MaxPool3d have another formula, which is right; all run alike.
# Seen: 7 with kernel 3 and stride 2 gives 3, the page 4; 68 of 456 settings.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
from math import ceil

import torch
from torch import nn

page = " ".join(nn.MaxPool1d.__doc__.split())
assert r"\times (\text{kernel\_size} - 1) - 1 + (stride - 1)}{\text{stride}}\right\rceil + 1" in page


def documented(length, kernel, stride):
    size = ceil((length - (kernel - 1) - 1 + (stride - 1)) / stride) + 1
    return size - 1 if (size - 1) * stride >= length else size


def runs(length, kernel, stride):
    return nn.MaxPool1d(kernel, stride, ceil_mode=True)(torch.zeros(1, 1, length)).shape[-1]


print(runs(7, 3, 2), documented(7, 3, 2))
assert (runs(7, 3, 2), documented(7, 3, 2)) == (3, 4)
settings = [(length, kernel, stride) for kernel in range(1, 5) for stride in range(1, 5) for length in range(kernel, 31)]
more = [documented(*each) - runs(*each) for each in settings]
print(len(settings), sum(map(bool, more)))
assert set(more) == {0, 1}
assert sum(more) == 68
EOF
