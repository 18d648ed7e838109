"""The cells of a notebook, named as IPython names them."""

from __future__ import annotations

import re
import sys
from typing import Any

_NUMBERED = re.compile(r"<ipython-input-(\d+)-\w+>")


def cell_name(file: str) -> str | None:
    """What a person calls the cell that Python knows under the name ``file``; None for a real file.

    >>> cell_name("<ipython-input-3-492046157d5d>"), cell_name("/home/net.py")
    ('cell 3', None)
    """
    match = _NUMBERED.fullmatch(file)
    if match is not None:
        return f"cell {match[1]}"
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    named = shell.compile.format_code_name(file) if shell is not None else None  # a kernel's cells look like files
    return None if named is None else " ".join(named).replace("Cell In[", "cell ").removesuffix("]")
