#!/usr/bin/env bash
# monai 1.6.1, torch 2.13.0.
# Guess: MeanFilter gives the mean of each window, and UpSample scales each axis by its own factor in each of its
# modes.
# Behavior: MeanFilter, and the transform ImageFilter("mean") with it, adds the window up, so that the values grow with
# the size of the filter and its dimensions; GaussianFilter divides. UpSample with mode="pixelshuffle" scales every
# axis by the first of its factors, without a word, where "deconv", "deconvgroup" and "nontrainable" scale each by its
# own: the next layer gets another shape.
# Seen: of ones 3, 9 and 27 for a filter of 3 in one, two and three dimensions, and 1 from GaussianFilter; (2, 3) makes
# 10×15 of 5×5, and 10×10 by pixelshuffle; (3, 2) makes 15×15 by it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 monai==1.6.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from monai.networks.blocks import UpSample
from monai.networks.layers import GaussianFilter, MeanFilter
from monai.transforms import ImageFilter

sums = [MeanFilter(n, 3)(torch.ones([1, 1] + [5] * n))[(0, 0, *[2] * n)].item() for n in (1, 2, 3)]
transformed = ImageFilter("mean", filter_size=3)(torch.ones(1, 5, 5))[0, 2, 2].item()
smooth = GaussianFilter(2, 1.0)(torch.ones(1, 1, 15, 15))[0, 0, 7, 7].item()
print(sums, transformed, smooth)
assert sums == [3, 9, 27] and transformed == 9 and round(smooth, 4) == 1

for mode in ("deconv", "deconvgroup", "nontrainable", "pixelshuffle"):
    sizes = []
    for factor in (2, (2, 3), (3, 2)):
        layer = UpSample(2, 4, 4, scale_factor=factor, mode=mode)
        sizes.append(tuple(layer(torch.zeros(1, 4, 5, 5)).shape[2:]))
    print(mode, sizes)
    assert sizes == [(10, 10), *([(10, 10), (15, 15)] if mode == "pixelshuffle" else [(10, 15), (15, 10)])]
EOF
