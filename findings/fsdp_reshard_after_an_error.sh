#!/usr/bin/env bash
# torch 2.13.0.
# Guess: reshard() of a model under fully_shard shards the parameters again, also after a forward pass
# that raised.
# Behavior: after one that raised it returns without doing anything: the outermost module takes itself to
# be in its forward pass still, and keeps the gathered parameters until a pass comes to its end.
# Seen: DTensor after a pass and reshard(); Parameter after a pass that raised and reshard().
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - "$folder/store" <<'PY'
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", rank=0, world_size=1, store=dist.FileStore(sys.argv[1], 1))
mesh = init_device_mesh("cpu", (1,))


def kind(features):
    net = fully_shard(nn.Sequential(nn.Linear(4, 2)), mesh=mesh)
    try:
        net(torch.zeros(3, features))
    except RuntimeError as error:
        print(str(error)[:46])
    gathered = type(net[0].weight).__name__
    net.reshard()
    return gathered, type(net[0].weight.data).__name__


fits, raised = kind(4), kind(5)
print(fits, raised)
dist.destroy_process_group()
assert fits == ("Parameter", "DTensor")
assert raised == ("Parameter", "Tensor")
PY
