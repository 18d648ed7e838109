#!/usr/bin/env bash
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
# Guess: interpolate(scale_factor=1.16) of a width of 6, which makes 6 again, spreads the cells by 1.16, as it does
# wherever the size changes and the page says of scale_factor; with the same answer along one, two and three dimensions,
# compiled and exported.
# Behavior: "linear", "bilinear" and "trilinear", and "nearest" of an image alone, give back the input as it is.
# "bicubic", "nearest-exact", and "nearest" of a sequence or a volume spread it. torch.compile spreads it in
# every mode. ONNX Runtime gives back the input in "bilinear" and "bicubic", of a file for which onnx's reference
# evaluator spreads it.
# Seen of the squares 0 to 25: "nearest" 0, 0, 1, 4, 9, 16 of a sequence, 0, 1, 4, 9, 16, 25 of an image, and the former
# compiled; "bicubic" ends in 18.7, in ONNX Runtime in 25.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 \
  onnxscript==0.7.2 onnxruntime==1.32.0

cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'EOF' 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
import onnxruntime
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator


class Spread(torch.nn.Module):
    def __init__(self, mode, rank):
        super().__init__()
        self.mode, self.factors = mode, (*[1.0] * (rank - 1), 1.16)

    def forward(self, x):
        return F.interpolate(x, scale_factor=self.factors, mode=self.mode)


def rounded(y):
    return [round(float(each), 1) for each in y.ravel()]


squares = [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
below = [0.0, 0.0, 1.0, 4.0, 9.0, 16.0]
nearest = [0.0, 1.0, 4.0, 9.0, 9.0, 16.0]
between = [0.0, 0.8, 3.0, 6.6, 11.7, 18.2]
cubic = [-0.0, 0.5, 2.5, 6.2, 11.5, 18.7]
for mode, rank, eager, compiled in (
    ("nearest", 1, below, below),
    ("nearest", 2, squares, below),
    ("nearest", 3, below, below),
    ("nearest-exact", 2, nearest, nearest),
    ("linear", 1, squares, between),
    ("bilinear", 2, squares, between),
    ("trilinear", 3, squares, between),
    ("bicubic", 2, cubic, cubic),
):
    model, x = Spread(mode, rank), torch.tensor(squares).reshape(1, 1, *[1] * (rank - 1), 6)
    torch._dynamo.reset()
    seen = rounded(model(x)), rounded(torch.compile(model, backend="aot_eager")(x))
    print(mode, rank, *seen)
    assert seen == (eager, compiled), mode
    if mode in ("bilinear", "bicubic"):
        torch.onnx.export(model, (x,), "model.onnx", dynamo=True, verbose=False)
        session, feed = onnxruntime.InferenceSession("model.onnx"), {"x": x.numpy()}
        runtime, reference = (rounded(each.run(None, feed)[0]) for each in (session, ReferenceEvaluator("model.onnx")))
        print("ONNX", runtime, reference)
        assert runtime == squares and reference == (between if mode == "bilinear" else cubic)
EOF
