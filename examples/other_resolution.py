"""The same network for larger images: every layer that no longer fits gets the right size.

Run it:

    python examples/other_resolution.py
"""

from cifar10 import CNN

from convlin import fit, summarize

if __name__ == "__main__":
    model = CNN()
    kept = model.conv_layer[0].weight

    print("For 32×32:", model.fc_layer[1])
    print("For 64×64 it needs:", summarize(model, (3, 64, 64)).required_in_features["fc_layer.1"])

    fit(model, (3, 64, 64))
    print("After fit:", model.fc_layer[1])
    print("The other layers are the same objects:", model.conv_layer[0].weight is kept)
    print(summarize(model, (3, 64, 64)).check().output_shape)
