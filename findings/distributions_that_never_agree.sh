#!/usr/bin/env bash
# torch 2.13.0.
# Guess: Kumaraswamy.mode is where the density is highest, as of Beta, whose page it follows, and NaN where there is
# no highest; the divergence between two densities on [0, 1] is finite.
# Behavior: the mode is NaN for every pair of concentrations: its formula takes the logarithm of 1 - concentration, so
# that above 1 it is no number, and below 1 NaN is put in. kl_divergence of a ContinuousBernoulli and Uniform(0, 1) is
# infinite both ways, and so is that to Uniform(-1, 1); to Uniform(-1, 2) it is right, as are Beta's.
# Seen: NaN for ((2 - 1) / (2 * 3 - 1)) ** (1 / 2) = 0.447; inf for 0.0294 and 0.0297 by integration.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import math

import torch
from torch.distributions import Beta, ContinuousBernoulli, Kumaraswamy, Uniform, kl_divergence

torch.set_default_dtype(torch.float64)
points = (torch.arange(100000) + 0.5) / 100000


def integrated(p, q):
    """The divergence by the midpoint rule on [0, 1], which holds all of p."""
    return (p.log_prob(points).exp() * (p.log_prob(points) - q.log_prob(points))).mean().item()


a = torch.tensor([1.1, 1.5, 2.0, 5.0, 50.0])
modes = Kumaraswamy(a[:, None], a).mode
highest = points[Kumaraswamy(2.0, 3.0).log_prob(points).argmax()].item()
print(modes.isnan().all().item(), highest, Beta(2.0, 3.0).mode.item())
assert modes.isnan().all() and Kumaraswamy(torch.tensor([0.5, 1.0]), 2.0).mode.isnan().all()
assert abs(highest - math.sqrt(1 / 5)) < 1e-4

bernoulli, uniform = ContinuousBernoulli(torch.tensor(0.3)), Uniform(0.0, 1.0)
for p, q in (bernoulli, uniform), (uniform, bernoulli):
    seen, right = kl_divergence(p, q).item(), integrated(p, q)
    print(type(p).__name__, seen, round(right, 4))
    assert seen == math.inf and 0.02 < right < 0.04
assert kl_divergence(bernoulli, Uniform(-1.0, 1.0)).item() == math.inf
wider = Uniform(-1.0, 2.0)
assert math.isclose(kl_divergence(bernoulli, wider).item(), integrated(bernoulli, wider), rel_tol=1e-4)
for p, q in (Beta(2.0, 3.0), uniform), (uniform, Beta(2.0, 3.0)):
    assert math.isclose(kl_divergence(p, q).item(), integrated(p, q), rel_tol=1e-3)
EOF
