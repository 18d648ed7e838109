"""The shapes of a real training step: your data, your mode, your gradients.

Run it:

    python examples/training_loop.py
"""

import torch
import torch.nn.functional as F
from small_cnn import CNN

from convlin import watch

if __name__ == "__main__":
    torch.manual_seed(0)
    model = CNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    for step in range(3):
        images, labels = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
        optimizer.zero_grad()
        if step == 0:
            # The first step is watched, the others run as ever.
            with watch(model) as s:
                loss = F.cross_entropy(model(images), labels)
            print(s)
            print()
        else:
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        print(f"step {step}: the loss is a number: {bool(loss.isfinite())}")

    print("\nAlso when the call raises, here with gray images:\n")
    try:
        with watch(model) as s:
            model(torch.randn(16, 1, 32, 32))
    except RuntimeError:
        print(s.problems[0].message)
