#!/usr/bin/env bash
# torchao 0.18.0, torch 2.13.0.
# Guess: the weight of an int8-quantized Linear layer says int8 and one byte per element.
# Behavior: the layer is still an nn.Linear, and its weight goes on saying bfloat16, 2 bytes per
# element and the old nbytes; the int8 data lies in an attribute.
# Seen: Linear, torch.bfloat16, 2, 4096; qdata torch.int8, 2048.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 torchao==0.18.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

net = nn.Sequential(nn.Linear(32, 64)).to(torch.bfloat16)
quantize_(net, Int8WeightOnlyConfig())
weight = net[0].weight
seen = type(net[0]), weight.dtype, weight.element_size(), weight.nbytes
print(*seen, weight.qdata.dtype, weight.qdata.nbytes)
assert seen == (nn.Linear, torch.bfloat16, 2, 4096)
assert (weight.qdata.dtype, weight.qdata.nbytes) == (torch.int8, 2048)
assert net(torch.rand(2, 32, dtype=torch.bfloat16)).shape == (2, 64)
EOF
