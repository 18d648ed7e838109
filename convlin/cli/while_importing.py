"""What to do where a file runs code of its own, such as a training loop, as soon as it is imported."""

from __future__ import annotations

import ast
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from convlin._util.packages import is_installed
from convlin._util.paths import shown
from convlin._util.tracebacks import steps_of
from convlin.at_error.module_call import module_call
from convlin.cli import failures
from convlin.cli.user_code import UserCodeError

_GUARD = 'if __name__ == "__main__":'

#: What every import of a file is for: where one of these raises, the file itself has to change.
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class _Stop(NamedTuple):
    """Where the import of a file stopped."""

    traceback: TracebackType
    """From that file's own frame on."""
    file: Path
    first_line: int
    """Of the statement at module level."""
    rest: str
    """What is to go under the guard with it: classes and functions that follow are what the file is imported for."""


def told(error: UserCodeError) -> str:
    """What the user's own code raised, and where that was code at module level, what to do about it."""
    stop = _stop(error)
    if stop is None or error.file is None:
        return failures.told(error.original, error.doing)
    script = shown(error.file)
    place = f"{shown(stop.file)}:{stop.first_line}"
    original = error.original.with_traceback(stop.traceback)
    if isinstance(original, Exception) and module_call(original) is not None:
        return (
            f"convlin: {shown(stop.file)}:{stop.traceback.tb_lineno} calls a model while {script} is imported, "
            f"and that raised\n    {type(original).__name__}: {_indented(str(original))}\n"
            f"Either run the script with convlin, which explains the error:   convlin run {script}\n"
            f"or put {place} and {stop.rest} under:   {_GUARD}"
        )
    return (
        f"{failures.told(original, error.doing)}: {place} runs while the file is imported.\n"
        f"Put it and {stop.rest} under:   {_GUARD}"
    )


def _stop(error: UserCodeError) -> _Stop | None:
    """The statement at module level of the user's files that raised; None where it was an import or a definition."""
    found = None
    for step in steps_of(error.original):
        code = step.tb_frame.f_code
        if code.co_name == "<module>" and Path(code.co_filename).suffix == ".py" and not is_installed(code.co_filename):
            found = step
    if found is None:
        return None
    file = Path(found.tb_frame.f_code.co_filename)
    body = ast.parse(file.read_bytes()).body
    for index, statement in enumerate(body, 1):
        if statement.lineno <= found.tb_lineno <= (statement.end_lineno or statement.lineno):
            if isinstance(statement, _DEFINITIONS):
                return None
            defines = any(isinstance(each, _DEFINITIONS) for each in body[index:])
            rest = f"what follows it{', but for imports, classes and functions,' if defines else ''}"
            return _Stop(found, file, statement.lineno, rest)
    return None


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
