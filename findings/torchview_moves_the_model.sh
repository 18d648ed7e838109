#!/usr/bin/env bash
# torchview 0.2.7, torch 2.13.0.
# Guess: draw_graph(model, input_size=..., device="meta") draws the model and leaves it as it was.
# Behavior: the model given is moved to meta, for good: its weights are gone, and the next real call raises. Training or
# evaluation is put back, the device is not.
# Seen: meta after the drawing, training still on; "Cannot copy out of meta tensor; no data!" on the way back.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 torchview==0.2.7

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torchview
from torch import nn

model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
torchview.draw_graph(model, input_size=(1, 4), device="meta")
print(model[0].weight.device, model.training)
assert model[0].weight.device.type == "meta" and model.training
try:
    model.to("cpu")
except NotImplementedError as error:
    print(str(error).partition(" Please")[0])
    assert "Cannot copy out of meta tensor" in str(error)
else:
    raise SystemExit("moved back")
EOF
