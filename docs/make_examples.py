"""Writes ``docs/examples.md``: every example in ``examples/``, what it is for, and what it prints.

Run it after a change of an example or of what convlin prints; a test compares.

    python docs/make_examples.py
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "examples.md"

#: Each example with its heading and what it shows.
EXAMPLES = {
    "cifar10": (
        "What number goes here?",
        "The question that convlin began with: three blocks of convolutions, a `view`, and `nn.Linear(?, 1024)`. "
        "The table has every size on the way to the number, and the line to change.",
    ),
    "small_cnn": (
        "Without modules for relu and flatten",
        "`F.relu` and `x.view(...)` are no modules, and no hook sees them. convlin does: the `view` has a row.",
    ),
    "debugging": (
        "A debugging session",
        "A network that fails with `mat1 and mat2 shapes cannot be multiplied`. PyTorch stops at the first mistake; "
        "there is another one behind it. `Print` is for a look at the values.",
    ),
    "unet_sizes": (
        "Which sizes does a U-Net take?",
        "Letters in the place of numbers give the table for every size at once, and below it the sizes that fit. More "
        "on [named sizes](named-sizes.md).",
    ),
    "flat_features": (
        "The number inside `__init__`",
        "`num_flat_features` runs the layers that are there already and returns the integer.",
    ),
    "training_loop": (
        "A real training step",
        "`watch` writes down the calls of your own forward pass: on your data, in your mode, with your gradients, "
        "and also when it raises.",
    ),
    "other_resolution": (
        "Another resolution",
        "`fit` replaces every layer that no longer fits by one of the right size and leaves all others as they are.",
    ),
    "transformer_on_meta": (
        "A transformer that does not fit into memory",
        "On the meta device nothing is computed: shapes, parameters, FLOPs and memory of a model that this machine "
        "could not hold. Repeated blocks are one row each. [Columns](columns.md) says what the numbers count.",
    ),
}


def output(name: str) -> str:
    """What an example prints."""
    printed = io.StringIO()
    folder = str(ROOT / "examples")
    sys.path.insert(0, folder)
    try:
        with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
            runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    finally:
        sys.path.remove(folder)
    return printed.getvalue()


def section(name: str) -> str:
    """The part of the page about one example."""
    heading, text = EXAMPLES[name]
    shown = "\n".join(line.rstrip() for line in output(name).splitlines())
    return (
        f"## {heading}\n\n{text}\n\n"
        f"[`examples/{name}.py`](../examples/{name}.py)\n\n"
        f"```console\n$ python examples/{name}.py\n```\n\n```text\n{shown}\n```\n"
    )


def anchor(heading: str) -> str:
    """How GitHub names a heading."""
    return "".join(sign for sign in heading.lower() if sign.isalnum() or sign in " _-").replace(" ", "-")


def page() -> str:
    """The whole page."""
    contents = "\n".join(f"- [{heading}](#{anchor(heading)})" for heading, _ in EXAMPLES.values())
    return (
        "# Examples\n\n"
        "One file for each use, each with what it prints. They run from a clone: `make demo` sets it up.\n\n"
        f"{contents}\n\n"
        "Two more have pages of their own: [shape tests in CI](ci.md) (`examples/ci/`) and "
        "[pictures of networks](picture.md) (`examples/draw_network.py`).\n\n" + "\n".join(map(section, EXAMPLES))
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
