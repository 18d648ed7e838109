#!/usr/bin/env bash
# opacus 1.6.0, torch 2.13.0.
# Guess: the gradient that Opacus computes for each sample of a batch is the one that the sample has alone, or the layer
# is refused, as batch norm is.
# Behavior: for a convolution whose padding_mode is circular, reflect or replicate, the gradients of the weight are
# computed as if zeros had been padded. No warning, and ModuleValidator passes the layer. The layer's own backward pass
# is right, and so is the bias.
# Seen: for three modes in one and two dimensions the weights' gradients differ from those of each sample alone and equal
# those of the same layer with zeros; with zeros, "same", a stride, a dilation or groups they are right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 opacus==1.6.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import copy

import torch
from opacus.grad_sample import GradSampleModule
from opacus.validators import ModuleValidator
from torch import nn


def alone(layer, x):
    """The gradient of each sample by itself, by PyTorch."""
    gradients = []
    for sample in x:
        layer.zero_grad()
        layer(sample[None]).pow(2).sum().backward()
        gradients.append((layer.weight.grad.clone(), layer.bias.grad.clone()))
    return [torch.stack(each) for each in zip(*gradients, strict=True)]


def by_opacus(layer, x):
    assert not ModuleValidator.validate(layer)
    wrapped = GradSampleModule(copy.deepcopy(layer), loss_reduction="sum")
    wrapped(x).pow(2).sum().backward()
    inner = wrapped._module
    whole = copy.deepcopy(layer)
    whole.zero_grad()
    whole(x).pow(2).sum().backward()
    assert torch.allclose(inner.weight.grad, whole.weight.grad, rtol=1e-4, atol=1e-4)
    return inner.weight.grad_sample, inner.bias.grad_sample


def close(one, other):
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3)


torch.manual_seed(0)
for kind, shape in (nn.Conv1d, (2, 4, 9)), (nn.Conv2d, (2, 4, 9, 9)):
    x = torch.randn(shape)
    for mode in "zeros", "circular", "reflect", "replicate":
        layer = kind(4, 6, 3, padding=1, padding_mode=mode)
        (weight, bias), (own, own_bias) = by_opacus(layer, x), alone(layer, x)
        print(kind.__name__, mode, "weight", close(weight, own), "bias", close(bias, own_bias))
        assert close(bias, own_bias)
        assert close(weight, own) is (mode == "zeros")

    for settings in ({"padding": "same"}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 2}):
        layer = kind(4, 6, 3, **settings)
        assert all(close(*pair) for pair in zip(by_opacus(layer, x), alone(layer, x), strict=True)), settings

# What it computes instead: with a linear loss the output's gradient is 1 whatever was padded.
layer = nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")
zeros = copy.deepcopy(layer)
zeros.padding_mode = "zeros"
seen = []
for each in layer, zeros:
    wrapped = GradSampleModule(each, loss_reduction="sum")
    wrapped(x).sum().backward()
    seen.append(wrapped._module.weight.grad_sample)
assert close(*seen)
EOF
