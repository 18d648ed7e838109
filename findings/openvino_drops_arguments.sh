#!/usr/bin/env bash
# OpenVINO 2026.4.1, torch 2.13.0, converted from an nn.Module with example_input, in float32.
# Guess: a layer is converted with all its arguments, or refused, as divisor_override and Threshold are.
# Behavior: Softplus loses its beta and its threshold. cdist with p=1 adds the differences with their signs, so that a
# distance comes out too small, or as no number at all. An average pool with ceil_mode and padding divides the window
# that reaches beyond the padding by its full size, where PyTorch leaves out what lies beyond.
# Seen: Softplus(2) of 0 is 0.347 and 0.693; the distance of (1, 4) and (3, 1) with p=1 is 5 and 1, and NaN the other
# way round; the last average is 4 and 2.67.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 openvino==2026.4.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import openvino
import torch
from torch import nn


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def both(function, x):
    model = Call(function).eval()
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    converted = openvino.compile_model(openvino.convert_model(model, example_input=x), "CPU", precision)
    return model(x), torch.from_numpy(converted(x.numpy())[0])


x = torch.tensor([-1.0, 0.0, 0.5, 2.0])
for arguments in ((2,), (3, 1)):
    own, converted = both(nn.Softplus(*arguments), x)
    print(own, converted)
    assert not torch.allclose(own, converted, atol=1e-2)
    assert torch.allclose(converted, nn.functional.softplus(x), atol=1e-4)

points = torch.tensor([[[0.0, 0.0], [3.0, 1.0], [1.0, 4.0]]])
own, converted = both(lambda p: torch.cdist(p, p.flip(1), p=1.0), points)
print(own, converted)
assert own[0, 2, 1] == own[0, 1, 0] == 5 and torch.isclose(converted[0, 2, 1], torch.tensor(1.0), atol=1e-3)
assert not torch.isclose(converted[0, 1, 0], torch.tensor(5.0), atol=1e-1)
own, converted = both(lambda p: torch.cdist(p, p.flip(1)), points)
assert torch.allclose(own, converted, atol=1e-3)

ramp = torch.arange(1.0, 9.0).reshape(1, 1, 8)
own, converted = both(nn.AvgPool1d(3, 2, 1, ceil_mode=True), ramp)
print(own, converted)
assert own.tolist() == [[[1, 3, 5, 7, 4]]]
assert torch.allclose(converted, torch.tensor([1, 3, 5, 7, 8 / 3]))
own, converted = both(nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False), ramp)
assert torch.allclose(own, converted)
EOF
