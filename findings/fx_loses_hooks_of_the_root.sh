#!/usr/bin/env bash
# torch 2.13.0.
# Guess: torch.fx.symbolic_trace keeps what a forward hook changes, as it does for a hook of a submodule
# that it traces through or calls, and as torch.export and torch.jit.trace do.
# Behavior: the hooks of the module that is traced itself are left out without a word, as fx traces its
# forward alone. A layer under the older weight_norm, whose hook makes the weight of g and v, so loses
# both parameters: the weight stays as it was at the time of tracing, and is no parameter.
# Seen: other outputs from fx for a pre-hook and a hook of the root, equal ones for those of a
# submodule; export equal for all four. Traced weight_norm: parameters ["bias"], and the same inside a
# Sequential ["0.bias", "0.weight_g", "0.weight_v"].
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'EOF'
import torch
from torch import nn

x = torch.rand(2, 3)


def hooked(where, kind):
    model = nn.Sequential(nn.Linear(3, 3))
    module = model if where == "root" else model[0]
    if kind == "before":
        module.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    else:
        module.register_forward_hook(lambda module, inputs, output: output + 1)
    return model


seen = {}
for where in ("root", "submodule"):
    for kind in ("before", "after"):
        model = hooked(where, kind)
        traced = torch.fx.symbolic_trace(model)
        exported = torch.export.export(model, (x,)).module()
        seen[where, kind] = [torch.allclose(m(x), model(x)) for m in (traced, exported)]
print(seen)
assert seen == {
    ("root", "before"): [False, True], ("root", "after"): [False, True],
    ("submodule", "before"): [True, True], ("submodule", "after"): [True, True],
}

layer = nn.utils.weight_norm(nn.Linear(3, 3))
alone, inside = torch.fx.symbolic_trace(layer), torch.fx.symbolic_trace(nn.Sequential(layer))
names = [[name for name, _ in m.named_parameters()] for m in (layer, alone, inside)]
with torch.no_grad():
    layer.weight_g.mul_(3)
same = [torch.allclose(m(x), layer(x)) for m in (alone, inside)]
print(names, same)
assert names == [["bias", "weight_g", "weight_v"], ["bias"], ["0.bias", "0.weight_g", "0.weight_v"]]
assert same == [False, True]
EOF
