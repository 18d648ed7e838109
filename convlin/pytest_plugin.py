"""The pytest plugin: ``shape_lock`` and ``shape_comments``, and convlin's answer in the report of a shape error.

``shape_lock`` compares a model's shapes with a lock beside the test file, ``shape_comments`` with the
comments in its source.  pytest loads this module
in every run where convlin is installed, so it imports pytest and nothing else; torch comes in when a
test calls the fixture, and a test that fails is looked at only where it loaded torch itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convlin.inputs import DtypeLike, Input
    from convlin.summary import Summary

UPDATE = "--shape-lock-update"
FOLDER = "__shapes__"
SUFFIX = ".shapes"

_LONGEST = 100
_SENT = "convlin_shape_locks"


# The fixture


class ShapeLock:
    """Compares the shapes of a model with the lock that is kept for this test.

    Locks stand in ``__shapes__/<test file>/<test>.shapes`` beside the test file.  A second one of the
    same test gets a number, or the ``name`` that it is called with.
    """

    def __init__(self, node: pytest.Item, book: Book) -> None:
        self._node = node
        self._book = book
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
    ) -> Summary:
        """The summary of ``model``, or a ``ShapeError`` that tells how it differs from the lock.

        ``name`` tells several locks of one test apart; everything else is as for ``summarize``.
        """
        __tracebackhide__ = True
        from convlin.api.summarize import summarize
        from convlin.errors import InputError

        try:
            summary = summarize(
                model, input, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode
            )  # fmt: skip
        except InputError as error:
            raise error.with_traceback(None) from None
        return self.check(summary, name=name)

    def check(self, summary: Summary, *, name: str | None = None) -> Summary:
        """The same for a summary that is already there."""
        __tracebackhide__ = True
        from convlin.checks.lock_diff import failure
        from convlin.errors import InputError, ShapeError

        try:
            path = self._path(name)
            if self._book.update:
                summary.check()
                self._book.write(summary, path)
            if not path.is_file():
                raise ShapeError(_missing(self._node, path))
            message = failure(summary.report, path, again=_update(self._node))
        except (InputError, ShapeError) as error:
            raise error.with_traceback(None) from None
        if message:
            raise ShapeError(message)
        return summary

    def _path(self, name: str | None) -> Path:
        from convlin.errors import InputError

        ending = name if name is not None else "" if not self._taken else str(len(self._taken) + 1)
        if ending in self._taken:
            raise InputError(f"this test has two locks named {ending!r}: give each a name of its own")
        self._taken.add(ending)
        home, base = place(self._node)
        path = home / (base + (f".{file_name(ending)}" if ending else "") + SUFFIX)
        self._book.used.add(str(path))
        return path


@pytest.fixture
def shape_lock(request: pytest.FixtureRequest) -> ShapeLock:
    """Compare the shapes of a model with a lock beside the test file: shape_lock(model, (3, 32, 32)).

    Run pytest with --shape-lock-update to write the lock.
    """
    return ShapeLock(request.node, request.config.stash[_BOOK])


class ShapeComments:
    """Holds the shape comments in the files of a model against a run, as ``convlin check --comments`` does."""

    def __call__(
        self,
        model: nn.Module,
        input: Input,
        *,
        kwargs: Mapping[str, Any] | None = None,
        batch_size: int | str = "N",
        dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
        device: torch.device | str | None = None,
        mode: str = "eval",
    ) -> Summary:
        """The summary of ``model``, or a ``ShapeError`` with every comment that is not true.

        Everything is as for ``summarize``, but that the batch is the letter N where nothing else is said.
        """
        __tracebackhide__ = True
        from convlin.annotate.stale import failure
        from convlin.api.summarize import summarize
        from convlin.errors import InputError, ShapeError

        try:
            summary = summarize(
                model, input, kwargs=kwargs, batch_size=batch_size, dtypes=dtypes, device=device, mode=mode
            ).check()
            message = failure(summary.report)
        except (InputError, ShapeError) as error:
            raise error.with_traceback(None) from None
        if message:
            raise ShapeError(message)
        return summary


@pytest.fixture
def shape_comments() -> ShapeComments:
    """Hold the shape comments in the files of a model against a run: shape_comments(model, (3, "H", "W"))."""
    return ShapeComments()


def _missing(node: pytest.Item, path: Path) -> str:
    return (
        f"there is no lock for this test yet: {_relative(path, node.config)}\n"
        f"write it with   {_update(node)}\n"
        "then look at the file and commit it"
    )


def _update(node: pytest.Item) -> str:
    """The command that writes the locks of one test."""
    test = f"{_relative(node.path, node.config)}::{node.nodeid.partition('::')[2]}"
    quoted = test if re.fullmatch(r"[-./:_A-Za-z0-9]+", test) else f'"{test}"'
    return f"pytest {quoted} {UPDATE}"


# Where locks are


def place(node: pytest.Item) -> tuple[Path, str]:
    """The directory of a test's locks and the beginning of their names."""
    return folder(node.path), file_name(node.nodeid.partition("::")[2].replace("::", "."))


def folder(test_file: Path) -> Path:
    """The directory of a test file's locks."""
    return test_file.parent / FOLDER / test_file.stem


def file_name(name: str) -> str:
    """A name that every file system takes; one that had to be changed gets a few signs of its own."""
    safe = re.sub(r"[^A-Za-z0-9_.,=+\[\]-]", "-", name)
    if safe == name and len(name) <= _LONGEST:
        return name
    import hashlib

    return f"{safe[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _relative(path: str | Path, config: pytest.Config) -> str:
    try:
        return Path(os.path.relpath(path, config.invocation_params.dir)).as_posix()
    except ValueError:  # another drive  # pragma: no cover  # of Windows
        return str(path)


# What happened in this run


@dataclass(slots=True)
class Book:
    """Which locks this run used and wrote, and which tests could have used one."""

    update: bool = False
    used: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    tests: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For the tests of files that have locks: directory and beginning of the name, by node id."""
    passed: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    """Directories that hold directories of locks, beside the test files of this run."""
    is_part: bool = False
    """Only some tests of the files were asked for."""

    def write(self, summary: Summary, path: Path) -> None:
        """Write the lock of ``summary`` unless the file says the same already."""
        from convlin.checks.lock_diff import renewed

        path.parent.mkdir(parents=True, exist_ok=True)
        happened = renewed(summary.report, path)
        if happened:
            (self.written if happened == "written" else self.changed).add(str(path))

    def collected(self, items: Iterable[pytest.Item]) -> None:
        """Take down the tests of every file that has locks."""
        known: dict[Path, bool] = {}
        for item in items:
            path = item.path
            if path not in known:
                known[path] = folder(path).is_dir()
                if (path.parent / FOLDER).is_dir():
                    self.folders.add(str(path.parent / FOLDER))
            if known[path]:
                home, base = place(item)
                self.tests[item.nodeid] = str(home), base

    def stale(self) -> list[str]:
        """Locks that no test uses any more, as far as this run can tell."""
        return sorted(path for folder in self.folders for path in self._stale_in(Path(folder)))

    def _stale_in(self, folder: Path) -> Iterator[str]:
        for home in sorted(folder.iterdir()):
            if not home.is_dir():
                continue
            gone = not any(file.is_file() for file in folder.parent.glob(f"{_escaped(home.name)}.*"))
            tests = {base: nodeid for nodeid, (where, base) in self.tests.items() if where == str(home)}
            for lock in sorted(home.glob(f"*{SUFFIX}")):
                if gone or (tests and self._is_unused(lock, tests)):
                    yield str(lock)

    def _is_unused(self, lock: Path, tests: Mapping[str, str]) -> bool:
        owners = [tests[base] for base in _beginnings(lock.name) if base in tests]
        return str(lock) not in self.used and all(nodeid in self.passed for nodeid in owners)

    def sent(self) -> dict[str, Any]:
        """The same in the types that a worker of xdist can send."""
        return {
            "used": sorted(self.used),
            "written": sorted(self.written),
            "changed": sorted(self.changed),
            "passed": sorted(self.passed),
            "folders": sorted(self.folders),
            "tests": {nodeid: list(where) for nodeid, where in self.tests.items()},
            "is_part": self.is_part,
        }

    def add(self, sent: Mapping[str, Any]) -> None:
        """Put in what a worker has sent."""
        for name in ("used", "written", "changed", "passed", "folders"):
            getattr(self, name).update(sent[name])
        self.tests.update({nodeid: (home, base) for nodeid, (home, base) in sent["tests"].items()})
        self.is_part = self.is_part or sent["is_part"]


_BOOK = pytest.StashKey[Book]()


def _beginnings(name: str) -> Iterator[str]:
    """Everything that a lock's name may begin with: ``a.b``, ``a`` for ``a.b.shapes``."""
    name = name.removesuffix(SUFFIX)
    while name:
        yield name
        name = name.rpartition(".")[0]


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


# Hooks


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("convlin", "shapes of PyTorch models")
    group.addoption(
        "--no-convlin",
        action="store_true",
        dest="no_convlin",
        help="do not explain the shape errors of tests that fail",
    )
    group.addoption(
        UPDATE,
        action="store_true",
        dest="shape_lock_update",
        help="write the locks of the tests that run (fixture shape_lock) instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    asked = any("::" in str(argument) for argument in config.args)
    options = ("keyword", "markexpr", "lf", "deselect", "stepwise", "collectonly")
    selected = any(config.getoption(name, default=None) for name in options)
    config.stash[_BOOK] = Book(bool(config.getoption("shape_lock_update")), is_part=asked or selected)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[_BOOK].collected(items)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items[:1]:
        item.config.stash[_BOOK].is_part = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.excinfo is not None:
        _explain(report, call.excinfo.value, item.config)
    book = item.config.stash[_BOOK]
    if report.when == "call" and report.passed and item.nodeid in book.tests:
        book.passed.add(item.nodeid)
    return report


def _explain(report: pytest.TestReport, error: BaseException, config: pytest.Config) -> None:
    """Add the section "convlin" to the report of a test that a shape error ended."""
    if "torch" not in sys.modules or config.getoption("no_convlin"):
        return
    from convlin.at_error.answer import answer

    told = answer(error)
    if told is not None:
        report.sections.append(("convlin", told))


def pytest_sessionfinish(session: pytest.Session) -> None:
    book = session.config.stash[_BOOK]
    book.is_part = book.is_part or bool(session.shouldstop) or bool(session.shouldfail)
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_SENT] = book.sent()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    book: Book = node.config.stash[_BOOK]
    sent = getattr(node, "workeroutput", {}).get(_SENT)
    if sent is None or error:
        book.is_part = True  # a worker that crashed cannot say what it used
    else:
        book.add(sent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    book = config.stash[_BOOK]
    told = [
        ("written: look at them and commit them", sorted(book.written)),
        ("changed: look at the difference and commit it", sorted(book.changed)),
        ("stale, no test uses them any more: delete them", [] if book.is_part else book.stale()),
    ]
    if any(paths for _, paths in told):
        terminalreporter.section("shape locks")
    for what, paths in told:
        if paths:
            terminalreporter.line(f"{len(paths)} {what}")
            for path in paths:
                terminalreporter.line(f"  {_relative(path, config)}")
