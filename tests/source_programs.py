"""Random programs that build models in all the ways people do, and a record of what they did.

The record is the oracle for ``convlin.source``: every module is asked, while it is being made, which
call is making it.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from torch import nn

Place = tuple[str, int, int, int, int]
"""File, first line, first column, last line, last column."""

_serial = itertools.count()


def load(directory: Path, text: str) -> ModuleType:
    """Write a program to a file of its own and import it."""
    name = f"program_{next(_serial)}"
    path = directory / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return load_file(path)


def load_file(path: Path) -> ModuleType:
    """Import a file afresh."""
    name = f"{path.stem}_{next(_serial)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Compiled afresh: a cached form of a file that was rewritten within a second may be taken for the new one.
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


def made_at(module: nn.Module) -> Place | None:
    """Which call made a module; None for one made before ``recording``."""
    place = module.__dict__.get("_made_at")
    return place if isinstance(place, tuple) else None


@contextmanager
def recording() -> Iterator[None]:
    """Let every module that is made remember the call that made it; copies remember it too."""
    original = nn.Module.__init__

    def remembering(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _belongs_to(frame, self):
            frame = frame.f_back
        if frame is not None:
            self.__dict__["_made_at"] = _place(frame)
        original(self, *args, **kwargs)

    nn.Module.__init__ = remembering  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]


def _belongs_to(frame: FrameType, module: nn.Module) -> bool:
    """The frame of a constructor of this very module."""
    first = frame.f_code.co_varnames[:1]
    return bool(first) and frame.f_locals.get(first[0]) is module


def _place(frame: FrameType) -> Place:
    line, last, column, end = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    assert line is not None
    assert last is not None
    assert column is not None
    assert end is not None
    return frame.f_code.co_filename, line, column, last, end


class Writer:
    """Writes one random program; the same seed writes the same program.

    Names and sizes come from small pools on purpose: layers take each other's place, and many look
    alike.  The program's ``build()`` returns the model.
    """

    names = ("fc", "conv", "a", "b")

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._prefix, self._import = self._choice([
            ("nn.", "from torch import nn"),
            ("nn.", "import torch.nn as nn"),
            ("", "from torch.nn import *\nfrom torch import nn"),
            ("torch.nn.", "import torch\nfrom torch import nn"),
            ("N.", "import torch.nn as N\nfrom torch import nn"),
        ])  # fmt: skip
        self._count = 0

    def program(self) -> str:
        """The text of the program."""
        base = self._choice(["Base", "Base", "nn.Module", "nn.Sequential"])
        given = {"Base": self._choice(["", self._number()]), "nn.Module": ""}.get(
            base, f"{self._module(('k',))}, {self._leaf()}"
        )
        lines = [
            self._import, "import copy", "from collections import OrderedDict", "", "WIDE = 5", "",
            "def make(n):", f"    if n > {self._choice([2, 3, 4])}:", f"        return {self._leaf(('n',))}",
            f"    return {self._leaf(('n',))}", "",
            "def pair(n):", f"    return nn.Sequential({self._leaf(('n',))}, {self._leaf(('n',))})", "",
            "def patch(model):", f"    model.{self._name()} = {self._leaf()}", "",
            "class Block(nn.Module):", "    def __init__(self, k, flag=False):", "        super().__init__()",
            f"        self.{self._name()} = {self._leaf(('k',))}", "        if flag:",
            f"            self.{self._name()} = {self._leaf(('k',))}", "",
            "class Base(nn.Module):", "    def __init__(self, k=2, flag=True):", "        super().__init__()",
            *self._body(3), "",
            *self._method("helper_a"), *self._method("helper_b"),
            f"class Net({base}):", "    def __init__(self, k=3, flag=False):", f"        super().__init__({given})",
            *self._body(6, helpers=base == "Base"), "",
            *(self._method("helper_a") if base == "Base" and self._chance(0.3) else []),
            *self._method("late"),
            "    def set_fc(self, value):", "        self.fc = value", "",
            "def build():", f"    net = Net({self._choice(['', 'k=4', '3, True', 'flag=True'])})",
            *self._afterwards(), "    return net", "",
        ]  # fmt: skip
        return "\n".join(lines)

    def _choice(self, options: Any) -> Any:
        return self._random.choice(options)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _name(self) -> str:
        return str(self._choice(self.names))

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _number(self, names: tuple[str, ...] = ()) -> str:
        digit = str(self._choice([2, 3, 4]))
        return str(self._choice([digit, digit, digit, digit, digit, "2 * 2", "WIDE", f"({digit})", *names]))

    def _condition(self) -> str:
        return str(self._choice(["flag", "True", "False", "WIDE > 3", "k == 2", "not flag"]))

    def _leaf(self, names: tuple[str, ...] = ()) -> str:
        one, other = self._number(names), self._number(names)
        linear = f"{self._prefix}Linear"
        kernel = self._choice(["1", "3", "kernel_size=3", "(3, 3)"])
        more = self._choice(["", ", padding=1", ", bias=False"])
        return str(
            self._choice([
                f"{linear}({one}, {other})",
                f"{linear}({one}, out_features={other})",
                f"{linear}(out_features={one}, in_features={other}, bias={self._choice([True, False])})",
                f"{linear}(\n            {one},  # in\n            {other},\n        )",
                f"{self._prefix}Conv2d({one}, {other}, {kernel}{more})",
                f"{self._prefix}Conv2d({one}, {other}, {kernel}{more})",
                f"{self._prefix}BatchNorm2d({one})",
                f"{self._prefix}ReLU()",
            ])
        )  # fmt: skip

    def _module(self, names: tuple[str, ...] = (), depth: int = 0) -> str:
        if depth > 1 or self._chance(0.6):
            return self._leaf(names)
        first, second = self._module(names, depth + 1), self._module(names, depth + 1)
        left, right = self._random.sample(self.names, 2)
        turns = self._choice([1, 2, 3])
        sequential = f"{self._prefix}Sequential"
        return str(
            self._choice([
                f"{sequential}({first}, {second}, {self._leaf(names)})",
                f"{sequential}({first}, {second})",
                f"{sequential}()",
                f'{sequential}(OrderedDict([("{left}", {first}), ("{right}", {second})]))',
                f"{self._prefix}ModuleList([{first}, {second}])",
                f'{self._prefix}ModuleDict({{"{left}": {first}, "{right}": {second}}})',
                f"{self._prefix}ModuleList([{self._leaf((*names, 'j + 1'))} for j in range({turns})])",
                f"{sequential}(*[{self._leaf(names)} for _ in range({turns})], {self._leaf(names)})",
                f"({first} if {self._condition()} else {second})",
                f"copy.deepcopy({first})",
                f"{first}.eval()",
                f"Block({self._number(names)}, {self._choice([True, False])})",
                f"make({self._number(names)})",
            ])
        )  # fmt: skip

    def _body(self, most: int, indent: str = " " * 8, depth: int = 0, *, helpers: bool = True) -> list[str]:
        count = self._random.randint(1, most)
        return [line for _ in range(count) for line in self._statement(indent, depth, helpers)]

    def _method(self, name: str) -> list[str]:
        return [f"    def {name}(self, k=2, flag=True):", *self._body(2, depth=1, helpers=False), ""]

    def _afterwards(self) -> list[str]:
        return list(
            self._choice([
                [], [], [], [], [], [],
                ["    net.late()"],
                [f"    net.{self._name()} = {self._leaf()}"],
                [f"    net.set_fc({self._leaf()})"],
            ])
        )  # fmt: skip

    def _statement(self, indent: str, depth: int, helpers: bool) -> list[str]:
        kinds: list[Callable[..., list[str]]] = [
            self._assignment, self._assignment, self._assignment, self._assignment, self._local_list,
            self._local_list, self._loop, self._change, self._change, self._block, self._local_function, self._rebound,
        ]  # fmt: skip
        if depth < 2:
            kinds += [self._branches, self._branches, self._attempt]
        if helpers:
            kinds.append(self._helper)
        kind = self._choice(kinds)
        if kind in (self._branches, self._attempt):
            return list(kind(indent, depth, helpers))
        return [f"{indent}{line}" for line in kind()]

    def _assignment(self) -> list[str]:
        name, module = self._name(), self._module(("k",))
        other = self._choice([each for each in self.names if each != name])
        return list(
            self._choice([
                [f"self.{name} = {module}"], [f"self.{name} = {module}"], [f"self.{name} = {module}"],
                [f"self.{name} = self.{other} = {module}"],
                [f"self.{name}: nn.Module = {module}"],
                [f"self.{name}, self.{other} = {self._leaf()}, {self._leaf()}"],
                [f'self.{name} = self.{other} if hasattr(self, "{other}") else {module}'],
                [f"self.{name} = nn.Sequential(*pair({self._number(('k',))}))"],
                [f"self.add_module('{name}', {module})"],
            ])
        )  # fmt: skip

    def _rebound(self) -> list[str]:
        return list(self._choice([[f"k = {self._number()}"], ["flag = not flag"], ["patch(self)"]]))

    def _helper(self) -> list[str]:
        return [f"self.{self._choice(['helper_a', 'helper_b'])}({self._number(('k',))})"]

    def _loop(self) -> list[str]:
        name, leaf = self._name(), self._leaf(("i + 1", "k"))
        key = self._choice([f'f"{name}{{i}}"', f'"{name}" + str(i)', f'"{name}"', f'"{name}%d" % i'])
        call = self._choice([f"self.add_module({key}, {leaf})", f"setattr(self, {key}, {leaf})"])
        return [f"for i in range({self._choice([0, 1, 2, 3])}):", f"    {call}"]

    def _local_list(self) -> list[str]:
        name = self._fresh("layers")
        lines = [f"{name} = [{', '.join(self._leaf(('k',)) for _ in range(self._choice([0, 1, 2])))}]"]
        for _ in range(self._choice([1, 2, 3])):
            lines += self._grown(name)
        kind = self._choice(["Sequential(*{})", "Sequential(*{}, {})", "Sequential({1}, *{0})", "ModuleList({})"])
        lines.append(f"self.{self._name()} = {self._prefix}{kind.format(name, self._leaf())}")
        return [*lines, f"{name}.append({self._leaf()})"] if self._chance(0.2) else lines

    def _grown(self, name: str) -> list[str]:
        leaf, other = self._leaf(("k",)), self._leaf(("k",))
        turns = f"for i in range({self._choice([0, 1, 2, 4])}):"
        return list(
            self._choice([
                [f"{name}.append({leaf})"],
                [f"{name} += [{leaf}, {other}]"],
                [f"{name}.extend([{leaf}])"],
                [f"{name} = {name} + [{leaf}]"],
                [f"{name}.insert({self._choice([0, 1])}, {leaf})"],
                [f"if {self._condition()}:", f"    {name}.append({leaf})"],
                [f"if {self._condition()}:", f"    {name}.append({leaf})", "else:", f"    {name} = [{other}]"],
                [turns, f"    {name}.append({self._leaf(('i + 1',))})"],
                [turns, f"    {name} += [{leaf}]", f"    if i {self._choice(['% 2', '> 1', '== 0'])}:",
                 f"        {name}.append({other})"],
                [turns, f"    {name}.append({leaf})", f"    if i == {self._choice([0, 1, 2])}:",
                 f"        {self._choice(['break', 'continue'])}", f"    {name}.append({other})"],
            ])
        )  # fmt: skip

    def _change(self) -> list[str]:
        """Something happens to a container that is there already."""
        name, leaf = self._name(), self._leaf(("k",))
        target = f"self.{name}"
        listed = f"isinstance(getattr(self, '{name}', None), nn.Sequential)"
        filled = f"{listed} and len({target})"
        return list(
            self._choice([
                [f"if {listed}:", f"    {target}.append({leaf})"],
                [f"if {filled}:", f"    {target}[{self._choice(['0', '-1', 'k - k'])}] = {leaf}"],
                [f"if {filled}:", f"    del {target}[0]"],
                [f"if {filled}:", f"    {target}.pop(0)"],
                [f"if {listed}:", f"    {target}.insert(0, {leaf})"],
                [f"if hasattr(self, '{name}'):", f"    del {target}"],
                [f"self.sub = nn.Sequential({leaf}, {self._leaf()})", "for m in self.sub:",
                 f"    m.{name} = {self._leaf()}"],
            ])
        )  # fmt: skip

    def _block(self) -> list[str]:
        name = self._name()
        lines = [f"self.{name} = Block({self._number(('k',))}, {self._choice(['True', 'False', 'flag'])})"]
        return [*lines, f"self.{name}.{self._name()} = {self._leaf()}"] if self._chance(0.5) else lines

    def _local_function(self) -> list[str]:
        name = self._fresh("block")
        return [
            f"def {name}(n, norm=True):", f"    out = [{self._leaf(('n',))}]", "    if norm:",
            f"        out.append({self._leaf(('n',))})", "    return out",
            f"self.{self._name()} = nn.Sequential(*{name}(2, norm={self._choice(['True', 'False', 'flag'])}), "
            f"*{name}({self._number(('k',))}), {self._leaf()})",
        ]  # fmt: skip

    def _branches(self, indent: str, depth: int, helpers: bool) -> list[str]:
        inner = indent + "    "
        lines = [f"{indent}if {self._condition()}:", *self._body(2, inner, depth + 1, helpers=helpers)]
        if self._chance(0.6):
            lines += [f"{indent}else:", *self._body(2, inner, depth + 1, helpers=helpers)]
        return lines

    def _attempt(self, indent: str, depth: int, helpers: bool) -> list[str]:
        inner = indent + "    "
        return [
            f"{indent}try:", *self._body(2, inner, depth + 1, helpers=helpers),
            f"{inner}{self._choice(['pass', 'raise ValueError'])}",
            f"{indent}except ValueError:", *self._body(1, inner, depth + 1, helpers=helpers),
        ]  # fmt: skip
