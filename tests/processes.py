"""Processes that a test starts: whatever they do, the test ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from convlin.cli import main

#: Seconds that nothing in a test may take, on the slowest machine.
PATIENCE = 240


class Done:
    """What a process left behind."""

    def __init__(self, returncode: int, stdout: bytes, stderr: bytes) -> None:
        self.returncode = returncode
        self.stdout, self.stderr = (text.decode("utf-8").replace("\r\n", "\n") for text in (stdout, stderr))


def run(
    *command: str | os.PathLike[str],
    input: str = "",
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    seconds: float = PATIENCE,
) -> Done:
    """Run a command to its end, or kill it with everything that it started.

    Its streams are files: a pipe that a grandchild keeps open has no end.  It has no terminal, so
    that nothing can wait for an answer there.

    Raises:
        AssertionError: it took too long, or (``check``) failed; what it wrote is in the message.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(input.encode("utf-8"))
        given.seek(0)
        process = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=given, stdout=out, stderr=err, cwd=cwd, env=env, start_new_session=True,
        )  # fmt: skip
        try:
            status: int | None = wait(process, seconds)
        except subprocess.TimeoutExpired:
            status = None
        out.seek(0)
        err.seek(0)
        done = Done(-1 if status is None else status, out.read(), err.read())
    said = f"{done.stdout}{done.stderr}"
    assert status is not None, f"{command} did not end in {seconds} s:\n{said}"
    assert status == 0 or not check, f"{command} ended with status {status}:\n{said}"
    return done


def wait(process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
    """The status of a process that is a session of its own; after ``seconds`` it is killed with all it started."""
    try:
        return process.wait(seconds)
    except BaseException:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait(10)
        raise


def python(code: str, **options: object) -> Done:
    """Run Python code in a process of its own; see ``run``."""
    return run(sys.executable, "-c", code, **options)  # type: ignore[arg-type]


def check_here(command: Sequence[str], *, cwd: Path, **streams: object) -> subprocess.CompletedProcess[str]:
    """What ``convlin fix --write`` learns from the process that it starts, without one: torch is loaded here."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        status = main(command[command.index("check") :])
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())


def script(name: str) -> Path:
    """A command that is installed beside this Python."""
    return Path(sys.executable).with_name(name)


def browse(page: Path, profile: Path) -> str:
    """What Chromium makes of a page once its scripts have run, as HTML; it asks nobody outside."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet]
    return run("chromium", *arguments, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()).stdout
