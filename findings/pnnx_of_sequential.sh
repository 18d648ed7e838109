#!/usr/bin/env bash
# pnnx 20261020, ncnn 1.0.20261020, torch 2.13.0.
# Guess: pnnx.export takes an nn.Sequential as it takes any other module.
# Behavior: it writes a Python module beside the converted model and imports it. The layers' names become attributes
# there, so that the first layer is "self.0 = ...", and the import raises a SyntaxError about a file that the user has
# not written. The files for ncnn are written before, and are right. The same layers as attributes with names pass,
# and so does a Sequential inside of a module.
# Seen: SyntaxError, "invalid syntax"; the result of the files equals PyTorch's.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 pnnx==20261020 ncnn==1.0.20261020

cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'EOF'
from collections import OrderedDict

import ncnn
import numpy
import pnnx
import torch
from torch import nn


class Inside(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers(x)


torch.manual_seed(0)
x = torch.randn(1, 3, 8, 8)
conv, relu = nn.Conv2d(3, 4, 3), nn.ReLU()
plain = nn.Sequential(conv, relu).eval()
named = nn.Sequential(OrderedDict(conv=conv, relu=relu)).eval()
for model in named, Inside(plain).eval():
    assert torch.allclose(pnnx.export(model, "other.pt", (x,), fp16=False)(x), model(x), atol=1e-4)

try:
    pnnx.export(plain, "model.pt", (x,), fp16=False)
except SyntaxError as error:
    print(error)
    assert "self.0 = nn.Conv2d" in error.text
else:
    raise SystemExit("it is exported")

net = ncnn.Net()
assert net.load_param("model.ncnn.param") == net.load_model("model.ncnn.bin") == 0
extractor = net.create_extractor()
extractor.input("in0", ncnn.Mat(x[0].numpy()).clone())
assert torch.allclose(torch.from_numpy(numpy.array(extractor.extract("out0")[1])), plain(x)[0], atol=1e-3)
EOF
