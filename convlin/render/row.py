"""One row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from convlin.records import Location, ModuleInfo, ParameterInfo, Problem, Size, TensorInfo

#: Blanks for each level of a table with indented rows.
INDENT = 2


@dataclass(eq=False, slots=True)
class Row:
    """One row: what it is about, and what is counted in it and in no other.

    Folding adds others to it; ``rows.build_table`` fills in what is the same for all rows, and nothing changes then.
    """

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
    """How many functions, each of which takes what the one before returns, stand in each of these."""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    named: ParameterInfo | None = None
    """For a row about one parameter, that one."""
    owned: list[tuple[ModuleInfo, ParameterInfo]] = field(default_factory=list)
    """Every distinct parameter counted in this row, with the module that holds it."""
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

    def absorb(self, others: Sequence[Row]) -> None:
        """Add what ``others`` count, all at once: there may be a hundred thousand.  They are alike otherwise."""
        self.calls += tuple([call for other in others for call in other.calls])
        for other in others:
            self.times += other.times
            self.owned += other.owned
            self.memory = self.memory + other.memory
            if other.flops is not None:
                self.add_flops(other.flops)

    def chain(self, following: Row) -> None:
        """Add a function that takes what this one, or the last in its row, returns."""
        self.calls += following.calls
        self.links += 1
        self.memory = self.memory + following.memory
        self.add_flops(following.flops)

    def add_flops(self, flops: Size | None) -> None:
        """Add floating-point operations, where they are known."""
        if flops is not None:
            self.flops = flops if self.flops is None else self.flops + flops

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
