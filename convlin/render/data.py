"""The table for other programs: CSV, and data frames of pandas.

Both hold values and not their spelling: shapes are tuples, counts are integers, and a row is one
row however many tensors it has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from convlin.errors import InputError
from convlin.records import Report
from convlin.render import words
from convlin.render.columns import COLUMNS
from convlin.render.options import Options
from convlin.render.rows import Table, build_table

if TYPE_CHECKING:
    import pandas

#: Beside the columns that can be asked for, in a tree: 0 outside of every container, whose row holds the sum of those
#: below it that lie deeper.
_LEVEL = "level"


def _table(report: Report, options: Options) -> Table:
    """Every row by itself, and what is wrong in a column of its own: blocks are folded for people, here when asked."""
    made = build_table(report, options if options.fold else options._replace(fold=False), grouped=bool(options.tree))
    return replace(made, columns=(*made.columns, "problem")) if options.columns is None and report.mode else made


def _values(made: Table) -> tuple[tuple[str, ...], list[list[Any]]]:
    """The names of the columns, and the values of each row; in a tree how deep it lies comes first."""
    rows = [[COLUMNS[name].value(made, row) for name in made.columns] for row in made.rows]
    if not made.nested:
        return made.columns, rows
    return (_LEVEL, *made.columns), [[row.level, *values] for row, values in zip(made.rows, rows, strict=True)]


def csv(report: Report, options: Options) -> str:
    """Comma-separated values with a line of column names; lines end in a single line feed.

    >>> csv(Report("Net", (), (), "cpu", "", (), ()), Options())
    'layer,type,params\\n'
    """
    import csv as writing
    from io import StringIO

    names, rows = _values(_table(report, options))
    buffer = StringIO()
    writer = writing.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(_spelled, row) for row in rows)
    text = buffer.getvalue()
    return words.ascii_only(text) if options.ascii_only else text


def _spelled(value: Any) -> Any:
    """Tuples as Python writes them, with closed forms spelled out; nothing for None."""
    if isinstance(value, tuple):
        return f"({', '.join(str(_spelled(item)) for item in value)}{',' if len(value) == 1 else ''})"
    if value is None or isinstance(value, str | int | float):
        return value
    return words.size(value)


def data_frame(report: Report, options: Options) -> pandas.DataFrame:
    """A data frame with a row for every row of the table.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError("to_pandas() needs pandas: pip install pandas") from error
    names, rows = _values(_table(report, options))
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=_dtype(name, values)) for name, values in columns.items()}
    )


def _dtype(name: str, values: list[Any]) -> str:
    """Counts stay integers beside gaps, which pandas would make floating-point numbers."""
    if (name == _LEVEL or COLUMNS[name].is_number) and all(value is None or type(value) is int for value in values):
        return "Int64"
    return "float64" if name == "params_percent" else "object"
