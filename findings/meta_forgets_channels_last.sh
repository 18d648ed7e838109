#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: where channels come last, a result on meta has the strides that it has on the CPU.
# Behavior: pools, batch norm, bilinear resizing and activations agree. conv2d, conv_transpose2d, group_norm, reflect
# and replicate padding, channel_shuffle and roll leave channels last on the CPU and have the usual order on meta, so
# a view behind them is refused on one and taken on the other. Of two norms over the last axis one sets the channels in
# the usual order and one leaves them: layer_norm and rms_norm differ, the same way on both devices.
# Seen: strides (144, 1, 24, 6) of conv2d on the CPU, (144, 24, 4, 1) on meta, and so for the seven;
# layer_norm (192, 48, 6, 1), rms_norm (192, 1, 24, 4).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F

SAME = {
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, x.new_zeros(4), x.new_ones(4)),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "gelu": F.gelu,
    "circular": lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
}
FORGOTTEN = {
    "conv2d": lambda x: F.conv2d(x, x.new_ones(6, 4, 3, 3)),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, x.new_ones(4, 6, 3, 3)),
    "group_norm": lambda x: F.group_norm(x, 2),
    "reflect": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "replicate": lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 2),
    "roll": lambda x: torch.roll(x, 1, 2),
}


def seen(call, device):
    x = torch.zeros(2, 4, 8, 6, device=device).to(memory_format=torch.channels_last)
    with torch.no_grad():
        return call(x).stride()


for name, call in {**SAME, **FORGOTTEN}.items():
    cpu, meta = seen(call, "cpu"), seen(call, "meta")
    print(name, cpu, meta)
    assert (cpu == meta) is (name in SAME)
    assert (cpu[1] == 1 and meta[1] > 1) is (name in FORGOTTEN)

for device in "cpu", "meta":
    assert seen(lambda x: F.layer_norm(x, (6,)), device) == (192, 48, 6, 1)
    assert seen(lambda x: F.rms_norm(x, (6,)), device) == (192, 1, 24, 4)
EOF
