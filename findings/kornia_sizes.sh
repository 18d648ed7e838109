#!/usr/bin/env bash
# kornia 0.9.0, torch 2.13.0.
# Guess: RandomCrop refuses a crop larger than the image, as CenterCrop does; pyrdown makes 17 of 33, as OpenCV's
# pyrDown; the Laplacian pyramid has the sizes of the Gaussian one, of which it is made.
# Behavior: RandomCrop stretches the image to the crop. pyrdown rounds down. The Laplacian pyramid pads both sides to
# the next powers of two when neither is one, or one does not halve evenly as often as there are steps.
# Seen: a crop of 5 of the 3 columns 1, 2, 3: 1.0, 1.4, 2.0, 2.6, 3.0; CenterCrop an AssertionError; 33 to 16; 100 gives
# 100, 50, 25 and 128, 64, 32.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 kornia==0.9.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from kornia.augmentation import CenterCrop, RandomCrop
from kornia.geometry import build_laplacian_pyramid, build_pyramid, pyrdown

columns = torch.tensor([1.0, 2.0, 3.0]).expand(1, 1, 3, 3)
stretched = RandomCrop((5, 5))(columns)[0, 0]
print(stretched[0].tolist())
assert stretched.shape == (5, 5) and torch.allclose(stretched, torch.tensor([1.0, 1.4, 2.0, 2.6, 3.0]), atol=1e-4)
try:
    CenterCrop(5)(columns)
except AssertionError as error:
    print(str(error)[:60])
else:
    raise SystemExit("CenterCrop took it")

halved = pyrdown(torch.rand(1, 1, 33, 33)).shape[-1]
gaussian, laplacian = (
    [level.shape[-1] for level in build(torch.rand(1, 1, 100, 100), 3)]
    for build in (build_pyramid, build_laplacian_pyramid)
)
print(halved, gaussian, laplacian)
assert (halved, gaussian, laplacian) == (16, [100, 50, 25], [128, 64, 32])
EOF
