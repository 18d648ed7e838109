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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from convlin._util.packages import is_installed
from convlin._util.suggest import did_you_mean
from convlin.errors import ConvlinError, InputError

if TYPE_CHECKING:
    from torch import nn

#: Never imported twice in one process, even where their source is what the user works on.
_KEPT = ("convlin", "torch")


class UserCodeError(ConvlinError):
    """The user's own code raised; ``original`` is what it raised, and ``doing`` what it was to do."""

    def __init__(self, original: BaseException, doing: str) -> None:
        super().__init__(f"{doing} raised {type(original).__name__}: {original}")
        self.original = original
        self.doing = doing


class Loaded(NamedTuple):
    """A model, and where its source may be found."""

    model: nn.Module
    hints: tuple[Any, ...]
    """The module that it came from, and the factory, if there is one."""


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

        For the device ``"meta"`` it is made there, if its constructor can: a model too large for this
        machine has shapes, too.

        Raises:
            InputError: there is no such thing, or it is no model.
            UserCodeError: the user's code raised.
        """
        place, colon, name = target.rpartition(":")
        if not colon or not place or not name:
            there = _models_of(target, base)
            raise InputError(f"{target!r} names no model: write pkg.module:Net or path/net.py:Net{there}")
        module = self._file(base / place, place) if _is_file(place) else self._module(place, base)
        found = _attribute(module, name, target)
        model = _made(found, arguments, dict(keywords or {}), target, on_meta=device == "meta")
        return Loaded(model, (found, module) if inspect.isfunction(found) else (module,))

    def _file(self, path: Path, shown: str) -> ModuleType:
        path = path.absolute()
        if path.suffix != ".py" or not path.is_file():
            what = "is no Python file" if path.exists() else "does not exist"
            raise InputError(f"{shown} {what}: write path/net.py:Net")
        package: list[str] = []
        root = path.parent
        while (root / "__init__.py").is_file() and root.name.isidentifier():
            package.insert(0, root.name)
            root = root.parent
        self._enter(root, str(path))
        if package:
            name = ".".join(package if path.stem == "__init__" else (*package, path.stem))
            module = self._imported(name, f"importing {shown}")
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

    def _imported(self, name: str, doing: str) -> ModuleType:
        try:
            with user_code(doing):
                return importlib.import_module(name)
        except UserCodeError as error:
            missing = error.original.name if isinstance(error.original, ModuleNotFoundError) else None
            if missing is not None and (name == missing or name.startswith(f"{missing}.")):
                raise InputError(
                    f"there is no module {missing!r} here or among the installed packages: "
                    "write pkg.module:Net or path/net.py:Net"
                ) from None
            raise

    def _executed(self, name: str, path: Path, doing: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickles look a class's module up there
        try:
            with user_code(doing):
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


@contextmanager
def user_code(doing: str) -> Iterator[None]:
    """Code of the user's runs in this block: what it raises comes out as a ``UserCodeError``."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UserCodeError(error, doing) from error


def _is_file(place: str) -> bool:
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


# From a name to a model


def _attribute(module: ModuleType, name: str, target: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            with user_code(f"looking up {target}"):
                found = getattr(found, part)
        except UserCodeError as error:
            if not isinstance(error.original, AttributeError):
                raise
            known = _models(module)
            listed = f"; its models are {', '.join(known)}" if known else ""
            there = did_you_mean(name, known) or listed
            raise InputError(f"{target.rpartition(':')[0]} has no {name!r}{there}") from None
    return found


def _models(module: ModuleType) -> list[str]:
    """Names of the models and model classes that a module itself defines."""
    from torch import nn

    return [
        name
        for name, value in vars(module).items()
        if (isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__)
        or isinstance(value, nn.Module)
    ]


def _models_of(target: str, base: Path) -> str:
    """The spelling with a class, where ``target`` is a file that has one; nothing is run for it."""
    import ast

    path = base / target
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    return f"; {target} has {', '.join(names)}" if names else ""


def _made(found: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], target: str, *, on_meta: bool) -> nn.Module:
    import torch
    from torch import nn

    if isinstance(found, nn.Module):
        if arguments or keywords:
            raise InputError(f"{target} is a model that is already made, and takes no --kwargs")
        return found
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise InputError(f"{target} is a class, and no nn.Module")
    if not callable(found):
        raise InputError(f"{target} is {type(found).__name__!r}, and no nn.Module, class or function that makes one")
    _check_signature(found, arguments, keywords, target)
    made = None
    if on_meta:
        # A constructor that reads its own weights cannot run there, and says so in many ways.
        with suppress(Exception), torch.device("meta"):
            made = found(*arguments, **keywords)
    if made is None:
        with user_code(f"making {target}"):
            made = found(*arguments, **keywords)
    if not isinstance(made, nn.Module):
        raise InputError(f"{target} returned {type(made).__name__!r}, and no nn.Module")
    return made


def _check_signature(
    maker: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any], target: str
) -> None:
    try:
        signature = inspect.signature(maker)
    except (TypeError, ValueError):
        return  # written in C: only calling it can tell
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        raise InputError(
            f"{target}{_shortened(signature)} cannot be called with {_listed(arguments, keywords)}: {error}. "
            "Write --kwargs '{\"name\": value}'"
        ) from None


def _shortened(signature: inspect.Signature) -> str:
    text = " ".join(str(signature).split())
    return text if len(text) <= 120 else f"{text[:120]}…"


def _listed(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    given = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())]
    return ", ".join(given) or "no arguments"
