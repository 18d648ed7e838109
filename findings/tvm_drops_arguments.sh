#!/usr/bin/env bash
# apache-tvm 0.27.0.post1, torch 2.13.0, LLVM on the CPU.
# Guess: what from_exported_program takes computes the same, and what it cannot do it refuses, as AdaptiveMaxPool2d.
# Behavior: rsub forgets alpha, an average pool its divisor_override, SELU its scale, and a bilinear resize antialias,
# without a warning.
# Seen: 1 - x for 1 - 2x; the mean of 9 for a half of the sum; values of SELU / 1.0507; another row of the resized map.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 apache-tvm==0.27.0.post1

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import torch
import tvm
from torch import nn
from torch.nn import functional as F
from tvm import relax
from tvm.relax.frontend.torch import from_exported_program


class Function(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, *inputs):
        return self.run(*inputs)


def converted(run, *inputs):
    model = run if isinstance(run, nn.Module) else Function(run)
    module = from_exported_program(torch.export.export(model.eval(), inputs))
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    out = machine["main"](*(tvm.runtime.tensor(each.numpy()) for each in inputs))
    return model(*inputs), torch.from_numpy(out[0].numpy())



torch.manual_seed(0)
x = torch.randn(1, 2, 9, 9)
right, wrong = converted(lambda x: torch.rsub(x, 1, alpha=2), x)
assert torch.allclose(right, 1 - 2 * x) and torch.allclose(wrong, 1 - x)
right, wrong = converted(nn.AvgPool2d(3, 2, divisor_override=2), x)
assert torch.allclose(right * 2, wrong * 9, atol=1e-4)
right, wrong = converted(nn.SELU(), x)
assert torch.allclose(right, wrong * 1.0507, atol=1e-3)


def smaller(x, antialias):
    return F.interpolate(x, size=(4, 4), mode="bilinear", antialias=antialias)


right, wrong = converted(lambda x: smaller(x, True), x)
print(right[0, 0, 0].tolist(), wrong[0, 0, 0].tolist())
assert not torch.allclose(right, wrong, atol=0.05) and torch.allclose(wrong, smaller(x, False), atol=1e-4)
EOF
