#!/usr/bin/env bash
# torch 2.13.0, FakeTensorMode and meta tensors.
# Guess: a fake tensor answers by the meta kernels, so what passes under FakeTensorMode passes on meta and
# the other way round.
# Behavior: a convolution with a negative padding, which cuts on meta, is refused under FakeTensorMode, and
# attention with fewer values than keys, which is refused on meta, passes there: the one asks which backend
# would run, the other has a kernel of the CPU. An output_padding as large as the stride passes in both.
# Seen: (1, 4, 3) / RuntimeError; RuntimeError / (1, 2, 5, 4); (1, 4, 11) twice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode


def convolution(device):
    return F.conv1d(torch.zeros(1, 2, 7, device=device), torch.zeros(4, 2, 3, device=device), padding=-1)


def attention(device):
    query, key, value = (torch.zeros(1, 2, length, 4, device=device) for length in (5, 7, 6))
    return F.scaled_dot_product_attention(query, key, value)


def transposed(device):
    x, weight = torch.zeros(1, 2, 4, device=device), torch.zeros(2, 4, 3, device=device)
    return F.conv_transpose1d(x, weight, stride=2, output_padding=2)


def seen(call, device):
    try:
        return tuple(call(device).shape)
    except RuntimeError as error:
        return type(error)


expected = {
    convolution: ((1, 4, 3), RuntimeError),
    attention: (RuntimeError, (1, 2, 5, 4)),
    transposed: ((1, 4, 11), (1, 4, 11)),
}
for call, answers in expected.items():
    on_meta = seen(call, "meta")
    with FakeTensorMode():
        fake = seen(call, "cpu")
    print(call.__name__, on_meta, fake)
    assert (on_meta, fake) == answers
EOF
