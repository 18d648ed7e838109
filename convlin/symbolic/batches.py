"""Which batches a model takes whose batch is a letter: found by running it, and said where it is not every one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import prod

import sympy
from torch import nn

from convlin.module_tree import modules_of
from convlin.records import Accepts
from convlin.symbolic.conditions import demands
from convlin.symbolic.follow import SAMPLE_BATCH, Followed
from convlin.symbolic.question_sizes import turning_batches
from convlin.symbolic.runs import Point
from convlin.symbolic.solving import meets, solved
from convlin.symbolic.trials import Trials

#: The batches that are always run, and the one that other sizes are looked for with.
_FEW = (1, 2, 3)
_MORE = 10
#: The same of a batch that is taken apart, which not all parts divide.
_ODD = 5
_MOST_TURNING = 4
_USUAL = 2
#: Where none of these passes, as many sizes of the model's own parameters are run, too.
_MOST_OF_ITS_OWN = 6
#: How many numbers that a view asks for in place of the batch are run.
_MOST_ASKED = 6


def few(followed: Followed, accepts: Accepts | None) -> list[Point]:
    """Small batches, one that is no power of two, and those where questions turn, at the smallest of other sizes."""
    name = followed.plan.batch_size
    if not isinstance(name, str):
        return []
    turning = turning_batches(followed, _MOST_TURNING)
    sizes = dict.fromkeys((*_FEW, _MORE, *turning, *(2 * size for size in turning[:1])))
    return [{**_smallest(followed, accepts), name: size} for size in sizes]


def _smallest(followed: Followed, accepts: Accepts | None) -> Point:
    """The sample with the smallest sizes that are taken, which cost least."""
    return {**followed.sample, **{found.name: found.minimum for found in (accepts.sizes if accepts else ())}}


def remarks(model: nn.Module, followed: Followed, trials: Trials, accepts: Accepts | None) -> Iterator[str]:
    """What runs with other batches showed, where one of them was refused; nothing where a run would be too dear."""
    name = followed.plan.batch_size
    if not isinstance(name, str):
        return
    taken = min(trials.taken, key=lambda point: prod(point.values()), default=followed.sample)
    # Where no range is reported some sizes that are taken: at others no batch may pass.
    point = taken if accepts is None else _smallest(followed, accepts)
    turning = turning_batches(followed, _MOST_TURNING)
    beside = {size + more for size in turning[:1] for more in (0, 1) if size < _MORE}
    beside |= {_ODD} if _is_divided(followed, name) else set()
    passed = {size: trials.for_real({**point, name: size}) for size in sorted({*_FEW, *beside})}
    if not any(passed.values()):
        its_own = sorted({*_sizes_of_its_own(model), *_asked_for(followed), fitting(followed)} - {*passed})
        more = {size: trials.for_real({**point, name: size}) for size in its_own}
        passed |= {size: passes for size, passes in more.items() if passes is not None}
        passed = dict(sorted(passed.items()))
    if None in passed.values() or all(passed.values()):
        return
    passing = [str(size) for size, passes in passed.items() if passes]
    if not passing and accepts is None and followed.recording.findings:
        return  # at these sizes of the other letters no batch would pass
    run = ", ".join(map(str, passed))
    told = f"only {', '.join(passing)} worked" if passing else "none worked"
    yield f"not every batch size works: {name} = {run} were run, and {told}"


def _is_divided(followed: Followed, name: str) -> bool:
    """Whether a size comes of the batch by more than a factor: it is taken apart into as many parts as it has."""
    parts = (part for size in followed.sizes if isinstance(size, sympy.Expr) for part in size.atoms(sympy.Function))
    return any(letter.name == name for part in parts for letter in part.free_symbols)


def fitting(followed: Followed) -> int:
    """A batch that fits what layers and views ask of it, as far as a pass in letters tells."""
    name = str(followed.plan.batch_size)
    asked = [
        each for each in followed.conditions if each.declared and followed.session.names_in(each.expression) == (name,)
    ]
    found = solved(followed, asked) or followed.sample
    return found[name] if found[name] != SAMPLE_BATCH else _USUAL


def at_its_own(followed: Followed, trials: Trials) -> Followed:
    """The pass itself, or where it has mistakes one with the number of rows that ``forward`` has in its code.

    A model that was written for 32 rows is right for 32: a real run has to show it.
    """
    name, findings = followed.plan.batch_size, followed.recording.findings
    if not isinstance(name, str) or not findings:
        return followed
    wanted = [tuple(demands(finding)) for finding in findings]
    stopped = followed.recording.failure is not None
    if not stopped and all(wanted) and meets(followed, [condition for each in wanted for condition in each]):
        return followed
    for size in _asked_for(followed):
        point = {**followed.sample, name: size}
        if trials.for_real(point):
            other = followed.passes.at(point)
            if other.is_clean and not other.recording.findings:
                return other
    return followed


def _asked_for(followed: Followed) -> list[int]:
    """The batches at which a number that stands in front where the batch was is that batch, or it and axes behind."""
    found: dict[int, None] = {}
    recording = followed.recording
    pairs = [(call.inputs[0].shape, call.outputs[0].shape) for call in recording.calls if call.inputs and call.outputs]
    views = (each.misfit.detail for each in recording.findings if each.misfit.kind in ("reshape", "batch"))
    pairs += [(each["shape"], each["wanted"]) for each in views if each.get("shape") and each.get("wanted")]
    for given, made in pairs:
        rows = made[0] if made else -1
        if rows == -1 and all(isinstance(size, int) for size in (*given[1:], *made[1:])):
            several, left = divmod(prod(made[1:]), prod(given[1:]) or 1)
            found.update(dict.fromkeys((2 * several, several) if not left else ()))
        if given and not isinstance(given[0], int) and isinstance(rows, int) and rows > 0:
            behind = [size for size in given[1:4] if isinstance(size, int) and size > 0]
            times = (prod(each) for count in range(len(behind) + 1) for each in combinations(behind, count))
            found.update((rows // each, None) for each in times if rows % each == 0)
    return [size for size in found if size > 1][:_MOST_ASKED]


def _sizes_of_its_own(model: nn.Module) -> list[int]:
    """The sizes of tensors that classes beside PyTorch's own keep, largest last."""
    own = (module for module in modules_of(model) if not type(module).__module__.startswith("torch.nn."))
    tensors = (tensor for module in own for kept in (module._parameters, module._buffers) for tensor in kept.values())
    sizes = {size for tensor in tensors if tensor is not None for size in tensor.shape if size > max(_FEW)}
    return sorted(sizes)[:_MOST_OF_ITS_OWN]
