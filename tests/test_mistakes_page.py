"""``docs/mistakes.md`` is what its script writes, and holds the messages that people search for."""

from __future__ import annotations

import re

import pytest
import torch

from docs.make_mistakes import PAGE, ROWS, page
from tests.mistakes import MISTAKES

#: What PyTorch says about the mistakes that bring people here; the sizes are those of the examples.
MESSAGES = (
    r"mat1 and mat2 shapes cannot be multiplied \(2x2048 and 999x10\)",
    r"shape '\[-1, 2048\]' is invalid for input of size 2592",
    r"Expected input batch_size \(4\) to match target batch_size \(1\)\.",
    r"Given groups=1, weight of size \[8, 3, 3, 3\], expected input\[2, 1, 28, 28\] to have 3 channels, but got 1 ch",
    r"expected input\[2, 32, 32, 3\] to have 3 channels, but got 32 channels instead",
    r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d, but got input of size: \[2, 784\]",
    r"running_mean should contain 64 elements not 32",
    r"expected 2D or 3D input \(got 4D input\)",
    r"Expected more than 1 value per channel when training, got input size torch.Size\(\[1, 16\]\)",
    r"linear\(\): argument 'input' \(position 1\) must be Tensor, not tuple",
    r"mat1 and mat2 shapes cannot be multiplied \(2x32 and 16x3\)",
    r"input.size\(-1\) must be equal to input_size. Expected 8, got 9",
    r"Given input size: \(32x1x1\). Calculated output size: \(32x0x0\). Output size is too small",
    r"Calculated padded input size per channel: \(16 x 40\). Kernel size: \(17 x 5\). Kernel size can't be greater",
    r"max_pool1d\(\) Invalid computed output size: 0",
    r"requested an output size of \(10, 10\), but valid sizes range from \[7, 7\] to \[8, 8\]",
    r"output padding must be smaller than either stride or dilation",
    r"Given transposed=1, weight of size \[8, 2, 2, 2, 2\], expected input\[2, 4, 4, 4, 4\] to have 8 channels",
    r"expected input\[2, 100, 4\] to have 4 channels, but got 100 channels instead",
    r"expected input\[2, 16, 3, 20, 20\] to have 3 channels, but got 16 channels instead",
    r"Sizes of tensors must match except in dimension 1. Expected size 26 but got size 27 for tensor number 1",
    r"The size of tensor a \(28\) must match the size of tensor b \(27\) at non-singleton dimension",
    r"mat1 and mat2 must have the same dtype, but got Double and Float",
    r"Input type \(unsigned char\) and bias type \(float\) should be the same",
    r"Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int;",
    r"Given normalized_shape=\[64\], expected input with shape \[\*, 64\], but got input of size\[2, 7, 32\]",
    r"Expected weight to be a vector of size equal to the number of channels in input",
    r"was expecting embedding dimension of 16, but got 32",
    r"unflatten: Provided sizes \[32, 8, 8\] don't multiply up to the size of dim 1 \(1024\) in the input tensor",
    r"view size is not compatible with input tensor's size and stride .* Use .reshape\(...\) instead",
    r"a and b must have same reduction dim, but got \[2, 2048\] X \[999, 10\].",
    r"TorchRuntimeError: RuntimeError when making fake tensor call",
)


@pytest.mark.skipif(
    f"PyTorch {torch.__version__.split('+')[0]} on" not in PAGE.read_text(encoding="utf-8"),
    reason="the page shows the messages of another version of PyTorch",
)
def test_the_page_is_what_its_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m docs.make_mistakes"


@pytest.mark.parametrize("message", MESSAGES)
def test_a_search_for_the_message_finds_the_page(message: str) -> None:
    assert re.search(message, PAGE.read_text(encoding="utf-8"))


def test_every_mistake_has_its_place_on_the_page() -> None:
    assert [row.number for row in ROWS] == list(range(1, 23))
    assert {mistake.row for mistake in MISTAKES} - {0} == {row.number for row in ROWS}
    for number in range(1, 23):
        assert sum(mistake.row == number for mistake in MISTAKES) >= 2, number
