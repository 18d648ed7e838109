"""The pytest plugin: ``shape_lock``, ``shape_comments``, and convlin's answer in the report of a shape error.

pytest loads this module in every run where convlin is installed, so it imports pytest and nothing
else.  What stands behind it is loaded by the first test that needs it: ``locks`` and ``comments`` by
their fixtures, ``lock_book`` where locks stand beside a test file, ``shape_errors`` by a test that
fails and has loaded torch itself.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from convlin.pytest_plugin.comments import ShapeComments
    from convlin.pytest_plugin.locks import ShapeLock

UPDATE = "--shape-lock-update"
#: The directory of all locks, beside the test files.
FOLDER = "__shapes__"


# Fixtures


@pytest.fixture
def shape_lock(request: pytest.FixtureRequest) -> ShapeLock:
    """Compare the shapes of a model with a lock beside the test file: shape_lock(model, (3, 32, 32)).

    Run pytest with --shape-lock-update to write the lock.
    """
    from convlin.pytest_plugin.locks import ShapeLock

    return ShapeLock(request.node, request.path.parent / FOLDER, UPDATE)


@pytest.fixture
def shape_comments() -> ShapeComments:
    """Hold the shape comments in the files of a model against a run: shape_comments(model, (3, "H", "W"))."""
    from convlin.pytest_plugin.comments import ShapeComments

    return ShapeComments()


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Open the book before another plugin leaves tests out, where there are locks that could be stale."""
    beside = (folder / FOLDER for folder in {item.path.parent for item in items})
    folders = [each for each in beside if each.is_dir()]
    if folders:
        from convlin.pytest_plugin.lock_book import book_of

        book_of(config).collected(items, folders)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    error = call.excinfo.value if call.excinfo is not None and report.failed else None
    if error is not None and "torch" in sys.modules and not item.config.getoption("no_convlin"):
        from convlin.pytest_plugin.shape_errors import explain

        explain(report, error)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Put together what the workers of xdist have done."""
    from convlin.pytest_plugin.lock_book import SENT, book_of

    sent = getattr(node, "workeroutput", {}).get(SENT)
    if error:
        book_of(node.config).is_part = True  # a worker that crashed cannot say what it used
    elif sent is not None:
        book_of(node.config).add(sent)
