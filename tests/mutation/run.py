"""A run of the mutants: ``python -m tests.mutation.run arithmetic layers symbolic`` (``make mutation``).

One process collects the tests and forks for each mutant; the child puts the changed code into the
functions that are there, and runs the tests that come by the changed line until one fails.  For what
runs at import (tables, defaults) the child imports everything anew.  The ready-made tools start a
process that imports torch for each mutant, or leave tables and decorated functions alone; and a frame
of theirs between two functions is what `convlin.trace.call_sites` would take for the user's.

What a test says counts only where it passes without the mutant, alone and in the same way.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import pkgutil
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import coverage
import pytest
from hypothesis import Phase, settings

from tests.mutation.mutants import Mutant, mutants, mutated

TESTS = Path(__file__).parent.parent
PACKAGE = TESTS.parent / "convlin"
#: Tests in other processes, where a change made in this one does not reach, and those that take minutes.
_LEFT_OUT = ("ci_docs", "cli", "cuda", "mutation", "pytest_plugin", "random_networks", "surface", "symbolic_zoo", "zoo")
#: A mutant under which the tests take this many times as long, and these seconds more, does not end.
_PATIENCE = 5
_MARGIN = 30
_CACHED = type(lru_cache(int))
# Without assertions rewritten, which would load the package, itself a plugin, in a way of its own.
_OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "--assert=plain")


class Covered(NamedTuple):
    """What the tests do without a mutant."""

    seconds: dict[str, float]
    """How long each test takes that passes."""
    lines: dict[str, list[str]]
    """For ``arithmetic/common.py:12`` the tests that come by."""
    failed: list[str]
    """Tests that are of no use, since they fail without a mutant."""


class TookTooLong(Exception):
    """A child was not done in time."""


def in_child(work: Callable[[], str], patience: int = 0) -> str | None:
    """What ``work`` returns in a process of its own; None where that ended otherwise.

    Raises:
        TookTooLong: after ``patience`` seconds.
    """
    receiving, sending = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            signal.alarm(patience)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            with os.fdopen(sending, "w", encoding="utf-8") as stream:
                stream.write(work())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(sending)
    with os.fdopen(receiving, encoding="utf-8") as stream:
        text = stream.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        raise TookTooLong
    return text if status == 0 else None


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run one test."""
    failed = Watch.failed
    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    return Watch.failed == failed


class Watch:
    """A plugin that knows the last test that failed."""

    failed = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported."""
        if report.failed:
            Watch.failed = report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A part of a test."""
        if report.failed:
            Watch.failed = report.nodeid


def measured(items: Sequence[pytest.Item]) -> Covered:
    """Every test run once under coverage."""
    watch = coverage.Coverage(data_file=None, include=[f"{PACKAGE}/*"], config_file=False)
    seconds: dict[str, float] = {}
    rooms = [module for name, module in sys.modules.items() if name.split(".")[0] == "convlin"]
    caches = [value for room in rooms for value in vars(room).values() if isinstance(value, _CACHED)]
    watch.start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        watch.switch_context(item.nodeid)
        # What another test left in a cache is a line that this one does not come by.
        for cached in caches:
            cached.cache_clear()
        start = time.perf_counter()
        if passes(item, following):
            seconds[item.nodeid] = time.perf_counter() - start
    watch.stop()
    data = watch.get_data()
    lines = {}
    for file in data.measured_files():
        for line, names in data.contexts_by_lineno(file).items():
            lines[f"{Path(file).relative_to(PACKAGE).as_posix()}:{line}"] = [name for name in names if name in seconds]
    return Covered(seconds, lines, [item.nodeid for item in items if item.nodeid not in seconds])


def run_at_import() -> list[str]:
    """The lines that the import of the package runs, those of functions among them."""
    watch = coverage.Coverage(data_file=None, include=[f"{PACKAGE}/*"], config_file=False)
    _forget()
    watch.start()
    _import_all()
    watch.stop()
    data = watch.get_data()
    return [
        f"{Path(file).relative_to(PACKAGE).as_posix()}:{line}"
        for file in data.measured_files()
        for line in data.lines(file) or ()
    ]


class Run:
    """The plugin that runs the mutants in place of the tests."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        places = [PACKAGE / room for room in given.rooms]
        files = [path for place in places for path in (sorted(place.glob("*.py")) if place.is_dir() else [place])]
        self._sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in files}
        self._sound: dict[tuple[str, bool], bool] = {}
        self._kills: Counter[tuple[str, str]] = Counter()

    def pytest_configure(self) -> None:
        """A failing example is enough; the smallest is not looked for."""
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.get_profile("default"), phases=phases, database=None)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Everything is forked from here, where no test has run yet."""
        _import_all()
        self._items = {item.nodeid: item for item in session.items}
        self._covered = self._measured(session.items)
        at_import = in_child(lambda: json.dumps(run_at_import()))
        assert at_import is not None
        self._at_import = frozenset(json.loads(at_import))
        gc.collect()
        self._functions: dict[CodeType, list[FunctionType]] = {}
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename.startswith(str(PACKAGE)):
                self._functions.setdefault(each.__code__, []).append(each)
        gc.freeze()
        found: dict[str, tuple[str, str]] = {}
        chosen = self._chosen()
        for seconds in self._given.seconds:
            with self._given.results.open("a", encoding="utf-8") as stream:
                for mutant in chosen:
                    found[mutant.name] = outcome, by = self._outcome(mutant, seconds)
                    stream.write(f"{outcome}\t{mutant.name}\t{by}\n")
                    stream.flush()
            chosen = [mutant for mutant in chosen if found[mutant.name][0] == "survived"]
        lines = [f"{outcome}\t{name}\t{by}\n" for name, (outcome, by) in sorted(found.items())]
        self._given.results.write_text("".join(lines), encoding="utf-8")
        counts = Counter((name.split("/")[0], outcome) for name, (outcome, _) in found.items())
        for (room, outcome), count in sorted(counts.items()):
            sys.stdout.write(f"{room}: {count} {outcome}\n")
        for name in self._covered.failed:
            sys.stdout.write(f"of no use, fails without a mutant: {name}\n")
        return True

    def _measured(self, items: Sequence[pytest.Item]) -> Covered:
        kept: Path | None = self._given.covered
        if kept is None or not kept.exists():
            seen = in_child(lambda: json.dumps(measured(items)))
            if seen is None:
                raise pytest.UsageError("without a mutant the tests did not come to an end")
            if kept is None:
                return Covered(*json.loads(seen))
            kept.write_text(seen, encoding="utf-8")
        return Covered(*json.loads(kept.read_text(encoding="utf-8")))

    def _chosen(self) -> list[Mutant]:
        """A sample, in no order: a run that is broken off leaves a sample, too."""
        draw = random.Random(0)
        each = [mutant for file, source in self._sources.items() for mutant in mutants(source, file)]
        shares = dict(zip(self._given.rooms, self._given.share * len(self._given.rooms), strict=False))
        chosen = [
            mutant
            for mutant in each
            if draw.random() < (shares.get(mutant.file) or shares.get(mutant.file.split("/")[0], 0.0))
        ]
        if self._given.survivors:
            rows = [row.split("\t") for row in self._given.survivors.read_text(encoding="utf-8").splitlines()]
            names = {name for outcome, name, _ in rows if outcome != "killed"}
            chosen = [mutant for mutant in each if mutant.name in names]
        draw.shuffle(chosen)
        return chosen

    def _outcome(self, mutant: Mutant, seconds: float) -> tuple[str, str]:
        while names := self._tests_of(mutant, seconds):
            patience = int(_MARGIN + _PATIENCE * sum(map(self._covered.seconds.__getitem__, names)))
            try:
                by = in_child(lambda: self._killer(mutant, names), patience)
            except TookTooLong:
                return "killed", "it never ended"
            if by is None:
                return "killed", "it ended otherwise"
            if not by:
                return "survived", f"{len(names)} tests"
            if by not in self._items or self._is_sound(by, anew=self._anew(mutant)):
                self._kills[mutant.file, by] += 1
                return "killed", by
            self._covered.seconds.pop(by)
            self._covered.failed.append(by)
        return "not covered", ""

    def _is_sound(self, name: str, *, anew: bool) -> bool:
        """Whether a test passes by itself where nothing was changed."""
        if (name, anew) not in self._sound:
            work = (lambda: _killer_anew("", None, [name])) if anew else (lambda: self._first_failing([name]))
            self._sound[name, anew] = in_child(work) == ""
        return self._sound[name, anew]

    def _anew(self, mutant: Mutant) -> bool:
        """Whether what it changes has had its effect once the package is imported."""
        return not mutant.function or f"{mutant.file}:{mutant.line}" in self._at_import

    def _tests_of(self, mutant: Mutant, seconds: float) -> list[str]:
        """The tests that come by, what noticed others of the file first; for what runs at import, by the file."""
        at = f"{mutant.file}:"
        lines = self._covered.lines
        if not self._anew(mutant):
            # An expression over several lines is seen at its first.
            places = [f"{at}{line}" for line in range(mutant.line, mutant.line - 4, -1)]
            names = set(next((lines[place] for place in places if lines.get(place)), ()))
        else:
            names = {name for place, seen in lines.items() if place.startswith(at) for name in seen}
        total = 0.0
        kept: list[str] = []
        for name in sorted(
            names & self._covered.seconds.keys(),
            key=lambda each: (-self._kills[mutant.file, each], self._covered.seconds[each]),
        ):
            total += self._covered.seconds[name]
            if kept and total > seconds:
                break
            kept.append(name)
        return kept

    def _killer(self, mutant: Mutant, names: Sequence[str]) -> str:
        """The test that fails with the change made; empty where none does."""
        source, path = self._sources[mutant.file], str(PACKAGE / mutant.file)
        changed = compile(mutated(source, mutant), path, "exec")
        if self._anew(mutant) or not self._put_in_place(compile(source, path, "exec"), changed):
            return _killer_anew(path, changed, names)
        return self._first_failing(names)

    def _first_failing(self, names: Sequence[str]) -> str:
        items = [self._items[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            if not passes(item, following):
                return item.nodeid
        return ""

    def _put_in_place(self, old: CodeType, new: CodeType) -> bool:
        """Whether functions were found whose code is another now."""
        found = False
        before, after = _by_place(old), _by_place(new)
        for place, codes in before.items():
            if len(codes) == len(after.get(place, ())):
                for one, other in zip(codes, after[place], strict=True):
                    for function in self._functions.get(one, ()) if one != other else ():
                        if len(one.co_freevars) != len(other.co_freevars):
                            return False
                        function.__code__ = other
                        found = True
        return found


def _by_place(code: CodeType) -> dict[tuple[str, int], list[CodeType]]:
    """A module's code and that of everything in it, by name and line."""
    found: dict[tuple[str, int], list[CodeType]] = {}
    pending = [code]
    while pending:
        code = pending.pop()
        found.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
        pending.extend(each for each in code.co_consts if isinstance(each, CodeType))
    return found


def _import_all() -> None:
    for module in pkgutil.walk_packages([str(PACKAGE)], "convlin."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("convlin", "tests", "examples")]:
        del sys.modules[name]


def _killer_anew(path: str, changed: CodeType | None, names: Sequence[str]) -> str:
    """The same where the module has to be imported anew, and the tests with it."""
    usual = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        return changed if self.path == path else usual(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    _forget()
    Watch.failed = ""
    try:
        code = pytest.main([*_OPTIONS, "-x", *names], plugins=[Watch()])
    except BaseException as error:  # a package that cannot be imported
        return repr(error)
    return Watch.failed or ("" if code == pytest.ExitCode.OK else f"pytest ended with {code}")


def main() -> None:
    """Run the mutants of some rooms, and write what became of each."""
    parser = argparse.ArgumentParser(description="the mutants of some rooms, and which of them the tests let live")
    parser.add_argument("rooms", nargs="+", help="packages or files of convlin")
    share = "which part of the mutants to run, drawn with seed 0; for all rooms, or for each"
    parser.add_argument("--share", type=float, nargs="+", default=[1.0], help=share)
    spent = "how much of the tests' time to spend on one; a second number is for what survived the first"
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 60.0], help=spent)
    parser.add_argument("--survivors", type=Path, help="instead of a share, what survived according to such results")
    parser.add_argument("--covered", type=Path, help="where to keep what the tests come by, for another run")
    parser.add_argument("--results", type=Path, default=Path("mutation.tsv"), help="what became of each")
    parser.add_argument("--tests", nargs="*", type=Path, help="the test files to use; all that are quick unless given")
    given = parser.parse_args()
    quick = [path for path in sorted(TESTS.glob("test_*.py")) if path.stem.removeprefix("test_") not in _LEFT_OUT]
    given.results.unlink(missing_ok=True)
    sys.exit(pytest.main([*_OPTIONS, *map(str, given.tests or quick)], plugins=[Run(given), Watch()]))


if __name__ == "__main__":
    main()
