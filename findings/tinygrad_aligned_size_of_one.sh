#!/usr/bin/env bash
# tinygrad 0.14.0 (DEV=PYTHON), torch 2.13.0.
# Guess: Tensor.interpolate gives what F.interpolate does, with align_corners too.
# Behavior: with align_corners and a new size of 1, on either axis, every value becomes NaN, where PyTorch takes the
# first row or column. An image of one row that keeps its row, as a sequence resized along its length, is NaN as a
# whole. Without align_corners, and for other sizes, both agree.
# Seen: NaN for 3×9 to 3×1 and for 1×9 to 1×5; equal for 3×9 to 5×5 and 2×9 to 2×5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 tinygrad==0.14.0

DEV=PYTHON "$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from tinygrad import Tensor
from torch.nn import functional as F

for old, new in (((3, 9), (5, 5)), ((3, 9), (3, 1)), ((1, 9), (1, 5)), ((2, 9), (2, 5))):
    x = torch.arange(1.0, old[0] * old[1] + 1).reshape(1, 1, *old)
    for aligned in (False, True):
        own = F.interpolate(x, size=new, mode="bilinear", align_corners=aligned)
        found = torch.from_numpy(Tensor(x.numpy()).interpolate(new, "linear", aligned).numpy().copy())
        print(old, new, aligned, own[0, 0, 0].tolist(), found[0, 0, 0].tolist())
        assert own.shape == found.shape and not own.isnan().any()
        if aligned and 1 in new:
            assert found.isnan().all()
        else:
            assert torch.allclose(own, found, atol=1e-4)
EOF
