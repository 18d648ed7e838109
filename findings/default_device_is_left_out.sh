#!/usr/bin/env bash
# torch 2.13.0.
# Guess: under torch.device("meta"), or after set_default_device, every factory call makes its tensor there, apart from
# those that share memory with their input, which the page names.
# Behavior: torch.normal with numbers and a size, torch.Tensor and the nested tensors of the usual layout stay on the
# CPU. The jagged layout, randn and torch.tensor follow. A model with a parameter made by torch.Tensor(4, 3), as older
# code does, is half on the CPU and half on meta, and runs there without a word: F.linear takes both.
# Seen: cpu, cpu, cpu; meta, meta, meta; one parameter on the CPU, two on meta, and the output on meta.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

STAY = {
    "normal": lambda: torch.normal(0.0, 1.0, size=(4, 3)),
    "Tensor": lambda: torch.Tensor(4, 3),
    "strided nested_tensor": lambda: torch.nested.nested_tensor([[1.0, 2.0], [3.0]]),
}
FOLLOW = {
    "randn": lambda: torch.randn(4, 3),
    "tensor": lambda: torch.tensor([1.0, 2.0]),
    "jagged nested_tensor": lambda: torch.nested.nested_tensor([[1.0, 2.0], [3.0]], layout=torch.jagged),
}


class Older(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.Tensor(4, 3))
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        return self.linear(x) + nn.functional.linear(x, self.weight)


with torch.device("meta"):
    devices = {name: call().device.type for name, call in {**STAY, **FOLLOW}.items()}
    model, x = Older(), torch.rand(2, 3)
print(devices)
assert devices == {name: "cpu" if name in STAY else "meta" for name in devices}

torch.set_default_device("meta")
assert STAY["normal"]().device.type == STAY["Tensor"]().device.type == "cpu"
torch.set_default_device(None)

print({name: parameter.device.type for name, parameter in model.named_parameters()})
assert model.weight.device.type == "cpu" and model.linear.weight.device.type == "meta"
assert model(x).device.type == "meta"
EOF
