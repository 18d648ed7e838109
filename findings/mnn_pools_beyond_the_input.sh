#!/usr/bin/env bash
# MNN 3.6.1, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, torch 2.13.0.
# Guess: a pool comes out of the conversion with the shape that PyTorch and ONNX Runtime make, or is refused.
# Behavior: ceil_mode never leaves out a window that begins beyond the input of a sequence or an image, and is ignored
# for a volume. The dilation of a max pool is ignored in all three.
# Seen: of 9, a kernel of 2 at a stride of 3 with ceil_mode makes 4 (the last is 9 of a max pool, 0 of an average);
# of 5, a kernel of 2 with ceil_mode makes 3 in one and two dimensions and 2 in three; a kernel of 3 with a dilation of 2
# makes 7 of 9, as without it, for 5.
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
from converted import converted
from torch import nn


def pool(kind, rank, kernel, stride, **others):
    """A pool along the last axis alone."""
    along = [(*[1] * (rank - 1), each) for each in (kernel, stride)]
    if "dilation" in others:
        others["dilation"] = (*[1] * (rank - 1), others["dilation"])
    return getattr(nn, f"{kind}Pool{rank}d")(*along, **others)


for rank in 1, 2, 3:
    nine, five = (torch.arange(1.0, n + 1).reshape(1, 1, *[1] * (rank - 1), n) for n in (9, 5))

    for kind, last in ("Max", 9), ("Avg", 0):
        by_torch, by_mnn = converted(pool(kind, rank, 2, 3, ceil_mode=True), nine)
        print(rank, kind, by_torch.flatten().tolist(), by_mnn.flatten().tolist())
        assert by_mnn.flatten().tolist() == by_torch.flatten().tolist() + [last] * (rank < 3)

        by_torch, by_mnn = converted(pool(kind, rank, 2, 2, ceil_mode=True), five)
        print(rank, kind, by_torch.flatten().tolist(), by_mnn.flatten().tolist())
        assert by_mnn.flatten().tolist() == by_torch.flatten().tolist()[: 2 if rank == 3 else 3]

    by_torch, by_mnn = converted(pool("Max", rank, 3, 1, dilation=2), nine)
    print(rank, "dilated", by_torch.flatten().tolist(), by_mnn.flatten().tolist())
    assert by_torch.flatten().tolist() == [5, 6, 7, 8, 9] and by_mnn.flatten().tolist() == [3, 4, 5, 6, 7, 8, 9]
EOF
