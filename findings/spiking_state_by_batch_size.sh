#!/usr/bin/env bash
# snntorch 1.0.0, spikingjelly 2.0.0, torch 2.13.0.
# Guess: a spiking neuron that keeps its state between calls goes on from it at each call, and refuses a batch of
# another size, as a layer of torch.nn would refuse a state that does not fit.
# Behavior: both compare shapes. A batch of the same size goes on from the last call's membrane potential, in evaluation
# too; one of another size starts at rest, without a word. The answer to one input therefore depends on the size of the
# batch that went through before: a dummy pass with a batch of 1 changes what single samples get, and no other batch.
# The state is no buffer or parameter, so state_dict() does not have it.
# Seen: for three samples the same after a batch of 7 as from a new neuron, another after a batch of 3.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 snntorch==1.0.0 spikingjelly==2.0.0

"$folder/venv/bin/python" -W ignore - <<'EOF'
import snntorch
import torch
from spikingjelly.activation_based.neuron import LIFNode

calls = {
    "snntorch": (lambda: snntorch.Leaky(beta=0.9, init_hidden=True), lambda neuron: neuron.mem),
    "spikingjelly": (LIFNode, lambda neuron: neuron.v),
}
for name, (make, potential) in calls.items():
    def after(*batches):
        neuron = make().eval()
        for batch in batches:
            neuron(torch.full((batch, 4), 0.4))
        assert not any(value.numel() > 1 for value in neuron.state_dict().values())
        return potential(neuron)

    new, other_size, same_size = after(3), after(7, 3), after(3, 3)
    print(name, new[0, 0].item(), other_size[0, 0].item(), same_size[0, 0].item())
    assert torch.equal(new, other_size) and not torch.equal(new, same_size)
EOF
