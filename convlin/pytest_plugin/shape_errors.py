"""convlin's answer in the report of a test that a shape error ended."""

from __future__ import annotations

import pytest

from convlin.at_error.answer import answer


def explain(report: pytest.TestReport, error: BaseException) -> None:
    """Add the section "convlin" to a report, where there is an answer to ``error``."""
    told = answer(error)
    if told is not None:
        report.sections.append(("convlin", told))
