#!/usr/bin/env bash
# torch 2.13.0, torch.export.
# Guess: an exported cdist takes any number of points, and range_constraints names the sizes that the program takes.
# Behavior: cdist computes up to 25 points in another way than more; the side on which the example lies becomes a limit,
# unless compute_mode names one way. FractionalMaxPool2d with output_ratio keeps the example's output size; its input
# says 13 to infinity, and the guards let only those sizes through that give the same output. With the guards off, the
# output for 48 is the example's 12 where the layer itself makes 24.
# Seen, from 24 points: 2 to 25; from 30: 26 to infinity; with compute_mode: 2 to infinity. From a height of 24: 13 to
# infinity, of 13 to 59 only 24 and 25 are taken; 12 for 48 without the guards.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.export import Dim, export


class Distances(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        return torch.cdist(x, x, **self.settings)


def exported(model, x, axis):
    program = export(model, (x,), dynamic_shapes=({axis: Dim.DYNAMIC},))
    (size,) = program.range_constraints.values()
    return program, (int(size.lower), str(size.upper))


def takes(program, *shape):
    try:
        program.module()(torch.rand(shape))
    except AssertionError:
        return False
    return True


(few, up_to), (many, from_on) = (exported(Distances(), torch.rand(n, 3), 0) for n in (24, 30))
_, free = exported(Distances(compute_mode="donot_use_mm_for_euclid_dist"), torch.rand(24, 3), 0)
print(up_to, from_on, free)
assert (up_to, from_on, free) == ((2, "25"), (26, "int_oo"), (2, "int_oo"))
assert takes(few, 25, 3) and not takes(few, 26, 3) and takes(many, 26, 3) and not takes(many, 25, 3)

pool = nn.FractionalMaxPool2d(2, output_ratio=0.5)
program, promised = exported(pool, torch.rand(1, 1, 24, 24), 2)
taken = [height for height in range(13, 60) if takes(program, 1, 1, height, 24)]
x = torch.rand(1, 1, 48, 24)
heights = pool(x).shape[2], program.module(check_guards=False)(x).shape[2]
print(promised, taken, heights)
assert promised == (13, "int_oo") and taken == [24, 25] and heights == (24, 12)
EOF
