#!/usr/bin/env bash
# equinox 0.13.8, jax 0.10.2.
# Guess: AdaptiveAvgPool1d(3) of 0 to 6 gives 1, 3 and 5, as PyTorch's layer of the name; a larger target repeats cells;
# with use_ceil the last window of an average counts what lies in the input, and MaxPool1d(2) steps by 2.
# Behavior: the adaptive pools share out the cells, one more to each of the first windows, and never overlap; a target
# above the size raises a ZeroDivisionError. With use_ceil the average divides the last window by the whole kernel, and
# a stride above the kernel raises about paddings, though none was given. The stride is 1 where none is given.
# Seen: 1, 3.5 and 5.5; ZeroDivisionError; 3 for a last cell of 6; RuntimeError for a pool of 2 at a stride of 3 over 9;
# 6 of 7.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check equinox==0.13.8 jax==0.10.2 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import jax.numpy as jnp
from equinox import nn

x = jnp.arange(7.0)[None]
adaptive = nn.AdaptiveAvgPool1d(3)(x)[0].tolist(), nn.AdaptiveMaxPool1d(3)(x)[0].tolist()
print(*adaptive)
assert adaptive == ([1, 3.5, 5.5], [2, 4, 6])
partial = nn.AvgPool1d(2, 2, use_ceil=True)(x)[0].tolist()
print(partial)
assert partial == [0.5, 2.5, 4.5, 3]
assert nn.MaxPool1d(2)(x).shape == (1, 6)
raising = {
    ZeroDivisionError: lambda: nn.AdaptiveAvgPool1d(9)(x),
    RuntimeError: lambda: nn.MaxPool1d(2, 3, use_ceil=True)(jnp.arange(9.0)[None]),
}
for kind, run in raising.items():
    try:
        run()
    except kind as error:
        print(kind.__name__, error)
    else:
        raise SystemExit("it ran")
EOF
