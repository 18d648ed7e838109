"""What convlin says about every small model and every mistake, kept in a folder and compared with what it says later.

Before a change that must not change behavior, ``python -m tests.archive write DIR``; after it,
``python -m tests.archive compare DIR``, which prints the names of the files that differ and exits with 1 if any do.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from convlin import InputError, Summary, summarize
from convlin.render.options import COLUMNS
from tests.mistakes import MISTAKES
from tests.zoo import SMALL


def summaries() -> Iterator[tuple[str, Summary]]:
    """Each model's summary under a name that is a file name too."""
    for entry in SMALL:
        torch.manual_seed(0)
        model = entry.build()
        args, kwargs = entry.inputs()
        yield (
            f"zoo-{entry.name}",
            summarize(model, list(args) or None, kwargs=kwargs, mode="same" if entry.training else "eval"),
        )
    for mistake in MISTAKES:
        torch.manual_seed(0)
        wrong = mistake.build().train(mistake.options.get("mode") == "train")
        options = dict(mistake.options)
        given = mistake.given if isinstance(mistake.given, list) else [mistake.given]
        if any(isinstance(value, torch.Tensor) for value in given):
            del options["batch_size"]
        yield f"mistake-{mistake.row:02}-{mistake.name}", summarize(wrong, mistake.given, **options)


def forms(summary: Summary) -> dict[str, str]:
    """The summary as JSON, text, explanation and picture, by the ends of the file names."""
    return {
        "json": summary.to_json(),
        "txt": str(summary),
        "table.txt": summary.table(columns=list(COLUMNS)),
        "explain.txt": _explained(summary),
        "svg": summary.to_svg(),
    }


def _explained(summary: Summary) -> str:
    try:
        return "\n\n".join([summary.explain(), *(summary.explain(call.path) for call in summary.calls if call.path)])
    except InputError as error:  # there is nothing to explain in a model that makes no call
        return f"{type(error).__name__}: {error}"


def files() -> Iterator[tuple[str, str]]:
    """Every file of the archive: its name and its text."""
    warnings.simplefilter("ignore")  # the models' own
    for name, summary in summaries():
        for end, text in forms(summary).items():
            yield f"{name}.{end}", text


def main(command: str, folder: str) -> int:
    """Write the archive, or say what differs from it; the exit status."""
    kept = Path(folder)
    if command == "write":
        kept.mkdir(parents=True)
        for name, text in files():
            (kept / name).write_text(text, encoding="utf-8")
        return 0
    now = dict(files())
    before = {path.name: path.read_text(encoding="utf-8") for path in kept.iterdir()}
    different = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    print(*different, f"{len(different)} of {len(now)} files differ", sep="\n")  # noqa: T201 the answer
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
