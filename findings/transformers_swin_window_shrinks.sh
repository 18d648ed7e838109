#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0.
# Guess: an image that is too small is refused, and the next one of the configured size runs as before.
# Behavior: the refused image has made the attention's window smaller for good (the layer assigns its
# own window_size in forward), while the table of positions keeps its size: every later image is
# refused as well, those of the configured size too, until the model is built anew.
# Seen: 32×32 runs, 12×12 raises, and then 32×32 raises; the window of the second stage went from 4 to 3.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from transformers import SwinConfig, SwinModel

config = SwinConfig(image_size=32, patch_size=2, embed_dim=12, depths=[1, 1], num_heads=[1, 2], window_size=4)
model = SwinModel(config).eval()


def runs(size):
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, size, size))
    except RuntimeError:
        return False
    return True


def windows():
    return [stage.blocks[0].window_size for stage in model.encoder.layers]


before, first = windows(), runs(32)
small, second = runs(12), runs(32)
print(before, windows(), first, small, second)
assert (first, small, second) == (True, False, False)
assert (before, windows()) == ([4, 4], [4, 3])
EOF
