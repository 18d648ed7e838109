#!/usr/bin/env bash
# torch 2.13.0.
# Guess: under FakeTensorMode with a dynamic length, max_pool1d hands on a symbolic length, as
# avg_pool1d and max_pool2d do.
# Behavior: its length becomes the number of the example, and the ShapeEnv gets a guard that the input
# has exactly that length: a program exported through it takes no other.
# Seen: max_pool1d 10 with Eq(s…, 20); avg_pool1d s…//2 without a guard; max_pool2d s…//2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext


def last_size(function, x):
    env = ShapeEnv()
    dynamic = [DimDynamic.STATIC if axis < 2 else DimDynamic.DYNAMIC for axis in range(x.dim())]
    with FakeTensorMode(shape_env=env) as mode:
        fake = mode.from_tensor(x, symbolic_context=StatelessSymbolicContext(dynamic_sizes=dynamic))
        size = function(fake, 2).shape[-1]
        print(function.__name__, size, [str(guard.expr) for guard in env.guards])
        return type(size), len(env.guards)


assert last_size(F.max_pool1d, torch.zeros(1, 3, 20)) == (int, 1)
assert last_size(F.avg_pool1d, torch.zeros(1, 3, 20)) == (torch.SymInt, 0)
assert last_size(F.max_pool2d, torch.zeros(1, 3, 20, 20)) == (torch.SymInt, 0)
PY
