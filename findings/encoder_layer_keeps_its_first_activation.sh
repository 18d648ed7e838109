#!/usr/bin/env bash
# torch 2.13.0.
# Guess: TransformerEncoderLayer computes in evaluation what it computes in training, dropout apart: its fused path is
# taken only for a layer that is what the fused kernel computes.
# Behavior: the fused path asks for the activation that the layer was built with, not for the one that it has: with
# `layer.activation = F.silu` training uses SiLU and evaluation ReLU. nn.GELU(approximate="tanh") is evaluated as the
# exact GELU, a subclass of ReLU as ReLU. The forward of a subclass of Linear or LayerNorm, and an overridden _ff_block,
# are not called. All of it silent; a forward hook on any part turns the fused path off, and so the same values come
# back. F.silu given to the constructor turns it off as well.
# Seen: evaluation differs from training in each case, and not with a hook, nor with F.silu from the start.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.TransformerEncoderLayer):
    def __init__(self, **options):
        super().__init__(8, 2, 16, dropout=0.0, batch_first=True, **options)


class NoFeedForward(Layer):
    def _ff_block(self, x):
        return torch.zeros_like(x)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledNorm(nn.LayerNorm):
    def forward(self, x):
        return 2 * super().forward(x)


class Squared(nn.ReLU):
    def forward(self, x):
        return super().forward(x) ** 2


def replaced(name, part):
    layer = Layer()
    setattr(layer, name, part)
    return layer


def gap(layer):
    """How far evaluation is from training, at most."""
    with torch.no_grad():
        return (layer.train()(x) - layer.eval()(x)).abs().max().item()


torch.manual_seed(0)
x = torch.randn(2, 5, 8) * 3
for name, layer, least in (
    ("F.silu later", replaced("activation", F.silu), 0.01),
    ("tanh GELU", Layer(activation=nn.GELU(approximate="tanh")), 1e-5),
    ("subclass of ReLU", Layer(activation=Squared()), 0.01),
    ("subclass of Linear", replaced("linear2", Doubled(16, 8)), 0.01),
    ("subclass of LayerNorm", replaced("norm2", DoubledNorm(8)), 0.01),
    ("_ff_block", NoFeedForward(), 0.01),
):
    seen = gap(layer)
    layer.linear1.register_forward_hook(lambda *_: None)
    hooked = gap(layer)
    print(name, f"{seen:.1e}", f"{hooked:.1e}")
    assert seen > least and hooked < 3e-6, name
for layer in Layer(), Layer(activation="gelu"), Layer(activation=F.silu):
    assert gap(layer) < 3e-6
EOF
