#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.func.functional_call leaves the module as it was, a lazy layer lazy, or refuses one.
# Behavior: the call passes with the parameters that it is given, and turns the lazy layer into the plain class, whose
# own parameters stay uninitialized. From then on it cannot be called, and load_state_dict, which a lazy layer takes,
# is refused for sizes of [0]. LazyLinear says the in_features of the call, LazyConv2d 0 channels.
# Seen: (2, 3); Linear(in_features=5) and Conv2d(0, 3); ValueError "uninitialized parameter" from the next call, and a
# RuntimeError about torch.Size([0]) from load_state_dict.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.parameter import UninitializedParameter

linear = {"weight": torch.rand(3, 5), "bias": torch.rand(3)}
convolution = {"weight": torch.rand(3, 5, 1, 1), "bias": torch.rand(3)}
CONVOLUTION = "Conv2d(0, 3, kernel_size=(1, 1), stride=(1, 1))"
CASES = [
    (lambda: nn.LazyLinear(3), linear, torch.rand(2, 5), "Linear(in_features=5, out_features=3, bias=True)"),
    (lambda: nn.LazyConv2d(3, 1), convolution, torch.rand(2, 5, 8, 8), CONVOLUTION),
]


def refusal(call, *arguments):
    try:
        call(*arguments)
    except (RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


for make, parameters, x, said in CASES:
    loaded, layer = make(), make()
    loaded.load_state_dict(parameters)
    assert torch.equal(loaded(x), functional_call(layer, parameters, x))
    print(layer)
    assert str(layer) == said
    assert isinstance(layer.weight, UninitializedParameter)
    called, refused = refusal(layer, x), refusal(layer.load_state_dict, parameters)
    print(called, refused, sep="\n")
    assert called.startswith("ValueError") and "uninitialized parameter" in called
    assert refused.startswith("RuntimeError") and "torch.Size([0])" in refused
EOF
