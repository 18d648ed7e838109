"""What one pass found, as frozen records that hold sizes and names, never tensors or modules.

A record that kept a module alive would keep its gigabytes alive, so everything here is made of
integers, strings and tuples.  ``trace`` fills these records, ``render`` and ``check`` read them.

They stand in one module, longer than most, because a ``Report`` is made of all the others and users
import each of them from here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from convlin._util.cells import cell_name
from convlin._util.paths import shown_source
from convlin.sizes.equal import same_shape
from convlin.sizes.spell import spell_shape
from convlin.sizes.types import Shape as Shape
from convlin.sizes.types import Size as Size

#: Bytes of one element; complex and quantized types included.  Keys are PyTorch's dtype names
#: without the ``torch.`` in front.
ELEMENT_BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
    "complex128": 16, "complex64": 8, "complex32": 4,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1,
    "qint8": 1, "quint8": 1, "qint32": 4,
}  # fmt: skip


class Location(NamedTuple):
    """A line of the user's source: ``file`` as Python knows it, ``line`` counted from 1."""

    file: str
    line: int

    @property
    def text(self) -> str:
        """What a person clicks on or says: the path from the working directory, or the cell of a notebook.

        >>> Location("src/net.py", 27).text, Location("<ipython-input-3-492046157d5d>", 15).text
        ('src/net.py:27', 'cell 3, line 15')
        """
        cell = cell_name(self.file)
        return f"{cell}, line {self.line}" if cell is not None else f"{shown_source(self.file)}:{self.line}"

    def is_named(self, text: str) -> bool:
        """Whether ``text`` is this line as it is shown, or with only the file's name or the end of its path.

        >>> Location("/src/net.py", 27).is_named("net.py:27"), Location("/src/subnet.py", 27).is_named("net.py:27")
        (True, False)
        """
        return text == self.text or f"/{self.file}:{self.line}".replace("\\", "/").endswith(f"/{text}")


class TensorInfo(NamedTuple):
    """One tensor that went into or came out of a call.

    ``place`` says where it was found: ``""`` for a bare tensor, otherwise what a user writes to
    reach it, such as ``[0]``, ``.logits`` or ``["boxes"]``.
    """

    place: str
    shape: Shape
    dtype: str
    device: str

    @property
    def nbytes(self) -> Size:
        """Bytes of the elements (for a named size a closed form)."""
        return prod(self.shape) * ELEMENT_BYTES.get(self.dtype, 0)


class SourceKind(enum.Enum):
    """What kind of thing a tensor comes from."""

    CALL = "call"
    JOIN = "join"
    INPUT = "input"
    UNSEEN = "unseen"


class Source(NamedTuple):
    """Where a tensor comes from: a call, a join, one of the model's inputs, or nothing that was seen.

    >>> Source.call(3), Source.call(3).is_made, UNSEEN.is_made
    (Source(kind=<SourceKind.CALL: 'call'>, number=3), True, False)
    """

    kind: SourceKind
    number: int = -1
    """Index into the report's ``calls``, ``joins`` or ``inputs``; -1 where the origin was not seen."""

    @classmethod
    def call(cls, number: int) -> Source:
        """The call of this number made it."""
        return cls(SourceKind.CALL, number)

    @classmethod
    def join(cls, number: int) -> Source:
        """It was made where several tensors met."""
        return cls(SourceKind.JOIN, number)

    @classmethod
    def input(cls, number: int) -> Source:
        """It is an input of the model."""
        return cls(SourceKind.INPUT, number)

    @property
    def is_made(self) -> bool:
        """A call or a join made it."""
        return self.kind is SourceKind.CALL or self.kind is SourceKind.JOIN


UNSEEN = Source(SourceKind.UNSEEN)
"""A tensor whose making was not seen: a parameter, a constant, the result of hidden code."""


class Step(NamedTuple):
    """One line of arithmetic: how one axis (or several alike) got its size.

    >>> Step("H, W", "⌊(H + 2·padding − kernel_size)/stride⌋ + 1", "⌊(32 + 2·0 − 2)/2⌋ + 1", 16).text
    '⌊(32 + 2·0 − 2)/2⌋ + 1 = 16'
    """

    axis: str
    formula: str
    arithmetic: str
    size: Size

    @property
    def text(self) -> str:
        """The numbers put in, and what comes out: ``32·8·8 = 2048``."""
        return f"{self.arithmetic} = {self.size}"


class Derivation(NamedTuple):
    """The named arithmetic steps from an input shape to an output shape."""

    shape: Shape
    steps: tuple[Step, ...]
    source: str
    """The page of PyTorch's documentation that states the formula."""

    def spelled_as(self, shape: Shape) -> Derivation:
        """The same with every size written as in ``shape``, which is equal."""
        if self.shape == shape:
            return self
        spelling = dict(zip(self.shape, shape, strict=True))
        steps = tuple(step._replace(size=spelling.get(step.size, step.size)) for step in self.steps)
        return Derivation(shape, steps, self.source)


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a module, or of a shape-changing function between modules.

    Calls stand in order of completion, so the calls made inside a container come right before it:
    ``inner`` counts them.  Shapes include the batch: ``(N, C, H, W)``.
    """

    path: str
    """The module's dotted name from the root; for a function, the path of the calling module."""
    type: str
    """Class name of the module, or the function's name as users write it (``Tensor.view``)."""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    params: int = 0
    """Elements of the parameters that the module itself holds (not its children's)."""
    trainable_params: int = 0
    is_function: bool = False
    inner: int = 0
    """How many of the calls right before this one were made inside it."""
    sources: tuple[Source, ...] = ()
    """For each of ``inputs``, where it comes from."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the layer or function was configured with (``kernel_size``, ``stride``, …): plain values."""
    where: Location | None = None
    """For a function, the line of the user's code that called it."""
    flops: int | None = None
    """Floating-point operations of this call by torch's own formulas, where they were asked for."""
    failed: bool = False
    """The pass stopped in this call."""
    stood_in: bool = False
    """What reached this call did not fit; a stand-in of the declared size took its place."""
    derive: Callable[[Call], Derivation | None] | None = field(default=None, repr=False, compare=False)
    """The rule that derives the output shape from ``inputs`` and ``settings``, a function at module level.

    It raises ``ValueError`` for a size that PyTorch would refuse; see ``derivation``."""

    def __str__(self) -> str:
        """The call in a line.

        >>> print(Call("fc", "Linear", (TensorInfo("", (1, 9), "float32", "cpu"),)))
        fc  Linear  1×9 →
        """
        came, made = (", ".join(map(spell_shape, shapes)) for shapes in (self.input_shapes, self.output_shapes))
        return "  ".join(part for part in (self.path, self.type, f"{came} → {made}".strip()) if part)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the first tensor that came in, or None."""
        return self.inputs[0].shape if self.inputs else None

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the first tensor that came out, or None."""
        return self.outputs[0].shape if self.outputs else None

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all tensors that came in, in the order of the arguments."""
        return tuple(info.shape for info in self.inputs)

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all tensors that came out, in order."""
        return tuple(info.shape for info in self.outputs)

    @property
    def derivation(self) -> Derivation | None:
        """How the output shape comes about; None where no rule is known or nothing changed.

        Never a story: a derived shape that differs from the observed one is not shown.
        """
        if self.derive is None or not self.outputs:
            return None
        try:
            derivation = self.derive(self)
        except ValueError:  # the formula refuses what the layer took: no story
            return None
        if derivation is None or self.output_shape is None or not same_shape(derivation.shape, self.output_shape):
            return None
        return derivation.spelled_as(self.output_shape)


class Join(NamedTuple):
    """Two tensors that met without a change of shape: the two arms of a residual connection.

    An activation (``F.relu``) and a function with windows that keeps the shape (``F.avg_pool2d`` with padding) is one
    with a single source."""

    function: str
    where: Location | None
    sources: tuple[Source, ...]
    """As in ``Call.sources``."""
    path: str = ""
    """The module that it happened in."""
    after: int = -1
    """How many calls were complete: it stands before ``calls[after]``; -1 where that was not noted."""


def past_joins(source: Source, joins: Sequence[Join]) -> Source:
    """``source`` itself, or what the tensors of a join come from: the first that a call made, if one was.

    >>> met = (Join("Tensor.add", None, (Source.input(0), Source.call(4))),)
    >>> past_joins(Source.join(0), met).number, past_joins(Source.input(0), met).kind.value
    (4, 'input')
    """
    while source.kind is SourceKind.JOIN:
        met = joins[source.number].sources
        source = next((each for each in met if each.is_made), met[0])
    return source


def past_single_joins(source: Source, joins: Sequence[Join]) -> Source:
    """``source`` itself, or what one tensor alone was made of by functions that keep its shape.

    >>> made = (Join("F.relu", None, (Source.call(4),)), Join("Tensor.add", None, (Source.join(0), Source.input(0))))
    >>> past_single_joins(Source.join(0), made).number, past_single_joins(Source.join(1), made).kind.value
    (4, 'join')
    """
    while source.kind is SourceKind.JOIN and len(joins[source.number].sources) == 1:
        source = joins[source.number].sources[0]
    return source


class CodePlace(NamedTuple):
    """One instruction of the user's code; the source says which expression it is."""

    file: str
    function: str
    """The function's qualified name."""
    first_line: int
    """The line on which the function's code starts."""
    offset: int
    """The instruction, in bytes from the start of the function's code."""
    fingerprint: int
    """A checksum of the function's code: source that was changed since does not compile to it."""


class ExpressionResult(NamedTuple):
    """The tensors that one expression in the user's code made, the same each time it ran."""

    places: tuple[CodePlace, ...]
    """The expression itself, then the calls of functions that led to it, up to the module's ``forward``."""
    path: str
    """The module whose ``forward`` ran."""
    outputs: tuple[tuple[str, Shape], ...]
    """Each tensor's place (as in ``TensorInfo``) and shape; empty where the expression raised."""
    calls: tuple[int, ...] = ()
    """Index into the report's ``calls``, where the expression is one of these."""
    times: int = 1
    """How often it made these."""
    failed: bool = False
    """The pass stopped here."""
    function: str = ""
    """The torch function that was called, as users write it; empty for a module."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a file and what to write there instead."""

    file: str
    start: int
    """Offset in characters of the decoded text."""
    end: int
    old: str
    """What stands there now."""
    new: str
    certain: bool = True
    """Beyond doubt: safe to write without asking."""
    remark: str = ""
    """Why it is not."""


class Evidence(enum.Enum):
    """How it is known that something would work."""

    RUN = "run"
    """The model was run so, and it held (with new layers of more than 64 MiB together on the meta device)."""
    DERIVED = "derived"
    """It follows from the shapes that a pass recorded; the model was not run so."""


class ClaimKind(enum.Enum):
    """What is said of other inputs than the given one."""

    FITS = "fits"
    """A layer is right as it is for an input of the one size and of the other, and for none beyond of that form."""
    PASSES = "passes"
    """The model takes inputs of these sizes as it is."""
    JOINS = "joins"
    """At these sizes the two tensors go together, and something else is wrong."""
    MULTIPLES = "multiples"
    """Such inputs are multiples of a number."""
    SMALLEST = "smallest"
    """The model takes an input of this size, and no smaller one of that form."""
    LARGEST = "largest"
    """The model takes an input of this size, and no larger one of that form."""
    REACHES = "reaches"
    """An input of this size gets to the end, and no smaller one of that form; a layer is wrong there all the same."""
    BATCH = "batch"
    """The model is right once the first size of the shape is taken for the batch."""


class Claim(NamedTuple):
    """What a problem says of other inputs, and how it is known."""

    kind: ClaimKind
    text: str
    """As it stands in the problem's message."""
    evidence: Evidence
    inputs: tuple[Shape, ...] = ()
    """The sizes of these inputs, without batch and channels (or features): those that the model was run with."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: what does not fit, where, and how to fix it."""

    kind: str
    """The declared attribute that does not fit (``in_features``, ``in_channels``, …, or ``out_features``,
    ``out_channels``, ``embedding_dim`` of one layer that gives another size than several were made for) or one of
    ``reshape``, ``batch``, ``too_small``, ``operands``, ``dtype``, ``structure``, ``error``."""
    path: str
    """The layer, or the module whose ``forward`` holds the line."""
    declared: Any = None
    required: Any = None
    message: str = ""
    """What arrived, what was declared, and the arithmetic of the difference; may have several lines."""
    fix: str | None = None
    """What to write instead: the corrected line where the source is known."""
    where: Location | None = None
    """The line to change."""
    call: int | None = None
    """Index into the calls of the one this is about."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the layer's constructor and what to write there, where changing the layer fixes it."""
    edits: tuple[Edit, ...] = field(default=(), repr=False, compare=False)
    """The fix as edits of the user's files, which ``convlin fix`` writes: each beyond doubt, or there are none."""
    unfixed: str = field(default="", repr=False, compare=False)
    """Why there are no edits, where that can be said."""
    evidence: Evidence = Evidence.DERIVED
    """How ``required``, ``changes`` and ``fix`` are known: whether the model was run with all of its wrong layers made
    so and all of the edited methods as they would be, and was right."""
    claims: tuple[Claim, ...] = ()
    """What the message says of other inputs."""

    def __str__(self) -> str:
        """What is wrong and the fix, as they stand under a table.

        >>> print(Problem("in_features", "fc", 9, 3, "Linear(9, 2) receives 3 features", "self.fc = nn.Linear(3, 2)"))
        ✗ fc: Linear(9, 2) receives 3 features
            fix  self.fc = nn.Linear(3, 2)
        """
        return problem_text(self, "the model")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def problem_text(problem: Problem, model: str) -> str:
    """A problem as it stands under a table; ``model`` is the name of the model, which has no path."""
    first, *rest = problem.message.splitlines() or [""]
    lines = [f"✗ {problem.path or model}: {first}", *(f"    {line}" for line in rest)]
    if problem.fix:
        at = f"{problem.where.text}   " if problem.where else ""
        lines.append(f"    fix  {at}{problem.fix}")
    elif problem.where and problem.where.text not in problem.message:
        lines.append(f"    at   {problem.where.text}")
    return "\n".join(lines)


class ParameterInfo(NamedTuple):
    """One parameter (or buffer) that a module holds under ``name``."""

    name: str
    shape: Shape
    dtype: str
    device: str
    trainable: bool
    alias_of: str | None
    """Full name of the same tensor elsewhere (tied weights), when that one was met first."""

    @property
    def numel(self) -> int:
        """Elements."""
        count = prod(self.shape)
        return count if isinstance(count, int) else 0


class ParameterSums(NamedTuple):
    """What some parameters come to."""

    elements: int = 0
    nbytes: int = 0
    trainable: int = 0
    """Elements of those that require a gradient."""
    trainable_bytes: int = 0
    trainable_tensors: int = 0


def sums(infos: Iterable[ParameterInfo]) -> ParameterSums:
    """Elements and bytes of parameters, added in one go: there may be a hundred thousand.

    >>> weight = ParameterInfo("weight", (10, 4), "float32", "cpu", True, None)
    >>> sums([weight, weight._replace(name="bias", shape=(10,), trainable=False)])
    ParameterSums(elements=50, nbytes=200, trainable=40, trainable_bytes=160, trainable_tensors=1)
    """
    elements = nbytes = trainable = trainable_bytes = tensors = 0
    for _, shape, dtype, _, is_trained, _ in infos:
        count = prod(shape)
        if not isinstance(count, int):  # of a lazy layer in letters
            count = 0
        stored = count * ELEMENT_BYTES.get(dtype, 0)
        elements += count
        nbytes += stored
        if is_trained:
            trainable += count
            trainable_bytes += stored
            tensors += 1
    return ParameterSums(elements, nbytes, trainable, trainable_bytes, tensors)


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """One module of the tree, called or not."""

    path: str
    type: str
    calls: int = 0
    """How many calls were seen."""
    parameters: tuple[ParameterInfo, ...] = ()
    buffers: tuple[ParameterInfo, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other paths to the same module."""
    is_leaf: bool = True
    where: Location | None = None
    """The line of the user's source that made the module, where it was asked for and found."""
    remark: str = ""
    """Why there is no call, where that can be said ("runs inside TorchScript")."""


class SizeRange(NamedTuple):
    """The sizes that one letter can take: from ``minimum`` up to ``maximum``, in steps.

    >>> SizeRange("H", 16, None, 16).text, 48 in SizeRange("H", 16, None, 16)
    ('multiples of 16', True)
    >>> SizeRange("H", 223, 254).text, SizeRange("H", 224, 224).text, SizeRange("H", 33).text
    ('from 223 to 254', 'exactly 224', 'any from 33 up')
    >>> SizeRange("H", 28, None, 28, width=4).text, 59 in SizeRange("H", 28, None, 28, width=4)
    ('multiples of 28, or up to 3 more', True)
    """

    name: str
    minimum: int
    maximum: int | None = None
    """None: however large."""
    step: int = 1
    width: int = 1
    """How many sizes in a row are taken at each step: a layer with a stride rounds them to the same."""

    @property
    def exact(self) -> int | None:
        """The one size there is, or None."""
        return self.minimum if self.minimum == self.maximum else None

    @property
    def text(self) -> str:
        """What a person says: ``multiples of 16``, ``from 223 to 254``, ``any from 33 up``."""
        low, high, step = self.minimum, self.maximum, self.step
        if low == high:
            return f"exactly {low}"
        if step == 1:
            if high is None:
                return "any" if low == 1 else f"any from {low} up"
            return f"from {low} to {high}"
        multiple = low + -low % step
        if multiple >= low + self.width:
            runs = (f"{start} to {start + self.width - 1}" for start in range(low, low + 3 * step, step))
            kind, start = f"{', '.join(runs if self.width > 1 else map(str, range(low, low + 3 * step, step)))}, …", ""
        else:
            kind = f"multiples of {step}{self._beside(multiple - low)}"
            start = f" from {low}" if multiple > step or high is not None else ""
        if high is not None:
            return f"{kind}{start} to {high}"
        return f"{kind}{start} up" if start else kind

    def _beside(self, below: int) -> str:
        """The sizes next to a multiple that are taken, too."""
        above = self.width - 1 - below
        said = [
            f"{count} {word}" if count == 1 else f"up to {count} {word}"
            for count, word in ((below, "less"), (above, "more"))
            if count
        ]
        return f", or {' or '.join(said)}" if said else ""

    def __contains__(self, size: object) -> bool:
        return (
            isinstance(size, int)
            and size >= self.minimum
            and (self.maximum is None or size <= self.maximum)
            and (size - self.minimum) % self.step < self.width
        )


@dataclass(frozen=True, slots=True)
class Accepts:
    """The input sizes that a model takes as it is declared, for each named size.

    Every combination of sizes within the ranges is taken, unless ``condition`` ties them together.
    """

    sizes: tuple[SizeRange, ...]
    condition: str = ""
    """What else has to hold between the letters: ``H = W``, or what several Linears ask for."""
    verified: bool = False
    """The model was run at the ends of the ranges, which it took, and one step outside, which it refused."""

    def __getitem__(self, name: str) -> SizeRange:
        for sizes in self.sizes:
            if sizes.name == name:
                return sizes
        raise KeyError(name)

    @property
    def text(self) -> str:
        """One line, letters with the same range together: ``H, W multiples of 16``."""
        together: dict[str, list[str]] = {}
        for sizes in self.sizes:
            together.setdefault(sizes.text, []).append(sizes.name)
        parts = [f"{', '.join(names)} {text}" for text, names in together.items()]
        return "; ".join([*parts, *([f"with {self.condition}" if parts else self.condition] if self.condition else [])])


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one pass found out about one model."""

    model: str
    """Class name of the model."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    device: str
    mode: str
    """``eval``, ``train`` or ``mixed``; ``""`` when no pass was run."""
    calls: tuple[Call, ...]
    modules: tuple[ModuleInfo, ...]
    problems: tuple[Problem, ...] = ()
    required_in_features: Mapping[str, Size] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    """Where two tensors met and the shape was kept; see ``Call.sources``."""
    remarks: tuple[str, ...] = ()
    """What could not be seen, in sentences."""
    completed: bool = True
    """The pass reached the end of ``forward``."""
    accepts: Accepts | None = None
    """With named sizes: which of them the model takes as it is declared, where that could be proved."""
    made_by: tuple[Source, ...] = ()
    """For each of ``outputs``, where it comes from, as in ``Call.sources``."""
    expressions: Sequence[ExpressionResult] = field(default=(), repr=False, compare=False)
    """What each expression of the user's own code made, in the order of the first time it ran."""
    input_names: tuple[str, ...] = ()
    """What ``forward`` calls each of ``inputs``, where there are several and it has a Python signature."""

    @property
    def named_inputs(self) -> tuple[TensorInfo, ...]:
        """``inputs``, with the name of each as its place where there are several."""
        if not self.input_names:
            return self.inputs
        return tuple(info._replace(place=name) for info, name in zip(self.inputs, self.input_names, strict=True))

    def parameters(self) -> Iterator[tuple[str, ParameterInfo]]:
        """Every distinct parameter once, with its full name; tied ones under their first name."""
        for module in self.modules:
            for info in module.parameters:
                if info.alias_of is None:
                    yield (f"{module.path}.{info.name}" if module.path else info.name), info

    @property
    def parameter_sums(self) -> ParameterSums:
        """Elements and bytes of all distinct parameters."""
        return sums([info for module in self.modules for info in module.parameters if info.alias_of is None])

    @property
    def total_params(self) -> int:
        """Elements of all distinct parameters."""
        return self.parameter_sums.elements

    @property
    def trainable_params(self) -> int:
        """Elements of the distinct parameters that require a gradient."""
        return self.parameter_sums.trainable

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all distinct parameters."""
        return self.parameter_sums.nbytes
