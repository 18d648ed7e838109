"""Timing two or more things in turn, so that what the machine does in between hits them alike."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from types import FrameType

#: What the environment may say of a measurement.
SETTINGS = ("BASE", "BENCH_SECONDS", "BENCH_ROUNDS")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))

#: Seconds that one contender may take in all: a slow one is measured in fewer rounds, at least one.
ENOUGH = float(os.environ.get("BENCH_SECONDS", "8"))


@dataclass(frozen=True)
class Ratio:
    """One contender against the bare forward pass of the same round."""

    name: str
    median: float
    low: float
    high: float
    seconds: float

    @property
    def text(self) -> str:
        """``1.04 (1.01–1.09)``."""
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


@contextmanager
def profiled(note: Callable[[FrameType, str, object], None]) -> Iterator[None]:
    """``note`` is told of every call and return meanwhile."""
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def seconds_of_processes(run: Callable[[], object]) -> float:
    """Seconds of processor time of the processes that a call starts and waits for."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interleaved(
    bare: Callable[[], object],
    contenders: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    *,
    clock: Callable[[Callable[[], object]], float] = seconds,
    enough: float = ENOUGH,
) -> list[Ratio]:
    """Every contender and the bare pass once a round, in turn; ratios are taken round by round."""
    working: dict[str, Callable[[], object]] = {}
    least: dict[str, int] = {}
    for name, run in contenders.items():
        try:
            first = clock(run)
        except Exception as error:  # a neighbor that cannot do this work is told, not timed
            print(f"  {name} cannot: {type(error).__name__}: {str(error)[:80]}", flush=True)
        else:
            working[name] = run
            least[name] = max(1, min(rounds, int(enough / first)))
    bare()
    times: dict[str, list[float]] = {name: [] for name in working}
    ratios: dict[str, list[float]] = {name: [] for name in working}
    for turn in range(rounds):
        gc.collect()
        reference = clock(bare)
        for name, run in working.items():
            if turn >= least[name]:
                continue
            taken = clock(run)
            times[name].append(taken)
            ratios[name].append(taken / reference)
    return [Ratio(name, median(found), min(found), max(found), median(times[name])) for name, found in ratios.items()]


def in_fresh_process(code: str, environment: Mapping[str, str] | None = None) -> dict[str, float]:
    """Run ``code`` in a new interpreter that may keep compiled files, as users' do; it prints one JSON object.

    ``environment`` holds the variables that it has besides.
    """
    environment = {**os.environ, **(environment or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def peak_kilobytes() -> int:
    """The most memory that this process ever held.

    Not ``ru_maxrss``, which a process inherits from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("this system does not tell the peak of a process in /proc")


def machine() -> str:
    """What the figures were taken on, as far as it matters."""
    packages = []
    for name in ("torch", "transformers", "torchinfo", "torchsummary", "torchlens", "fvcore"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} not installed")
    return (
        f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}, {', '.join(packages)}"
    )
