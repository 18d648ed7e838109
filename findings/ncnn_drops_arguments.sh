#!/usr/bin/env bash
# ncnn 1.0.20261020, pnnx 20261020, torch 2.13.0, converted from an nn.Module.
# Guess: a layer is converted with all its arguments, or ncnn does not load the file, as for Threshold and
# AvgPool2d(divisor_override=...).
# Behavior: circular padding becomes padding with zeros, in CircularPad2d and in a convolution; reflect and replicate
# are kept. normalize divides by the Euclidean norm whatever p is. "nearest-exact" becomes "nearest". pnnx writes a line
# about none of them. It writes one for the Upsample of a volume, "unsupported upsample_nearest scale_factor", and
# converts it all the same: to a layer that changes nothing. ncnn loads all of these files.
# Seen: the corner of the padded 1, 2; 3, 4 is 4 in PyTorch and 0; of 3, 4 with p=1 3/7 and 3/5; of 0 to 3 by 0.5
# 1, 3 and 0, 2; (2, 6, 8, 10) and (2, 3, 4, 5).
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
import torch.nn.functional as F
from torch import nn


class Behind(nn.Module):
    """A function behind a convolution that changes nothing, which tells pnnx where the batch is."""

    def __init__(self, channels, function):
        super().__init__()
        self.same = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.dirac_(self.same.weight)
        self.function = function

    def forward(self, x):
        return self.function(self.same(x))


def both(layer, x):
    pnnx.export(layer.eval(), "model.pt", (x,), fp16=False)
    net = ncnn.Net()
    assert net.load_param("model.ncnn.param") == net.load_model("model.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(x[0].numpy()).clone())
    return layer(x)[0], torch.from_numpy(numpy.array(extractor.extract("out0")[1]))


x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
own, converted = both(nn.CircularPad2d(1), x)
print(own.tolist(), converted.tolist())
assert own[0, 0, 0] == 4 and torch.equal(converted, F.pad(x, (1, 1, 1, 1))[0])

torch.manual_seed(0)
image = torch.randn(1, 2, 5, 5)
for mode in "zeros", "reflect", "replicate", "circular":
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode)
    own, converted = both(layer, image)
    assert torch.allclose(own, converted, atol=1e-3) is (mode != "circular"), mode
    if mode == "circular":
        zeros = F.conv2d(image, layer.weight, layer.bias, padding=1)[0]
        assert torch.allclose(converted, zeros, atol=1e-3)

pair = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3).contiguous()
for p in 2.0, 1.0, 3.0:
    own, converted = both(Behind(2, lambda y, p=p: F.normalize(y, p, 1)), pair)
    print(p, own[0, 0, 0].item(), converted[0, 0, 0].item())
    assert abs(converted[0, 0, 0].item() - 0.6) < 1e-3
    assert torch.allclose(own, converted, atol=1e-3) is (p == 2)

row = torch.arange(4.0).expand(1, 1, 4, 4).contiguous()
own, converted = both(nn.Upsample(scale_factor=0.5, mode="nearest-exact"), row)
print(own[0, 0].tolist(), converted[0, 0].tolist())
assert own[0, 0].tolist() == [1, 3] and converted[0, 0].tolist() == [0, 2]

own, converted = both(nn.Upsample(scale_factor=2), torch.randn(1, 2, 3, 4, 5))
print(tuple(own.shape), tuple(converted.shape))
assert own.shape == (2, 6, 8, 10) and converted.shape == (2, 3, 4, 5)
EOF
