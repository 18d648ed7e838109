"""Errors that end a thread, and those of a group: what Python prints stays as it is, and convlin's answer follows."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from convlin import explain_errors
from convlin.at_error.answer import answer
from tests.processes import run
from tests.test_run import both, write

NEEDS, ALSO = "needs in_features=512, has 999", "needs in_features=64, has 7"

TWO = """
    import asyncio, threading, torch
    from torch import nn

    first, second = nn.Sequential(nn.Linear(999, 3)), nn.Sequential(nn.Linear(7, 3))

    def train(net, features):
        net(torch.zeros(2, features))

    async def train_as_task(net, features):
        train(net, features)

    async def together():
        async with asyncio.TaskGroup() as group:
            group.create_task(train_as_task(first, 512))
            group.create_task(train_as_task(second, 64))
"""
THREAD = (
    f"{TWO}\n    thread = threading.Thread(target=train, args=(first, 512))\n    thread.start()\n    thread.join()\n"
)


def test_run_answers_the_error_that_ended_a_thread_and_every_error_of_a_group(tmp_path: Path) -> None:
    write(tmp_path, "train.py", f"{THREAD}    asyncio.run(together())\n")  # a thread's error does not end the program
    plain, ours = both(tmp_path, "train.py")
    assert plain.returncode == ours.returncode == 1
    thread, start, rest = plain.stderr.partition("  + Exception Group Traceback")
    group = start + rest
    assert "Exception in thread" in thread
    assert "mat1 and mat2 shapes cannot be multiplied" in thread
    assert "ExceptionGroup" in group
    # What Python writes of each stays as it is, and an answer follows.
    assert ours.stderr.startswith(thread)
    of_thread, between, of_group = ours.stderr.removeprefix(thread).partition(group)
    assert between == group
    assert (of_thread.count(NEEDS), of_thread.count(ALSO)) == (1, 0)
    assert (of_group.count(NEEDS), of_group.count(ALSO)) == (1, 1)


# Asked for once and by `convlin run` as well; once alone, a hook of either kind is held without a process below.
@pytest.mark.parametrize("command", [pytest.param((), marks=pytest.mark.thorough), ("-m", "convlin", "run")])
def test_a_program_that_asks_for_it_gets_one_answer_to_each(command: tuple[str, ...], tmp_path: Path) -> None:
    write(
        tmp_path, "asks.py", f"    import convlin\n    convlin.explain_errors()\n{THREAD}    asyncio.run(together())\n"
    )
    done = run(sys.executable, *command, "asks.py", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Exception in thread") == 1
    assert done.stderr.count(NEEDS) == 2  # of the thread and of the task
    assert done.stderr.count(ALSO) == 1


@pytest.fixture
def hook() -> Iterator[list[str]]:
    """A hook of the user's own for threads, and what it was called with."""
    called: list[str] = []
    before = threading.excepthook
    threading.excepthook = lambda given: called.append(given.exc_type.__name__)
    yield called
    explain_errors(False)
    threading.excepthook = before


def end_a_thread(features: int = 512) -> None:
    net = nn.Sequential(nn.Linear(999, 3))
    thread = threading.Thread(target=lambda: net(torch.zeros(2, features)))
    thread.start()
    thread.join()


def test_the_hook_that_was_there_is_called_first(hook: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    theirs = threading.excepthook
    explain_errors()
    explain_errors()
    end_a_thread()
    assert hook == ["RuntimeError"]
    assert capsys.readouterr().err.count(NEEDS) == 1
    explain_errors(False)
    assert threading.excepthook is theirs
    end_a_thread()
    assert capsys.readouterr().err == ""


def test_a_hook_put_over_it_stays_and_gets_one_answer_or_none(
    hook: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    explain_errors()
    ours = threading.excepthook
    over = threading.excepthook = lambda given: ours(given)
    explain_errors()
    end_a_thread()
    assert capsys.readouterr().err.count(NEEDS) == 1
    threading.excepthook = over
    explain_errors(False)
    assert threading.excepthook is over
    end_a_thread()
    assert capsys.readouterr().err == ""


def test_a_model_that_another_thread_has_at_hand_is_not_run(
    hook: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass gives the model back as it was before: what was trained meanwhile would be undone."""
    net, ends = nn.Linear(999, 3), threading.Event()

    def trains() -> None:
        while not ends.is_set():
            with torch.no_grad():
                net.bias.add_(1)

    explain_errors()
    other = threading.Thread(target=trains)
    other.start()
    try:
        end_a_thread()
    finally:
        ends.set()
        other.join()
    assert hook == ["RuntimeError"]
    assert capsys.readouterr().err == ""


def test_an_exit_of_a_thread_and_an_error_of_ones_own_get_no_answer(
    hook: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def ends() -> None:
        raise KeyError("lr")

    explain_errors()
    for target in (sys.exit, ends):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert hook == ["SystemExit", "KeyError"]
    assert capsys.readouterr().err == ""


def test_groups_in_groups_and_one_that_was_raised_from() -> None:
    net, other = nn.Sequential(nn.Linear(999, 3)), nn.Sequential(nn.Linear(7, 3))

    async def fails(model: nn.Module, features: int) -> None:
        model(torch.zeros(2, features))

    async def inner() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(net, 512))

    async def outer() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(inner())
            group.create_task(fails(other, 64))

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(outer())
    told = answer(raised.value)
    assert told is not None
    assert told.count(NEEDS) == told.count(ALSO) == 1
    behind = KeyError("lr")
    behind.__cause__ = raised.value
    assert answer(behind) == told
    assert answer(BaseExceptionGroup("stopped", [KeyboardInterrupt(), *raised.value.exceptions])) == told
    assert answer(ExceptionGroup("of my own", [KeyError("lr"), ValueError("x")])) is None
