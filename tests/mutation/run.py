"""A run of the mutants: ``python -m tests.mutation.run arithmetic layers symbolic`` (``make mutation``).

One process collects the tests and forks for each mutant; the child puts the changed code into the
functions that are there, and runs the tests that come by the changed line until one fails.  For what
runs at import (tables, defaults) the child imports everything anew.  The ready-made tools start a
process that imports torch for each mutant, or leave tables and decorated functions alone; and a frame
of theirs between two functions is what `convlin.frames` would take for the user's.
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
_LEFT_OUT = ("ci_docs", "cli", "cuda", "pytest_plugin", "random_networks", "surface", "symbolic_zoo", "zoo")
#: Seconds after which a mutant counts as killed.
_PATIENCE = 60
# Without assertions rewritten, which would load the package, itself a plugin, in a way of its own.
_OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "--assert=plain")


class Covered(NamedTuple):
    """What the tests do without a mutant."""

    seconds: dict[str, float]
    """How long each test takes that passes."""
    lines: dict[str, list[str]]
    """For ``arithmetic/common.py:12`` the tests that come by."""


def in_child(work: Callable[[], str], patience: int = 0) -> str | None:
    """What ``work`` returns in a process of its own; None where that ended otherwise, or took too long."""
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
    return text if os.waitpid(pid, 0)[1] == 0 else None


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
    watch.start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        watch.switch_context(item.nodeid)
        start = time.perf_counter()
        if passes(item, following):
            seconds[item.nodeid] = time.perf_counter() - start
    watch.stop()
    data = watch.get_data()
    lines = {}
    for file in data.measured_files():
        for line, names in data.contexts_by_lineno(file).items():
            lines[f"{Path(file).relative_to(PACKAGE).as_posix()}:{line}"] = [name for name in names if name in seconds]
    return Covered(seconds, lines)


class Run:
    """The plugin that runs the mutants in place of the tests."""

    def __init__(self, rooms: Sequence[str], share: float, most_seconds: float, results: Path) -> None:
        self._share, self._most_seconds, self._results = share, most_seconds, results
        places = [PACKAGE / room for room in rooms]
        files = [path for place in places for path in (sorted(place.glob("*.py")) if place.is_dir() else [place])]
        self._sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in files}

    def pytest_configure(self) -> None:
        """A failing example is enough; the smallest is not looked for."""
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.get_profile("default"), phases=phases, database=None)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Everything is forked from here, where no test has run yet."""
        for module in pkgutil.walk_packages([str(PACKAGE)], "convlin."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        self._items = {item.nodeid: item for item in session.items}
        seen = in_child(lambda: json.dumps(measured(session.items)))
        if seen is None:
            raise pytest.UsageError("without a mutant the tests did not come to an end")
        self._covered = Covered(*json.loads(seen))
        gc.collect()
        self._functions: dict[CodeType, list[FunctionType]] = {}
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename.startswith(str(PACKAGE)):
                self._functions.setdefault(each.__code__, []).append(each)
        gc.freeze()
        chosen = [each for file, source in self._sources.items() for each in mutants(source, file)]
        draw = random.Random(0)
        counts: Counter[tuple[str, str]] = Counter()
        with self._results.open("w", encoding="utf-8") as stream:
            for mutant in chosen:
                if draw.random() < self._share:
                    outcome, by = self._outcome(mutant)
                    counts[mutant.file.split("/")[0], outcome] += 1
                    stream.write(f"{outcome}\t{mutant.name}\t{by}\n")
                    stream.flush()
        for (room, outcome), count in sorted(counts.items()):
            sys.stdout.write(f"{room}: {count} {outcome}\n")
        return True

    def _outcome(self, mutant: Mutant) -> tuple[str, str]:
        names = self._tests_of(mutant)
        if not names:
            return "not covered", ""
        by = in_child(lambda: self._killer(mutant, names), _PATIENCE)
        if by is None:
            return "killed", "it ended otherwise, or never"
        return ("killed", by) if by else ("survived", f"{len(names)} tests")

    def _tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that come by, the fastest first; for what runs at import, by anything in the file."""
        at = f"{mutant.file}:"
        lines = self._covered.lines
        if mutant.function:
            # An expression over several lines is seen at its first.
            places = [f"{at}{line}" for line in range(mutant.line, mutant.line - 4, -1)]
            names = set(next((lines[place] for place in places if lines.get(place)), ()))
        else:
            names = {name for place, seen in lines.items() if place.startswith(at) for name in seen}
        total = 0.0
        kept: list[str] = []
        for name in sorted(names, key=self._covered.seconds.__getitem__):
            total += self._covered.seconds[name]
            if kept and total > self._most_seconds:
                break
            kept.append(name)
        return kept

    def _killer(self, mutant: Mutant, names: Sequence[str]) -> str:
        """The test that fails with the change made; empty where none does."""
        source, path = self._sources[mutant.file], str(PACKAGE / mutant.file)
        changed = compile(mutated(source, mutant), path, "exec")
        if not (mutant.function and self._put_in_place(compile(source, path, "exec"), changed)):
            return _killer_anew(path, changed, names)
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


def _killer_anew(path: str, changed: CodeType, names: Sequence[str]) -> str:
    """The same where the module has to be imported anew, and the tests with it."""
    usual = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        return changed if self.path == path else usual(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    for name in [name for name in sys.modules if name.split(".")[0] in ("convlin", "tests", "examples")]:
        del sys.modules[name]
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
    parser.add_argument("--share", type=float, default=1.0, help="which part of the mutants to run, drawn with seed 0")
    parser.add_argument("--seconds", type=float, default=20.0, help="how much of the tests' time to spend on one")
    parser.add_argument("--results", type=Path, default=Path("mutation.tsv"), help="what became of each")
    parser.add_argument("--tests", nargs="*", type=Path, help="the test files to use; all that are quick unless given")
    given = parser.parse_args()
    quick = [path for path in sorted(TESTS.glob("test_*.py")) if path.stem.removeprefix("test_") not in _LEFT_OUT]
    run = Run(given.rooms, given.share, given.seconds, given.results)
    sys.exit(pytest.main([*_OPTIONS, *map(str, given.tests or quick)], plugins=[run, Watch()]))


if __name__ == "__main__":
    main()
