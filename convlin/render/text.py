"""The printed table, the problems and the totals."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from convlin._util.call_spelling import call_spelling
from convlin.records import Problem, Report, problem_text
from convlin.render import words
from convlin.render.batch import Samples
from convlin.render.columns import COLUMNS, Lines, flat, lines_by_row, without
from convlin.render.fit import fitted, giving_way
from convlin.render.options import WIDTH, Options
from convlin.render.rows import Table, build_table

#: A model with more shared modules or tied parameters than this names the first ones.
_MOST_SHARED = 6
#: So does one with more layers of which the fix is the same line.
_MOST_ALIKE = 6

#: Stands for a blank at which a line must not end.
_HELD = "\u00a0"


def table(report: Report, options: Options | None = None) -> str:
    """The whole text: head line, a row for every layer and shape-changing function, problems, totals.

    ``ascii_only=None`` decides by the encoding of standard output.
    """
    chosen = options or Options()
    plain = chosen.ascii_only if chosen.ascii_only is not None else not carries_signs()
    width = WIDTH if chosen.width is None else chosen.width
    made, lines = arranged(report, chosen, width)
    rows = rows_text(made, width, ascii_only=plain, lines=lines)
    below = ("\n".join(_folded(line, width) for line in lines) for lines in (notes(made), totals(made).splitlines()))
    parts = [_folded(head(report, chosen), width), rows, problems_text(report), *below]
    text = "\n\n".join(part for part in parts if part)
    return words.ascii_only(text) if plain else text


def arranged(report: Report, options: Options, width: int) -> tuple[Table, Lines]:
    """The rows, indented below their containers where that is asked for, or where whole paths do not fit.

    Of the usual columns, the input gives way: it is nearly always the output of a row above.
    """
    made = build_table(report, options, grouped=options.tree is not False)
    lines = lines_by_row(made, short_heads=True)
    if options.tree is None:
        without_heads = flat(made, lines)
        if len(without_heads[1]) == len(lines) or "layer" not in giving_way(*without_heads, width):
            made, lines = without_heads
    lacking = giving_way(made, lines, width)
    if options.columns is None and "input" in made.columns and {"layer", "output"} & lacking:
        width_, columns = (call_spelling().option(name) for name in ("width", "columns"))
        note = f"no room for the column Input: a larger {width_} shows it, and so does {columns}"
        made, lines = without("input", replace(made, notes=(*made.notes, note)), lines)
    return made, lines


def carries_signs() -> bool:
    """Whether standard output can be sent the signs that a table is written with."""
    return words.carried("×·−⌊⌋✗–…", sys.stdout) == "×·−⌊⌋✗–…"


def head(report: Report, options: Options) -> str:
    """What was run on what: ``CNN  input 1×3×32×32  cpu, eval``."""
    if not report.mode:
        return f"{report.model}  (no forward pass: structure and parameters only)"
    return f"{report.model}  input {given(report, options)}  {report.device}, {report.mode}"


def given(report: Report, options: Options | None = None) -> str:
    """The inputs, those passed by name with their names."""
    samples = Samples(report) if options is not None and not options.batch else None
    infos = report.named_inputs if samples is None else samples.tensors(report.named_inputs)
    inputs = [
        f"{info.place}={words.shape(info.shape)}" if info.place.isidentifier() else words.shape(info.shape)
        for info in infos
    ]
    without = f" (batch of {words.size(samples.batch)} left out)" if samples is not None and samples.batch else ""
    return (", ".join(inputs) or "without tensors") + without


def _folded(line: str, width: int) -> str:
    """A line of prose over several lines, where it is too long; what follows is indented.

    A line of totals is broken between them first.
    """
    if len(line) <= width:
        return line
    if "   " in line:
        lines: list[str] = []
        for part in line.split("   "):
            if lines and len(lines[-1]) + len(part) + 3 <= width:
                lines[-1] += f"   {part}"
            else:
                lines.append(part)
        return "\n".join(_folded(part, width) for part in lines)
    held = re.sub("⌊[^⌋]*⌋", lambda found: found.group().replace(" ", _HELD), line)
    wrapped = textwrap.wrap(held, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapped).replace(_HELD, " ")


def rows_text(made: Table, width: int = WIDTH, *, ascii_only: bool = False, lines: Lines | None = None) -> str:
    """The rows alone, set in columns; ``lines`` are their cells, where they are written already."""
    if not made.rows:
        return ""
    from convlin.render.grid import grid

    written = lines_by_row(made, short_heads=True) if lines is None else lines
    cells = [line for row in fitted(made, written, width, ascii_only=ascii_only) for line in row]
    headers = [COLUMNS[name].header for name in made.columns]
    return grid(headers, cells, [number for number, name in enumerate(made.columns) if COLUMNS[name].is_number])


def problems_text(report: Report) -> str:
    """Every problem with its lines, as it stands under the table.

    Where one line is the fix of several that are alike, as in a block that is made sixteen times, it is told once.
    """
    alike: dict[tuple[object, ...], list[Problem]] = {}
    for number, problem in enumerate(report.problems):
        is_line = problem.fix is not None and problem.where is not None
        sizes = repr((problem.declared, problem.required))  # a setting may be a list, which cannot be looked up
        key = (problem.kind, sizes, problem.fix, problem.where, problem.evidence) if is_line else (number,)
        alike.setdefault(key, []).append(problem)
    return "\n\n".join(_told_once(found, report.model) for found in alike.values())


def _told_once(problems: Sequence[Problem], model: str) -> str:
    """Problems with one fix: the first, and where the others are."""
    first, *others = problems
    told = problem_text(first, model)
    if not others:
        return told
    return f"{told}\n    the same for {words.listed([each.path or model for each in others], _MOST_ALIKE)}"


def not_real(report: Report) -> str:
    """What is said in place of shapes that a model with problems would not have once it runs."""
    return f"{report.model} cannot run as it is, so its shapes are not real:\n\n{problems_text(report)}"


def notes(made: Table) -> list[str]:
    """What cannot be seen from the rows: remarks of the pass, modules and parameters with several names."""
    report = made.report
    accepts = [f"accepts {report.accepts.text}"] if report.accepts is not None else []
    found = [*made.notes, *accepts, *report.remarks]
    if made.options.needs_flops and report.mode and all(call.flops is None for call in report.calls):
        found.append(f"FLOPs were not counted in this pass: {_uncounted(report)}")
    shared = [f"{alias} is {module.path}" for module in report.modules for alias in module.aliases]
    shared += [
        f"{module.path}.{info.name}".removeprefix(".") + f" is {info.alias_of}"
        for module in report.modules
        for info in module.parameters
        if info.alias_of is not None
    ]
    if shared:
        found.append(f"shared: {words.listed(shared, _MOST_SHARED)}")
    return found


def _uncounted(report: Report) -> str:
    """What to do to have operations counted."""
    if any(not isinstance(size, int) for info in report.inputs for size in info.shape):
        return "they are counted at numbers, so write numbers in place of the letters"
    return "summarize counts them when it is given their column"


def totals(made: Table) -> str:
    """The lines at the foot: parameters, memory, and operations where they were counted.

    They speak of the whole model, whatever rows are shown.
    """
    from convlin.analysis.memory import calls_of_model, estimate

    report = made.report
    counted, memory = report.parameter_sums, estimate(report)
    total, trainable = counted.elements, counted.trainable
    parts = [f"parameters {words.count(total)}", f"trainable {words.count(trainable)}"]
    if total != trainable:
        parts.append(f"non-trainable {words.count(total - trainable)}")
    parts.append(words.memory(memory.parameters))
    if memory.buffers:
        parts.append(f"buffers {words.memory(memory.buffers)}")
    found = ["   ".join(parts)]
    if report.mode:
        second = [f"input {words.memory(memory.input)}", f"activations {words.memory(memory.activations)}"]
        if report.calls_vary:
            second[-1] += " (other sizes have other rows)"
        times = len(calls_of_model(report))
        if times > 1:
            second[-1] += f" (the first of {times} calls)"
        if isinstance(memory.total, int) and memory.total != -1:
            second.append(f"estimated total {words.memory(memory.total)}")
        flops = [row.flops for row in made.rows if row.flops is not None and row.kind != "group"]
        if made.options.needs_flops and flops:
            amount = sum(flops)
            second.append(f"FLOPs {words.count(amount)}")
            second.append(f"mult-adds {words.count(amount // 2)}")
        found.append("   ".join(second))
    return "\n".join(found)
