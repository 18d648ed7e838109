"""A report as the rows of a table: frozen records of what to show, before any sign is chosen.

Text, Markdown, HTML, LaTeX, CSV and data frames are all made from the same ``Table``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from convlin._util.gc_pause import paused
from convlin.records import Call, Location, ParameterSums, Problem, Report, Size, TensorInfo, sums
from convlin.render.batch import Samples
from convlin.render.chains import chained
from convlin.render.drafts import Drafts
from convlin.render.fold import ENOUGH, LONG, fold
from convlin.render.options import DEFAULT, DEFAULT_WITHOUT_PASS, Options
from convlin.render.tree import Alike, Block, Draft, drafts, seen

#: Blanks for each level of a table with indented rows.
INDENT = 2

_SHARED_ROWS = "views and transposes that follow one another share a row; fold=False shows each"


class Row(NamedTuple):
    """One row: what it is about, and what is counted in it and in no other."""

    kind: str
    """``call``; ``function`` (between modules); ``module`` (without a call); ``parameter``; ``group`` (the
    head of a container's rows, which repeats their sums); ``rest`` (what the other rows leave out)."""
    path: str
    """The module's path, of folded ones with a range (``layers.0–31.attn``); of a function, the calling module's."""
    type: str
    calls: tuple[int, ...] = ()
    """The calls it stands for; several where repeated blocks are folded."""
    times: int = 1
    """How many rows were folded into this one."""
    links: int = 1
    """How many functions, each of which takes what the one before returns, stand in this row."""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    params: int | None = None
    """Elements of the parameters counted in this row; None where there is nothing to count (a function)."""
    trainable: int = 0
    counted: str = ""
    """Why its parameters are counted elsewhere: ``reused``, ``tied``, or ``detailed`` in rows of their own."""
    memory: Size = 0
    """Bytes of the outputs counted in this row."""
    flops: Size | None = None
    """Floating-point operations counted in this row, where they were asked for."""
    problems: tuple[Problem, ...] = ()
    failed: bool = False
    remark: str = ""
    where: Location | None = None
    level: int = 0
    """How deep it lies in the groups; 0 without groups."""
    groups: tuple[int, ...] = ()
    """The groups that it lies in, by number, outermost first."""
    group: int | None = None
    """For the head of a group, its number."""
    base: str = ""
    """The path of the innermost group that it lies in."""

    @property
    def label(self) -> str:
        """The first column: path, mark and multiplicity.

        >>> Row("call", "layers.0–3.fc", "Linear", times=4).label
        'layers.0–3.fc ×4'
        """
        if self.kind == "function":  # a range in the path is what was folded
            return self._marked(f"({self.path})" if self.times > 1 and self.path else "")
        return self._marked(self.path or self.type)

    @property
    def name(self) -> str:
        """The part of the path that the group around it has not said; ``(itself)`` for the group's own call.

        >>> Row("call", "encoder.0.fc", "Linear", base="encoder.0").name
        'fc'
        """
        if self.kind == "function":
            return ""
        if self.base and self.path == self.base:
            return "(itself)"
        return (self.path or self.type).removeprefix(f"{self.base}." if self.base else "")

    @property
    def nested_label(self) -> str:
        """The first column of a table whose rows are indented below their groups."""
        text = self._marked(self.name)
        return f"{' ' * INDENT * self.level}{text}" if text else ""

    def _marked(self, name: str) -> str:
        if self.problems or self.failed:
            name = f"{name} ✗" if name else "✗"
        if self.times > 1:
            name = f"{name} ×{self.times}" if name else f"×{self.times}"
        return name


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
    made = Drafts(report, options)
    alike = Alike(report.calls)
    blocks = seen(made.blocks)
    if options.fold is not False:
        blocks = chained(blocks, report)
        if options.fold:
            blocks = fold(blocks, alike, at_least=2)
        elif len(drafts(blocks)) > LONG:
            blocks = fold(blocks, alike, at_least=ENOUGH)
    freeze = _Freezer(report, None if options.batch else Samples(report))
    rows = _Grouper(report, freeze).grouped(blocks) if grouped else list(map(freeze, drafts(blocks)))
    rows += map(freeze, made.rest)
    shared = [_SHARED_ROWS] if any(row.links > 1 for row in rows) else []
    columns = options.columns or (DEFAULT if report.mode else DEFAULT_WITHOUT_PASS)
    return Table(report, options, columns, tuple(rows), (*made.notes, *shared), alike, nested=grouped)


class _Freezer:
    """From a draft to a row."""

    def __init__(self, report: Report, samples: Samples | None) -> None:
        self._report = report
        self._samples = samples
        self._modules = {module.path: module for module in report.modules}
        self._with_parameters: set[str] = set()
        for module in report.modules:
            path = module.path
            while module.parameters and path not in self._with_parameters:
                self._with_parameters.add(path)
                path = path.rpartition(".")[0]

    def __call__(self, draft: Draft, level: int = 0, groups: tuple[int, ...] = (), base: str = "") -> Row:
        call = self._report.calls[draft.calls[0]] if draft.calls else None
        last = self._report.calls[draft.calls[draft.links - 1]] if draft.calls else None
        inputs, outputs = self.tensors(call, last) if call is not None else self._shown(draft.inputs, draft.outputs)
        if draft.named is not None:
            named = draft.named
            outputs = (TensorInfo("", named.shape, named.dtype, named.device),)
        is_counted = draft.kind != "function" and draft.counted != "detailed"
        owned = sums([info for _, info in draft.owned]) if draft.owned else ParameterSums()
        return Row(
            kind=draft.kind,
            path=draft.path,
            type=draft.type,
            calls=draft.calls,
            times=draft.count,
            links=draft.links,
            inputs=inputs,
            outputs=outputs,
            params=owned.elements if is_counted else None,
            trainable=owned.trainable,
            counted=self._counted(draft, call),
            memory=draft.memory,
            flops=draft.flops,
            problems=draft.problems,
            failed=draft.failed,
            remark=draft.remark,
            where=self._where(draft, call),
            level=level,
            groups=groups,
            base=base,
        )

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

    def _counted(self, draft: Draft, call: Call | None) -> str:
        if draft.counted == "reused":
            path = call.path if call is not None else draft.path
            return "reused" if path in self._with_parameters else ""
        if draft.counted or draft.owned or draft.kind == "function":
            return draft.counted
        if draft.named is not None:
            return "tied" if draft.named.alias_of else ""
        module = self._modules.get(call.path if call is not None else draft.path)
        return "tied" if module is not None and module.parameters else ""

    def _where(self, draft: Draft, call: Call | None) -> Location | None:
        if call is not None and call.where is not None:
            return call.where
        if draft.where is not None:
            return draft.where
        module = self._modules.get(call.path if call is not None else draft.path)
        return module.where if module is not None and draft.kind != "function" else None


class _Grouper:
    """Rows in the order of the tree: the head of a container, then what lies inside."""

    def __init__(self, report: Report, freeze: _Freezer) -> None:
        self._report = report
        self._freeze = freeze
        self._groups = 0
        self._rows: list[Row] = []

    def grouped(self, blocks: list[Block]) -> list[Row]:
        """The rows of all blocks."""
        self._add(blocks, 0, (), "")
        return self._rows

    def _add(self, blocks: list[Block], level: int, groups: tuple[int, ...], base: str) -> None:
        """Add the rows of blocks that follow one another."""
        for block in blocks:
            if not block.children:
                self._rows += [self._freeze(draft, level, groups, base) for draft in block.own]
            elif _is_transparent(block, groups):
                self._add_inside(block, level, groups, base)
            else:
                self._add_group(block, level, groups, base)

    def _add_inside(self, block: Block, level: int, groups: tuple[int, ...], base: str) -> None:
        if block.own_first:
            self._rows += [self._freeze(draft, level, groups, base) for draft in block.own]
        self._add(block.children, level, groups, base)
        if not block.own_first:
            self._rows += [self._freeze(draft, level, groups, base) for draft in block.own]

    def _add_group(self, block: Block, level: int, groups: tuple[int, ...], base: str) -> None:
        number, self._groups = self._groups, self._groups + 1
        place = len(self._rows)
        self._add_inside(block, level + 1, (*groups, number), block.path)
        counted = [row for row in self._rows[place:] if row.kind != "group"]
        known = [row.flops for row in counted if row.flops is not None]
        inputs, outputs = self._freeze.tensors(self._report.calls[block.calls[0]]) if block.calls else ((), ())
        head = Row(
            kind="group",
            path=block.path,
            type=block.type,
            calls=block.calls,
            times=block.count,
            inputs=inputs,
            outputs=outputs,
            params=sum([row.params or 0 for row in counted]),
            trainable=sum([row.trainable for row in counted]),
            memory=_sum([row.memory for row in counted]) or 0,
            flops=_sum(known),
            level=level,
            groups=groups,
            group=number,
            base=base,
        )
        self._rows.insert(place, head)


def _is_transparent(block: Block, groups: tuple[int, ...]) -> bool:
    """The model itself is the table, and a container of one other thing adds nothing: their heads would only indent."""
    return (not block.path and not groups) or (len(block.children) == 1 and block.count == 1 and not block.own)


def _sum(amounts: list[Size]) -> Size | None:
    """The amounts together; None without any."""
    return sum(amounts[1:], amounts[0]) if amounts else None
