#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.ones_like of a sparse tensor is all ones, or refused, since no sparse layout holds it; full_like and fill_
# likewise, whatever the layout.
# Behavior: of CSR and CSC tensors only the values that are stored become ones: ones_like(x).to_dense() has the zeros of
# x, and sum() counts the stored ones. full_like and fill_ do the same. COO tensors refuse all three, and so do x + 1,
# exp and sigmoid of CSR, which would fill the zeros as well.
# Seen: ones_like [[0, 1], [1, 0]], fill_(3) [[0, 3], [3, 0]]; COO: NotImplementedError.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PY'
import torch

dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
ways = {
    "ones_like": torch.ones_like,
    "full_like": lambda x: torch.full_like(x, 3.0),
    "fill_": lambda x: x.clone().fill_(3.0),
    "+ 1": lambda x: x + 1,
    "exp": torch.exp,
}
seen = {}
for layout in ("to_sparse_csr", "to_sparse_csc", "to_sparse"):
    for name, way in ways.items():
        try:
            seen[layout, name] = way(getattr(dense, layout)()).to_dense().tolist()
        except (RuntimeError, NotImplementedError) as error:
            seen[layout, name] = type(error).__name__
for key, value in seen.items():
    print(*key, value)
for layout in ("to_sparse_csr", "to_sparse_csc"):
    assert seen[layout, "ones_like"] == [[0.0, 1.0], [1.0, 0.0]]
    assert seen[layout, "full_like"] == seen[layout, "fill_"] == [[0.0, 3.0], [3.0, 0.0]]
    assert seen[layout, "+ 1"] == seen[layout, "exp"] == "RuntimeError"
assert all("Error" in value for (layout, name), value in seen.items() if layout == "to_sparse")
PY
