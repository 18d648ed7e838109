#!/usr/bin/env bash
# torch 2.13.0.
# Guess: GroupNorm has no running statistics, so one sample is treated like two, in training as in
# evaluation; if one value per group is too few, it is too few for any batch.
# Behavior: with one value per group it refuses a batch of one, in evaluation too and with the words
# "when training", and takes a batch of two, though each sample is still normalized by itself and
# every output is the bias (0).
# Seen: ValueError for (1, 4) in both modes; (2, 4) gives values below 0.01.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

for training in True, False:
    layer = nn.GroupNorm(4, 4).train(training)
    try:
        layer(torch.rand(1, 4))
    except ValueError as error:
        print("training" if training else "evaluation", error)
        assert "when training" in str(error)
    else:
        raise AssertionError("a batch of one is taken")
    torch.manual_seed(0)
    y = layer(torch.rand(2, 4))
    print(tuple(y.shape), y.abs().max().item())
    assert y.shape == (2, 4) and y.abs().max() < 0.01
EOF
