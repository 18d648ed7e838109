#!/usr/bin/env bash
# calflops 0.3.2, transformers 5.23.0, torch 2.13.0.
# Guess: x @ weight costs as much as torch.matmul(x, weight), and each count starts at 0.
# Behavior: calflops replaces functions of torch while it counts. The operator @ goes past them and counts 0, as mm and
# bmm do, and a matmul that was imported by name before; einsum counts operations, one too many, and no multiply-adds.
# A count that raises leaves the functions replaced, so that every later count of the process, of any model, is larger
# by itself for each error before it. A model without parameters is such an error (StopIteration).
# Seen: 3072 by matmul, 0 by @, 3073 by einsum; a Linear layer's 512 are 1024 after one error and 1536 after two.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 calflops==0.3.2 transformers==5.23.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import io
from contextlib import redirect_stdout

import torch
from calflops import calculate_flops
from torch import matmul, nn


class Product(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8, 8))
        self.function = function

    def forward(self, x):
        return self.function(x, self.weight)


def counted(model, x):
    with redirect_stdout(io.StringIO()):
        flops, macs, _ = calculate_flops(
            model, args=[x], print_results=False, print_detailed=False, output_as_string=False
        )
    return flops, macs


batch = torch.rand(4, 6, 8)
by_way = {
    "matmul": counted(Product(lambda x, weight: torch.matmul(x, weight)), batch),
    "@": counted(Product(lambda x, weight: x @ weight), batch),
    "imported": counted(Product(matmul), batch),
    "mm": counted(Product(lambda x, weight: torch.mm(x, weight)), batch[0]),
    "bmm": counted(Product(lambda x, weight: torch.bmm(x, weight.expand(4, 8, 8))), batch),
    "einsum": counted(Product(lambda x, weight: torch.einsum("bnd,de->bne", x, weight)), batch),
}
print(by_way)
assert by_way.pop("matmul") == (3072, 1536) and by_way.pop("einsum") == (3073, 0)
assert set(by_way.values()) == {(0, 0)}

layer, x = nn.Linear(8, 8), torch.rand(4, 8)
found = [counted(layer, x)[0], counted(layer, x)[0]]
for model, expected in ((nn.ReLU(), StopIteration), (nn.Linear(9, 8), RuntimeError)):
    try:
        counted(model, x)
    except expected:
        found.append(counted(layer, x)[0])
print(found)
assert found == [512, 512, 1024, 1536]
EOF
