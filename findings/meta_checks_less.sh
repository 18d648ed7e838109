#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors.
# Guess: a layer that refuses its settings or its weights on the CPU refuses them on meta too.
# Behavior: on meta, a transposed convolution takes an output_padding as large as the stride, a
# convolution takes a bias of the wrong length and weights of another dtype, and nll_loss takes
# targets narrower than the input. The CPU refuses all four.
# Seen: refused / (1, 4, 11), refused / (1, 4, 3), refused / (1, 4, 3), refused / (2, 5, 4).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F


def output_padding(device):
    x = torch.rand(1, 3, 4, device=device)
    weight = torch.rand(3, 4, 3, device=device)
    return F.conv_transpose1d(x, weight, stride=2, output_padding=2)


def bias_length(device):
    x, weight = torch.rand(1, 3, 5, device=device), torch.rand(4, 3, 3, device=device)
    return F.conv1d(x, weight, torch.rand(5, device=device))


def two_dtypes(device):
    x, weight = torch.rand(1, 3, 5, device=device), torch.rand(4, 3, 3, device=device)
    return F.conv1d(x, weight.half())


def narrow_target(device):
    x = torch.rand(2, 3, 5, 5, device=device)
    target = torch.zeros(2, 5, 4, dtype=torch.long, device=device)
    return F.nll_loss(x, target, reduction="none")


def shape_or_refusal(call, device):
    try:
        return tuple(call(device).shape)
    except RuntimeError:
        return "refused"


expected = {
    output_padding: (1, 4, 11),
    bias_length: (1, 4, 3),
    two_dtypes: (1, 4, 3),
    narrow_target: (2, 5, 4),
}
for call, on_meta in expected.items():
    seen = shape_or_refusal(call, "cpu"), shape_or_refusal(call, "meta")
    print(call.__name__, *seen)
    assert seen == ("refused", on_meta), seen
EOF
