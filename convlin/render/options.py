"""What a table is to show: validated once, kept as a frozen record, the same for every form."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

from convlin._util.suggest import nearest_or_all
from convlin.errors import InputError, OptionError

#: Every column there is, in the order of the documentation.
COLUMNS = (
    "layer", "type", "input", "output", "params", "params_percent", "trainable", "kernel", "stride", "padding",
    "dilation", "groups", "arithmetic", "problem", "flops", "mult_adds", "memory", "receptive_field", "dtype", "device",
    "where",
)  # fmt: skip

#: Shown where nothing else is asked for: fits 100 signs for a small network.
DEFAULT = ("layer", "type", "input", "output", "params", "arithmetic")

#: Of these, what a summary without a forward pass can fill.
DEFAULT_WITHOUT_PASS = ("layer", "type", "params")

#: How wide a table is where no width is asked for: the same in every terminal, file and test.
WIDTH = 100

#: With less room, no column is left to give way.
LEAST_WIDTH = 40


class DisplayOptions(TypedDict, total=False):
    """The options that every form of the table takes, for type checkers; see ``Options``."""

    columns: str | Iterable[str] | None
    depth: int | None
    only: str | None
    parameters: bool
    fold: bool | None
    ascii_only: bool | None
    width: int | None
    tree: bool | None
    hide: str | None
    functions: str
    batch: bool


#: Which functions between modules have rows.
FUNCTIONS = ("all", "shape", "none")


class Options(NamedTuple):
    """What a table shows.  Built by ``options``, which checks it."""

    columns: tuple[str, ...] | None = None
    """Names out of ``COLUMNS``; None for the default set, which ``"default"`` stands for in a longer list."""
    depth: int | None = None
    """How deep to go into containers: 1 for what the model's own ``forward`` calls; None for all the way."""
    only: str | None = None
    """Types and paths to show, globs allowed, ``|`` between them: ``Conv2d|Linear``, ``features.*``."""
    parameters: bool = False
    """A row for every single weight and bias."""
    fold: bool | None = None
    """Whether repeated identical blocks become one: always, never, or (None) where the table is long."""
    ascii_only: bool | None = None
    """Plain signs only; None lets the encoding of standard output decide when printing."""
    width: int | None = None
    """How many signs wide the printed table may be; None for 100."""
    tree: bool | None = None
    """Whether the printed rows are indented below their containers: always, never, or (None) where whole paths do
    not fit the width."""
    hide: str | None = None
    """Types and paths not to show, as for ``only``; what they hold is summed up in one row."""
    functions: str = "shape"
    """``shape`` for a row for every function between modules that changes a shape, ``all`` for those as well in which
    tensors meet and keep it (the sum of a residual connection, an attention), ``none`` for no such rows."""
    batch: bool = True
    """Whether shapes have their first axis, the batch."""

    @property
    def needs_flops(self) -> bool:
        """Whether the pass has to count floating-point operations."""
        return bool({"flops", "mult_adds"} & set(self.columns or ()))

    @property
    def needs_where(self) -> bool:
        """Whether the lines that made the modules have to be looked up."""
        return "where" in (self.columns or ())


def options(given: Mapping[str, Any], base: Options | None = None) -> Options:
    """``base`` with what was given in its place, checked.

    Raises:
        InputError: an option or column that does not exist, with the nearest name there is.

    >>> options({"columns": ["layer", "params"], "depth": 2}).columns
    ('layer', 'params')
    >>> options({"columns": ["layer", "parms"]})
    Traceback (most recent call last):
    convlin.errors.InputError: unknown column 'parms'; did you mean 'params'?
    """
    known = Options._fields
    for name in given:
        if name not in known:
            raise InputError(f"unknown option {name!r}{nearest_or_all(name, known)}")
    checked = dict(given)
    if checked.get("columns") is not None:
        checked["columns"] = _columns(checked["columns"])
    depth = checked["depth"] = _whole(checked.get("depth", (base or Options()).depth))
    if depth is not None and (type(depth) is not int or depth < 0):
        wrong = "is not a valid depth: write 0, 1, 2, …"
        raise OptionError(f"depth={depth!r} {wrong} or None for all of the model", f"--depth {depth} {wrong}")
    width = checked["width"] = _whole(checked.get("width", (base or Options()).width))
    if width is not None and (type(width) is not int or width < LEAST_WIDTH):
        wrong = f"is not a valid width: write a number of signs from {LEAST_WIDTH} up"
        raise OptionError(f"width={width!r} {wrong}", f"--width {width} {wrong}")
    for name in ("only", "hide"):
        named = checked.get(name)
        if named is not None and (not isinstance(named, str) or not patterns(named)):
            wrong = 'names nothing: write types or paths, "Conv2d|Linear" or "features.*"'
            raise OptionError(f"{name}={named!r} {wrong}", f"--{name} {named!r} {wrong}")
    if checked.get("functions", "shape") not in FUNCTIONS:
        raise InputError(f"functions={checked['functions']!r} should be 'all', 'shape' or 'none'")
    for name in ("parameters", "fold", "ascii_only", "tree", "batch"):
        value = checked.get(name, False)
        if not isinstance(value, bool) and not (value is None and name not in ("parameters", "batch")):
            raise InputError(f"{name}={value!r} should be True or False")
    return (base or Options())._replace(**checked)


def _whole(number: Any) -> Any:
    """An integer of numpy's as one of Python's; anything else as it is."""
    return operator.index(number) if hasattr(number, "__index__") and not isinstance(number, bool) else number


def _columns(given: Any) -> tuple[str, ...]:
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",")]
    if not isinstance(given, Iterable):
        raise InputError(f'columns={given!r} should be a list of names: columns=["layer", "output", "params"]')
    names: list[str] = []
    for name in given:
        if not isinstance(name, str) or (name not in COLUMNS and name != "default"):
            raise InputError(f"unknown column {name!r}{nearest_or_all(name, COLUMNS)}")
        names += DEFAULT if name == "default" else (name,)
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise InputError(f"column {sorted(repeated)[0]!r} is named twice")
    if not names:
        raise InputError(f"columns is empty; there are {', '.join(COLUMNS)}")
    return tuple(names)


def patterns(only: str) -> tuple[str, ...]:
    """The single globs of ``only``."""
    return tuple(part.strip() for part in only.split("|") if part.strip())
