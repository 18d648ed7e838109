"""A summary written to a file in the form that the file's name asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import PurePath

from convlin._util.atomic_write import write_bytes
from convlin._util.suggest import nearest_or_all
from convlin.errors import InputError
from convlin.records import Report
from convlin.render.options import Options

Form = Callable[[Report, Options], str]


def _text(report: Report, options: Options) -> str:
    from convlin.render.text import table

    # A file is UTF-8 whatever the terminal can show.
    return table(report, options._replace(ascii_only=bool(options.ascii_only))) + "\n"


def _markdown(report: Report, options: Options) -> str:
    from convlin.render.markdown import markdown

    return markdown(report, options)


def _html(report: Report, options: Options) -> str:
    from convlin.render.html import html

    return html(report, options, page=True)


def _latex(report: Report, options: Options) -> str:
    from convlin.render.latex import latex

    return latex(report, options)


def _csv(report: Report, options: Options) -> str:
    from convlin.render.data import csv

    return csv(report, options)


def _json(report: Report, options: Options) -> str:
    from convlin.render.schema import to_json

    return to_json(report, options, indent=2) + "\n"


def _svg(report: Report, options: Options) -> str:
    from convlin.render.picture import svg

    return svg(report, batch=options.batch)


#: What each suffix stands for.
FORMS: Mapping[str, Form] = {
    ".txt": _text,
    ".md": _markdown,
    ".html": _html,
    ".tex": _latex,
    ".csv": _csv,
    ".json": _json,
    ".svg": _svg,
}

#: What the picture can be converted to, where cairosvg is installed.
CONVERTED = (".png", ".pdf")


def save(report: Report, options: Options, path: str | os.PathLike[str]) -> None:
    """Write the form that the suffix of ``path`` names, in UTF-8, whole or not at all.

    Raises:
        InputError: a suffix that stands for no form, or what converts the picture is not installed.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix in CONVERTED:
        from convlin.render.picture.convert import converted

        write_bytes(path, converted(report, suffix, batch=options.batch))
        return
    form = FORMS.get(suffix)
    if form is None:
        known = (*FORMS, *CONVERTED)
        raise InputError(
            f"{os.fspath(path)!r}: no form is called {suffix or 'nothing'!r}{nearest_or_all(suffix, known)}"
        )
    write_bytes(path, form(report, options).encode())
