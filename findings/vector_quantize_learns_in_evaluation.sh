#!/usr/bin/env bash
# vector-quantize-pytorch 1.32.0, torch 2.13.0.
# Guess: a forward pass in evaluation under no_grad changes nothing of the model, so that a pass with zeros to learn a
# shape is harmless before the training.
# Behavior: VectorQuantize(kmeans_init=True) makes its codebook from the first batch that it sees, in evaluation as
# well: the buffer "initted" is set, and no later batch makes one. After zeros all codes are zero, so that each vector
# gets the same code, in evaluation and in the first step of training. ResidualVQ does so in each of its layers.
# Without kmeans_init a pass in evaluation changes no buffer.
# Seen: of 16 codes 1 used after zeros, and 16 by a new layer; "initted" set in one and in three layers.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 vector-quantize-pytorch==1.32.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import logging

import torch
from vector_quantize_pytorch import ResidualVQ, VectorQuantize

logging.disable(logging.CRITICAL)


def changed(layer, x):
    """The names of the buffers that a pass in evaluation changes."""
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        layer.eval()(x)
    return [name for name, value in layer.state_dict().items() if not torch.equal(value, before[name])]


def used(layer, x):
    with torch.no_grad():
        return layer(x)[1].unique().numel()


torch.manual_seed(0)
data, zeros = torch.randn(4, 32, 8), torch.zeros(1, 32, 8)
usual = VectorQuantize(dim=8, codebook_size=16)
assert changed(usual, zeros) == []

fresh, dummy = (VectorQuantize(dim=8, codebook_size=16, kmeans_init=True) for _ in range(2))
names = changed(dummy, zeros)
print(names)
assert names == [f"_codebook.{name}" for name in ("initted", "cluster_size")]
counts = used(fresh.eval(), data), used(dummy, data), used(dummy.train(), data)
print(counts, dummy.codebook.unique(dim=0).shape)
assert counts == (16, 1, 1)

residual = ResidualVQ(dim=8, num_quantizers=3, codebook_size=16, kmeans_init=True)
names = changed(residual, zeros)
print(names)
assert sum(name.endswith("initted") for name in names) == 3
EOF
