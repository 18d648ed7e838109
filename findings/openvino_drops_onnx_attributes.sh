#!/usr/bin/env bash
# OpenVINO 2026.4.1, onnx 1.23.2.
# Guess: read_model of an ONNX file refuses an attribute, or an operator set, that it does not know.
# Behavior: it reads past them, those of operator set 28 and of older ones. The window of Attention is left out, so
# that every token sees all earlier ones; SpaceToDepth in CRD order gives DCR; a shift to the right of a negative
# number rounds toward zero; Resize leaves out antialias, exclude_outside and keep_aspect_ratio_policy, and so makes
# 7x8 where 4x8 is asked for; a GRU with the batch first (layout=1) runs over the batch as over time: the second sample
# starts from the first one's state, and one final state comes out for three samples. No error, no warning.
# Seen, against ONNX's reference evaluator: other values in each, equal ones without the attribute.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 openvino==2026.4.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import numpy as np
import onnx
import openvino
from onnx import helper
from onnx.reference import ReferenceEvaluator


def outcome(operator, inputs, feeds, constants, outputs, opset, attributes):
    """What the reference evaluator makes of the operator, what OpenVINO makes of it, and whether they agree."""
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, outputs, **attributes)],
        "graph",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in feeds.items()],
        [helper.make_tensor_value_info(name, next(iter(kinds.values())), None) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    seen = core.compile_model(core.read_model(model.SerializeToString()), "CPU", precise)(list(feeds.values()))
    seen = [np.array(seen[i]) for i in range(len(outputs))]
    right = ReferenceEvaluator(model).run(None, feeds)
    return right, seen, all(r.shape == s.shape and np.allclose(r, s, atol=1e-4) for r, s in zip(right, seen))


tokens = np.random.default_rng(0).normal(size=(1, 1, 5, 8)).astype(np.float32)
image = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
numbers = {"x": np.array([-1, 5], np.int32), "n": np.array([1, 1], np.int32)}
scales = {"s": np.array([1, 1, 0.6, 0.6], np.float32)}
weights = np.full((1, 6, 2), 0.1, np.float32)
y, x = ("y",), {"x": image}
for dropped, *operator, attributes in (
    ({"left_window_size": 1}, "Attention", ["q", "q", "q"], {"q": tokens}, {}, y, 25, {"is_causal": 1}),
    ({"mode": "CRD"}, "SpaceToDepth", ["x"], x, {}, y, 28, {"blocksize": 2}),
    ({"antialias": 1}, "Resize", ["x", "", "s"], x, scales, y, 19, {"mode": "linear"}),
    ({"exclude_outside": 1}, "Resize", ["x", "", "s"], x, scales, y, 19, {"mode": "cubic"}),
    (
        {"keep_aspect_ratio_policy": "not_larger"},
        "Resize",
        ["x", "", "", "s"],
        {"x": image[..., :2, :]},
        {"s": np.array([7, 8])},
        y,
        19,
        {"axes": [2, 3]},
    ),
):
    assert outcome(*operator, attributes)[2], dropped
    right, seen, same = outcome(*operator, {**attributes, **dropped})
    print(operator[0], dropped, right[0].shape, seen[0].shape)
    assert not same, dropped

right, seen, _ = outcome("BitShift", ["x", "n"], numbers, {}, y, 28, {"direction": "RIGHT"})
print("BitShift", right[0].tolist(), seen[0].tolist())
assert (right[0].tolist(), seen[0].tolist()) == ([-1, 2], [0, 2])

samples = {"x": np.ones((3, 1, 2), np.float32)}, {"w": weights, "r": weights}, ("y", "h"), 14
by_time = outcome("GRU", ["x", "w", "r"], *samples, {"hidden_size": 2})
right, seen, same = outcome("GRU", ["x", "w", "r"], *samples, {"hidden_size": 2, "layout": 1})
print("GRU", [each.shape for each in right], [each.shape for each in seen])
assert by_time[2] and not same and (right[1].shape, seen[1].shape) == ((3, 1, 2), (1, 1, 2))
assert np.allclose(seen[0].ravel(), by_time[1][0].ravel()) and np.ptp(right[0]) == 0 < np.ptp(seen[0])
EOF
