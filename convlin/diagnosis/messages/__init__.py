"""What people read about each kind of misfit: what arrived, what was declared, why, what to write."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convlin.diagnosis.messages import functions, sequences, sizes, structure
from convlin.diagnosis.messages.said import Said, Words
from convlin.diagnosis.messages.tools import called, times
from convlin.records import EINOPS_SAYS, PYTORCH_SAYS, Report
from convlin.trace.einops_errors import condition, is_of_einops
from convlin.trace.recording import Finding

__all__ = ["Said", "called", "first_line", "fitted", "place", "quotation", "say", "times"]

_WIDTH = 100

_WORDS: Mapping[tuple[str, str], Words] = {**sizes.WORDS, **structure.WORDS, **sequences.WORDS, **functions.WORDS}


def say(finding: Finding, report: Report) -> Said:
    """The words for one finding."""
    misfit = finding.misfit
    words = _WORDS.get((misfit.kind, misfit.note)) or _WORDS.get((misfit.kind, "")) or sizes.resized
    said = words(finding, report)
    return _with_both_numbers(said, finding) if "exchanged" in misfit.detail else said


def _with_both_numbers(said: Said, finding: Finding) -> Said:
    """Of a layer whose two numbers may be in each other's place, as a run has shown."""
    spelled = " and ".join(f"{name}={value}" for name, value in finding.misfit.detail["exchanged"].items())
    if finding.misfit.detail["settles"]:
        message = f"{said.message}\nits two numbers look swapped: with {spelled} what is behind it fits"
        return replace(said, message=message, advice=spelled)
    other = f"if its two numbers were swapped: {spelled}"
    return replace(said, message=f"{said.message}\n{other}", instead=said.instead or spelled)


def fitted(message: str, name: str) -> str:
    """The message in lines that stay within ``_WIDTH`` columns, the first behind the layer's name."""
    first, *rest = message.splitlines() or [""]
    room = max(_WIDTH - len(f"✗ {name}: "), _WIDTH // 2)
    lines = textwrap.wrap(first, room, break_long_words=False, break_on_hyphens=False) or [""]
    for line in rest:
        lines += textwrap.wrap(line, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def quotation(error: BaseException) -> str:
    """What a library says itself, and which it is.

    >>> quotation(RuntimeError("sizes differ\\nand more"))
    'PyTorch says: sizes differ'
    """
    return f"{EINOPS_SAYS}{condition(error)}" if is_of_einops(error) else f"{PYTORCH_SAYS}{first_line(error)}"


def first_line(error: Any) -> str:
    """The first line of what PyTorch says."""
    lines = str(error).strip().splitlines()
    if lines and "TorchScript" in lines[0]:  # what went wrong stands below the lines of the script
        lines = [line.partition("Error: ")[2] for line in lines if "Error: " in line] or lines
    return lines[0] if lines else type(error).__name__
