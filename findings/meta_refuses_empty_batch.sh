#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: interpolate answers an empty batch on meta as it does on the CPU, in every mode.
# Behavior: "nearest" and "nearest-exact" raise a TypeError on meta, while "linear" answers there.
# An empty channel dimension goes the other way: the CPU refuses it and "bilinear" on meta takes it.
# Seen: (0, 3, 16), TypeError "cond must be a bool, but got <class 'int'>", (0, 3, 16),
# (0, 3, 16); RuntimeError, (1, 0, 8, 8).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F


def seen(shape, device, mode):
    try:
        y = F.interpolate(torch.empty(shape, device=device), scale_factor=2, mode=mode)
    except (RuntimeError, TypeError) as error:
        print(shape, device, mode, type(error).__name__, str(error)[:60])
        return type(error)
    print(shape, device, mode, tuple(y.shape))
    return tuple(y.shape)


for mode in "nearest", "nearest-exact":
    assert seen((0, 3, 8), "cpu", mode) == (0, 3, 16)
    assert seen((0, 3, 8), "meta", mode) is TypeError
for device in "cpu", "meta":
    assert seen((0, 3, 8), device, "linear") == (0, 3, 16)
assert seen((1, 0, 4, 4), "cpu", "bilinear") is RuntimeError
assert seen((1, 0, 4, 4), "meta", "bilinear") == (1, 0, 8, 8)
EOF
