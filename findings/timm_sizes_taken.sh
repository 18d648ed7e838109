#!/usr/bin/env bash
# timm 1.0.31, torchvision 0.29.1, torch 2.14.1.
# Guess: a convolutional network of five halvings takes any size from 32 up; one whose attention was
# built for 224 takes 224 and nothing else.
# Behavior: dla34 takes multiples of 32 and one pixel less, and no other size. efficientformer_l1
# takes every size from 193 to 224. hiera_tiny_224 takes whatever has as many patches as 224×224, in
# any shape, with positions that belong to a square: 112×448, 56×896.
# Seen: dla34 192, 223, 224, 255 and 256, not 193, 208, 222 or 225; efficientformer_l1 193 to 224, not
# 192 or 225; hiera_tiny_224 also 221×221, 112×448 and 56×896, not 192×192 or 256×256.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31

"$folder/venv/bin/python" -W ignore - <<'EOF'
import timm
import torch


def takes(name, *sizes):
    model = timm.create_model(name).eval()
    found = []
    for height, width in sizes:
        try:
            with torch.no_grad():
                model(torch.rand(1, 3, height, width))
        except (RuntimeError, AssertionError):
            continue
        found.append((height, width))
    return found


squares = [(size, size) for size in (192, 193, 208, 222, 223, 224, 225, 255, 256)]
dla, former = (takes(name, *squares) for name in ("dla34", "efficientformer_l1"))
hiera = takes("hiera_tiny_224", (224, 224), (221, 221), (112, 448), (56, 896), (192, 192), (256, 256))
print(dla, former, hiera)
assert [height for height, _ in dla] == [192, 223, 224, 255, 256]
assert [height for height, _ in former] == [193, 208, 222, 223, 224]
assert hiera == [(224, 224), (221, 221), (112, 448), (56, 896)]
EOF
