"""From a report to the rows of its table, before anything is folded: which calls get one, and what each counts.

Every distinct parameter, every byte and every floating-point operation is counted in exactly one
row, so that a column always adds up to its total, whatever is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from itertools import starmap

from convlin._util.suggest import nearest_or_all
from convlin.analysis.memory import bytes_of
from convlin.records import Join, ModuleInfo, Problem, Report, Size
from convlin.render.meetings import Meetings
from convlin.render.options import Options, patterns
from convlin.render.row import Row
from convlin.render.tree import LISTS, Block, above, depths, parents

#: Nobody expects a call of these.
_NEVER_CALLED = LISTS | {"ParameterList", "ParameterDict"}


class Unfolded:
    """The rows of one table before any is folded; ``blocks`` and ``rest`` are what comes out."""

    def __init__(self, report: Report, options: Options) -> None:
        self.report = report
        self.options = options
        self.blocks: list[Block] = []
        self.rest: list[Row] = []
        """What the rows above leave out."""
        self.notes: list[str] = []
        self._depth = depths(report)
        self._parents = parents(report.calls)
        self._modules = {module.path: module for module in report.modules}
        self._of_path: dict[str, Row] = {}
        self._of_call: dict[int, Row] = {}
        self._troubled: dict[int, list[Problem]] = {}
        for problem in report.problems:
            if problem.call is not None:
                self._troubled.setdefault(problem.call, []).append(problem)
        if report.mode:
            self._from_calls()
        else:
            self._from_modules()
        self._count_parameters()
        self._count_calls()
        if options.parameters:
            self._name_parameters()
        if options.only is not None or options.hide is not None:
            self._keep_only(options.only, options.hide)

    # Which rows there are

    def _from_calls(self) -> None:
        calls = self.report.calls
        blocks = [Block(call.path, call.type, index) for index, call in enumerate(calls)]
        first: dict[str, Block] = {}
        met = Meetings(self.report)
        waiting = met.before() if self.options.functions == "all" else {}
        for index, (call, block, parent) in enumerate(zip(calls, blocks, self._parents, strict=True)):
            for join in waiting.get(index, ()):
                if self.options.depth is None or self._depth(join.path) < self.options.depth:
                    self._add_meeting(join, met.row(join), blocks, index)
            (blocks[parent].children if parent >= 0 else self.blocks).append(block)
            if not call.is_function:
                first.setdefault(call.path, block)
            if self._is_shown(index):
                block.row = self._row_of_call(index)
        self._add_uncalled(first)

    def _add_meeting(self, join: Join, row: Row, blocks: list[Block], index: int) -> None:
        """A row inside the innermost container around a call whose path the join names."""
        calls = self.report.calls
        while index >= 0 and (calls[index].is_function or calls[index].path != join.path):
            index = self._parents[index]
        block = Block(join.path, join.function)
        block.row = row
        (blocks[index].children if index >= 0 else self.blocks).append(block)

    def _row_of_call(self, index: int) -> Row:
        call = self.report.calls[index]
        kind, problems = "function" if call.is_function else "call", tuple(self._troubled.get(index, ()))
        row = Row(kind, call.path, call.type, (index,), problems=problems, failed=call.failed)
        if not call.is_function and self._of_path.setdefault(call.path, row) is not row:
            row.counted = "reused"
        self._of_call[index] = row
        return row

    def _is_shown(self, index: int) -> bool:
        """Leaves, functions, containers with parameters of their own or at the last depth, whatever is wrong."""
        call = self.report.calls[index]
        if call.failed or index in self._troubled:
            return True
        if call.is_function and self.options.functions == "none":
            return False
        deepest = self.options.depth
        if deepest is not None and (depth := self._depth(call.path) + call.is_function) >= deepest:
            return depth == deepest
        if call.is_function or call.inner == 0 or call.params or (call.flops and self.options.needs_flops):
            return True
        module = self._modules.get(call.path)
        return module is None or module.is_leaf

    def _add_uncalled(self, first: dict[str, Block]) -> None:
        """Rows of modules that hold something and were not called, beside what they lie in."""
        unreached = Row("rest", "", "")
        names: list[str] = []
        for module in self.report.modules:
            if module.calls or not (module.is_leaf or module.parameters) or module.type in LISTS:
                continue
            if not self.report.completed and module.remark == "never called":
                names.append(module.path)
                self._of_path[module.path] = unreached
                continue
            row = self._row_of_module(module)
            if row is None:
                continue
            if not self.report.completed and module.remark.startswith("not called itself"):
                row.remark = "the pass stopped inside it"
            around = next((first[path] for path in above(module.path) if path in first), None)
            block = Block(row.path, row.type)
            block.row = row
            if around is not None and not around.children:  # nothing was called in there: no order of calls to keep
                around.own_first = True
            (around.children if around is not None else self.blocks).append(block)
        if names:
            unreached.path = f"({len(names)} {'modules' if len(names) > 1 else 'module'} not reached)"
            unreached.remark = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
            self.rest.append(unreached)

    def _row_of_module(self, module: ModuleInfo) -> Row | None:
        """A row for a module without a call, or for what it lies in at the last depth; None where that has one."""
        deepest = self.options.depth
        if deepest is not None and self._depth(module.path) > deepest:
            # The outermost: a list of modules is as deep as the container that holds it.
            *_, upper = (path for path in above(module.path) if self._depth(path) == deepest)
            if upper in self._of_path or upper not in self._modules:
                return None
            module = self._modules[upper]
        if module.path in self._of_path:
            return None
        remark = module.remark if module.type not in _NEVER_CALLED else ""
        row = Row("module", module.path, module.type, remark=remark)
        self._of_path[module.path] = row
        return row

    def _from_modules(self) -> None:
        """Without a pass: the modules themselves, in their own order."""
        blocks: dict[str, Block] = {}
        deepest = self.options.depth
        for module in self.report.modules:
            block = blocks[module.path] = Block(module.path, module.type, own_first=True)
            above_it = blocks.get(module.path.rpartition(".")[0]) if module.path else None
            (above_it.children if above_it is not None else self.blocks).append(block)
            depth = self._depth(module.path)
            cut = deepest is not None and depth >= deepest
            if (cut and depth != deepest) or module.type in LISTS:
                continue
            if cut or module.is_leaf or module.parameters:
                block.row = Row("module", module.path, module.type)
                self._of_path[module.path] = block.row

    # What each row counts

    def _left_over(self) -> Row:
        """The row for what no other row counts."""
        if not self.rest or self.rest[-1].path != "(other)":
            self.rest.append(Row("rest", "(other)", ""))
        return self.rest[-1]

    def _count_parameters(self) -> None:
        for module in self.report.modules:
            own = [(module, info) for info in module.parameters if info.alias_of is None]
            if own:
                (self._nearest(module.path) or self._left_over()).owned += own

    def _count_calls(self) -> None:
        for index, call in enumerate(self.report.calls):
            amount: Size = 0 if call.inner else bytes_of(call.outputs)
            if not call.flops and isinstance(amount, int) and amount == 0:
                if call.flops == 0 and index in self._of_call:
                    self._of_call[index].add_flops(0)
                continue
            row = self._counting(index)
            row.memory = row.memory + amount
            row.add_flops(call.flops)

    def _counting(self, index: int) -> Row:
        """The row that counts a call: its own, or that of the nearest call or module around it."""
        found: int = index
        while found >= 0:
            if found in self._of_call:
                return self._of_call[found]
            found = self._parents[found]
        path = self.report.calls[index].path
        return self._nearest(path) or self._left_over()

    def _nearest(self, path: str) -> Row | None:
        """The first row of the module at ``path``, or of the nearest one that it lies in."""
        own = self._of_path.get(path)
        if own is not None:
            return own
        return next((self._of_path[upper] for upper in above(path) if upper in self._of_path), None)

    # What else is shown, or not

    def _name_parameters(self) -> None:
        """A row for every weight and bias behind the row that counts it, which counts nothing then."""
        for block in self._walk():
            if block.row is not None:
                block.extras = self._named(block.row)

    def _walk(self) -> list[Block]:
        found = list(self.blocks)
        for block in found:
            found.extend(block.children)
        return found

    def _named(self, row: Row) -> list[Row]:
        module = self._modules.get(row.path)
        if row.kind == "function" or row.counted or module is None:
            return []
        shared = [(module, info) for info in module.parameters if info.alias_of is not None]
        rows: list[Row] = []
        for holder, info in (*row.owned, *shared):
            path = f"{holder.path}.{info.name}" if holder.path else info.name
            owned, remark = ([], f"is {info.alias_of}") if info.alias_of else ([(holder, info)], "")
            rows.append(Row("parameter", path, "Parameter", named=info, owned=owned, remark=remark))
        row.owned = []
        if rows:
            row.counted = "detailed"
        return rows

    def _keep_only(self, only: str | None, hide: str | None) -> None:
        asked, unwanted = _matcher(only or "*"), _matcher(hide or "")
        other = Row("rest", "", "")
        dropped: list[Row] = []
        there: list[tuple[str, str]] = []

        def kept(row: Row) -> bool:
            names = [(row.type, row.path)]
            # A weight stays with the layer that it belongs to.
            owner = row.path.rpartition(".")[0]
            if row.kind == "parameter" and owner in self._modules:
                names.append((self._modules[owner].type, owner))
            there.extend(names)
            is_hidden = any(unwanted(*name) for name in names) and not (row.problems or row.failed)
            if any(asked(*name) for name in names) and not is_hidden:
                return True
            dropped.append(row)
            return False

        for block in self._walk():
            if block.row is not None and not kept(block.row):
                block.row = None
            block.extras = [row for row in block.extras if kept(row)]
        types = sorted({kind for kind, _ in there if kind != "Parameter"})
        unknown = [
            f"{option}={given!r} names nothing here{_instead(given, types)}"
            for option, given in (("only", only), ("hide", hide))
            if given and not any(starmap(_matcher(given), there))
        ]
        if not unknown and not any(block.row is not None or block.extras for block in self._walk()):
            unknown.append(f"hide={hide!r} hides every row; there are {', '.join(types)}")
        self.notes += unknown
        other.absorb(dropped)
        if dropped:
            other.calls = ()
            other.times = 1
            other.path = f"({len(dropped)} other {'rows' if len(dropped) > 1 else 'row'})"
            self.rest.append(other)


def _instead(given: str, types: Sequence[str]) -> str:
    """What to write for names of which there are none."""
    parts = given.split(",")
    return f"; write {'|'.join(map(str.strip, parts))!r}" if len(parts) > 1 else nearest_or_all(given, types)


def _matcher(only: str) -> Callable[[str, str], bool]:
    globs = patterns(only)
    return lambda kind, path: any(fnmatchcase(kind, glob) or fnmatchcase(path, glob) for glob in globs)
