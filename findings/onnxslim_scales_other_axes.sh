#!/usr/bin/env bash
# onnxslim 0.1.98, onnx 1.23.2.
# Guess: slim(model) folds a Mul behind a convolution into its weights where the factor belongs to the channels, and
# leaves it alone otherwise.
# Behavior: any factor with as many numbers as there are channels is folded as one for each channel. One for each
# column, (4,), of a map 4 wide with 4 channels scales the channels instead, and so does one for each row, (4, 1).
# Nothing is said; of 3 channels it is left alone. An Add of the same shape is right.
# Seen: factors 1 to 4 along the columns of ones: the first row of the first channel is 1, 1, 1, 1 for 1, 2, 3, 4.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxslim==0.1.98

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnxslim
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def answers(channels, operator, second):
    """What the reference evaluator makes of a convolution and an operator before and after slim."""
    constants = {
        "weight": np.ones((channels, 1, 1, 1), np.float32),
        "bias": np.zeros(channels, np.float32),
        "second": second,
    }
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Conv", ["x", "weight", "bias"], ["m"]),
                helper.make_node(operator, ["m", "second"], ["y"]),
            ],
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, channels, 4, 4])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    onnx.checker.check_model(model)
    feed = {"x": np.ones((1, 1, 4, 4), np.float32)}
    return [ReferenceEvaluator(each).run(None, feed)[0] for each in (model, onnxslim.slim(model))]


factors = np.arange(1, 5, dtype=np.float32)
for shape, right in ((4,), False), ((4, 1), False), ((4, 1, 1), True):
    second = factors.reshape(shape)
    before, after = answers(4, "Mul", second)
    print(shape, before[0, 0, :, 0].tolist(), before[0, 0, 0].tolist(), after[0, 0, 0].tolist())
    assert np.allclose(before, np.broadcast_to(second, (1, 4, 4, 4)))
    assert np.allclose(after, np.broadcast_to(factors.reshape(4, 1, 1), (1, 4, 4, 4)))
    assert np.allclose(before, after) is right
    assert np.allclose(*answers(4, "Add", second))
assert np.allclose(*answers(3, "Mul", factors))
EOF
