#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.equal compares two jagged nested tensors, or raises NotImplementedError as torch.allclose
# does.
# Behavior: it compares the values, takes the answer for a tensor, and raises an AttributeError about a
# bool.
# Seen: AttributeError: 'bool' object has no attribute 'device'; allclose: NotImplementedError.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PY'
import torch

nested = torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(4, 3)], layout=torch.jagged)
seen = {}
for compare in (torch.equal, torch.allclose):
    try:
        seen[compare.__name__] = compare(nested, nested)
    except Exception as error:
        seen[compare.__name__] = f"{type(error).__name__}: {error}"
print(seen)
assert seen["equal"] == "AttributeError: 'bool' object has no attribute 'device'"
assert seen["allclose"].startswith("NotImplementedError")
PY
