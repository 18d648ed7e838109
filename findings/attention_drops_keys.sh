#!/usr/bin/env bash
# torch 2.13.0, CPU.
# Guess: scaled_dot_product_attention refuses 7 keys for 6 values, since every value belongs to a key.
# Behavior: in four dimensions the CPU's fused kernel takes the number of the values for both and leaves
# the last key out without a word, so that a mistake in a key/value cache passes. In three dimensions the
# same call is refused, as it is on meta.
# Seen: equal to the result with 6 keys; RuntimeError in three dimensions and on meta.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
import torch.nn.functional as F

query, key, value = torch.rand(2, 2, 5, 4), torch.rand(2, 2, 7, 4), torch.rand(2, 2, 6, 4)
whole = F.scaled_dot_product_attention(query, key, value)
cut = F.scaled_dot_product_attention(query, key[..., :6, :], value)
print(torch.equal(whole, cut))
assert torch.equal(whole, cut)


def refused(*tensors):
    try:
        F.scaled_dot_product_attention(*tensors)
    except RuntimeError as error:
        print(error)
        return True
    return False


assert refused(query[0], key[0], value[0])
assert refused(query.to("meta"), key.to("meta"), value.to("meta"))
EOF
