"""Views and transposes that follow one another become one row: nothing but axes is rearranged between its ends."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Report, Source
from convlin.render.tree import Block
from convlin.sizes.equal import same


def chained(blocks: Sequence[Block], report: Report) -> list[Block]:
    """The same blocks, at every level, where each run of such functions is one; the input is the first's, the output
    the last's, and what is counted in it is counted for all."""
    found: list[Block] = []
    for block in blocks:
        if block.children:
            block.children = chained(block.children, report)
        last = found[-1] if found else None
        if last is None or last.row is None or block.row is None or block.row.kind != "function":
            found.append(block)
        elif _goes_on(last, block, report):
            last.row.chain(block.row)
            last.calls += block.calls
        else:
            found.append(block)
    return found


def _goes_on(before: Block, block: Block, report: Report) -> bool:
    if not before.calls or not block.calls or before.path != block.path:
        return False
    last, call = report.calls[before.calls[-1]], report.calls[block.calls[0]]
    return (
        _rearranges(last)
        and _rearranges(call)
        and call.sources == (Source.call(before.calls[-1]),)
        and not (before.row and before.row.problems)
        and not (block.row and block.row.problems)
    )


def _rearranges(call: Call) -> bool:
    """Whether every element of the one tensor that came in is in the one that came out, once."""
    if not call.is_function or OPS.named(call.type).family is not Family.REARRANGE:
        return False
    if call.failed or call.stood_in:
        return False
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    return same(prod(call.inputs[0].shape), prod(call.outputs[0].shape))
