#!/usr/bin/env bash
# neuraloperator 2.0.0, torch 2.13.0.
# Guess: a resolution_scaling_factor of 0.5 makes half the size rounded down, as a stride or F.interpolate would, and
# the following factor of 2 makes an even size from it; a wrong number of channels is refused by its own number.
# Behavior: Python's round() decides, to the even neighbor: 9 becomes 4, 11 becomes 6, and 11, 12 and 13 all become 6.
# A halving and a doubling return 16 for 17 and 20 for 19. An FNO with 3 channels that gets 4 says 5 and 6, since two
# channels of coordinates were appended before.
# Seen: 4 4 5 6 6 6 7 8 8 8 of 8 to 17; 16, 16, 18, 20, 20, 20 of 16 to 21; "to have 5 channels, but got 6".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 neuraloperator==2.0.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from neuralop.layers.spectral_convolution import SpectralConv
from neuralop.models import FNO
from torch.nn.functional import interpolate

half = SpectralConv(1, 1, (4,), resolution_scaling_factor=0.5)
halves = [half(torch.rand(1, 1, size)).shape[-1] for size in range(8, 18)]
floors = [interpolate(torch.rand(1, 1, size), scale_factor=0.5).shape[-1] for size in range(8, 18)]
print(halves, floors)
assert halves == [4, 4, 5, 6, 6, 6, 7, 8, 8, 8]
assert floors == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8]


def model(**kwargs):
    return FNO(n_modes=(4, 4), in_channels=3, out_channels=2, hidden_channels=8, n_layers=2, **kwargs)


there_and_back = model(resolution_scaling_factor=[0.5, 2])
sizes = [tuple(there_and_back(torch.rand(1, 3, size, size)).shape[-2:]) for size in range(16, 22)]
print(sizes)
assert sizes == [(size, size) for size in (16, 16, 18, 20, 20, 20)]

try:
    model()(torch.rand(1, 4, 8, 8))
except RuntimeError as error:
    print(error)
    assert "to have 5 channels, but got 6" in str(error)
else:
    raise AssertionError("four channels were taken")
EOF
