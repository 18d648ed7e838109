"""The public names as a type checker sees them from outside; nothing here is run.

``mypy --strict`` reads this file in ``make lint``: a name that lost its type, or got another one,
is an error here.
"""

from collections.abc import Mapping
from typing import Any, assert_type

import torch
from torch import Tensor, nn

from convlin import (
    ConvlinError,
    InputError,
    Print,
    ShapeError,
    Summary,
    assert_shapes,
    explain,
    fit,
    num_flat_features,
    summarize,
    watch,
)
from convlin.records import Accepts, Call, Derivation, Location, ModuleInfo, Problem, Shape, Size, TensorInfo


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(num_flat_features(self.features, (3, 32, 32)), 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.features(x).flatten(1))
        return y


net = Net()

# Every way to say what goes in.
assert_type(summarize(net), Summary)
assert_type(summarize(net, (3, 32, 32)), Summary)
assert_type(summarize(net, [3, 32, 32]), Summary)
assert_type(summarize(net, torch.Size([3, 32, 32])), Summary)
assert_type(summarize(net, [(3, 32, 32), (10,)]), Summary)
assert_type(summarize(net, {"x": (3, 32, 32)}, dtypes={"x": torch.half}), Summary)
assert_type(summarize(net, (3, "H", "W"), batch_size="N"), Summary)
assert_type(summarize(net, (3, "H", "W"), trials=140), Summary)
assert_type(summarize(net, torch.zeros(8, 3, 32, 32)), Summary)
assert_type(summarize(net, (torch.zeros(3), {"y": torch.zeros(3)})), Summary)
assert_type(summarize(net, (3, 32, 32), kwargs={"scale": 2}, batch_size=8, dtypes="long"), Summary)
assert_type(summarize(net, (3, 32, 32), device=torch.device("meta"), mode="train"), Summary)
assert_type(summarize(net, (3, 32, 32), dtypes=[torch.float16, "long"], device="cpu"), Summary)
assert_type(summarize(net, (3, 32, 32), columns=["layer", "output"], depth=1, only="Conv2d|Linear"), Summary)
assert_type(summarize(net, (3, 32, 32), columns="layer,output", parameters=True, fold=False, ascii_only=True), Summary)

s = summarize(net, (3, 32, 32))

# What was found.
assert_type(s.ok, bool)
assert_type(s.problems, tuple[Problem, ...])
assert_type(s.calls, tuple[Call, ...])
assert_type(s.modules, tuple[ModuleInfo, ...])
assert_type(s.required_in_features, Mapping[str, Size])
assert_type(s.output_shape, Shape | None)
assert_type(s.accepts, Accepts | None)
assert_type(s.total_params, int)
assert_type(s["fc"], Call)
assert_type([call.path for call in s], list[str])
assert_type(len(s), int)
assert_type(s.check(), Summary)
assert_type(s.lock("net.shapes"), Summary)
assert_type(s.assert_shapes({"fc": ("N", 10)}), Summary)
assert_type(s.assert_shapes((1, 10)), Summary)

# A call.
call = s["fc"]
assert_type(call.path, str)
assert_type(call.type, str)
assert_type(call.inputs, tuple[TensorInfo, ...])
assert_type(call.input_shape, Shape | None)
assert_type(call.output_shape, Shape | None)
assert_type(call.input_shapes, tuple[Shape, ...])
assert_type(call.output_shapes, tuple[Shape, ...])
assert_type(call.params, int)
assert_type(call.is_function, bool)
assert_type(call.derivation, Derivation | None)

# A problem.
problem = s.problems[0]
assert_type(problem.kind, str)
assert_type(problem.path, str)
assert_type(problem.declared, Any)
assert_type(problem.required, Any)
assert_type(problem.message, str)
assert_type(problem.fix, str | None)
assert_type(problem.where, Location | None)

# As text.
assert_type(str(s), str)
assert_type(s.explain("fc"), str)
assert_type(s.table(columns=["layer"], depth=1, only="Linear", parameters=True, fold=False, ascii_only=True), str)
assert_type(s.to_markdown(), str)
assert_type(s.to_html(page=True), str)
assert_type(s.to_latex(), str)
assert_type(s.to_csv(), str)
assert_type(s.to_svg(theme="dark", width=600, title="LeNet"), str)
assert_type(s.to_json(indent=2), str)
assert_type(s.to_dict(), dict[str, Any])
assert_type(Summary.from_json(s.to_json()), Summary)
assert_type(Summary.from_dict(s.to_dict()), Summary)
assert_type(s.save("net.html"), Summary)

# The other ways in.
assert_type(num_flat_features(nn.Flatten(), (3, 32, 32)), int)
assert_type(assert_shapes(net, (3, 32, 32), {"fc": ("N", 10), "features": (None, 8, ..., "2*W")}), Summary)
assert_type(fit(net, (3, 32, 32)), Net)
assert_type(explain(nn.MaxPool2d(2), (3, 32, 32)), str)
with watch(net) as seen:
    net(torch.zeros(1, 3, 32, 32))
assert_type(seen, Summary)
assert_type(Print("here", once=True), Print)
assert_type(nn.Sequential(Print()), nn.Sequential)

# The errors.
error: ConvlinError = InputError("")
failed: AssertionError = ShapeError("")
parent: ConvlinError = ShapeError("")

# A typo is an error of the type checker, too: an unused "ignore" below is one.
summarize(net, (3, 32, 32), batchsize=8)  # type: ignore[arg-type]
summarize(net, (3, 32, 32), None, "cpu", colums=[])  # type: ignore[arg-type]
assert_shapes(net, (3, 32, 32))  # type: ignore[call-arg]
num_flat_features(net, (3, 32, 32), batch_size=2)  # type: ignore[call-arg]
s.table(colums=["layer"])  # type: ignore[call-arg]
s.ok = True  # type: ignore[misc]
problem.kind = ""  # type: ignore[misc]
