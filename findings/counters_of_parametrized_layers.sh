#!/usr/bin/env bash
# torchinfo 1.8.0, thop 0.1.1.post2209072238, ptflops 0.7.5, torch 2.13.0.
# Guess: a layer whose weight is normalized costs as much as the plain one, and torch.nn.utils.parametrizations counts
# as the older torch.nn.utils.weight_norm does.
# Behavior: a parametrization makes the layer an instance of a new class. thop looks the class up and passes over it,
# parameters and all; ptflops leaves out the multiply-adds and torchinfo too, without a word. Of the older weight norm
# thop counts every parameter, and torchinfo multiplies the weight's two parts and comes to eight times too much.
# Seen for 4 to 8 features and one vector: 32 multiply-adds by PyTorch's own counter each time; thop, ptflops and
# torchinfo 0 for weight, spectral and orthogonal; torchinfo 328 for the older weight norm and 40 for the plain layer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    torchinfo==1.8.0 thop==0.1.1.post2209072238 ptflops==0.7.5

"$folder/venv/bin/python" -W ignore - <<'EOF'
import io
from contextlib import redirect_stdout

import thop
import torch
from ptflops import get_model_complexity_info
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.weight_norm import weight_norm as older_weight_norm
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

x = torch.rand(1, 4)


def counted(wrap):
    def model():
        return nn.Sequential(wrap(nn.Linear(4, 8)))

    with FlopCounterMode(display=False) as own:
        model()(x)
    by_thop = thop.profile(model(), (x,), verbose=False)
    with redirect_stdout(io.StringIO()):
        by_ptflops = get_model_complexity_info(
            model(), (4,), as_strings=False, print_per_layer_stat=False, backend="pytorch"
        )
    by_torchinfo = summary(model(), input_data=x, verbose=0).total_mult_adds
    return own.get_total_flops() // 2, tuple(map(int, by_thop)), by_ptflops, by_torchinfo


# Multiply-adds, and for thop and ptflops the parameters as well.
expected = {
    nn.Identity(): (32, (32, 40), (40, 40), 40),
    parametrizations.weight_norm: (32, (0, 0), (0, 48), 0),
    parametrizations.spectral_norm: (32, (0, 0), (0, 40), 0),
    older_weight_norm: (32, (32, 48), (40, 48), 328),
}
for wrap, numbers in expected.items():
    found = counted(wrap)
    print(found)
    assert found == numbers

# PyTorch's own counter also sees how an orthogonal weight is made.
by_pytorch, *others = counted(parametrizations.orthogonal)
print(by_pytorch, others)
assert by_pytorch >= 32 and others == [(0, 0), (0, 40), 0]
EOF
