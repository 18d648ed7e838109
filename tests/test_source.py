"""The line that made a layer, and its correction: found, never guessed, and true when it is run."""

from __future__ import annotations

import linecache
import os
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convlin import summarize
from convlin.records import Edit, Location
from convlin.source import Site, apply, locate, unified_diff
from convlin.source.find import Finder
from convlin.source.plan import plan
from convlin.source.reshape import corrected_reshape
from convlin.source.syntax import parsed_file
from tests.processes import run
from tests.properties import examples
from tests.source_programs import Writer, load, load_file, made_at, recording

HEAD = "import torch\nfrom collections import OrderedDict\nfrom torch import nn\n\n"

NET = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 4)\n"

Program = Callable[[str], ModuleType]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Write a program and import it."""
    return lambda text: load(tmp_path, HEAD + textwrap.dedent(text))


def net(program: Program, body: str, extra: str = "", *, base: str = "nn.Module", call: str = "Net()") -> nn.Module:
    """A module whose constructor has a body; ``extra`` stands in front of the class."""
    text = textwrap.dedent(extra) + f"\nclass Net({base}):\n    def __init__(self, n=7, deep=True):\n"
    if "super().__init__" not in body:
        text += "        super().__init__()\n"
    text += textwrap.indent(textwrap.dedent(body), " " * 8)
    module = program(text + f"\n\ndef build():\n    return {call}\n")
    model = module.build()
    assert isinstance(model, nn.Module)
    return model


def call_at(model: nn.Module, path: str, *hints: Any) -> str | None:
    site = locate(model, path, hints)
    return None if site is None else " ".join(site.call.split())


def _line(location: Location) -> str:
    return linecache.getline(location.file, location.line).strip()


# The makings that are found -------------------------------------------------------------------

FOUND: list[tuple[str, str, str]] = [
    ("self.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("self.fc: nn.Module = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("self.a = self.b = nn.Linear(3, 4)", "b", "nn.Linear(3, 4)"),
    ("self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 6)", "b", "nn.Linear(5, 6)"),
    ("self.fc = nn.Linear(1, 2)\nself.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("self.a = nn.Linear(3, 4)\nself.b = self.a", "b", "nn.Linear(3, 4)"),
    ("fc = nn.Linear(3, 4)\nself.fc = fc", "fc", "nn.Linear(3, 4)"),
    ("self.fc = (made := nn.Linear(3, 4))", "fc", "nn.Linear(3, 4)"),
    ("self.fc = nn.Linear(\n    3,  # in\n    4,\n)", "fc", "nn.Linear( 3, # in 4, )"),
    ("self.fc = torch.nn.Linear(3, 4)", "fc", "torch.nn.Linear(3, 4)"),
    ("from torch.nn import Linear as L\nself.fc = L(3, 4)", "fc", "L(3, 4)"),
    ("import torch.nn.modules.linear as lin\nself.fc = lin.Linear(3, 4)", "fc", "lin.Linear(3, 4)"),
    ("if deep:\n    self.fc = nn.Linear(3, 4)\nelse:\n    self.fc = nn.Linear(3, 5)", "fc", "nn.Linear(3, 4)"),
    ("if n > 3:\n    self.fc = nn.Conv1d(3, 4, 1)\nelse:\n    self.fc = nn.Linear(3, 4)", "fc", "nn.Conv1d(3, 4, 1)"),
    ("self.fc = nn.Linear(3, 4, bias=n > 100) if n > 100 else nn.Linear(3, 5)", "fc", "nn.Linear(3, 5)"),
    ("flag = True\nself.fc = nn.Linear(3, n) if flag else nn.Linear(3, n)", "fc", "nn.Linear(3, n)"),
    ("self.s = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))", "s.2", "nn.Linear(3, 3)"),
    ("self.s = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Linear(3, 4)))", "s.1.1", "nn.Linear(3, 4)"),
    ('self.s = nn.Sequential(OrderedDict([("a", nn.ReLU()), ("b", nn.Linear(3, 4))]))', "s.b", "nn.Linear(3, 4)"),
    ('self.s = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Linear(3, 4)))', "s.b", "nn.Linear(3, 4)"),
    ('d = OrderedDict()\nd["b"] = nn.Linear(3, 4)\nself.s = nn.Sequential(d)', "s.b", "nn.Linear(3, 4)"),
    ("self.l = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])", "l.1", "nn.Linear(3, 3)"),
    ("self.l = nn.ModuleList()\nself.l.append(nn.Linear(3, 4))", "l.0", "nn.Linear(3, 4)"),
    ("self.l = nn.ModuleList()\nself.l += [nn.ReLU(), nn.Linear(3, 4)]", "l.1", "nn.Linear(3, 4)"),
    ("self.l = nn.ModuleList()\nself.l.extend((nn.ReLU(), nn.Linear(3, 4)))", "l.1", "nn.Linear(3, 4)"),
    ("self.l = nn.ModuleList([nn.Linear(i + 1, 4) for i in range(3)])", "l.2", "nn.Linear(i + 1, 4)"),
    ("self.l = nn.ModuleList(nn.Linear(i + 1, 4) for i in range(3))", "l.2", "nn.Linear(i + 1, 4)"),
    ("self.s = nn.Sequential(*[nn.Linear(3, 3)] * 2, nn.Linear(3, 4))", "s.2", "nn.Linear(3, 4)"),
    ("self.s = nn.Sequential()\nfor i in range(2):\n    self.s.append(nn.Linear(i + 3, 4))", "s.1",
     "nn.Linear(i + 3, 4)"),
    ('self.d = nn.ModuleDict({"x": nn.ReLU(), "y": nn.Linear(3, 4)})', "d.y", "nn.Linear(3, 4)"),
    ('self.d = nn.ModuleDict([["x", nn.ReLU()], ["y", nn.Linear(3, 4)]])', "d.y", "nn.Linear(3, 4)"),
    ('self.d = nn.ModuleDict(dict(y=nn.Linear(3, 4)))', "d.y", "nn.Linear(3, 4)"),
    ('self.d = nn.ModuleDict()\nself.d["y"] = nn.Linear(3, 4)', "d.y", "nn.Linear(3, 4)"),
    ('self.d = nn.ModuleDict()\nself.d.update({"y": nn.Linear(3, 4)})', "d.y", "nn.Linear(3, 4)"),
    ('self.d = nn.ModuleDict({k: nn.Linear(3, 4) for k in "xy"})', "d.y", "nn.Linear(3, 4)"),
    ('self.add_module("fc", nn.Linear(3, 4))', "fc", "nn.Linear(3, 4)"),
    ('self.add_module(name="fc", module=nn.Linear(3, 4))', "fc", "nn.Linear(3, 4)"),
    ('self.register_module("fc", nn.Linear(3, 4))', "fc", "nn.Linear(3, 4)"),
    ('setattr(self, "fc", nn.Linear(3, 4))', "fc", "nn.Linear(3, 4)"),
    ('for i in range(2):\n    setattr(self, f"fc{i}", nn.Linear(i + 3, 4))', "fc1", "nn.Linear(i + 3, 4)"),
    ('for i in range(2):\n    self.add_module("fc%d" % i, nn.Linear(i + 3, 4))', "fc1", "nn.Linear(i + 3, 4)"),
    ('for i in range(2):\n    self.add_module("fc{}".format(i), nn.Linear(i + 3, 4))', "fc1", "nn.Linear(i + 3, 4)"),
    ('self._modules["fc"] = nn.Linear(3, 4)', "fc", "nn.Linear(3, 4)"),
    ("layers = []\nlayers += [nn.ReLU()]\nlayers.append(nn.Linear(3, 4))\nself.s = nn.Sequential(*layers)", "s.1",
     "nn.Linear(3, 4)"),
    ("layers = [nn.Linear(3, 3)]\nfor _ in range(2):\n    layers += [nn.ReLU(), nn.Linear(3, 3)]\n"
     "layers.append(nn.Linear(3, n))\nself.s = nn.Sequential(*layers)", "s.5", "nn.Linear(3, n)"),
    ('cfg = [8, "M", 16]\nc, layers = 3, []\nfor v in cfg:\n    if v == "M":\n        layers += [nn.MaxPool2d(2)]\n'
     "    else:\n        layers += [nn.Conv2d(c, v, 3), nn.ReLU()]\n        c = v\n"
     "self.s = nn.Sequential(*layers)", "s.3", "nn.Conv2d(c, v, 3)"),
    ("self.s = nn.Sequential(nn.ReLU(), nn.Linear(3, 4))\nself.s[1] = nn.Linear(5, 6)", "s.1", "nn.Linear(5, 6)"),
    ("self.s = nn.Sequential(nn.ReLU(), nn.Linear(3, 4))\nself.s[-1] = nn.Linear(5, 6)", "s.1", "nn.Linear(5, 6)"),
    ("self.s = nn.Sequential(nn.ReLU(), nn.Linear(3, 4))\nself.s[-1] = nn.Linear(5, 6)", "s.0", "nn.ReLU()"),
    ("self.fc = nn.Linear(3, 4).to('cpu').eval()", "fc", "nn.Linear(3, 4)"),
    ("self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))", "fc", "nn.Linear(3, 4)"),
    ("self.fc = nn.utils.spectral_norm(nn.Linear(3, 4))", "fc", "nn.Linear(3, 4)"),
    ("self.fc = nn.LazyLinear(4)\nself.fc(torch.zeros(1, 3))", "fc", "nn.LazyLinear(4)"),
    ("self.fc = {'x': nn.Linear}['x'](3, 4)", "fc", "{'x': nn.Linear}['x'](3, 4)"),
    ("with torch.no_grad():\n    self.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("try:\n    self.fc = nn.Linear(3, 4)\nexcept ValueError:\n    pass", "fc", "nn.Linear(3, 4)"),
    ("match n:\n    case 7:\n        self.fc = nn.Linear(3, 4)\n    case _:\n        self.fc = nn.Linear(3, 5)", "fc",
     "nn.Linear(3, 4)"),
    ("while True:\n    self.fc = nn.Linear(3, 4)\n    break", "fc", "nn.Linear(3, 4)"),
    ("def block(i, o, norm=True):\n    layers = [nn.Linear(i, o)]\n    if norm:\n"
     "        layers.append(nn.BatchNorm1d(o))\n    return layers\n"
     "self.s = nn.Sequential(*block(3, 4, norm=False), *block(4, 5), nn.Linear(5, 6))", "s.3",
     "nn.Linear(5, 6)"),
    ("make = lambda i: nn.Linear(i, 4)\nself.fc = make(3)", "fc", "nn.Linear(i, 4)"),
    ("super(Net, self).__init__()\nself.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("nn.Module.__init__(self)\nself.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("layers = {'a': nn.ReLU(), 'b': nn.Linear(3, 4)}\nself.s = nn.Sequential(*layers.values())", "s.1",
     "nn.Linear(3, 4)"),
    ("layers = [nn.ReLU()].copy()\nlayers.append(nn.Linear(3, 4))\nself.s = nn.Sequential(*layers)", "s.1",
     "nn.Linear(3, 4)"),
    ("layers = {'a': nn.ReLU()}\nlayers |= {'b': nn.Linear(3, 4)}\nself.d = nn.ModuleDict(layers)", "d.b",
     "nn.Linear(3, 4)"),
    ("with torch.no_grad() as nothing:\n    self.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
    ("first, *rest = nn.Linear(3, 4), nn.ReLU(), nn.ReLU()\nself.fc = nn.Linear(5, 6)", "fc", "nn.Linear(5, 6)"),
    ("layers = [nn.Linear(3, 4), nn.ReLU()]\nself.s = nn.Sequential(*layers[:-1])", "s.0", "nn.Linear(3, 4)"),
    ("layers = []\nfor _ in range(2):\n    layers += [nn.Linear(3, 3), nn.ReLU()]\nlayers.pop()\n"
     "self.s = nn.Sequential(*layers, nn.Linear(3, 4))", "s.3", "nn.Linear(3, 4)"),
    ("layers = [nn.ReLU(), nn.Linear(3, 4), nn.Tanh()]\nself.s = nn.Sequential(*layers[1:])", "s.1", "nn.Tanh()"),
    ("zero = 1 // (n - 7) if n != 7 else 0\nself.fc = nn.Linear(3, 4)", "fc", "nn.Linear(3, 4)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "call"), FOUND)
def test_the_call_is_found(program: Program, body: str, path: str, call: str) -> None:
    with recording():
        model = net(program, body, call="Net()")
    site = Finder(model, [sys.modules[type(model).__module__].build]).site(path)
    assert site is not None
    assert " ".join(site.call.split()) == call
    start, end = site.position
    assert made_at(model.get_submodule(path)) == (site.location.file, *start, *end)


HELPERS = """
def make(i):
    return nn.Linear(i, 4)

def block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3), nn.ReLU())

class Block(nn.Module):
    def __init__(self, i, o, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv = nn.Conv2d(i, o, 3)
        self.norm = norm(o)

class Row(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3), nn.ReLU())

class Plain(nn.Sequential):
    pass

class Wide(nn.Linear):
    def __init__(self, size):
        super().__init__(size, 2 * size)

class Base(nn.Module):
    def __init__(self, n=5):
        super().__init__()
        self.base = nn.Linear(n, 4)
        self._head()

    def _head(self):
        self.head = nn.Linear(9, 4)

    def _layers(self, kind, count):
        layers = [kind(3, 4)]
        for _ in range(1, count):
            layers.append(kind(4, 4))
        return nn.Sequential(*layers)
"""

FOUND_WITH_HELPERS: list[tuple[str, str, str, str]] = [
    ("Base", "", "base", "nn.Linear(n, 4)"),
    ("Base", "", "head", "nn.Linear(9, 4)"),
    ("Base", "self.head = nn.Linear(8, 4)", "head", "nn.Linear(8, 4)"),
    ("Base", "self.layer1 = self._layers(Block, 3)", "layer1.2", "kind(4, 4)"),
    ("Base", "self.layer1 = self._layers(Block, 3)", "layer1.0.conv", "nn.Conv2d(i, o, 3)"),
    ("Base", "self.layer1 = self._layers(Block, 3)", "layer1.0.norm", "norm(o)"),
    ("nn.Module", "self.fc = make(3)", "fc", "nn.Linear(i, 4)"),
    ("nn.Module", "self.f = block(3, 4)", "f.0", "nn.Conv2d(i, o, 3)"),
    ("nn.Module", "self.b = Block(3, 4)\nself.b.conv = nn.Conv2d(5, 6, 1)", "b.conv", "nn.Conv2d(5, 6, 1)"),
    ("nn.Module", "self.r = Row(3, 4)\nself.r.append(nn.Linear(3, 4))", "r.2", "nn.Linear(3, 4)"),
    ("nn.Module", "self.r = Row(3, 4)\nself.r[0] = nn.Linear(3, 4)", "r.0", "nn.Linear(3, 4)"),
    ("nn.Module", "self.r = Plain(nn.ReLU(), nn.Linear(3, 4))", "r.1", "nn.Linear(3, 4)"),
    ("nn.Module", "self.w = Wide(3)", "w", "Wide(3)"),
    ("Plain", "super().__init__(nn.ReLU(), nn.Linear(3, 4))", "1", "nn.Linear(3, 4)"),
    ("Row", "super().__init__(3, 4)\nself.append(nn.Linear(3, 4))", "2", "nn.Linear(3, 4)"),
]


@pytest.mark.parametrize(("base", "body", "path", "call"), FOUND_WITH_HELPERS)
def test_the_call_is_found_through_other_code(program: Program, base: str, body: str, path: str, call: str) -> None:
    with recording():
        model = net(program, body or "pass", HELPERS, base=base)
    site = locate(model, path)
    assert site is not None
    assert " ".join(site.call.split()) == call
    start, end = site.position
    assert made_at(model.get_submodule(path)) == (site.location.file, *start, *end)


def test_the_line_is_the_one_on_which_the_call_starts(program: Program) -> None:
    model = net(program, "self.s = nn.Sequential(\n    nn.ReLU(),\n    nn.Linear(\n        3, 4),\n)")
    site = locate(model, "s.1")
    assert site is not None
    assert _line(site.location) == "nn.Linear("
    first, last = site.statement
    assert (site.location.line - first, last - site.location.line) == (2, 2)
    assert site.rewrite({"in_features": "5"}) == "nn.Linear(\n    5, 4),"


def test_the_parts_of_a_class_that_torch_brings(program: Program) -> None:
    """They are found, in torch's own files, and not to be changed there."""
    model = net(program, "self.e = nn.TransformerEncoderLayer(8, 2, 16)")
    site = locate(model, "e.linear1")
    assert site is not None
    assert site.call.startswith("Linear(d_model")
    assert not site.is_editable
    edits = site.edit({"in_features": "4"})
    assert edits is not None
    assert not edits[0].certain


def test_nested_decorated_and_twice_defined_classes(program: Program) -> None:
    module = program("""
        def same(cls):
            return cls

        class Outer:
            @same
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.fc = nn.Linear(3, 1)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 2)

        first = Net

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 3)
        """)
    assert call_at(module.Outer.Net(), "fc") == "nn.Linear(3, 1)"
    assert call_at(module.first(), "fc") == "nn.Linear(3, 2)"
    assert call_at(module.Net(), "fc") == "nn.Linear(3, 3)"


def test_a_constructor_behind_decorators(program: Program) -> None:
    module = program("""
        import functools

        def told(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                return function(*args, **kwargs)
            return inner

        def silent(function):
            def inner(self):
                self.extra = nn.Linear(9, 9)
                function(self)
            return inner

        class A(nn.Module):
            @told
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 1)

        class B(nn.Module):
            @silent
            def __init__(self):
                self.fc = nn.Linear(3, 2)

            def __new__(cls):
                made = super().__new__(cls)
                nn.Module.__init__(made)
                return made
        """)
    assert call_at(module.A(), "fc") == "nn.Linear(3, 1)"
    assert call_at(module.B(), "fc") == "nn.Linear(3, 2)"
    assert call_at(module.B(), "extra") == "nn.Linear(9, 9)"


def test_a_class_made_in_a_function_sees_the_function_s_names(program: Program) -> None:
    module = program("""
        def make_class():
            from torch.nn import Linear as Dense
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.fc = Dense(3, 1)
            return Net
        """)
    site = locate(module.make_class()(), "fc")
    assert site is not None
    assert site.callee == "Dense"
    assert site.certain


def test_wrappers_around_the_model_do_not_matter(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    assert call_at(nn.Sequential(model), "0.fc") is None
    assert call_at(nn.DataParallel(model), "module.fc") == "nn.Linear(3, 4)"
    compiled: Any = torch.compile(model, backend="eager")
    assert call_at(compiled, "_orig_mod.fc") == "nn.Linear(3, 4)"


# What is not told -----------------------------------------------------------------------------

NOT_TOLD: list[tuple[str, str]] = [
    ("for k in ('a', 'b'):\n    if k == 'a':\n        self.fc = nn.Linear(3, n)\n"
     "    else:\n        self.fc = nn.Linear(3, n)", "fc"),
    ("layers = list(nn.Sequential(nn.Linear(3, 4), nn.ReLU()).children())\nself.s = nn.Sequential(*layers)", "s.0"),
    ("layers = [nn.Linear(3, 3), nn.Linear(3, 3)]\nlayers.reverse()\nself.s = nn.Sequential(*layers)", "s.0"),
    ("self.s = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))\nself.s.pop(0)", "s.0"),
    ("self.s = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))\ndel self.s[1]", "s.1"),
    ("self.s = nn.Sequential(nn.Linear(3, 3))\nself.s.insert(0, nn.Linear(3, 3))", "s.0"),
    ("self.fc = next(nn.Linear(3, 4) for _ in range(1))", "fc"),
    ("layers = sorted([nn.Linear(3, 4), nn.Linear(3, 4)], key=id)\nself.fc = layers[0]", "fc"),
    ("def produce():\n    yield nn.Linear(3, 4)\nself.s = nn.Sequential(*produce())", "s.0"),
    ("exec('self.fc = nn.Linear(3, 4)')", "fc"),
    ("self.fc = nn.Linear(3, 4)\nself.fc.in_features = 5", "fc"),
    ("self.fc = eval('nn.Linear(3, 4)')", "fc"),
    ("self.__dict__['_modules'].update(fc=nn.Linear(3, 4))", "fc"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path"), NOT_TOLD)
def test_nothing_is_said_where_it_cannot_be_known(program: Program, body: str, path: str) -> None:
    assert locate(net(program, body), path) is None


def test_nothing_is_said_of_what_was_given(program: Program) -> None:
    model = net(program, "self.fc = n", call="Net(nn.Linear(3, 4))")
    assert locate(model, "fc") is None


def test_what_was_given_is_found_where_it_was_made(program: Program) -> None:
    model = net(program, "self.fc = n", call="Net(nn.Linear(3, 4))")
    build = sys.modules[type(model).__module__].build
    assert call_at(model, "fc", build) == "nn.Linear(3, 4)"


def test_a_layer_exchanged_from_outside_is_not_taken_for_the_one_in_the_class(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    model.fc = nn.Linear(5, 4)
    assert locate(model, "fc") is None
    model.fc = nn.Conv1d(3, 4, 1)
    assert locate(model, "fc") is None


def test_a_layer_exchanged_in_the_same_file_is_told_apart_or_not_told(program: Program) -> None:
    module = program("""
        class Net(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.fc = nn.Linear(3, n)
                self.other = nn.Linear(3, n)

        def build():
            net = Net(4)
            net.fc = nn.Linear(3, 4)
            return net
        """)
    assert locate(module.build(), "fc") is None
    assert call_at(module.build(), "other") == "nn.Linear(3, n)"
    assert call_at(module.build(), "fc", module.build) == "nn.Linear(3, 4)"


def test_methods_that_may_have_run_later(program: Program) -> None:
    module = program("""
        class Net(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.a = nn.Linear(3, n)
                self.b = nn.Linear(3, n)
                self.c = None

            def reset(self, n):
                self.a = nn.Linear(3, n)

            def exchange(self, b):
                self.b = b

            def forward(self, x):
                if self.c is None:
                    self.c = nn.Linear(x.shape[1], 4)
                return self.c(x)
        """)
    model = module.Net(4)
    model(torch.zeros(1, 3))
    assert locate(model, "a") is None
    assert locate(model, "b") is None
    assert call_at(model, "c") == "nn.Linear(x.shape[1], 4)"


def test_a_class_without_source_says_nothing() -> None:
    names: dict[str, Any] = {"nn": nn, "__name__": "nowhere"}
    exec(NET, names)
    assert locate(names["Net"](), "fc") is None


def test_the_root_a_bare_layer_and_a_wrong_path_say_nothing(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    assert locate(model, "") is None
    assert locate(model, "nope") is None
    assert locate(model, "fc.nope") is None
    assert locate(nn.Linear(3, 4), "") is None
    assert locate(nn.Sequential(nn.Linear(3, 4)), "0") is None


@pytest.mark.parametrize("old", ["    def __init__", "nn.Linear(3, 4)", "import torch\n", "self.fc"])
def test_a_file_that_has_changed_since_says_nothing(program: Program, old: str) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    path = Path(sys.modules[type(model).__module__].__dict__["build"].__code__.co_filename)
    new = {"nn.Linear(3, 4)": "nn.Linear(3, 5)", "self.fc": "self.fd"}.get(old, f"#\n{old}")
    path.write_text(path.read_text().replace(old, new))
    assert locate(model, "fc") is None


def test_a_comment_added_elsewhere_in_a_file_does_no_harm(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    path = Path(sys.modules[type(model).__module__].__dict__["build"].__code__.co_filename)
    path.write_text(path.read_text() + "\n# more\n")
    assert call_at(model, "fc") == "nn.Linear(3, 4)"


def test_a_file_is_parsed_once_for_all_models_and_anew_once_it_has_changed(tmp_path: Path) -> None:
    module = load(tmp_path, HEAD + NET)
    path = Path(str(module.__file__))
    (before,) = {parsed_file(str(path)) for _ in range(3)}
    text = path.read_text()
    path.write_text(text.replace("(3, 4)", "(5, 4)"))
    changed = parsed_file(str(path))
    assert before is not None
    assert changed is not None
    assert changed is not before
    assert "(5, 4)" in changed.source.text
    path.write_text(text)
    assert parsed_file(str(path)) is before


def test_a_file_that_is_no_python_any_more_says_nothing(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    path = Path(sys.modules[type(model).__module__].__dict__["build"].__code__.co_filename)
    path.write_bytes(b"\xff\xfe what?")
    assert locate(model, "fc") is None
    path.write_text("def (")
    assert locate(model, "fc") is None
    path.unlink()
    assert locate(model, "fc") is None


def test_a_name_that_may_stand_for_any_class_is_told_but_not_relied_on(program: Program) -> None:
    model = net(
        program,
        "self.norm = n(64)\nself.fc = deep(in_features=3, out_features=4)",
        call="Net(nn.BatchNorm2d, nn.Linear)",
    )
    site = locate(model, "norm")
    assert site is not None
    assert not site.certain
    assert site.rewrite({"num_features": "32"}) is None
    site = locate(model, "fc")
    assert site is not None
    assert site.rewrite({"in_features": "5"}) == "self.fc = deep(in_features=5, out_features=4)"
    assert not site.certain


def test_code_that_is_endless_to_follow_costs_no_answer_elsewhere(program: Program) -> None:
    deep = "\n".join(f"def f{i}(x):\n    return {', '.join([f'f{i + 1}(x)'] * 8)}\n" for i in range(7))
    extra = deep + "\ndef f7(x):\n    return x\n"
    body = (
        "if n > 100:\n    f0(self)\nself.before = nn.Linear(3, 4)\nif n > 100:\n    f0(n)\nself.after = nn.Linear(5, 6)"
    )
    model = net(program, body, extra)
    assert call_at(model, "before") == "nn.Linear(3, 4)"
    assert call_at(model, "after") == "nn.Linear(5, 6)"


# Certainty ------------------------------------------------------------------------------------


def test_one_line_that_makes_several_layers_says_so(program: Program) -> None:
    extra = """
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 4)

    def make():
        return nn.Linear(5, 6)
    """
    body = "self.a = Block()\nself.l = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])\nself.x = make()"
    more = "\nself.b = Block()\nself.y = make()"
    alone, several = net(program, body, extra), net(program, body + more, extra)
    for model, path, repeated in (
        (alone, "a.fc", False),
        (several, "a.fc", True),
        (alone, "x", False),
        (several, "x", True),
        (alone, "l.0", True),
    ):
        site = locate(model, path)
        assert site is not None
        assert site.certain
        assert site.repeated is repeated, path
        edits = site.edit({"in_features": "9"})
        assert edits is not None
        assert edits[0].certain is not repeated


def test_only_plain_numbers_are_changed_without_asking(program: Program) -> None:
    body = "self.a = nn.Linear(3 * 4, 4)\nself.b = nn.Linear(n, 4)\nself.k = 5\nself.c = nn.Linear(self.k, self.k)"
    model = net(program, body)
    edits = {path: _edit(model, path, in_features="9") for path in "abc"}
    assert [edits[path].certain for path in "abc"] == [True, False, False]
    assert edits["b"].remark == "n may be used elsewhere too"
    assert [(edits[path].old, edits[path].new) for path in "abc"] == [("3 * 4", "9"), ("n", "9"), ("self.k", "9")]


def test_an_argument_tells_where_its_number_is_written(program: Program) -> None:
    extra = NET.replace("Net", "Block").replace("self)", "self, size)").replace("3", "size")
    model = net(program, "wide = 48\nself.a = nn.Linear(wide, 4)\nself.b = Block(\n    64\n)", extra)
    written = {"a": "wide = 48", "b.fc": "64"}
    for path, line in written.items():
        site = locate(model, path)
        assert site is not None
        origin = site.arguments[0].origin
        assert origin is not None
        assert _line(origin) == line


BLOCK = """
class Block(nn.Module):
    def __init__(self, given, out=4):
        super().__init__()
        self.fc = nn.Linear(given, out)
"""
DEFAULT = BLOCK.replace("self, given,", "self, given=6,")
STACK = """
class Stack(nn.Module):
    def __init__(self, sizes=(8, 6, 4)):
        super().__init__()
        layers = []
        for given, out in zip(sizes[:-1], sizes[1:]):
            layers += [nn.Linear(given, out), nn.ReLU()]
        self.s, self.last = nn.Sequential(*layers[:-1]), nn.Linear(sizes[-1], 2)
"""
CARRIED = """
class Stack(nn.Module):
    def __init__(self, given=8, widths=(6, "R", 4)):
        super().__init__()
        layers = []
        for width in widths:
            if width == "R":
                layers.append(nn.ReLU())
            else:
                layers += [nn.Linear(given, width), nn.LayerNorm(width)]
                given = width
        self.s, self.last = nn.Sequential(*layers), nn.Linear(given, 2)
"""
# As DETR's heads and most code of reinforcement learning have it.
HIDDEN = """
class Stack(nn.Module):
    def __init__(self, given, hidden=5, out=4):
        super().__init__()
        inner = [hidden] * 2
        self.s = nn.ModuleList(nn.Linear(n, k) for n, k in zip([given] + inner, inner + [out]))
"""
HELPER = """
from itertools import pairwise

def mlp(sizes, last=nn.Identity):
    layers = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU() if i < len(sizes) - 2 else last()]
    return nn.Sequential(*layers)

def paired(sizes):
    return nn.Sequential(*[nn.Linear(given, out) for given, out in pairwise(sizes)])

class Policy(nn.Module):
    def __init__(self, given, hidden=(6, 5), out=4):
        super().__init__()
        self.s = mlp([given] + list(hidden) + [out])
"""
READ_TWICE = BLOCK.replace("out)", "out)\n        self.given = given")

#: Programs, a layer in them, and the text of the line that gives it another number: of what it alone is given.
WRITTEN_ELSEWHERE: dict[str, tuple[str, str, str, str]] = {
    "a local name": ("", "wide = 8 * 8\nself.fc = nn.Linear(wide, 4)", "fc", "wide = 9"),
    "with its type": ("", "wide: int = 8\nself.fc = nn.Linear(wide, 4)", "fc", "wide: int = 9"),
    "in a branch": ("", "if deep:\n    wide = 8\nself.fc = nn.Linear(wide, 4)", "fc", "wide = 9"),
    "an attribute": ("", "self.wide = 8  # so\nself.fc = nn.Linear(self.wide, 4)", "fc", "self.wide = 9  # so"),
    "a constant": ("WIDE = 8\n", "self.fc = nn.Linear(in_features=WIDE, out_features=4)", "fc", "WIDE = 9"),
    "an entry of a dict": (
        "SIZES = {'wide': 8, 'deep': 4}\n", "self.fc = nn.Linear(SIZES['wide'], SIZES['deep'])", "fc",
        "SIZES = {'wide': 9, 'deep': 4}",
    ),
    "what a block is given": (BLOCK, "self.b = Block(8)", "b.fc", "self.b = Block(9)"),
    "each of two blocks": (
        BLOCK, "self.a = Block(8)\nself.b = Block(\n    given=2 * 4, out=5)", "b.fc", "given=9, out=5)",
    ),
    "the default of a block": (DEFAULT, "self.b = Block(out=5)", "b.fc", "def __init__(self, given=9, out=4):"),
    "what a function is given": (
        "def linear(given, out):\n    return nn.Linear(given, out)\n", "self.a = linear(3, 4)\nself.b = linear(8, 5)",
        "b", "self.b = linear(9, 5)",
    ),
    "handed on by another class": (
        f"{BLOCK}\nclass Outer(nn.Module):\n    def __init__(self, given):\n        super().__init__()\n"
        "        self.b = Block(given)\n",
        "self.x, self.y = Outer(given=8), Outer(3)", "x.b.fc", "self.x, self.y = Outer(given=9), Outer(3)",
    ),
    "a constant that a block is given": (f"SIDE = 8\n{BLOCK}", "self.b = Block(SIDE)", "b.fc", "SIDE = 9"),
    "a local name that a function is given": (
        "def linear(given, out):\n    return nn.Linear(given, out)\n",
        "side = 8\nself.a, self.b = linear(3, 4), linear(given=side, out=5)", "b", "side = 9",
    ),
    "what the class above is given": (
        f"{BLOCK}\nclass Upper(Block):\n    def __init__(self):\n        super().__init__(8)\n", "self.b = Upper()",
        "b.fc", "super().__init__(9)",
    ),
    "in a Sequential": (BLOCK, "self.s = nn.Sequential(Block(3), nn.ReLU(), Block(8))", "s.2.fc",
                        "self.s = nn.Sequential(Block(3), nn.ReLU(), Block(9))"),
    "one of two that are unpacked": (
        "", "wide, deep = 8, 4\nself.fc = nn.Linear(wide, deep)", "fc", "wide, deep = 9, 4",
    ),
    "the first of a list that is gone through in pairs": (
        "", "sizes = [8, 6, 4]\nself.s = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])])", "s.0",
        "sizes = [9, 6, 4]",
    ),
    "the first of a list that is gone through by its index": (
        "", "sizes, layers = [8, 6, 4], []\nfor i in range(len(sizes) - 1):\n    layers.append(nn.Linear(sizes[i], "
        "sizes[i + 1]))\n    if i < len(sizes) - 2:\n        layers.append(nn.ReLU())\nself.s = nn.Sequential(*layers)",
        "s.0", "sizes, layers = [9, 6, 4], []",
    ),
    "carried through a loop": (
        "", "c, layers = 8, []\nfor out in (6, 4):\n    layers += [nn.Linear(c, out), nn.ReLU()]\n"
        "    c = out\nlayers.pop()\nself.s, self.last = nn.Sequential(*layers), nn.Linear(c, 2)", "s.0",
        "c, layers = 9, []",
    ),
    "the first that a block goes through in pairs": (STACK, "self.b = Stack([8, 5, 4])", "b.s.0",
                                                     "self.b = Stack([9, 5, 4])"),
    "the same by default": (STACK, "self.b = Stack()", "b.s.0", "def __init__(self, sizes=(9, 6, 4)):"),
    "what a block carries through a loop": (CARRIED, "self.b = Stack(8)", "b.s.0", "self.b = Stack(9)"),
    "what it carries by default": (CARRIED, "self.b = Stack()", "b.s.0",
                                   'def __init__(self, given=9, widths=(6, "R", 4)):'),
    "the first of a list that is written where it is gone through": (
        HIDDEN, "self.b = Stack(8)", "b.s.0", "self.b = Stack(9)",
    ),
    "a product at the front of what a helper is given": (
        HELPER, "self.s = mlp([2 * 2 * 2, 6, 4])", "s.0", "self.s = mlp([9, 6, 4])",
    ),
    "a list that a helper pairs": (HELPER, "self.s = paired((8, 6, 4))", "s.0", "self.s = paired((9, 6, 4))"),
    "the first of lists that are added up for a helper": (
        HELPER, "self.p = Policy(8)", "p.s.0", "self.p = Policy(9)",
    ),
}  # fmt: skip
#: The same, where something else may read the number.
READ_BY_OTHERS: dict[str, tuple[str, str, str]] = {
    "a name that is read twice": ("", "wide = 8\nself.fc = nn.Linear(wide, wide)", "fc"),
    "a name that is bound twice": ("", "wide = 8\nif not deep:\n    wide = 5\nself.fc = nn.Linear(wide, 4)", "fc"),
    "a name that grows": ("", "wide = 8\nwide += 1\nself.fc = nn.Linear(wide, 4)", "fc"),
    "a name that is computed": ("", "wide = 8 + n\nself.fc = nn.Linear(wide, 4)", "fc"),
    "one of two targets": ("", "wide = self.wide = 8\nself.fc = nn.Linear(wide, 4)", "fc"),
    "all local names": ("", "wide = 8\nself.given = dict(locals())\nself.fc = nn.Linear(wide, 4)", "fc"),
    "an attribute that is read by its name": (
        "", "self.wide = 8\nself.fc = nn.Linear(self.wide, 4)\nself.k = getattr(self, 'wide')", "fc",
    ),
    "an attribute that forward reads": (
        "", "self.wide = 8\nself.fc = nn.Linear(self.wide, 4)\nself.f = lambda x: x.view(-1, self.wide)", "fc",
    ),
    "a dict that is passed on": (
        "SIZES = {'wide': 8}\n", "self.fc = nn.Linear(SIZES['wide'], 4)\nself.sizes = SIZES", "fc",
    ),
    "an entry that is written": (
        "SIZES = {'wide': 8}\nSIZES['wide'] = 8\n", "self.fc = nn.Linear(SIZES['wide'], 4)", "fc",
    ),
    "a parameter that is read twice": (READ_TWICE, "self.b = Block(8)", "b.fc"),
    "a block in a loop": (BLOCK, "for i in range(2):\n    self.add_module(f'b{i}', Block(8))", "b1.fc"),
    "blocks in a list": (BLOCK, "self.l = nn.ModuleList([Block(8) for _ in range(2)])", "l.0.fc"),
    "a block in a block": (
        f"{BLOCK}\nclass Outer(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.b = Block(8)\n",
        "self.x, self.y = Outer(), Outer()", "x.b.fc",
    ),
    "the default of two blocks": (DEFAULT, "self.a, self.b = Block(), Block()", "b.fc"),
    "handed on by another class, and read there": (
        f"{BLOCK}\nclass Outer(nn.Module):\n    def __init__(self, given):\n        super().__init__()\n"
        "        self.b, self.given = Block(given), given\n",
        "self.x = Outer(8)", "x.b.fc",
    ),
    "a function that is called in a loop": (
        "def linear(given, out):\n    return nn.Linear(given, out)\n",
        "self.l = nn.ModuleList()\nfor out in (4, 4):\n    self.l.append(linear(8, out))", "l.0",
    ),
    "a function that another one calls twice": (
        "def linear(given, out):\n    return nn.Linear(given, out)\n\ndef head(out):\n    return linear(8, out)\n",
        "self.a, self.b = head(3), head(4)", "b",
    ),
    "the class above two others": (
        f"{BLOCK}\nclass Upper(Block):\n    def __init__(self):\n        super().__init__(8)\n",
        "self.a, self.b = Upper(), Upper()", "b.fc",
    ),
    "copies of a block": (
        f"from copy import deepcopy\n{BLOCK}", "self.a = Block(8)\nself.b = deepcopy(self.a)", "b.fc",
    ),
    "the parameter of a function around the one that makes it": (
        "", "def make(out):\n    return nn.Linear(n, out)\nself.fc = make(8)", "fc",
    ),
    "an attribute that a class of another file reads": (
        "", "self.training = 8\nself.fc = nn.Linear(self.training, 4)", "fc",
    ),
    "unpacked": (BLOCK, "self.b = Block(*[8, 4])", "b.fc"),
    "in a dict that is unpacked": (BLOCK, "self.b = Block(**{'given': 8})", "b.fc"),
    "a block that is made by a partial": (
        f"{BLOCK}\nfrom functools import partial\nmake = partial(Block, 8)\n", "self.b = make()", "b.fc",
    ),
    "the parameter of the model": ("", "self.fc = nn.Linear(n, 4)", "fc"),
    "a list whose second entry is the same": (
        "", "sizes = [8, 8, 4]\nself.s = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])])", "s.0",
    ),
    "a list that something else has": (
        "", "sizes = [8, 6]\nself.s = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])])\n"
        "self.sizes = sizes", "s.0",
    ),
    "a list that is gone through with a norm of each": (
        "", "sizes, layers = [8, 6, 4], []\nfor i, o in zip(sizes, sizes[1:]):\n    layers += [nn.LayerNorm(i), "
        "nn.Linear(i, o)]\nself.s = nn.Sequential(*layers)", "s.1",
    ),
    "a list that grows": (
        "", "sizes = [8, 6]\nsizes.append(4)\n"
        "self.s = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])])", "s.0",
    ),
    "the second entry of a list": (
        "", "sizes = [8, 6, 4]\nself.s = nn.Sequential(*[nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])])", "s.1",
    ),
    "pairs inside another loop": (
        "", "sizes, layers = [8, 6, 4], []\nfor _ in range(2):\n    for i, o in zip(sizes, sizes[1:]):\n"
        "        layers.append(nn.Linear(i, o))\nself.s = nn.Sequential(*layers)", "s.0",
    ),
    "carried, with a norm of it": (
        "", "c, layers = 8, []\nfor out in (6, 4):\n    layers += [nn.LayerNorm(c), nn.Linear(c, out)]\n    c = out\n"
        "self.s = nn.Sequential(*layers)", "s.1",
    ),
    "carried, and computed from itself": (
        "", "c, layers = 8, []\nfor _ in range(2):\n    layers.append(nn.Linear(c, 6))\n    c = c - 2\n"
        "self.s = nn.Sequential(*layers)", "s.0",
    ),
    "carried, where something holds": (
        "", "c, layers = 8, []\nfor out in (6, 4):\n    layers.append(nn.Linear(c, out))\n    if out > 5:\n"
        "        c = out\nself.s = nn.Sequential(*layers)", "s.0",
    ),
    "carried, and read in another branch": (
        "", "c, layers = 8, []\nfor out in (0, 6, 4):\n    if out:\n        layers.append(nn.Linear(c, out))\n"
        "        c = out\n    else:\n        self.k = c\nself.s = nn.Sequential(*layers)", "s.0",
    ),
    "two stacks of the same sizes": (STACK, "self.a, self.b = Stack(), Stack()", "b.s.0"),
    "two stacks that carry the same": (CARRIED, "self.a, self.b = Stack(), Stack()", "b.s.0"),
    "the first of added lists, which something else has": (
        HIDDEN.replace("self.s", "self.given = given\n        self.s"), "self.b = Stack(8)", "b.s.0",
    ),
    "the second of a list that a helper pairs": (HELPER, "self.s = paired((8, 8, 4))", "s.1"),
    "two heads of one number": (HELPER, "n = 8\nself.a, self.b = mlp([n, 6, 4]), mlp([n, 5, 4])", "a.0"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN_ELSEWHERE)
def test_a_number_that_one_layer_alone_is_given_is_changed_where_it_stands(program: Program, case: str) -> None:
    extra, body, path, line = WRITTEN_ELSEWHERE[case]
    model = net(program, body, extra)
    site, changes = _site(model, path), {"in_features": "9"}
    assert site.rewrite(changes) == line
    found = plan(Finder(model), {path: changes})
    assert found.declined == {}
    (edit,) = found.edits[path]
    assert (edit.certain, edit.new) == (True, "9")
    assert site.line(changes).line == Path(edit.file).read_text()[: edit.start].count("\n") + 1
    before = _linears(model)
    Path(edit.file).write_bytes(apply([edit])[edit.file])
    after = _linears(load_file(Path(edit.file)).build())
    assert after == before | {path: (9, before[path][1])}, "and no other layer"


def test_what_the_model_itself_is_given_is_changed_in_its_call(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(n, 4)", call="Net(n=8)")
    build = sys.modules[type(model).__module__].build
    wanted = {"fc": {"in_features": "9"}}
    assert plan(Finder(model), wanted).edits == {}, "who made it is not known"
    found = plan(Finder(model, [build]), wanted)
    assert found.sites["fc"].rewrite(wanted["fc"]) == "return Net(n=9)"
    (edit,) = found.edits["fc"]
    Path(edit.file).write_bytes(apply([edit])[edit.file])
    assert load_file(Path(edit.file)).build().fc.in_features == 9


@pytest.mark.parametrize("case", READ_BY_OTHERS)
def test_a_number_that_something_else_may_read_is_left(program: Program, case: str) -> None:
    extra, body, path = READ_BY_OTHERS[case]
    model = net(program, body, extra)
    found = plan(Finder(model), {path: {"in_features": "9"}})
    assert found.edits == {}
    assert found.declined[path]


def test_a_constant_that_several_read_is_changed_where_all_need_the_same(program: Program) -> None:
    body = "self.norm = nn.LayerNorm(BROAD)\nself.fc = nn.Linear(BROAD, 4)\nself.last = nn.Linear(4, 2)"
    model = net(program, body, "BROAD = 8\n")
    five = {"norm": {"normalized_shape": "5"}, "fc": {"in_features": "5"}}
    found = plan(Finder(model), five)
    assert set(found.edits) == {"norm", "fc"}
    assert {(edit.old, edit.new) for edits in found.edits.values() for edit in edits} == {("8", "5")}
    assert found.sites["fc"].rewrite(five["fc"]) == "BROAD = 5"
    for wanted in (five | {"fc": {"in_features": "6"}}, {"fc": {"in_features": "5"}}):
        found = plan(Finder(model), wanted)
        assert found.edits == {}
        assert found.declined == dict.fromkeys(wanted, "BROAD may be used elsewhere too")
        assert found.sites["fc"].rewrite({"in_features": "5"}) == "self.fc = nn.Linear(5, 4)"


def test_a_constant_that_another_edit_leaves_to_one_layer(program: Program) -> None:
    body = "self.flat = nn.Unflatten(1, (DEEP,))\nself.fc = nn.Linear(DEEP, 4)"
    model = net(program, body, "DEEP = 8\n")
    text = Path(_site(model, "fc").location.file).read_text()
    start = text.index("(DEEP,)")
    instead = Edit(_site(model, "fc").location.file, start, start + 7, "(DEEP,)", "(2, 4)")
    wanted = {"fc": {"in_features": "5"}}
    assert plan(Finder(model), wanted).edits == {}
    (edit,) = plan(Finder(model), wanted, [instead]).edits["fc"]
    assert (edit.old, edit.new) == ("8", "5")


def test_a_number_that_another_file_may_read_is_left(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "self.fc = nn.Linear(WIDE, 4)\nself.wide = 80\nself.last = nn.Linear(self.wide, 4)"
    model = net(program, body, "WIDE = 5_000\n")
    wanted = {path: {"in_features": "9"} for path in ("fc", "last")}
    assert set(plan(Finder(model), wanted).edits) == {"fc", "last"}
    other = ModuleType("other_file")
    other.WIDE = sys.modules[type(model).__module__].WIDE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "other_file", other)
    other.Heir = type("Heir", (type(model),), {"__module__": "other_file"})  # type: ignore[attr-defined]
    assert plan(Finder(model), wanted).edits == {}


def _linears(model: nn.Module) -> dict[str, tuple[int, int]]:
    return {
        name: (module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }


def _site(model: nn.Module, path: str, *hints: Any) -> Site:
    site = locate(model, path, hints)
    assert site is not None
    return site


def _edit(model: nn.Module, path: str, **changes: str) -> Edit:
    edits = _site(model, path).edit(changes)
    assert edits is not None
    assert len(edits) == 1
    return edits[0]


# The corrected line ---------------------------------------------------------------------------

REWRITTEN: list[tuple[str, dict[str, str], str | None]] = [
    ("nn.Linear(999, 10)", {"in_features": "5"}, "nn.Linear(5, 10)"),
    ("nn.Linear(999, 10)  # ten", {"in_features": "5"}, "nn.Linear(5, 10)  # ten"),
    ("nn.Linear(in_features=999, out_features=10)", {"in_features": "5"}, "nn.Linear(in_features=5, out_features=10)"),
    (
        "nn.Linear(out_features=10, in_features = 999)",
        {"in_features": "5"},
        "nn.Linear(out_features=10, in_features = 5)",
    ),
    ("nn.Linear( 999,10 , bias = False )", {"in_features": "5"}, "nn.Linear( 5,10 , bias = False )"),
    ("nn.Linear(64 * 7 * 7, 10)", {"in_features": "5"}, "nn.Linear(5, 10)"),
    ("nn.Linear((64 * 7), 10)", {"in_features": "5"}, "nn.Linear((5), 10)"),
    ("nn.Linear(n, 10)", {"in_features": "5"}, "nn.Linear(5, 10)"),
    ("nn.Linear(int(n * 2), 10)", {"in_features": "5"}, "nn.Linear(5, 10)"),
    ("nn.Linear(999, 10)", {"in_features": "5", "out_features": "6"}, "nn.Linear(5, 6)"),
    ("nn.Linear(9, 10)", {"bias": "False"}, "nn.Linear(9, 10, bias=False)"),
    ("nn.Linear(9, (10))", {"bias": "False"}, "nn.Linear(9, (10), bias=False)"),
    ("nn.Linear(9, 10,)", {"bias": "False"}, "nn.Linear(9, 10, bias=False)"),
    ("nn.ReLU()", {"inplace": "True"}, "nn.ReLU(inplace=True)"),
    ("nn.ReLU(  )", {"inplace": "True"}, "nn.ReLU(inplace=True  )"),
    (
        "nn.Linear(\n    9,\n    10,  # ten\n)",
        {"bias": "False"},
        "nn.Linear(\n    9,\n    10,  # ten\n    bias=False,\n)",
    ),
    ("nn.Linear(\n    9,\n    10  # ten\n)", {"bias": "False"}, "nn.Linear(\n    9,\n    10, bias=False  # ten\n)"),
    ("nn.Linear(\n    9,  # in\n    10,\n)", {"in_features": "5"}, "nn.Linear(\n    5,  # in\n    10,\n)"),
    ("nn.Linear(9, 10)", {"nonsense": "5"}, None),
    ("nn.Linear(*(9, 10))", {"in_features": "5"}, None),
    ("nn.Linear(**dict(in_features=9, out_features=10))", {"in_features": "5"}, None),
    ("nn.Linear(9, *(10,))", {"in_features": "5"}, "nn.Linear(5, *(10,))"),
    ("nn.Linear(9, *(10,))", {"bias": "False"}, None),
    ("nn.LSTM(9, 10, batch_first=True)", {"input_size": "5"}, "nn.LSTM(5, 10, batch_first=True)"),
    ("nn.LSTM(hidden_size=10, input_size=9)", {"input_size": "5"}, "nn.LSTM(hidden_size=10, input_size=5)"),
    ("nn.GRUCell(9, 10)", {"input_size": "5"}, "nn.GRUCell(5, 10)"),
    ("nn.LayerNorm([9, 9])", {"normalized_shape": "[5, 5]"}, "nn.LayerNorm([5, 5])"),
    ("nn.BatchNorm2d(9)", {"num_features": "5"}, "nn.BatchNorm2d(5)"),
    ("nn.MultiheadAttention(8, 2)", {"embed_dim": "6"}, "nn.MultiheadAttention(6, 2)"),
    ("nn.Conv2d(4, 8, 3, padding=1)", {"in_channels": "2"}, "nn.Conv2d(2, 8, 3, padding=1)"),
    ("nn.LazyLinear(4)", {"in_features": "5"}, None),
]


@pytest.mark.parametrize(("written", "changes", "expected"), REWRITTEN)
def test_one_argument_is_changed_and_everything_else_kept(
    program: Program, written: str, changes: dict[str, str], expected: str | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = net(program, f"self.x = {written}")
    site = _site(model, "x")
    assert site.rewrite(changes) == (None if expected is None else f"self.x = {expected}")
    edits = site.edit(changes)
    if expected is None or edits is None:
        assert edits is None
        assert expected is None
        return
    path = site.location.file
    new = apply(edits)[path]
    old = Path(path).read_bytes()
    assert new.replace(b" ", b"").replace(b"\n", b"") != old.replace(b" ", b"").replace(b"\n", b"")
    Path(path).write_bytes(new)
    layer = load_file(Path(path)).build().x
    for name, value in changes.items():
        if name in layer.__dict__:
            declared = layer.__dict__[name]
            assert (list(declared) if isinstance(declared, tuple) else declared) == eval(value)


def test_a_layer_s_own_class_is_changed_only_by_name(program: Program) -> None:
    extra = """
    class Wide(nn.Linear):
        def __init__(self, size, in_features=3):
            super().__init__(in_features, 2 * size)
    """
    model = net(program, "self.fc = Wide(3)\nself.fd = Wide(4, in_features=8)", extra)
    assert _site(model, "fc").rewrite({"out_features": "5"}) is None
    assert _site(model, "fd").rewrite({"in_features": "5"}) == "self.fd = Wide(4, in_features=5)"
    edit = _edit(model, "fd", in_features="5")
    assert not edit.certain
    assert "Wide" in edit.remark


def test_one_line_of_several_is_shown_alone(program: Program) -> None:
    model = net(program, "self.s = nn.Sequential(\n    nn.ReLU(),\n    nn.Linear(9, 4),  # head\n    nn.ReLU(),\n)")
    assert _site(model, "s.1").rewrite({"in_features": "5"}) == "nn.Linear(5, 4),  # head"


# Edits ----------------------------------------------------------------------------------------

BODY = (
    "from torch import nn\n\n"
    "class Netz(nn.Module):\n"
    "\tdef __init__(self):\n"
    "\t\tsuper().__init__()\n"
    "\t\tä = 'größe ∑'; self.fc = nn.Linear(999,\t10)  # großes Netz\n"
    "\t\tself.fd = nn.Linear(\n\t\t\t998,  # ∑\n\t\t\t10,\n\t\t)\n"
    "\x0c\n"
    "def build():\n\treturn Netz()"
)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "shift_jis"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_file_stays_the_same_but_for_the_edit(tmp_path: Path, newline: str, encoding: str, end: str) -> None:
    text = BODY if encoding.startswith("utf") else f"# coding: {encoding}\n" + BODY.replace("∑", "x")
    if encoding == "shift_jis":
        text = text.replace("ä", "数").replace("ö", "数").replace("ß", "数")
    text = (text + end).replace("\n", newline)
    path = tmp_path / "netz.py"
    path.write_bytes(text.encode(encoding))
    model = load_file(path).build()
    edits = [_edit(model, "fc", in_features="2048"), _edit(model, "fd", in_features="4096")]
    assert all(edit.certain for edit in edits)
    new = apply(edits)
    assert new == {str(path): text.replace("999", "2048").replace("998", "4096").encode(encoding)}
    path.write_bytes(new[str(path)])
    mended = load_file(path).build()
    assert (mended.fc.in_features, mended.fd.in_features) == (2048, 4096)
    appended = _edit(mended, "fd", bias="False")
    path.write_bytes(apply([appended])[str(path)])
    assert load_file(path).build().fd.bias is None
    assert newline != "\n" or b"\r" not in path.read_bytes()
    assert newline != "\r\n" or path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


def test_edits_that_do_not_fit_together_or_to_the_file_are_refused(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    edit = _edit(model, "fc", in_features="5")
    other = _edit(model, "fc", in_features="6")
    assert len(apply([edit, edit])) == 1
    with pytest.raises(ValueError, match="overlap"):
        apply([edit, other])
    path = Path(edit.file)
    path.write_text("#\n" + path.read_text())
    with pytest.raises(ValueError, match="changed"):
        apply([edit])
    path.unlink()
    with pytest.raises(ValueError, match="read"):
        apply([edit])


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_diff_is_a_patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newline: str, end: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sub" / "netz.py"
    path.parent.mkdir()
    path.write_bytes((BODY + end).replace("\n", newline).encode())
    model = load_file(path).build()
    edits = [_edit(model, "fc", in_features="2048"), _edit(model, "fd", bias="False")]
    patch = unified_diff(edits)
    assert patch.startswith("--- a/sub/netz.py\n+++ b/sub/netz.py\n")
    git = ["git", "-c", "core.autocrlf=false", "apply", "--unsafe-paths", "-"]
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    run(*git, input=patch, cwd=tmp_path, env=environment)
    assert not any(edit.old and edit.old in path.read_text() for edit in edits)
    assert load_file(path).build().fd.bias is None


def test_the_diff_of_nothing_is_empty() -> None:
    assert unified_diff([]) == ""
    assert apply([]) == {}


# Notebooks ------------------------------------------------------------------------------------


def test_a_notebook_cell_is_read_but_not_edited() -> None:
    name = "<ipython-input-7-0123456789ab>"
    text = HEAD + NET + "model = Net()\nplain = nn.Sequential(nn.ReLU(), nn.Linear(8, 4))\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), names)
        site = _site(names["model"], "fc")
        assert site.location == Location(name, 8)
        assert site.rewrite({"in_features": "5"}) == "self.fc = nn.Linear(5, 4)"
        (edit,) = site.edit({"in_features": "5"}) or ()
        assert (edit.certain, edit.remark) == (False, "this code stands in no file")
        assert not site.is_editable
        assert call_at(names["plain"], "1", name) == "nn.Linear(8, 4)"
        assert _line(Location(name, 9)) == "model = Net()"
    finally:
        del linecache.cache[name]


# Hints ----------------------------------------------------------------------------------------

PLAIN = """
def build(n=4):
    layers = [nn.Linear(3, n), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(n, 5))

other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 6))
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 7))
twin = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 7))
"""


def test_a_bare_sequential_is_found_by_its_structure_in_the_hinted_code(program: Program) -> None:
    module = program(PLAIN)
    file = module.build.__code__.co_filename
    for hint in (file, Path(file), module.build, module.build.__code__):
        assert call_at(module.build(), "2", hint) == "nn.Linear(n, 5)"
        assert call_at(module.build(), "0", hint) == "nn.Linear(3, n)"
        assert call_at(module.build(), "", hint) == "nn.Sequential(*layers, nn.Linear(n, 5))"
        assert call_at(module.other, "2", hint) == "nn.Linear(4, 6)"
    assert call_at(module.build(), "2") is None


def test_of_two_alike_none_is_told_unless_the_name_is_known(program: Program) -> None:
    module = program(PLAIN)
    file = module.build.__code__.co_filename
    copy = Path(file).with_name("copy.py")
    shutil.copy(file, copy)
    assert call_at(module.model, "2", copy) is None
    assert call_at(module.other, "2", copy) == "nn.Linear(4, 6)"
    sites = [locate(each, "2", [module]) for each in (module.model, module.twin)]
    assert all(site is not None and site.certain for site in sites)
    assert [_line(site.location)[:5] for site in sites if site] == ["model", "twin "]


def test_the_frame_that_holds_a_model() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 7))
    model[2] = nn.Linear(4, 8)
    assert call_at(model, "2", sys._getframe()) == "nn.Linear(4, 8)"
    assert call_at(model, "0", sys._getframe()) == "nn.Linear(3, 4)"
    model = nn.Sequential(nn.Linear(4, 8))
    assert call_at(model, "0", sys._getframe()) == "nn.Linear(4, 8)"


def test_the_call_that_hands_a_model_on() -> None:
    class Block(nn.Module):
        def __init__(self, size: int = 3) -> None:
            super().__init__()
            self.fc = nn.Linear(size, 4)

    others = [Block(), Block(size=3)]
    assert call_at(Block(3), "", sys._getframe()) == "Block(3)"
    assert call_at(Block().eval().to("cpu"), "", sys._getframe()) == "Block()"
    site = locate(path="", hints=[sys._getframe()], root=Block(size=3))
    assert site is not None
    assert site.call == "Block(size=3)"
    assert call_at(others[0], "", sys._getframe()) is None


def test_the_frame_of_a_function_with_an_assertion_and_a_class_in_it() -> None:
    class Block(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            assert size > 0, "as pytest rewrites it"
            self.fc = nn.Linear(size, 4)

    size = 3
    model = nn.Sequential(Block(size), nn.Linear(4, 5))
    assert call_at(model, "0.fc", sys._getframe()) == "nn.Linear(size, 4)"
    assert call_at(model, "0", sys._getframe()) == "Block(size)"
    assert call_at(model, "1", sys._getframe()) == "nn.Linear(4, 5)"


def test_a_head_exchanged_on_a_model_from_elsewhere(program: Program) -> None:
    module = program("""
        class Backbone(nn.Module):
            def __init__(self, classes=1000):
                super().__init__()
                self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
                self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(8, classes))
                self.fc = nn.Linear(8, classes)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = Backbone()
                self.backbone.fc = nn.Linear(9, 2)
                self.backbone.classifier[1] = nn.Linear(9, 3)
                self.backbone.features.add_module("more", nn.Linear(9, 4))

        def build():
            model = Backbone()
            model.fc = nn.Linear(8, 1000)
            return model
        """)
    model = module.Net()
    assert call_at(model, "backbone.fc") == "nn.Linear(9, 2)"
    assert call_at(model, "backbone.classifier.1") == "nn.Linear(9, 3)"
    assert call_at(model, "backbone.classifier.0") == "nn.Dropout()"
    assert call_at(model, "backbone.features.0") == "nn.Conv2d(3, 8, 3)"
    assert call_at(model, "backbone.features.more") == "nn.Linear(9, 4)"
    assert call_at(module.build(), "fc", module.build) == "nn.Linear(8, 1000)"


def test_exchanged_heads_that_are_too_much_to_follow_leave_no_answer(program: Program) -> None:
    long = "def long():\n" + "    x = 1\n" * 1400 + "    return nn.Linear(3, 4)\n"
    module = program(NET + long + "def swap(net):\n" + "    net.fc = long()\n" * 20)
    assert locate(module.Net(), "fc") is None


def test_hints_that_are_of_no_use_do_no_harm(program: Program) -> None:
    model = net(program, "self.fc = nn.Linear(3, 4)")
    hints = ["<stdin>", "/nowhere/at/all.py", sys, linecache, len.__class__, sys._getframe(), "nul\0"]
    assert call_at(model, "fc", *hints) == "nn.Linear(3, 4)"


# Plans ----------------------------------------------------------------------------------------


def test_a_plan_mends_what_is_sure_and_says_why_not(program: Program) -> None:
    extra = """
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 4)
    """
    body = """
    self.a = nn.Linear(3, 4)
    self.b, self.c = Block(), Block()
    self.d = nn.Linear(n, 4)
    self.l = nn.ModuleList([nn.Linear(3, 4) for _ in range(2)])
    self.m = nn.ModuleList([nn.Linear(2, 4) for _ in range(2)])
    self.e = nn.TransformerEncoderLayer(8, 2, 16)
    self.q = nn.Linear(*(3, 4))
    self.x = eval("nn.Linear(3, 4)")
    """
    model = net(program, body, extra)
    five = {"in_features": "5"}
    wanted = dict.fromkeys(["a", "b.fc", "c.fc", "d", "l.0", "m.0", "m.1", "e.linear1", "q", "x"], five)
    found = plan(Finder(model), wanted | {"m.1": {"in_features": "6"}})
    edits = [edit for made in found.edits.values() for edit in made]
    assert {edit.old for edit in edits} == {"3"}
    assert len(set(edits)) == 2
    line = _site(model, "l.0").location.line
    assert {path: reason.removeprefix(edits[0].file) for path, reason in found.declined.items()} == {
        "d": "n may be used elsewhere too",
        "l.0": f":{line} makes l.1 as well",
        "m.0": f":{line + 1} makes layers that need different sizes",
        "m.1": f":{line + 1} makes layers that need different sizes",
        "e.linear1": "this file is not the user's own",
        "q": "nn.Linear is called without this argument",
        "x": "the line that made it is not known",
    }
    path = Path(edits[0].file)
    path.write_bytes(apply(edits)[str(path)])
    mended = load_file(path).build()
    assert [mended.a.in_features, mended.b.fc.in_features, mended.c.fc.in_features] == [5, 5, 5]
    assert [each.in_features for each in mended.l] == [3, 3]


# Reshapes -------------------------------------------------------------------------------------

RESHAPED: list[tuple[str, str | None, str | None, str | None]] = [
    ("x = x.view(-1, 32 * 8 * 8)", "x = x.flatten(1)", "x = x.reshape(-1, 32 * 8 * 8)", "x = x.view(-1, 7)"),
    ("x = x.view(x.size(0), -1)  # c", "x = x.flatten(1)  # c", "x = x.reshape(x.size(0), -1)  # c",
     "x = x.view(x.size(0), 7)  # c"),
    ("x = x.reshape((-1, 9))", "x = x.flatten(1)", "x = x.reshape((-1, 9))", "x = x.reshape((-1, 7))"),
    ("x = self.a(x + 1).view([-1, 9])", "x = self.a(x + 1).flatten(1)", "x = self.a(x + 1).reshape([-1, 9])",
     "x = self.a(x + 1).view([-1, 7])"),
    ("x = (x + 1).view(-1, 9)", "x = (x + 1).flatten(1)", "x = (x + 1).reshape(-1, 9)", "x = (x + 1).view(-1, 7)"),
    ("x = torch.reshape(x, (-1, 9))", "x = torch.flatten(x, 1)", "x = torch.reshape(x, (-1, 9))",
     "x = torch.reshape(x, (-1, 7))"),
    ("x = torch.reshape(x, shape=(-1, 9))", "x = torch.flatten(x, 1)", "x = torch.reshape(x, shape=(-1, 9))",
     "x = torch.reshape(x, shape=(-1, 7))"),
    ("return self.fc(x.view(-1, 9))", "return self.fc(x.flatten(1))", "return self.fc(x.reshape(-1, 9))",
     "return self.fc(x.view(-1, 7))"),
    ("if x.view(-1, 9).sum() > 0: pass", "if x.flatten(1).sum() > 0: pass", "if x.reshape(-1, 9).sum() > 0: pass",
     "if x.view(-1, 7).sum() > 0: pass"),
    ("x = x.view(*sizes)", "x = x.flatten(1)", "x = x.reshape(*sizes)", None),
    ("x = x.view(size)", "x = x.flatten(1)", "x = x.reshape(size)", None),
    ("x = x.view(-1, 2).view(-1, 9)", None, None, None),
    ("x = x + 1", None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "flat", "reshaped", "resized"), RESHAPED)
def test_a_reshape_is_corrected(
    tmp_path: Path, line: str, flat: str | None, reshaped: str | None, resized: str | None
) -> None:
    path = tmp_path / "forward.py"
    path.write_text(f"def forward(self, x):\n    {line}\n")
    where = Location(str(path), 2)
    for expected, way in ((flat, {}), (reshaped, {"keep_sizes": True}), (resized, {"size": "7"})):
        found = corrected_reshape(where, **way)
        if found is None:
            assert expected is None
            continue
        assert found.text == expected
        assert all(edit.certain for edit in found.edits)
        assert apply(found.edits) == {str(path): f"def forward(self, x):\n    {expected}\n".encode()}


def test_a_reshape_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "forward.py"
    lines = ["def forward(self, x):", "    x = (", "        x", "        .view(", "            -1,", "            9,"]
    path.write_text("\n".join([*lines, "        )", "    )", ""]))
    for line in range(3, 8):
        found = corrected_reshape(Location(str(path), line))
        assert found is not None
        assert found.text == "x\n.flatten(1)"
    assert corrected_reshape(Location(str(path), 2)) is None
    assert corrected_reshape(Location(str(tmp_path / "none.py"), 1)) is None
    assert corrected_reshape(Location("<stdin>", 1)) is None


# Everything at once ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the random programs are written; what they define is forgotten afterwards."""
    known = set(sys.modules)
    yield tmp_path_factory.mktemp("programs")
    for name in set(sys.modules) - known:
        if name.startswith("program_"):
            del sys.modules[name]


@examples(15)
@given(seed=st.integers(0, 1 << 32), hinted=st.booleans())
def test_random_programs(programs: Path, seed: int, hinted: bool) -> None:
    """What is said of a layer is what made it, and a layer whose number is changed there has that number."""
    with recording():
        module = load(programs, Writer(seed).program())
        model = module.build()
    finder = Finder(model, [module.build] if hinted else [])
    for path, layer in model.named_modules(remove_duplicate=False):
        site = finder.site(path) if path else None
        if site is None:
            continue
        start, end = site.position
        assert made_at(layer) == (site.location.file, *start, *end), (seed, path)
        if isinstance(layer, nn.Linear):
            edits = site.edit({"in_features": "77"})
            assert edits is not None
            file = Path(site.location.file)
            changed = file.with_name("changed.py")
            changed.write_bytes(apply(edits)[str(file)])
            mended = load_file(changed).build()
            assert mended.get_submodule(path).in_features == 77, (seed, path)


def test_most_layers_of_random_programs_are_found(programs: Path) -> None:
    count = found = sure = 0
    for seed in range(20):
        model = load(programs, Writer(seed).program()).build()
        finder = Finder(model)
        sites = [finder.site(path) for path, _ in model.named_modules() if path]
        count += len(sites)
        found += sum(site is not None for site in sites)
        sure += sum(site is not None and site.certain for site in sites)
    assert found > 0.55 * count
    assert sure > 0.4 * count


def _real_models() -> dict[str, Callable[[], nn.Module]]:
    import monai.networks.nets
    import transformers as hf

    nets: Any = monai.networks.nets  # its names are not declared as its own
    text: Any = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return {
        "bert": lambda: hf.BertForSequenceClassification(hf.BertConfig(vocab_size=100, **text)),
        "vit": lambda: hf.ViTForImageClassification(hf.ViTConfig(**text)),
        "resnet": lambda: hf.ResNetForImageClassification(
            hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[2, 2])
        ),
        "convnext": lambda: hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[2, 2], num_stages=2)),
        "unet": lambda: nets.UNet(2, 1, 2, (4, 8, 16), (2, 2)),
        "densenet": lambda: nets.DenseNet121(2, 1, 2),
        "segresnet": lambda: nets.SegResNet(2),
        "dynunet": lambda: nets.DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2]),
        "swin unetr": lambda: nets.SwinUNETR(in_channels=1, out_channels=2, feature_size=12, spatial_dims=2),
        "transformer": lambda: nn.Transformer(16, 2, 1, 1, 32),
    }


@pytest.mark.parametrize("name", [
    "vit", "unet", "transformer",
    *(pytest.param(name, marks=pytest.mark.thorough)
      for name in ("bert", "resnet", "convnext", "densenet", "segresnet", "dynunet", "swin unetr")),
])  # fmt: skip
def test_models_that_others_wrote(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with recording():
            model = _real_models()[name]()
    finder = Finder(model)
    count = found = 0
    for path, module in model.named_modules():
        if not path:
            continue
        count += 1
        site = finder.site(path)
        if site is None:
            continue
        found += 1
        start, end = site.position
        # A layer that an earlier recording did not see was copied from one that it did not see.
        assert made_at(module) in (None, (site.location.file, *start, *end)), path
        assert not site.is_editable
        if isinstance(module, nn.Linear | nn.Conv2d) and site.certain:
            assert site.callee.rpartition(".")[2] == type(module).__name__
    assert found > (0.25 if name == "unet" else 0.6) * count


#: A constructor, an input, and whether a line outside of the call may be named for the number of the layer.
BUILDERS = {
    "a loop that forgets the last size": (
        """
        layers, width = [], 10
        for size in (32, 64):
            layers.append(nn.Linear(width, size))
        self.net = nn.Sequential(*layers)
        """,
        (10,), False,
    ),
    "the same, with each layer wrong": (
        """
        layers, width = [], 11
        for size in (32, 64):
            layers.append(nn.Linear(width, size))
        self.net = nn.Sequential(*layers)
        """,
        (10,), False,
    ),
    "a stage that remembers too late": (
        """
        self.width = 8
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3), self.stage(8), self.stage(16))
        """,
        (3, 16, 16), False,
    ),
    "a function that is given the number": (
        """
        self.net = nn.Sequential(double(3, 16), double(16, 32), double(24, 64))
        """,
        (3, 16, 16), True,
    ),
}  # fmt: skip

BUILDERS_HEAD = """
def double(given, made):
    return nn.Sequential(nn.Conv2d(given, given, 3, padding=1, groups=given), nn.Conv2d(given, made, 1))
"""

BUILDERS_TAIL = """
    def stage(self, size):
        first = nn.Conv2d(self.width, size, 1)
        second = nn.Conv2d(self.width, size, 1)
        self.width = size
        return nn.Sequential(first, second)

    def forward(self, x):
        return self.net(x)
"""


@pytest.mark.parametrize("name", BUILDERS)
def test_a_number_is_said_to_be_given_where_no_other_layer_takes_it(
    name: str, program: Program, tmp_path: Path
) -> None:
    body, shape, is_given = BUILDERS[name]
    constructor = textwrap.indent(textwrap.dedent(body), " " * 8)
    text = f"{BUILDERS_HEAD}\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__(){constructor}"
    problems = summarize(program(text + BUILDERS_TAIL).Net(), shape).problems
    assert problems
    said = [re.search(r"\(given at (.*):(\d+)\)", problem.fix or "") for problem in problems]
    assert all(map(bool, said)) if is_given else not any(said)
    for problem, found in zip(problems, said, strict=True):
        if found is None:
            continue
        path = next(tmp_path.glob("*.py"))
        lines = path.read_text().splitlines()
        lines[int(found[2]) - 1] = lines[int(found[2]) - 1].replace(str(problem.declared), str(problem.required))
        mended = load(tmp_path, "\n".join(lines) + "\n").Net()
        assert mended(torch.zeros(1, *shape)).shape[0] == 1


MANY_WAYS = """
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(x)


def state_of(model):
    names = []
    for name, _ in model.named_modules():
        names.append(name)
    return names, {key: value.clone() for key, value in model.state_dict().items()}


def same(one, other):
    return one[0] == other[0] and all(torch.equal(one[1][key], other[1][key]) for key in one[1])


for seed in (0, 1):
    for width in (48, 47):
        for mode in ("eval", "train"):
            m = Net(width)
            before = state_of(m)
            try:
                if mode == "eval":
                    m.eval()
                    before = state_of(m)
                else:
                    m.train()
                said = summarize(m, (48,)).problems
            except ValueError as error:
                print(error)
            after = state_of(m)
            if not same(before, after):
                print("changed")
            if width == 47:
                found.append(said[0].fix)
"""


def test_a_script_with_more_ways_than_could_be_counted(program: Program) -> None:
    """Loops in loops around a ``try`` and a branch: what they have in common is looked into once."""
    found: list[str] = []
    text = "from convlin import summarize\nfound = []\n" + textwrap.dedent(MANY_WAYS)
    found = program(text).found
    assert found == ["self.fc = nn.Linear(48, 10)"] * 4
