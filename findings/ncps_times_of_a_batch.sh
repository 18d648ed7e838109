#!/usr/bin/env bash
# ncps 1.0.1, torch 2.13.0.
# Guess: CfC and LTC take timespans of (batch, length), or (batch, length, 1): each sample goes by its own times.
# Behavior: the times of a step are spread over the units and not over the batch. A batch is refused in both shapes,
# unless it has as many samples as the layer has units: then the time of sample i is used for unit i of every sample, and
# nothing is said. A sequence without a batch, and a batch of one, are right; (batch, length, units) is taken.
# Seen: with 8 units batches of 2 to 7 raise; in a batch of 8 the results are not those of each sample alone, change with
# the order of the samples, and equal those of (batch, length, units) with the times along the units.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 ncps==1.0.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from ncps.torch import LTC, CfC

torch.manual_seed(0)


def close(one, other):
    return torch.allclose(one, other, atol=1e-5)


for kind in CfC, LTC:
    layer = kind(4, 8)
    for batch in range(2, 8):
        for shape in (batch, 5), (batch, 5, 1):
            try:
                layer(torch.randn(batch, 5, 4), timespans=torch.ones(shape))
            except RuntimeError as error:
                message = str(error)
            else:
                raise SystemExit(f"{shape} is taken")
    print(kind.__name__, message)
    layer(torch.randn(1, 5, 4), timespans=torch.ones(1, 5))

    x, times = torch.randn(8, 5, 4), torch.rand(8, 5) + 0.2
    y, _ = layer(x, timespans=times)
    alone = torch.stack([layer(*each)[0] for each in zip(x, [None] * 8, times, strict=True)])
    as_one = torch.cat([layer(a[None], timespans=b[None])[0] for a, b in zip(x, times, strict=True)])
    turned, _ = layer(x.flip(0), timespans=times.flip(0))
    along_units, _ = layer(x, timespans=times.T.expand(8, 5, 8))
    print(close(y, alone), close(turned.flip(0), y), close(y, along_units))
    assert close(alone, as_one) and not close(y, alone) and not close(turned.flip(0), y)
    assert close(y, along_units)
    assert close(layer(x, timespans=times[..., None].expand(8, 5, 8))[0], alone)
EOF
