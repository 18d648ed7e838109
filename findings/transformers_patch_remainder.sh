#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: Swin refuses 33 with patches of 2. (For ViT it was open: refuse, or drop the remainder.)
# Behavior: ViT with interpolate_pos_encoding=True drops the remainder (the last pixels change
# nothing), Swin pads it.
# Seen: ViT, patches of 8: 26 tokens for 40, 44 and 47, 37 for 48, and equal outputs when the last 4
# rows and columns change. Swin, patches of 2: 33 gives 17 * 17 = 289.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import SwinConfig, SwinModel, ViTConfig, ViTModel

vit = ViTModel(
    ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        image_size=32, patch_size=8,
    )
).eval()
swin = SwinModel(
    SwinConfig(
        image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
).eval()


def tokens(x):
    return vit(x, interpolate_pos_encoding=True).last_hidden_state


with torch.no_grad():
    counts = [tokens(torch.rand(1, 3, n, n)).shape[1] for n in (40, 44, 47, 48)]
    x = torch.rand(1, 3, 44, 44)
    changed = x.clone()
    changed[..., 40:, :] = 9
    changed[..., 40:] = 9
    same = torch.equal(tokens(x), tokens(changed))
    padded = swin(torch.rand(1, 3, 33, 33), output_hidden_states=True).hidden_states[0].shape[1]
print(counts, same, padded)
assert counts == [26, 26, 26, 37] and same and padded == 289
EOF
