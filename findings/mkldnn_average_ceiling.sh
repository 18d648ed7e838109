#!/usr/bin/env bash
# torch 2.13.0, CPU.
# Guess: an average pool of a tensor in the MKL-DNN layout gives the values that it gives of the same tensor in the usual
# one, up to rounding; torch.utils.mkldnn.to_mkldnn changes the speed of a model.
# Behavior: with ceil_mode the last window, where it reaches beyond the input and its padding, is divided by the full
# size of the window, and not by the part that lies within, so that the last row and column are too small. The shape is
# the same. With count_include_pad=False the values agree, and so do those of a maximum and of ceil_mode=False.
# Seen: the means of 1 to 8 in windows of 3 at a stride of 2 end in 7.5, and in 5 in the MKL-DNN layout.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F

x = torch.arange(1.0, 9.0).expand(1, 1, 8, 8).contiguous()


def both(pool):
    return pool(x), pool(x.to_mkldnn()).to_dense()


usual, other = both(lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True))
print(usual[0, 0, 0].tolist(), other[0, 0, 0].tolist())
assert usual[0, 0, 0].tolist() == [2, 4, 6, 7.5]
assert torch.allclose(other[0, 0, 0], torch.tensor([2.0, 4.0, 6.0, 5.0]))
assert torch.allclose(usual[..., :3, :3], other[..., :3, :3])

for padding in 0, 1:
    for pool in (
        lambda x: F.avg_pool2d(x, 3, 2, padding, ceil_mode=True, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 3, 2, padding),
        lambda x: F.max_pool2d(x, 3, 2, padding, ceil_mode=True),
    ):
        usual, other = both(pool)
        assert torch.allclose(usual, other), padding
EOF
