"""What stands in each column: the value itself, and how a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from convlin._util.gc_pause import paused
from convlin.records import Problem, TensorInfo
from convlin.render import words
from convlin.render.named_outputs import output_names, type_text
from convlin.render.row import Row
from convlin.render.rows import Table
from convlin.render.short import derived

#: Equal tensors from this number on are written once, with their number.
_MANY = 4

#: A call with more tensors than lines shows the first ones.
_MOST_LINES = 16

#: What stands in a row about a problem that is not a size which was declared wrongly.
_IN_SHORT = {
    "reshape": "one sample has {required}, not {declared}",
    "too_small": "the input is {declared}, needs at least {required}",
    "dtype": "takes {declared}, receives {required}",
    "operands": "see below",
    "structure": "see below",
    "batch": "see below",
    "error": "see below",
}


#: A table has few shapes beside its rows.
_shape = lru_cache(1024)(words.shape)

Lines: TypeAlias = list[list[tuple[str, ...]]]
"""The cells of every line of every row."""


Value: TypeAlias = Callable[[Table, Row], Any]
"""What CSV and data frames get: numbers, tuples, names; None where there is nothing."""

Text: TypeAlias = Callable[[Table, Row], str]
"""What people get."""


class Column(NamedTuple):
    """One column of the table."""

    header: str
    value: Value
    text: Text
    is_number: bool = False
    """Set flush right."""


def all_lines(table: Table) -> list[tuple[str, ...]]:
    """The lines of all rows, one behind the other."""
    return [line for lines in lines_by_row(table, short_heads=True) for line in lines]


@paused()
def lines_by_row(table: Table, *, short_heads: bool = False) -> Lines:
    """Each row as lines of cells: one, and more where several tensors went in or came out.

    ``short_heads``: the head of a group names the first tensor and counts the others.
    """
    texts = [COLUMNS[name].text for name in table.columns]
    remarked = _remarked(table.columns)
    shapes = [index for index, name in enumerate(table.columns) if name in ("input", "output")]
    written: Lines = []
    for row in table.rows:
        first = [text(table, row) for text in texts]
        if remarked is not None and not first[remarked] and (row.remark or row.failed):
            first[remarked] = remark(row)
        # A function has neither path nor parameters: with few columns nothing of it is left to show.
        found = [tuple(first)] if any(first) else []
        if short_heads and row.kind == "group":
            found = [_counted(table.columns, row, tuple(first))]
        elif shapes and (len(row.inputs) > 1 or len(row.outputs) > 1):
            found += _further(table, row, shapes)
        written.append(found)
    return written


def without(column: str, table: Table, lines: Lines) -> tuple[Table, Lines]:
    """The same table without one of its columns."""
    index, columns = table.columns.index(column), tuple(name for name in table.columns if name != column)
    made = replace(table, columns=columns)
    if any(len(row) > 1 for row in lines):  # what has a line of its own may stand in that column alone
        return made, lines_by_row(made, short_heads=True)
    return made, [[(*line[:index], *line[index + 1 :]) for line in row] for row in lines]


def flat(table: Table, lines: Lines) -> tuple[Table, Lines]:
    """The same table without heads: each row with its whole path in place of an indented name."""
    kept = [(row, found) for row, found in zip(table.rows, lines, strict=True) if row.kind != "group"]
    made = replace(table, rows=tuple(row for row, _ in kept), nested=False)
    if "layer" not in table.columns:
        return made, [found for _, found in kept]
    index = table.columns.index("layer")
    written = []
    for row, found in kept:
        if found:
            first, *others = found
            found = [(*first[:index], row.label, *first[index + 1 :]), *others]
        written.append(found)
    return made, written


def _counted(columns: Sequence[str], row: Row, line: tuple[str, ...]) -> tuple[str, ...]:
    """The line of a head with one tensor in a cell, and how many more there are."""
    tensors = {"input": row.inputs, "output": row.outputs}
    cells = []
    for name, text in zip(columns, line, strict=True):
        found = tensors.get(name, ())
        more = len(found) - 1
        cells.append(f"{words.shape(found[0].shape)} and {more} more" if more > 0 else text)
    return tuple(cells)


def remark(row: Row) -> str:
    """What is to be said of a row that has nothing to show."""
    if row.failed and not row.problems:
        return "the pass stopped here"
    return row.remark


def _remarked(columns: Sequence[str]) -> int | None:
    """The column that takes the remarks: the arithmetic if it is shown, or another that is empty there."""
    return next((columns.index(name) for name in ("arithmetic", "output", "input") if name in columns), None)


def _further(table: Table, row: Row, shapes: Sequence[int]) -> list[tuple[str, ...]]:
    """The lines under the first, for the other tensors."""
    columns = table.columns
    others = {index: _tensors(table, row, columns[index])[1:] for index in shapes}
    blank = ("",) * len(columns)
    found: list[tuple[str, ...]] = []
    for number in range(max(map(len, others.values()))):
        line = list(blank)
        for index, texts in others.items():
            line[index] = texts[number] if number < len(texts) else ""
        found.append(tuple(line))
    return found


def _tensors(table: Table, row: Row, column: str) -> list[str]:
    """One text for each tensor that went in or came out; many equal ones in a row are counted."""
    is_output = column == "output"
    names = output_names(table.report.calls[row.calls[0]]) if is_output and row.calls else {}
    texts: list[str] = []
    for shape, group in groupby(row.outputs if is_output else row.inputs, key=lambda info: info.shape):
        alike = list(group)
        if len(alike) >= _MANY or (len(alike) > 1 and not is_output):
            texts.append(f"{len(alike)} of {words.shape(shape)}")
        else:
            texts += [_tensor(info, names) if is_output else words.shape(shape) for info in alike]
    if len(texts) > _MOST_LINES:
        texts[_MOST_LINES - 1 :] = [f"… and {len(texts) - _MOST_LINES + 1} more"]
    return texts


def _tensor(info: TensorInfo, names: Mapping[str, str]) -> str:
    return words.tensor(info._replace(place=names.get(info.place, info.place)))


def _spelled(value: Value, spell: Callable[[Any], str]) -> tuple[Value, Text]:
    """A value that people get in words; nothing for None."""

    def text(table: Table, row: Row) -> str:
        found = value(table, row)
        return "" if found is None else spell(found)

    return value, text


def _shapes(which: str) -> tuple[Value, Text]:
    tensors: Callable[[Row], tuple[TensorInfo, ...]] = attrgetter(f"{which}s")

    def value(_: Table, row: Row) -> Any:
        shapes = tuple(info.shape for info in tensors(row))
        return shapes[0] if len(shapes) == 1 else (shapes or None)

    def text(table: Table, row: Row) -> str:
        found = tensors(row)
        if len(found) == 1:
            return _shape(found[0].shape)
        return _tensors(table, row, which)[0] if found else ""

    return value, text


def _type_text(table: Table, row: Row) -> str:
    if row.links > 1:
        return _chain_text([call.type for call in table.chain(row)])
    return type_text(row.type, map(table.report.calls.__getitem__, row.calls))


def _chain_text(types: Sequence[str]) -> str:
    """Functions that follow one another, each name once.

    >>> _chain_text(["Tensor.view", "Tensor.transpose"]), _chain_text(["torch.permute", "Tensor.view", "Tensor.view"])
    ('view, transpose', 'permute, view (3)')
    """
    names = dict.fromkeys(name.rpartition(".")[2] for name in types)
    said = ", ".join(names)
    return said if len(names) == len(types) else f"{said} ({len(types)})"


def _params_text(_: Table, row: Row) -> str:
    if row.params is None:
        return ""
    return f"({row.counted})" if row.counted and not row.params else words.count(row.params)


def _percent_value(table: Table, row: Row) -> float | None:
    if row.params is None:
        return None
    return 100 * row.params / table.total_params if table.total_params else 0.0


def _percent_text(table: Table, row: Row) -> str:
    share = _percent_value(table, row)
    return words.percent(share / 100) if share is not None and row.params else ""


def _trainable(_: Table, row: Row) -> bool | str | None:
    if not row.params:
        return None
    return True if row.trainable == row.params else "partly" if row.trainable else False


def _setting(name: str) -> tuple[Value, Text]:
    def value(table: Table, row: Row) -> Any:
        call = table.call(row)
        if call is None or row.kind == "group":
            return None
        from convlin.ops.catalog import settings_of

        found = (settings_of(call) if call.is_function else call.settings).get(name)
        return tuple(found) if isinstance(found, list) else found

    return _spelled(value, words.setting)


def _arithmetic(table: Table, row: Row) -> str:
    if row.problems:
        return needs(row.problems[0])
    call = table.call(row)
    if call is None or row.kind == "group" or row.failed:
        return ""
    return ", ".join([text for index in row.calls[: row.links] if (text := _derived(table, index))])


def _derived(table: Table, index: int) -> str:
    """The arithmetic of a call, worked out once for all that are alike: it takes 20 µs for a convolution."""
    call = table.report.calls[index]
    if call.derive is None:
        return ""
    key = (id(call.derive), table.alike.number(index))
    text = table.arithmetic.get(key)
    if text is None:
        derivation = call.derivation
        text = table.arithmetic[key] = "" if derivation is None else derived(derivation, call.input_shape)
    return text


def _problem(_: Table, row: Row) -> str | None:
    if row.problems:
        return "; ".join(map(needs, row.problems))
    return "the pass stopped here" if row.failed else None


def needs(problem: Problem) -> str:
    """What is wrong, in so few words that a row can hold it.

    >>> needs(Problem("in_features", "fc1", declared=999, required=2048))
    'needs in_features=2048, has 999'
    >>> needs(Problem("too_small", "conv", declared=(24, 24), required=(46, 46)))
    'the input is 24×24, needs at least 46×46'
    >>> needs(Problem("in_features", "fc1", declared=11, required=(10, 12)))
    'needs in_features=10 and 12, has 11'
    >>> needs(Problem("reshape", "", declared="view", required="reshape"))
    'not contiguous: use reshape'
    """
    if problem.declared is None or problem.required is None:
        return _IN_SHORT["error"]
    if problem.required == "reshape":
        return "not contiguous: use reshape"
    short = _IN_SHORT.get(problem.kind)
    if problem.kind == "reshape" and problem.required == problem.declared:  # the number of rows does not go
        short = "see below"
    if short is None:
        if isinstance(problem.required, tuple) and not isinstance(problem.declared, tuple):  # of several calls
            return f"needs {problem.kind}={' and '.join(map(_said, problem.required))}, has {_said(problem.declared)}"
        return f"needs {problem.kind}={_said(problem.required)}, has {_said(problem.declared)}"
    return short.format(declared=words.setting(problem.declared), required=words.setting(problem.required))


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_said, value))}{',' if len(value) == 1 else ''})"
    return words.setting(value)


def _flops(per: int) -> tuple[Value, Text]:
    return _spelled(lambda _, row: None if row.flops is None else row.flops // per, words.count)


def _memory_value(_: Table, row: Row) -> Any:
    return row.memory if row.calls or row.kind == "rest" else None


def _memory_text(_: Table, row: Row) -> str:
    return words.memory(row.memory) if row.memory != 0 else ""


def _fields(table: Table, row: Row) -> list[Any]:
    """The receptive fields of the first and last call of a row, which differ where blocks were folded."""
    found = [table.receptive_fields[row.calls[index]] for index in (row.links - 1, -1)] if row.calls else []
    return [] if row.kind == "group" or None in found else found[: 1 + (row.times > 1)]


def _field_value(table: Table, row: Row) -> Any:
    found = _fields(table, row)
    return found[-1].value if found else None


def _field_text(table: Table, row: Row) -> str:
    return " … ".join(dict.fromkeys(field.text for field in _fields(table, row)))


def _of_output(name: str) -> tuple[Value, Text]:
    return _spelled(lambda _, row: getattr(row.outputs[0], name) if row.outputs else None, str)


def _where_value(_: Table, row: Row) -> Any:
    return f"{row.where.file}:{row.where.line}" if row.where else None


#: Every column, by the name under which it is asked for.
COLUMNS: dict[str, Column] = {
    "layer": Column("Layer", lambda _, row: row.path, lambda table, row: table.label(row)),
    "type": Column("Type", lambda table, row: _type_text(table, row) if row.links > 1 else row.type, _type_text),
    "input": Column("Input", *_shapes("input")),
    "output": Column("Output", *_shapes("output")),
    "params": Column("Params", lambda _, row: row.params, _params_text, is_number=True),
    "params_percent": Column("Params %", _percent_value, _percent_text, is_number=True),
    "trainable": Column("Trainable", *_spelled(_trainable, words.setting)),
    "kernel": Column("Kernel", *_setting("kernel_size")),
    "stride": Column("Stride", *_setting("stride")),
    "padding": Column("Padding", *_setting("padding")),
    "dilation": Column("Dilation", *_setting("dilation")),
    "groups": Column("Groups", *_setting("groups"), is_number=True),
    "arithmetic": Column("Arithmetic", lambda table, row: _arithmetic(table, row) or remark(row) or None, _arithmetic),
    "problem": Column("Problem", *_spelled(_problem, str)),
    "flops": Column("FLOPs", *_flops(1), is_number=True),
    "mult_adds": Column("Mult-adds", *_flops(2), is_number=True),
    "memory": Column("Memory", _memory_value, _memory_text, is_number=True),
    "receptive_field": Column("Receptive field", _field_value, _field_text),
    "dtype": Column("Dtype", *_of_output("dtype")),
    "device": Column("Device", *_of_output("device")),
    "where": Column("Where", _where_value, lambda _, row: row.where.text if row.where else ""),
}
