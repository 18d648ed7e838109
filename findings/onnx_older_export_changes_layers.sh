#!/usr/bin/env bash
# onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, torch 2.13.0, torch.onnx.export with dynamo=False.
# Guess: a circular padding and cdist are exported as they are, or refused with an UnsupportedOperatorError, as the
# interpolation "nearest-exact" is.
# Behavior: the older exporter builds a circular padding of slices that hold for padding alone. Where the left side
# cuts (a negative amount) and the right one pads, the padding alone is left; the other way round the padding repeats
# what was cut off. Cutting both sides is right. cdist becomes a power of the bare differences: with p=1 they are added
# with their signs, so that a distance is too small or not a number, and with p=inf each distance is 1. No warning says
# so. The newer exporter pads as PyTorch does and refuses cdist.
# Seen: of 8 numbers padded by (-1, 2) 9 in PyTorch and 2 exported; by (2, -1) 9 and 9, the first two 6, 7 and 7, 8; the
# distance of (1, 4) and (0, 0) is 5 in both; that of (1, 4) and (3, 1) is 5 and 1, and the other way round not a number.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0

cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'EOF'
import logging

import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

logging.disable(logging.CRITICAL)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def exported(function, x, dynamo=False):
    torch.onnx.export(Call(function), (x,), "model.onnx", dynamo=dynamo, external_data=False, verbose=False)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def refused(function, x, dynamo):
    try:
        exported(function, x, dynamo)
    except Exception as error:
        return type(error).__name__
    return None


row = torch.arange(1.0, 9).reshape(1, 1, 8)
for amounts, size, right in (((1, 1), 10, True), ((-1, -1), 6, True), ((2, -1), 9, False), ((-1, 2), 2, False)):

    def pad(x, amounts=amounts):
        return F.pad(x, amounts, mode="circular")

    own, older = pad(row), exported(pad, row)
    print(amounts, own.tolist(), older.tolist())
    assert torch.equal(own, exported(pad, row, dynamo=True)), amounts
    assert older.shape[2] == size and torch.equal(own, older) is right, amounts

points = torch.tensor([[[1.0, 4.0], [3.0, 1.0], [0.0, 0.0]]])
for p, right in ((2.0, True), (1.0, False), (float("inf"), False)):

    def distances(x, p=p):
        return torch.cdist(x, x, p=p)

    own, older = distances(points), exported(distances, points)
    print(p, own.tolist(), older.tolist())
    assert torch.allclose(own, older, atol=0.01) is right, p
    assert refused(distances, points, dynamo=True)
    if p == 1.0:
        assert round(older[0, 0, 2].item(), 3) == 5 and round(older[0, 0, 1].item(), 3) == 1 and older[0, 1, 0].isnan()
    if p == float("inf"):
        assert torch.equal(older, torch.ones_like(older))

image = torch.ones(1, 1, 4, 4)
error = refused(lambda x: F.interpolate(x, size=(3, 3), mode="nearest-exact"), image, dynamo=False)
print(error)
assert error == "UnsupportedOperatorError"
EOF
