#!/usr/bin/env bash
# ptflops 0.7.5, torchprofile 0.1.0, thop 0.1.1.post2209072238, torch 2.13.0.
# Guess: a counter knows recurrent layers or does not; RNN, GRU and LSTM differ in the number of gates alone.
# Behavior: torchprofile counts the LSTM and gives 0 for RNN and GRU; ptflops with backend="aten" counts RNN and GRU and
# gives 0 for the LSTM. ptflops with backend="pytorch" and thop count all three, with additions of their own: the same for
# RNN and GRU, and not for the LSTM.
# Seen, of 7 steps from 8 to 6 features without bias, 588, 1764 and 2352 multiply-adds by hand: 0, 0, 2352; 588, 1764, 0;
# 630, 2058, 2772; 630, 2058, 2688.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    ptflops==0.7.5 thop==0.1.1.post2209072238 torchprofile==0.1.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import thop
import torch
from ptflops import get_model_complexity_info
from torch import nn
from torchprofile import profile_macs


class Outputs(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def by_ptflops(model, backend):
    counted, _ = get_model_complexity_info(
        model, (7, 8), as_strings=False, print_per_layer_stat=False, backend=backend
    )
    return int(counted)


rows = []
for gates, kind in ((1, nn.RNN), (3, nn.GRU), (4, nn.LSTM)):
    model, x = Outputs(kind(8, 6, bias=False, batch_first=True)).eval(), torch.zeros(1, 7, 8)
    rows.append((
        7 * gates * 6 * (8 + 6), profile_macs(model, x), by_ptflops(model, "aten"), by_ptflops(model, "pytorch"),
        int(thop.profile(model, (x,), verbose=False)[0]),
    ))
print(*zip(*rows))
assert list(zip(*rows)) == [
    (588, 1764, 2352), (0, 0, 2352), (588, 1764, 0), (630, 2058, 2772), (630, 2058, 2688),
]
EOF
