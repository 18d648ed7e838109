"""What the user's own code raised, told with the user's traceback and none of convlin's frames."""

from __future__ import annotations

import sys
import traceback

from convlin._util.packages import CONVLIN, is_installed
from convlin.records import Location

_IMPORTING = ("<frozen importlib", "<frozen runpy", "importlib/__init__.py", "importlib\\__init__.py")


def told(error: BaseException, doing: str) -> str:
    """The traceback of ``error`` as Python prints it, without convlin's frames, and what was being done."""
    report = traceback.TracebackException.from_exception(error)
    _cut(report)
    return f"{''.join(report.format())}convlin: {doing} raised the error above"


def line(error: BaseException, doing: str) -> str:
    """The same in one line."""
    return f"{doing} raised {type(error).__name__}: {error}".splitlines()[0]


def place(error: BaseException) -> Location | None:
    """The line of the user's code that is nearest to where ``error`` was raised."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Location(error.filename, error.lineno)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        installed = is_installed(frame.filename) or frame.filename.startswith((sys.prefix, sys.base_prefix))
        if not _is_ours(frame.filename) and not installed and frame.lineno is not None:
            return Location(frame.filename, frame.lineno)
    return None


def _cut(report: traceback.TracebackException) -> None:
    report.stack[:] = [frame for frame in report.stack if not _is_ours(frame.filename)]
    for other in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if other is not None:
            _cut(other)


def _is_ours(filename: str) -> bool:
    return filename.startswith(CONVLIN) or any(part in filename for part in _IMPORTING)
