"""What one command looks at: a model with its input, from the command line or from ``pyproject.toml``."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convlin._util.call_spelling import spelling_calls
from convlin._util.paths import shown
from convlin._util.suggest import nearest_or_all
from convlin.cli import values
from convlin.cli.command_spelling import OnCommandLine
from convlin.errors import InputError, OptionError

if TYPE_CHECKING:
    from convlin._summary import Summary
    from convlin.cli.load_model import Loaded, Loader
    from convlin.cli.screen import Screen


#: The keys of a job that hold arguments of a call, and those that tell apart whether they were given.
_TEXTS, _NUMBERS = ("kwargs", "forward_kwargs"), ("batch_size", "trials")


@dataclass(frozen=True, slots=True)
class Job:
    """One model and one input, spelled as on the command line."""

    model: str
    input: tuple[str, ...] = ()
    kwargs: str = ""
    dtypes: tuple[str, ...] = ()
    device: str | None = None
    batch_size: str = ""
    """Empty where it was not given."""
    mode: str = "eval"
    trials: str = ""
    """Empty where it was not given."""
    forward_kwargs: str = ""
    lock: str | None = None
    comments: bool = False
    """Whether ``check`` holds the shape comments in the model's files against the run."""
    base: Path = Path()
    """Where relative paths start and modules are looked for first."""

    def asked(self) -> list[str]:
        """The job as somebody would type it: what is as it is without being said is left out."""
        words = self.command()
        mode = words.index("--mode")
        return words if self.mode != "eval" else [*words[:mode], *words[mode + 2 :]]

    def command(self) -> list[str]:
        """The job as arguments of ``convlin check``."""
        words = [self.model, *self.input, "--mode", self.mode]
        words += [f"--dtypes={dtype}" for dtype in self.dtypes]
        options = {
            "batch-size": self.batch_size,
            "trials": self.trials,
            "kwargs": self.kwargs,
            "device": self.device,
            "forward-kwargs": self.forward_kwargs,
        }
        return words + [f"--{option}={value}" for option, value in options.items() if value]

    def with_inputs(self, inputs: Sequence[str], batch_size: int | str | None) -> list[str]:
        """The same with other inputs, as somebody would type it: those of ``forward`` by name among them."""
        named = "" if not self.input else self.forward_kwargs
        batch = self.batch_size if batch_size is None else str(batch_size)
        return replace(self, input=tuple(inputs), forward_kwargs=named, batch_size=batch).asked()

    @property
    def lock_path(self) -> Path | None:
        """Where the lock is, if there is one."""
        return self.base / self.lock if self.lock is not None else None

    def named_batch(self) -> Job:
        """The same with a letter for the batch, where its size was not given."""
        if self.batch_size:
            return self
        taken = set(re.findall(r"\w+", " ".join(self.input)))
        return replace(self, batch_size=next(letter for letter in ("N", "B", "batch") if letter not in taken))


class Looked(NamedTuple):
    """A model that was loaded, and what its pass showed."""

    loaded: Loaded
    summary: Summary


def look(job: Job, loader: Loader, screen: Screen, options: Mapping[str, Any] | None = None) -> Looked:
    """Load the job's model and run it once; ``options`` are those of the table.

    What the user's code prints goes to standard error: standard output is convlin's answer.
    """
    given, dtypes = values.read_inputs(job.input), values.read_dtypes(job.dtypes)
    arguments, keywords = values.read_arguments(job.kwargs, "--kwargs")
    forward = _forward_arguments(job)
    batch_size = values.read_batch_size(job.batch_size or "1")
    trials = {"trials": values.read_trials(job.trials)} if job.trials else {}
    with redirect_stdout(screen.stderr):
        with screen.progress(f"importing {job.model}"):
            from convlin.api.summarize import summary_of
            from convlin.inputs.reading import UnfitInputsError, UnknownInputError

            loaded = loader.load(job.model, arguments, keywords, base=job.base, device=job.device)
        with screen.progress(f"running {job.model}"), spelling_calls(OnCommandLine(job)):
            try:
                summary = summary_of(
                    loaded.model,
                    given,
                    kwargs=forward,
                    batch_size=batch_size,
                    dtypes=dtypes,
                    device=job.device,
                    mode=job.mode,
                    **trials,
                    hints=loaded.hints,
                    display=options,
                )
            except UnfitInputsError as error:
                raise InputError(f"{error.told}; {_inputs_to_write(job, error.needed)}") from None
            except UnknownInputError as error:
                raise InputError(error.told) from None
            except OptionError as error:
                raise InputError(error.on_command_line) from None
    return Looked(loaded, summary)


def _inputs_to_write(job: Job, needed: Sequence[str]) -> str:
    """Inputs that ``forward`` takes, as they are written on the command line."""
    if len(needed) > 1:
        return f"write {' '.join(f'{name}=3,32,32' for name in needed)} with the sizes of each"
    if len(job.input) > 1 and all(word.isalnum() for word in job.input):
        return f"write {','.join(job.input)}: the sizes of one input are one word"
    return "write the sizes of one input: 3,32,32"


def _forward_arguments(job: Job) -> dict[str, Any] | None:
    positional, keywords = values.read_arguments(job.forward_kwargs, "--forward-kwargs")
    if positional:
        raise InputError("--forward-kwargs takes arguments with names: write '{\"name\": value}'")
    return keywords or None


# pyproject.toml


def configured(start: Path, command: str = "check") -> list[Job]:
    """The models under ``[tool.convlin]`` of the nearest ``pyproject.toml``, from ``start`` upwards."""
    path = next(filter(Path.is_file, (folder / "pyproject.toml" for folder in (start, *start.parents))), None)
    if path is None:
        example = f"convlin {command} net.py:Net 3,32,32"
        raise InputError(f"no model was given, and there is no pyproject.toml: write {example}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("convlin")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{shown(path)} cannot be read: {error}") from None
    example = 'write models = [{ model = "net.py:Net", input = "3,32,32" }] there'
    models = table.get("models") if isinstance(table, dict) else None
    if not isinstance(models, list) or not models:
        raise InputError(f"no model was given, and {shown(path)} lists none under [tool.convlin]: {example}")
    unknown = [key for key in table if key not in ("models", "comments")]
    if unknown:
        raise InputError(f"{shown(path)}: [tool.convlin] has {unknown[0]!r}, and its keys are 'models' and 'comments'")
    comments = _flag(table.get("comments", False), f"{shown(path)}: comments")
    return [
        _job(entry, f"{shown(path)}, model {number}", path.parent, comments=comments)
        for number, entry in enumerate(models, 1)
    ]


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{place} = {value!r} should be true or false")
    return value


def _job(entry: Any, place: str, base: Path, *, comments: bool) -> Job:
    if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
        raise InputError(f'{place}: write {{ model = "net.py:Net", input = "3,32,32" }}')
    known = [field.name for field in fields(Job) if field.name != "base"]
    for key in entry:
        if key not in known:
            raise InputError(f"{place} has no key {key!r}{nearest_or_all(key, known)}")
    read: dict[str, Any] = {key: entry[key] for key in ("model", "device", "mode", "lock") if key in entry}
    for key, value in read.items():
        if not isinstance(value, str):
            raise InputError(f"{place}: {key} = {value!r} should be a text")
    read["input"] = _inputs(entry.get("input", ()), place)
    read["dtypes"] = _dtypes(entry.get("dtypes", ()), place)
    for key in _TEXTS:
        read[key] = _arguments(entry.get(key, ""), f"{place}: {key}")
    for key in _NUMBERS:
        read[key] = str(entry.get(key, ""))
    read["comments"] = _flag(entry.get("comments", comments), f"{place}: comments")
    return Job(**read, base=base)


def _inputs(given: Any, place: str) -> tuple[str, ...]:
    """``"3,32,32"``, ``[3, 32, 32]``, ``["3,32,32", "10"]``, ``[[3, 32, 32], [10]]`` or a table by name."""
    if isinstance(given, dict):
        return tuple(f"{name}={_sizes(value, place)}" for name, value in given.items())
    if isinstance(given, list | tuple) and (not given or any(map(_is_shape, given))):
        return tuple(_sizes(value, place) for value in given)
    return (_sizes(given, place),)


def _is_shape(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and not value.isidentifier())


def _sizes(given: Any, place: str) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    if isinstance(given, list) and all(isinstance(size, int | str) for size in given):
        return ",".join(map(str, given))
    raise InputError(f'{place}: input = {given!r} is not a valid input: write "3,32,32", or a list of such texts')


def _dtypes(given: Any, place: str) -> tuple[str, ...]:
    if isinstance(given, dict):
        return tuple(f"{name}={dtype}" for name, dtype in given.items())
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list | tuple) or not all(isinstance(dtype, str) for dtype in listed):
        raise InputError(
            f'{place}: dtypes = {given!r} is not a valid dtype: write "long", or a list or table of such texts'
        )
    return tuple(listed)


def _arguments(given: Any, place: str) -> str:
    if isinstance(given, str):
        return given
    with suppress(TypeError):
        if isinstance(given, dict):
            return json.dumps(given)
    raise InputError(f"{place} = {given!r} cannot be passed: write a table of numbers, texts and lists")


def _given(arguments: Any, option: str) -> str:
    """The value of an option that the command was given, and nothing where it stands at its default."""
    return getattr(arguments, option) if getattr(arguments, f"{option}_given", False) else ""


def jobs(arguments: Any) -> Sequence[Job]:
    """The jobs of a command: the one that its arguments name, or those in ``pyproject.toml``."""
    comments = getattr(arguments, "comments", False)
    if arguments.model is None:
        found = configured(Path.cwd(), arguments.command)
        return [replace(job, comments=True) for job in found] if comments else found
    read: dict[str, Any] = {name: getattr(arguments, name) for name in ("model", "device", "mode", *_TEXTS)}
    read |= {name: tuple(getattr(arguments, name)) for name in ("input", "dtypes")}
    read |= {name: _given(arguments, name) for name in _NUMBERS}
    return [Job(**read, lock=getattr(arguments, "lock", None), comments=comments, base=Path(os.getcwd()))]
