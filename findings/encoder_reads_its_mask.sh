#!/usr/bin/env bash
# torch 2.13.0, CPU.
# Guess: nn.TransformerEncoder and its layers take the same masks on the meta device and under torch.export, since
# no shape depends on what a mask holds.
# Behavior: a layer takes PyTorch's own causal mask; the encoder, the decoder and nn.Transformer compare the mask with
# one they make and ask for the truth, so that none of them runs on meta or can be exported. Any is_causal frees them,
# False too, and the result is the same.
# Seen: "Tensor.item() cannot be called on meta tensors"; GuardOnDataDependentSymNode; shapes with is_causal given.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import torch
from torch import nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

causal = nn.Transformer.generate_square_subsequent_mask


def encoder(device):
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, device=device)
    return nn.TransformerEncoder(layer, 2).eval()


x, mask = torch.empty(2, 8, 16, device="meta"), causal(8, device="meta")
on_meta = encoder("meta")
print("a layer alone", tuple(on_meta.layers[0](x, src_mask=mask).shape))


def refused(run):
    try:
        run()
    except (RuntimeError, GuardOnDataDependentSymNode) as error:
        print(type(error).__name__, str(error).partition("\n")[0][:60])
        return True
    return False


decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 32, batch_first=True, device="meta"), 1)
assert refused(lambda: on_meta(x, mask=mask))
assert refused(lambda: decoder(x, x, tgt_mask=mask))
for told in (True, False):
    print(f"is_causal={told}", tuple(on_meta(x, mask=mask, is_causal=told).shape))


class Model(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.encoder, self.settings = encoder("cpu"), settings

    def forward(self, x):
        return self.encoder(x, mask=causal(x.shape[1]), **self.settings)


real = torch.randn(2, 8, 16)
assert refused(lambda: torch.export.export(Model(), (real,)))
torch.export.export(Model(is_causal=False), (real,))
with torch.no_grad():
    model = encoder("cpu")
    results = [model(real, mask=causal(8), **each) for each in ({}, {"is_causal": True}, {"is_causal": False})]
print([torch.allclose(results[0], each, atol=1e-5) for each in results])
assert all(torch.allclose(results[0], each, atol=1e-5) for each in results)
EOF
