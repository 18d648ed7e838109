#!/usr/bin/env bash
# e3nn 0.6.0, torch 2.13.0.
# Guess: what takes 4 scalars refuses 8, and a spherical harmonic of a vector with 4 components is refused.
# Behavior: Activation takes any width above the one it was made for, and gives back the columns it knows: the others
# are left out without a word. spherical_harmonics takes vectors of four components: the fourth counts in the length
# where normalize is on, and nowhere else. Gate, Norm, BatchNorm and Linear refuse what they were not made for.
# Seen: (2, 8) to (2, 4); with a fourth component other harmonics with normalize and the same without; an error from
# Gate, Norm, BatchNorm and Linear.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 e3nn==0.6.0

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import torch
from e3nn import nn, o3

torch.manual_seed(0)
x = torch.randn(2, 8)
tanh = nn.Activation("4x0e", [torch.tanh])
print(tuple(tanh(x).shape))
assert tanh(x).shape == (2, 4) and torch.equal(tanh(x), tanh(x[:, :4]))

vectors = torch.randn(5, 4)
same = [
    torch.allclose(*(o3.spherical_harmonics(2, each, normalize=on) for each in (vectors, vectors[:, :3])))
    for on in (True, False)
]
print(same)
assert same == [False, True]

others = nn.Gate("4x0e", [torch.tanh], "", [], ""), o3.Norm("4x0e"), nn.BatchNorm("4x0e"), o3.Linear("4x0e", "4x0e")
for layer in others:
    try:
        layer(x)
    except (AssertionError, RuntimeError) as error:
        print(type(layer).__name__, type(error).__name__)
    else:
        raise SystemExit("taken")
EOF
