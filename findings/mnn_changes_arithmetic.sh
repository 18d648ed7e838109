#!/usr/bin/env bash
# MNN 3.6.1, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, torch 2.13.0.
# Guess: functions of one value come out of the conversion with the values that PyTorch and ONNX Runtime give.
# Behavior: fmod has the sign of the divisor, as the remainder does. Halves are rounded away from zero. A value that is
# made a bool stays the value, rounded toward zero, and "not" of it is one minus that. Softshrink and Hardshrink
# treat negative values the wrong way round: what should be moved or kept becomes zero, and what should be zero not.
# Seen: fmod(-2, 0.7) is 0.1 for -0.6; 2.5 rounds to 3; bool(-2), "not" of it and bool(0.5) are -2, 3 and 0; softshrink
# of -2 and -0.3 is 0 and 0.2, hardshrink 0 and -0.3.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 MNN==3.6.1 \
  onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0

cd "$folder"
cat > converted.py <<'EOF'
import _tools
import MNN.nn
import numpy as np
import onnxruntime
import torch
from MNN import expr
from torch import nn


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def converted(model, x):
    """What PyTorch, and what MNN, makes of x. ONNX Runtime makes of the file what PyTorch does."""
    model = (model if isinstance(model, nn.Module) else Call(model)).eval()
    torch.onnx.export(model, (x,), "model.onnx", dynamo=False, opset_version=17)
    session = onnxruntime.InferenceSession("model.onnx")
    names = [each.name for each in session.get_inputs()], [each.name for each in session.get_outputs()]
    by_onnx = torch.from_numpy(session.run(None, {names[0][0]: x.numpy()})[0])

    # As mnnconvert does, which would also install what it reports its use with.
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn"])
    net = MNN.nn.load_module_from_file("model.mnn", *names)
    y = net.forward([expr.const(x.flatten().tolist(), list(x.shape), expr.NCHW)])[0]
    by_mnn = torch.from_numpy(np.array((expr.convert(y, expr.NCHW) if y.data_format == expr.NC4HW4 else y).read()))

    with torch.no_grad():
        by_torch = model(x)
    by_torch = by_torch[0] if isinstance(by_torch, tuple) else by_torch
    assert torch.allclose(by_torch.float(), by_onnx.float(), atol=1e-4)
    return by_torch, by_mnn
EOF

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F
from converted import converted

x = torch.tensor([[-2, -1.0, -0.3, 0, 0.5, 1.0, 2.5]])


def seen(function, by_torch, by_mnn):
    result = converted(function, x)
    print(*([round(value, 3) for value in each.flatten().tolist()] for each in result))
    for each, expected in zip(result, (by_torch, by_mnn), strict=True):
        assert torch.allclose(each.float(), torch.tensor([expected]).float(), atol=1e-4)


seen(lambda x: torch.fmod(x, 0.7), [-0.6, -0.3, -0.3, 0, 0.5, 0.3, 0.4], [0.1, 0.4, 0.4, 0, 0.5, 0.3, 0.4])
seen(lambda x: x % 0.7, [0.1, 0.4, 0.4, 0, 0.5, 0.3, 0.4], [0.1, 0.4, 0.4, 0, 0.5, 0.3, 0.4])
seen(lambda x: x.round(), [-2, -1, 0, 0, 0, 1, 2], [-2, -1, 0, 0, 1, 1, 3])
seen(lambda x: x.bool().float(), [1, 1, 1, 0, 1, 1, 1], [-2, -1, 0, 0, 0, 1, 2])
seen(lambda x: (~x.bool()).float(), [0, 0, 0, 1, 0, 0, 0], [3, 2, 1, 1, 1, 0, -1])
seen(lambda x: (x != 0).float(), [1, 1, 1, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1, 1])
seen(F.softshrink, [-1.5, -0.5, 0, 0, 0, 0.5, 2], [0, 0, 0.2, 0, 0, 0.5, 2])
seen(F.hardshrink, [-2, -1, 0, 0, 0, 1, 2.5], [0, 0, -0.3, 0, 0, 1, 2.5])
EOF
