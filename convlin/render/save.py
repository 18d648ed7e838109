"""A summary written to a file in the form that the file's name asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from convlin._util.atomic_write import write_bytes
from convlin._util.suggest import nearest_or_all
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.render.forms import Forms

#: What each suffix stands for.
FORMS: Mapping[str, Callable[[Forms], str]] = {
    # A file is UTF-8 whatever the terminal can show.
    ".txt": lambda made: made.table(ascii_only=bool(made._options.ascii_only)) + "\n",
    ".md": lambda made: made.to_markdown(),
    ".html": lambda made: made.to_html(page=True),
    ".tex": lambda made: made.to_latex(),
    ".csv": lambda made: made.to_csv(),
    ".json": lambda made: made.to_json(indent=2) + "\n",
    ".svg": lambda made: made.to_svg(),
}

#: What the picture can be converted to, where cairosvg is installed.
CONVERTED = (".png", ".pdf")


def save(made: Forms, path: str | os.PathLike[str]) -> None:
    """Write the form that the suffix of ``path`` names, in UTF-8, whole or not at all.

    Raises:
        InputError: a suffix that stands for no form, or what converts the picture is not installed.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{path!r} is not the path of a file: write a name such as 'net.html'")
    suffix = PurePath(path).suffix.lower()
    if suffix in CONVERTED:
        from convlin.render.picture.convert import converted

        write_bytes(path, converted(made.report, suffix, batch=made._options.batch))
        return
    form = FORMS.get(suffix)
    if form is None:
        known = (*FORMS, *CONVERTED)
        raise InputError(
            f"{os.fspath(path)!r}: {f'unknown format {suffix!r}' if suffix else 'no suffix names the format'}"
            f"{nearest_or_all(suffix, known)}"
        )
    write_bytes(path, form(made).encode())
