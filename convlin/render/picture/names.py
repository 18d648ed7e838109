"""What stands under each block of a picture: so much of its path that no other block's is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

#: Up to so many letters are one line; a single word may be a little longer before it is cut.
LINE = 18
_LONGEST_WORD = 22
#: What needs more lines than this is cut in the middle.
_MOST_LINES = 3


def short_names(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For every path the lines under its block: its end, as much of it as tells it from all others.

    What all paths begin with says nothing and goes; of a path whose end alone tells it, the beginning goes, too.

    >>> short_names(["net.stages.0.conv", "net.stages.1.conv", "net.head"])
    {'net.stages.0.conv': ('stages.0.conv',), 'net.stages.1.conv': ('stages.1.conv',), 'net.head': ('head',)}
    >>> list(short_names(["stages.0.layers.0.convolution", "stages.1.layers.0.convolution", "a.classifier"]).values())
    [('stages.0.layers.0.', 'convolution'), ('stages.1.layers.0.', 'convolution'), ('a.classifier',)]
    """
    known = list(dict.fromkeys(names))
    common = _common([name.split(".") for name in known])
    paths = {name: name.split(".")[common:] for name in known}
    ends = Counter(tuple(path[-length:]) for path in paths.values() for length in range(1, len(path) + 1))
    told = {name: _told(path, ends) for name, path in paths.items()}
    found = {name: _lines(end, is_cut=len(end) < len(paths[name])) for name, end in told.items()}
    times = Counter(found.values())
    return {name: lines if times[lines] == 1 else _whole_lines(told[name]) for name, lines in found.items()}


def _common(paths: Sequence[Sequence[str]]) -> int:
    """How many names all paths begin with; the last name of each stays."""
    if len(paths) < 2:
        return 0
    found = 0
    for alike in zip(*(path[:-1] for path in paths), strict=False):
        if len(set(alike)) > 1:
            break
        found += 1
    return found


def _told(path: Sequence[str], ends: Mapping[tuple[str, ...], int]) -> Sequence[str]:
    """The shortest end of a path that no other path has, and more of it where that fits the line."""
    length = next((length for length in range(1, len(path)) if ends[tuple(path[-length:])] == 1), len(path))
    while length < len(path) and (path[-length].isdecimal() or len(".".join(path[-length - 1 :])) <= LINE):
        length += 1  # a number says nothing without the list that it counts
    return path[-length:]


def _lines(names: Sequence[str], *, is_cut: bool) -> tuple[str, ...]:
    lines = _whole_lines([cut(name) for name in names])
    if len(lines) > _MOST_LINES:
        return (lines[0], "…", lines[-1])
    return (f"…{lines[0]}", *lines[1:]) if is_cut and len(lines) == 1 else lines


def _whole_lines(names: Sequence[str]) -> tuple[str, ...]:
    """A path over several lines, broken behind its dots."""
    lines: list[str] = []
    for place, name in enumerate(names):
        word = f"{name}." if place + 1 < len(names) else name
        room = _LONGEST_WORD if lines and lines[-1].rstrip(".").isdecimal() else LINE
        if lines and len(lines[-1]) + len(word) <= room + word.endswith("."):
            lines[-1] += word
        else:
            lines.append(word)
    return tuple(lines)


def cut(word: str, longest: int = _LONGEST_WORD) -> str:
    """A single word cut in the middle to a length that fits under a block.

    >>> cut("a_module_with_a_name_that_is_long")
    'a_module_w…hat_is_long'
    """
    if len(word) <= longest:
        return word
    half = longest // 2
    return f"{word[: half - 1]}…{word[-half:]}"
