"""The command ``convlin``: the only place that prints and that decides exit codes.

0 is fine; 1 is a shape problem, a difference, or an exception of the user's own code; 2 is a
command that cannot be right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from convlin.cli.arguments import parse
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.cli.screen import Screen

FINE, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130

Command: TypeAlias = "Callable[[argparse.Namespace, Screen], int]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process by default) and return its exit code."""
    parsed = parse(sys.argv[1:] if arguments is None else arguments)
    if parsed.command == "run":
        from convlin.cli.running import run

        run(parsed)  # nothing that leaves the program is convlin's to catch
        return FINE
    from convlin._util.call_spelling import spelling_calls
    from convlin.cli.command_spelling import OnCommandLine
    from convlin.cli.screen import Screen, discard_the_rest

    try:
        with spelling_calls(OnCommandLine()):
            return _run(parsed, Screen())
    except BrokenPipeError:  # whoever read the output has closed it (``| head``)
        discard_the_rest(sys.stdout)
        return FINE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(parsed: argparse.Namespace, screen: Screen) -> int:
    from convlin._util.tracebacks import has_calls
    from convlin.cli import failures, while_importing
    from convlin.cli.user_code import UserCodeError

    try:
        return _command(parsed.command)(parsed, screen)
    except InputError as error:
        screen.say(f"convlin: {error}")
        return USAGE
    except UserCodeError as error:
        screen.say(while_importing.told(error))
        return WRONG
    except Exception as error:
        if not has_calls(error):
            raise
        screen.say(failures.told(error, f"running {parsed.model}"))
        return WRONG


def _command(name: str) -> Command:
    if name == "check":
        from convlin.cli.checking import check

        return check
    if name == "fix":
        from convlin.cli.fixing import fix

        return fix
    if name == "annotate":
        from convlin.cli.annotating import annotate

        return annotate
    if name == "diff":
        from convlin.cli.comparing import diff

        return diff
    from convlin.cli import commands

    return commands.show if name == "show" else commands.explain
