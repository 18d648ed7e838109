"""A name that was written wrong, and the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of a message about a name that does not exist; empty where nothing is like it.

    That is the one most alike, or of dotted paths the only one with the same last part.

    >>> did_you_mean("fisrt", ["first", "second"]), did_you_mean("conv1", ["encoder.stages.0.conv1", "fc"])
    ("; did you mean 'first'?", "; did you mean 'encoder.stages.0.conv1'?")
    """
    from difflib import get_close_matches  # only for a mistake

    names = list(known)
    close = get_close_matches(str(name), names, n=1)
    if not close:
        close = [each for each in names if each.rpartition(".")[2] == str(name).rpartition(".")[2]]
    return f"; did you mean {close[0]!r}?" if len(close) == 1 else ""


def nearest_or_all(name: object, known: Iterable[str]) -> str:
    """The same, or where nothing is like it all the names that there are.

    >>> nearest_or_all("x", ["layer", "output"])
    '; there are layer, output'
    """
    names = list(known)
    return did_you_mean(name, names) or f"; there are {', '.join(names)}"
