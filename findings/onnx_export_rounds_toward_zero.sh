#!/usr/bin/env bash
# onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, torch 2.13.0, torch.onnx.export with dynamo=False and True.
# Guess: an operator is exported as it is, or refused; // rounds down in the exported model too, as in Python.
# Behavior: the older exporter writes x // y and x >> 1 as divisions that round toward zero, for integers and for floats,
# so that every negative result that is not whole is one too large. The newer exporter writes those as they are, but the
# // of a size that is left free rounds toward zero in both: -(-n // 2), the usual way to round a half of a size up, is
# one too small for an odd n, and the layer behind it gets another shape. No warning says so. The remainder is right, of
# numbers and of sizes (-n % 4).
# Seen: -7 // 2 and -7 >> 1 are -3, -1.5 // 1 is -1, -3 // 2 of floats is -1, by the older alone; of 7 columns the first
# half is 3 for 4 by both; -7 % 2 is 1 and 7 columns are padded to 8.
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


def exported(function, x, dynamo):
    """The exported function's result for x; the second axis of x is free."""
    sizes = {"dynamic_shapes": {"x": {1: "n"}}} if dynamo else {"dynamic_axes": {"x": {1: "n"}}}
    free = sizes if x.dim() > 1 else {}
    torch.onnx.export(
        Call(function), (x,), "model.onnx", dynamo=dynamo, external_data=False, verbose=False, input_names=["x"], **free
    )
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


whole = torch.tensor([-7, -4, 7])
broken = torch.tensor([-1.5, -3.0, 1.5])
for name, function, x in (
    ("whole // 2", lambda x: x // 2, whole),
    ("whole >> 1", lambda x: x >> 1, whole),
    ("// 1", lambda x: x // 1.0, broken),
    ("// 2", lambda x: x // 2, broken),
    ("first half", lambda x: x[:, : -(-x.shape[1] // 2)], torch.ones(2, 7)),
    ("%", lambda x: x % 2, whole),
    ("whole rows", lambda x: F.pad(x, (0, -x.shape[1] % 4)), torch.ones(2, 7)),
):
    own, older, newer = function(x), exported(function, x, False), exported(function, x, True)
    print(name, own.tolist(), older.tolist(), newer.tolist())
    if name == "first half":
        assert (own.shape, older.shape, newer.shape) == ((2, 4), (2, 3), (2, 3))
        continue
    assert torch.equal(own, newer), name
    assert torch.equal(own, older) is (name in {"%", "whole rows"}), name
    assert bool(((older - own)[older != own] == 1).all()), name
EOF
