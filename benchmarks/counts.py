"""Counts the functions of convlin that run for five models, and writes COUNTS.md: ``python -m benchmarks.counts``.

Counts do not depend on the machine, nor on what else runs there; a test holds them against the committed table.
Where ``torch.compile`` or DTensor is loaded, something else is asked of a model: both are, here.
"""

from __future__ import annotations

import dis
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import torch
import torch._dynamo
import torch.distributed.tensor

import convlin
from benchmarks import models
from benchmarks.measure import profiled
from convlin import summarize

TABLE = Path(__file__).with_name("COUNTS.md")
VERSION = f"torch {torch.__version__.partition('+')[0]}"

_INSIDE = str(Path(convlin.__file__).parent)
#: Frames of their own up to Python 3.11, and none from 3.12 on.
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")


class Counts(NamedTuple):
    """What ran of convlin: calls, and how many different functions in how many files."""

    calls: int
    functions: int
    files: int


@cache
def _start(code: CodeType) -> int:
    """Where a frame stands when it begins; a generator that goes on or is closed stands at a ``yield``."""
    return next(instruction.offset for instruction in dis.get_instructions(code) if instruction.opname == "RESUME")


def counted(run: Callable[[], object]) -> Counts:
    """Calls of convlin's own functions while ``run`` runs; a generator is one call, however far it is asked.

    Python 3.11 tells a profiler that an unfinished generator is closed, later versions do not.

    >>> counted(lambda: summarize(nn.Linear(2, 3), (2,)).ok).calls > 0
    True
    """
    calls: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_INSIDE) or code.co_name in _COMPREHENSIONS:
            return
        if frame.f_lasti <= _start(code):
            calls[code] += 1

    with profiled(note):
        run()
    return Counts(calls.total(), len(calls), len({code.co_filename for code in calls}))


def works() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each row's name and what is counted in it."""
    network, linears, transformer = models.convolutional(16 * 15 * 15), models.linears(1_000), models.transformer()
    wrong = models.convolutional(512)
    images, tokens = (3, 32, 32), (12, 32)
    yield "8 residual blocks", lambda: summarize(network, images)
    yield "the same and its text", lambda: str(summarize(network, images))
    yield "the same with one wrong number, and its text", lambda: str(summarize(wrong, images))
    yield "the same in letters", lambda: summarize(network, (3, "H", "W"))
    yield "1,000 Linear(8, 8)", lambda: summarize(linears, (8,))
    yield "the same and its text", lambda: str(summarize(linears, (8,)))
    yield "a transformer of 6 layers", lambda: summarize(transformer, tokens)


def table() -> dict[str, Counts]:
    """The counts of every row, each taken when what is loaded and kept once is there already."""
    found: dict[str, Counts] = {}
    above = ""
    for name, run in works():
        run()
        above = name if not name.startswith("the same") else above
        found[name if name == above else name.replace("the same", above, 1)] = counted(run)
    return found


def page(found: Mapping[str, Counts]) -> str:
    """The table as it is committed."""
    rows = "\n".join(f"| {name} | {row.calls:,} | {row.functions} | {row.files} |" for name, row in found.items())
    return (
        "# Functions that a summary calls\n\nPython functions of convlin's that run, how many different ones, and in "
        f"how many files, once everything is\nloaded, with {VERSION}. `python -m benchmarks.counts` writes this table, "
        "and a test counts again: more than a\nfiftieth above it fails, and so does less, which is to be written down. "
        "How often PyTorch asks for a size in letters\ndiffers between its versions.\n\n"
        f"| work | calls | functions | files |\n|---|---|---|---|\n{rows}\n"
    )


def committed() -> dict[str, Counts]:
    """The rows of the committed table; those in letters only beside the PyTorch that they were counted with."""
    text = TABLE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {
        name: Counts(int(calls.replace(",", "")), int(functions), int(files))
        for name, calls, functions, files in rows
        if f"with {VERSION}." in text or not name.endswith("in letters")
    }


if __name__ == "__main__":
    TABLE.write_text(page(table()), encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))
