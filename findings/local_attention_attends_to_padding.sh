#!/usr/bin/env bash
# local-attention 1.11.2, torch 2.13.0.
# Guess: with autopad the attention pads a sequence to whole windows, and the padding changes no result.
# Behavior: without a mask the padded keys, all zeros, take part in the softmax of the tokens in the last two windows.
# A mask of nothing but True turns this off. LocalMHA pads too, and gives another result with that mask than without.
# A causal attention never looks that far ahead.
# Seen: attention over values that are all 1 gives 1 for 8 of 20 tokens, and less for the other 12; with the mask, and
# causal, 1 for all 20.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 local-attention==1.11.2

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from local_attention import LocalAttention, LocalMHA

torch.manual_seed(0)
length, window = 20, 8
query, key = torch.rand(1, 1, length, 16), torch.rand(1, 1, length, 16)
value = torch.ones(1, 1, length, 16)
everything = torch.ones(1, length, dtype=torch.bool)


def ones(causal=False, mask=None):
    attention = LocalAttention(window_size=window, dim=16, causal=causal, autopad=True).eval()
    return torch.isclose(attention(query, key, value, mask=mask)[0, 0, :, 0], torch.ones(length)).tolist()


print(sum(ones()), sum(ones(mask=everything)), sum(ones(causal=True)))
assert ones() == [True] * 8 + [False] * 12
assert all(ones(mask=everything)) and all(ones(causal=True))

layer = LocalMHA(dim=16, window_size=window, dim_head=8, heads=2, causal=False).eval()


def same_with_mask(tokens):
    x, mask = torch.rand(1, tokens, 16), torch.ones(1, tokens, dtype=torch.bool)
    return torch.allclose(layer(x), layer(x, mask=mask), atol=1e-6)


assert same_with_mask(24) and not same_with_mask(20)
EOF
