#!/usr/bin/env bash
# onnxscript 0.7.2, onnxruntime 1.32.0, onnxsim 0.8.1, torch 2.13.0.
# Guess: what the exporter cannot say in ONNX it refuses: ONNX has no scatter by the mean, and no
# projection in its LSTM.
# Behavior: scatter_reduce with "mean" is exported with the reduction "none", so that the last value
# written stays; "sum", "prod", "amax" and "amin" are right. An LSTM with proj_size is exported as one
# without, and its projection is nowhere in the model. ONNX Runtime refuses that for its initial cell
# state, but onnxsim removes the states, which are zero, and what it calls simplified runs and gives
# other numbers in the right shape.
# Seen: 6, 6, 1 for 3, 3.5, 1; "Input initial_c must have shape {1,2,2}. Actual:{1,2,4}".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 onnxscript==0.7.2 onnxruntime==1.32.0 onnxsim==0.8.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnxruntime
import onnxsim
import torch
from torch import nn


class Scatter(nn.Module):
    def __init__(self, reduction):
        super().__init__()
        self.reduction = reduction

    def forward(self, x, index, values):
        return x.scatter_reduce(0, index, values, self.reduction)


def export(model, inputs):
    return torch.onnx.export(model, inputs, dynamo=True, verbose=False).model_proto


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs)})[0]


inputs = torch.ones(3), torch.tensor([0, 0, 1]), torch.tensor([2.0, 6.0, 6.0])
for reduction in ("sum", "prod", "amax", "amin", "mean"):
    wanted, got = Scatter(reduction)(*inputs).tolist(), run(export(Scatter(reduction), inputs), inputs).tolist()
    print(reduction, wanted, got)
    assert (wanted == got) == (reduction != "mean")
assert wanted == [3, 3.5, 1] and got == [6, 6, 1]

lstm, x = nn.LSTM(3, 4, proj_size=2), (torch.rand(5, 2, 3),)
wanted, model = lstm(*x)[0].detach().numpy(), export(lstm, x)
try:
    run(model, x)
except Exception as error:
    refused = str(error)
got = run(onnxsim.simplify(model)[0], x)
print(refused, wanted.shape, got.shape, abs(wanted - got).max())
assert "initial_c must have shape {1,2,2}. Actual:{1,2,4}" in refused
assert wanted.shape == got.shape and not np.allclose(wanted, got, atol=0.01)
EOF
