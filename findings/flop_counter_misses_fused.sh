#!/usr/bin/env bash
# torch 2.13.0, torch.utils.flop_counter.FlopCounterMode.
# Guess: the same layer counts the same on the CPU and on meta, and in evaluation as in training.
# Behavior: the kernels that the CPU fuses are not in the counter's registry and count 0: scaled
# dot-product attention, LSTM, and MultiheadAttention in evaluation without gradients. On meta they
# are decomposed and counted. GRU, which is not fused, counts on the CPU.
# Seen: attention 0 / 8192; LSTM 0 / 4096; GRU 3072; MultiheadAttention 40960 in training, 0 in
# evaluation.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def flops(call, *args):
    with FlopCounterMode(display=False) as counter:
        call(*args)
    return counter.get_total_flops()


q = torch.rand(1, 2, 8, 16)
attention = [flops(F.scaled_dot_product_attention, *[q.to(d)] * 3) for d in ("cpu", "meta")]
lstm = [
    flops(nn.LSTM(8, 8, device=d), torch.rand(4, 1, 8, device=d)) for d in ("cpu", "meta")
]
gru = flops(nn.GRU(8, 8), torch.rand(4, 1, 8))
layer, x = nn.MultiheadAttention(16, 2, batch_first=True), torch.rand(2, 8, 16)
training = flops(layer, x, x, x)
layer.eval()
with torch.no_grad():
    evaluation = flops(layer, x, x, x)
print(attention, lstm, gru, training, evaluation)
assert attention == [0, 8192] and lstm == [0, 4096] and gru == 3072
assert (training, evaluation) == (40960, 0)
EOF
