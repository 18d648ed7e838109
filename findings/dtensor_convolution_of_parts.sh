#!/usr/bin/env bash
# torch 2.13.0, torch.distributed.tensor, two processes with gloo.
# Guess: a convolution of a DTensor that is sharded along its height or width gathers it, exchanges the borders, or
# raises, as view and unbind do along a sharded dimension.
# Behavior: each process convolves its own part, padding it at the inner border too, and the result says Replicate and
# the shape of the whole, though each process holds another part. full_tensor() gives that part, whose shape is not the
# DTensor's; nothing is said. Sharded along the batch it is right.
# Seen: (2, 3, 8, 8), Replicate, and (2, 3, 4, 8) from full_tensor(), equal to the convolution of each process's half.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

cat > "$folder/parts.py" <<'EOF'
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import multiprocessing
from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh


def run(rank, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    x, weight = torch.rand(2, 4, 8, 8), torch.rand(3, 4, 3, 3)
    whole = F.conv2d(x, weight, padding=1)
    replicated = distribute_tensor(weight, mesh, [Replicate()])

    for dim in 0, 2, 3:
        y = F.conv2d(distribute_tensor(x, mesh, [Shard(dim)]), replicated, padding=1)
        full = y.full_tensor()
        if rank == 0:
            print(dim, tuple(y.shape), y.placements, tuple(full.shape))
        assert y.shape == whole.shape
        if dim == 0:
            assert torch.allclose(full, whole, atol=1e-5)
        else:
            part = F.conv2d(x.chunk(2, dim)[rank], weight, padding=1)
            assert y.placements == (Replicate(),) and full.shape[dim] == 4
            assert torch.allclose(full, part, atol=1e-5)
    dist.destroy_process_group()


if __name__ == "__main__":
    multiprocessing.spawn(run, (sys.argv[1],), nprocs=2)
EOF
"$folder/venv/bin/python" -W ignore "$folder/parts.py" "$folder/store"
