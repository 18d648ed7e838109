"""The exceptions convlin raises on purpose."""

from __future__ import annotations


class ConvlinError(Exception):
    """Parent of every error that convlin raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it: the lines that led to the call of convlin, and the message."""
        import traceback

        from convlin._util.cells import cell_name
        from convlin._util.packages import CONVLIN

        lines: list[str] = []
        for frame in traceback.extract_tb(self.__traceback__):
            if frame.filename.startswith(CONVLIN):
                break
            where = cell_name(frame.filename)
            if where is not None or lines:  # what is in front of the cell is IPython's own
                lines.append(f"{where or frame.filename}, line {frame.lineno}:  {frame.line}")
        return [*lines, "", f"{type(self).__name__}: {self}"]


class InputError(ConvlinError, ValueError):
    """The call cannot be right: said before anything runs, with what to write instead."""


class OptionError(InputError):
    """The value of an option cannot be right; the command line has another spelling for what to write."""

    def __init__(self, told: str, on_command_line: str) -> None:
        self.on_command_line = on_command_line
        super().__init__(told)


class UnknownArgumentError(ConvlinError, TypeError):
    """A function has no such argument; said with the nearest one, or with what to write instead."""


class UnknownLayerError(ConvlinError, KeyError):
    """A summary was asked for a layer that the model does not have, or that was not called."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError's own is the repr, in quotes


class ShapeError(ConvlinError, AssertionError):
    """A check failed: shapes are not what the model needs or what was expected."""


class UntouchedWarning(UserWarning):
    """The model's ``forward`` wrote to a tensor in a way that could not be seen and undone."""
