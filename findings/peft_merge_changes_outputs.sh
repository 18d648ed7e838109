#!/usr/bin/env bash
# peft 0.21.2, transformers 4.57.6, torch 2.13.0.
# Guess: merge_and_unload() gives the model that it merges, up to rounding.
# Behavior: beside a convolution with circular padding the adapter pads with zeros, and is merged into
# the circular one, so that the border changes and the rest stays. An adapter on an embedding whose
# weight is also the head's is merged into both. Beside max_norm the adapter's part is added after the
# norm is cut, and merged before. No warning in any of the three; with zero padding, untied, without
# max_norm the outputs are equal.
# Seen: of 6x6 outputs the inner 4x4 are equal and the border is not; the other two differ.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 transformers==4.57.6 peft==0.21.2

"$folder/venv/bin/python" - <<'EOF'
import warnings

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

torch.manual_seed(0)


def merged(model, target, x):
    """The outputs before and after the merge, and the warnings about it."""
    with_adapter = get_peft_model(model, LoraConfig(r=2, target_modules=[target])).eval()
    with torch.no_grad():
        for name, parameter in with_adapter.named_parameters():
            if "lora_" in name:
                parameter.normal_()
        before = with_adapter(x)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            after = with_adapter.merge_and_unload()(x)
    return torch.isclose(before, after, rtol=1e-3, atol=1e-3), [str(w.message) for w in seen]


class Tied(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, x):
        return self.head(self.table(x))


image, tokens = torch.rand(1, 2, 6, 6), torch.tensor([1, 2])
for mode in ("zeros", "circular"):
    convolution = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode=mode))
    same, warned = merged(convolution, "0", image)
    print(mode, same[0, 0].int().tolist(), warned)
    assert same[..., 1:-1, 1:-1].all() and same.all() == (mode == "zeros") and not warned
for tied in (False, True):
    same, warned = merged(Tied(tied), "table", tokens)
    print("tied" if tied else "untied", bool(same.all()), warned)
    assert same.all() == (not tied) and not warned
for max_norm in (None, 1.0):
    same, warned = merged(nn.Sequential(nn.Embedding(10, 4, max_norm=max_norm)), "0", tokens)
    print("max_norm", max_norm, bool(same.all()), warned)
    assert same.all() == (max_norm is None) and not warned
EOF
