"""``Summary``: one report with everything that can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from convlin._util.shown import Text
from convlin.errors import InputError, ShapeError
from convlin.records import Call, ModuleInfo, Report, Shape, Size
from convlin.render.forms import Forms
from convlin.render.options import Options

if TYPE_CHECKING:
    from convlin.annotate.listing import Listing
    from convlin.checks.difference import Difference
    from convlin.checks.patterns import Expected
    from convlin.records import Accepts, Problem


class Summary(Forms):
    """What one forward pass showed: a table when printed, its rows and problems as records.

    Immutable: it holds sizes and names, and keeps neither the model nor a tensor alive.
    """

    __slots__ = ("_options", "_report")

    def __init__(self, report: Report, options: Options | None = None) -> None:
        self._options = options or Options()
        self._report = report

    @property
    def report(self) -> Report:
        """The records that everything else is read from."""
        return self._report

    # What was found

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.report.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem found, in the order it was met."""
        return self.report.problems

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call, in order of completion."""
        return self.report.calls

    @property
    def modules(self) -> tuple[ModuleInfo, ...]:
        """Every module, called or not, in the order of ``named_modules()``."""
        return tuple(self.report.modules)

    @property
    def required_in_features(self) -> Mapping[str, Size]:
        """For every ``nn.Linear`` that was called, by path: the ``in_features`` that reaches it."""
        return dict(self.report.required_in_features)

    @property
    def accepts(self) -> Accepts | None:
        """With named sizes: which of them the model takes as it is declared; None where that could not be proved."""
        return self.report.accepts

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the model's (first) output; None when there is none or the pass stopped."""
        return self.report.outputs[0].shape if self.report.outputs else None

    @property
    def total_params(self) -> int:
        """Elements of all parameters, shared ones counted once."""
        return self.report.total_params

    @property
    def trainable_params(self) -> int:
        """Elements of the parameters that require a gradient, shared ones counted once."""
        return self.report.trainable_params

    def __getitem__(self, path: str) -> Call:
        """The first call of the module at ``path``."""
        for call in self.calls:
            if call.path == path and not call.is_function:
                return call
        from convlin.explanation.of_model import unknown_layer  # only for a mistake

        raise unknown_layer(self.report, path)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def explain(self, path: str | None = None) -> str:
        """How the size that reaches a layer comes about: every step that changed it, with its numbers.

        ``path`` is a module's, or the line of a function between modules as the problems name it
        (``net.py:27``).  Without one: the way to everything that is wrong, or if nothing is, to every
        Linear behind a flatten.

        Raises:
            KeyError: there is no such module, or it was not called.
            InputError: no forward pass was run.

        >>> from convlin import summarize
        >>> from torch import nn
        >>> print(summarize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 2)), (3, 8, 8)).explain("2"))
        how 2 gets its input size
        <BLANKLINE>
        input  1×3×8×8
        0  MaxPool2d  1×3×8×8 → 1×3×4×4
            H, W  ⌊(H + 2·padding − dilation·(kernel_size−1) − 1)/stride⌋ + 1
                  ⌊(8 + 2·0 − 1·(2−1) − 1)/2⌋ + 1 = 4
        1  Flatten  1×3×4×4 → 1×48
            features  dim 1·dim 2·dim 3
                      3·4·4 = 48
        2  Linear
            has in_features=48, which is right: 3·4·4 = 48
        """
        from convlin.explanation.of_model import explain_report, find_call, printable

        text = explain_report(self.report, None if path is None else find_call(self.report, path))
        return Text(printable(text, self._options.ascii_only))

    def source(self) -> Listing:
        """The code of every ``forward`` that ran, and the shape of what each line makes beside it, as text.

        Helper functions are included, code of installed packages is not.  A line that ran several times
        shows each distinct shape and how often (``×3``); a branch of an ``if`` that did not run says so,
        and a line where something does not fit says what it needs.  A notebook shows the text as HTML.

        Raises:
            InputError: no forward pass was run, or it ran no code whose source can be found.

        >>> from convlin import summarize
        >>> from examples.small_cnn import WrongCNN
        >>> print(summarize(WrongCNN(), (3, 32, 32)).source())
        CNN.forward  examples/small_cnn.py:27
        <BLANKLINE>
        27  def forward(self, x: torch.Tensor) -> torch.Tensor:
        28      x = F.relu(self.bn1(self.conv1(x)))  1×16×32×32
        29      x = F.relu(self.bn2(self.conv2(x)))  1×32×16×16
        30      x = self.max_pool(x)                 1×32×8×8
        31      x = x.view(-1, 32 * 8 * 8)           1×2048
        32      return self.fc1(x)                   1×10
                                                     ✗ fc1 needs in_features=2048, has 999
        """
        from convlin.annotate.listing import listing
        from convlin.render.text import carries_signs

        plain = self._options.ascii_only
        return listing(self.report, ascii_only=plain if plain is not None else not carries_signs())

    # Checks

    def check(self, path: str | os.PathLike[str] | None = None) -> Summary:
        """This summary, or a ``ShapeError`` that lists every problem.

        With the ``path`` of a lock, every difference from what ``lock`` once wrote there as well.
        """
        __tracebackhide__ = True
        if path is not None:
            from convlin.checks.lock_diff import require

            try:
                require(self.report, path)
            except (InputError, ShapeError) as error:
                raise error.with_traceback(None) from None
        elif not self.ok:
            from convlin.render.text import problems_text

            raise ShapeError(problems_text(self.report))
        return self

    def lock(self, path: str | os.PathLike[str]) -> Summary:
        """Write the shapes of every call to the small text file ``path``, for ``check`` to compare with.

        Raises:
            ShapeError: the summary has problems; a lock would keep them.
        """
        __tracebackhide__ = True
        from convlin.checks.lock_file import write_lock

        self.check()
        write_lock(self.report, path)
        return self

    def diff(self, other: Summary | str | os.PathLike[str]) -> Difference:
        """What is different in ``other``: calls added, removed, moved, renamed, other shapes, types and parameters.

        ``other`` is a summary, of another model or of the same at another size, or the path of a lock.  The
        result prints as a table, is empty (and false) where nothing differs, shows as HTML in a notebook,
        and has ``to_json``.

        Raises:
            InputError: ``other`` is neither, no pass was run, or the file is no lock.

        >>> from convlin import summarize
        >>> from torch import nn
        >>> before = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 8))
        >>> after = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU()), (3, 8, 8))
        >>> print(before.diff(after))
        Sequential: 1 added, 1 renamed, 2 reshaped
        <BLANKLINE>
        Change    Layer          Before              After
        added     1 (MaxPool2d)                      1x4x6x6 -> 1x4x3x3
        renamed   2              1                   2
        reshaped  2              1x4x6x6 -> 1x4x6x6  1x4x3x3 -> 1x4x3x3
        reshaped  .              -> 1x4x6x6          -> 1x4x3x3
        """
        __tracebackhide__ = True
        from convlin.checks.difference import difference
        from convlin.inputs.spelling import show

        if not isinstance(other, Summary | str | os.PathLike):
            raise InputError(
                f"{show(other)} is not a Summary: write a.diff(b) with two summaries, or with the path of a lock"
            )
        try:
            return difference(self.report, other.report if isinstance(other, Summary) else other)
        except InputError as error:
            raise error.with_traceback(None) from None

    def assert_shapes(self, expected: Expected) -> Summary:
        """This summary, or one ``ShapeError`` with every difference; ``expected`` as for ``convlin.assert_shapes``."""
        __tracebackhide__ = True
        from convlin.checks.shapes import read_expected, require

        try:
            require(self.report, read_expected(expected))
        except (InputError, ShapeError) as error:
            raise error.with_traceback(None) from None
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Summary) and self.report == other.report

    __hash__ = None  # type: ignore[assignment]  # equal by content, which holds dicts

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, "_report"):
            raise AttributeError(f"a Summary cannot be changed; {name} was to be set")
        object.__setattr__(self, name, value)
