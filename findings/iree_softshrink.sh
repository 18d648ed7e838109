#!/usr/bin/env bash
# iree-turbine 3.9.0, iree-base-compiler and iree-base-runtime 3.13.0, torch 2.13.0, CPU.
# Guess: softshrink of -1 with a lambda of 0.5 is -0.5 after the conversion too, as it moves values towards zero.
# Behavior: negative values are moved away from zero, by as much; positive ones are right.
# Seen: -1.5, 0 and 0.5 for -1, 0.25 and 1; hardshrink and leaky_relu are as in PyTorch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 \
    iree-turbine==3.9.0 iree-base-compiler==3.13.0 iree-base-runtime==3.13.0

"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'EOF'
import iree.runtime
import iree.turbine.aot
import torch
from torch import nn


def converted(model, x):
    exported = iree.turbine.aot.export(torch.export.export(model.eval(), (x,)))
    binary = exported.compile(save_to=None, target_backends=("llvm-cpu",))
    config = iree.runtime.Config("local-task")
    module = iree.runtime.VmModule.copy_buffer(config.vm_instance, binary.map_memory())
    hal = iree.runtime.create_hal_module(config.vm_instance, config.device)
    context = iree.runtime.SystemContext(vm_modules=[hal, module], config=config)
    return torch.from_numpy(context.modules.module["main"](x.numpy()).to_host().copy())


x = torch.tensor([-1, 0.25, 1])
for model in nn.Hardshrink(0.5), nn.LeakyReLU(0.5):
    assert torch.equal(converted(model, x), model(x))
wrong = converted(nn.Softshrink(0.5), x)
print(nn.Softshrink(0.5)(x).tolist(), wrong.tolist())
assert wrong.tolist() == [-1.5, 0, 0.5]
EOF
