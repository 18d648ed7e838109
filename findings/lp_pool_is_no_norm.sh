#!/usr/bin/env bash
# torch 2.13.0.
# Guess: lp_pool1d gives the p-norm of each window, so that it is never negative and, under
# ceil_mode, a last window with one element left gives that element's size.
# Behavior: no absolute value is taken: p=1 sums with signs, p=3 gives NaN for a negative sum. The
# last window is averaged over what is left and then multiplied by the full kernel size.
# Seen: [-3.0, 7.0] for p=1, [nan, 4.498] for p=3 on -1, -2, 3, 4; [1.414, 1.414, 1.414] for p=2 on
# five ones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import math

import torch
import torch.nn.functional as F

x = torch.tensor([[[-1.0, -2.0, 3.0, 4.0]]])
signed = F.lp_pool1d(x, 1, 2).flatten().tolist()
cubes = F.lp_pool1d(x, 3, 2).flatten().tolist()
print(signed, cubes)
assert signed == [-3.0, 7.0]
assert math.isnan(cubes[0]) and math.isclose(cubes[1], 91 ** (1 / 3), rel_tol=1e-5)

last = F.lp_pool1d(torch.ones(1, 1, 5), 2, 2, ceil_mode=True).flatten().tolist()
print(last)
assert all(math.isclose(v, math.sqrt(2), rel_tol=1e-5) for v in last) and len(last) == 3
EOF
