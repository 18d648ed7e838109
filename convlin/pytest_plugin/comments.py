"""``shape_comments``: the shape comments in the files of a model beside a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convlin.annotate.stale import require_true_comments
from convlin.api.summarize import summarize
from convlin.errors import InputError, ShapeError
from convlin.inputs import TRIALS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from convlin._summary import Summary
    from convlin.inputs import DtypeLike, Input


class ShapeComments:
    """Holds the shape comments in the files of a model against a run, as ``convlin check --comments`` does."""

    def __call__(
        self,
        model: nn.Module,
        input: Input,
        *,
        kwargs: Mapping[str, Any] | None = None,
        batch_size: int | str = "N",
        dtypes: DtypeLike | Sequence[DtypeLike] | Mapping[str, DtypeLike] | None = None,
        device: torch.device | str | None = None,
        mode: str = "eval",
        trials: int = TRIALS,
    ) -> Summary:
        """The summary of ``model``, or a ``ShapeError`` with every comment that is not true.

        Everything is as for ``summarize``, but that the batch is the letter N where nothing else is said.
        """
        __tracebackhide__ = True
        try:
            summary = summarize(
                model,
                input,
                kwargs=kwargs,
                batch_size=batch_size,
                dtypes=dtypes,
                device=device,
                mode=mode,
                trials=trials,
            ).check()
            require_true_comments(summary.report)
        except (InputError, ShapeError) as error:
            raise error.with_traceback(None) from None
        return summary
