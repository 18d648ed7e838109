#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a pool asks the same of each axis in one, two and three dimensions.
# Behavior: avg_pool3d wants the whole kernel inside the bare input, whatever the padding, and
# fractional_max_pool3d wants one cell more than its windows fill. The pages of AvgPool3d and
# FractionalMaxPool3d state no such condition.
# Seen: kernel 3 with padding 1 gives 1 of 2 in one and two dimensions and a RuntimeError in three;
# windows of 3 in 8 cells make up to 6 outputs in two dimensions and up to 5 in three.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F


def takes(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except RuntimeError:
        return False
    return True


padded = {}
for dims, pool in enumerate((F.avg_pool1d, F.avg_pool2d, F.avg_pool3d), start=1):
    padded[dims] = takes(pool, torch.zeros(1, 1, *(2,) * dims), 3, padding=1)
print(padded)
assert padded == {1: True, 2: True, 3: False}

most = {}
for dims, pool in ((2, F.fractional_max_pool2d), (3, F.fractional_max_pool3d)):
    x = torch.zeros(1, 1, *(8,) * dims)
    most[dims] = max(size for size in range(1, 9) if takes(pool, x, 3, output_size=size))
print(most)
assert most == {2: 6, 3: 5}
EOF
