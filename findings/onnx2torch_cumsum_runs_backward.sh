#!/usr/bin/env bash
# onnx2torch 1.5.15, onnx 1.23.2, torch 2.13.0.
# Guess: an attribute that an ONNX node leaves out has the default of ONNX: CumSum runs forward.
# Behavior: onnx2torch runs it backward unless the node says reverse=0. A node with two outputs of
# which the model puts out one gives both: the values come first where the indices were asked for.
# Seen: 6, 5, 2 for the 1, 4, 6 of onnx's own evaluator; reverse=0 is right. TopK: a tuple of values and
# indices for the indices. torch.onnx.export(dynamo=False) of cumsum leaves the attribute out.
# (onnx2torch imports two operators of torchvision that are not used here: an empty stand-in does.)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 onnx==1.23.2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps onnx2torch==1.5.15

"$folder/venv/bin/python" -W ignore - <<'EOF'
import sys
from unittest.mock import MagicMock

sys.modules["torchvision"] = sys.modules["torchvision.ops"] = MagicMock()

import onnx
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx2torch import convert

x = torch.tensor([[1.0, 3.0, 2.0]])


def both(operator, second, outputs, kind, **attributes):
    name, shape = second
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", name], outputs, **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info(outputs[-1], kind, [1, 3])],
        [helper.make_tensor(name, TensorProto.INT64, shape, [1 if operator == "CumSum" else 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return ReferenceEvaluator(model).run(None, {"x": x.numpy()})[0].tolist(), convert(model)(x)


for attributes in ({}, {"reverse": 0}, {"reverse": 1}):
    wanted, got = both("CumSum", ("axis", []), ["y"], TensorProto.FLOAT, **attributes)
    print(attributes, wanted, got.tolist())
    assert (wanted == got.tolist()) == bool(attributes)
    if not attributes:
        assert wanted == [[1, 4, 6]] and got.tolist() == [[6, 5, 2]]
wanted, got = both("TopK", ("k", [1]), ["values", "indices"], TensorProto.INT64)
print(wanted, got)
assert wanted == [[1, 2, 0]] and [y.tolist() for y in got] == [[[3, 2, 1]], wanted]
EOF
