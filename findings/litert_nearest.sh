#!/usr/bin/env bash
# litert-torch 0.10.0, torch 2.13.0, CPU.
# Guess: a nearest resize takes PyTorch's cells after the conversion.
# Behavior: PyTorch takes the cell at the left end of each new one, the converted model the cell in the middle, which is
# what "nearest-exact" would take: it differs wherever the new size is no multiple of the old.
# Seen: of 0 to 8 the cells 0, 2, 4 and 6 in PyTorch and 1, 3, 5 and 7 after the conversion; of 3 cells to 6 the same in
# both.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 litert-torch==0.10.0

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import litert_torch
import torch
from torch import nn


def nearest(old, new):
    x = torch.arange(float(old)).repeat(1, 1, old, 1)
    model = nn.Upsample(size=(new, new)).eval()
    found = torch.from_numpy(litert_torch.convert(model, (x,))(x).copy())
    return model(x)[0, 0, 0].tolist(), found[0, 0, 0].tolist()


seen = nearest(9, 4)
print(*seen)
assert seen == ([0, 2, 4, 6], [1, 3, 5, 7])
seen = nearest(3, 6)
assert seen[0] == seen[1]
EOF
