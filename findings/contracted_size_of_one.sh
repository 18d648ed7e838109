#!/usr/bin/env bash
# numpy 2.4.6, torch 2.13.0.
# Guess: einsum and tensordot refuse to contract a dimension of 1 with one of 3, as matmul and inner do.
# Behavior: both stretch it: the product is computed as if the single column were there three times. So
# does linalg.vecdot, on meta as well, and torch.export takes it. NumPy refuses it in tensordot, whose
# shapes torch's page names, and stretches it in einsum. A layer written with einsum thus takes an input
# of one feature, whatever its weight wants, and no other wrong number.
# Seen: ones of (2, 1) and (3, 4): all 3 in (2, 4) from einsum, tensordot; refused by matmul, inner and
# np.tensordot. With 2 for 1 all refuse.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import torch


def outcome(function, *tensors):
    try:
        y = function(*tensors)
    except (RuntimeError, ValueError):
        return "refused"
    return tuple(y.shape) if y.device.type == "meta" else y.tolist()


def einsum(a, b):
    return torch.einsum("ij,jk->ik", a, b)


def tensordot(a, b):
    return torch.tensordot(a, b, dims=1)


class Layer(torch.nn.Module):
    def forward(self, a, b):
        return einsum(a, b)


one, two, three = torch.ones(2, 1), torch.ones(2, 2), torch.ones(3, 4)
stretched = [[3.0] * 4] * 2
exported = torch.export.export(Layer(), (one, three)).module()
seen = [outcome(f, one, three) for f in (einsum, tensordot, exported, torch.matmul)]
print(seen, outcome(np.tensordot, one.numpy(), three.numpy(), 1))
assert seen == [stretched, stretched, stretched, "refused"]
assert outcome(torch.inner, one, three.T) == "refused"
assert outcome(torch.linalg.vecdot, one, torch.ones(2, 3)) == [3, 3]
assert outcome(np.tensordot, one.numpy(), three.numpy(), 1) == "refused"
assert np.einsum("ij,jk->ik", one.numpy(), three.numpy()).tolist() == stretched
for f in (einsum, tensordot):
    assert outcome(f, one.to("meta"), three.to("meta")) == (2, 4)
    assert outcome(f, two, three) == "refused"
EOF
