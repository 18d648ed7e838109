"""The printed table, the problems and the totals."""

from __future__ import annotations

import sys

from convlin.records import Report, problem_text
from convlin.render import words
from convlin.render.columns import COLUMNS, all_lines
from convlin.render.options import Options
from convlin.render.rows import Table, build_table

#: A model with more shared modules or tied parameters than this names the first ones.
_MOST_SHARED = 6


def table(report: Report, options: Options | None = None) -> str:
    """The whole text: head line, a row for every layer and shape-changing function, problems, totals.

    ``ascii_only=None`` decides by the encoding of standard output.
    """
    chosen = options or Options()
    plain = chosen.ascii_only if chosen.ascii_only is not None else not carries_signs()
    made = build_table(report, chosen)
    rows = rows_text(made, ascii_only=plain)
    parts = [head(report), rows, problems_text(report), "\n".join(notes(made)), totals(made)]
    text = "\n\n".join(part for part in parts if part)
    return words.ascii_only(text) if plain else text


def carries_signs() -> bool:
    """Whether standard output can be sent the signs that a table is written with."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        "×·−⌊⌋✗–…".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def head(report: Report) -> str:
    """What was run on what: ``CNN  input 1×3×32×32  cpu, eval``."""
    if not report.mode:
        return f"{report.model}  (no forward pass: structure and parameters only)"
    return f"{report.model}  input {given(report)}  {report.device}, {report.mode}"


def given(report: Report) -> str:
    """The inputs, those passed by name with their names."""
    inputs = [
        f"{info.place}={words.shape(info.shape)}" if info.place.isidentifier() else words.shape(info.shape)
        for info in report.inputs
    ]
    return ", ".join(inputs) or "without tensors"


def rows_text(made: Table, *, ascii_only: bool = False) -> str:
    """The rows alone, set in columns."""
    if not made.rows:
        return ""
    from convlin.render.grid import grid

    cells = all_lines(made)
    if ascii_only:
        # Before the columns are set: ``floor(`` is wider than the sign it stands for.
        cells = [tuple(map(words.ascii_only, line)) for line in cells]
    headers = [COLUMNS[name].header for name in made.columns]
    return grid(headers, cells, [number for number, name in enumerate(made.columns) if COLUMNS[name].is_number])


def problems_text(report: Report) -> str:
    """Every problem with its lines, as it stands under the table."""
    return "\n\n".join(problem_text(problem, report.model) for problem in report.problems)


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
    from convlin.analysis.memory import estimate

    report = made.report
    total, trainable = report.total_params, report.trainable_params
    memory = estimate(report)
    parts = [f"parameters {words.count(total)}", f"trainable {words.count(trainable)}"]
    if total != trainable:
        parts.append(f"frozen {words.count(total - trainable)}")
    parts.append(words.memory(memory.parameters))
    if memory.buffers:
        parts.append(f"buffers {words.memory(memory.buffers)}")
    found = ["   ".join(parts)]
    if report.mode:
        second = [f"input {words.memory(memory.input)}", f"activations {words.memory(memory.activations)}"]
        flops = [row.flops for row in made.rows if row.flops is not None]
        if made.options.needs_flops and flops:
            amount = sum(flops[1:], flops[0])
            second.append(f"FLOPs {words.count(amount)}")
            second.append(f"mult-adds {words.count(amount // 2)}")
        found.append("   ".join(second))
    return "\n".join(found)
