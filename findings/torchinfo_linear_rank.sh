#!/usr/bin/env bash
# torchinfo 1.8.0, torch 2.13.0.
# Guess: 12 vectors through one Linear layer cost the same multiply-adds as (12, 4) or as (2, 6, 4).
# Behavior: the layer's weights count once per element of the first dimension only, so that the
# sequence dimension is left out. MultiheadAttention counts 0, and an Embedding, which multiplies
# nothing, counts its whole table per sample.
# Seen: 480 and 80; 0; 80.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 torchinfo==1.8.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torchinfo import summary


def mult_adds(model, *inputs):
    return summary(model, input_data=list(inputs), verbose=0).total_mult_adds


flat = mult_adds(nn.Linear(4, 8), torch.rand(12, 4))
sequence = mult_adds(nn.Linear(4, 8), torch.rand(2, 6, 4))
attention = mult_adds(nn.MultiheadAttention(4, 2), *[torch.rand(3, 1, 4)] * 3)
embedding = mult_adds(nn.Embedding(10, 4), torch.zeros(2, 5, dtype=torch.long))
print(flat, sequence, attention, embedding)
assert (flat, sequence, attention, embedding) == (480, 80, 0, 80)
EOF
