#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: pooler_output of an image backbone is (batch, channels) for all convolutional ones.
# Behavior: ResNet and RegNet keep two sizes of 1, ConvNext drops them.
# Seen: (1, 16, 1, 1), (1, 16, 1, 1), (1, 16).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import (
    ConvNextConfig, ConvNextModel, RegNetConfig, RegNetModel, ResNetConfig, ResNetModel,
)

small = dict(hidden_sizes=[8, 16], depths=[1, 1])
models = [
    ResNetModel(ResNetConfig(embedding_size=8, layer_type="basic", **small)),
    RegNetModel(RegNetConfig(embedding_size=8, groups_width=8, **small)),
    ConvNextModel(ConvNextConfig(num_stages=2, **small)),
]
shapes = [tuple(m.eval()(torch.rand(1, 3, 32, 32)).pooler_output.shape) for m in models]
print(*shapes)
assert shapes == [(1, 16, 1, 1), (1, 16, 1, 1), (1, 16)]
EOF
