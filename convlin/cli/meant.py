"""What a command line that cannot be right was meant as: said behind what is wrong with it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence

from convlin._util.suggest import did_you_mean
from convlin.errors import InputError


def command(words: Sequence[str], commands: Iterable[str]) -> str | None:
    """Why the first word is not a command, and what to write; None where nothing is known but that it is none.

    >>> command(["net.py:Net", "3,32,32"], ["show", "run"])
    "'net.py:Net' is not a command: write convlin show net.py:Net 3,32,32"
    >>> command(["train.py"], ["show", "run"])
    "'train.py' is not a command: write convlin run train.py, or convlin show train.py 3,32,32"
    >>> command(["train.py", "--epochs", "10"], ["show", "run"])
    "'train.py' is not a command: write convlin run train.py --epochs 10"
    >>> command(["shwo", "net.py:Net"], ["show", "run"])
    "'shwo' is not a command; did you mean 'show'?"
    """
    first, *others = words
    sized = [*words, "3,32,32"] if not others else words
    show, run = (shlex.join(["convlin", *each]) for each in (["show", *sized], ["run", *words]))
    if ":" in first or (first.endswith(".py") and others and others[0][:1].isdecimal()):
        return f"{first!r} is not a command: write {show}"
    if first.endswith(".py"):
        return f"{first!r} is not a command: write {run}" + ("" if others else f", or {show}")
    meant = did_you_mean(first, commands)
    return f"{first!r} is not a command{meant}" if meant else None


def option(rest: Sequence[str], known: argparse.Namespace, forms: Sequence[str]) -> str:
    """What the first of these words, which belong to no option, was meant as; empty where nothing is like it."""
    word, _, value = rest[0].partition("=")
    if not word.startswith("--"):
        is_size = word.partition(",")[0].lstrip("-").isdecimal()
        return "; sizes are positive, without the batch, as in 3,32,32" if is_size else ""
    name = word[2:].replace("_", "-")
    if name in forms:
        return f"; write --format {name}"
    options = [each.replace("_", "-") for each in vars(known) if each not in ("command", "model", "input")]
    meant = did_you_mean(f"--{name}", [f"--{each}" for each in options])
    if meant or not hasattr(known, "kwargs") or (not value and len(rest) < 2):
        return meant
    argument = f"{word[2:].replace('-', '_')}={value or rest[1]}"
    return f"; an argument of the class or function is written --kwargs {shlex.quote(argument)}"


def batch_size(words: Sequence[str], rest: Sequence[str]) -> str | None:
    """What to write where ``--batch``, which says whether shapes have the batch, was given its size."""
    places = [place for place, word in enumerate(words[:-1]) if word == "--batch" and words[place + 1] == rest[0]]
    if not places or not (rest[0].isdecimal() or rest[0].isidentifier()):
        return None
    return f"--batch says that every shape is written with its batch: write --batch-size {rest[0]}"


def with_layer(error: InputError, inputs: Sequence[str]) -> InputError:
    """The error of an ``explain`` that was given the name of a layer among its inputs."""
    names = [word for word in inputs if len(word) > 1 and word.replace(".", "_").isidentifier()]
    others = [word for word in inputs if word not in names]
    if len(names) != 1 or not others:
        return error
    write = f"for the layer of that name write --layer {names[0]}"
    return InputError(f"{names[0]!r} among the inputs is not a size: {write}")
