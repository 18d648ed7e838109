"""Code of the user's that the command line runs, and what it raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convlin.errors import ConvlinError


class UserCodeError(ConvlinError):
    """The user's own code raised; ``original`` is what it raised, and ``doing`` what it was to do."""

    def __init__(self, original: BaseException, doing: str, file: Path | None = None) -> None:
        super().__init__(f"{doing} raised {type(original).__name__}: {original}")
        self.original = original
        self.doing = doing
        self.file = file
        """The file that was being imported, if it was that."""


@contextmanager
def user_code(doing: str, file: Path | None = None) -> Iterator[None]:
    """Code of the user's runs in this block: what it raises comes out as a ``UserCodeError``."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UserCodeError(error, doing, file) from error
