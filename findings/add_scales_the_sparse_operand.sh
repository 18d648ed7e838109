#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.add(input, other, alpha=2) is input + 2 * other, whichever of the two is sparse, or is refused, as it is
# for a COO input and a dense other.
# Behavior: for a CSR or CSC input and a dense other it is 2 * input + other: alpha goes to the sparse operand, without
# a word, also in the method and in out=. Two CSR tensors, and a dense input with a CSR other, are right.
# Seen for [[0, -2], [0.5, 0]] and [[1, 2], [3, 4]]: [[1, -2], [4, 4]] for [[2, 2], [6.5, 8]].
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch

a = torch.tensor([[0.0, -2.0], [0.5, 0.0]])
b = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
right = torch.add(a, b, alpha=2)
for sparse in a.to_sparse_csr(), a.to_sparse_csc():
    y = torch.add(sparse, b, alpha=2)
    print(sparse.layout, y.tolist(), right.tolist())
    assert torch.equal(y, 2 * a + b) and not torch.equal(y, right)
    assert torch.equal(sparse.add(b, alpha=2), y) and torch.equal(torch.add(sparse, b, alpha=2, out=torch.empty(2, 2)), y)
    assert torch.equal(torch.add(sparse, b), a + b)
    assert torch.equal(torch.add(b, sparse, alpha=2), b + 2 * a)
assert torch.equal(torch.add(a.to_sparse_csr(), b.to_sparse_csr(), alpha=2).to_dense(), right)
try:
    torch.add(a.to_sparse_coo(), b, alpha=2)
except RuntimeError as error:
    print(str(error)[:60])
else:
    raise SystemExit("COO took it")
EOF
