"""What to write in a call, as the command line spells it: ``summarize(model, (3, 8, 8))`` is a command with 3,8,8."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from convlin._util.call_spelling import CallSpelling, Inputs, Sizes

if TYPE_CHECKING:
    from convlin.cli.jobs import Job


class OnCommandLine(CallSpelling):
    """The command and the options of one job, which a call repeats.

    >>> from convlin.cli.jobs import Job
    >>> spelled = OnCommandLine(Job("net.py:Net"))
    >>> spelled.call({"x": (3, 8, 8)}, 4), spelled.option("device", "meta"), spelled.dtypes({"x": "long"})
    ('convlin show net.py:Net x=3,8,8 --batch-size=4', '--device meta', '--dtypes x=long')
    """

    def __init__(self, job: Job | None = None) -> None:
        self._job = job

    def call(self, inputs: Inputs, batch_size: int | str | None = None, *, tensor: Sizes | None = None) -> str:
        if self._job is None:
            return super().call(inputs, batch_size)
        return shlex.join(["convlin", "show", *self._job.with_inputs(list(_words(inputs)), batch_size)])

    def option(self, name: str, value: object = "") -> str:
        word = f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        return word if isinstance(value, bool) or value == "" else f"{word} {value}"

    def dtypes(self, names: Sequence[str] | Mapping[str, str]) -> str:
        listed = [f"{name}={dtype}" for name, dtype in names.items()] if isinstance(names, Mapping) else names
        return " ".join(f"--dtypes {each}" for each in listed)

    def off_meta(self, made_there: str) -> str:
        # A model that a command names is made on the device that is asked for.
        asked = self._job is not None and self._job.device is not None
        return super().off_meta("" if asked else made_there)

    def more(self, name: str, value: object) -> str:
        return self.option(name, value)


def _words(inputs: Inputs) -> Iterator[str]:
    if isinstance(inputs, Mapping):
        yield from (f"{name}={_sizes(sizes)}" for name, sizes in inputs.items())
    else:
        yield from map(_sizes, inputs)


def _sizes(sizes: Sizes) -> str:
    return ",".join(map(str, sizes)) or "()"
