#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: linear_cross_entropy checks its sizes with options as without: its page calls the two equivalent, and the
# options a matter of memory.
# Behavior: with LinearCrossEntropyOptions() more targets than inputs are taken. The last ones are left out, the mean
# is divided by the number of all of them, so that the loss and its gradients are too small. A weight for more classes
# than there are is taken too. On meta fewer targets pass as well. FlopCounterMode counts nothing.
# Seen: for 6 inputs and 9 targets 6/9 of what the 6 have where every class weighs 1, and a ValueError without options;
# (6,) on meta for 5 targets, refused on the CPU; 0 of 240 operations.
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

torch.manual_seed(0)
OPTIONS = nn.LinearCrossEntropyOptions()
inputs, weight, targets = torch.rand(6, 5), torch.rand(4, 5), torch.randint(0, 4, (9,))


def loss(count, options, device="cpu", **arguments):
    tensors = (tensor.to(device) for tensor in (inputs, weight, targets[:count]))
    return F.linear_cross_entropy(*tensors, options=options, **arguments)


def is_refused(*arguments, **keywords):
    try:
        loss(*arguments, **keywords)
    except (RuntimeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")
        return True
    return False


right, of_nine = loss(6, OPTIONS), loss(9, OPTIONS)
print(right, of_nine)
assert torch.allclose(right, loss(6, None))
assert torch.allclose(loss(9, OPTIONS, reduction="sum"), loss(6, None, reduction="sum"))
assert torch.allclose(of_nine, right * 6 / 9) and is_refused(9, None)

module = nn.LinearCrossEntropyLoss(5, 4, options=OPTIONS)
assert torch.allclose(module(inputs, targets), module(inputs, targets[:6]) * 6 / 9)

assert not is_refused(6, OPTIONS, weight=torch.ones(7)) and is_refused(6, None, weight=torch.ones(7))
assert is_refused(5, OPTIONS)
assert loss(5, OPTIONS, "meta", reduction="none").shape == (6,) and is_refused(5, None, "meta")

for options, operations in (None, 240), (OPTIONS, 0):
    with FlopCounterMode(display=False) as counter:
        loss(6, options)
    print(counter.get_total_flops())
    assert counter.get_total_flops() == operations
EOF
