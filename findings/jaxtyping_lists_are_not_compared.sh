#!/usr/bin/env bash
# jaxtyping 0.3.11, beartype 0.23.1, torch 2.13.0.
# Guess: list[Float[Tensor, "b 3"]] means that all tensors of the list have the same b, as two arguments must.
# Behavior: beartype looks at one element of a list, or of a tuple of any length, taken at random. Alone it has nothing
# to be compared with, and a list of different sizes passes each time. With a type of the result the arguments are
# looked at once more, so that the same call passes or is refused by chance. A pair and two arguments are compared.
# Seen, of 100 calls with two and five rows: 100 pass as list and as tuple[..., ...], about half of them as soon as the
# function says "-> None", none as a pair or as two arguments.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 jaxtyping==0.3.11 beartype==0.23.1

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor

Rows = Float[Tensor, "b 3"]


@jaxtyped(typechecker=beartype)
def in_list(rows: list[Rows]):
    """No type of the result."""


@jaxtyped(typechecker=beartype)
def in_tuple(rows: tuple[Rows, ...]):
    """No type of the result."""


@jaxtyped(typechecker=beartype)
def returns(rows: list[Rows]) -> None:
    """The same with a type of the result."""


@jaxtyped(typechecker=beartype)
def in_pair(rows: tuple[Rows, Rows]):
    """A tuple of named length."""


@jaxtyped(typechecker=beartype)
def two(first: Rows, second: Rows):
    """Two arguments."""


def passes(call, *args):
    try:
        call(*args)
    except TypeCheckError:
        return False
    return True


rows = [torch.rand(2, 3), torch.rand(5, 3)]
seen = {
    call.__name__: sum(passes(call, *args) for _ in range(100))
    for call, args in (
        (in_list, (rows,)), (in_tuple, (tuple(rows),)), (returns, (rows,)), (in_pair, (tuple(rows),)), (two, rows)
    )
}
print(seen)
by_chance = seen.pop("returns")
assert seen == {"in_list": 100, "in_tuple": 100, "in_pair": 0, "two": 0} and 0 < by_chance < 100
assert passes(in_pair, (rows[0], rows[0])) and not passes(in_list, [torch.rand(2, 4)])
EOF
