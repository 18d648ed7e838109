"""What holds of every summary, whatever the model."""

from __future__ import annotations

import re

from convlin import Summary
from convlin.analysis.path import Follower, Leg
from convlin.records import Call, Derivation


def raw(call: Call) -> Derivation | None:
    """What the rule says, whether or not it is what was observed."""
    return call.derive(call) if call.derive is not None and call.outputs else None


def assert_derived(summary: Summary) -> None:
    """What is derived is what was observed."""
    for call in summary.calls:
        derivation = raw(call)
        if derivation is not None and call.path != "own_hooks":
            assert derivation.shape == call.output_shape, call
            assert call.derivation == derivation
            assert derivation.source.startswith("https://docs.pytorch.org/docs/stable/")


def assert_explained(summary: Summary) -> None:
    """Every way hangs together and reads well."""
    follower = Follower(summary.report)
    for index, call in enumerate(summary.calls):
        if not call.inputs or not call.sources or len(call.sources) != len(call.inputs):
            continue
        way = follower.arriving(index)
        shape = way.start.shape
        for leg in way.legs:
            if isinstance(leg, Leg):
                assert leg.given == shape
                # The one call that may keep the size is the layer that declares it.
                assert leg.given != leg.made or leg.call.params
                shape = leg.made
        assert shape in call.input_shapes
    paths = list(dict.fromkeys(call.path for call in summary.calls if not call.is_function))
    for text in (summary.explain(), *(summary.explain(path) for path in paths[:: max(1, len(paths) // 20)])):
        for line in text.splitlines():
            assert line == line.rstrip()
            assert len(line) <= 100 or max(map(len, line.split())) > 60, line  # a path of sixty levels


def assert_problems_explained(summary: Summary) -> None:
    """The explanation of a model with mistakes names each of them, its number and its line."""
    text = summary.explain()
    assert text.startswith(f"{len(summary.problems)} problem")
    for problem in summary.problems:
        if problem.fix:
            assert problem.fix.splitlines()[0] in text
        if problem.kind == "in_features":
            assert re.search(
                rf"    has in_features={problem.declared}, but (needs [0-9·]+ =|.* gives|.* has) {problem.required}$",
                text,
                re.MULTILINE,
            )
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line) <= 100 or "fix" in line
