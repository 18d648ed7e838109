"""``shape_lock``: a model's shapes beside the lock of the test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convlin.api.summarize import summarize
from convlin.checks.lock_diff import require
from convlin.checks.lock_file import lock_of
from convlin.errors import InputError, ShapeError
from convlin.inputs import TRIALS
from convlin.pytest_plugin.lock_book import book_of
from convlin.pytest_plugin.lock_files import SUFFIX, file_name, place, relative

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convlin._summary import Summary
    from convlin.inputs import DtypeLike, Input


class ShapeLock:
    """Compares the shapes of a model with the lock that is kept for this test.

    Locks stand in ``__shapes__/<test file>/<test>.shapes`` beside the test file.  A second one of the
    same test gets a number, or the ``name`` that it is called with.
    """

    def __init__(self, node: pytest.Item, locks: Path, update: str) -> None:
        self._node = node
        self._locks = locks
        self._update = update
        self._book = book_of(node.config)
        self._taken: set[str] = set()

    def __call__(
        self,
        model: nn.Module,
        input: Input,
        *,
        name: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
        batch_size: int | str = 1,
        dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
        device: torch.device | str | None = None,
        mode: str = "eval",
        trials: int = TRIALS,
    ) -> Summary:
        """The summary of ``model``, or a ``ShapeError`` that tells how it differs from the lock.

        ``name`` tells several locks of one test apart; everything else is as for ``summarize``.
        """
        __tracebackhide__ = True
        try:
            summary = summarize(
                model, input, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode,
                trials=trials,
            )  # fmt: skip
        except InputError as error:
            raise error.with_traceback(None) from None
        return self.check(summary, name=name)

    def check(self, summary: Summary, *, name: str | None = None) -> Summary:
        """The same for a summary that is already there."""
        __tracebackhide__ = True
        try:
            lock_of(summary.report)  # there is something to hold against a lock
            path = self._path(name)
            if self._node.config.getoption("shape_lock_update"):
                summary.check()
                self._book.write(summary, path)
            if not path.is_file():
                raise ShapeError(self._missing(path))
            require(summary.report, path, again=self._again())
        except (InputError, ShapeError, OSError) as error:
            raise error.with_traceback(None) from None
        return summary

    def _path(self, name: str | None) -> Path:
        ending = name if name is not None else "" if not self._taken else str(len(self._taken) + 1)
        if ending in self._taken:
            raise InputError(f"this test has two locks named {ending!r}: give each a name of its own")
        self._taken.add(ending)
        home, base = place(self._node, self._locks)
        path = home / (base + (f".{file_name(ending)}" if ending else "") + SUFFIX)
        self._book.used.add(str(path))
        return path

    def _missing(self, path: Path) -> str:
        return (
            f"there is no lock for this test yet: {relative(path, self._node.config)}\n"
            f"write it with   {self._again()}\n"
            "then look at the file and commit it"
        )

    def _again(self) -> str:
        """The command that writes the locks of this test."""
        test = f"{relative(self._node.path, self._node.config)}::{self._node.nodeid.partition('::')[2]}"
        quoted = test if re.fullmatch(r"[-./:_A-Za-z0-9]+", test) else f'"{test}"'
        return f"pytest {quoted} {self._update}"
