#!/usr/bin/env bash
# onnx 1.23.2, onnxruntime 1.32.0.
# Guess: for a pool that the checker passes, ONNX's shape inference, its reference evaluator and ONNX Runtime agree, and
# SAME_UPPER with a stride of 1 keeps the size.
# Behavior: with a dilation ONNX Runtime pads for SAME_UPPER as if there were none, so that the output is shorter than
# inferred. With ceil_mode the reference evaluator moves the windows of an AveragePool (not those of a MaxPool) by half
# of what is missing at the end. It raises an IndexError for a MaxPool of 3 with padding 1 and stride 1 over a sequence,
# and runs the same over an image.
# Seen, of 1 to 8, kernel 3, dilation 2: 8 inferred, 8 by the evaluator, 6 by ONNX Runtime. Averages of 3 at a stride of
# 4 over 1 to 5: [1.5, 4.0] by the evaluator, [2.0, 5.0] by ONNX Runtime; maxima: [3.0, 5.0] by both.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, shape_inference
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)


def values(*shape):
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(1, 1, *shape)


def pooled(kind, x, **attributes):
    """The inferred shape, and what the reference evaluator and ONNX Runtime make (or the error's type)."""
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["y"], **attributes)], "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"][: x.ndim])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph.output[0].type.tensor_type.shape
    try:
        (by_reference,) = ReferenceEvaluator(model).run(None, {"x": x})
    except IndexError as error:
        by_reference = type(error)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return tuple(axis.dim_value for axis in inferred.dim), by_reference, session.run(None, {"x": x})[0]


dilated = dict(kernel_shape=[3], dilations=[2], strides=[1], auto_pad="SAME_UPPER")
for kind in ("MaxPool", "AveragePool"):
    inferred, by_reference, by_runtime = pooled(kind, values(8), **dilated)
    print(kind, inferred, by_reference.shape, by_runtime.shape)
    assert (inferred, by_reference.shape, by_runtime.shape) == ((1, 1, 8), (1, 1, 8), (1, 1, 6))

ceiling = dict(kernel_shape=[3], strides=[4], ceil_mode=1)
seen = [[y.ravel().tolist() for y in pooled(kind, values(5), **ceiling)[1:]] for kind in ("AveragePool", "MaxPool")]
print(*seen)
assert seen == [[[1.5, 4.0], [2.0, 5.0]], [[3.0, 5.0], [3.0, 5.0]]]

_, sequence, by_runtime = pooled("MaxPool", values(8), kernel_shape=[3], pads=[1, 1], strides=[1])
_, image, same = pooled("MaxPool", values(8, 8), kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
print(sequence, by_runtime.ravel().tolist())
assert sequence is IndexError and by_runtime.ravel().tolist() == [2, 3, 4, 5, 6, 7, 8, 8]
assert np.array_equal(image, same)
EOF
