#!/usr/bin/env bash
# onnxsim 0.8.1, onnxslim 0.1.98, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: what onnxsim and onnxslim make of a model has outputs of the same shapes and values.
# Behavior: onnxsim merges two reductions, one with keepdims and one without, and keeps the dimensions of both or of
# neither: x.mean(0).mean(0, keepdim=True) comes out with three dimensions for two. The second thing that simplify
# returns, whether the check passed, is True, with check_n=3 too, which runs and compares both. onnxslim leaves out a
# Dropout and gives its input for both of its outputs: the mask, which is all True, becomes the values. Each leaves
# alone what the other one changes.
# Seen: (1, 1, 5) for (1, 5), (5,) for (1, 5); 1, 2, 3 for a mask of 1, 1, 1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 onnxsim==0.8.1 onnxslim==0.1.98 onnxruntime==1.32.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnxruntime
import onnxsim
import onnxslim


def outputs(shape, body):
    """Of the model, of what onnxsim makes of it, and of what onnxslim does."""
    text = f'<ir_version: 10, opset_import: ["": 21]> g (float{list(shape)} x) => (float y) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model = onnx.shape_inference.infer_shapes(model)
    simple, checked = onnxsim.simplify(model, check_n=3)
    assert checked is True
    x = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    return [
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, {"x": x})[0]
        for each in (model, simple, onnxslim.slim(model))
    ]


def reduced(first, keeps_first, second, keeps_second):
    return f"""
        a = Constant <value = int64[1] {{{first}}}> ()
        b = ReduceMean <keepdims = {keeps_first}> (x, a)
        c = Constant <value = int64[1] {{{second}}}> ()
        y = ReduceMean <keepdims = {keeps_second}> (b, c)
    """


for (first, second, *keeps), shape, wrong in (
    ((0, 0, 0, 1), (1, 5), (1, 1, 5)),
    ((0, 1, 1, 0), (1, 5), (5,)),
    ((0, 0, 0, 0), (5,), (5,)),
    ((0, 1, 1, 1), (1, 1, 5), (1, 1, 5)),
):
    model, simple, slim = outputs((3, 4, 5), reduced(first, keeps[0], second, keeps[1]))
    print("keepdims", keeps, model.shape, simple.shape, slim.shape)
    assert (model.shape, simple.shape, slim.shape) == (shape, wrong, shape)

model, simple, slim = outputs((3,), "b, kept = Dropout (x) y = Cast <to = 1> (kept)")
print("Dropout", model.tolist(), simple.tolist(), slim.tolist())
assert model.tolist() == simple.tolist() == [1, 1, 1] and slim.tolist() == [1, 2, 3]
EOF
