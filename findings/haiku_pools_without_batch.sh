#!/usr/bin/env bash
# dm-haiku 0.0.17, jax 0.10.2.
# Guess: a window of 2 halves both axes of an image of 4×4 with 3 channels and no batch, as Conv2D takes such an image
# too; a transposed convolution with a kernel of 2 and a stride of 3 makes 11 of 4 without padding, as in PyTorch.
# Behavior: an int as the window means the axes between the first and the channels, so that without a batch the height
# is not pooled; an array of two axes, whose second is taken for the channels, comes back as it was, from max_pool and
# avg_pool. Conv2DTranspose(padding="VALID") fills the gap of the stride behind the last cell too.
# Seen: (4, 2, 3), and (2, 2, 3) with a batch; (4, 4), equal; 12 of 4 for a kernel of 2, and 13 for one of 4.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dm-haiku==0.0.17 jax==0.10.2 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import haiku as hk
import jax
import jax.numpy as jnp

image = jnp.arange(48.0).reshape(4, 4, 3)
shapes = hk.max_pool(image, 2, 2, "VALID").shape, hk.max_pool(image[None], 2, 2, "VALID").shape[1:]
print(*shapes)
assert shapes == ((4, 2, 3), (2, 2, 3))
for pool in hk.max_pool, hk.avg_pool:
    same = pool(image[..., 0], 2, 2, "VALID")
    print(same.shape)
    assert jnp.array_equal(same, image[..., 0])


def run(layer, x):
    model = hk.without_apply_rng(hk.transform(lambda x: layer()(x)))
    return model.apply(model.init(jax.random.PRNGKey(0), x), x)


assert run(lambda: hk.Conv2D(5, 3), image).shape == (4, 4, 5)
sizes = [
    run(lambda k=k: hk.Conv2DTranspose(5, k, stride=3, padding="VALID"), image[None]).shape[1] for k in (2, 4)
]
print(sizes)
assert sizes == [12, 13]
EOF
