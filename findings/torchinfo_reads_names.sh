#!/usr/bin/env bash
# torchinfo 1.8.0, torch 2.13.0.
# Guess: multiply-adds follow from what a layer computes: a module that multiplies by a parameter of its own costs what
# a Linear layer does, whatever the parameter is called, and a recurrent cell costs what it does inside the layer.
# Behavior: the parameter's name decides. "weight" counts as in Linear; a name that contains it, as "weights", is taken
# for a recurrent layer's, and is multiplied by the first two sizes of the output, which are the batch and the features
# here; any other name counts 0. A cell, whose parameters have such names too, is so multiplied by its hidden size, and
# so is a layer whose sequence has no batch.
# Seen, of 5 vectors from 8 to 6: 240 for "weight", 1440 for "weights", 0 for "w". RNNCell, GRUCell and LSTMCell from 8
# to 4 count four times the 240, 720 and 960; an LSTM over 7 steps 1344 for a batch of one and 5376 without the batch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 torchinfo==1.8.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torchinfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Product(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.register_parameter(name, nn.Parameter(torch.zeros(6, 8)))

    def forward(self, x):
        return x @ getattr(self, self.name).T


def counted(layer, *size):
    """Multiply-adds by PyTorch (on meta, where recurrent layers are counted) and by torchinfo."""
    found = torchinfo.summary(nn.Sequential(layer), input_data=torch.zeros(size), verbose=0).total_mult_adds
    with FlopCounterMode(display=False) as counter:
        layer.to("meta")(torch.zeros(size, device="meta"))
    return counter.get_total_flops() // 2, found


for layer, size, expected in (
    (nn.Linear(8, 6, bias=False), (5, 8), (240, 240)),
    (Product("weight"), (5, 8), (240, 240)),
    (Product("weights"), (5, 8), (240, 1440)),
    (Product("w"), (5, 8), (240, 0)),
    (nn.RNNCell(8, 4, bias=False), (5, 8), (240, 960)),
    (nn.GRUCell(8, 4, bias=False), (5, 8), (720, 2880)),
    (nn.LSTMCell(8, 4, bias=False), (5, 8), (960, 3840)),
    (nn.LSTM(8, 4, bias=False), (7, 1, 8), (1344, 1344)),
    (nn.LSTM(8, 4, bias=False), (7, 8), (1344, 5376)),
):
    found = counted(layer, *size)
    print(layer, size, found)
    assert found == expected, layer
EOF
