"""The call that made a layer: where it stands, what it is given as it is written, and the same call corrected.

All that correcting a line needs to know of a call, with nothing left of how it was found.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from convlin.records import Edit, Location
from convlin.source.constants import is_literal
from convlin.source.edits import Rewrite, edited, is_editable, not_to_be_written, rewrite, rewritten
from convlin.source.origins import Origin
from convlin.source.origins import origin as origin_of
from convlin.source.products import written_like
from convlin.source.syntax import parse
from convlin.source.text import SourceText, tokens
from convlin.source.torch_names import is_torch, parameters_of, takes_any_name
from convlin.source.values import Const, Made, Value
from convlin.source.written import Stretch, Written, where_written


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call, as written."""

    name: str | None
    """The parameter; None where that cannot be told."""
    start: int
    end: int
    is_literal: bool = True
    """Plain numbers, not a variable or a call that other code may use as well."""
    is_star: bool = False
    origin: Location | None = None
    """Where the number is written, when the argument is a name for it."""
    is_passed: bool = False
    """It is written in other code, which gives it to the function that makes the call."""
    number: Stretch | None = None
    """The same, as a stretch of a file."""
    written: Written | None = None
    """The same, where the text tells what else reads it."""
    named: Origin | None = None
    """What the text says of it, when the argument is a name."""


class Span(NamedTuple):
    """A stretch of a file."""

    source: SourceText
    start: int
    end: int

    def is_beside(self, other: Span) -> bool:
        """Whether it stands on the lines of another one, and not inside it."""
        if self.source is not other.source:
            return False
        line = self.source.line
        lines = range(line(other.start), line(other.end) + 1)
        apart = self.end <= other.start or other.end <= self.start
        return apart and line(self.start) in lines and line(self.end) in lines


@dataclass(frozen=True, slots=True)
class Site:
    """The call in someone's source that made a layer."""

    location: Location
    """The line on which the call starts."""
    start: int
    """Where the call starts, in characters of the file's text."""
    end: int
    statement: tuple[int, int]
    """First and last line of the statement that the call is part of."""
    callee: str
    """What is called, as written: ``nn.Linear``."""
    certain: bool
    """Exactly one call can have made the layer, and it is this one."""
    repeated: bool
    """The call ran more than once (a loop, a class with several instances), so a change here
    changes other layers too."""
    is_plain: bool
    """A class of PyTorch's own is called, whose arguments mean what they say."""
    source: SourceText = field(repr=False)
    arguments: tuple[Argument, ...] = field(default=(), repr=False)
    accepts: frozenset[str] | None = field(default=None, repr=False)
    """Names that may be added to the call; None if that is not known."""

    @property
    def call(self) -> str:
        """The call as written."""
        return self.source.text[self.start : self.end]

    @property
    def position(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the call starts and ends: line counted from 1, column in characters from 0."""
        first, last = self.source.line(self.start), self.source.line(self.end)
        return (first, self.start - self.source.starts[first - 1]), (last, self.end - self.source.starts[last - 1])

    @property
    def is_editable(self) -> bool:
        """The call stands in a file of the user's, not in an installed package or a notebook cell."""
        return is_editable(self.source)

    def span(self, changes: Mapping[str, str]) -> Span:
        """What is to be changed: the call, or a number that is written elsewhere for it alone."""
        place = self.written(changes)
        return Span(self.source, self.start, self.end) if place is None else Span(place.source, place.start, place.end)

    def makes_others(self, changes: Mapping[str, str]) -> bool:
        """Whether this change would change other layers, too."""
        place = self.written(changes)
        return self.repeated and (place is None or not place.is_for_one)

    def written(self, changes: Mapping[str, str]) -> Written | None:
        """Where the argument to be changed is written, if that is not in the call and nothing else reads it."""
        place = self.elsewhere(changes)
        return None if place is None or place.others else place

    def elsewhere(self, changes: Mapping[str, str]) -> Written | None:
        """Where the argument to be changed is written, if that is not in the call; something else may read it."""
        only = self._only_argument(changes)
        return None if only is None else only.written

    def reads(self, changes: Mapping[str, str]) -> Stretch | None:
        """The argument to be changed, as it is written in the call, or in the call that passes it on."""
        only = self._only_argument(changes)
        if only is None:
            return None
        return (self.source.name, only.start, only.end) if only.written is None else only.written.read

    def number(self, changes: Mapping[str, str]) -> Stretch | None:
        """Where the number to be changed is written, if the argument is a name for it; others may have the same."""
        only = self._only_argument(changes)
        return None if only is None else only.number

    def alone(self) -> Site:
        """The same call where all that reads its arguments needs the same change: as if it alone read them."""
        return replace(
            self,
            arguments=tuple(
                each if each.written is None else replace(each, written=replace(each.written, others=()))
                for each in self.arguments
            ),
        )

    def with_first_rounds(self, is_the_only_one: Callable[[str, int], bool]) -> Site:
        """The same call, with what a loop reads in its first round kept where one layer alone has that number.

        ``is_the_only_one`` says so of an argument's name and the number.
        """

        def kept(each: Argument) -> Argument:
            first = None if each.written is None else each.written.first
            if first is None or (each.name is not None and is_the_only_one(each.name, first)):
                return each
            return replace(each, written=None)

        return replace(self, arguments=tuple(map(kept, self.arguments)))

    def with_origins_of(self, others: Iterable[Site]) -> Site:
        """The same call, which may have run in other ways as well: a number is known where all of them give it."""
        numbers = [[each.number for each in other.arguments] for other in others]

        def kept(index: int, each: Argument) -> Argument:
            same = all(found[index : index + 1] == [each.number] for found in numbers)
            return each if same else replace(each, origin=None, number=None)

        return replace(self, arguments=tuple(kept(*each) for each in enumerate(self.arguments)))

    def line(self, changes: Mapping[str, str]) -> Location:
        """The line to change for this."""
        source, start, _ = self.span(changes)
        return Location(source.name, source.line(start))

    def rewrite(self, changes: Mapping[str, str], beside: Iterable[tuple[Site, Mapping[str, str]]] = ()) -> str | None:
        """The lines of the call with some arguments changed; None where that cannot be done.

        ``beside`` are other calls on these lines (``Span.is_beside``), and what to change in them.  Where the number
        is written elsewhere for this call alone, it is the lines there.
        """
        edits = self.edit(changes)
        others = [edit for other, wanted in beside for edit in other.edit(wanted) or ()]
        return None if edits is None else rewritten(*self.span(changes), [*edits, *others])

    def edit(self, changes: Mapping[str, str]) -> tuple[Edit, ...] | None:
        """The same change as edits of the file, one for each argument; None where that cannot be done."""
        edits: list[Edit] = []
        missing: dict[str, str] = {}
        for name, new in changes.items():
            argument = self._argument(name)
            if argument is not None:
                edits.append(self._replacement(argument, new, self.written(changes)))
            else:
                missing[name] = written_like("", new)
        if missing:
            takes_them = self.accepts is not None and self.accepts.issuperset(missing)
            if any(argument.is_star for argument in self.arguments) or not takes_them:
                return None
            start, new = appended(self.source, self.start, self.end, missing)
            why_not = self._doubt()
            edits.append(Edit(self.source.name, start, start, "", new, not why_not, why_not))
        return tuple(edits)

    def given(self, changes: Mapping[str, str]) -> tuple[str, Location] | None:
        """The argument to be changed, as written, and where other code gives its number; None where it stands here."""
        only = self._only_argument(changes)
        if only is None or only.written is not None or only.origin is None or not only.is_passed:
            return None
        return self.text(changes), only.origin

    def named(self, changes: Mapping[str, str]) -> Origin | None:
        """What the text says of the argument to be changed, where that is a name."""
        only = self._only_argument(changes)
        return None if only is None else only.named

    def text(self, changes: Mapping[str, str]) -> str:
        """The argument to be changed, as written in the call; empty where it is not one."""
        only = self._only_argument(changes)
        return "" if only is None else " ".join(self.source.text[only.start : only.end].split())

    def takes(self, name: str) -> bool:
        """Whether the call gives that argument."""
        return self._argument(name) is not None

    def _only_argument(self, changes: Mapping[str, str]) -> Argument | None:
        """The argument to be changed, where it is one."""
        return self._argument(next(iter(changes))) if len(changes) == 1 else None

    def _argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.arguments if argument.name == name), None)

    def _replacement(self, argument: Argument, new: str, place: Written | None) -> Edit:
        if place is not None:
            alone = replace(self, repeated=self.repeated and not place.is_for_one, source=place.source)
            why_not = alone._doubt()
            old = place.source.text[place.start : place.end]
            new = written_like(old, new)
            return Edit(place.source.name, place.start, place.end, old, new, not why_not, why_not)
        old = self.source.text[argument.start : argument.end]
        why_not = self._doubt()
        if not why_not and not argument.is_literal:
            why_not = f"{' '.join(old.split())} may be used elsewhere too"
        return Edit(self.source.name, argument.start, argument.end, old, written_like(old, new), not why_not, why_not)

    @property
    def doubt(self) -> str:
        """Why a change of what is called might not do what it should; empty where it does."""
        if not self.certain:
            return "another line may have made this layer"
        return "this line makes more than one layer" if self.repeated else ""

    def _doubt(self) -> str:
        if self.doubt:
            return self.doubt
        if not self.is_plain:
            return f"what {self.callee} does with its arguments is not known"
        return not_to_be_written(self.source)


def in_front(site: Site, layer: str) -> Rewrite | None:
    """The lines of an ``nn.Sequential(...)`` with another layer of ``torch.nn`` set in front of the one at ``site``.

    None where the layer is not written among the arguments of an ``nn.Sequential``.
    """
    package, dot, _ = site.callee.rpartition(".")
    parsed = parse(site.source)
    if parsed is None or not dot:
        return None
    for node in parsed.nodes:
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Sequential"):
            continue
        if any(parsed.span(each) == (site.start, site.end) for each in node.args):
            return _with(site, site.start, f"{package}.{layer}, ")
    return None


def other_layer(site: Site, layer: str) -> Rewrite | None:
    """The lines that make a layer, with another class of ``torch.nn`` in its place; None where that cannot be."""
    package, dot, _ = site.callee.rpartition(".")
    if not dot or not site.call.startswith(site.callee):
        return None
    return _with(site, site.start + len(site.callee), f"{package}.{layer}")


def _with(site: Site, end: int, new: str) -> Rewrite:
    """The lines of a site with its start written anew; in doubt where other lines or other layers may be meant."""
    edit = edited(site.source, site.start, end, new)
    why_not = edit.remark or site.doubt
    return rewrite(site.source, site.start, site.end, replace(edit, certain=not why_not, remark=why_not))


def site_of(made: Made, *, certain: bool, repeated: bool, is_made_once: Callable[[type], bool]) -> Site:
    """The record of a call; ``is_made_once`` says of a class whether the model has one instance of it."""
    parsed, node = made.frame.parsed, made.node
    source = parsed.source
    start, end = parsed.span(node)
    statement = parsed.statement(node)
    first, last = parsed.span(node.func)
    names = () if made.callee is None else parameters_of(made.callee)
    closed = made.callee is not None and (bool(names) or not takes_any_name(made.callee))
    return Site(
        location=Location(source.name, node.lineno),
        start=start,
        end=end,
        statement=(statement.lineno, statement.end_lineno or statement.lineno),
        callee=source.text[first:last],
        certain=certain,
        repeated=repeated,
        is_plain=made.callee is not None and is_torch(made.callee),
        source=source,
        arguments=tuple(_arguments(made, is_made_once)),
        accepts=frozenset(parameter.name for parameter in names) if closed else None,
    )


def _arguments(made: Made, is_made_once: Callable[[type], bool]) -> Iterator[Argument]:
    by_position = {} if made.callee is None else {each.position: each.name for each in parameters_of(made.callee)}
    for position, node in enumerate(made.node.args):
        if isinstance(node, ast.Starred):
            by_position = {}
        value = made.arguments.positional[position : position + 1]
        yield _argument(made, node, by_position.get(position), value[0] if value else (), is_made_once)
    for keyword in made.node.keywords:
        name = keyword.arg
        value_given = made.arguments.keywords.get(name or "", ())
        yield _argument(made, keyword.value, name, value_given, is_made_once, is_star=name is None)


def _argument(
    made: Made,
    node: ast.expr,
    name: str | None,
    value: Value,
    is_made_once: Callable[[type], bool],
    *,
    is_star: bool = False,
) -> Argument:
    start, end = made.frame.parsed.span(node)
    literal = is_literal(node)
    star = is_star or isinstance(node, ast.Starred)
    origin, number, passed = None, None, False
    match value:
        case (Const(node=ast.expr() as written, frame=frame),) if frame is not None and not literal:
            origin = Location(frame.parsed.source.name, written.lineno)
            number, passed = (frame.parsed.source.name, *frame.parsed.span(written)), frame is not made.frame
    place = None if literal or star else where_written(made.frame, node, is_made_once)
    named = None if literal or star else origin_of(made.frame, node)
    return Argument(name, start, end, literal, star, origin, passed, number, place, named)


def appended(source: SourceText, start: int, end: int, missing: Mapping[str, str]) -> tuple[int, str]:
    """Where in a call to add keywords, and the text to add."""
    added = ", ".join(f"{name}={value}" for name, value in missing.items())
    last, place = _last_token(source.text[start:end])
    place += start
    if last == "(":
        return place, added
    if last != ",":
        return place, f", {added}"
    if not re.search(r"[\r\n]", source.text[place:end]):
        return place, f" {added}"
    # The arguments stand on lines of their own, each with a comma: so does the new one.
    first, stop = source.lines(source.line(place), source.line(place))
    indent = re.match(r"[ \t]*", source.text[first:stop])
    return stop, f"{source.newline}{indent.group() if indent else ''}{added},"


def _last_token(call: str) -> tuple[str, int]:
    """What stands before the closing parenthesis of a call, comments left out, and where it ends."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.DEDENT, tokenize.ENDMARKER)
    last = [(token.string, start) for token, start in tokens(call) if token.type not in skipped][-2]
    return last[0], last[1] + len(last[0])
