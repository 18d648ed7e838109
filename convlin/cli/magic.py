"""The command line inside IPython and Jupyter: ``%load_ext convlin``, ``%convlin net 3,32,32`` and ``%%convlin``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convlin.at_error.ipython import explain_in
from convlin.cli.values import read_inputs
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.summary import Summary

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

    from convlin.api.summarize import summarize

    name, *inputs = line.split() or [""]
    if name not in shell.user_ns:
        raise UsageError(f"no model is named {name!r} here: {_USAGE}" if name else _USAGE)
    try:
        return summarize(shell.user_ns[name], read_inputs(inputs))
    except InputError as error:
        raise UsageError(str(error)) from None


def summary_after(line: str, cell: str, shell: Any) -> Summary | None:
    """Run a cell as it is, then the same for a model that it made; None after a cell that raised."""
    from IPython.core.error import UsageError

    if not line.split():
        raise UsageError(_USAGE.replace("%", "%%"))
    result = shell.run_cell(cell, silent=False, store_history=False)
    return summary_of(line, shell) if result.success else None
