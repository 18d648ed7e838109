"""Forms that come to what runs showed at every size: found elsewhere in a model, cut off, rounded or fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import chain, combinations
from math import gcd, isqrt
from typing import Any

import sympy

from convlin.records import Size
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.simplify import whole, written
from convlin.symbolic.follow import Followed

#: What is fitted to runs alone: at how many sizes at least, and the largest number below a fraction line.
_LEAST_FITTED, _LEAST_FITTED_ROOTS, _LARGEST_FITTED = 16, 5, 12
#: Of quotients that are rounded another way, the largest divisor: every remainder of it has to be seen.
_LARGEST_STEP = 8
#: Of how many different sizes a form that ends at a number has to be rounded for each step.
_LEAST_FOR_STEP = 3
#: At how many sizes each of two forms has to be the larger one.
_LEAST_EACH = 3
#: At how many sizes a number has to be the same one where the call was not seen at all of them.
_LEAST_CONSTANT = 8


def known_forms(passes: Sequence[Followed]) -> list[Size]:
    """Every form of these passes, the shortest first, and what each would be of another letter.

    In no pass may height go the way that width goes in one.  In front stands what became a plain number: where a size
    may come of that, no form that fits it at the sizes that ran by chance is as good.
    """
    numbers = dict.fromkeys(form for followed in passes for form in _made_numbers(followed) if not form.is_Symbol)
    found: dict[Any, None] = {}  # in the order in which they were found
    for followed in passes:
        for call in followed.recording.calls:
            for info in (*call.inputs, *call.outputs):
                found.update(dict.fromkeys(size for size in info.shape if not isinstance(size, int)))
        found.update(dict.fromkeys(_multiples(followed)))
    letters = {letter for form in found for letter in form.free_symbols}
    for form in [form for form in found if len(form.free_symbols) == 1]:
        found.update(dict.fromkeys(form.xreplace(dict.fromkeys(form.free_symbols, letter)) for letter in letters))
    return [*numbers, *sorted(found.keys() - numbers, key=lambda form: (len(str(form)), str(form)))]


def _multiples(followed: Followed) -> Iterator[Size]:
    """``2·⌊(H + 1)/2⌋`` where the pass asked whether that is ``H``, and it was: what a size becomes where it is not.

    Where it was not, ``while n % 12: n += 1`` goes on to the next multiple, or down to the last.
    """
    session = followed.session
    for decision in session.decisions:
        asked = decision.expression
        if decision.own or decision.is_number or not isinstance(asked, sympy.Eq | sympy.Ne):
            continue
        if decision.outcome is not isinstance(asked, sympy.Eq):
            yield from _next_multiples(followed, session.definitions.get(asked.lhs))
            continue
        form = session.forms(asked.lhs - asked.rhs)
        for term in sympy.Add.make_args(form) if not isinstance(form, int) else ():
            number, rest = term.as_coeff_Mul()
            if abs(number) > 1 and isinstance(rest, sympy.floor):  # of ``H % 8 == 0`` it is subtracted
                yield abs(number) * rest


def _next_multiples(followed: Followed, remainder: Any) -> Iterator[Size]:
    if type(remainder).__name__ not in ("Mod", "PythonMod") or not remainder.args[1].is_Integer:
        return
    size, step = followed.session.forms(remainder.args[0]), int(remainder.args[1])
    if not isinstance(size, int) and step > 1:
        yield from (step * written(whole((size + more) / sympy.Integer(step))) for more in (0, step - 1))


def _made_numbers(followed: Followed) -> Iterator[Any]:
    """What became a plain number, an integer or a float, in closed form."""
    for decision in followed.session.decisions:
        if decision.is_number and not decision.own:
            form = followed.session.forms(decision.expression)
            if not isinstance(form, int):
                yield form


class FormSearch:
    """Looks for the form of a size among those of the passes, and for others that are made of them.

    ``forms`` are those of the passes, and ``evaluations`` give the values of a form at the sizes that ran.
    """

    def __init__(self, followed: Followed, evaluations: Sequence[Evaluation], forms: Sequence[Size]) -> None:
        self._followed = followed
        self._evaluations = evaluations
        self._forms = [(form, self.values(form)) for form in forms]
        self._ending: dict[Size, list[Any]] = {}
        """The forms found so far that end at a number, with their values at the sizes that ran."""

    def values(self, form: Size) -> list[Any]:
        """What a form comes to at each of the sizes; None where it has no value."""
        return [each.or_none(form) for each in self._evaluations]

    def fits(self, form: Size, observed: Sequence[Any]) -> bool:
        """Whether a form comes to what was observed; None stands for nothing observed."""
        return _fit(self.values(form), observed)

    def right(self, size: Size, observed: Sequence[Any], given: Sequence[Size] = ()) -> Size:
        """The size itself where it is what was observed, or a form that is; -1 where none is found.

        ``given`` are the forms that the call was given: what it makes is more likely made of these than of any other.
        """
        if size == -1 or self.fits(size, observed):
            return size
        known = [each for each in observed if each is not None]
        # Where a function keeps the shape it is no row: a pool over all of a single step.
        if len(set(known)) == 1 and (len(known) == len(observed) or len(known) >= _LEAST_CONSTANT):
            return known[0]
        plain = next((form for form, values in self._forms if _fit(values, observed)), None)
        if plain is not None and not _ends(plain):
            return plain
        near = [(form, self.values(form)) for form in given if not isinstance(form, int)]
        found = self._cut_off(observed, near)
        if found is None and plain is not None:
            return plain
        found = found or self._of_several(observed, near) or self._rounded(observed, near)
        found = found or self._cut_off(observed, self._forms) or self._fitted(observed)
        found = found or self._beyond_multiples(observed, near)
        if found is not None:
            if _ends(found):
                self._ending.setdefault(found, self.values(found))
            return found
        # A form that is right at hardly any size says nothing; one that is wrong at some is told with a remark.
        return size if self._is_mostly_right(size, observed) else -1

    def _is_mostly_right(self, size: Size, observed: Sequence[Any]) -> bool:
        pairs = _pairs(self.values(size), observed)
        return 2 * sum(bool(value == there) for value, there in pairs) > len(pairs)

    def _cut_off(self, observed: Sequence[Any], forms: Sequence[tuple[Any, list[Any]]]) -> Size | None:
        """A form that ends at numbers, ``min(100, L)``, where both sides of each were observed."""
        known = [there for there in observed if there is not None]
        low, high = min(known), max(known)
        for form, values in forms:
            pairs = _pairs(values, observed)
            if any(value is None for value, _ in pairs):
                continue
            sizes = [size for size, there in zip(self._sizes_of(form), observed, strict=True) if there is not None]
            for shift in dict.fromkeys((0, Counter(value - there for value, there in pairs).most_common(1)[0][0])):
                moved = [(value - shift, there) for value, there in pairs]
                below, above = (sum(value < low for value, _ in moved), sum(value > high for value, _ in moved))
                # The smallest and the largest number are ends only where something was cut off there; one size of the
                # letter, run with several others of another, bears nothing out.
                free = {
                    size
                    for size, (value, _) in zip(sizes, moved, strict=True)
                    if (value > low or not below) and (value < high or not above)
                }
                if (
                    len(free) < 2
                    or below + above < 2
                    or any(max(low, min(high, value)) != there for value, there in moved)
                ):
                    continue
                found: Size = form - shift
                found = sympy.Min(found, high) if above else found
                return sympy.Max(found, low) if below else found
        return None

    def _sizes_of(self, form: Any) -> list[tuple[Any, ...]]:
        """The sizes of the letters of a form, wherever it was looked at."""
        letters = sorted(form.free_symbols, key=str)
        return [tuple(map(each, letters)) for each in self._evaluations]

    def _of_several(self, observed: Sequence[Any], near: Sequence[tuple[Any, list[Any]]]) -> Size | None:
        """The largest or the smallest of some forms, ``max(H, W)``, where each of them was it at several sizes."""
        letters = [(form, values) for form, values in self._forms if isinstance(form, sympy.Symbol)]
        forms = dict([*letters, *near])
        # Of three it is one of the letters: a volume that is padded to a cube.
        for some in chain(combinations(forms.items(), 2), combinations(letters, 3)):
            made = [form for form, _ in some]
            rows = [
                (values, there)
                for *values, there in zip(*(values for _, values in some), observed, strict=True)
                if there is not None
            ]
            if any(None in values for values, _ in rows):
                continue
            if len({frozenset(form.free_symbols) for form in made}) < len(made):
                continue
            for extreme, function in ((max, sympy.Max), (min, sympy.Min)):
                alone = Counter(values.index(extreme(values)) for values, _ in rows if len(set(values)) > 1)
                if any(alone[place] < _LEAST_EACH for place in range(len(made))):
                    continue
                if all(extreme(values) == there for values, there in rows):
                    return function(*made)
        return None

    def _rounded(self, observed: Sequence[Any], near: Sequence[tuple[Any, list[Any]]]) -> Size | None:
        """A form that is rounded another way, ``⌊(L + 2)/3⌋`` for ``⌊L/3⌋ + 1``, where every remainder was observed.

        Of what is padded to a multiple it is that many times as much.
        """
        times = gcd(*(there for there in observed if there is not None))
        steps = dict.fromkeys(step for _, step, _ in self._quotients)
        given = ((form, step, values) for form, values in near for step in steps)
        for above, step, values in (*self._quotients, *given, *self._ending_quotients()):
            pairs = _pairs(values, observed)
            known = {value for value, _ in pairs}
            if None in known or len({value % step for value in known}) < step:
                continue
            if above in self._ending and len(known) < _LEAST_FOR_STEP * step:
                continue
            for many in (1, step) if times % step == 0 else (1,):
                for more in range(-step, 2 * step + 1):
                    if all(many * ((value + more) // step) == there for value, there in pairs):
                        return many * sympy.floor((above + more) / step)
        return None

    def _beyond_multiples(self, observed: Sequence[Any], near: Sequence[tuple[Any, list[Any]]]) -> Size | None:
        """So much more than a multiple, ``2·⌊(W + 1)/2⌋ + 1`` of what is padded until the last window is full.

        Looked for last: with one number more to choose, each remainder has to be there several times.
        """
        steps = dict.fromkeys(step for _, step, _ in self._quotients)
        given = ((form, step, values) for form, values in near for step in steps)
        for above, step, values in (*given, *self._quotients):
            pairs = _pairs(values, observed)
            known = {value for value, _ in pairs}
            if None in known or not _has_each_remainder(known, step, times=_LEAST_FOR_STEP):
                continue
            for more in range(step):
                beyond = {there - step * ((value + more) // step) for value, there in pairs}
                if len(beyond) == 1:
                    return step * sympy.floor((above + more) / step) + beyond.pop()
        return None

    def _ending_quotients(self) -> Iterator[tuple[Any, int, list[Any]]]:
        """No pass has a form that ends at a number, nor one of what is made of it: each step may be the one."""
        for form, values in self._ending.items():
            yield from ((form, step, values) for step in range(2, _LARGEST_STEP + 1))

    def _fitted(self, observed: Sequence[Any]) -> Size | None:
        """A fraction or a root of what became a plain number, where that is what was observed at many sizes of it."""
        times = gcd(*(there for there in observed if there is not None))
        for base, values in self._bases if times else ():
            pairs = [
                (value, there // times) for value, there in zip(values, observed, strict=True) if there is not None
            ]
            known = {value for value, _ in pairs}
            if len(known) < _LEAST_FITTED_ROOTS or not all(isinstance(value, int) for value in known):
                continue
            if not base.is_Mul and min(known) >= 0 and all(isqrt(value) == there for value, there in pairs):
                return times * sympy.floor(sympy.sqrt(base))
            if len(known) < _LEAST_FITTED:
                continue
            (low, first), (high, last) = min(pairs), max(pairs)
            slope = Fraction(last - first, high - low).limit_denominator(_LARGEST_FITTED)
            above, below = slope.numerator, slope.denominator
            if above < 1 or len({value % below for value in known}) < below:
                continue
            for more in range(-2 * below, 2 * below + 1):
                if all((above * value + more) // below == there for value, there in pairs):
                    return times * written(whole((above * base + more) / sympy.Integer(below)))
        return None

    @cached_property
    def _bases(self) -> list[tuple[Any, list[Any]]]:
        """What ``forward`` makes plain numbers of, with the values at the sizes that ran."""
        forms = dict.fromkeys(_made_numbers(self._followed))
        return [(form, self.values(form)) for form in forms]

    @cached_property
    def _quotients(self) -> list[tuple[Any, int, list[Any]]]:
        """Whole numbers in letters, and what a form of the model divides them by."""
        floors = dict.fromkeys(
            each for form, _ in self._forms for each in sorted(sympy.sympify(form).atoms(sympy.floor), key=str)
        )
        found = [
            (numerator, int(step))
            for numerator, step in (each.args[0].as_numer_denom() for each in floors)
            if step.is_Integer and 1 < step <= _LARGEST_STEP
        ]
        return [(above, step, self.values(above)) for above, step in found]


def _ends(form: Size) -> bool:
    return isinstance(form, sympy.Min | sympy.Max)


def _fit(values: Sequence[Any], observed: Sequence[Any]) -> bool:
    return all(there is None or value == there for value, there in zip(values, observed, strict=True))


def _has_each_remainder(values: Iterable[int], step: int, *, times: int) -> bool:
    counts = Counter(value % step for value in values)
    return len(counts) == step and min(counts.values()) >= times


def _pairs(values: Iterable[Any], observed: Iterable[Any]) -> list[tuple[Any, Any]]:
    """What a form comes to beside what was observed, where something was."""
    return [(value, there) for value, there in zip(values, observed, strict=True) if there is not None]
