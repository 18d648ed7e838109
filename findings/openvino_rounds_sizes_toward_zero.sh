#!/usr/bin/env bash
# OpenVINO 2026.4.1, torch 2.13.0, converted from an nn.Module with example_input.
# Guess: n // 2 of an integer is rounded down after the conversion too, so that -(-n // 2), the usual way to round a
# half of a size up, keeps its meaning.
# Behavior: the division of integers rounds toward zero. A model that keeps the first half of its sequence, rounded up,
# keeps one element less of an odd length, and the next layer gets another shape; floor_divide and
# div(rounding_mode="floor") of negative integers are off by one. The remainder is right, and so are floats.
# Seen: 4 of 7 in PyTorch and 3 in OpenVINO; -7 // 3 is -3 and -2; -7 % 3 is 2 in both.
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
    converted = openvino.compile_model(openvino.convert_model(model, example_input=x), "CPU")
    return model(x).tolist(), converted(x.numpy())[0].tolist()


def first_half(x):
    return x[..., : -(-x.shape[-1] // 2)]


sizes = {length: tuple(map(len, both(first_half, torch.rand(length)))) for length in (6, 7, 8, 9)}
print(sizes)
assert sizes == {6: (3, 3), 7: (4, 3), 8: (4, 4), 9: (5, 4)}

integers = torch.tensor([-7, -6, -1, 7])
for function in (lambda x: x // 3, lambda x: torch.div(x, 3, rounding_mode="floor")):
    print(both(function, integers))
    assert both(function, integers) == ([-3, -2, -1, 2], [-2, -2, 0, 2])
assert both(lambda x: x % 3, integers) == ([2, 0, 2, 1],) * 2
assert both(lambda x: x // 3, integers.float()) == ([-3, -2, -1, 2],) * 2
EOF
