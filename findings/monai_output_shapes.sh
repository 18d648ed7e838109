#!/usr/bin/env bash
# monai 1.6.1, torch 2.13.0.
# Guess: AutoEncoder with strides 2, 2 refuses a size of 17, and deep supervision gives a list.
# Behavior: AutoEncoder makes 20 of every size from 17 to 20. DynUNet with deep supervision stacks its
# outputs in training, so that the output has one dimension more, and gives one in evaluation.
# Seen: 20, 20, 20, 20; (2, 3, 2, 32, 32) and (2, 2, 32, 32).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 monai==1.6.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from monai.networks.nets import AutoEncoder, DynUNet

ports = dict(spatial_dims=2, in_channels=1, out_channels=2)
auto = AutoEncoder(channels=(4, 8), strides=(2, 2), **ports).eval()
sizes = [auto(torch.rand(1, 1, n, n)).shape[-1] for n in (17, 18, 19, 20)]
print(sizes)
assert sizes == [20] * 4

deep = DynUNet(
    kernel_size=[3] * 4, strides=[1, 2, 2, 2], upsample_kernel_size=[2] * 3,
    filters=[4, 8, 8, 8], deep_supervision=True, deep_supr_num=2, **ports,
)
x = torch.rand(2, 1, 32, 32)
shapes = tuple(deep.train()(x).shape), tuple(deep.eval()(x).shape)
print(*shapes)
assert shapes == ((2, 3, 2, 32, 32), (2, 2, 32, 32))
EOF
