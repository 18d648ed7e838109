"""A pass in letters that stopped: whether the model is at fault, or it cannot be followed in letters."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from itertools import islice, product

from convlin._util.packages import is_installed
from convlin._util.resources import is_resource
from convlin._util.tracebacks import steps_of
from convlin.errors import InputError
from convlin.symbolic.comparison_sizes import small_rectangles
from convlin.symbolic.follow import Followed
from convlin.symbolic.numbers_in_code import numbers_in_code
from convlin.symbolic.runs import Point
from convlin.symbolic.session import needs_values
from convlin.symbolic.trials import Trials
from convlin.trace.call_sites import location, raising_line
from convlin.trace.recording import Failure

#: How PyTorch says that a dict or a cache was asked for something by a size.
_UNHASHABLE = "unhashable type: non-nested SymInt"
#: How Python and NumPy say that a function of NumPy's, or ``divmod``, was given a size.
_NUMPY = (
    re.compile(r"^'Sym\w+' object has no attribute '(\w+)'$"),
    re.compile(r"^loop of ufunc does not support argument \d+ of type Sym\w+ which has no callable (\w+) method$"),
    re.compile(r"^ufunc '(\w+)' not supported for the input types"),
)
_DIVMOD = re.compile(r"^unsupported operand type\(s\) for divmod\(\): .*'Sym")
#: What to write in place of functions that Python has operators or other names for.
_INSTEAD = {
    "fmod": "%", "mod": "%", "remainder": "%", "floor_divide": "//", "power": "**", "divmod": "// and %",
    "absolute": "abs", "rint": "round", "arctan": "math.atan", "arctan2": "math.atan2", "arcsin": "math.asin",
    "arccos": "math.acos", "arcsinh": "math.asinh", "arccosh": "math.acosh", "arctanh": "math.atanh",
}  # fmt: skip
#: Sizes that most models take.
_USUAL = (64, 224, 7)
#: Small ones of which each letter has every one beside every one of the others, and how many are tried.
_MIXED, _MOST_MIXED = (2, 3, 4, 8), 64
#: Where a size became a plain number, all up to this one, too.
_SMALL_TOO = 40


def untold_error(followed: Followed, failure: Failure, runs: Trials) -> BaseException | None:
    """What is raised for a pass that stopped; None where the problems of the report tell of it."""
    looks = needs_values(failure.error)
    if not followed.recording.findings and not (looks and failure.refused):
        if _made_text(followed, failure):
            return _cannot_follow(followed, failure, "a forward that makes text of a size")
        if _UNHASHABLE in str(failure.error):
            return _cannot_follow(followed, failure, "this forward")
        if not is_resource(failure.error) and any(runs.for_real(point) for point in _usual(followed, failure)):
            return _cannot_follow(followed, failure, "this forward, which runs at numbers")
        if not failure.refused or is_resource(failure.error):
            return failure.error
    return _cannot_follow(followed, failure, "a forward that looks at the values of a tensor") if looks else None


def _made_text(followed: Followed, failure: Failure) -> bool:
    """Whether the pass stopped at a name or a key with a letter in it: ``self.heads[str(x.shape[-1])]``, ``head_4``."""
    said = str(failure.error)
    return isinstance(failure.error, KeyError | AttributeError) and followed.session.in_letters(said, "_") != said


def _usual(followed: Followed, failure: Failure) -> Iterator[Point]:
    """Sizes that most models take, and rectangles, to tell an error of the model from one that letters make."""
    pinned = any(each.is_number and not each.own for each in followed.session.decisions)
    small = range(1, _SMALL_TOO + 1) if pinned else ()  # what it came to at the sample may be what does not fit
    for size in dict.fromkeys((*_USUAL, *numbers_in_code(failure.error), *small)):
        yield followed.with_sides(size)
    yield from small_rectangles(followed, _USUAL)
    names = followed.plan.sides
    for sizes in islice(product(_MIXED, repeat=len(names)), _MOST_MIXED):
        yield {**followed.sample, **dict(zip(names, sizes, strict=True))}


def _cannot_follow(followed: Followed, failure: Failure, what: str) -> InputError:
    line = failure.where or raising_line(failure.error)
    if line is not None and is_installed(line.file):  # np.round is code of NumPy's
        own = (step for step in steps_of(failure.error) if not is_installed(step.tb_frame.f_code.co_filename))
        line = next((location(step.tb_frame.f_code.co_filename, step.tb_lineno) for step in [*own][-1:]), line)
    where = f" at {line.text}" if line is not None else ""
    if needs_values(failure.error):
        way_out = "write numbers in place of the letters, or make the decision from the shape"
    elif _UNHASHABLE in str(failure.error):
        way_out = "it looks something up by a size (a dict, lru_cache), which a letter cannot be; write numbers instead"
    elif found := _given_to_numpy(failure.error):
        function, instead = found
        way_out = (
            f"{type(failure.error).__name__} of {function}, which takes no size in letters; "
            f"write {instead} in its place, or numbers in place of the letters"
        )
    else:
        said = followed.session.in_letters(str(failure.error), "_")
        way_out = f"{type(failure.error).__name__}: {said}; write numbers in place of the letters"
    return InputError(f"named sizes cannot be followed through {what}{where}: {way_out}")


def _given_to_numpy(error: BaseException) -> tuple[str, str] | None:
    """The function of NumPy's, or ``divmod``, that a size was given to, and what to write instead.

    >>> _given_to_numpy(TypeError("unsupported operand type(s) for divmod(): 'SymInt' and 'int'"))
    ('divmod', '// and %')
    >>> _given_to_numpy(AttributeError("'SymInt' object has no attribute 'shape'"))
    """
    said = str(error)
    if _DIVMOD.match(said):
        return "divmod", _INSTEAD["divmod"]
    name = next((found.group(1) for pattern in _NUMPY if (found := pattern.match(said))), "")
    if not name or (isinstance(error, AttributeError) and not _is_ufunc(name)):
        return None
    other = f"math.{name}" if hasattr(math, name) else "Python's operators and functions of math"
    return f"np.{name}", _INSTEAD.get(name, other)


def _is_ufunc(name: str) -> bool:
    """Whether it is a function of NumPy's, which asks an object that is no number for a method of that name."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(getattr(numpy, name, None), numpy.ufunc)
