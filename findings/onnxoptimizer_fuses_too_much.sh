#!/usr/bin/env bash
# onnxoptimizer 0.4.2, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: onnxoptimizer.optimize, which has passes that fuse and eliminate, gives a model with the same outputs.
# Behavior: of two Reshapes the first is left out although the second has a 0, which copies a size of the first one's
# output: it copies one of the input from then on. ONNX defines GroupNormalization by other operators in this way: such
# a model is normalized over channels in place of groups, in the same shape. Two Squeezes of axis -1 become one of
# -1 and the axis before the first. A Slice of Shape(start=1) counts from the start of the whole shape. No error, no
# warning; two Squeezes of axes that are not negative, and a Slice of a whole Shape, come out right.
# Seen: means taken over channels for groups, in the same shape; (3, 1) for (1, 3); the sizes 2, 3 for 3, 4.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 onnxoptimizer==0.4.2 onnxruntime==1.32.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime


def before_and_after(signature, body):
    text = f'<ir_version: 10, opset_import: ["": 21]> g ({signature}) => (float y) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    x = np.random.default_rng(0).normal(size=[d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim])
    return [
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, {"x": x.astype(np.float32)})[0]
        for each in (model, onnxoptimizer.optimize(model))
    ]


def squeezed_twice(axis):
    return f"""
        a = Constant <value = int64[1] {{{axis}}}> ()
        b = Squeeze (x, a)
        c = Constant <value = int64[1] {{{axis}}}> ()
        y = Squeeze (b, c)
    """


def sliced(shape):
    return f"""
        s = {shape} (x)
        a = Constant <value = int64[1] {{0}}> ()
        b = Constant <value = int64[1] {{2}}> ()
        t = Slice (s, a, b)
        y = Cast <to = 1> (t)
    """


groups = """
    grouped = Constant <value_ints = [3, 2, 2, 2, 2]> ()
    flat = Constant <value_ints = [0, 0, -1]> ()
    last = Constant <value_ints = [2]> ()
    a = Reshape (x, grouped)
    b = Reshape (a, flat)
    mean = ReduceMean (b, last)
    c = Sub (b, mean)
    whole = Shape (x)
    y = Reshape (c, whole)
"""
before, after = before_and_after("float[3, 4, 2, 2] x", groups)
print(before.shape, after.shape, abs(before - after).max())
assert before.shape == after.shape and abs(before - after).max() > 0.1
assert abs(before.reshape(3, 2, 8).mean(-1)).max() < 1e-6 and abs(after.reshape(3, 4, 4).mean(-1)).max() < 1e-6

before, after = before_and_after("float[1, 3, 1, 1] x", squeezed_twice(-1))
print(before.shape, after.shape)
assert (before.shape, after.shape) == ((1, 3), (3, 1))
before, after = before_and_after("float[1, 1, 3, 1] x", squeezed_twice(0))
assert before.shape == after.shape == (3, 1)

before, after = before_and_after("float[2, 3, 4] x", sliced("Shape <start = 1>"))
print(before.tolist(), after.tolist())
assert (before.tolist(), after.tolist()) == ([3, 4], [2, 3])
before, after = before_and_after("float[2, 3, 4] x", sliced("Shape"))
assert before.tolist() == after.tolist() == [2, 3]
EOF
