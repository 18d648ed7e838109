"""The public surface: these names, with these signatures, and options spelled alike wherever they are given."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

import convlin
from convlin import Summary, records
from convlin.cli.arguments import build
from convlin.cli.jobs import Job
from convlin.pytest_plugin.locks import ShapeLock
from convlin.records import Call, Problem
from convlin.render.options import DisplayOptions, Options
from tests import processes
from tests.messages import raised

ROOT = Path(__file__).parent.parent

RUN = "kwargs=None, batch_size=1, dtypes=None, device=None, mode='eval'"
LETTERS = f"{RUN}, trials=70"
TABLE = (
    "columns=None, depth=None, only=None, parameters=False, fold=None, ascii_only=None, width=None, tree=None, "
    "hide=None, functions='shape', batch=True"
)

#: Every public function and class: what it is called with.
FUNCTIONS = {
    "summarize": f"model, input=None, *more, {LETTERS}, {TABLE}, **other",
    "watch": "model",
    "fit": f"model, input, *more, {RUN}",
    "explain": "layer, input, *more, kwargs=None, batch_size=1, dtypes=None, device=None",
    "explain_errors": "on=True",
    "num_flat_features": "module, input, *more, kwargs=None, dtypes=None, device=None",
    "assert_shapes": f"model, input, expected, *, {LETTERS}",
    "Print": "label=None, *, once=False, file=None",
    "Summary": "report, options=None",
}

ERRORS = {
    "ConvlinError": (Exception,),
    "InputError": ("ConvlinError", ValueError),
    "ShapeError": ("ConvlinError", AssertionError),
}

#: What a summary can be asked; None for what is no method.
SUMMARY = {
    "ok": None, "problems": None, "calls": None, "modules": None, "required_in_features": None, "accepts": None,
    "output_shape": None, "total_params": None, "trainable_params": None, "report": None,
    "explain": "path=None",
    "source": "",
    "check": "path=None",
    "lock": "path",
    "diff": "other",
    "assert_shapes": "expected",
    "memory": "*, batch_size=None, gradients=False, optimizer=None",
    "table": "**options",
    "to_dict": "",
    "to_json": "*, indent=None",
    "to_markdown": "**options",
    "to_html": "*, page=False, **options",
    "to_latex": "**options",
    "to_csv": "**options",
    "to_pandas": "**options",
    "to_svg": "*, theme='auto', width=846, title=None, batch=None, names=True",
    "save": "path, **options",
    "from_dict": "data",
    "from_json": "text",
}  # fmt: skip

CALL = {
    "path", "type", "inputs", "outputs", "input_shape", "output_shape", "input_shapes", "output_shapes", "params",
    "trainable_params", "is_function", "inner", "sources", "settings", "where", "flops", "failed", "stood_in",
    "derive", "derivation",
}  # fmt: skip
PROBLEM = {
    "kind", "path", "declared", "required", "message", "fix", "where", "call", "changes", "edits", "unfixed",
    "evidence", "claims", "layer",
}  # fmt: skip

#: Options that only a command line has, or that have another name there because ``--kwargs`` makes the model.
ONLY_ON_THE_COMMAND_LINE = {
    "help", "model", "input", "format", "output", "lock", "update", "write", "layer", "forward_kwargs", "version",
    "command", "source", "comments", "arithmetic", "style",
}  # fmt: skip


def spelled(function: Callable[..., Any]) -> str:
    """A signature as a user reads it, without types and ``self``."""
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    return str(inspect.Signature(bare))[1:-1]


def options_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The options of a function, by name, with their defaults."""
    kinds = (inspect.Parameter.KEYWORD_ONLY,)
    return {name: each.default for name, each in inspect.signature(function).parameters.items() if each.kind in kinds}


def test_the_public_names_and_no_others() -> None:
    assert sorted(convlin.__all__) == sorted([*FUNCTIONS, *ERRORS])
    assert set(dir(convlin)) >= set(convlin.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures(name: str) -> None:
    assert spelled(getattr(convlin, name)) == FUNCTIONS[name]


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    assert getattr(convlin, name).__bases__ == tuple(
        getattr(convlin, parent) if isinstance(parent, str) else parent for parent in ERRORS[name]
    )


def test_what_a_summary_can_be_asked() -> None:
    assert {name for name in dir(Summary) if not name.startswith("_")} == set(SUMMARY)
    for name, expected in SUMMARY.items():
        member = inspect.getattr_static(Summary, name)
        function = getattr(member, "__func__", member)
        assert (spelled(function) if callable(function) else None) == expected, name
    for name in ("__getitem__", "__iter__", "__len__", "__str__", "__repr__", "_repr_html_", "__eq__", "__hash__"):
        assert getattr(Summary, name) is not getattr(object, name, None), name


def test_a_summary_is_read_by_path_and_cannot_be_changed() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.unused = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x)

    model = Net()
    summary = convlin.summarize(model, (3,))
    assert summary["first"].output_shape == (1, 4)
    assert len(summary) == len(list(summary)) == 2
    assert [module.path for module in summary.modules] == [path for path, _ in model.named_modules()]
    with pytest.raises(KeyError, match=r"there is no module 'fisrt'; did you mean 'first'\?"):
        summary["fisrt"]
    with pytest.raises(KeyError, match=r"there is no module 'head'$"):
        summary["head"]
    with pytest.raises(KeyError, match="'unused' was not called in this pass"):
        summary["unused"]
    with pytest.raises(AttributeError, match="cannot be changed; ok was to be set"):
        summary.ok = True  # type: ignore[misc]


@pytest.mark.parametrize(("record", "names"), [(Call, CALL), (Problem, PROBLEM)])
def test_records(record: type, names: set[str]) -> None:
    assert {name for name in dir(record) if not name.startswith("_")} == names


def test_every_record_is_found_by_its_name() -> None:
    assert all(getattr(records, name) is not None for name in records.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'convlin' has no attribute 'summarise'"):
        convlin.summarise  # noqa: B018
    for name, meant in (("summarise", "summarize"), ("Sumary", "Summary"), ("assert_shape", "assert_shapes")):
        with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
            getattr(convlin, name)
    with pytest.raises(AttributeError, match=r"module 'convlin\.records' has no attribute 'Calls'"):
        records.Calls  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("name", "meant"), [("summary", "summarize"), ("summarise", "summarize"), ("Sumary", "Summary"), ("wach", "watch")]
)
def test_a_name_that_cannot_be_imported_is_told_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ImportError, match=rf"^cannot import name '{name}' from 'convlin'; did you mean '{meant}'\?$"):
        exec(f"from convlin import {name}")


def test_a_package_that_is_imported_by_its_name_is_no_mistake() -> None:
    # One that is alike to a public name, and is not there until it is imported.
    said = processes.python("from convlin import explanation; print(explanation.__name__)").stdout
    assert said == "convlin.explanation\n"


def test_every_public_thing_says_what_it_is() -> None:
    for name in convlin.__all__:
        assert inspect.getdoc(getattr(convlin, name)), name
    for name in SUMMARY:
        assert inspect.getdoc(getattr(Summary, name)), name
    for name in ("summarize", "fit", "explain", "num_flat_features", "assert_shapes", "Print", "watch"):
        assert ">>> " in (inspect.getdoc(getattr(convlin, name)) or ""), name


# Options are spelled alike


def actions(command: str) -> Iterator[argparse.Action]:
    (commands,) = (each for each in build()._actions if isinstance(each, argparse._SubParsersAction))
    yield from commands.choices[command]._actions


@pytest.mark.parametrize("command", ["show", "check", "fix", "annotate", "explain"])
def test_the_command_line_spells_them_as_python_does(command: str) -> None:
    known = options_of(convlin.summarize)
    for action in actions(command):
        if action.dest in ONLY_ON_THE_COMMAND_LINE:
            continue
        assert action.dest in known, action.dest
        if action.option_strings:
            assert f"--{action.dest.replace('_', '-')}" in action.option_strings
        if action.dest not in ("kwargs", "dtypes"):
            default = known[action.dest]
            assert action.default == default or str(default) == action.default or not (default or action.default)
    given = {action.dest for action in actions("show")}
    assert given >= set(known), "an option of summarize that the command line does not have"


def test_pyproject_spells_them_as_the_command_line_does() -> None:
    keys = {field.name for field in fields(Job)} - {"base"}
    assert keys == {"model", "input", "lock", "comments", "forward_kwargs", *options_of(convlin.assert_shapes)}


def test_pytest_spells_them_as_python_does() -> None:
    locked = dict(options_of(ShapeLock.__call__))
    assert locked.pop("name") is None
    assert locked == options_of(convlin.assert_shapes)


@pytest.mark.parametrize("name", ["fit", "explain", "num_flat_features", "assert_shapes"])
def test_every_function_spells_them_alike(name: str) -> None:
    assert options_of(getattr(convlin, name)).items() <= options_of(convlin.summarize).items()


def test_the_options_of_the_table_are_written_down_once() -> None:
    table = Options._field_defaults
    assert set(table) == set(DisplayOptions.__annotations__)
    assert table.items() <= options_of(convlin.summarize).items()


# Words


def test_messages_are_in_the_users_words() -> None:
    texts = list(raised())
    assert len(texts) > 100
    inside = re.compile(r"\b(misfit|finding|recording|tracer|keeper|sympy|traceback|dataclass|SymInt|NoneType)s?\b")
    for place, text in texts:
        assert not inside.search(text), (place, text)
        assert not text.endswith((".", "!")), (place, text)
