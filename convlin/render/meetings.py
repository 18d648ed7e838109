"""What keeps the shape and is the point all the same: the sum of a residual connection, an attention, as rows."""

from __future__ import annotations

from collections.abc import Mapping

from convlin.records import Join, Report, Source, SourceKind, TensorInfo
from convlin.render.row import Row


class Meetings:
    """The functions of a report in which tensors meet and keep their shape, by the call that they stand before."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._leaves = {module.path for module in report.modules if module.is_leaf and module.path}

    def before(self) -> Mapping[int, list[Join]]:
        """For the index of a call, those right before it; what a layer does inside of itself is its own affair."""
        found: dict[int, list[Join]] = {}
        for join in self._report.joins:
            if join.after >= 0 and join.path not in self._leaves:
                found.setdefault(join.after, []).append(join)
        return found

    def row(self, join: Join) -> Row:
        """The row of one."""
        tensors = [self._tensor(source) for source in join.sources]
        inputs = tuple(info for info in tensors if info is not None)
        outputs = inputs[:1] if tensors and tensors[0] is not None else ()
        return Row("function", join.path, join.function, inputs=inputs, outputs=outputs, where=join.where)

    def _tensor(self, source: Source) -> TensorInfo | None:
        """The tensor that comes from there, where it is known which of several that is."""
        while source.kind is SourceKind.JOIN:
            source = self._report.joins[source.number].sources[0]
        match source.kind:
            case SourceKind.INPUT:
                return self._report.inputs[source.number]._replace(place="")
            case SourceKind.CALL:
                made = self._report.calls[source.number].outputs
                return made[0]._replace(place="") if len({info.shape for info in made}) == 1 else None
            case _:
                return None
