#!/usr/bin/env bash
# torch 2.13.0.
# Guess: the message about a wrong output_size of max_unpool1d, "must be between 4 and 8", names sizes that
# it takes.
# Behavior: both ends are refused. Without a batch, an output_size with the channels in front is refused as
# well, and one with a batch and channels that the tensor does not have is taken; their numbers are not
# looked at.
# Seen: 5 to 7 of 1 to 11 are taken; [2, 7] is a ValueError for (2, 3), [99, 98, 7] gives (2, 7).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F


def seen(shape, output_size):
    x, indices = torch.zeros(shape), torch.zeros(shape, dtype=torch.long)
    try:
        return tuple(F.max_unpool1d(x, indices, 2, output_size=output_size).shape)
    except ValueError as error:
        return str(error)


print(seen((1, 2, 3), [4]))
assert "must be between 4 and 8" in seen((1, 2, 3), [4])
taken = [size for size in range(1, 12) if not isinstance(seen((1, 2, 3), [size]), str)]
print(taken, seen((2, 3), [2, 7]), seen((2, 3), [99, 98, 7]))
assert taken == [5, 6, 7]
assert "should be a sequence containing 1 or 3 elements" in seen((2, 3), [2, 7])
assert seen((2, 3), [99, 98, 7]) == (2, 7)
EOF
