#!/usr/bin/env bash
# fvcore 0.1.5.post20221221, torchprofile 0.1.0, thop 0.1.1.post2209072238, torchinfo 1.8.0, torch 2.13.0.
# Guess: padding="same" costs what padding=1 does for a kernel of 3, and an image without a batch what a batch of one
# does.
# Behavior: padding="same" is an operator of its own in a traced graph, so that fvcore and torchprofile, which trace,
# count 0; thop and torchinfo, which hook the layer, count it. Without the batch it is the other way round: these two
# read the sizes where a batch has them and come to other numbers, and the two that trace are right.
# Seen: 6912 for padding=1 and 0 for "same"; 3888 for a batch of one, and for the image alone 10368 by thop; with the
# bias, torchinfo counts 4032 for a batch of one and 2688 for the image.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 fvcore==0.1.5.post20221221 torchinfo==1.8.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    thop==0.1.1.post2209072238 torchprofile==0.1.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import thop
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torchinfo import summary
from torchprofile import profile_macs


def by_fvcore(model, x):
    return FlopCountAnalysis(model, x).unsupported_ops_warnings(False).total()


def by_thop(model, x):
    return int(thop.profile(model, (x,), verbose=False)[0])


def by_torchinfo(model, x):
    return summary(model, input_data=x, verbose=0).total_mult_adds


def counted(x, **kwargs):
    counters = by_fvcore, profile_macs, by_thop, by_torchinfo
    return [counter(nn.Sequential(nn.Conv2d(3, 4, 3, **kwargs)).eval(), x) for counter in counters]


image = torch.rand(3, 8, 8)
numbers = [counted(image[None], padding=1), counted(image[None], padding="same"), counted(image[None]), counted(image)]
print(*numbers, sep="\n")
assert numbers == [
    [6912, 6912, 6912, 7168], [0, 0, 6912, 7168], [3888, 3888, 3888, 4032], [3888, 3888, 10368, 2688]
]
# By hand: 4·3·3·3 weights at each of 8·8 and of 6·6 places; torchinfo counts the bias too.
assert (108 * 64, 108 * 36, 112 * 36) == (6912, 3888, 4032)
EOF
