#!/usr/bin/env bash
# torch 2.13.0, on the CPU.
# Guess: an orthogonal polynomial of NaN is NaN at every degree from 1 on, as SciPy's are, and as torch.special's of
# degree 1 and its Chebyshev polynomials of the first and third kind and Hermite polynomials are at every degree.
# Behavior: from degree 2 on the Chebyshev polynomials of the second and fourth kind, those of the second kind shifted,
# the Laguerre and the Legendre polynomials are no NaN: the recurrence is not entered, and what is given back is a number
# that no argument determines. Shifted ones of the first kind are NaN up to degree 6, and no longer from 7 on.
# Seen: 0 of 20 are NaN, at degrees 2, 3 and 10, in float32 and float64; SciPy: nan.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy==1.16.3

"$folder/venv/bin/python" -W ignore - <<'PY'
import math

import scipy.special
import torch

of_nan = {
    "chebyshev_polynomial_t": True,
    "chebyshev_polynomial_v": True,
    "hermite_polynomial_h": True,
    "hermite_polynomial_he": True,
    "chebyshev_polynomial_u": False,
    "chebyshev_polynomial_w": False,
    "shifted_chebyshev_polynomial_u": False,
    "laguerre_polynomial_l": False,
    "legendre_polynomial_p": False,
}
for name, stays in of_nan.items():
    function = getattr(torch.special, name)
    for dtype in (torch.float32, torch.float64):
        numbers = torch.full((20,), math.nan, dtype=dtype)
        found = {degree: int(function(numbers, degree).isnan().sum()) for degree in (1, 2, 3, 10)}
        print(name, dtype, "NaN of 20 by degree:", found)
        assert found == {1: 20, 2: 20 * stays, 3: 20 * stays, 10: 20 * stays}
shifted = torch.special.shifted_chebyshev_polynomial_t
by_degree = {degree: int(shifted(torch.full((20,), math.nan), degree).isnan().sum()) for degree in range(1, 11)}
print("shifted_chebyshev_polynomial_t", by_degree)
assert [degree for degree, count in by_degree.items() if count == 0] == [7, 8, 9, 10]
for function in (scipy.special.eval_chebyu, scipy.special.eval_laguerre, scipy.special.eval_legendre):
    assert math.isnan(function(2, math.nan)), function
PY
