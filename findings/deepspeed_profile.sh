#!/usr/bin/env bash
# deepspeed 0.19.8, torch 2.13.0, CPU.
# Guess: get_model_profile leaves the model in the mode in which it was, takes an image without a batch as Conv2d does,
# and its multiply-adds are about half of its operations.
# Behavior: the model stays in evaluation, so that the training after it runs without dropout and without the statistics
# of its batches. A convolution of an image without a batch fails an assertion that says nothing. Recurrent layers have
# operations and no multiply-adds, and inner has neither, where matmul has both.
# Seen: training False after it; AssertionError; 2870 operations and 0 multiply-adds of an LSTM, 0 and 0 of inner, 144
# and 72 of the same product by matmul.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 deepspeed==0.19.8

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import torch
from deepspeed.profiling.flops_profiler import get_model_profile
from torch import nn


def profile(model, *shape):
    return get_model_profile(model, input_shape=shape, print_profile=False, detailed=False, warm_up=0, as_string=False)


class Product(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, x):
        return self.run(x)


model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
profile(model, 3, 4)
print(model.training, model[1].training)
assert not model.training and not model[1].training
counts = [
    profile(each, *shape)[:2]
    for each, shape in (
        (nn.LSTM(4, 5, batch_first=True), (1, 7, 4)),
        (Product(lambda x: torch.inner(x, torch.ones(6, 4))), (3, 4)),
        (Product(lambda x: torch.matmul(x, torch.ones(4, 6))), (3, 4)),
    )
]
print(counts)
assert counts == [(2870, 0), (0, 0), (144, 72)]
conv = nn.Conv2d(3, 4, 3)
assert conv(torch.rand(3, 8, 8)).shape == (4, 6, 6)
try:
    profile(conv, 3, 8, 8)
except AssertionError as error:
    print("AssertionError", str(error))
    assert not str(error)
else:
    raise SystemExit("it is taken")
EOF
