#!/usr/bin/env bash
# torchinfo 1.8.0, thop 0.1.1.post2209072238, torchsummary 1.5.1, ptflops 0.7.5, torch 2.13.0.
# Guess: the number of parameters that a tool states is the sum over model.parameters(), or the tool says what it
# counts.
# Behavior: none of the four gives that sum for every model. torchinfo counts a weight that two layers share twice, and
# a layer that is called twice once. thop leaves out what belongs to a layer that it has no rule for, as attention, or
# was not called, and what a module holds itself. torchsummary sums over the calls: a layer called twice counts twice,
# one that is not called not at all. ptflops leaves out what is frozen.
# Seen, of Linear(8, 8) layers with 72 each: tied 80, and 144 by torchinfo, thop and torchsummary; one layer twice 72,
# and 144 by torchsummary; one of two frozen 144, and 72 by ptflops; a Parameter of 8 and a layer 80, and 72 by thop
# and torchsummary; an unused layer of 12 and one used 84, and 72 by both; an encoder layer 600, and 312 by thop.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 torchinfo==1.8.0 thop==0.1.1.post2209072238 torchsummary==1.5.1 ptflops==0.7.5

"$folder/venv/bin/python" -W ignore - <<'EOF'
import contextlib
import io

import thop
import torch
import torchinfo
import torchsummary
from ptflops import get_model_complexity_info
from torch import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(8))
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x + self.shift)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.other = nn.Linear(3, 3)
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x)


def tied():
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    return nn.Sequential(first, second)


def twice():
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, nn.ReLU(), layer)


def frozen():
    return nn.Sequential(nn.Linear(8, 8).requires_grad_(False), nn.Linear(8, 8))


def plain():
    return nn.Sequential(nn.Linear(8, 8))


def encoder():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def counted(build, size):
    """By PyTorch, torchinfo, thop, torchsummary (None where it refuses the model) and ptflops."""
    x = torch.zeros(2, *size)
    found = [sum(parameter.numel() for parameter in build().parameters())]
    found.append(torchinfo.summary(build().eval(), input_data=x, verbose=0).total_params)
    found.append(int(thop.profile(build().eval(), inputs=(x,), verbose=False)[1]))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if len(size) == 1:
            torchsummary.summary(build().eval(), size, device="cpu")
        _, count = get_model_complexity_info(build().eval(), size, as_strings=False, print_per_layer_stat=False)
    totals = [line.split()[-1] for line in printed.getvalue().splitlines() if line.startswith("Total params")]
    return [*found, int(totals[0].replace(",", "")) if totals else None, count]


for build, size, expected in (
    (plain, (8,), [72, 72, 72, 72, 72]),
    (tied, (8,), [80, 144, 144, 144, 80]),
    (twice, (8,), [72, 72, 72, 144, 72]),
    (frozen, (8,), [144, 144, 144, 144, 72]),
    (Own, (8,), [80, 80, 72, 72, 80]),
    (Unused, (8,), [84, 84, 72, 72, 84]),
    (encoder, (5, 8), [600, 600, 312, None, 600]),
):
    found = counted(build, size)
    print(build.__name__, found)
    assert found == expected, build
EOF
