"""The model that a user names: ``pkg.module:Net`` or ``path/net.py:Net``.

Importing someone's file runs its code.  Nothing else is touched: no bytecode is written beside the
file, and ``sys.path``, ``sys.argv``, the working directory and the names in ``sys.modules`` are at
the end what they were.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from convlin._util.packages import is_installed
from convlin.cli.named_model import attribute, made, the_model_in
from convlin.cli.user_code import UserCodeError, user_code
from convlin.errors import InputError

if TYPE_CHECKING:
    from torch import nn

#: Never imported twice in one process, even where their source is what the user works on.
_KEPT = ("convlin", "torch")


class Loaded(NamedTuple):
    """A model, and where its source may be found."""

    model: nn.Module
    hints: tuple[Any, ...]
    """The module that it came from, and the factory, or the class that was called without arguments."""


class Loader:
    """Imports what users name; to be used in a ``with`` block, which holds the process together.

    Models stay usable inside the block: what their ``forward`` imports late is still found.
    """

    def __init__(self) -> None:
        self._root: Path | None = None
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        self._path, self._argv, self._cwd = list(sys.path), list(sys.argv), os.getcwd()
        self._writes_bytecode = sys.dont_write_bytecode
        self._known = set(sys.modules)
        sys.dont_write_bytecode = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._forget()
        sys.path[:], sys.argv[:] = self._path, self._argv
        sys.dont_write_bytecode = self._writes_bytecode
        with suppress(OSError):  # it may have been deleted
            os.chdir(self._cwd)

    def load(
        self,
        target: str,
        arguments: tuple[Any, ...] = (),
        keywords: Mapping[str, Any] | None = None,
        *,
        base: Path,
        device: str | None = None,
    ) -> Loaded:
        """The model that ``target`` names, made with these arguments if it is a class or a function.

        A file without a name (``net.py``) is its one model.

        For the device ``"meta"`` it is made there, if its constructor can: a model too large for this
        machine has shapes, too.

        Raises:
            InputError: there is no such thing, or it is no model.
            UserCodeError: the user's code raised.
        """
        place, name = divided(target)
        if not place or name == "":
            module_of, _, last = target.rpartition(".")
            is_dotted = module_of and last.isidentifier()
            write = f"{module_of}:{last}, or" if is_dotted else "pkg.module:Net or"
            raise InputError(f"{target!r} names no model: write {write} path/net.py:Net")
        if place.endswith(":"):
            raise InputError(f"{target!r} has a colon too many: write {place.rstrip(':')}:{name}")
        module = self._file(base / place, place) if is_file(place) else self._module(place, base)
        if name is None:
            name = the_model_in(module, place)
        target = f"{place}:{name}"
        found = attribute(module, name, target)
        model = made(found, arguments, dict(keywords or {}), target, on_meta=device == "meta")
        called_plainly = inspect.isclass(found) and not arguments and not keywords
        return Loaded(model, (found, module) if inspect.isfunction(found) or called_plainly else (module,))

    def _file(self, path: Path, shown: str) -> ModuleType:
        path = path.absolute()
        if path.suffix != ".py" or not path.is_file():
            raise InputError(f"{shown} {_no_file(path)}")
        package: list[str] = []
        root = path.parent
        while (root / "__init__.py").is_file() and root.name.isidentifier():
            package.insert(0, root.name)
            root = root.parent
        self._enter(root, str(path))
        if package:
            name = ".".join(package if path.stem == "__init__" else (*package, path.stem))
            module = self._imported(name, f"importing {shown}", path)
            if not _same_file(getattr(module, "__file__", None), path):
                raise InputError(
                    f"{shown} is {name} of a package, and Python already knows another {name} "
                    f"({getattr(module, '__file__', None) or 'built in'})"
                )
            return module
        known = sys.modules.get(path.stem)
        if known is not None and _same_file(getattr(known, "__file__", None), path):
            return known
        free = known is None and path.stem.isidentifier() and path.stem not in sys.stdlib_module_names
        return self._executed(path.stem if free else f"_{_stamp(path)}", path, f"importing {shown}")

    def _module(self, name: str, base: Path) -> ModuleType:
        if not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"{name!r} is neither a module nor a file: write pkg.module:Net or path/net.py:Net")
        self._enter(base.absolute(), name)
        return self._imported(name, f"importing {name}")

    def _imported(self, name: str, doing: str, path: Path | None = None) -> ModuleType:
        try:
            with user_code(doing, path):
                return importlib.import_module(name)
        except UserCodeError as error:
            missing = error.original.name if isinstance(error.original, ModuleNotFoundError) else None
            if missing is not None and (name == missing or name.startswith(f"{missing}.")):
                write = self._below_src(name) or "pkg.module:Net or path/net.py:Net"
                raise InputError(
                    f"there is no module {missing!r} here or among the installed packages: write {write}"
                ) from None
            raise

    def _below_src(self, name: str) -> str | None:
        """The file of a module in a ``src`` layout that is not installed, as it is written."""
        stem = f"src/{name.replace('.', '/')}"
        files = [f"{stem}.py", f"{stem}/__init__.py"]
        return next((f"{file}:Net" for file in files if self._root is not None and (self._root / file).is_file()), None)

    def _executed(self, name: str, path: Path, doing: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickles look a class's module up there
        try:
            with user_code(doing, path):
                spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    def _enter(self, root: Path, program: str) -> None:
        """Let imports look in ``root`` first, and forget what came from another one: names may repeat."""
        if self._root is not None and root != self._root:
            self._forget()
        self._root = root
        sys.path[:] = [str(root), *self._path]
        sys.argv[:] = [program]

    def _forget(self) -> None:
        for name, module in list(sys.modules.items()):
            if name not in self._known and self._root is not None and _lies_in(name, module, self._root):
                del sys.modules[name]
        importlib.invalidate_caches()


def _no_file(path: Path) -> str:
    """Why this is not a file that can be imported."""
    if not path.exists():
        return "does not exist: write path/net.py:Net"
    if path.suffix == ".ipynb":
        return "is a notebook: write %load_ext convlin and %convlin net 3,32,32 in its cells"
    what = "is a directory" if path.is_dir() else "is not a Python file"
    return f"{what}: write path/net.py:Net"


def divided(target: str) -> tuple[str, str | None]:
    """The file or module that ``target`` names, and the name in it; None where it is a file alone.

    >>> divided("path/net.py:Net"), divided("net.py"), divided("pkg.module:Net")
    (('path/net.py', 'Net'), ('net.py', None), ('pkg.module', 'Net'))
    """
    place, colon, name = target.rpartition(":")
    if not colon or name.endswith((".py", ".ipynb")):  # C:\net.py has a colon, too
        return (target, None) if is_file(target) else ("", target)
    return place, name


def is_file(place: str) -> bool:
    """Whether a target is written as the path of a file, not as the name of a module."""
    return place.endswith((".py", ".ipynb")) or "/" in place or os.sep in place


def _stamp(path: Path) -> str:
    """A module name of its own for a file whose name is taken."""
    import hashlib

    word = "".join(sign if sign.isalnum() else "_" for sign in path.stem)
    return f"{word}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


def _same_file(one: str | None, other: Path) -> bool:
    return one is not None and os.path.realpath(one) == os.path.realpath(other)


def _lies_in(name: str, module: object, root: Path) -> bool:
    """Whether a module is the user's own: its file is below ``root``, and it is no library that happens to be there."""
    package = name.partition(".")[0]
    if not isinstance(module, ModuleType) or package in sys.stdlib_module_names or package in _KEPT:
        return False
    attributes = vars(module)
    path = attributes.get("__path__")
    places = [attributes.get("__file__"), *(path if isinstance(path, list) else ())]
    paths = [Path(place) for place in places if isinstance(place, str)]
    return any(path.is_relative_to(root) and not is_installed(str(path)) for path in paths)
