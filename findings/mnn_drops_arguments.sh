#!/usr/bin/env bash
# MNN 3.6.1, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, torch 2.13.0.
# Guess: what the conversion cannot express is refused.
# Behavior: an RNN with "relu" becomes one with "tanh". grid_sample with "reflection" becomes "border", and "bicubic"
# becomes "bilinear" (the log says so, and then "Success"). ConvTranspose3d has its bias only in the slices of the depth
# that the last slice of its kernel reaches, ConvTranspose2d everywhere. scatter_add to one place adds the last value
# alone. Softplus keeps its beta.
# Seen: each equal to PyTorch with the other argument; of a kernel and stride of 2 every other slice has the bias; 1, 2, 3
# and 4 added to 0 at one place make 4.
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
from torch import nn

torch.manual_seed(0)


def close(one, other):
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-4)


x = torch.randn(5, 1, 3)
layer = nn.RNN(3, 4, nonlinearity="relu")
by_torch, by_mnn = converted(layer, x)
other = nn.RNN(3, 4)
other.load_state_dict(layer.state_dict())
print("RNN", close(by_torch, by_mnn), close(by_mnn, other(x)[0]))
assert not close(by_torch, by_mnn) and close(by_mnn, other(x)[0]) and close(*converted(other, x))

image, grid = torch.randn(1, 2, 5, 5), 1.8 * torch.rand(1, 3, 4, 2) - 0.9
grid[:, 0] *= 2
for settings, instead in (
    ({"padding_mode": "reflection"}, {"padding_mode": "border"}),
    ({"mode": "bicubic"}, {"mode": "bilinear"}),
    ({"mode": "bicubic", "padding_mode": "border"}, {"padding_mode": "border"}),
):
    by_torch, by_mnn = converted(lambda x: F.grid_sample(x, grid, align_corners=False, **settings), image)  # noqa: B023
    taken = F.grid_sample(image, grid, align_corners=False, **instead)
    print("grid_sample", settings, close(by_torch, by_mnn), close(by_mnn, taken))
    assert not close(by_torch, by_mnn) and close(by_mnn, taken)

for kernel, stride in (2, 2), (3, 1), (1, 2):
    layer, x = nn.ConvTranspose3d(2, 1, kernel, stride), torch.randn(1, 2, 3, 3, 3)
    by_torch, by_mnn = converted(layer, x)
    has_bias = [close(*slices) for slices in zip(by_torch[0, 0], by_mnn[0, 0], strict=True)]
    print("ConvTranspose3d", kernel, stride, has_bias)
    assert has_bias == [i in range(kernel - 1, kernel + 2 * stride, stride) for i in range(len(has_bias))]
    missing = [1 - there for there in has_bias]
    expected = by_torch - layer.bias * torch.tensor(missing)[:, None, None]
    assert close(expected, by_mnn)
assert close(*converted(nn.ConvTranspose2d(2, 4, 3, 2), image))

added = torch.arange(1.0, 5)[None]
by_torch, by_mnn = converted(lambda x: torch.zeros(1, 2).scatter_add(1, torch.zeros(1, 4).long(), x), added)
print("scatter_add", by_torch.tolist(), by_mnn.tolist())
assert by_torch.tolist() == [[10, 0]] and by_mnn.tolist() == [[4, 0]]
assert close(*converted(nn.Softplus(beta=2.0), torch.randn(2, 8)))
EOF
