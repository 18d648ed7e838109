#!/usr/bin/env bash
# ncnn 1.0.20261020, pnnx 20261020, torch 2.13.0, converted from an nn.Module.
# Guess: a pool with ceil_mode has the shape and the values in ncnn that it has in PyTorch, or is refused, as a dilated
# one is, whose file ncnn does not load.
# Behavior: PyTorch leaves out a last window that would start beyond the input; ncnn keeps it, so that the output is one
# larger wherever the kernel is smaller than the stride and the size divides by the stride. There the maximum is the
# lowest float32 and the mean 0. A window that reaches beyond the input is divided by its full size, where PyTorch
# divides by the part within.
# Seen, of 9×8 with a kernel of 2 and a stride of 3: 3×3 in PyTorch, 4×3 in ncnn, the last row -3.4e38 and 0. With 3 and
# 2 the shape is the same, 4×4, and the last mean 62.5 and 41.7.
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


def both(layer, x):
    pnnx.export(layer.eval(), "model.pt", (x,), fp16=False)
    net = ncnn.Net()
    assert net.load_param("model.ncnn.param") == net.load_model("model.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0].numpy()).clone())
    return layer(x)[0, 0], torch.from_numpy(numpy.array(extractor.extract("out0")[1]))[0]


x = torch.arange(72.0).reshape(1, 1, 9, 8)
for kind, filling in (nn.MaxPool2d, torch.finfo(torch.float32).min), (nn.AvgPool2d, 0.0):
    own, converted = both(kind(2, 3, ceil_mode=True), x)
    print(kind.__name__, tuple(own.shape), tuple(converted.shape), converted[-1].tolist())
    assert own.shape == (3, 3) and converted.shape == (4, 3)
    assert torch.equal(converted[-1], torch.full((3,), filling))
    assert torch.allclose(converted[:2, :2], own[:2, :2])

own, converted = both(nn.AvgPool2d(3, 2, ceil_mode=True), x)
print(own[-1, -1].item(), converted[-1, -1].item())
assert own.shape == converted.shape == (4, 4) and own[-1, -1] == 62.5
assert abs(converted[-1, -1].item() - 125 / 3) < 1e-3

for kind in nn.MaxPool2d, nn.AvgPool2d:
    own, converted = both(kind(2, 3), x)
    assert torch.allclose(own, converted)
EOF
