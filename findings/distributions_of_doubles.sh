#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a distribution made in float64 gives densities of its own samples, and an expanded one has the entropy of the
# one it came from, as each of the others in torch.distributions.
# Behavior: GeneralizedPareto makes samples in float64 and takes none of them: log_prob and cdf raise about dtypes, and
# in bfloat16 too. Multinomial raises for the entropy of an expanded distribution, which samples.
# Seen: "Double did not match Float"; an AttributeError about _binomial; both right in float32, or before expand.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import distributions as D

scale, shape = torch.ones(3), 0.2 * torch.ones(3)
single = D.GeneralizedPareto(0 * scale, scale, shape)
value = single.sample((2,))
assert single.log_prob(value).shape == (2, 3)

for dtype in torch.float64, torch.bfloat16:
    pareto = D.GeneralizedPareto(*((0 * scale).to(dtype), scale.to(dtype), shape.to(dtype)))
    sample = pareto.sample((2,))
    assert sample.dtype == dtype and pareto.mean.dtype == dtype
    for call in pareto.log_prob, pareto.cdf:
        try:
            call(sample)
        except RuntimeError as error:
            print(call.__name__, error)
            assert "did not match Float" in str(error)
        else:
            raise SystemExit("taken")

others = [
    D.Pareto(scale.double(), scale.double()),
    D.Weibull(scale.double(), scale.double()),
    D.Gumbel(scale.double(), scale.double()),
    D.Kumaraswamy(scale.double(), scale.double()),
]
for other in others:
    assert other.log_prob(other.sample((2,))).dtype == torch.float64

counts = D.Multinomial(3, torch.full((3, 4), 0.25))
expanded = counts.expand((2, 3))
assert expanded.sample().shape == (2, 3, 4) and counts.entropy().shape == (3,)
try:
    expanded.entropy()
except AttributeError as error:
    print(error)
else:
    raise SystemExit("an entropy")

for other in D.Binomial(3, scale / 2), D.Categorical(torch.ones(3, 4)), D.OneHotCategorical(torch.ones(3, 4)):
    assert other.expand((2, 3)).entropy().shape == (2, 3)
EOF
