#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a negative amount cuts, in each mode of F.pad in the same way: either the padding is taken from what is left,
# or from the whole input. Where too little is left, it is refused, on meta too.
# Behavior: "circular" cuts first and repeats what is left; "reflect" and "replicate" read the whole input, so that
# what was cut off comes back in the mirror. The check of "circular" compares the padding with the whole input: where
# as much is there and less is left, the CPU raises an error about memory locations for one channel and takes two, and
# the meta device gives the shape for both. An input that is smaller still is refused in words on either.
# Seen, of 0, 1, 2 by (-1, 2): 1, 2, 1, 2 by "circular" and 1, 2, 1, 0 by "reflect". By (-2, 3) lengths of 3 and 4
# raise "refer to a single memory location" on the CPU and are 4 and 5 on meta; 5 passes, and 2 is refused for wrapping
# around.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch.nn import functional as F


def padded(length, amounts, mode="circular", device="cpu", channels=1):
    x = torch.arange(float(length)).expand(1, channels, length).contiguous().to(device)
    try:
        return F.pad(x, amounts, mode=mode)
    except RuntimeError as error:
        return str(error)


found = {mode: padded(3, (-1, 2), mode)[0, 0].tolist() for mode in ("circular", "reflect")}
print(found)
assert found == {"circular": [1, 2, 1, 2], "reflect": [1, 2, 1, 0]}
# With nothing but the last left, the mirror shows only what was cut.
found = {mode: padded(4, (-3, 3), mode)[0, 0].tolist() for mode in ("reflect", "replicate")}
print(found)
assert found == {"reflect": [3, 2, 1, 0], "replicate": [3, 3, 3, 3]}

for amounts, wraps, overlaps, passes in (((-1, 2), 1, (2,), 3), ((2, -1), 1, (2,), 3), ((-2, 3), 2, (3, 4), 5)):
    for device in ("cpu", "meta"):
        assert "wrapping around more than once" in padded(wraps, amounts, device=device)
        assert padded(passes, amounts, device=device).shape[2] == passes + 1
    for length in overlaps:
        error, on_meta = padded(length, amounts), padded(length, amounts, device="meta")
        print(amounts, length, error[:120], on_meta.shape)
        assert "refer to a single memory location" in error and on_meta.shape[2] == length + 1
        assert padded(length, amounts, channels=2).shape == (1, 2, length + 1)
EOF
