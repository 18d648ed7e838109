"""The exceptions convlin raises on purpose."""

from __future__ import annotations


class ConvlinError(Exception):
    """Parent of every error that convlin raises on purpose."""


class InputError(ConvlinError, ValueError):
    """The call cannot be right: said before anything runs, with what to write instead."""


class ShapeError(ConvlinError, AssertionError):
    """A check failed: shapes are not what the model needs or what was expected."""


class UntouchedWarning(UserWarning):
    """The model's ``forward`` wrote to a tensor in a way that could not be seen and undone."""
