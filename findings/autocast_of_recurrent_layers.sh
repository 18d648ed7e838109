#!/usr/bin/env bash
# torch 2.13.0, CPU.
# Guess: under autocast RNN, GRU and LSTM give the same dtype, and each cell the dtype of its layer; all of them are
# matrix products, and the page lists the three cells together among what CUDA runs in half precision.
# Behavior: LSTM, RNN and RNNCell come out in bfloat16, GRU, GRUCell and LSTMCell in float32, in training as in
# evaluation. So a Linear layer behind the region takes what a GRU gives and refuses what an LSTM gives, and a step
# of LSTMCell has another dtype than one step of LSTM.
# Seen: bfloat16, bfloat16, bfloat16; float32, float32, float32; "must have the same dtype" behind the LSTM alone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

SEQUENCE, STEP = torch.rand(5, 2, 3), torch.rand(2, 3)


def dtypes(layer, x):
    with torch.autocast("cpu", torch.bfloat16):
        tensors = torch.utils._pytree.tree_leaves(layer(x))
    return {tensor.dtype for tensor in tensors}


expected = {
    nn.LSTM: torch.bfloat16,
    nn.RNN: torch.bfloat16,
    nn.RNNCell: torch.bfloat16,
    nn.GRU: torch.float32,
    nn.GRUCell: torch.float32,
    nn.LSTMCell: torch.float32,
}
for kind, dtype in expected.items():
    x = STEP if kind.__name__.endswith("Cell") else SEQUENCE
    trained = dtypes(kind(3, 4), x)
    with torch.no_grad():
        evaluated = dtypes(kind(3, 4).eval(), x)
    print(kind.__name__, trained, evaluated)
    assert trained == evaluated == {dtype}

behind = nn.Linear(4, 1)
for kind in nn.GRU, nn.LSTM:
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = kind(3, 4)(SEQUENCE)
    try:
        behind(output)
        refused = False
    except RuntimeError as error:
        print(kind.__name__, error)
        refused = "must have the same dtype" in str(error)
    assert refused is (kind is nn.LSTM)
EOF
