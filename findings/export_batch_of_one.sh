#!/usr/bin/env bash
# torch 2.13.0, torch.export.
# Guess: Dim.AUTO on the batch keeps it free, whatever batch the example has.
# Behavior: an example batch of 1 makes the batch the constant 1 without a word; Dim.DYNAMIC raises
# for the same example. The exported program then refuses a batch of 2 when it is called.
# Seen: AUTO from 1 has no free size, AUTO from 2 has one, DYNAMIC from 1 is a ValueError, a batch of
# 2 through the program of 1 is an AssertionError.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.export import Dim, export


def exported(batch, dim):
    return export(nn.ReLU(), (torch.rand(batch, 3),), dynamic_shapes=({0: dim},))


one, two = exported(1, Dim.AUTO), exported(2, Dim.AUTO)
print("free sizes", len(one.range_constraints), len(two.range_constraints))
assert (len(one.range_constraints), len(two.range_constraints)) == (0, 1)
assert two.module()(torch.rand(5, 3)).shape == (5, 3)
for expected, call in (
    (ValueError, lambda: exported(1, Dim.DYNAMIC)),
    (AssertionError, lambda: one.module()(torch.rand(2, 3))),
):
    try:
        call()
    except expected as error:
        print(type(error).__name__, str(error)[:60].splitlines()[0])
    else:
        raise AssertionError(f"no {expected.__name__}")
EOF
