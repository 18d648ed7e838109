"""The command line inside IPython and Jupyter: ``%load_ext convlin``, ``%convlin net 3,32,32`` and ``%%convlin``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from convlin._util.cells import cell_name
from convlin.at_error.ipython import explain_in
from convlin.cli.values import read_inputs
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin._summary import Summary

_USAGE = "write %convlin MODEL INPUT, such as %convlin net 3,32,32"


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext convlin``: add the magics, and switch the answers under tracebacks on."""
    explain_in(shell, True)
    shell.register_magic_function(lambda line: summary_of(line, shell), "line", "convlin")
    shell.register_magic_function(lambda line, cell: summary_after(line, cell, shell), "cell", "convlin")


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext convlin``: take all of it away again."""
    explain_in(shell, False)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("convlin", None)


def summary_of(line: str, shell: Any) -> Summary:
    """The summary of the model that a name in the notebook holds; the notebook shows it as a table.

    Inputs are written as on the command line.  Without one, the summary shows structure and
    parameters alone.
    """
    from IPython.core.error import UsageError

    from convlin.api.summarize import summary_of as summary_by

    name, *inputs = line.split() or [""]
    option = next((word for word in (name, *inputs) if word.startswith("--")), None)
    if option is not None:
        raise UsageError(f"%convlin has no options, and {option} is one: summarize(model, (3, 32, 32), …) takes them")
    if name not in shell.user_ns:
        raise UsageError(f"no model is named {name!r} here: {_USAGE}" if name else _USAGE)
    try:
        return summary_by(shell.user_ns[name], read_inputs(inputs), hints=(_cell_frame(shell),))
    except InputError as error:
        raise UsageError(str(error)) from None


def _cell_frame(shell: Any) -> FrameType | None:
    """The frame of the cell that the magic stands in: from there the lines of the model are found."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals is not shell.user_global_ns:
        frame = frame.f_back
    return frame


def summary_after(line: str, cell: str, shell: Any) -> Summary | None:
    """Run a cell as it is, then the same for a model that it made; None after a cell that raised."""
    from IPython.core.error import UsageError

    if not line.split():
        raise UsageError(_USAGE.replace("%", "%%"))
    # A line in the place of the magic's own, so that the lines have the numbers that the notebook shows.
    body = cell if cell.lstrip().startswith("%%") else f"# %%convlin {line.strip()}\n{cell}"
    with _numbered_as_shown(shell):
        result = shell.run_cell(body, silent=False, store_history=False)
    return summary_of(line, shell) if result.success else None


@contextmanager
def _numbered_as_shown(shell: Any) -> Iterator[None]:
    """What runs in this block has the number of the cell that the magic stands in: IPython is one further by now."""
    frame = _cell_frame(shell)
    number = re.fullmatch(r"cell (\d+)", cell_name(frame.f_code.co_filename) or "") if frame is not None else None
    before = shell.execution_count
    if number is not None:
        shell.execution_count = int(number[1])
    try:
        yield
    finally:
        shell.execution_count = before
