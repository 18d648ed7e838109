#!/usr/bin/env bash
# torch 2.13.0, CPU.
# Guess: the strides under FakeTensorMode are those of the CPU, as the mode stands in for a device (on meta, which has
# none, they may differ).
# Behavior: logsigmoid, rrelu and poisson put out a contiguous tensor on the CPU, whatever they are given, and so does
# batch_norm of a sequence; the fake tensor keeps the order of its input. A view after them, which flattens in the
# input's own order, therefore passes with fake tensors and on meta and raises on the CPU. torch.export traces it
# without a word, and the exported program raises.
# Seen, for 4 channels of 8, transposed: (32, 8, 1) on the CPU and (32, 1, 4) fake and on meta, for all four; silu (32,
# 1, 4) on each; "view size is not compatible" when the exported program is called.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

functions = {
    "logsigmoid": F.logsigmoid,
    "rrelu": lambda x: F.rrelu(x, training=True),
    "poisson": torch.poisson,
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "silu": F.silu,
}
for name, function in functions.items():
    x = torch.rand(2, 8, 4).transpose(1, 2)
    with FakeTensorMode() as mode:
        fake = function(mode.from_tensor(x)).stride()
    strides = function(x).stride(), fake, function(x.to("meta")).stride()
    print(name, *strides)
    kept, lost = (32, 1, 4), (32, 8, 1)
    assert strides == ((kept if name == "silu" else lost), kept, kept)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(x.transpose(1, 2)).transpose(1, 2).view(len(x), -1)


x = torch.rand(2, 8, 4)
print(tuple(Model().eval().to("meta")(x.to("meta")).shape))
program = torch.export.export(Model().eval(), (x,)).module()
for model in Model().eval(), program:
    try:
        model(x)
    except RuntimeError as error:
        print(str(error)[:31])
        assert "view size is not compatible" in str(error)
    else:
        raise SystemExit("the view was taken")
EOF
