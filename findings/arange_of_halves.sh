#!/usr/bin/env bash
# torch 2.13.0, CPU, meta and fake tensors, torch.export.
# Guess: arange(7 / 2, dtype=torch.long) has the length of the page's formula, ceil(3.5) = 4, whatever the dtype.
# Behavior: for int64, and for no other dtype, start, end and step are cut to integers before the length is computed;
# the other dtypes follow the page. A step of 1.5 becomes 1 and makes more elements, one of 0.5 becomes 0 and raises.
# Everything without values agrees with the CPU. torch 2.14.1 follows the page for int64 too, so that a number of
# positions that is written so grows by one with the update.
# Seen: 3 for int64, 4 for int32, int16 and float32; arange(0, 3, 1.5) 3 and 2; "step must be nonzero".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


class Positions(nn.Module):
    def forward(self, x):
        return x + torch.arange(7 / 2, dtype=torch.int64)


def length(*arguments, dtype=torch.int64, device="cpu"):
    return len(torch.arange(*arguments, dtype=dtype, device=device))


others = torch.int32, torch.int16, torch.float32, None
print(length(7 / 2), [length(7 / 2, dtype=dtype) for dtype in others])
assert length(7 / 2) == 3 and all(length(7 / 2, dtype=dtype) == 4 for dtype in others)
assert torch.arange(7 / 2, dtype=torch.int32).tolist() == [0, 1, 2, 3]
assert length(7 / 2, device="meta") == 3
with FakeTensorMode():
    assert length(7 / 2) == 3
assert torch.export.export(Positions(), (torch.zeros(1),)).module()(torch.zeros(1)).shape == (3,)

assert (length(-0.5, 2.5), length(-0.5, 2.5, dtype=torch.int32)) == (2, 3)
assert (length(0, 3, 1.5), length(0, 3, 1.5, dtype=torch.int32)) == (3, 2)
assert length(0, 2, 0.5, dtype=torch.int32) == 4
try:
    length(0, 2, 0.5)
    raise AssertionError("taken")
except ValueError as error:
    print(error)
    assert "step must be nonzero" in str(error)
EOF
