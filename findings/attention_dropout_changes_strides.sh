#!/usr/bin/env bash
# torch 2.13.0, CPU, meta and fake tensors.
# Guess: the strides of scaled_dot_product_attention follow from those of its inputs, so that heads made by transpose
# can be put together with view, or never.
# Behavior: the CPU's fused kernel lays out its result as the query was, and the other one anew. With dropout the other
# one runs, and so for values of another width than the keys: y.transpose(1, 2).view(...) passes in evaluation and
# raises in the first step of training. Under FakeTensorMode it does the same; on meta it is refused each time.
# Seen: strides (240, 8, 48, 1) and a view, with dropout and on meta (240, 40, 8, 1) and a RuntimeError.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

BATCH, LENGTH, HEADS = 2, 5, 6


def heads(width, device):
    return torch.rand(BATCH, LENGTH, HEADS, width, device=device).transpose(1, 2)


def seen(device, dropout=0.0, width=8):
    query, key, value = heads(8, device), heads(8, device), heads(width, device)
    y = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    try:
        y.transpose(1, 2).view(BATCH, LENGTH, HEADS * width)
    except (RuntimeError, ValueError):
        return y.stride(), "refused"
    return y.stride(), "viewed"


kept, anew = ((240, 8, 48, 1), "viewed"), ((240, 40, 8, 1), "refused")
narrow = (120, 20, 4, 1), "refused"
expected = {"evaluation": kept, "training": anew, "values of 4": narrow}
calls = {"evaluation": {}, "training": {"dropout": 0.1}, "values of 4": {"width": 4}}
for name, call in calls.items():
    with FakeTensorMode():
        fake = seen("cpu", **call)
    found = seen("cpu", **call), fake, seen("meta", **call)
    print(name, *found)
    assert found[0] == found[1] == expected[name]
    assert found[2] == (narrow if name == "values of 4" else anew)
EOF
