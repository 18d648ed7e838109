#!/usr/bin/env bash
# torch 2.13.0.
# Guess: what a jagged nested tensor with holes (from torch.nested.narrow) leaves out takes no part in
# any result: a reduction is right or refused.
# Behavior: along the jagged dimension it is refused ("not supported for non-contiguous nested tensors
# with holes"), but over everything sum, mean, max, argmax and all read the values in the holes, before
# and after a multiplication or clone(). numel() counts none of them, so that sum() / numel() is
# neither. After contiguous() the same calls are right.
# Seen: three rows of 3 values that sum to 63: sum 276, mean 11.5 for 7, maximum 23 for 17 and at the
# place 23 of 9, all(x < 18) False; numel 9; 63 after contiguous().
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch

rows = torch.arange(24.0).reshape(2, 4, 3)
starts, lengths = torch.tensor([0, 1]), torch.tensor([2, 1])
nested = torch.nested.narrow(rows, 1, starts, lengths, layout=torch.jagged)
kept = torch.cat(list(nested.unbind()))
assert kept.tolist() == [[0, 1, 2], [3, 4, 5], [15, 16, 17]]


def reductions(x):
    return [x.sum().item(), x.mean().item(), x.max().item(), x.argmax().item(), (x < 18).all().item()]


for reduced in (torch.sum, torch.mean, torch.amax):
    try:
        reduced(nested, dim=1)
    except RuntimeError as error:
        assert "nested tensors with holes" in str(error)
    else:
        raise AssertionError(reduced)

print(reductions(nested), nested.numel(), reductions(kept), reductions(nested.contiguous()))
assert reductions(kept) == [63, 7, 17, 8, True] == reductions(nested.contiguous())
assert reductions(nested) == reductions(nested.clone()) == [276, 11.5, 23, 23, False]
assert (nested * 2).sum() == 552 and nested.numel() == 9
EOF
