"""What letters cost torchvision's image models: ``python -m benchmarks.letters_of_torchvision [MODEL ...]``.

Processor time on one thread: two summaries with ``(3, "H", "W")``, each as a multiple of the model's own pass over
an image of 224×224.  torchvision is no dependency of convlin: install it beside the torch that it asks for.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import nn

from convlin import summarize

USUAL = (
    "vgg16", "resnet50", "convnext_tiny", "inception_v3", "googlenet", "densenet201", "efficientnet_b0",
    "mobilenet_v3_large", "vit_b_16", "swin_t",
)  # fmt: skip
_PASSES = 7


def main(names: list[str]) -> None:
    """Print a row for each model."""
    import torchvision.models  # type: ignore[import-not-found,unused-ignore]

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    summarize(nn.Conv2d(3, 4, 3), (3, "H", "W"))  # loads what letters need
    print("| model | a pass | letters | passes | the second time |\n|---|---|---|---|---|")
    for name in names or USUAL:
        model = torchvision.models.get_model(name, weights=None).eval()
        image = torch.zeros(1, 3, 224, 224)
        passes = [_seconds(partial(_run, model, image)) for _ in range(_PASSES + 1)][1:]
        bare = median(passes)
        first, second = (_seconds(partial(summarize, model, (3, "H", "W"))) for _ in range(2))
        print(
            f"| {name} | {bare * 1e3:.0f} ms | {first:.2f} s | {first / bare:.0f} | {second / bare:.0f} |", flush=True
        )


def _run(model: nn.Module, image: torch.Tensor) -> None:
    with torch.no_grad():
        model(image)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(sys.argv[1:])
