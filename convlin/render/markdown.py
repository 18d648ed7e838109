"""The summary as GitHub's Markdown: a heading, the table, the problems as a list, the totals."""

from __future__ import annotations

import re

from convlin.records import Problem, Report
from convlin.render import words
from convlin.render.columns import COLUMNS, all_lines
from convlin.render.grid import pipes
from convlin.render.options import Options
from convlin.render.rows import build_table
from convlin.render.text import given, notes, totals

#: What Markdown takes for markup inside a line.
_MARKUP = re.compile(r"([\\`*_\[\]<>#~|])")


def markdown(report: Report, options: Options) -> str:
    """The whole summary in Markdown.

    >>> print(markdown(Report("Net", (), (), "cpu", "", (), ()), Options()).splitlines()[0])
    **Net**, no forward pass: structure and parameters only
    """
    made = build_table(report, options, grouped=bool(options.tree))
    if report.mode:
        was_run = f"input {escaped(given(report, options))}, {report.device}, {report.mode}"
        parts = [f"**{escaped(report.model)}**, {was_run}"]
    else:
        parts = [f"**{escaped(report.model)}**, no forward pass: structure and parameters only"]
    if made.rows:
        columns = [COLUMNS[name] for name in made.columns]
        rows = [[_indented(cell) for cell in line] for line in all_lines(made)]
        numbers = [index for index, column in enumerate(columns) if column.is_number]
        parts.append(pipes([column.header for column in columns], rows, numbers))
    if report.problems:
        parts.append("\n".join(_problem(problem, report) for problem in report.problems))
    found = notes(made)
    if found:
        parts.append("\n".join(f"- {escaped(note)}" for note in found))
    parts.append("  \n".join(escaped(line.replace("   ", ", ")) for line in totals(made).splitlines()))
    text = "\n\n".join(parts) + "\n"
    return words.ascii_only(text) if options.ascii_only else text


def _indented(cell: str) -> str:
    """A cell with the blanks in front of it, which Markdown would drop."""
    return "&nbsp;" * (len(cell) - len(cell.lstrip(" "))) + escaped(cell)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is; pipes and line ends do not leave their cell.

    >>> escaped("a|b_c")
    'a\\\\|b\\\\_c'
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _problem(problem: Problem, report: Report) -> str:
    first, *rest = problem.message.splitlines() or [""]
    lines = [f"- ✗ **{escaped(problem.path or report.model)}**: {escaped(first)}"]
    lines += [f"  {escaped(line)}" for line in rest]
    if problem.fix:
        at = f"{escaped(problem.where.text)} " if problem.where else ""
        lines.append(f"  fix: {at}{code(problem.fix)}")
    # Two blanks at the end of a line keep the next one below it.
    return "  \n".join(lines)


def code(text: str) -> str:
    """Code within a line; the fence is longer than any row of backticks in it.

    >>> code("nn.Linear(2048, 10)")
    '`nn.Linear(2048, 10)`'
    """
    text = " ".join(text.split())
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"
