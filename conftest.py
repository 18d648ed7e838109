"""Folders that tests import are those beside this file, whatever packages install under the same names.

Opacus installs an ``examples``; a package is found before a folder of scripts, wherever the two lie.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

for _name in ("docs", "examples"):
    _spec = ModuleSpec(_name, None, is_package=True)
    _spec.submodule_search_locations = [str(Path(__file__).parent / _name)]
    sys.modules[_name] = module_from_spec(_spec)
