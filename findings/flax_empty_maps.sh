#!/usr/bin/env bash
# flax 0.12.8, jax 0.10.2.
# Guess: a convolution or a pool whose window is larger than its input is refused, as by PyTorch.
# Behavior: the size that comes out is cut off at 0, and the map is empty, without a word. Its mean is NaN, so that a
# global average and the Linear layer behind it give NaN, and its sum is 0. A ConvTranspose with a padding of 0, which
# shrinks there, comes to an empty map too. Only a Linear layer that is built for the flattened map raises, with a
# ZeroDivisionError of its initializer.
# Seen: (1, 0, 0, 4) from Conv and ConvTranspose of 5 and from both pools of 3 over 2×2; NaN; "division by zero".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 flax==0.12.8 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import jax.numpy as jnp
from flax import nnx

rngs = nnx.Rngs(0)
image = jnp.ones((1, 2, 2, 4))
conv = nnx.Conv(4, 4, (5, 5), padding="VALID", rngs=rngs)(image)
pool = nnx.max_pool(image, (3, 3))
mean = nnx.avg_pool(image, (3, 3))
transposed = nnx.ConvTranspose(4, 4, (5, 5), padding=0, rngs=rngs)(image)
print(conv.shape, pool.shape, mean.shape, transposed.shape)
assert conv.shape == pool.shape == mean.shape == transposed.shape == (1, 0, 0, 4)

assert nnx.Conv(4, 4, (2, 2), padding="VALID", rngs=rngs)(image).shape == (1, 1, 1, 4)
print(conv.mean(), nnx.relu(conv).sum())
assert jnp.isnan(conv.mean()) and nnx.relu(conv).sum() == 0
head = nnx.Linear(4, 3, rngs=rngs)
print(head(conv.mean((1, 2))))
assert jnp.isnan(head(conv.mean((1, 2)))).all()
try:
    nnx.Linear(conv.size, 3, rngs=rngs)
except ZeroDivisionError as error:
    print(error)
else:
    raise SystemExit("taken")
EOF
