"""Everything one pass found out about one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convlin.records.calls import Call
from convlin.records.modules import ModuleInfo, ParameterInfo, ParameterSums, sums
from convlin.records.places import ExpressionResult
from convlin.records.sources import Join, Source
from convlin.records.tensors import TensorInfo
from convlin.sizes.types import Size

if TYPE_CHECKING:
    from convlin.records.accepted import Accepts
    from convlin.records.problems import Problem


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one pass found out about one model."""

    model: str
    """Class name of the model."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    device: str
    mode: str
    """``eval``, ``train`` or ``mixed``; ``""`` when no pass was run."""
    calls: tuple[Call, ...]
    modules: Sequence[ModuleInfo]
    problems: tuple[Problem, ...] = ()
    required_in_features: Mapping[str, Size] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    """Where two tensors met and the shape was kept; see ``Call.sources``."""
    remarks: tuple[str, ...] = ()
    """What could not be seen, in sentences."""
    completed: bool = True
    """The pass reached the end of ``forward``."""
    accepts: Accepts | None = None
    """With named sizes: which of them the model takes as it is declared, where that could be proved."""
    made_by: tuple[Source, ...] = ()
    """For each of ``outputs``, where it comes from, as in ``Call.sources``."""
    expressions: Sequence[ExpressionResult] = field(default=(), repr=False, compare=False)
    """What each expression of the user's own code made, in the order of the first time it ran."""
    input_names: tuple[str, ...] = ()
    """What ``forward`` calls each of ``inputs``, where there are several and it has a Python signature."""
    calls_vary: bool = False
    """With named sizes: other calls are made at other sizes, or more of them: no sum over ``calls`` holds there."""
    holds_nowhere: bool = False
    """With named sizes: the shapes were other ones at every size that was run."""

    @property
    def named_inputs(self) -> tuple[TensorInfo, ...]:
        """``inputs``, with the name of each as its place where there are several."""
        if not self.input_names:
            return self.inputs
        return tuple(info._replace(place=name) for info, name in zip(self.inputs, self.input_names, strict=True))

    def parameters(self) -> Iterator[tuple[str, ParameterInfo]]:
        """Every distinct parameter once, with its full name; tied ones under their first name."""
        for module in self.modules:
            for info in module.parameters:
                if info.alias_of is None:
                    yield (f"{module.path}.{info.name}" if module.path else info.name), info

    @property
    def parameter_sums(self) -> ParameterSums:
        """Elements and bytes of all distinct parameters."""
        return sums([info for module in self.modules for info in module.parameters if info.alias_of is None])

    @property
    def total_params(self) -> int:
        """Elements of all distinct parameters."""
        return self.parameter_sums.elements

    @property
    def trainable_params(self) -> int:
        """Elements of the distinct parameters that require a gradient."""
        return self.parameter_sums.trainable
