#!/usr/bin/env bash
# paddlepaddle 3.3.1, CPU.
# Guess: in training BatchNorm of one value per channel is refused, as by PyTorch, or gives the bias, as for two equal
# values.
# Behavior: the input comes back as it is, without the weight and the bias, and the running statistics are not moved.
# With two values the running variance takes the biased one, where PyTorch takes the unbiased.
# Seen: 5 and -3 of 5 and -3, with a weight of 2 and a bias of 1; mean 0 and variance 1 after it; 1 of two values of 5;
# a running variance of 1.0 after 0 and 2 (PyTorch: 1.1).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check paddlepaddle==3.3.1 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import paddle
from paddle import nn


def layer(features):
    norm = nn.BatchNorm1D(features)
    norm.weight.set_value(paddle.full([features], 2.0))
    norm.bias.set_value(paddle.full([features], 1.0))
    return norm


one = layer(2)
y = one(paddle.to_tensor([[5.0, -3.0]])).tolist()
print(y, one._mean.tolist(), one._variance.tolist())
assert y == [[5, -3]] and one._mean.tolist() == [0, 0] and one._variance.tolist() == [1, 1]
assert layer(1)(paddle.to_tensor([[5.0], [5.0]])).tolist() == [[1], [1]]
two = layer(1)
two(paddle.to_tensor([[0.0], [2.0]]))
print(two._variance.tolist())
assert abs(two._variance.item() - 1.0) < 1e-6
EOF
