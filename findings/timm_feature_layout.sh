#!/usr/bin/env bash
# timm 1.0.31, torchvision 0.29.1, torch 2.14.1.
# Guess: features_only=True gives feature maps as batch, channels, height, width, at falling sizes,
# and num_features is the width that a model with num_classes=0 puts out.
# Behavior: Swin puts the channels last, ViT gives three maps of one size, and MobileNetV3 puts out
# 1024 features with num_features 576 (the width is in head_hidden_size).
# Seen: ResNet first (1, 64, 112, 112); Swin (1, 56, 56, 96) to (1, 7, 7, 768); ViT (1, 192, 14, 14)
# three times; MobileNetV3 576, 1024, 1024.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31

"$folder/venv/bin/python" -W ignore - <<'EOF'
import timm
import torch

x = torch.rand(1, 3, 224, 224)


def maps(name):
    model = timm.create_model(name, features_only=True).eval()
    with torch.no_grad():
        return [tuple(y.shape) for y in model(x)]


resnet, swin = maps("resnet18"), maps("swin_tiny_patch4_window7_224")
vit = maps("vit_tiny_patch16_224")
mobile = timm.create_model("mobilenetv3_small_100", num_classes=0).eval()
with torch.no_grad():
    widths = mobile.num_features, mobile.head_hidden_size, mobile(x).shape[1]
print(resnet[0], swin[0], swin[-1], vit, widths)
assert resnet[0] == (1, 64, 112, 112)
assert (swin[0], swin[-1]) == ((1, 56, 56, 96), (1, 7, 7, 768))
assert vit == [(1, 192, 14, 14)] * 3
assert widths == (576, 1024, 1024)
EOF
