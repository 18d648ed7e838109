"""A report as the rows of a table: records of what to show, before any sign is chosen.

Text, Markdown, HTML, LaTeX, CSV and data frames are all made from the same ``Table``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convlin._util.call_spelling import call_spelling
from convlin._util.gc_pause import paused
from convlin.records import Call, ModuleInfo, ParameterSums, Report, TensorInfo, sums
from convlin.render.batch import Samples
from convlin.render.chains import chained
from convlin.render.fold import ENOUGH, LONG, fold
from convlin.render.options import DEFAULT, DEFAULT_WITHOUT_PASS, Options
from convlin.render.row import Row
from convlin.render.tree import Alike, Block, holding, rows_of, seen
from convlin.render.unfolded import Unfolded


@dataclass(frozen=True)
class Table:
    """Everything that a form needs: the rows, the columns, and what stands above and below them."""

    report: Report
    options: Options
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    alike: Alike
    nested: bool = False
    """Every container has a head, and its rows are indented below it."""

    def label(self, row: Row) -> str:
        """What stands in the first column."""
        return row.nested_label if self.nested else row.label

    @cached_property
    def total_params(self) -> int:
        """Elements of all distinct parameters, shown or not."""
        return self.report.total_params

    @cached_property
    def receptive_fields(self) -> tuple[Any, ...]:
        """For every call its receptive field, or None; worked out when the column is shown."""
        from convlin.analysis.receptive_field import receptive_fields

        return receptive_fields(self.report)

    def call(self, row: Row) -> Call | None:
        """The (first) call that a row stands for."""
        return self.report.calls[row.calls[0]] if row.calls else None

    @cached_property
    def arithmetic(self) -> dict[tuple[int, int], str]:
        """What was derived for this table, by the rule and the number of calls that are alike."""
        return {}

    def chain(self, row: Row) -> list[Call]:
        """The calls that follow one another in a row; the only one in most."""
        return [self.report.calls[number] for number in row.calls[: row.links]]


@paused()
def build_table(report: Report, options: Options, *, grouped: bool = False) -> Table:
    """The rows of a report.  ``grouped`` puts a head before the rows of every container.

    >>> build_table(Report("Net", (), (), "cpu", "", (), ()), Options()).columns
    ('layer', 'type', 'params')
    """
    made = Unfolded(report, options)
    alike = Alike(report.calls)
    blocks = seen(made.blocks)
    if options.fold is not False:
        blocks = chained(blocks, report)
        if options.fold:
            blocks = fold(blocks, alike, at_least=2)
        elif len(rows_of(blocks)) > LONG:
            blocks = fold(blocks, alike, at_least=ENOUGH)
    finished = _Finisher(report, None if options.batch else Samples(report))
    rows = _Grouper(report, finished).grouped(blocks) if grouped else list(map(finished, rows_of(blocks)))
    rows += map(finished, made.rest)
    shared = [_shared_rows()] if any(row.links > 1 for row in rows) else []
    columns = options.columns or (DEFAULT if report.mode else DEFAULT_WITHOUT_PASS)
    return Table(report, options, columns, tuple(rows), (*made.notes, *shared), alike, nested=grouped)


class _Finisher:
    """Fills in what a row shows of its call or module, and the sums of its parameters."""

    def __init__(self, report: Report, samples: Samples | None) -> None:
        self._report = report
        self._samples = samples
        self._modules = {module.path: module for module in report.modules}
        self._with_parameters = holding(report)

    def __call__(self, row: Row) -> Row:
        call = self._report.calls[row.calls[0]] if row.calls else None
        if call is not None:
            row.inputs, row.outputs = self.tensors(call, self._report.calls[row.calls[row.links - 1]])
            row.where = call.where
        elif row.named is not None:
            row.outputs = (TensorInfo("", row.named.shape, row.named.dtype, row.named.device),)
        else:
            row.inputs, row.outputs = self._shown(row.inputs, row.outputs)
        owned = sums([info for _, info in row.owned]) if row.owned else ParameterSums()
        row.params = owned.elements if row.kind != "function" and row.counted != "detailed" else None
        row.trainable = owned.trainable
        module = self._modules.get(call.path if call is not None else row.path)
        row.counted = self._counted(row, module)
        if row.where is None and module is not None and row.kind != "function":
            row.where = module.where
        return row

    def tensors(self, call: Call, last: Call | None = None) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """What is shown as the input of a call and as the output of the last that it hands on to."""
        last = last or call
        return self._shown(call.inputs, last.outputs, last)

    def _shown(
        self, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...], call: Call | None = None
    ) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        if self._samples is None:
            return inputs, outputs
        return self._samples.tensors(inputs), self._samples.tensors(outputs, call)

    def _counted(self, row: Row, module: ModuleInfo | None) -> str:
        if row.counted == "reused":
            return "reused" if module is not None and module.path in self._with_parameters else ""
        if row.counted or row.owned or row.kind == "function":
            return row.counted
        if row.named is not None:
            return "tied" if row.named.alias_of else ""
        return "tied" if module is not None and module.parameters else ""


class _Grouper:
    """Rows in the order of the tree: the head of a container, then what lies inside."""

    def __init__(self, report: Report, finished: _Finisher) -> None:
        self._report = report
        self._finished = finished
        self._groups = 0
        self._rows: list[Row] = []

    def grouped(self, blocks: list[Block]) -> list[Row]:
        """The rows of all blocks."""
        self._add(blocks, 0, (), "")
        return self._rows

    def _add(self, blocks: list[Block], level: int, groups: tuple[int, ...], base: str) -> None:
        """Add the rows of blocks that follow one another."""
        for block in blocks:
            if not block.children or _is_transparent(block, groups):
                self._add_inside(block, level, groups, base)
            else:
                self._add_group(block, level, groups, base)

    def _add_inside(self, block: Block, level: int, groups: tuple[int, ...], base: str) -> None:
        if block.children and not block.own_first:
            self._add(block.children, level, groups, base)
        for row in map(self._finished, block.own):
            row.level, row.groups, row.base = level, groups, base
            self._rows.append(row)
        if block.children and block.own_first:
            self._add(block.children, level, groups, base)

    def _add_group(self, block: Block, level: int, groups: tuple[int, ...], base: str) -> None:
        number, self._groups = self._groups, self._groups + 1
        place = len(self._rows)
        self._add_inside(block, level + 1, (*groups, number), block.path)
        counted = [row for row in self._rows[place:] if row.kind != "group"]
        head = Row("group", block.path, block.type, block.calls, block.count)
        head.level, head.groups, head.group, head.base = level, groups, number, base
        if block.calls:
            head.inputs, head.outputs = self._finished.tensors(self._report.calls[block.calls[0]])
        head.params = sum([row.params or 0 for row in counted])
        head.trainable = sum([row.trainable for row in counted])
        head.memory = sum([row.memory for row in counted])
        flops = [row.flops for row in counted if row.flops is not None]
        head.flops = sum(flops) if flops else None
        self._rows.insert(place, head)


def _is_transparent(block: Block, groups: tuple[int, ...]) -> bool:
    """The model itself is the table, and a container of one other thing adds nothing: their heads would only indent."""
    return (not block.path and not groups) or (len(block.children) == 1 and block.count == 1 and not block.own)


def _shared_rows() -> str:
    unfolded = call_spelling().option("fold", False)
    return f"views and transposes that follow one another share a row; {unfolded} shows each"
