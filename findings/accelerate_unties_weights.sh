#!/usr/bin/env bash
# accelerate 1.15.0, torch 2.13.0.
# Guess: under init_empty_weights a model has the parameters that it has without it, as under
# torch.device("meta"), and a lazy layer stays lazy.
# Behavior: each registered parameter is copied to meta, so that a weight that __init__ gave to two
# layers becomes two parameters, and the model counts more than it has. The copy of a lazy layer's
# parameter raises a TypeError. torch.device("meta") keeps both, but the checkpoint that is then loaded
# with assign=True parts the weights of that model too: one trained on is no longer tied.
# Seen: 40 parameters built as usual and on "meta", 80 under init_empty_weights; 80 and 80 once loaded.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 accelerate==1.15.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from accelerate import init_empty_weights
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        self.head.weight = self.table.weight


def count(model):
    return sum(p.numel() for p in model.parameters())


usual = Tied()
with torch.device("meta"):
    on_meta = Tied()
    nn.LazyLinear(3)
with init_empty_weights():
    empty = Tied()
    try:
        nn.LazyLinear(3)
    except TypeError as error:
        refused = str(error)
counts = [count(model) for model in (usual, on_meta, empty)]
for model in (on_meta, empty):
    model.load_state_dict(usual.state_dict(), assign=True)
loaded = [count(model) for model in (on_meta, empty)]
print(counts, loaded, refused)
assert counts == [40, 40, 80] and loaded == [80, 80]
assert "multiple values for argument 'requires_grad'" in refused
EOF
