#!/usr/bin/env bash
# ncnn 1.0.20261020, pnnx 20261020, torch 2.13.0, converted from an nn.Module.
# Guess: the remainder and the roundings of a division keep their meaning in ncnn, and rsub its alpha.
# Behavior: x % y takes the sign of x. div(rounding_mode="trunc") rounds down, and "floor", which is what x // y is, does
# not round at all. In rsub(x, other, alpha=...), other - alpha * x, alpha takes the place of other and x is multiplied
# by nothing. No warning, and loading succeeds.
# Seen: -1 % 3 is 2 in PyTorch and -1; of -1.2 by 0.5, trunc -2 and -3, floor -3 and -2.4; rsub(2, 1, alpha=3) -5 and 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 pnnx==20261020 ncnn==1.0.20261020

cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'EOF'
import ncnn
import numpy
import pnnx
import torch
from torch import nn


class Behind(nn.Module):
    """A function behind a convolution that changes nothing, which tells pnnx where the batch is."""

    def __init__(self, function):
        super().__init__()
        self.same = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.dirac_(self.same.weight)
        self.function = function

    def forward(self, x):
        return self.function(self.same(x))


def both(function, value):
    layer, x = Behind(function).eval(), torch.full((1, 1, 3, 3), value)
    pnnx.export(layer, "model.pt", (x,), fp16=False)
    net = ncnn.Net()
    assert net.load_param("model.ncnn.param") == net.load_model("model.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0].numpy()).clone())
    return layer(x)[0, 0, 0, 0].item(), numpy.array(extractor.extract("out0")[1])[0, 0, 0].item()


for name, function, value, expected in (
    ("%", lambda x: x % 3, -1.0, (2, -1)),
    ("trunc", lambda x: torch.div(x, 0.5, rounding_mode="trunc"), -1.2, (-2, -3)),
    ("floor", lambda x: torch.div(x, 0.5, rounding_mode="floor"), -1.2, (-3, -2.4)),
    ("rsub", lambda x: torch.rsub(x, 1, alpha=3), 2.0, (-5, 1)),
    ("-", lambda x: 1 - x, 2.0, (-1, -1)),
    ("/", lambda x: x / 2, -3.0, (-1.5, -1.5)),
):
    seen = both(function, value)
    print(name, seen)
    assert all(abs(one - other) < 1e-3 for one, other in zip(seen, expected, strict=True)), name
EOF
