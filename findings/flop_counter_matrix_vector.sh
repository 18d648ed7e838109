#!/usr/bin/env bash
# torch 2.13.0, torch.utils.flop_counter.FlopCounterMode.
# Guess: a product counts by its sizes, however it is written.
# Behavior: matrix times vector and dot count 0, as does Bilinear; the same product written as
# einsum or as a Linear layer counts in full.
# Seen: mv 0, matmul with a vector 0, batched 0, dot 0, Bilinear 0; einsum 8, Linear 32.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def flops(call, *args):
    with FlopCounterMode(display=False) as counter:
        call(*args)
    return counter.get_total_flops()


matrix, vector = torch.rand(4, 4), torch.rand(4)
uncounted = [
    flops(torch.mv, matrix, vector),
    flops(torch.matmul, matrix, vector),
    flops(torch.matmul, torch.rand(3, 4, 4), vector),
    flops(torch.dot, vector, vector),
    flops(nn.Bilinear(3, 4, 5), torch.rand(1, 3), torch.rand(1, 4)),
]
counted = [
    flops(torch.einsum, "i,i", vector, vector),
    flops(nn.Linear(4, 4), vector),
]
print(uncounted, counted)
assert uncounted == [0] * 5 and counted == [8, 32]
EOF
