#!/usr/bin/env bash
# torch-pruning 1.6.1, torch 2.13.0.
# Guess: a pruned model takes the input it took before, and half of the channels is what a pruning_ratio of 0.5 leaves.
# Behavior: what is added to the input is pruned as any other output. A residual block on an image is left with one
# channel, which is broadcast over the three of the image, so that the model runs and adds the same map to each; where
# more than one channel is left the next call raises, as nn.TransformerEncoderLayer does. How many are left of channels
# that chunk splits in two depends on the weights; channels that a map of one channel gates are not pruned at all.
# Seen: a last convolution of 1 channel and an output of 3; "must match the size of tensor b (4)"; "expecting embedding
# dimension of 8, but got 16"; before the chunk 2, 4 or 8 of 8 channels for 30 seeds, with the gate 8 each time.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 torch-pruning==1.6.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch_pruning
from torch import nn


def prune(model, x, *kept):
    importance = torch_pruning.importance.MagnitudeImportance(p=2)
    torch_pruning.pruner.MetaPruner(
        model, x, importance=importance, pruning_ratio=0.5, ignored_layers=list(kept)
    ).step()
    return model


def error(model, x):
    try:
        model(x)
    except (RuntimeError, AssertionError) as raised:
        print(raised)
        return str(raised)
    raise AssertionError("the pruned model runs")


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, 16, 1)
        self.last = nn.Conv2d(16, channels, 1)

    def forward(self, x):
        return x + self.last(self.first(x).relu())


class Gated(nn.Module):
    def __init__(self, chunked):
        super().__init__()
        self.features = nn.Conv2d(3, 8, 1)
        self.gate = None if chunked else nn.Conv2d(3, 1, 1)
        self.head = nn.Conv2d(4 if chunked else 8, 2, 1)

    def forward(self, x):
        features = self.features(x)
        if self.gate is None:
            features, gate = features.chunk(2, 1)
        else:
            gate = self.gate(x)
        return self.head(features * gate.sigmoid())


image = torch.rand(2, 3, 8, 8)
model = prune(Residual(3), image)
added = model(image) - image
print(model.last, tuple(added.shape))
assert model.last.out_channels == 1 and added.shape == image.shape
assert torch.allclose(added[:, 0], added[:, 2], atol=1e-5)

maps = torch.rand(2, 8, 4, 4)
assert "must match the size of tensor b (4)" in error(prune(Residual(8), maps), maps)
tokens = torch.rand(2, 5, 16)
layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
assert "embedding dimension of 8, but got 16" in error(prune(layer, tokens), tokens)

left = {True: set(), False: set()}
for seed in range(30):
    torch.manual_seed(seed)
    for chunked, sizes in left.items():
        gated = Gated(chunked)
        sizes.add(prune(gated, image, gated.head).features.out_channels)
print(left)
assert left[True] >= {2, 8} and left[False] == {8}
EOF
