#!/usr/bin/env bash
# onnxscript 0.7.2, onnx 1.23.2, onnxruntime 1.32.0, torch 2.13.0, torch.onnx.export with dynamo=True.
# Guess: a layer is exported with all its arguments, or refused, as AdaptiveMaxPool2d is.
# Behavior: AvgPool2d(divisor_override=...) becomes an average over the whole window, without a warning. An antialiased
# resize to a scale_factor becomes one to the size that comes of it: the shape is right, and where the factor does not
# divide the size evenly, the values are those of another factor. Without antialias the factor is kept.
# Seen: a sum of 10 as 2.5; 9×9 by 0.5 as to the size (4, 4), 8×8 as in PyTorch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 onnxscript==0.7.2 onnx==1.23.2 onnxruntime==1.32.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import io
from contextlib import redirect_stdout

import onnxruntime
import torch
from torch import nn
from torch.nn.functional import interpolate


class Resize(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.kwargs = kwargs

    def forward(self, x):
        return interpolate(x, mode="bilinear", **self.kwargs)


def exported(model, x):
    with redirect_stdout(io.StringIO()):
        program = torch.onnx.export(model, (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


square = torch.arange(16.0).reshape(1, 1, 4, 4)
pool = nn.AvgPool2d(2, divisor_override=1)
print(pool(square).tolist(), exported(pool, square).tolist())
assert torch.equal(pool(square), square.unfold(2, 2, 2).unfold(3, 2, 2).sum((-1, -2)))
assert torch.equal(exported(pool, square), nn.functional.avg_pool2d(square, 2))

torch.manual_seed(0)
for size, antialias in ((8, True), (9, True), (9, False)):
    x = torch.rand(1, 1, size, size)
    resize = Resize(scale_factor=0.5, antialias=antialias)
    own, other = resize(x), exported(resize, x)
    print(size, antialias, (own - other).abs().max())
    assert own.shape == other.shape
    assert torch.allclose(own, other, atol=1e-5) is not (size == 9 and antialias)
    if antialias:
        assert torch.allclose(other, interpolate(x, (4, 4), mode="bilinear", antialias=True), atol=1e-5)
EOF
