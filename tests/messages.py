"""Prints every message that a user can meet, to be read aloud: python -m tests.messages

First what is said about each of the mistakes in ``tests/mistakes``, as it is printed; then every
text that convlin's own code raises or writes to standard error, with ``{…}`` for what is put in.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "convlin"

#: Calls whose first argument is a text for the user.
_SAYS = {
    "InputError",
    "ShapeError",
    "SizeError",
    "UserCodeError",
    "UnknownArgumentError",
    "UnknownLayerError",
    "AttributeError",
    "error",
    "say",
    "add_note",
}


def raised() -> Iterator[tuple[str, str]]:
    """The place and the text of every message in the code."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in _SAYS:
                text = "".join(_texts(node.args[0]))
                if " " in text.strip():
                    yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}", text


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield str(part.value) if isinstance(part, ast.Constant) else "{…}"
        case ast.BinOp(left=left, right=right):
            yield from _texts(left)
            yield from _texts(right)
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body)
            yield " / "
            yield from _texts(other)
        case _:
            yield "{…}"


def met() -> Iterator[tuple[str, str]]:
    """What is said about every mistake: its name, and the text as it is printed."""
    from convlin import summarize
    from convlin.render.text import problems_text
    from tests.mistakes import MISTAKES

    for mistake in MISTAKES:
        yield mistake.name, problems_text(summarize(mistake.build(), mistake.given, **mistake.options).report)


if __name__ == "__main__":
    for place, text in (*met(), *raised()):
        sys.stdout.write(f"{place}\n{text}\n\n")
