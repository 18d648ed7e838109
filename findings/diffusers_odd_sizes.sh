#!/usr/bin/env bash
# diffusers 0.42.1, torch 2.13.0.
# Guess: the image models of one library do the same with an image that does not divide by their
# stride: all refuse it, or all pad and crop it, and an autoencoder gives back the size it was given.
# Behavior: each of four does something else, and two change the size without a word. AutoencoderKL
# gives back the largest multiple of 8 that is not larger, AutoencoderTiny the smallest that is not
# smaller, UNet2DModel refuses what is no multiple of 4 with three levels, and UNet2DConditionModel
# with as many gives back every size.
# Seen: of 65×65 AutoencoderKL 64×64, AutoencoderTiny 72×72; of 33×33 UNet2DModel a RuntimeError
# ("Sizes of tensors must match"), UNet2DConditionModel 33×33.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 diffusers==0.42.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel, UNet2DModel

large = AutoencoderKL(
    block_out_channels=(8,) * 4, norm_num_groups=4,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
).eval()
tiny = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
levels = dict(
    block_out_channels=(8, 8, 8), norm_num_groups=4, layers_per_block=1, attention_head_dim=4,
    down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3,
)
plain = UNet2DModel(**levels).eval()
conditional = UNet2DConditionModel(cross_attention_dim=8, **levels).eval()


def side(make):
    """The side of the square that comes out, or the error's name."""
    try:
        with torch.no_grad():
            height, width = make().sample.shape[2:]
    except RuntimeError as error:
        assert "Sizes of tensors must match" in str(error), error
        return type(error).__name__
    assert height == width
    return height


def row(make, *sizes):
    found = [side(lambda: make(size)) for size in sizes]
    print(found)
    return found


assert row(lambda size: large(torch.zeros(1, 3, size, size)), 64, 65, 71, 72) == [64, 64, 64, 72]
assert row(lambda size: tiny(torch.zeros(1, 3, size, size)), 64, 65, 71, 72) == [64, 72, 72, 72]
refused = "RuntimeError"
assert row(lambda size: plain(torch.zeros(1, 3, size, size), 1), 32, 33, 34, 36) == [32, refused, refused, 36]
words = torch.zeros(1, 2, 8)
assert row(lambda size: conditional(torch.zeros(1, 4, size, size), 1, words), 32, 33, 34, 36) == [32, 33, 34, 36]
EOF
