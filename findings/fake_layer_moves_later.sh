#!/usr/bin/env bash
# torch 2.13.0, FakeTensorMode.
# Guess: layer.to("cpu") of a layer that was made under FakeTensorMode on the CPU does nothing, and what it
# does depends on that layer alone.
# Behavior: it raises for the first layer of a kind, and works for a later one that is made in the same way:
# an operation that the mode's cache has not seen yet keeps a weak reference to its input, and a parameter
# with one cannot be swapped. Which parameter is named changes with what is in the cache.
# Seen: "Couldn't swap Linear.weight", "Couldn't swap Linear.bias", and then three layers that move.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

seen = []
for _ in range(5):
    with FakeTensorMode():
        layer = nn.Linear(3, 4)
        try:
            layer.to("cpu")
            seen.append("moved")
        except RuntimeError as error:
            seen.append(str(error))
print(*seen, sep="\n")
assert seen[0] == "_apply(): Couldn't swap Linear.weight"
assert seen[1] == "_apply(): Couldn't swap Linear.bias"
assert seen[2:] == ["moved"] * 3
EOF
