#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: an empty batch comes out of pixel_unshuffle as an empty batch of the new shape, as it does out of
# pixel_shuffle: (0, 4, 6, 6) becomes (0, 16, 3, 3).
# Behavior: on the CPU a tensor without elements comes back in the shape in which it came, so that the
# convolution behind it is refused for its 4 channels. On meta the shape is the new one, and there even
# height and width that do not divide are taken.
# Seen: (0, 4, 6, 6) on the CPU, (0, 16, 3, 3) on meta, (0, 1, 12, 12) for pixel_shuffle; a height of 5 is
# refused on the CPU and (0, 16, 2, 3) on meta.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F


def seen(function, shape, device):
    try:
        made = tuple(function(torch.zeros(shape, device=device), 2).shape)
    except RuntimeError:
        made = RuntimeError
    print(function.__name__, shape, device, made)
    return made


assert seen(F.pixel_unshuffle, (1, 4, 6, 6), "cpu") == (1, 16, 3, 3)
assert seen(F.pixel_unshuffle, (0, 4, 6, 6), "cpu") == (0, 4, 6, 6)
assert seen(F.pixel_unshuffle, (0, 4, 6, 6), "meta") == (0, 16, 3, 3)
assert seen(F.pixel_shuffle, (0, 4, 6, 6), "cpu") == (0, 1, 12, 12)
assert seen(F.pixel_unshuffle, (0, 4, 5, 6), "cpu") is RuntimeError
assert seen(F.pixel_unshuffle, (0, 4, 5, 6), "meta") == (0, 16, 2, 3)
EOF
