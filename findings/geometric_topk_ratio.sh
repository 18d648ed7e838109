#!/usr/bin/env bash
# torch-geometric 2.8.1, torch 2.13.0.
# Guess: TopKPooling(ratio=1.0) keeps every node, since its page says that a float is a share and an int a number of
# nodes; and the number kept depends on the ratio and the graph alone.
# Behavior: the value decides, not the type. From 1 up a float is a number of nodes too, so that a sweep of ratios ends
# at one node per graph; SAGPooling and ASAPooling do the same. The number of nodes is multiplied in the dtype of the
# features: a half-precision model keeps another number of nodes of the same graph.
# Seen: of 100 nodes 50, 90, 99 and 1 for 0.5, 0.9, 0.99 and 1.0; half of 257 nodes is 129 in float32 and 128 in
# bfloat16, half of 2049 is 1025 in float32 and 1024 in float16.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 torch-geometric==2.8.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch_geometric.nn import ASAPooling, SAGPooling, TopKPooling


def kept(pool, ratio, nodes, dtype=torch.float32):
    loops = torch.arange(nodes).repeat(2, 1)
    return pool(4, ratio=ratio).to(dtype)(torch.rand(nodes, 4, dtype=dtype), loops)[0].shape[0]


sweep = [kept(TopKPooling, ratio, 100) for ratio in (0.5, 0.9, 0.99, 1.0, 1, 2.7)]
others = [kept(pool, ratio, 10) for pool in (SAGPooling, ASAPooling) for ratio in (0.9, 1.0)]
halves = [
    kept(TopKPooling, 0.5, nodes, dtype)
    for nodes, dtype in (
        (257, torch.float32), (257, torch.bfloat16), (2049, torch.float32), (2049, torch.float16)
    )
]
print(sweep, others, halves)
assert sweep == [50, 90, 99, 1, 1, 2]
assert others == [9, 1, 9, 1]
assert halves == [129, 128, 1025, 1024]
EOF
