#!/usr/bin/env bash
# conformer 0.3.2, performer-pytorch 1.1.4, x-transformers 2.31.10, torch 2.13.0.
# Guess: with mask= the results at the tokens that the mask keeps do not depend on what stands in the others.
# Behavior: conformer's convolution reads across the mask's end. Performer takes the masked tokens' values out of the
# sum and leaves their keys in what it divides by, with no convolution at all. In x-transformers, whose attention keeps
# to the mask, Encoder(shift_tokens=1) moves features of the first masked token to the last one kept. A longer padding
# therefore changes the results.
# Seen: differences above 0.001 in these three, and 0 in the same x-transformers Encoder without shift_tokens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 \
    conformer==0.3.2 performer-pytorch==1.1.4 x-transformers==2.31.10

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from conformer import ConformerBlock
from performer_pytorch import SelfAttention
from x_transformers import Encoder

torch.manual_seed(0)
layers = {
    "conformer": ConformerBlock(dim=16, dim_head=8, heads=2, conv_kernel_size=5),
    "performer": SelfAttention(dim=16, heads=2, dim_head=8, causal=False),
    "shift_tokens": Encoder(dim=16, depth=1, heads=2, shift_tokens=1),
    "attention": Encoder(dim=16, depth=1, heads=2),
}
x = torch.rand(1, 10, 16)
other = x.clone()
other[:, 7:] = 3
mask = torch.arange(10)[None] < 7
leaks = {}
with torch.no_grad():
    for name, layer in layers.items():
        kept = [layer.eval()(each, mask=mask)[:, :7] for each in (x, other)]
        leaks[name] = (kept[0] - kept[1]).abs().max().item()
print(leaks)
assert leaks.pop("attention") == 0 and min(leaks.values()) > 1e-3
EOF
