"""``convlin show`` and ``convlin explain``."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import TYPE_CHECKING, Any

from convlin._util.suggest import did_you_mean
from convlin.cli import values
from convlin.cli.fixes import fixes_of, last_line
from convlin.cli.jobs import jobs, look
from convlin.cli.load_model import Loader, is_file
from convlin.cli.meant import with_layer
from convlin.cli.named_model import arguments_to_write
from convlin.cli.screen import Screen, writing
from convlin.derivations.declared import AXIS_OF
from convlin.errors import InputError
from convlin.render.options import Options
from convlin.render.save import FORMS

if TYPE_CHECKING:
    from convlin._summary import Summary

#: The suffix under which each form is saved.
_SUFFIXES = {
    "text": ".txt", "markdown": ".md", "html": ".html", "latex": ".tex", "csv": ".csv", "json": ".json", "svg": ".svg",
}  # fmt: skip


def show(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print (or save) the table of one model, or its code with the shapes beside it."""
    if arguments.source and arguments.format not in (None, "text", "html"):
        raise InputError(f"--source is written as text or html: there is no {arguments.format} form of it")
    options = {name: getattr(arguments, name) for name in Options._fields}
    if arguments.width is None and arguments.output is None:
        options["width"] = screen.width()
    (job,) = jobs(arguments)
    with Loader() as loader:
        looked = look(job, loader, screen, options)
        summary = looked.summary
        if arguments.source:
            _show_source(summary, arguments, screen)
        elif arguments.output is None:
            form = arguments.format or "text"
            screen.answer(_text(summary, form, is_file=False), is_table=form == "text")
        elif arguments.format is not None:
            _save(_text(summary, arguments.format, is_file=True), arguments, screen)
        else:
            with writing():
                summary.save(arguments.output)
            screen.say(f"written {arguments.output}")
        if not summary.ok:
            problems = len(summary.problems)
            screen.say(last_line(problems, problems - len(fixes_of(looked.summary.report).left), job))
    return 0 if summary.ok else 1


def _show_source(summary: Summary, arguments: argparse.Namespace, screen: Screen) -> None:
    listing = summary.source()
    form = arguments.format or ("html" if str(arguments.output).endswith((".html", ".htm")) else "text")
    text = listing._repr_html_() if form == "html" else str(listing)
    if arguments.output is not None:
        _save(text, arguments, screen)
    elif form == "text":
        screen.answer_code(listing)
    else:
        screen.answer(text, is_table=False)


def _save(text: str, arguments: argparse.Namespace, screen: Screen) -> None:
    screen.save(text, arguments.output)
    screen.say(f"written {arguments.output}")


def _text(summary: Summary, form: str, *, is_file: bool) -> str:
    if form == "lsp-inlay":
        from convlin.annotate.inlay import inlay_hints

        return as_json(inlay_hints(summary.report))
    if form in ("text", "html") and not is_file:  # the signs are the terminal's, and the page is another's
        return str(summary) if form == "text" else summary.to_html()
    return FORMS[_SUFFIXES[form]](summary)


def explain(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print how the size that reaches a layer of a model comes about, or how one layer of ``torch.nn`` computes its."""
    if not arguments.input and not arguments.forward_kwargs:
        raise InputError(f"{arguments.model} needs an input: write convlin explain {arguments.model} 3,32,32")
    if ":" in arguments.model or is_file(arguments.model):
        return _explain_model(arguments, screen)
    for name, default in _FOR_MODELS.items():
        if getattr(arguments, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} is for a model, such as net.py:Net, and {arguments.model!r} names a layer")
    return _explain_layer(arguments, screen)


#: Options that a layer of torch.nn alone has no use for, and their defaults.
_FOR_MODELS: dict[str, Any] = {
    "layer": None,
    "dtypes": [],
    "device": None,
    "batch_size": "1",
    "mode": "eval",
    "trials": "70",
    "forward_kwargs": "",
}


def _explain_model(arguments: argparse.Namespace, screen: Screen) -> int:
    with Loader() as loader:
        try:
            (job,) = jobs(arguments)
            summary = look(job, loader, screen).summary
        except InputError as error:
            raise with_layer(error, arguments.input) from None
        try:
            screen.answer(summary.explain(arguments.layer))
        except KeyError as error:
            raise InputError(f"--layer {arguments.layer}: {error.args[0]}") from None
    return 0 if summary.ok else 1


def _explain_layer(arguments: argparse.Namespace, screen: Screen) -> int:
    name = arguments.model
    positional, keywords = values.read_arguments(arguments.kwargs, "--kwargs")
    given = values.read_inputs(arguments.input)
    with screen.progress("importing torch"):
        from torch import nn

        from convlin.api.shortcuts import explain as explained
    called, opened, inside = name.removeprefix("torch.").removeprefix("nn.").partition("(")
    kind = getattr(nn, called, None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        layers = [each for each, value in vars(nn).items() if isinstance(value, type) and issubclass(value, nn.Module)]
        meant = did_you_mean(called, layers) or "; a layer of torch.nn is named as Conv2d is, a model as net.py:Net"
        raise InputError(f"torch.nn has no layer {called!r}{meant}")
    if opened:
        words = ["convlin", "explain", called, *arguments.input, "--kwargs", inside.rstrip(") ")]
        raise InputError(f"{name!r} is not a name: write {shlex.join(words)}")
    layer = _layer(kind, positional, keywords, given)
    screen.answer(explained(layer, given))
    return 0


def _layer(kind: Any, positional: tuple[Any, ...], keywords: dict[str, Any], given: Any) -> Any:
    """The layer with these arguments, and with those that are sizes of its input, a shape without the batch."""
    import inspect

    parameters = inspect.signature(kind).parameters
    filled = {
        name: given[0 if axis == 1 else axis]
        for name, axis in AXIS_OF.items()
        if not positional and name in parameters and name not in keywords and isinstance(given, tuple)
    }
    try:
        return kind(*positional, **filled, **keywords)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        written = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in keywords.items())])
        unknown = next((name for name in keywords if name not in parameters), None)
        told = str(error).splitlines()[0]
        why = told if unknown is None else f"it has no {unknown!r}{did_you_mean(unknown, parameters)}"
        hint = "" if positional else arguments_to_write(parameters, filled, positional, keywords)
        raise InputError(f"{kind.__name__}({written}) cannot be made: {why}{hint}") from None


def as_json(data: Any) -> str:
    """JSON as programs and people read it, the same text every time."""
    return json.dumps(data, indent=2, ensure_ascii=True)
