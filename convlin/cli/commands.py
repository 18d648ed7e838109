"""``convlin show`` and ``convlin explain``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from convlin._util.suggest import nearest_or_all
from convlin.cli import values
from convlin.cli.jobs import jobs, look
from convlin.cli.load_model import Loader
from convlin.cli.screen import Screen
from convlin.errors import InputError

if TYPE_CHECKING:
    from convlin.summary import Summary


def show(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print (or save) the table of one model."""
    options = {
        "columns": arguments.columns,
        "depth": arguments.depth,
        "only": arguments.only,
        "parameters": arguments.parameters,
        "fold": arguments.fold,
        "ascii_only": arguments.ascii_only or None,
        "tree": arguments.tree,
        "hide": arguments.hide,
        "functions": arguments.functions,
        "width": screen.width() if arguments.width is None and arguments.output is None else arguments.width,
    }
    (job,) = jobs(arguments)
    with Loader() as loader:
        summary = look(job, loader, screen, options).summary
        if arguments.output is not None:
            _save(summary, arguments, screen)
        else:
            form = arguments.format or "text"
            screen.answer(_text(summary, form), is_table=form == "text")
    return 0 if summary.ok else 1


def _save(summary: Summary, arguments: argparse.Namespace, screen: Screen) -> None:
    if arguments.format is None:
        summary.save(arguments.output)
    else:
        form = arguments.format
        text = summary.table(ascii_only=arguments.ascii_only) if form == "text" else _text(summary, form, page=True)
        screen.save(text, arguments.output)
    screen.say(f"written {arguments.output}")


def _text(summary: Summary, form: str, *, page: bool = False) -> str:
    if form == "markdown":
        return summary.to_markdown()
    if form == "html":
        return summary.to_html(page=page)
    if form == "latex":
        return summary.to_latex()
    if form == "csv":
        return summary.to_csv()
    if form == "svg":
        return summary.to_svg()
    return summary.to_json(indent=2) if form == "json" else str(summary)


def explain(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print how one layer of ``torch.nn`` comes to its output size."""
    positional, keywords = values.read_arguments(arguments.kwargs, "--kwargs")
    given = values.read_inputs(arguments.input)
    if given is None:
        raise InputError(f"{arguments.layer} needs an input: write convlin explain {arguments.layer} 3,32,32")
    with screen.progress("importing torch"):
        from torch import nn

        from convlin.api.shortcuts import explain as explained
    kind = getattr(nn, arguments.layer.removeprefix("nn.").removeprefix("torch.nn."), None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        layers = [name for name, value in vars(nn).items() if isinstance(value, type) and issubclass(value, nn.Module)]
        raise InputError(f"torch.nn has no layer {arguments.layer!r}{nearest_or_all(arguments.layer, layers)}")
    layer = _layer(kind, positional, keywords, given)
    screen.answer(explained(layer, given))
    return 0


#: Arguments that a layer's input has already, and on which axis of a sample.
_FROM_INPUT = {"in_channels": 0, "in_features": -1, "num_features": 0, "num_channels": 0, "input_size": -1}


def _layer(kind: Any, positional: tuple[Any, ...], keywords: dict[str, Any], given: Any) -> Any:
    import inspect

    parameters = inspect.signature(kind).parameters
    filled = {
        name: given[axis]
        for name, axis in _FROM_INPUT.items()
        if not positional and name in parameters and name not in keywords and isinstance(given, tuple)
    }
    try:
        return kind(*positional, **filled, **keywords)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        written = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in keywords.items())])
        raise InputError(f"{kind.__name__}({written}) cannot be made: {str(error).splitlines()[0]}") from None


def as_json(data: Any) -> str:
    """JSON as programs and people read it, the same text every time."""
    return json.dumps(data, indent=2, ensure_ascii=True)
