#!/usr/bin/env bash
# torch 2.13.0, torch.utils.flop_counter.FlopCounterMode.
# Guess: the backward pass of a convolution costs twice its forward pass (one product for the input,
# one for the weights), grouped or not.
# Behavior: the product for the weights is counted as if the convolution had one group, so that a
# depthwise one of 4 channels counts 5 times its forward pass, not 2.
# Seen: 4 groups 2592 forward, 12960 backward; one group 10368 and 20736.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def passes(groups):
    layer, x = nn.Conv2d(4, 4, 3, groups=groups), torch.rand(1, 4, 8, 8, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        y = layer(x)
    forward = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        y.sum().backward()
    return forward, counter.get_total_flops()


print(passes(1), passes(4))
assert passes(1) == (10368, 2 * 10368)
assert passes(4) == (2592, 5 * 2592)
EOF
