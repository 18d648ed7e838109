"""The summary in HTML: a table whose rows fold and unfold by module, without any script.

A check box in the head of each group says whether its rows are shown; style rules do the rest.  All
of it stands in one ``div``, for a notebook, or in a page of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from convlin.records import Problem, Report
from convlin.render.columns import COLUMNS, lines_by_row
from convlin.render.html_style import PAGE_STYLE, STYLE
from convlin.render.options import Options
from convlin.render.row import Row
from convlin.render.rows import Table, build_table
from convlin.render.text import given, notes, totals

#: With more rows than this, the innermost groups are folded at first.
_MOST_OPEN = 60

#: Each group that folds is a rule that a browser tries on every row: with more it takes seconds to show.
_MOST_TRIES = 300_000

_EMPTY = "<td></td>"


def html(report: Report, options: Options, *, page: bool = False) -> str:
    """The summary as a ``div`` to put into a page, or as a whole page.

    >>> html(Report("Net", (), (), "cpu", "", (), ()), Options()).startswith('<div class="convlin">')
    True
    """
    made = build_table(report, options, grouped=options.tree is not False)
    folding = _folding(made.rows)
    parts = ['<div class="convlin">', f"<style>{STYLE}{_rules(folding)}</style>", _head(report, options)]
    if made.rows:
        tree = ' class="tree"' if any(row.group is not None for row in made.rows) else ""
        parts += [f'<div class="wide"><table{tree}>', _headers(made)]
        parts += ["<tbody>", *_body(made, folding), "</tbody></table></div>"]
    parts += [_problem(problem, report) for problem in report.problems]
    parts += [f"<p>{escape(note)}</p>" for note in notes(made)]
    parts += [f'<p class="totals">{_total(line)}</p>' for line in totals(made).splitlines()]
    parts.append("</div>")
    text = "\n".join(parts) + "\n"
    if page:
        text = _page(report, text)
    if options.ascii_only:
        return text.encode("ascii", "xmlcharrefreplace").decode()
    return text


def _page(report: Report, content: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.model)}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n{content}</body>\n</html>\n"
    )


def _head(report: Report, options: Options) -> str:
    if report.mode:
        said = f"input {given(report, options)} · {report.device}, {report.mode}"
    else:
        said = "no forward pass: structure and parameters only"
    return f'<p class="head"><b>{escape(report.model)}</b> <span class="dim">{escape(said)}</span></p>'


def _headers(made: Table) -> str:
    cells = (f'<th scope="col"{_number(name)}>{escape(COLUMNS[name].header)}</th>' for name in made.columns)
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _number(name: str) -> str:
    return ' class="n"' if COLUMNS[name].is_number else ""


# Folding


def _folding(rows: Iterable[Row]) -> Mapping[int, bool]:
    """The groups that fold, and whether each is unfolded at first.

    Unfolded are all, or as many levels as stay readable, and whatever has a problem inside.
    """
    known = list(rows)
    troubled = {group for row in known if row.problems or row.failed for group in row.groups}
    sizes = Counter(row.level for row in known)
    levels, shown = 0, sizes[0]
    while sizes[levels + 1] and shown + sizes[levels + 1] <= _MOST_OPEN:
        levels += 1
        shown += sizes[levels]
    heads = sorted((row.level, row.group) for row in known if row.group is not None)
    most = _MOST_TRIES // max(len(known), 1)
    return {group: level < levels or group in troubled for level, group in heads[:most]}


def _rules(groups: Iterable[int]) -> str:
    """For each group the rule that hides its rows; the numbers mean the same in every table of a notebook."""
    return "".join(f".convlin table:has(.t{group}:not(:checked)) .g{group}{{display:none}}\n" for group in groups)


# Rows


def _body(made: Table, folding: Mapping[int, bool]) -> Iterator[str]:
    for row, written in zip(made.rows, lines_by_row(made), strict=True):
        for number, line in enumerate(written):
            names = [f"g{group}" for group in row.groups if group in folding]
            names += [row.kind] if row.kind in ("group", "function", "parameter", "rest", "module") else []
            names += ["bad"] if row.problems or row.failed else []
            names += ["more"] if number else []
            names += ["goes-on"] if number + 1 < len(written) else []
            classes = f' class="{" ".join(names)}"' if names else ""
            cells = (
                _layer(row, folding) if name == "layer" and not number else _cell(name, text)
                for name, text in zip(made.columns, line, strict=True)
            )
            yield f"<tr{classes}>{''.join(cells)}</tr>"


def _cell(name: str, text: str) -> str:
    return f"<td{_number(name)}>{escape(text)}</td>" if text else _EMPTY


def _layer(row: Row, folding: Mapping[int, bool]) -> str:
    """The first cell: indented, with the box that folds.

    The part of the path that the group has said is there to be searched and copied, but takes no room.
    """
    if row.kind == "function":
        return _EMPTY
    name = row.path or row.type
    if row.base and row.path == row.base:
        shown = '<span class="dim">itself</span>'
    else:
        said = name.removesuffix(row.name)
        shown = f'<span class="path">{escape(said)}</span>' * bool(said) + escape(row.name)
    shown += escape(row.label.removeprefix(name))
    if row.group is not None and row.group in folding:
        checked = " checked" if folding[row.group] else ""
        box = f'<input type="checkbox" class="t{row.group}"{checked} aria-label="show what is inside {escape(name)}">'
        shown = f"<label>{box}{shown}</label>"
    indent = f' style="--level:{row.level}" title="{escape(name)}"' if row.level else ""
    return f'<th scope="row"{indent}>{shown}</th>'


# Below the table


def _problem(problem: Problem, report: Report) -> str:
    first, *rest = problem.message.splitlines() or [""]
    text = [f'<div class="problem"><p>✗ <b>{escape(problem.path or report.model)}</b>: {escape(first)}</p>']
    text += [f'<p class="more">{escape(line)}</p>' for line in rest]
    if problem.fix:
        at = f"{escape(problem.where.text)} " if problem.where else ""
        text.append(f'<p class="more">fix {at}<code>{escape(problem.fix)}</code></p>')
    return "".join(text) + "</div>"


def _total(line: str) -> str:
    return " ".join(f"<span>{escape(part)}</span>" for part in line.split("   "))
