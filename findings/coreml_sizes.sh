#!/usr/bin/env bash
# coremltools 9.0, torch 2.13.0, converted on Linux.
# Guess: the converted program states the shapes that the traced model makes, or the conversion raises.
# Behavior: with ceil_mode a pool of 2 at a stride of 3 starts a last window behind the input, an Upsample by 61 / 7
# gives 61 of 7 where PyTorch gives 60, and argmax() of a whole tensor keeps all dimensions but one. None of them warns.
# Seen: 4 for 3; 61 for 60; (1, 4, 9) for ().
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 coremltools==9.0

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import coremltools
import torch
from torch import nn


class Argmax(nn.Module):
    def forward(self, x):
        return x.argmax()


def shapes(model, *shape):
    x = torch.rand(shape)
    program = coremltools.convert(
        torch.jit.trace(model.eval(), x), inputs=[coremltools.TensorType(shape=shape)], convert_to="milinternal"
    )
    return tuple(model(x).shape), tuple(program.functions["main"].outputs[0].shape)


seen = [
    shapes(nn.MaxPool2d(2, 3, ceil_mode=True), 1, 4, 9, 9),
    shapes(nn.AvgPool1d(2, 3, ceil_mode=True), 1, 4, 9),
    shapes(nn.Upsample(scale_factor=61 / 7), 1, 1, 7, 7),
    shapes(Argmax(), 1, 4, 9, 9),
]
print(*seen)
assert seen == [
    ((1, 4, 3, 3), (1, 4, 4, 4)),
    ((1, 4, 3), (1, 4, 4)),
    ((1, 1, 60, 60), (1, 1, 61, 61)),
    ((), (1, 4, 9)),
]
EOF
