"""``convlin run``: a program as ``python`` runs it, and convlin's answer behind the traceback of a shape error.

The program is run in this process, in a ``__main__`` of its own, so that what it pickles and the
processes that it starts find it there.
"""

from __future__ import annotations

import argparse
import builtins
import importlib.util
import os
import sys
import threading
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from convlin.at_error.show import Hook, show, switch

_NOT_THERE = 2


class _Ended(SystemExit):
    """An exception ended the program, and has been shown."""


def run(arguments: argparse.Namespace) -> None:
    """Run the program; return when it comes to its end, with ``python -i`` after an exception too.

    Raises:
        SystemExit: the program's own, or with status 1 after an exception, which has been shown.
        KeyboardInterrupt: it was interrupted; the interpreter ends as Python does then.
    """
    try:
        _run(arguments)
    except _Ended:
        if not sys.flags.inspect:
            raise


def _run(arguments: argparse.Namespace) -> None:
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    if "multiprocessing" in sys.modules:  # its second name for what was __main__ when it was imported
        sys.modules["__mp_main__"] = main
    if arguments.module is not None:
        _enter(os.getcwd())
        sys.argv = ["-m", *arguments.arguments]
        code = _watched(lambda: _prepare_module(main, arguments.module))
        sys.argv[0] = str(vars(main)["__file__"])
    else:
        path = arguments.script
        sys.argv = [path, *arguments.arguments]
        if not os.path.isfile(path):
            _refuse(f"can't open file {os.path.abspath(path)!r}: it is not a file", _NOT_THERE)
        if path.endswith(".ipynb"):
            _refuse(f"{path} is a notebook: write %load_ext convlin in its first cell", _NOT_THERE)
        _enter(os.path.dirname(os.path.realpath(path)))
        code = _watched(lambda: _prepare_script(main, path))
    switch(threading, on=True)  # not taken off at the end: threads may outlive the main one
    switch(warnings, on=True)
    _watched(lambda: exec(code, vars(main)))


def _enter(folder: str) -> None:
    """Put the program's folder where Python puts it, in place of convlin's."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _refuse(why: str, status: int) -> NoReturn:
    sys.stderr.write(f"convlin run: {why}\n")
    raise SystemExit(status)


def _prepare_script(main: ModuleType, path: str) -> CodeType:
    path = os.path.abspath(path)
    loader = SourceFileLoader("__main__", path)
    # __main__ of a script has no __spec__: multiprocessing goes by __file__ then.
    _name(main, file=path, loader=loader, package=None, spec=None)
    return loader.source_to_code(loader.get_data(path), path)


def _prepare_module(main: ModuleType, name: str) -> CodeType:
    spec = _found(name)
    if spec.submodule_search_locations is not None:  # a package: its __main__ is what runs
        spec = _found(f"{name}.__main__")
    loader: Any = spec.loader
    code: CodeType | None = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    if code is None:
        _refuse(f"no code object available for {name}", 1)
    _name(main, file=spec.origin, loader=loader, package=spec.parent, spec=spec)
    return code


def _found(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:
        _refuse(f"No module named {name} ({error})", 1)
    if spec is None:
        _refuse(f"No module named {name}", 1)
    return spec


def _name(main: ModuleType, *, file: str | None, loader: Any, package: str | None, spec: ModuleSpec | None) -> None:
    names = {"file": file, "cached": spec.cached if spec else None, "loader": loader, "package": package, "spec": spec}
    vars(main).update({f"__{name}__": value for name, value in names.items()}, __builtins__=builtins)


def _watched(work: Callable[[], Any]) -> Any:
    """What ``work`` returns; an exception is shown as Python shows it, with convlin's answer behind it."""
    try:
        return work()
    except SystemExit:
        raise
    except BaseException as error:
        _shown(error)
        if isinstance(error, KeyboardInterrupt) and not sys.flags.inspect:
            # The interpreter ends itself by the signal, and has nothing more to show.
            sys.excepthook = lambda *_: None
            raise
    raise _Ended(1)


def _shown(error: BaseException) -> None:
    error = error.with_traceback(_of_the_program(error.__traceback__))
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook = sys.excepthook
    hook(type(error), error, error.__traceback__)
    if not (isinstance(hook, Hook) and hook.is_on):  # the program has asked for the answer itself
        show(error)


def _of_the_program(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith((__file__, "<frozen importlib")):
        traceback = traceback.tb_next
    return traceback
