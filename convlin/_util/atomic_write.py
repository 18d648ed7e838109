"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Put ``data`` in the place of the file at ``path``, which keeps its permissions.

    The bytes go to a temporary file beside it first, which then takes its name: at no moment is
    there half a file.  A symbolic link stays one; the file that it leads to is written.

    Raises:
        OSError: of the kind that the system gives, with ``path`` as its file name.
    """
    try:
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        if error.errno is None:
            raise
        # Nobody has heard of the temporary file that the system names.
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None


def _replace(target: Path, data: bytes) -> None:
    before = target.stat() if target.exists() else None
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, stat.S_IMODE(before.st_mode) if before else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if before is not None:
        _make_newer(target, before)


def _make_newer(target: Path, before: os.stat_result) -> None:
    # Python takes cached bytecode for current while the source's size and its time in whole seconds are the same.
    now = target.stat()
    if now.st_size == before.st_size and int(now.st_mtime) == int(before.st_mtime):
        os.utime(target, (now.st_atime, int(before.st_mtime) + 1))


def _umask() -> int:
    # There is no way to read it without setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
