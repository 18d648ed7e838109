"""convlin as it is and at another revision, measured in the same rounds: ``make bench BASE=v0.1.0``.

Two versions of a package do not go into one process, and in one with the neighbors much is loaded that costs each of
them.  So each runs in a process of its own that waits for its turn: its model lies in a file, one line asks for a
summary, one line says that it is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

_ROOT = Path(__file__).parent.parent


def laid_out(revision: str, folder: str) -> dict[str, str]:
    """Lay convlin as it was at a revision in a folder; the environment in which Python finds that one."""
    archive = subprocess.run(["git", "archive", revision, "convlin"], cwd=_ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    # In front of the convlin that is installed, and behind nothing.
    return {"PYTHONPATH": os.pathsep.join([folder, str(_ROOT)]), "PYTHONSAFEPATH": "1"}


class Revision:
    """convlin as it is, or as it was at a revision, in a process that lasts until ``close``."""

    def __init__(self, revision: str | None = None) -> None:
        self.name = f"convlin {revision}" if revision else "convlin"
        self._folder = tempfile.TemporaryDirectory()
        found = laid_out(revision, self._folder.name) if revision else {"PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **found},
        )  # fmt: skip
        self._count = 0

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def contenders(
        self, model: nn.Module, shape: tuple[int, ...], options: Mapping[str, Any], *, text: bool
    ) -> dict[str, Callable[[], object]]:
        """The same work as ours, done there: a summary, and one with its text."""
        self._count += 1
        path = Path(self._folder.name) / f"{self._count}.pt"
        torch.save(model, path)
        self._ask({"load": str(path), "shape": shape, "options": dict(options)})
        found: dict[str, Callable[[], object]] = {self.name: lambda: self._ask({"text": False})}
        if text:
            found[f"{self.name} with text"] = lambda: self._ask({"text": True})
        return found

    def _ask(self, what: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(what)}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer != "done\n":
            raise RuntimeError(f"{self.name} ended: {answer or 'see above'}")


def _serve() -> None:
    from convlin import summarize

    model: Any = None
    shape: tuple[int, ...] = ()
    options: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "load" in asked:
            model, shape, options = (
                torch.load(asked["load"], weights_only=False),
                tuple(asked["shape"]),
                asked["options"],
            )
        else:
            made = summarize(model, shape, **options)
            if asked["text"]:
                str(made)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
