"""What a run did with locks: which it used and wrote, and which no test uses any more."""

from __future__ import annotations

import functools
import glob
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convlin.pytest_plugin.lock_files import SUFFIX, place, relative

if TYPE_CHECKING:
    from convlin._summary import Summary

#: The name under which a worker of xdist sends its book.
SENT = "convlin_shape_locks"


_SETS = ("used", "written", "changed", "passed", "folders")


@dataclass(slots=True)
class Book:
    """Which locks a run used and wrote, and which tests could have used one; a plugin of that run's own."""

    is_part: bool
    """Only some tests of the files were asked for."""
    used: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    tests: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For the tests of files that have locks: directory and beginning of the name, by node id."""
    passed: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    """Directories that hold directories of locks, beside the test files of this run."""

    def write(self, summary: Summary, path: Path) -> None:
        """Write the lock of ``summary`` unless the file says the same already."""
        from convlin.checks.lock_diff import renewed

        path.parent.mkdir(parents=True, exist_ok=True)
        happened = renewed(summary.report, path)
        if happened:
            (self.written if happened == "written" else self.changed).add(str(path))

    def collected(self, items: Iterable[pytest.Item], folders: Iterable[Path]) -> None:
        """Take down the tests of every file that has locks in one of these directories."""
        beside = {each.parent: each for each in folders}
        self.folders.update(map(str, beside.values()))
        has_locks = functools.cache(Path.is_dir)
        for item in items:
            if item.path.parent in beside:
                home, base = place(item, beside[item.path.parent])
                if has_locks(home):
                    self.tests[item.nodeid] = str(home), base

    def stale(self) -> list[str]:
        """Locks that no test uses any more, as far as this run can tell."""
        return sorted(path for folder in self.folders for path in self._stale_in(Path(folder)))

    def _stale_in(self, folder: Path) -> Iterator[str]:
        for home in sorted(folder.iterdir()):
            if not home.is_dir():
                continue
            gone = not any(file.is_file() for file in folder.parent.glob(f"{glob.escape(home.name)}.*"))
            tests = {base: nodeid for nodeid, (where, base) in self.tests.items() if where == str(home)}
            for lock in sorted(home.glob(f"*{SUFFIX}")):
                if gone or (tests and self._is_unused(lock, tests)):
                    yield str(lock)

    def _is_unused(self, lock: Path, tests: Mapping[str, str]) -> bool:
        owners = [tests[base] for base in _beginnings(lock.name) if base in tests]
        return str(lock) not in self.used and all(nodeid in self.passed for nodeid in owners)

    def sent(self) -> dict[str, Any]:
        """The same in the types that a worker of xdist can send."""
        tests = {nodeid: list(where) for nodeid, where in self.tests.items()}
        return {name: sorted(getattr(self, name)) for name in _SETS} | {"tests": tests, "is_part": self.is_part}

    def add(self, sent: Mapping[str, Any]) -> None:
        """Put in what a worker has sent."""
        for name in _SETS:
            getattr(self, name).update(sent[name])
        self.tests.update({nodeid: (home, base) for nodeid, (home, base) in sent["tests"].items()})
        self.is_part = self.is_part or sent["is_part"]

    # Hooks

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.is_part = self.is_part or bool(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" and report.passed and item.nodeid in self.tests:
            self.passed.add(item.nodeid)
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.is_part = self.is_part or bool(session.shouldstop) or bool(session.shouldfail)
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SENT] = self.sent()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        told = [
            ("written: look at them and commit them", sorted(self.written)),
            ("changed: look at the difference and commit it", sorted(self.changed)),
            ("stale, no test uses them any more: delete them", [] if self.is_part else self.stale()),
        ]
        if any(paths for _, paths in told):
            terminalreporter.section("shape locks")
        for what, paths in told:
            if paths:
                terminalreporter.line(f"{len(paths)} {what}")
                for path in paths:
                    terminalreporter.line(f"  {relative(path, config)}")


_BOOK = pytest.StashKey[Book]()


def book_of(config: pytest.Config) -> Book:
    """The book of a run, opened by whoever asks first."""
    if _BOOK not in config.stash:
        asked = any("::" in str(argument) for argument in config.args)
        options = ("keyword", "markexpr", "lf", "deselect", "stepwise", "collectonly")
        selected = any(config.getoption(name, default=None) for name in options)
        config.stash[_BOOK] = Book(asked or selected)
        config.pluginmanager.register(config.stash[_BOOK])
    return config.stash[_BOOK]


def _beginnings(name: str) -> Iterator[str]:
    """Everything that a lock's name may begin with: ``a.b``, ``a`` for ``a.b.shapes``."""
    name = name.removesuffix(SUFFIX)
    while name:
        yield name
        name = name.rpartition(".")[0]
