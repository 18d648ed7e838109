"""The table in LaTeX, with the rules of the booktabs package."""

from __future__ import annotations

import re

from convlin.records import Report
from convlin.render import words
from convlin.render.columns import COLUMNS
from convlin.render.fit import fitted
from convlin.render.options import Options
from convlin.render.row import INDENT
from convlin.render.text import arranged, head, totals

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$", "·": r"$\cdot$", "−": r"$-$", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "⌈": r"$\lceil$",
    "⌉": r"$\rceil$", "→": r"$\to$", "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$",
    "∞": r"$\infty$", "✗": r"\ensuremath{\otimes}", "…": r"\dots{}", "–": "--",
    **{sign: f"$^{digit}$" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _SIGNS)))

#: A longer table goes on over the page.
_PAGE = 45

#: How many signs fit the text of an ``article`` in its smallest letters that are read with ease, held by a test with
#: LaTeX; and up to how many in larger ones.
_WIDTH, _SMALL = 84, 68


def latex(report: Report, options: Options) -> str:
    """The table as a ``tabular``, or a ``longtable`` where it does not fit a page.

    >>> latex(Report("Net", (), (), "cpu", "", (), ()), Options()).splitlines()[0]
    '% needs \\\\usepackage{booktabs}'
    """
    width = _WIDTH if options.width is None else options.width
    made, lines = arranged(report, options, width)
    cells = [line for row in fitted(made, lines, width) for line in row]
    spec = "".join("r" if COLUMNS[name].is_number else "l" for name in made.columns)
    headers = _line([COLUMNS[name].header for name in made.columns])
    body = [_line(line) for line in cells]
    long = len(cells) > _PAGE
    environment = "longtable" if long else "tabular"
    text = [
        r"% needs \usepackage{booktabs}" + (r" and \usepackage{longtable}" if long else ""),
        f"% {_comment(head(report, options))}",
        rf"\begingroup\{_size(width)}\setlength{{\tabcolsep}}{{3pt}}",
        rf"\begin{{{environment}}}{{{spec}}}",
        r"\toprule",
        headers,
        r"\midrule",
        *([r"\endhead"] if long else []),
        *body,
        r"\bottomrule",
        rf"\end{{{environment}}}",
        r"\endgroup",
        *(f"% {_comment(line)}" for line in totals(made).splitlines()),
    ]
    return "\n".join(text) + "\n"


def _size(width: int) -> str:
    """The letters in which so many signs fit the text of an article on A4 or letter paper."""
    return "scriptsize" if width > _SMALL else "footnotesize"


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is; a sign that has no command is left to the font.

    >>> print(escaped("1×3 layer_1"))
    1$\\times$3 layer\\_1
    """
    return _SPECIAL.sub(lambda found: _SIGNS[found.group()], " ".join(text.split()))


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(text: str) -> str:
    if text.startswith(("[", "*")):  # which would be taken for an argument of the \\ before it
        return f"{{{escaped(text)}}}"
    levels = (len(text) - len(text.lstrip(" "))) // INDENT
    return (rf"\hspace*{{{levels}em}}" if levels else "") + escaped(text)


def _comment(text: str) -> str:
    return words.ascii_only(" ".join(text.split()))
