#!/usr/bin/env bash
# torch 2.13.0, on a CPU with AVX2.
# Guess: what an elementwise function makes of a number does not depend on how many others stand beside it, rounding
# apart.
# Behavior: in float32 sinh and cosh of what is computed in vectors are infinite from half of the largest float on,
# while the same number alone, or in the remainder that fills no vector, has its value. fmod and remainder are NaN
# beside others wherever the quotient is larger than the largest float, so that 1e20 and 1e-20 are enough; alone they
# are right. So equal numbers of one tensor come out NaN in its middle and finite at its end. float64 is right, and so
# is float32 with ATEN_CPU_CAPABILITY=default.
# Seen: cosh(88.8) is inf in the first sixteen of seventeen and 1.8e38 in the last; fmod(3e38, 0.5) NaN and 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

cat >"$folder/program.py" <<'EOF'
import math

import torch


def seventeen(function, *numbers, dtype=torch.float32):
    """The function of seventeen times the same numbers, of which sixteen fill two registers."""
    return function(*(torch.full((17,), number, dtype=dtype) for number in numbers)).tolist()


torch.set_num_threads(1)
vectors = torch.backends.cpu.get_cpu_capability() != "DEFAULT"
print("vectors" if vectors else "no vectors")
for function, *numbers in (
    (torch.cosh, 88.8),
    (torch.sinh, -88.8),
    (torch.fmod, 3e38, 0.5),
    (torch.fmod, 1e20, 1e-20),
    (torch.remainder, 3e38, 0.5),
):
    *first, last = seventeen(function, *numbers)
    right = seventeen(function, *(torch.tensor(number).item() for number in numbers), dtype=torch.float64)[0]
    print(function.__name__, numbers, first[0], last, right)
    assert math.isclose(last, right, rel_tol=1e-5) and len({str(each) for each in first}) == 1
    assert math.isfinite(first[0]) != vectors
EOF
ATEN_CPU_CAPABILITY=avx2 "$folder/venv/bin/python" -W ignore "$folder/program.py"
ATEN_CPU_CAPABILITY=default "$folder/venv/bin/python" -W ignore "$folder/program.py"
