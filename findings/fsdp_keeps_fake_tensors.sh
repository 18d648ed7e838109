#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a pass of a model under fully_shard inside FakeTensorMode raises, or leaves the model as it was.
# Behavior: it passes, and the gathered parameters stay fake: outside the mode, the next pass over a real
# tensor gives a fake tensor without values.
# Seen: FakeTensor from model(torch.zeros(3, 4)) after the block.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - "$folder/store" 2>/dev/null <<'PY'
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", rank=0, world_size=1, store=dist.FileStore(sys.argv[1], 1))
net = fully_shard(nn.Sequential(nn.Linear(4, 2)), mesh=init_device_mesh("cpu", (1,)))
with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
    net(torch.zeros(1, 4))
made = net(torch.zeros(3, 4))
print(type(made).__name__)
dist.destroy_process_group()
assert type(made).__name__ == "FakeTensor"
PY
