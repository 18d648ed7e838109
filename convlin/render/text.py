"""The printed table, the problems and the totals."""

from __future__ import annotations

import sys

from tabulate import tabulate

from convlin.records import Call, Problem, Report
from convlin.render import words

_HEADERS = ("Layer", "Type", "Input", "Output", "Params", "Arithmetic")
_ALIGN = ("left", "left", "left", "left", "right", "left")


def table(report: Report, *, ascii_only: bool | None = None) -> str:
    """The whole text: head line, a row for every layer and shape-changing function, problems, totals.

    ``ascii_only=None`` decides by the encoding of standard output.
    """
    parts = [_head(report)]
    if report.calls:
        parts.append(_rows(report))
    if report.problems:
        parts.append(problems_text(report))
    notes = _notes(report)
    if notes:
        parts.append(notes)
    parts.append(_totals(report))
    text = "\n\n".join(parts)
    if ascii_only is None:
        ascii_only = not _carries_signs()
    return words.ascii_only(text) if ascii_only else text


def _carries_signs() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        "×·−⌊⌋✗".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _head(report: Report) -> str:
    if not report.mode:
        return f"{report.model}  (no forward pass: structure and parameters only)"
    given = ", ".join(
        f"{info.place}={words.shape(info.shape)}" if info.place.isidentifier() else words.shape(info.shape)
        for info in report.inputs
    )
    return f"{report.model}  input {given or 'without tensors'}  {report.device}, {report.mode}"


def shown(report: Report) -> list[int]:
    """Indices of the calls that get a row: leaves, functions, containers with parameters of their own, the failed."""
    leaf = {module.path: module.is_leaf for module in report.modules}
    return [
        index
        for index, call in enumerate(report.calls)
        if call.is_function or call.failed or call.inner == 0 or call.params or leaf.get(call.path, True)
    ]


def _rows(report: Report) -> str:
    troubled: dict[int, list[Problem]] = {}
    for problem in report.problems:
        if problem.call is not None:
            troubled.setdefault(problem.call, []).append(problem)
    seen: set[str] = set()
    rows: list[tuple[str, ...]] = []
    for index in shown(report):
        call = report.calls[index]
        rows.append(_row(call, troubled.get(index, []), reused=call.path in seen and not call.is_function))
        if not call.is_function:
            seen.add(call.path)
    return tabulate(rows, headers=_HEADERS, tablefmt="plain", disable_numparse=True, colalign=_ALIGN)


def _row(call: Call, problems: list[Problem], *, reused: bool) -> tuple[str, ...]:
    mark = " ✗" if problems or call.failed else ""
    name = mark.strip() if call.is_function else f"{call.path or call.type}{mark}"
    params = "" if call.is_function else ("(reused)" if reused and call.params else words.count(call.params))
    return (
        name,
        call.type,
        words.shape(call.input_shape),
        words.shape(call.output_shape) if call.outputs else "",
        params,
        _arithmetic(call, problems),
    )


def _arithmetic(call: Call, problems: list[Problem]) -> str:
    for problem in problems:
        if problem.declared is not None and problem.kind not in ("operands", "structure", "batch", "dtype"):
            return f"needs {problem.kind}={problem.required}, has {problem.declared}"
    if call.failed:
        return "the pass stopped here"
    derivation = call.derivation
    if derivation is None or not derivation.steps:
        return ""
    return derivation.steps[-1].text


def problems_text(report: Report) -> str:
    """Every problem with its lines, as it stands under the table."""
    return "\n\n".join(_problem(problem, report) for problem in report.problems)


def _problem(problem: Problem, report: Report) -> str:
    name = problem.path or report.model
    first, *rest = problem.message.splitlines()
    lines = [f"✗ {name}: {first}", *(f"    {line}" for line in rest)]
    if problem.fix:
        at = f"{words.place(problem.where)}   " if problem.where else ""
        lines.append(f"    fix  {at}{problem.fix}")
    return "\n".join(lines)


def _notes(report: Report) -> str:
    lines = list(report.remarks)
    if report.mode:
        quiet = [m for m in report.modules if not m.calls and m.remark and "list of modules" not in m.remark]
        lines += [f"{module.path or report.model}: {module.remark}" for module in quiet[:12]]
        if len(quiet) > 12:
            lines.append(f"… and {len(quiet) - 12} more modules without a call")
    return "\n".join(lines)


def _totals(report: Report) -> str:
    frozen = report.total_params - report.trainable_params
    parts = [f"parameters {words.count(report.total_params)}", f"trainable {words.count(report.trainable_params)}"]
    if frozen:
        parts.append(f"frozen {words.count(frozen)}")
    parts.append(words.megabytes(report.parameter_bytes))
    return "   ".join(parts)
