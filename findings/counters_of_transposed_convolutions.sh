#!/usr/bin/env bash
# thop 0.1.1.post2209072238, torchprofile 0.1.0, torch 2.13.0.
# Guess: a transposed convolution costs one multiply-add per input element and weight that it meets, so that with a
# stride of 2 it costs as much as the convolution it transposes; four groups cost a quarter.
# Behavior: thop and torchprofile multiply the kernel with the elements of the output, which are four times as many; with
# groups torchprofile counts as without. PyTorch's own counter agrees with the guess.
# Seen: 4608 by PyTorch and 18432 by both; in four groups 1152, 4608 and 18432.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    thop==0.1.1.post2209072238 torchprofile==0.1.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import thop
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchprofile import profile_macs


def counted(groups):
    layer = nn.ConvTranspose2d(4, 8, 2, stride=2, groups=groups, bias=False).eval()
    x = torch.zeros(1, 4, 6, 6)
    with FlopCounterMode(display=False) as own:
        layer(x)
    return own.get_total_flops() // 2, int(thop.profile(layer, (x,), verbose=False)[0]), profile_macs(layer, x)


# By hand: 36 places in the input, 4 channels, and for each of them 2·2 weights for each of 8 (or of 2) channels.
assert counted(1)[0] == 36 * 4 * 2 * 2 * 8
assert counted(4)[0] == 36 * 4 * 2 * 2 * 2
print(counted(1), counted(4))
assert (counted(1), counted(4)) == ((4608, 18432, 18432), (1152, 4608, 18432))
EOF
