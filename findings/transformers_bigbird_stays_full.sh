#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: a sequence too short for block-sparse attention gets full attention for that call, and a forward pass in
# evaluation changes nothing of the model.
# Behavior: one short sequence replaces the attention module of each layer, for good (a warning tells of the change, not
# that it stays). Longer sequences then go through full attention too and come out with other values; the config goes on
# saying block_sparse.
# Seen: block_sparse, BigBirdBlockSparseAttention, and after 16 tokens original_full, BigBirdSelfAttention; the output
# for the same 256 tokens is the same twice before, and another after.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import BigBirdConfig, BigBirdModel

torch.manual_seed(0)
model = BigBirdModel(
    BigBirdConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        vocab_size=100, max_position_embeddings=256, block_size=4, num_random_blocks=1,
    )
).eval()
tokens = torch.randint(0, 100, (1, 256))


def state():
    return model.attention_type, type(model.encoder.layer[0].attention.self).__name__, model.config.attention_type


with torch.no_grad():
    first, second = (model(tokens).last_hidden_state for _ in range(2))
    before = state()
    model(tokens[:, :16])
    after, third = state(), model(tokens).last_hidden_state
print(before, after, float((first - third).abs().max()))
assert before == ("block_sparse", "BigBirdBlockSparseAttention", "block_sparse")
assert after == ("original_full", "BigBirdSelfAttention", "block_sparse")
assert torch.equal(first, second) and not torch.allclose(first, third, atol=1e-4)
EOF
