#!/usr/bin/env bash
# vit-pytorch 1.26.14, torchvision 0.29.1, torch 2.14.1.
# Guess: MAE and SimMIM train the ViT of the same package, as its README shows.
# Behavior: they slice pos_embedding[:, 1:] as if it had a batch dimension; ViT's has two dimensions,
# so the slice drops a feature and not the class token, and the sum is refused. MAE runs only with
# pool="mean", SimMIM with neither.
# Seen: "The size of tensor a (32) must match the size of tensor b (16)" for MAE with "cls" and for
# SimMIM with both, a loss for MAE with "mean".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 torchvision==0.29.1 vit-pytorch==1.26.14

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from vit_pytorch import MAE, ViT
from vit_pytorch.simmim import SimMIM

images = torch.rand(2, 3, 32, 32)


def outcome(wrapper, pool, **settings):
    encoder = ViT(image_size=32, patch_size=8, num_classes=5, dim=32, depth=1, heads=2, mlp_dim=32, pool=pool)
    assert tuple(encoder.pos_embedding.shape) == (17 if pool == "cls" else 16, 32)
    assert encoder(images).shape == (2, 5)
    try:
        loss = wrapper(encoder=encoder, **settings)(images)
    except RuntimeError as error:
        return str(error)
    return f"a loss of {loss.dim()} dimensions"


seen = [
    outcome(wrapper, pool, **settings)
    for wrapper, settings in ((MAE, {"decoder_dim": 16}), (SimMIM, {}))
    for pool in ("cls", "mean")
]
print(*seen, sep="\n")
refused = "The size of tensor a (32) must match the size of tensor b (16) at non-singleton dimension 2"
assert seen == [refused, "a loss of 0 dimensions", refused, refused]
EOF
