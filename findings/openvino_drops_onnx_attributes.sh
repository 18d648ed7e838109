#!/usr/bin/env bash
# OpenVINO 2026.4.1, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: an attribute of an ONNX operator is followed, or the model is refused.
# Behavior: of Resize antialias, exclude_outside and keep_aspect_ratio_policy are not looked at, of SpaceToDepth mode,
# of Attention left_window_size, and of GRU layout=1, so that it goes on from sample to sample instead of from step to
# step. No word about any of them. ONNX Runtime and the reference evaluator agree with each other; ONNX Runtime refuses
# the GRU.
# Seen: 2.667 for 2.875 with antialias; (7, 8) for (4, 8) and (7, 14); 0 and 16 begin the depth for 0 and 1; the fifth
# token attends to all five for two; (3, 1, 4, 2) and (1, 4, 2) for (3, 4, 1, 2) and (3, 1, 2) of three equal samples
# of four steps, which come out different.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 openvino==2026.4.1 onnx==1.23.2 \
  onnxruntime==1.32.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)


def answers(operator, opset, inputs, constants, outputs=("y",), **attributes):
    """What the reference evaluator, ONNX Runtime (or None) and OpenVINO make of one operator."""
    names = ["x", *constants]
    node = helper.make_node(operator, [name if name[0] != "_" else "" for name in names], outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs.shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if value is not None],
    )
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]))
    model.ir_version = 10 if opset < 25 else 13
    onnx.checker.check_model(model)
    reference = ReferenceEvaluator(model).run(None, {"x": inputs})
    try:
        runtime = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": inputs})
    except Exception:
        runtime = None
    compiled = openvino.compile_model(
        openvino.Core().read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    results = compiled([inputs])
    return reference, runtime, [np.array(results[at]) for at in range(len(outputs))]


def differ(*case, plain, **attributes):
    """The two answers with the attributes: OpenVINO's is the one without them, or with those of plain."""
    reference, runtime, seen = answers(*case, **attributes)
    assert np.allclose(reference[0], runtime[0], atol=1e-3)
    without, _, same = answers(*case, **plain)
    assert np.allclose(seen[0], same[0]) and np.allclose(same[0], without[0], atol=1e-3)
    assert seen[0].shape != reference[0].shape or not np.allclose(seen[0], reference[0], atol=1e-2)
    return seen[0], reference[0]


image = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
smaller = {"_roi": None, "scales": np.array([1, 1, 0.6, 0.6], np.float32)}
for mode, attribute in ("linear", "antialias"), ("cubic", "antialias"), ("cubic", "exclude_outside"):
    attributes = {"mode": mode, attribute: 1}
    seen, right = differ("Resize", 19, image, smaller, plain={"mode": mode}, **attributes)
    print(mode, attribute, seen.ravel().round(3).tolist(), right.ravel().round(3).tolist())

wide = np.ones((1, 1, 2, 4), np.float32)
sizes = {"_roi": None, "_scales": None, "sizes": np.array([7, 8])}
for policy in "not_larger", "not_smaller":
    options = {"mode": "nearest", "axes": [2, 3]}
    seen, right = differ("Resize", 19, wide, sizes, plain=options, keep_aspect_ratio_policy=policy, **options)
    print(policy, seen.shape, right.shape)

pair = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
seen, right = differ("SpaceToDepth", 28, pair, {}, plain={"blocksize": 2}, blocksize=2, mode="CRD")
print("CRD", seen[0, :, 0, 0].tolist(), right[0, :, 0, 0].tolist())

tokens = np.eye(5, 8, dtype=np.float32)[None, None]
causal = {"is_causal": 1}
keys = {"k": tokens, "v": tokens}
seen, right = differ("Attention", 28, tokens, keys, plain=causal, left_window_size=1, **causal)
print("window", (seen[0, 0] > 0).sum(1).tolist(), (right[0, 0] > 0).sum(1).tolist())

weights = {"w": np.full((1, 6, 2), 0.1, np.float32), "r": np.full((1, 6, 2), 0.1, np.float32)}
batch = np.ones((3, 4, 2), np.float32)
case = ("GRU", 14, batch, weights, ("y", "h"))
reference, runtime, seen = answers(*case, hidden_size=2, layout=1)
print("GRU", [each.shape for each in reference], [each.shape for each in seen])
assert runtime is None and [each.shape for each in reference] == [(3, 4, 1, 2), (3, 1, 2)]
for each, same in zip(seen, answers(*case, hidden_size=2)[1], strict=True):
    assert np.allclose(each, same, atol=1e-5)
assert np.ptp(reference[0], 0).max() == 0 and np.ptp(seen[0], 0).max() > 0.05
EOF
