#!/usr/bin/env bash
# pnnx 20261020, ncnn 1.0.20261020, torch 2.13.0, converted from an nn.Module for an input of (1, 4, 4, 5).
# Guess: a layer that works along the channels does so in ncnn too, wherever in the model it stands.
# Behavior: ncnn's tensors have no batch, so that an axis of 1 has to become 0. pnnx takes the first dimension for the
# batch once a layer says so, as a convolution does. In a model without one it leaves the axis as it is: Softmax(1),
# Softmax2d, LogSoftmax(1) and GLU(1) work along the height, the last with another shape. A convolution with an identity
# as its kernel in front makes them right.
# Seen: GLU(1) (4, 2, 5) alone and (2, 4, 5) behind a convolution; the sums of Softmax(1) along the height are 1 alone,
# and along the channels behind a convolution.
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


def converted(layer, x):
    pnnx.export(layer.eval(), "model.pt", (x,), fp16=False)
    net = ncnn.Net()
    assert net.load_param("model.ncnn.param") == net.load_model("model.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0].numpy()).clone())
    return torch.from_numpy(numpy.array(extractor.extract("out0")[1]))


class Behind(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.same = nn.Conv2d(4, 4, 1, bias=False)
        nn.init.dirac_(self.same.weight)
        self.layer = layer

    def forward(self, x):
        return self.layer(self.same(x))


torch.manual_seed(0)
x = torch.randn(1, 4, 4, 5)
for layer in nn.Softmax(1), nn.Softmax2d(), nn.LogSoftmax(1), nn.GLU(1):
    own = layer(x)[0]
    alone, behind = converted(layer, x), converted(Behind(layer), x)
    print(layer, tuple(own.shape), tuple(alone.shape), tuple(behind.shape))
    assert behind.shape == own.shape and torch.allclose(behind, own, atol=1e-3)
    along_height = type(layer)(2)(x)[0] if not isinstance(layer, nn.Softmax2d) else x.softmax(2)[0]
    assert alone.shape == along_height.shape and torch.allclose(alone, along_height, atol=1e-3)
    assert alone.shape != own.shape or not torch.allclose(alone, own, atol=1e-2)
EOF
