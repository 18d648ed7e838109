#!/usr/bin/env bash
# torch 2.13.0.
# Guess: weight_norm(dim=-1) keeps a magnitude for each position of the last dimension, as a negative dim does in
# torch.norm and in ln_structured pruning; -2 of a matrix works so.
# Behavior: -1 is read as None: one magnitude for the whole weight, a scalar, without a word, in both the older
# weight_norm and the parametrization. dim=1 of the same matrix has one for each column.
# Seen for a Linear of 3 to 5: () for -1 and None, (1, 3) for 1, (5, 1) for 0 and -2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

expected = {-1: (), None: (), 1: (1, 3), 0: (5, 1), -2: (5, 1)}
for dim, shape in expected.items():
    older = weight_norm(nn.Linear(3, 5), dim=dim).weight_g
    newer = parametrizations.weight_norm(nn.Linear(3, 5), dim=dim).parametrizations.weight.original0
    print(dim, tuple(older.shape), tuple(newer.shape))
    assert older.shape == newer.shape == shape
EOF
