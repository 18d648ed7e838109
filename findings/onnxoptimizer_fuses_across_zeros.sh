#!/usr/bin/env bash
# onnxoptimizer 0.4.2, onnx 1.23.2.
# Guess: the passes of optimize(model) leave the results as they are.
# Behavior: a Pad of zeros in front of a MaxPool becomes the pool's own padding, which is minus infinity: where all the
# input is negative the border is no longer 0. (In front of an AveragePool it is right.) Of two Reshapes the first is
# left out, though a 0 in the second, which copies a size, then copies the size of another tensor: GroupNormalization,
# written out by onnx itself, comes out with other values. Both are among the passes taken by default; nothing is said.
# Seen: of a 2x2 image of -1 padded by one -1 everywhere for 0 at the corners; (2, 2, 6) for (3, 2, 4).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxoptimizer==0.4.2

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnx.backend.test.case.node
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

numbers = np.arange(24, dtype=np.float32).reshape(2, 12)
twice = [helper.make_node("Reshape", ["x", "first"], ["m"]), helper.make_node("Reshape", ["m", "second"], ["y"])]
for second, kept in ([0, 2, -1], False), ([3, 2, -1], True):
    before, after = answers(twice, numbers, 3, {"first": [3, 8], "second": second})
    print(second, before.shape, after.shape)
    assert before.shape == (3, 2, 4) and after.shape == ((3, 2, 4) if kept else (2, 2, 6))

name = "test_group_normalization_example_expanded"
(case,) = (each for each in onnx.backend.test.case.node.collect_testcases("GroupNormalization") if each.name == name)
feed = dict(zip((each.name for each in case.model.graph.input), case.data_sets[0][0], strict=True))
before, after = (
    ReferenceEvaluator(model).run(None, feed)[0] for model in (case.model, onnxoptimizer.optimize(case.model))
)
print(name, float(np.abs(before - after).max()))
assert np.allclose(before, case.data_sets[0][1][0], atol=1e-4) and np.abs(before - after).max() > 0.1
EOF
