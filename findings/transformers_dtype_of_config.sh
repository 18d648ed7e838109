#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: a config with dtype="bfloat16" makes a bfloat16 model, however the model is built from it.
# Behavior: BertModel(config) ignores it and is float32; AutoModel.from_config(config) follows it.
# Seen: torch.float32, torch.bfloat16.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import AutoModel, BertConfig, BertModel

config = BertConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
    vocab_size=50, dtype="bfloat16",
)
seen = BertModel(config).dtype, AutoModel.from_config(config).dtype
print(*seen)
assert seen == (torch.float32, torch.bfloat16)
EOF
