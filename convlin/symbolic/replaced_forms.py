"""Closed forms that are wrong at some sizes, replaced by forms of the same model that are right at all that were run.

Which way a model goes (pads or not, shifts its windows or not) shows in how a size is written, and
each way has its own sizes where it is right.  A form that was found elsewhere in the model, and that
comes to what was observed at every size it was run at, says the same for all ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from math import gcd, isqrt
from typing import Any

import sympy

from convlin.ops.catalog import OPS
from convlin.ops.op import Family
from convlin.records import Call, Size, TensorInfo
from convlin.sizes.evaluate import Evaluation
from convlin.sizes.simplify import whole, written
from convlin.symbolic.computed_forms import computed
from convlin.symbolic.conditions import demands
from convlin.symbolic.follow import Followed
from convlin.symbolic.trials import Point
from convlin.trace.recording import Finding, Recording

#: What is fitted to runs alone: at how many sizes at least, and the largest number below a fraction line.
_LEAST_FITTED, _LEAST_FITTED_ROOTS, _LARGEST_FITTED = 16, 5, 12
#: Of quotients that are rounded another way, the largest divisor: every remainder of it has to be seen.
_LARGEST_STEP = 8
#: Of how many different sizes a form that ends at a number has to be rounded for each step.
_LEAST_FOR_STEP = 3
#: At how many sizes a number has to be the same one where the call was not seen at all of them.
_LEAST_CONSTANT = 8
#: What takes a part is derived as if the axis reached as far as the part does: so long as it does, and no shorter.
_AS_FAR_AS_IT_REACHES = {Family.PART, Family.INDEX}

Seen = Sequence[tuple[Point, Recording]]


def known_forms(passes: Sequence[Followed]) -> list[Size]:
    """Every form of these passes, the shortest first, and what each would be of another letter.

    In no pass may height go the way that width goes in one.  In front stands what became a plain number: where a size
    may come of that, no form that fits it at the sizes that ran by chance is as good.
    """
    numbers = dict.fromkeys(form for followed in passes for form in _numbers(followed))
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


def _numbers(followed: Followed) -> Iterator[Size]:
    """What became a plain number where ``forward`` is not a loop over it, in closed form."""
    return (form for form in _made_numbers(followed) if not form.is_Symbol)


def _multiples(followed: Followed) -> Iterator[Size]:
    """``2·⌊(H + 1)/2⌋`` where the pass asked whether that is ``H``, and it was: what a size becomes where it is not."""
    for decision in followed.session.decisions:
        asked = decision.expression
        is_equal = decision.outcome is isinstance(asked, sympy.Eq)
        if decision.own or decision.is_number or not is_equal or not isinstance(asked, sympy.Eq | sympy.Ne):
            continue
        form = followed.session.forms(asked.lhs - asked.rhs)
        for term in sympy.Add.make_args(form) if not isinstance(form, int) else ():
            number, rest = term.as_coeff_Mul()
            if number > 1 and isinstance(rest, sympy.floor):
                yield term


def _made_numbers(followed: Followed) -> Iterator[Any]:
    """What became a plain number, an integer or a float, in closed form."""
    for decision in followed.session.decisions:
        if decision.is_number and not decision.own:
            form = followed.session.forms(decision.expression)
            if not isinstance(form, int):
                yield form


def with_right_forms(followed: Followed, seen: Seen, forms: Sequence[Size]) -> Followed:
    """The same pass with every form that is wrong at a size of ``seen`` replaced, where another form is right."""
    replacement = _Replacement(followed, seen, forms)
    recording = followed.recording
    calls = [replacement.call(call, key) for call, key in keyed_calls(recording.calls)]
    required = {
        path: replacement.size(size, [other.required.get(path) for _, other in seen])
        for path, size in recording.required.items()
    }
    outputs = replacement.tensors(recording.outputs, [other.outputs for _, other in seen])
    findings = [
        _with_operands(_with_required(each, recording.required, required), recording.calls, calls)
        for each in recording.findings
    ]
    changed = replace(recording, calls=calls, required=required, outputs=outputs, findings=findings)
    passed_by = (each for each in followed.conditions if not each.declared)
    conditions = (*passed_by, *(each for finding in findings for each in demands(finding)))
    return replace(followed, recording=changed, conditions=conditions)


def _with_required(finding: Finding, before: Mapping[str, Size], after: Mapping[str, Size]) -> Finding:
    """The finding with the right form where what it says is required is what was replaced."""
    misfit, path = finding.misfit, finding.path
    if path not in before or before[path] == after[path] or misfit.required != before[path]:
        return finding
    changes = {name: after[path] if size == before[path] else size for name, size in misfit.changes.items()}
    return finding._replace(misfit=misfit._replace(required=after[path], changes=changes))


def _with_operands(finding: Finding, before: Sequence[Call], after: Sequence[Call]) -> Finding:
    """The finding with the right forms where two tensors do not go together of which one is shorter elsewhere."""
    misfit, place = finding.misfit, finding.call
    if misfit.kind != "operands" or misfit.note != "elementwise" or place < 0:
        return finding
    were, are = (tuple(info.shape for info in calls[place].inputs) for calls in (before, after))
    if were == are or were != misfit.detail["shapes"]:
        return finding
    detail = {**misfit.detail, "shapes": are}
    return finding._replace(misfit=misfit._replace(declared=are[0], required=are[1], detail=detail))


def keyed_calls(calls: Iterable[Call]) -> Iterator[tuple[Call, Any]]:
    """Every call with what it is in any pass: the n-th call of its path or line."""
    counts: Counter[Any] = Counter()
    for call in calls:
        base = (call.path, call.type, call.where, call.is_function)
        counts[base] += 1
        yield call, (*base, counts[base])


class _Replacement:
    def __init__(self, followed: Followed, seen: Seen, forms: Sequence[Size]) -> None:
        self._followed = followed
        self._evaluations = [followed.session.evaluation(point) for point, _ in seen]
        self._found = [{key: call for call, key in keyed_calls(recording.calls)} for _, recording in seen]
        self._forms = [(form, [_value(each, form) for each in self._evaluations]) for form in forms]
        self._sizes: dict[tuple[Size, tuple[Any, ...]], Size] = {}
        self._ending: dict[Size, list[Any]] = {}
        """The forms found so far that end at a number, with their values at the sizes that ran."""

    def call(self, call: Call, key: Any) -> Call:
        """The call with its sizes held against those of the same call at every size; what is inside it came first."""
        there = [found.get(key) or self._kept(call, index) for index, found in enumerate(self._found)]
        inputs = self.tensors(call.inputs, [other.inputs if other else None for other in there])
        self._derive(call, inputs, there)
        outputs = self.tensors(call.outputs, [other.outputs if other else None for other in there])
        return replace(call, inputs=inputs, outputs=outputs)

    def _derive(self, call: Call, inputs: tuple[TensorInfo, ...], there: Sequence[Call | None]) -> None:
        """Of what was replaced in front, note what the layer's own arithmetic makes, where that is what was observed.

        What fits at the sizes that ran may do so by chance: of ``4·x`` behind a flatten no multiple of 4 would be left.
        """
        shape = computed(call, inputs) if call.outputs and inputs != call.inputs else None
        before = call.outputs[0].shape if call.outputs else ()
        if shape is None or len(shape) != len(before):
            return
        is_part = OPS.named(call.type).family in _AS_FAR_AS_IT_REACHES
        for axis, (size, found) in enumerate(zip(before, shape, strict=True)):
            observed = [_size_at(other.outputs if other else None, 0, axis) for other in there]
            if is_part and self._fits([_value(each, size) for each in self._evaluations], observed):
                continue
            if self._fits([_value(each, found) for each in self._evaluations], observed):
                self._sizes.setdefault((size, tuple(observed)), found)

    def _kept(self, call: Call, index: int) -> Call | None:
        """A slice where it was no row: it is as long as the axis there."""
        if call.type != "Tensor[...]" or [len(each.shape) for each in (*call.inputs, *call.outputs)] != 2 * [
            len(call.inputs[0].shape)
        ]:
            return None
        whole = call.inputs[0]._replace(
            shape=tuple(_value(self._evaluations[index], size) for size in call.inputs[0].shape)
        )
        return replace(call, inputs=(whole,), outputs=(whole,))

    def tensors(self, mine: tuple[TensorInfo, ...], theirs: Sequence[Any]) -> tuple[TensorInfo, ...]:
        """Tensors with every size that is not what was observed replaced.

        Of a piece that no other size gave, as there were fewer of them, nothing in letters is known.
        """
        most = max((len(tensors) for tensors in theirs if tensors is not None), default=len(mine))
        return tuple(
            info._replace(
                shape=tuple(
                    self.size(size, [_size_at(tensors, index, axis) for tensors in theirs])
                    if index < most or isinstance(size, int)
                    else -1
                    for axis, size in enumerate(info.shape)
                )
            )
            for index, info in enumerate(mine)
        )

    def size(self, size: Size, observed: Sequence[Any]) -> Size:
        """The size itself where it is what was observed, or one that is; None stands for nothing observed there."""
        known = self._sizes.get((size, tuple(observed)))
        if known is None:
            known = self._sizes[size, tuple(observed)] = self._right(size, observed)
        return known

    def _right(self, size: Size, observed: Sequence[Any]) -> Size:
        if size == -1 or self._fits([_value(each, size) for each in self._evaluations], observed):
            return size
        known = [each for each in observed if each is not None]
        # Where a function keeps the shape it is no row: a pool over all of a single step.
        if len(set(known)) == 1 and (len(known) == len(observed) or len(known) >= _LEAST_CONSTANT):
            return known[0]
        plain = next((form for form, values in self._forms if self._fits(values, observed)), None)
        if plain is not None:
            return plain
        found = self._rounded(observed) or self._cut_off(observed) or self._fitted(observed)
        if found is not None:
            if isinstance(found, sympy.Min | sympy.Max):
                self._ending.setdefault(found, [_value(each, found) for each in self._evaluations])
            return found
        # A form that is right at hardly any size says nothing; one that is wrong at some is told with a remark.
        return size if self._is_mostly_right(size, observed) else -1

    def _is_mostly_right(self, size: Size, observed: Sequence[Any]) -> bool:
        pairs = [
            (_value(each, size), there)
            for each, there in zip(self._evaluations, observed, strict=True)
            if there is not None
        ]
        return 2 * sum(bool(value == there) for value, there in pairs) > len(pairs)

    def _cut_off(self, observed: Sequence[Any]) -> Size | None:
        """A form that ends at numbers, ``min(100, L)``, where both sides of each were observed."""
        known = [there for there in observed if there is not None]
        low, high = min(known), max(known)
        for form, values in self._forms:
            pairs = [(value, there) for value, there in zip(values, observed, strict=True) if there is not None]
            if any(value is None for value, _ in pairs):
                continue
            for shift in dict.fromkeys((0, Counter(value - there for value, there in pairs).most_common(1)[0][0])):
                moved = [(value - shift, there) for value, there in pairs]
                below, above = (sum(value < low for value, _ in moved), sum(value > high for value, _ in moved))
                # The smallest and the largest number are ends only where something was cut off there.
                free = sum((value > low or not below) and (value < high or not above) for value, _ in moved)
                if free < 2 or below + above < 2 or any(max(low, min(high, value)) != there for value, there in moved):
                    continue
                found: Size = form - shift
                found = sympy.Min(found, high) if above else found
                return sympy.Max(found, low) if below else found
        return None

    def _rounded(self, observed: Sequence[Any]) -> Size | None:
        """A form that is rounded another way, ``⌊(L + 2)/3⌋`` for ``⌊L/3⌋ + 1``, where every remainder was observed."""
        for above, step, values in (*self._quotients, *self._ending_quotients()):
            pairs = [(value, there) for value, there in zip(values, observed, strict=True) if there is not None]
            known = {value for value, _ in pairs}
            if None in known or len({value % step for value in known}) < step:
                continue
            if above in self._ending and len(known) < _LEAST_FOR_STEP * step:
                continue
            for more in range(-step, 2 * step + 1):
                if all((value + more) // step == there for value, there in pairs):
                    return sympy.floor((above + more) / step)
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
            if None in known or len(known) < _LEAST_FITTED_ROOTS:
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
        return [(form, [_value(each, form) for each in self._evaluations]) for form in forms]

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
        return [(above, step, [_value(each, above) for each in self._evaluations]) for above, step in found]

    def _fits(self, values: Sequence[Any], observed: Sequence[Any]) -> bool:
        return all(there is None or value == there for value, there in zip(values, observed, strict=True))


def _size_at(tensors: Any, index: int, axis: int) -> Any:
    there = tensors and index < len(tensors) and axis < len(tensors[index].shape)
    return tensors[index].shape[axis] if there else None


def _value(evaluation: Evaluation, size: Size) -> Any:
    try:
        return evaluation(size)
    except (NotImplementedError, ArithmeticError):
        return None
