#!/usr/bin/env bash
# onnxoptimizer 0.4.2, onnx 1.23.2.
# Guess: the passes of optimize(model) leave the results as they are.
# Behavior: a Pad of zeros in front of a MaxPool becomes the pool's own padding, which is minus infinity, so that where
# all the input is negative the border is no longer 0. The pass is among those taken by default; nothing is said. In
# front of an AveragePool it is right, and a Pad of ones is left alone.
# Seen: of a 2x2 image of -1, padded by one, -1 everywhere for 0 at the border.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxoptimizer==0.4.2

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnxoptimizer
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def answers(nodes, x, rank, constants):
    """What the reference evaluator makes of the nodes before and after optimize."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
            [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    onnx.checker.check_model(model)
    return [ReferenceEvaluator(each).run(None, {"x": x})[0] for each in (model, onnxoptimizer.optimize(model))]


minus = np.full((1, 1, 2, 2), -1, np.float32)
pads = {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}
for kind in "MaxPool", "AveragePool":
    pool = helper.make_node(kind, ["padded"], ["y"], kernel_shape=[2, 2])
    before, after = answers([helper.make_node("Pad", ["x", "pads"], ["padded"]), pool], minus, 4, pads)
    print(kind, before.ravel().tolist(), after.ravel().tolist())
    if kind == "MaxPool":
        assert (before[0, 0] == [[0, 0, 0], [0, -1, 0], [0, 0, 0]]).all() and (after == -1).all()
    else:
        assert (before == after).all()

ones = answers(
    [
        helper.make_node("Pad", ["x", "pads", "one"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[2, 2]),
    ],
    minus,
    4,
    {**pads, "one": np.float32(1)},
)
assert (ones[0] == ones[1]).all()
EOF
