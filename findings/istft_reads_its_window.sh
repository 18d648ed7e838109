#!/usr/bin/env bash
# torch 2.13.0, CPU and meta tensors, FakeTensorMode.
# Guess: torch.istft runs where torch.stft runs, since the length of its result follows from sizes.
# Behavior: istft looks at the values of the window that it has laid over the frames, and refuses one that is nearly 0
# anywhere. Without values it raises, on meta and under FakeTensorMode, so that no shape comes out of a vocoder there.
# torch.export passes, with the same fake tensors.
# Seen: (2, 9, 26) from stft on meta and on the CPU; NotImplementedError about aten::equal on meta,
# DataDependentOutputException in the mode; (2, 100) on the CPU and from the exported program.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException


class There(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))

    def forward(self, x):
        return torch.stft(x, 16, 4, window=self.window, return_complex=True)


class AndBack(There):
    def forward(self, x):
        return torch.istft(super().forward(x), 16, 4, window=self.window)


x = torch.randn(2, 100)
print(There()(x).shape, AndBack()(x).shape)
assert There()(x).shape == There().to("meta")(x.to("meta")).shape == (2, 9, 26)
assert AndBack()(x).shape == torch.export.export(AndBack(), (x,)).module()(x).shape == (2, 100)

try:
    AndBack().to("meta")(x.to("meta"))
except NotImplementedError as error:
    print(str(error)[:90])
    assert "aten::equal" in str(error)
else:
    raise SystemExit("istft runs on meta")

with FakeTensorMode():
    try:
        AndBack()(torch.randn(2, 100))
    except DataDependentOutputException as error:
        print("DataDependentOutputException", error)
    else:
        raise SystemExit("istft runs under FakeTensorMode")
EOF
