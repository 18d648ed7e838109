"""The command line as argparse reads it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn, TypeAlias

RUNS_CODE = "The model's file is imported, which runs its code; nothing of it is changed."
WRITES_CODE = "The model's file is imported, which runs its code; it is changed only with --write."

_EXIT = "exit status: 0 fine; 1 a shape problem or a difference, or your own code raised; 2 usage error"

_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"

#: The forms of an answer, by the command that gives it.
_FORMS = {
    "show": ("text", "markdown", "html", "latex", "csv", "json", "svg", "lsp-inlay"),
    "check": ("text", "github", "json"),
    "diff": ("text", "html", "json"),
}

USAGE = 2


class _Given(argparse.Action):
    """Keeps a value, and that it was given."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, values)
        setattr(namespace, f"{self.dest}_given", True)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command; a usage error ends the program with status 2."""
    parser = build(words[0] if words else None)
    if words and words[0] not in _COMMANDS and not words[0].startswith("-"):
        _refuse(parser, _meant().command(words, _COMMANDS))
    words, theirs = _divided(words)
    arguments, rest = parser.parse_known_args(words)
    if arguments.command == "run":
        if arguments.script is None and arguments.module is None:
            parser.error("write convlin run train.py, or convlin run -m package.module")
        arguments.arguments = theirs
    # argparse takes positional arguments from one stretch only: inputs behind an option are left over.
    if rest and (any(word.startswith("-") for word in rest) or not hasattr(arguments, "input")):
        said = _meant().option(rest, arguments, _FORMS.get(arguments.command, ()))
        parser.error(f"unrecognized arguments: {' '.join(rest)}{said}")
    if rest:
        if "--batch" in words:
            _refuse(parser, _meant().batch_size(words, rest))
        arguments.input = [*arguments.input, *rest]
    return arguments


def _refuse(parser: argparse.ArgumentParser, why: str | None) -> None:
    if why is not None:
        parser.error(why)


def _meant() -> ModuleType:
    """What is needed for a mistake: no program waits for it."""
    from convlin.cli import meant

    return meant


def _divided(words: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The words that are convlin's, and for ``run`` those behind the program, which are the program's own."""
    if not words or words[0] != "run":
        return words, []
    end = 1
    while end < len(words) and words[end].startswith("-") and not words[end].startswith("-m"):
        end += 1
    end += 2 if end < len(words) and words[end] == "-m" else 1
    return words[:end], list(words[end:])


def build(command: str | None = None) -> argparse.ArgumentParser:
    """The parser with all commands; with ``command`` alone where that is one, which takes a tenth of the time."""
    from convlin import __version__

    parser = Parser(
        prog="convlin",
        description="The number that goes into your nn.Linear, where it comes from, and the shape after every layer.",
        epilog=_EXIT,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"convlin {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for make in [_COMMANDS[command]] if command in _COMMANDS else _COMMANDS.values():
        make(commands)
    return parser


def _command(
    commands: _Commands, name: str, summary: str, text: str, examples: str, status: str = _EXIT
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=f"examples:\n{examples}\n\n{status}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _show(commands: _Commands) -> None:
    parser = _command(
        commands,
        "show",
        "print the table of a model",
        f"Run the model once on a dummy input and print the shape after every layer.\n{RUNS_CODE}\n"
        "Without an input no pass is run: structure and parameters only.",
        "  convlin show net.py:Net 3,32,32\n"
        "  convlin show net.py:Net 3,H,W --source\n"
        "  convlin show pkg.models:make_unet 3,H,W --kwargs '{\"classes\": 10}'\n"
        "  convlin show net.py:Bert input_ids=128 --dtypes long --format html --output bert.html",
    )
    _model(parser, optional=False)
    parser.add_argument(
        "--source",
        action="store_true",
        help="print the code of every forward with the shape of each line beside it, instead of the table",
    )
    _table(parser)


def _check(commands: _Commands) -> None:
    parser = _command(
        commands,
        "check",
        "exit with 1 if a model does not fit together or differs from its lock",
        f"Run the model once and report every layer that does not fit.\n{RUNS_CODE}\n"
        "Without arguments, check every model under [tool.convlin] in pyproject.toml.",
        "  convlin check\n"
        "  convlin check net.py:Net 3,32,32\n"
        "  convlin check net.py:Net 3,32,32 --lock net.shapes --update\n"
        "  convlin check net.py:Net 3,H,W --comments\n"
        "  convlin check --format github",
    )
    _model(parser, optional=True)
    lock = parser.add_argument_group("lock")
    lock.add_argument("--lock", metavar="FILE", help="compare the shapes with those that FILE holds")
    lock.add_argument("--update", action="store_true", help="write the lock (or all locks) instead of comparing")
    parser.add_argument(
        "--comments",
        action="store_true",
        help="compare the shape comments in the model's files (see convlin annotate) with what their lines make",
    )
    parser.add_argument(
        "--format",
        choices=_FORMS["check"],
        default="text",
        help="github writes annotations of a workflow at the lines of the layers; json is for programs",
    )


def _fix(commands: _Commands) -> None:
    parser = _command(
        commands,
        "fix",
        "fix the wrong layers in the source",
        f"Print a unified diff that gives every wrong layer the size it needs.\n{WRITES_CODE}\n"
        "Without arguments, fix every model under [tool.convlin] in pyproject.toml.",
        "  convlin fix net.py:Net 3,32,32\n  convlin fix net.py:Net 3,32,32 --write",
    )
    _model(parser, optional=True)
    parser.add_argument(
        "--write",
        action="store_true",
        help="change the files, only where a line was found beyond doubt, and run the model once more to "
        "prove it; where that does not help, the files are put back",
    )


def _annotate(commands: _Commands) -> None:
    parser = _command(
        commands,
        "annotate",
        "write the shape of what each line makes beside it, as a comment",
        "Run the model once and print a unified diff that puts the shape of what each line of its forward makes\n"
        "in a comment: x = self.pool(self.conv1(x))  # (N, 16, H//2, W//2). Shape comments that are there are\n"
        "brought up to date; other comments stay. The batch is the letter N unless --batch-size says otherwise.\n"
        f"{WRITES_CODE}\n"
        "Without arguments, annotate every model under [tool.convlin] in pyproject.toml.",
        "  convlin annotate net.py:Net 3,H,W\n"
        "  convlin annotate net.py:Net 3,H,W --write\n"
        "  convlin annotate net.py:Net 3,32,32 --batch-size 1 --arithmetic\n"
        "  convlin annotate net.py:Net 3,H,W --style jaxtyping",
    )
    _model(parser, optional=True)
    parser.add_argument(
        "--style",
        choices=("comments", "jaxtyping"),
        default="comments",
        help='comments (the default), or types in the signatures of forward: x: Float[Tensor, "N 3 H W"]',
    )
    parser.add_argument("--write", action="store_true", help="change the files")
    parser.add_argument("--arithmetic", action="store_true", help="add how a size comes about: since 32*8*8 = 2048")


def _diff(commands: _Commands) -> None:
    parser = _command(
        commands,
        "diff",
        "compare two locks: which layers were added, removed, renamed or have other shapes",
        "Compare two locks, as convlin check --lock FILE --update writes them. No code is run.\n"
        "Exit with 1 if anything is different.",
        "  git show HEAD~1:net.shapes > before.shapes\n  convlin diff before.shapes net.shapes",
    )
    parser.add_argument("before", metavar="BEFORE", help="a lock")
    parser.add_argument("after", metavar="AFTER", help="another one")
    parser.add_argument("--format", choices=_FORMS["diff"], default="text", help="form of the answer")


def _explain(commands: _Commands) -> None:
    parser = _command(
        commands,
        "explain",
        "explain the size that reaches a layer of a model, or the arithmetic of one layer",
        "Show step by step how the size that reaches a layer of your model comes about, or how one\n"
        f"layer of torch.nn turns the size of its input into that of its output.\n{RUNS_CODE}",
        "  convlin explain net.py:Net 3,32,32 --layer fc1\n"
        "  convlin explain Conv2d 3,32,32 --kwargs 'out_channels=16, kernel_size=3, stride=2'",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="pkg.module:Net or path/net.py:Net, or the name of a layer in torch.nn"
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="the layer of the model to explain (default: every layer that is wrong, or every Linear behind a flatten)",
    )
    _input(parser)


def _program(commands: _Commands) -> None:
    parser = _command(
        commands,
        "run",
        "run a script as python does, and explain a shape error that stops it",
        "Run a program exactly as python SCRIPT ARGS or python -m MODULE ARGS does. When an exception\n"
        "that came out of an nn.Module stops it, print the traceback, then the table of that call\n"
        "with every wrong size and the line to change.",
        "  convlin run train.py --epochs 10\n  convlin run -m package.train --epochs 10",
        "exit status: that of the program",
    )
    parser.usage = "convlin run [-h] (SCRIPT | -m MODULE) [ARGS ...]"
    parser.add_argument("script", metavar="SCRIPT", nargs="?", help="the script to run")
    parser.add_argument("-m", metavar="MODULE", dest="module", help="the module to run, as for python -m")


def _model(parser: argparse.ArgumentParser, *, optional: bool) -> None:
    group = parser.add_argument_group("model and input")
    group.add_argument(
        "model",
        metavar="MODEL",
        nargs="?" if optional else None,
        help="pkg.module:Net or path/net.py:Net; a class, a function that returns a model, or a model; "
        "a file alone, net.py, if it has one model",
    )
    _input(group)


def _input(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "input",
        metavar="INPUT",
        nargs="*",
        default=[],  # without one, argparse names it among what is required
        help="sizes of one sample without the batch: 3,32,32, or with letters 3,H,W; several for several "
        "inputs; name=3,32,32 for an argument of forward by name",
    )
    group.add_argument(
        "--kwargs",
        metavar="ARGS",
        default="",
        help="arguments of the class or function: a dict in JSON or Python, or as between the parentheses "
        "(convlin explain Conv2d takes in_channels from the input)",
    )
    group.add_argument(
        "--forward-kwargs", metavar="ARGS", default="", help="arguments of forward beside the input, in the same way"
    )
    group.add_argument(
        "--dtypes",
        metavar="DTYPE",
        action="append",
        default=[],
        help="dtype of the input (float32, long, …): once for all, once for each, or as name=dtype",
    )
    group.add_argument("--device", help="where to run: cpu, cuda, or meta, which computes shapes only")
    group.add_argument(
        "--batch-size", metavar="N", default="1", action=_Given, help="size of the batch, or a letter (default: 1)"
    )
    group.add_argument(
        "--mode", choices=("eval", "train", "same"), default="eval", help="mode of the model (default: eval)"
    )
    group.add_argument(
        "--trials",
        metavar="N",
        default="70",
        action=_Given,
        help="with letters, how many other sizes are tried at most (default: 70); more for a large model",
    )


def _table(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("table")
    group.add_argument("--columns", metavar="NAMES", help="columns to show, separated by commas: layer,output,params")
    group.add_argument("--depth", type=int, metavar="N", help="how deep to go into containers")
    group.add_argument("--only", metavar="NAMES", help="types and paths to show: 'Conv2d|Linear', 'features.*'")
    group.add_argument("--hide", metavar="NAMES", help="types and paths not to show: 'Dropout|Identity'")
    group.add_argument(
        "--functions",
        choices=("all", "shape", "none"),
        default="shape",
        help="functions between modules that have rows: those that change a shape (the default), with sums and "
        "attention (all), or none",
    )
    group.add_argument(
        "--batch", action=argparse.BooleanOptionalAction, default=True, help="write the batch in every shape (default)"
    )
    group.add_argument("--parameters", action="store_true", help="a row for every weight and bias")
    group.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show repeated identical blocks as one (default: where the table is long)",
    )
    group.add_argument(
        "--tree",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="indent the rows below their containers (default: where whole paths do not fit the width)",
    )
    group.add_argument(
        "--width", type=int, metavar="N", help="width of the text (default: that of the terminal, without one 100)"
    )
    group.add_argument("--ascii-only", action="store_true", default=None, help="plain signs only")
    group.add_argument(
        "--format",
        choices=_FORMS["show"],
        help="form of the table (default: by --output, else text); lsp-inlay is the shapes behind each line of "
        "your code as JSON, for editors",
    )
    group.add_argument("--output", metavar="FILE", help="write to FILE instead of standard output")


_COMMANDS: dict[str, Callable[[_Commands], None]] = {
    "show": _show,
    "check": _check,
    "fix": _fix,
    "annotate": _annotate,
    "explain": _explain,
    "diff": _diff,
    "run": _program,
}
