#!/usr/bin/env bash
# ptflops 0.7.5, torch 2.13.0.
# Guess: a lazy model that has loaded a checkpoint and run once is the same as the plain model, as each
# lazy layer has turned into its plain class.
# Behavior: the checkpoint brings the weights, so that the first call has nothing left to initialize
# and sets no size: LazyConv2d becomes a Conv2d with in_channels 0, LazyBatchNorm2d a BatchNorm2d with
# num_features 0; LazyLinear alone reads in_features off its weight. ptflops multiplies by in_channels
# and counts the convolutions' biases alone.
# Seen: Conv2d(0, 8), BatchNorm2d(0), ConvTranspose2d(0, 4), Linear(in_features=256); equal outputs;
# 2210 for 20354 multiply-adds. Run once without a checkpoint: 20354.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps ptflops==0.7.5

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from ptflops import get_model_complexity_info
from torch import nn

image = torch.rand(1, 3, 8, 8)
plain = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 3), nn.Flatten(), nn.Linear(256, 2)
).eval()


def lazy():
    return nn.Sequential(
        nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConvTranspose2d(4, 3), nn.Flatten(),
        nn.LazyLinear(2),
    ).eval()


def counted(model):
    return get_model_complexity_info(
        model, (3, 8, 8), as_strings=False, print_per_layer_stat=False, backend="pytorch"
    )


loaded, fresh = lazy(), lazy()
loaded.load_state_dict(plain.state_dict())
assert torch.equal(loaded(image), plain(image))
fresh(image)
print(loaded, counted(loaded), counted(plain), counted(fresh))
assert [type(layer) for layer in loaded] == [type(layer) for layer in plain]
assert (loaded[0].in_channels, loaded[1].num_features, loaded[3].in_channels) == (0, 0, 0)
assert loaded[5].in_features == 256 and fresh[0].in_channels == 3
assert counted(loaded) == (2210, 1046)
assert counted(plain) == counted(fresh) == (20354, 1046)
EOF
