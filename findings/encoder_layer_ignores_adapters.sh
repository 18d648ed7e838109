#!/usr/bin/env bash
# peft 0.21.2, transformers 5.23.0, torch 2.13.0.
# Guess: a LoRA adapter on linear1 or linear2 of nn.TransformerEncoderLayer takes part in evaluation as in training.
# Behavior: in evaluation the adapter does nothing, and nothing is said. The layer's fused path reads linear1.weight
# instead of calling linear1, and PEFT's layer answers with the weight of the base layer. Since PEFT freezes the base
# layer, the fused path is taken with gradients enabled too. Merging the adapter brings its effect back, and so does
# training mode, or torch.backends.mha.set_fastpath_enabled(False).
# Seen, without dropout: training, merged and without the fused path agree; evaluation is bit for bit the output
# with the adapter disabled.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 peft==0.21.2 \
  transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

torch.manual_seed(0)
x = torch.randn(2, 5, 8)

for target in "linear1", "linear2":
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    config = LoraConfig(target_modules=[target], r=4, init_lora_weights=False)
    model = get_peft_model(nn.Sequential(layer), config)

    trained = model.train()(x)
    evaluated = model.eval()(x)
    assert torch.is_grad_enabled()
    with model.disable_adapter():
        base = model(x)
    torch.backends.mha.set_fastpath_enabled(False)
    unfused = model(x)
    torch.backends.mha.set_fastpath_enabled(True)
    merged = model.merge_and_unload().eval()(x)

    def off(y):
        return round((y - trained).abs().max().item(), 4)

    print(target, off(evaluated), off(base), off(unfused), off(merged))
    assert torch.equal(evaluated, base) and off(base) > 0.1
    assert torch.allclose(trained, unfused, atol=1e-5) and torch.allclose(trained, merged, atol=1e-5)
EOF
