"""What a size and a shape are to the type checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import sympy

Size: TypeAlias = "int | sympy.Expr"
"""One dimension of a shape: an integer, or a closed form in named sizes."""

Shape: TypeAlias = tuple[Size, ...]
