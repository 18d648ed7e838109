"""What other code of the same files may have put in a layer's place: ``net.fc = ...`` after ``net`` was made."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from convlin.source.constants import PLAIN
from convlin.source.frames import Session
from convlin.source.hints import Hint, file_of, namespace_of
from convlin.source.match import Candidate, Matcher, child_at
from convlin.source.state import State
from convlin.source.statements import Run
from convlin.source.syntax import Parsed
from convlin.source.torch_names import container, is_torch
from convlin.source.values import Frame, Made, Thing, Unknown, is_known

if TYPE_CHECKING:
    from torch import nn

Trail: TypeAlias = list[str | None]
"""Names of attributes and indices one after the other; None for an index that is not written out."""


class Rivals:
    """The search for them in the files of a model's class, of the hints, and of what was made."""

    def __init__(self, session: Session, matcher: Matcher, root: nn.Module, hints: Iterable[Hint]) -> None:
        self._session = session
        self._matcher = matcher
        self._root = root
        own = None if is_torch(type(root)) else inspect.getattr_static(type(root), "__init__", None)
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        self._files = [name for name in map(file_of, (own, *hints, main)) if name is not None]
        self._stores: dict[str, list[tuple[Trail, ast.expr]]] = {}

    def of(self, made: Made, path: str) -> Iterator[Thing]:
        """What may have taken the place of ``made`` at a path."""
        module = self._root
        names: list[tuple[str, bool]] = []
        for name in filter(None, path.split(".")):
            names.append((name, container(type(module)) is not None))
            module = child_at(module, name)
        here = made.frame.parsed.statement(made.node)
        files = dict.fromkeys([made.frame.parsed.source.name, *self._files]) if path else {}
        for parsed in filter(None, map(self._session.files.get, files)):
            for trail, target in self._stores_in(parsed):
                if not _leads_to(trail, names) or (statement := parsed.statement(target)) is here:
                    continue
                for thing, state in self._stored(parsed, statement, target):
                    # Assignments to x[i] are everywhere; one counts if it plainly makes such a layer.
                    if self._matcher.may_be(thing, state, module) and (is_known(thing) or any(trail)):
                        yield thing

    def _stores_in(self, parsed: Parsed) -> list[tuple[Trail, ast.expr]]:
        """Where something is put into anything but ``self``, and under which names:
        ``net.fc = ...`` gives ``["fc"]`` and ``self.features[i] = ...`` gives ``["features", None]``."""
        known = self._stores.get(parsed.source.name)
        if known is None:
            known = self._stores[parsed.source.name] = []
            for node in parsed.stores:
                root, names = _trail(node)
                if not (root == "self" and len(names) == 1 and isinstance(node, ast.Attribute)):
                    known.append((names, node))
        return known

    def _stored(self, parsed: Parsed, statement: ast.stmt, target: ast.expr) -> Iterator[Candidate]:
        """What a statement assigns to a target, as far as that can be told from the statement alone."""
        if not isinstance(statement, ast.Assign) or target not in statement.targets:
            yield Unknown(), State()
            return
        names = {name: known for name, known in namespace_of(None, parsed).items() if type(known) not in PLAIN}
        run = Run(self._session, Frame(parsed, names, is_module=True))
        yield from ((thing, run.state) for thing in run.value(statement.value))


def _trail(node: ast.expr) -> tuple[str | None, Trail]:
    """The variable that a chain of attributes and indices starts from, and their names."""
    match node:
        case ast.Attribute(value=base, attr=name):
            root, names = _trail(base)
            return root, [*names, name]
        case ast.Subscript(value=base, slice=ast.Constant(value=str() | int() as key)):
            root, names = _trail(base)
            return root, [*names, str(key)]
        case ast.Subscript(value=base):
            root, names = _trail(base)
            return root, [*names, None]
        case ast.Name(id=name):
            return name, []
    return None, []


def _leads_to(trail: Trail, names: list[tuple[str, bool]]) -> bool:
    """Whether a chain of names may end at a path; what its variable stands for is not known.

    With each name of the path goes whether a container holds it: only there an index may lead.
    """
    pairs = zip(reversed(trail), reversed(names), strict=False)
    return all(one == name or (one is None and is_element) for one, (name, is_element) in pairs)
