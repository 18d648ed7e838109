#!/usr/bin/env bash
# torch 2.13.0.
# Guess: unpooling a map of an odd width without output_size either puts each value back where it was, as
# for an odd height, or is refused.
# Behavior: the indices count the elements of the wider map, so in every row but the first the values go one
# column further for each row above, around the end into the next row. That is refused only where an index
# happens to lie beyond the last element; an input of equal elements passes at any size.
# Seen: of 200 random maps of 3x4 all come back in place. Of 2x3 104 do, 48 are moved, 48 refused; of 16x17
# one is moved without a word and 199 are refused, and ones pass.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F

torch.manual_seed(0)


def seen(height, width):
    counts = {"in place": 0, "moved": 0, "refused": 0}
    for _ in range(200):
        x = torch.rand(1, 1, height, width) + 1
        pooled, indices = F.max_pool2d(x, 2, return_indices=True)
        try:
            back = F.max_unpool2d(pooled, indices, 2)
        except RuntimeError:
            counts["refused"] += 1
            continue
        there = x[..., : back.shape[2], : back.shape[3]]
        counts["in place" if bool(((back == 0) | (back == there)).all()) else "moved"] += 1
    return counts


def constant(height, width):
    pooled, indices = F.max_pool2d(torch.ones(1, 1, height, width), 2, return_indices=True)
    return tuple(F.max_unpool2d(pooled, indices, 2).shape)


odd_height, odd_width, large = seen(3, 4), seen(2, 3), seen(16, 17)
print(odd_height, odd_width, large, constant(16, 17))
assert odd_height == {"in place": 200, "moved": 0, "refused": 0}
assert odd_width == {"in place": 104, "moved": 48, "refused": 48}
assert large == {"in place": 0, "moved": 1, "refused": 199}
assert constant(16, 17) == (1, 1, 16, 16)
EOF
