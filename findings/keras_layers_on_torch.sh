#!/usr/bin/env bash
# keras 3.15.1 with the torch backend, torch 2.13.0.
# Guess: Keras layers are nn.Modules there, so a model's layers are among its modules, train() switches Dropout on, and
# a meta tensor stays on meta.
# Behavior: a functional or a Sequential model has a ParameterDict and none of its layers among its modules, so hooks on
# all modules fire for the model alone. Dropout follows the argument training of the call and not train(), inside an
# nn.Sequential too. BatchNormalization keeps its statistics as parameters, Dropout its random state, and parameters()
# gives more elements than count_params(). A meta tensor comes back as a CPU tensor.
# Seen: the modules Functional and ParameterDict; equal outputs after train(), others with training=True; 59 and 57
# elements; cpu.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 keras==3.15.1

KERAS_HOME="$folder" KERAS_BACKEND=torch "$folder/venv/bin/python" -W ignore - <<'EOF'
import keras
import torch
from keras import layers
from torch import nn

image = keras.Input((4,))
hidden = layers.BatchNormalization()(layers.Dense(5)(image))
model = keras.Model(image, layers.Dense(2)(layers.Dropout(0.5)(hidden)))
assert all(isinstance(layer, nn.Module) for layer in model.layers)

modules, fired = [type(module).__name__ for module in model.modules()], []
for module in model.modules():
    module.register_forward_hook(lambda module, args, output: fired.append(type(module).__name__))
x = torch.rand(64, 4)
model(x)
print(modules, fired)
assert (modules, fired) == (["Functional", "ParameterDict"], ["Functional"])

mixed = nn.Sequential(layers.Dense(50), layers.Dropout(0.5))
mixed(x)
for net in (model, mixed):
    net.train()
    assert torch.equal(net(x), net(x)) and bool(net(x).all())
assert not torch.equal(model(x, training=True), model(x, training=True))

counts = sum(parameter.numel() for parameter in model.parameters()), model.count_params()
device = layers.Dense(3)(torch.rand(2, 4, device="meta")).device.type
print(counts, len(list(model.buffers())), device)
assert counts == (59, 57) and not list(model.buffers()) and device == "cpu"
EOF
