#!/usr/bin/env bash
# paddlepaddle 3.3.1, CPU.
# Guess: ceil_mode gives 3 for a pool of 2 at a stride of 3 over 9, as in PyTorch; a window of 9 over 8 is refused; SAME
# makes 24 of 8 in a transposed convolution with a stride of 3, as in TensorFlow.
# Behavior: the fourth window starts behind the input, and holds the lowest float32 in a max pool and NaN in an average.
# With as much padding as the kernel, which PyTorch refuses, both ends of a max pool do. A window larger than its input
# gives one output where its stride is the window's size. SAME in a transposed convolution pads as a convolution over
# the same input would, so that the size is multiplied only where the stride divides it.
# Seen: 4 outputs, the last -3.4e38 and NaN; 7 of 0 to 7 by a window of 9; 23 of 8 for kernels of 2, 3 and 4, and 27 of
# 9.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check paddlepaddle==3.3.1 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import paddle
from paddle.nn import functional as F

nine = paddle.arange(9.0).reshape([1, 1, 9])
eight = nine[:, :, :8]
largest, mean = (pool(nine, 2, 3, ceil_mode=True).flatten().tolist() for pool in (F.max_pool1d, F.avg_pool1d))
print(largest, mean)
assert largest[:3] == [1, 4, 7] and len(largest) == 4 and largest[3] < -3e38
assert mean[:3] == [0.5, 3.5, 6.5] and len(mean) == 4 and mean[3] != mean[3]
padded = F.max_pool1d(eight, 2, 2, padding=2).flatten().tolist()
print(padded)
assert len(padded) == 6 and max(padded[0], padded[-1]) < -3e38
assert F.max_pool1d(eight, 9).flatten().tolist() == [7]
transposed = [
    F.conv1d_transpose(x, paddle.ones([1, 1, kernel]), stride=3, padding="SAME").shape[-1]
    for x, kernel in ((eight, 2), (eight, 3), (eight, 4), (nine, 3))
]
print(transposed)
assert transposed == [23, 23, 23, 27]
EOF
