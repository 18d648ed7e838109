#!/usr/bin/env bash
# torch 2.13.0, torch.export.
# Guess: Dim.AUTO keeps the length of a sequence free for a layer that takes any length, and the sizes of an image for
# a function that takes any image; or it says what it has fixed.
# Behavior: RNN, GRU and LSTM fix the length to the example's, and so do affine_grid, linspace, rfftfreq and kron where
# a size reaches them. Nothing is said, and the program then refuses every other size. Dim.DYNAMIC raises for the same
# calls. arange and attention keep theirs free.
# Seen, exported from a length of 6 and from 17 columns: 6 and 17 in the program's input, and AssertionError for 7 and
# 18.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import logging

import torch
from torch import nn
from torch.export import Dim, export
from torch.nn import functional as F

logging.disable(logging.CRITICAL)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        result = self.function(x)
        return result[0] if isinstance(result, tuple) else result


def moved(x):
    return F.grid_sample(x, F.affine_grid(torch.eye(2, 3).expand(x.shape[0], 2, 3), x.shape, align_corners=False))


def stays_free(function, x, axis):
    """Whether the axis is free after AUTO; what is fixed must refuse the next size, and raise under DYNAMIC."""
    model = Call(function).eval()
    program = export(model, (x,), dynamic_shapes=({0: Dim.AUTO, axis: Dim.AUTO},))
    (placeholder,) = (node for node in program.graph.nodes if node.name == "x")
    size = placeholder.meta["val"].shape[axis]
    other = torch.zeros([n + (at == axis) for at, n in enumerate(x.shape)])
    expected = model(other)
    try:
        assert program.module()(other).shape == expected.shape
        takes = True
    except AssertionError:
        takes = False
    try:
        export(model, (x,), dynamic_shapes=({0: Dim.AUTO, axis: Dim.DYNAMIC},))
        raised = False
    except Exception as error:
        raised = "specialized" in str(error)
    assert takes is not raised and takes is not str(size).isdigit(), (takes, raised, size)
    return takes


sequence, image = torch.zeros(3, 6, 8), torch.zeros(2, 4, 17, 17)
attention = nn.MultiheadAttention(8, 2, batch_first=True)
for name, function, x, axis, free in (
    ("RNN", nn.RNN(8, 4, batch_first=True), sequence, 1, False),
    ("GRU", nn.GRU(8, 4, batch_first=True), sequence, 1, False),
    ("LSTM", nn.LSTM(8, 4, batch_first=True), sequence, 1, False),
    ("attention", lambda x: attention(x, x, x), sequence, 1, True),
    ("affine_grid", moved, image, 3, False),
    ("linspace", lambda x: x * torch.linspace(0, 1, x.shape[-1]), image, 3, False),
    ("rfftfreq", lambda x: torch.fft.rfft(x).abs() * torch.fft.rfftfreq(x.shape[-1]), image, 3, False),
    ("kron", lambda x: torch.kron(x, torch.ones(2, 2)), image, 3, False),
    ("arange", lambda x: x * torch.arange(x.shape[-1]), image, 3, True),
):
    found = stays_free(function, x, axis)
    print(name, found)
    assert found is free, name
EOF
