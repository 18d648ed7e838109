#!/usr/bin/env bash
# torch 2.13.0, CPU, meta and fake tensors.
# Guess: grouped_mm takes the same dtypes where there are no values as on the device that is stood in for.
# Behavior: the CPU multiplies float32, float16 and bfloat16, and refuses float64.  On meta, and with fake CPU
# tensors, bfloat16 alone passes; the rule is one for GPUs.  So a float32 mixture of experts that runs on the CPU
# has no shapes on meta, and torch.export refuses it.
# Seen: cpu (32, 24), (32, 24), (32, 24), RuntimeError; meta and fake (32, 24) for bfloat16,
# RuntimeError "Expected inputs of BF16 type ..." for the others; export the same words.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import contextlib

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode


def seen(dtype, device, mode=contextlib.nullcontext()):
    with mode:
        rows = torch.empty(32, 16, dtype=dtype, device=device)
        experts = torch.empty(2, 16, 24, dtype=dtype, device=device)
        ends = torch.empty(2, dtype=torch.int32, device=device) if device == "meta" or not isinstance(
            mode, contextlib.nullcontext) else torch.tensor([16, 32], dtype=torch.int32)
        try:
            made = tuple(F.grouped_mm(rows, experts, offs=ends).shape)
        except RuntimeError as error:
            print(dtype, device, type(mode).__name__, str(error)[:60])
            return "BF16" if "BF16" in str(error) else "RuntimeError"
    print(dtype, device, type(mode).__name__, made)
    return made


for dtype in torch.float32, torch.float16, torch.bfloat16:
    assert seen(dtype, "cpu") == (32, 24)
    for device, mode in (("meta", contextlib.nullcontext()), ("cpu", FakeTensorMode())):
        assert seen(dtype, device, mode) == ((32, 24) if dtype is torch.bfloat16 else "BF16")
assert seen(torch.float64, "cpu") == "RuntimeError"


class Experts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2, 16, 24))

    def forward(self, x, ends):
        return F.grouped_mm(x, self.weight, offs=ends)


given = torch.ones(32, 16), torch.tensor([16, 32], dtype=torch.int32)
assert Experts()(*given).shape == (32, 24)
try:
    torch.export.export(Experts(), given)
    raise SystemExit("exported")
except RuntimeError as error:
    print("export", str(error)[:60].replace("\n", " "))
    assert "BF16" in str(error)
EOF
