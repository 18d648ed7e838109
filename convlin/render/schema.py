"""A report as plain data and back: the schema of ``to_dict`` and ``to_json``, described in ``docs/json.md``.

The records themselves are the schema: every field is written under its own name and read back by
its type, so a field added to a record is in the file, too.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from convlin.errors import InputError
from convlin.records import UNSEEN, Accepts, Call, Derivation, Problem, Report, Source, SourceKind
from convlin.render import rules
from convlin.render.options import Options
from convlin.render.options import options as read_options
from convlin.sizes import serialize as closed_forms

#: Goes up when a file that was written before can no longer be read as it was meant.
VERSION = 1

_KEY = "convlin"

#: Instructions of code that only the process that ran it can look up, and edits of files as they stand now.
_NOT_WRITTEN = frozenset({"expressions", "edits", "unfixed"})


class _Size:
    """Stands for ``records.Size`` where types are read: an integer, or a closed form as text."""


#: Names in the annotations of the records that mean something else here, and those that a report loads later.
_NAMES = {"Size": _Size, "Shape": tuple[_Size, ...], "Accepts": Accepts, "Problem": Problem}


def to_dict(report: Report, options: Options | None = None) -> dict[str, Any]:
    """The report as dicts, lists, numbers and strings.

    >>> to_dict(Report("Net", (), (), "cpu", "", (), ()))["model"]
    'Net'
    """
    writer = _Writer()
    content = writer.plain(report)
    counted = report.parameter_sums
    return {
        _KEY: VERSION,
        **content,
        "named_sizes": writer.letters,
        "totals": {
            "parameters": counted.elements,
            "trainable": counted.trainable,
            "bytes": counted.nbytes,
        },
        "ok": not report.problems,
        "display": _chosen(options),
    }


def _chosen(options: Options | None) -> dict[str, Any]:
    """The display options that are not the usual ones."""
    if options is None:
        return {}
    usual = Options()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value, default in zip(Options._fields, options, usual, strict=True)
        if value != default
    }


def to_json(report: Report, options: Options | None = None, *, indent: int | None = None) -> str:
    """``to_dict`` as JSON text; with ``indent`` each call, module and problem is one line.

    >>> print(to_json(Report("Net", (), (), "cpu", "", (), ()), indent=2).splitlines()[2])
      "model": "Net",
    """
    import json

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    data = to_dict(report, options)
    if indent is None:
        return line(data)
    outer, inner = f"\n{' ' * indent}", f"\n{' ' * 2 * indent}"

    def entry(value: Any) -> str:
        if not isinstance(value, list) or not value:
            return line(value)
        return f"[{','.join(f'{inner}{line(item)}' for item in value)}{outer}]"

    return f"{{{','.join(f'{outer}{line(name)}: {entry(value)}' for name, value in data.items())}\n}}"


def from_json(text: str | bytes) -> tuple[Report, Options]:
    """What ``to_json`` wrote; see ``from_dict``."""
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"invalid JSON: {error}") from None
    return from_dict(data)


def from_dict(data: Any) -> tuple[Report, Options]:
    """The report and display options that ``to_dict`` wrote.

    Raises:
        InputError: no such data, from a later version, or a value of another kind, with its place.

    >>> from_dict(to_dict(Report("Net", (), (), "cpu", "", (), ())))[0].model
    'Net'
    """
    if not isinstance(data, Mapping) or _KEY not in data:
        raise InputError("not a convlin summary: it has no key 'convlin'")
    version = data[_KEY]
    if version != VERSION:
        raise InputError(f"this summary has version {version!r} of the schema; this convlin reads {VERSION}")
    reader = _Reader(_letters(data.get("named_sizes", {})))
    report = reader.value(data, Report, "")
    assert isinstance(report, Report)
    display = data.get("display", {})
    if not isinstance(display, Mapping):
        raise _wrong("display", "an object", display)
    return report, read_options(display)


def _letters(data: Any) -> closed_forms.Assumptions:
    known = isinstance(data, Mapping) and all(
        isinstance(name, str)
        and isinstance(facts, Mapping)
        and all(isinstance(fact, str) and isinstance(holds, bool) for fact, holds in facts.items())
        for name, facts in data.items()
    )
    if not known:
        raise InputError("named_sizes: expected letters, each with what is known of it")
    return {name: dict(facts) for name, facts in data.items()}


# Writing


class _Writer:
    def __init__(self) -> None:
        self.letters: dict[str, dict[str, bool]] = {}

    def plain(self, value: Any) -> Any:
        """``value`` as JSON has it; what JSON does not tell apart is an object with one key, ``{"list": […]}``."""
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._record(value, [field.name for field in dataclasses.fields(value)])
        if isinstance(value, Source):
            return _written_source(value)
        if isinstance(value, enum.Enum):
            return value.value
        if isinstance(value, tuple):
            names = getattr(value, "_fields", None)
            return [self.plain(item) for item in value] if names is None else self._record(value, names)
        if isinstance(value, list):
            return {"list": [self.plain(item) for item in value]}
        if isinstance(value, Mapping):
            return {"dict": {str(key): self.plain(item) for key, item in value.items()}}
        if isinstance(value, slice):
            return {"slice": [self.plain(part) for part in (value.start, value.stop, value.step)]}
        if value is ...:
            return {"ellipsis": True}
        if closed_forms.is_closed_form(value):
            return {"size": self._size(value)}
        return str(value)

    def _size(self, value: Any) -> Any:
        if not closed_forms.is_closed_form(value):
            return int(value)
        self.letters.update(closed_forms.assumptions(value))
        return closed_forms.written(value)

    def _record(self, value: Any, names: Any) -> dict[str, Any]:
        kind: Any = type(value)
        hints = _hints(kind)
        found: dict[str, Any] = {}
        for name in names:
            if name == "derive":  # a rule is code; what it derived is data
                found["derivation"] = self.plain(value.derivation)
                found["rule"] = None if value.derive is None else rules.written(value.derive)
            elif name not in _NOT_WRITTEN:
                found[name] = self._field(getattr(value, name), hints[name])
        return found

    def _field(self, value: Any, hint: Any) -> Any:
        """A field whose type says what it is: sizes are bare, mappings plain objects."""
        if hint is _Size:
            return self._size(value)
        origin, inner = get_origin(hint), get_args(hint)
        if origin is tuple and not hasattr(value, "_fields"):
            kinds = inner[:1] * len(value) if inner[-1] is ... else inner
            return [self._field(item, kind) for item, kind in zip(value, kinds, strict=True)]
        if origin is Sequence:
            return [self._field(item, inner[0]) for item in value]
        if isinstance(value, Mapping) and origin in (Mapping, dict):
            return {key: self._field(item, inner[1]) for key, item in value.items()}
        return self.plain(value)


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind, localns=_NAMES)


# Reading


class _Reader:
    def __init__(self, letters: closed_forms.Assumptions) -> None:
        self._letters = letters

    def value(self, data: Any, hint: Any, place: str) -> Any:
        """What was written as ``data``, of the type that the record says."""
        if hint is Any:
            return self._any(data, place)
        if hint is _Size:
            return self._size(data, place)
        if hint is Source:
            return _read_source(data, place)
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            return self._one_of(data, get_args(hint), place)
        if origin is tuple:
            return self._tuple(data, get_args(hint), place)
        if origin is Sequence:
            return self._tuple(data, (*get_args(hint), ...), place)
        if origin in (Mapping, dict):
            if not isinstance(data, Mapping):
                raise _wrong(place, "an object", data)
            kind = get_args(hint)[1]
            return {key: self.value(item, kind, f"{place}.{key}") for key, item in data.items()}
        if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or hasattr(hint, "_fields")):
            return self._record(data, hint, place)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            try:
                return hint(data)
            except ValueError:
                raise _wrong(place, " or ".join(repr(each.value) for each in hint), data) from None
        if hint is float and type(data) is int:
            return float(data)
        if hint is int and isinstance(data, Mapping):  # a count that grew letters
            return self._any(data, place)
        if type(data) is not hint:
            raise _wrong(place, getattr(hint, "__name__", str(hint)), data)
        return data

    def _one_of(self, data: Any, kinds: tuple[Any, ...], place: str) -> Any:
        if data is None and type(None) in kinds:
            return None
        *others, last = [kind for kind in kinds if kind is not type(None)]
        for kind in others:
            with suppress(InputError):
                return self.value(data, kind, place)
        return self.value(data, last, place)

    def _tuple(self, data: Any, kinds: tuple[Any, ...], place: str) -> tuple[Any, ...]:
        if not isinstance(data, list | tuple):
            raise _wrong(place, "a list", data)
        if kinds[-1] is ...:
            kinds = kinds[:1] * len(data)
        if len(kinds) != len(data):
            raise _wrong(place, f"a list of {len(kinds)}", data)
        return tuple(
            self.value(item, kind, f"{place}[{index}]")
            for index, (item, kind) in enumerate(zip(data, kinds, strict=True))
        )

    def _record(self, data: Any, kind: Any, place: str) -> Any:
        if not isinstance(data, Mapping):
            raise _wrong(place, "an object", data)
        values: dict[str, Any] = {}
        for name, hint in _hints(kind).items():
            if name == "derive":
                values[name] = rules.read(data.get("rule")) or self._derive(data.get("derivation"), place)
            elif name in data:
                values[name] = self.value(data[name], hint, f"{place}.{name}")
        try:
            return kind(**values)
        except TypeError:  # a field without a default is not there
            raise InputError(f"{place.removeprefix('.') or 'the summary'}: a value is missing") from None

    def _derive(self, data: Any, place: str) -> Any:
        if data is None:
            return None
        found: Derivation = self.value(data, Derivation, f"{place}.derivation")
        return _Known(found)

    def _size(self, data: Any, place: str) -> Any:
        if isinstance(data, str):
            return closed_forms.read(data, self._letters)
        if type(data) is not int:
            raise _wrong(place, "a size", data)
        return data

    def _any(self, data: Any, place: str) -> Any:
        match data:
            case None | bool() | int() | float() | str():
                return data
            case list() | tuple():
                return tuple(self._any(item, place) for item in data)
            case {"list": list(items), **rest} if not rest:
                return [self._any(item, place) for item in items]
            case {"dict": dict(items), **rest} if not rest:
                return {key: self._any(item, place) for key, item in items.items()}
            case {"slice": [start, stop, step], **rest} if not rest:
                return slice(*(self._any(part, place) for part in (start, stop, step)))
            case {"ellipsis": True, **rest} if not rest:
                return ...
            case {"float": "inf" | "-inf" | "nan" as number, **rest} if not rest:
                return float(number)
            case {"size": str(text), **rest} if not rest:
                return closed_forms.read(text, self._letters)
        raise _wrong(place, "a value", data)


def _written_source(source: Source) -> Any:
    """A call is its index, the n-th join -2 − n, what was not seen -1, and the n-th input ``{"input": n}``."""
    if source.kind is SourceKind.INPUT:
        return {"input": source.number}
    return -2 - source.number if source.kind is SourceKind.JOIN else source.number


def _read_source(data: Any, place: str) -> Source:
    if isinstance(data, Mapping) and data.keys() == {"input"} and type(data["input"]) is int:
        return Source.input(data["input"])
    if type(data) is not int:
        raise _wrong(place, "a source", data)
    if data >= 0:
        return Source.call(data)
    return UNSEEN if data == -1 else Source.join(-2 - data)


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """A rule that was read back: it gives what was derived when the pass was run."""

    derivation: Derivation

    def __call__(self, call: Call) -> Derivation | None:
        return self.derivation


def _wrong(place: str, expected: str, data: Any) -> InputError:
    shown = repr(data)
    return InputError(f"{place.removeprefix('.') or 'the summary'}: expected {expected}, found {shown[:60]}")
