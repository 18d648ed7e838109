"""Which package a source file belongs to."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from types import ModuleType

#: The folder of convlin itself, and that of Python's own library; each with a separator at its end.
CONVLIN = str(Path(__file__).parent.parent) + os.sep
PYTHON = str(Path(os.__file__).parent) + os.sep

#: Names of the folders that packages are installed into.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def folder(package: ModuleType) -> str:
    """The folder of a package, with a separator at its end: ``torchvision`` does not lie inside ``torch``.

    >>> import json
    >>> json.decoder.__file__.startswith(folder(json)), (folder(json)[:-1] + "schema.py").startswith(folder(json))
    (True, False)
    """
    return str(Path(package.__file__ or "?").parent) + os.sep


@cache
def is_installed(filename: str) -> bool:
    """Whether a file belongs to a package that was installed, and not to the user's own code.

    >>> is_installed("/venv/lib/site-packages/timm/layers.py"), is_installed("/home/site-packages.py")
    (True, False)
    """
    return not _INSTALLED.isdisjoint(filename.replace("\\", "/").split("/"))


def in_package(filename: str) -> str:
    """The path of an installed file from the folder that packages are installed into, with forward slashes.

    >>> in_package("/venv/lib/site-packages/timm/layers.py")
    'timm/layers.py'
    """
    parts = filename.replace("\\", "/").split("/")
    last = max(index for index, part in enumerate(parts) if part in _INSTALLED)
    return "/".join(parts[last + 1 :])
