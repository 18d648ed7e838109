#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: a layer that was left on meta refuses an input that is on the CPU, since a meta tensor has no values, as
# BatchNorm, LSTM and a Linear layer with a bias do.
# Behavior: a convolution and a Linear or Bilinear layer without a bias take it, and give a CPU tensor of memory that
# nothing was written to. So a model with one layer that the checkpoint missed runs to its end in evaluation, and each
# output is arbitrary. The backward pass refuses. The other way round, a meta input and weights on the CPU, passes too.
# Seen: "cpu" and NaN in every element, where uninitialized memory is filled with NaN, from four layers and from a
# network behind one of them; "Tensor on device meta is not on the expected device cpu!" from Linear with a bias.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

torch.use_deterministic_algorithms(True)
assert torch.utils.deterministic.fill_uninitialized_memory
image, vectors = torch.rand(1, 3, 5, 5), torch.rand(2, 3)

with torch.device("meta"):
    taken = {
        "Conv2d": (nn.Conv2d(3, 4, 3), image),
        "ConvTranspose2d": (nn.ConvTranspose2d(3, 4, 3), image),
        "Linear without a bias": (nn.Linear(3, 4, bias=False), vectors),
    }
    bilinear = nn.Bilinear(3, 3, 2, bias=False)
    refused = {
        "Linear": (nn.Linear(3, 4), vectors),
        "BatchNorm1d": (nn.BatchNorm1d(3), vectors),
        "LSTM": (nn.LSTM(3, 4), vectors),
    }
    missed = nn.Conv2d(4, 2, 1)

network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), missed, nn.Flatten(), nn.Linear(18, 5))
results = {name: layer(x) for name, (layer, x) in taken.items()}
results["Bilinear without a bias"] = bilinear(vectors, vectors)
results["network"] = network.eval()(image)
for name, result in results.items():
    print(name, result.device, result.isnan().all().item())
    assert result.device.type == "cpu" and result.isnan().all()

for name, (layer, x) in refused.items():
    try:
        layer(x)
        raise AssertionError("taken")
    except RuntimeError as error:
        print(name, error)

try:
    results["network"].sum().backward()
    raise AssertionError("taken")
except RuntimeError as error:
    print(error)

assert nn.Conv2d(3, 4, 3)(image.to("meta")).device.type == "meta"
EOF
