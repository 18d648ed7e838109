#!/usr/bin/env bash
# apache-tvm 0.27.0.post1, torch 2.13.0, LLVM on the CPU.
# Guess: grid_sample and a nearest resize come out with PyTorch's shape and values, or are refused.
# Behavior: the grid, which has the two coordinates last, is read as if they stood behind the batch: of a grid of 3×5
# the result is 5×2. A nearest resize takes other cells wherever the new size is no multiple of the old one.
# Seen: (1, 1, 5, 2) for (1, 1, 3, 5); of 0 to 8 the cells 0, 2, 4 and 6 in PyTorch, and 1, 3, 5 and 7 after the
# conversion; of 3 cells to 6 the same in both.
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
grid = torch.rand(1, 3, 5, 2) * 2 - 1
right, wrong = converted(lambda x, grid: F.grid_sample(x, grid, align_corners=False), torch.randn(1, 1, 4, 4), grid)
print(tuple(right.shape), tuple(wrong.shape))
assert right.shape == (1, 1, 3, 5) and wrong.shape == (1, 1, 5, 2)


def nearest(old, new):
    x = torch.arange(float(old)).expand(1, 1, 1, old).contiguous()
    return [each.flatten().tolist() for each in converted(lambda x: F.interpolate(x, size=(1, new)), x)]


right, wrong = nearest(9, 4)
print(right, wrong)
assert (right, wrong) == ([0, 2, 4, 6], [1, 3, 5, 7])
right, same = nearest(3, 6)
assert right == same
EOF
