#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a lazy InstanceNorm takes an input without a batch, (C, L), as its page says and as InstanceNorm1d and the lazy
# convolutions do, and reads C. Its defaults are those of InstanceNorm1d, affine and track_running_stats False, as its
# page says too.
# Behavior: it reads the second size, the length, and is then refused by the class into which it has turned; where both
# are the same number it passes. Both defaults are True, so that in evaluation it normalizes by the running statistics,
# and the plain layer by those of the image. With both False it goes on saying num_features=0.
# Seen: "expected input's size at dim=0 to match num_features (10), but got: 3." for (3, 10), and 3 by LazyConv1d. Five
# entries in the state and none; in evaluation a mean of 3.3 and 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

LAZY = {
    nn.LazyInstanceNorm1d: (3, 10),
    nn.LazyInstanceNorm2d: (3, 10, 12),
    nn.LazyInstanceNorm3d: (3, 10, 12, 14),
}
for kind, sizes in LAZY.items():
    try:
        kind()(torch.rand(sizes))
        raise AssertionError("taken")
    except ValueError as error:
        print(error)
        assert str(error) == "expected input's size at dim=0 to match num_features (10), but got: 3."
    bare = kind(affine=False, track_running_stats=False)
    bare(torch.rand(2, *sizes))
    print(bare)
    assert bare.num_features == 0
    assert kind.__doc__.count("Default: ``False``") == 2
    lazy = kind()
    assert lazy.affine and lazy.track_running_stats

assert nn.LazyInstanceNorm1d()(torch.rand(3, 3)).shape == (3, 3)
assert nn.InstanceNorm1d(3, affine=True)(torch.rand(3, 10)).shape == (3, 10)
convolution = nn.LazyConv1d(4, 3)
convolution(torch.rand(3, 10))
assert convolution.in_channels == 3

torch.manual_seed(0)
x = 3 + torch.rand(2, 3, 10)
lazy, plain = nn.LazyInstanceNorm1d(), nn.InstanceNorm1d(3)
means = []
for layer in lazy, plain:
    layer(x)
    means.append(layer.eval()(x).mean().item())
print(len(lazy.state_dict()), len(plain.state_dict()), *means)
assert len(lazy.state_dict()) == 5 and not plain.state_dict()
assert means[0] > 1 and abs(means[1]) < 1e-5
EOF
