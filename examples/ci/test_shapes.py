"""Shapes as tests: spelled out, and as a lock beside this file."""

import pytest
from net import CNN

from convlin import assert_shapes


def test_spelled_out():
    assert_shapes(
        CNN(),
        (3, 32, 32),
        {
            "conv1": ("N", "C", "H", "W"),
            "conv2": ("N", "2*C", "H//2", "W//2"),
            "fc1": ("N", 10),
        },
    )


@pytest.mark.parametrize("classes", [10, 100])
def test_lock(shape_lock, classes):
    shape_lock(CNN(classes), (3, 32, 32))
