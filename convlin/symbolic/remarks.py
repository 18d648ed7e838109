"""What is said of the sizes in letters beside them: where they hold, and which others the model takes or refuses."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from convlin._util.call_spelling import call_spelling
from convlin.inputs import Plan
from convlin.records import Accepts
from convlin.render.words import listed
from convlin.symbolic.confirm import Confirmed
from convlin.symbolic.follow import Followed
from convlin.symbolic.limits import written
from convlin.symbolic.questions import asked, of_many, questions
from convlin.symbolic.runs import Point
from convlin.symbolic.trials import Trials


def is_inside(accepts: Accepts | None, point: Point) -> bool:
    """Whether these sizes are among those that are told to be accepted."""
    if accepts is None:
        return True
    sizes = {point[found.name] for found in accepts.sizes}
    return all(point[found.name] in found for found in accepts.sizes) and (not accepts.condition or len(sizes) == 1)


def is_one_size(accepts: Accepts | None) -> bool:
    """Whether each letter is accepted at one size alone."""
    return accepts is not None and all(found.exact is not None for found in accepts.sizes)


#: Forms that were right at so many sizes are told without a word of these.
_FEW = 8


def remarks_of(checked: Confirmed, accepts: Accepts | None) -> Iterator[str]:
    """Where the closed forms hold, if that is not everywhere."""
    if checked.shows_unknown:
        names = ", ".join(checked.followed.plan.sides)
        yield f"? is a size that depends on {names}, and no formula was found that holds at every size"
    pinned = [decision for decision in checked.pinned if decision.where is not None]
    if pinned and not is_one_size(accepts):
        lines = ", ".join(dict.fromkeys(decision.where.text for decision in pinned if decision.where is not None))
        numbers = ", ".join(dict.fromkeys(str(decision.outcome) for decision in pinned))
        yield (
            f"forward makes a plain number of a size ({lines}), and the sizes in letters were found right only "
            f"where that comes to {numbers}"
        )
        return
    if not checked.seen and asked(checked.followed) and not is_one_size(accepts):
        yield f"the sizes in letters come from one pass, at {written(checked.followed.sample)}: no other size ran"
    if not checked.wrong:
        if not is_one_size(accepts):
            yield from _tried(checked, accepts)
        return
    places = dict.fromkeys(decision.where.text for decision in checked.asked if decision.where is not None)
    lines = f": forward goes another way there ({', '.join(places)})" if places else ""
    right, wrong = (len({tuple(each.values()) for each in points}) for points in (checked.right, checked.wrong))
    refuted = written(checked.wrong[0])
    if right:
        held = f"{right} of {right + wrong} sizes that were run"
        yield f"the sizes in letters hold at {held}, and not for all: not for {refuted}{lines}"
    elif wrong > 1:
        yield f"the sizes in letters hold at none of the {wrong} sizes that were run, such as {refuted}{lines}"
    else:
        yield f"the sizes in letters do not hold at the one size that was run, {refuted}{lines}"


def holds_nowhere(checked: Confirmed) -> bool:
    """Whether the closed forms are wrong at every size that was run."""
    return bool(checked.wrong) and not checked.right


def taken_besides(checked: Confirmed, accepts: Accepts, trials: Trials) -> Iterator[str]:
    """A size that was found to be taken, and is in no range for each letter by itself."""
    batch = checked.followed.plan.batch_size
    inside = next((point for point in trials.taken[::-1] if is_inside(accepts, point)), checked.followed.sample)
    for point in trials.taken:
        if not is_inside(accepts, point) and trials.for_real(point) and not checked.stretched.may_be(point, inside):
            said = written({name: size for name, size in point.items() if name != batch})
            yield f"the model accepts other sizes as well, such as {said}"
            return


def refused_inside(plan: Plan, refused: Point, trials: Trials) -> Iterator[str]:
    """That no range is reported, since sizes are refused between others that are taken."""
    names = plan.sides
    others = [
        point
        for point in trials.taken
        if any(point[name] != refused[name] for name in names)
        and all(point[name] == refused[name] for name in plan.names if name not in names)
    ]
    smaller = any(all(point[name] <= refused[name] for name in names) for point in others)
    larger = any(all(point[name] >= refused[name] for name in names) for point in others)
    if smaller and larger and trials.for_real(refused) is False:
        said = written({name: refused[name] for name in names})
        yield f"no range is reported: the model refuses {said}, and takes smaller and larger sizes"


def untold(followed: Followed, trials: Trials, device: torch.device) -> Iterator[str]:
    """Why nothing is said of the sizes that a model, which is on this device, takes."""
    plan = followed.plan
    if plan.device.type == "meta":
        if any(name != plan.batch_size for name in plan.names):
            way = call_spelling().off_meta("make the model on the CPU" if device.type == "meta" else "")
            yield f"which sizes the model takes is found by real runs, and the meta device computes nothing: {way}"
    elif followed.recording.findings and not trials.taken:
        yield "of the sizes that were run none is taken by the model as it is"
    elif many := of_many(followed.session, plan.sides):
        lines = ", ".join(dict.fromkeys(each.where.text for each in many if each.where is not None))
        names = listed(followed.session.names_in(many[0].expression))
        yield f"no range is reported: forward asks for {names} together ({lines}), and not every combination was run"


def without_a_rule(plan: Plan, trials: Trials) -> Iterator[str]:
    """That no range is reported, with sizes that are taken and refused, where nothing else says why."""
    batch = str(plan.batch_size)

    def told(points: list[Point]) -> list[str]:
        """The first of them."""
        return [written({name: size for name, size in point.items() if name != batch}) for point in points[:1]]

    if not plan.sides or plan.device.type == "meta":
        return
    taken = trials.taken
    # The batch is no size that is told of here.
    batches = {point.get(batch) for point in taken}
    refused = [point for point in trials.refused if point.get(batch) in batches]
    refused.sort(key=lambda point: any(all(point[name] >= size for name, size in each.items()) for each in taken))
    shown = [*(f"takes {said}" for said in told(taken)), *(f"refuses {said}" for said in told(refused[::-1]))]
    if shown:
        said = " and ".join(shown)
        yield f"no range is reported: no rule was found for the sizes that were run, of which the model {said}"


def _tried(checked: Confirmed, accepts: Accepts | None) -> Iterator[str]:
    """At which sizes the forms were seen to be right, where they come of what only a run tells."""
    points = [*checked.right, checked.followed.sample]
    names = checked.followed.plan.sides
    if not checked.right or not names:
        return
    sizes = {name: sorted(point[name] for point in points) for name in names}
    spans = ", ".join(
        f"{name} from {each[0]} to {each[-1]}" if each[0] < each[-1] else f"{name} = {each[0]}"
        for name, each in sizes.items()
    )
    count = len({tuple(point.values()) for point in points})
    tried = f"{count} sizes, {spans}" if count > 1 else spans
    numbers = [each for each in questions(checked.followed) if each.is_number]
    made = {"a plain number of a size": numbers, "text of a size": checked.followed.session.texts}
    places = {what: dict.fromkeys(each.where.text for each in found if each.where) for what, found in made.items()}
    if any(places.values()):
        said = " and ".join(f"{what} ({', '.join(lines)})" for what, lines in places.items() if lines)
        yield f"forward makes {said}: what comes of it was tried at {tried}"
    elif checked.is_fitted and accepts is None:
        yield f"the sizes in letters are what runs have in common, tried at {tried}"
    elif accepts is None and count < _FEW and asked(checked.followed) and not checked.followed.recording.findings:
        yield f"of the sizes that were tried few ran: those in letters are right at {tried}"
