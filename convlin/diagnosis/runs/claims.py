"""What a problem says of other inputs, since the input may be the mistake: for which the model is right as it is."""

from __future__ import annotations

from dataclasses import replace

from convlin.diagnosis.messages import times
from convlin.records import Claim, ClaimKind, Evidence
from convlin.search.checked_sizes import Taken
from convlin.search.fitting import fitting_inputs, inputs_that_meet
from convlin.search.joining import joining_inputs
from convlin.search.largest import largest_input
from convlin.search.resized import Form, Resized, Spatial, form_of
from convlin.search.ways import Ends
from convlin.trace.recording import Finding, Recording


def claims_about(recording: Recording, finding: Finding, model: Resized) -> tuple[Claim, ...]:
    """For which inputs what was found is no mistake; nothing where no other input helps. Each was run."""
    misfit = finding.misfit
    if misfit.detail.get("settles") or "run" in misfit.detail:  # a run has shown another cause
        return ()
    if misfit.detail.get("space") or misfit.detail.get(
        "channels_last"
    ):  # as many pixels as channels would go together as well, and mean something else
        return ()
    if misfit.kind == "in_features":
        span = fitting_inputs(model, recording, finding)
        what = f"in_features={misfit.declared}"
        return (fitting(what, model.given or span.ends.smallest, span.ends),) if span is not None else ()
    if misfit.kind == "num_embeddings" and misfit.note != "negative":
        return _enough(finding, model)
    if misfit.kind == "operands":
        return _meeting(recording, finding, model) or _joining(model, recording, finding)
    return ()


def _each_way(model: Resized) -> tuple[Resized, Resized]:
    """What may be of another size: what lies behind the channels, or the length of a sequence of features."""
    return model, replace(model, of_sequence=True)


def _enough(finding: Finding, model: Resized) -> tuple[Claim, ...]:
    for each in _each_way(model):
        largest = largest_input(each, finding)
        if largest is None:
            continue
        told = each.whole(largest)
        if each.is_right(largest):
            return (_largest(told, form_of(each.given or largest, largest)),)
        enough = f"{finding.misfit.kind}={finding.misfit.declared} is enough for {_inputs(told)} at most"
        return (Claim(ClaimKind.FITS, enough, Evidence.RUN, (told,)),)
    return ()


def _meeting(recording: Recording, finding: Finding, model: Resized) -> tuple[Claim, ...]:
    for each in _each_way(model):
        met = inputs_that_meet(each, recording, finding)
        if met is None:
            continue
        told = Ends(*map(each.whole, met))
        if not all(map(each.is_right, met)):
            return (Claim(ClaimKind.JOINS, f"with {_inputs(*told)} they go together", Evidence.RUN, tuple(told)),)
        less = tuple(size - 1 for size in met.smallest)
        # One and two steps further: where odd sizes alone are refused, the next one is not the end.
        beyond = [tuple(size + step for size in met.largest) for step in (1, 2)]
        if min(less) > 0 and each.is_right(less) and not any(map(each.is_right, beyond)):
            return (_largest(told.largest, form_of(each.given or met.largest, met.largest)),)
        works = "works" if met.smallest == met.largest else "work"
        return (Claim(ClaimKind.PASSES, f"{_inputs(*told)} {works}", Evidence.RUN, tuple(told)),)
    return ()


def _largest(size: Spatial, form: Form) -> Claim:
    told = f"of length {times(size)}" if len(size) == 1 else times(size)
    return Claim(ClaimKind.LARGEST, f"the largest {form.of('input')} that works is {told}", Evidence.RUN, (size,))


def _inputs(*ends: Spatial) -> str:
    """``an input of 28×28``, ``inputs of length 99 to 100``."""
    told = list(dict.fromkeys(map(times, ends)))
    length = " length" if len(ends[0]) == 1 else ""
    return f"{'inputs' if len(told) > 1 else 'an input'} of{length} {' to '.join(told)}"


def fitting(what: str, start: Spatial, ends: Ends) -> Claim:
    """For which inputs something is right as it is; of several axes it is said which inputs were tried.

    >>> fitting("fc", (32, 32), Ends((53, 53), (60, 60))).text
    'fc is right for a square input of 53×53 to 60×60'
    >>> fitting("fc", (40, 80), Ends((40, 85), (40, 92))).text
    'fc is right for an input of 40×85 to 40×92'
    >>> fitting("fc", (20, 40), Ends((40, 80), (44, 88))).text
    'fc is right for an input of 40×80 to 44×88, in these proportions'
    """
    form, length = form_of(start, *ends), " length" if len(start) == 1 else ""
    several = ends.smallest != ends.largest
    an = f"a {form.before}" if form.before and several else "an "
    behind = f",{form.behind}" if several and "…" not in form.behind and form.behind else ""
    span = " to ".join(dict.fromkeys(map(times, ends)))
    return Claim(ClaimKind.FITS, f"{what} is right for {an}input of{length} {span}{behind}", Evidence.RUN, tuple(ends))


def _joining(model: Resized, recording: Recording, finding: Finding) -> tuple[Claim, ...]:
    found = joining_inputs(model, recording, finding)
    if found is None:
        return ()
    multiple, sizes, pass_as_they_are = found
    listed = " and ".join(map(times, sizes))
    inputs, works = ("inputs", "work") if len(sizes) > 1 else ("an input", "works")
    told = (
        Claim(ClaimKind.PASSES, f"{inputs} of {listed} {works}", Evidence.RUN, sizes)
        if pass_as_they_are
        else Claim(ClaimKind.JOINS, f"with {inputs} of {listed} they go together", Evidence.RUN, sizes)
    )
    multiples = Claim(ClaimKind.MULTIPLES, f"multiples of {multiple}", Evidence.DERIVED, sizes)
    return (told, multiples) if multiple else (told,)


def claims_of(taken: Taken) -> tuple[Claim, ...]:
    """What is said of sizes that a model takes which refused the given one.

    >>> in_a_line(claims_of(Taken(((24, 24), (32, 32)), 8)))
    'the model takes inputs of 24×24 and 32×32: multiples of 8'
    >>> in_a_line(claims_of(Taken(((32, 32),), refused=((31, 31), (33, 33)))))
    'the model takes an input of 32×32, and neither 31×31 nor 33×33'
    >>> in_a_line(claims_of(Taken(((64,),), refused=((63,),), end="smallest")))
    'the smallest input that the model takes is 64'
    >>> in_a_line(claims_of(Taken(((50, 50),), refused=((49, 49),), end="smallest")))
    'the smallest square input that the model takes is 50×50'
    >>> in_a_line(claims_of(Taken(((48, 48), (64, 64)), 16, is_right=False)))
    'inputs of 48×48 and 64×64 get past this: multiples of 16'
    """
    sizes, several, right = " and ".join(map(times, taken.sizes)), len(taken.sizes) > 1, taken.is_right
    inputs = f"{'inputs' if several else 'an input'} of {sizes}"
    if taken.end:
        which = "that the model takes" if right else "that gets past this"
        kind = ClaimKind(taken.end) if right else ClaimKind.JOINS
        noun = form_of(taken.sizes[0], *taken.sizes).of("input")
        return (Claim(kind, f"the {taken.end} {noun} {which} is {sizes}", Evidence.RUN, taken.sizes),)
    told = f"the model takes {inputs}" if right else f"{inputs} {'get' if several else 'gets'} past this"
    refused = list(map(times, taken.refused))
    if taken.multiple is None and refused:
        told += f", and neither {refused[0]} nor {refused[1]}" if len(refused) == 2 else f", and not {refused[0]}"
    claim = Claim(ClaimKind.PASSES if right else ClaimKind.JOINS, told, Evidence.RUN, taken.sizes)
    if taken.multiple is None:
        return (claim,)
    return claim, Claim(ClaimKind.MULTIPLES, f"multiples of {taken.multiple}", Evidence.DERIVED, taken.sizes)


def in_a_line(claims: tuple[Claim, ...]) -> str:
    """Claims in one line, as they stand in a message."""
    return ": ".join(claim.text for claim in claims)
