"""Everything that a ``Summary`` can be written as; nothing is made before it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from convlin._util.shown import Picture
from convlin.render.options import DisplayOptions, Options, options

if TYPE_CHECKING:
    from typing import Unpack

    import pandas

    from convlin.analysis.memory import Memory
    from convlin.records import Report


class Forms:
    """The forms of a report; ``Summary`` inherits them.

    All of them take the same options beside their own, and those that were given to ``summarize``
    hold where nothing else is said: ``columns`` (names out of ``layer, type, input, output, params,
    params_percent, trainable, kernel, stride, padding, dilation, groups, arithmetic, problem, flops,
    mult_adds, memory, receptive_field, dtype, device, where``; ``"default"`` stands for the usual ones),
    ``depth`` (1 for what the model's own ``forward`` calls), ``only`` (types and paths, such as
    ``"Conv2d|Linear"`` or ``"features.*"``), ``parameters=True`` (a row for each weight and bias),
    ``fold`` (repeated identical blocks as one: ``True``, ``False``, or ``None`` where the table is
    long), ``hide`` (as ``only``, and what not to show), ``functions`` (``"all"``, ``"shape"``, ``"none"``),
    ``batch`` (``False`` leaves it out of every shape), ``tree``, ``width`` and ``ascii_only``.
    An option or column that does not exist raises ``InputError``.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def report(self) -> Report: ...

        _options: Options

        def __init__(self, report: Report, options: Options | None = None) -> None: ...

    def _chosen(self, given: Mapping[str, Any]) -> Options:
        return options(given, self._options) if given else self._options

    def table(self, **options: Unpack[DisplayOptions]) -> str:
        """The table as ``print`` shows it, with other options.

        >>> from convlin import summarize
        >>> from torch import nn
        >>> print(summarize(nn.Linear(4, 2), (4,)).table(columns=["type", "output", "params"]))
        Linear  input 1×4  cpu, eval
        <BLANKLINE>
        Type    Output  Params
        Linear  1×2         10
        <BLANKLINE>
        parameters 10   trainable 10   40 B
        input 16 B   activations 8 B   estimated total 64 B
        """
        from convlin.render.text import table

        return table(self.report, self._chosen(options))

    def to_markdown(self, **options: Unpack[DisplayOptions]) -> str:
        """The summary as Markdown with a table, as GitHub shows it."""
        from convlin.render.markdown import markdown

        return markdown(self.report, self._chosen(options))

    def to_html(self, *, page: bool = False, **options: Unpack[DisplayOptions]) -> str:
        """The summary as one HTML ``div`` without scripts, or with ``page=True`` as a page of its own."""
        from convlin.render.html import html

        return html(self.report, self._chosen(options), page=page)

    def to_latex(self, **options: Unpack[DisplayOptions]) -> str:
        """The table for LaTeX, with rules of the booktabs package."""
        from convlin.render.latex import latex

        return latex(self.report, self._chosen(options))

    def to_csv(self, **options: Unpack[DisplayOptions]) -> str:
        """The table as comma-separated values: shapes as tuples, counts as integers, every row by itself."""
        from convlin.render.data import csv

        return csv(self.report, self._chosen(options))

    def to_pandas(self, **options: Unpack[DisplayOptions]) -> pandas.DataFrame:
        """The table as a data frame of pandas, with a column for each name in ``columns``.

        Raises:
            InputError: pandas is not installed.
        """
        from convlin.render.data import data_frame

        return data_frame(self.report, self._chosen(options))

    def to_svg(
        self,
        *,
        theme: str = "auto",
        width: int = 846,
        title: str | None = None,
        batch: bool | None = None,
        names: bool = True,
    ) -> str:
        """The network as people draw it by hand, as SVG text: a block for every feature map, wrong layers in red.

        ``theme`` is ``"light"``, ``"dark"``, or ``"auto"``, which follows the reader's own setting.
        Rows of blocks are at most ``width`` pixels wide, by default as wide as a README on GitHub; branches
        side by side can need more.  ``title`` stands over the picture in place of the model's class.
        ``batch=False`` leaves the batch out and writes maps as papers do, ``64@28×28``; by default as in the table.
        ``names=False`` leaves the modules' paths out.

        Raises:
            InputError: there is no such theme, or the width is too small for a picture.

        >>> from convlin import summarize
        >>> from torch import nn
        >>> picture = summarize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9, 2)), (3, 8, 8)).to_svg()
        >>> "3·4·4 = 48" in picture and "needs in_features=48" in picture
        True
        """
        from convlin.render.picture import svg

        shown = self._options.batch if batch is None else batch
        return Picture(svg(self.report, theme=theme, width=width, title=title, batch=shown, names=names))

    def to_dict(self) -> dict[str, Any]:
        """Everything that was found, as dicts, lists, strings and numbers; see ``docs/json.md``."""
        from convlin.render.schema import to_dict

        return to_dict(self.report, self._options)

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict`` as JSON text; with ``indent`` each call, module and problem is one line, indented twice."""
        from convlin.render.schema import to_json

        return to_json(self.report, self._options, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The summary that ``to_dict`` wrote; equal to the one it was called on.

        Raises:
            InputError: ``data`` is something else, or from a later version.
        """
        from convlin.render.schema import from_dict

        return cls(*from_dict(data))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The summary that ``to_json`` wrote; equal to the one it was called on.

        Raises:
            InputError: ``text`` is something else, or from a later version.

        >>> from convlin import Summary, summarize
        >>> from torch import nn
        >>> s = summarize(nn.Linear(4, 2), (4,))
        >>> Summary.from_json(s.to_json()) == s
        True
        """
        from convlin.render.schema import from_json

        return cls(*from_json(text))

    def save(self, path: str | os.PathLike[str], **options: Unpack[DisplayOptions]) -> Self:
        """Write to ``path`` in the form of its suffix: .txt .md .html .tex .csv .json .svg,
        and the picture as .png or .pdf where cairosvg is installed.

        Raises:
            InputError: the suffix stands for no form, or cairosvg is not installed.
        """
        from convlin.render.save import save

        save(type(self)(self.report, self._chosen(options)), path)
        return self

    def memory(self, *, batch_size: int | None = None, gradients: bool = False, optimizer: str | None = None) -> Memory:
        """Bytes of input, activations, parameters and buffers; for training of gradients and optimizer state, too.

        ``optimizer`` is the name of one in ``torch.optim``, such as ``"adamw"``; it implies gradients.  ``batch_size``
        takes input and activations in proportion, the first axis of the first input for the batch.

        >>> from convlin import summarize
        >>> from torch import nn
        >>> print(summarize(nn.Linear(1000, 1000), (1000,)).memory(batch_size=64, optimizer="adam"))
        batch size 64
        input         256 kB
        activations   256 kB
        parameters   4.00 MB
        buffers          0 B
        gradients    4.00 MB
        adam state   8.01 MB
        total        16.5 MB
        """
        from convlin.analysis.memory import estimate

        return estimate(self.report, batch_size=batch_size, gradients=gradients, optimizer=optimizer)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def __reduce__(self) -> tuple[Any, ...]:
        # Rules of arithmetic are code and do not pickle; what they derived does.
        return (type(self).from_dict, (self.to_dict(),))
