#!/usr/bin/env bash
# torch 2.13.0.
# Guess: fuse_conv_bn_eval(..., transpose=True) fuses every transposed convolution with the batch norm behind it, as it
# does every convolution, grouped or not.
# Behavior: with groups it reads the weight's second axis, which has the channels of one group alone, as all of the
# channels. Two groups of two are refused for their sizes. With one channel per group it passes: the weight is
# broadcast, and the fused layer, which still says 4 channels, raises when it is called, since it makes 16.
# Seen: equal outputs for one group and for Conv2d in 1, 2 and 4; a RuntimeError from fusing 2 groups of 4 channels; a
# weight of (4, 4, 3, 3) in place of (4, 1, 3, 3), and "expected bias to be 1-dimensional with 16 elements", for 4.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

torch.manual_seed(0)
x = torch.randn(1, 4, 5, 5)
norm = nn.BatchNorm2d(4).eval()
norm.running_mean.uniform_()
norm.running_var.uniform_(0.5, 2)


def fused(kind, groups):
    layer = kind(4, 4, 3, groups=groups).eval()
    return layer, fuse_conv_bn_eval(layer, norm, transpose=kind is nn.ConvTranspose2d)


for kind, groups in (nn.Conv2d, 1), (nn.Conv2d, 2), (nn.Conv2d, 4), (nn.ConvTranspose2d, 1):
    layer, one = fused(kind, groups)
    assert torch.allclose(one(x), norm(layer(x)), atol=1e-5)

try:
    fused(nn.ConvTranspose2d, 2)
except RuntimeError as error:
    print(str(error)[:100])
else:
    raise SystemExit("two groups are fused")

layer, one = fused(nn.ConvTranspose2d, 4)
print(one, tuple(layer.weight.shape), tuple(one.weight.shape))
assert layer.weight.shape == (4, 1, 3, 3) and one.weight.shape == (4, 4, 3, 3) and one.out_channels == 4
try:
    one(x)
except RuntimeError as error:
    print(error)
    assert "16 elements" in str(error)
else:
    raise SystemExit("the fused layer runs")
EOF
