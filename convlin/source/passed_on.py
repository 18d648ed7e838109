"""Which parameter of a constructor a layer's number is, where the constructor hands it on as it got it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType

from convlin.source.sites import Site
from convlin.source.syntax import Files, bound_names, parameters
from convlin.source.torch_names import init_class


def parameter_for(site: Site, changes: Mapping[str, str], owner: type) -> str:
    """The parameter of ``owner``'s constructor that the call at ``site`` is given; empty where that is not certain.

    >>> from torch import nn
    >>> from convlin.source import locate
    >>> class Block(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.fc = nn.Linear(width, 2)
    >>> block = Block(3)
    >>> parameter_for(locate(block, "fc", (Block,)), {"in_features": "5"}, Block)
    'width'
    """
    text = site.text(changes)
    constructor = vars(init_class(owner)).get("__init__")
    if not text.isidentifier() or not isinstance(constructor, FunctionType):
        return ""
    found = Files().function(constructor)
    if found is None:
        return ""
    parsed, node = found
    if parsed.source.name != site.source.name or isinstance(node, ast.Lambda):
        return ""
    inside = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    if [each for each in inside if _holds(parsed.span(each), site)] != [node]:  # a function in it has names of its own
        return ""
    names = {parameter.arg for parameter in parameters(node.args)} - bound_names(*node.body)
    return text if text in names else ""


def _holds(span: tuple[int, int], site: Site) -> bool:
    return span[0] <= site.start and site.end <= span[1]
