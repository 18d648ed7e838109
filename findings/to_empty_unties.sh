#!/usr/bin/env bash
# torch 2.13.0.
# Guess: a model built on "meta" that is moved with to_empty() has the parameters that it had, as one on the CPU that is
# moved with to() has.
# Behavior: each layer gets a parameter of its own, so that a weight shared by two layers becomes two. The checkpoint
# that is loaded next fills both, and the outputs are right; training then parts them. On the CPU to_empty() keeps the
# weight shared.
# Seen: one parameter on "meta", two after to_empty(device="cpu"); equal after load_state_dict, unequal after one step.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x))


def count(model):
    return len(list(model.parameters()))


torch.manual_seed(0)
usual = Tied()
x = torch.tensor([[1, 3]])
with torch.device("meta"):
    model = Tied()
built = count(model)
model.to_empty(device="cpu")
model.load_state_dict(usual.state_dict())
print(built, count(model))
assert (built, count(model)) == (1, 2)
assert torch.equal(model(x), usual(x)) and torch.equal(model.head.weight, model.embedding.weight)

optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
model(x).square().sum().backward()
optimizer.step()
assert not torch.allclose(model.head.weight, model.embedding.weight)

assert count(Tied().to_empty(device="cpu")) == 1
assert count(Tied().to("meta")) == 2
EOF
