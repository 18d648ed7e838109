"""Runs the README's first example with whatever convlin is installed, and compares what it prints.

Used by the test suite, and by the check of the built wheel in an environment without pytest.
"""

import contextlib
import io
import re
import sys
import tempfile
from importlib.metadata import metadata
from pathlib import Path

BLOCK = re.compile(r"```python\n(.*?)```\s*\n(?:[^`]*?```text\n(.*?)```)?", re.DOTALL)


def blocks(markdown: str) -> list[tuple[str, str | None]]:
    """Every block of Python in a page, with the block of text that follows it as its output."""
    return [(code, output or None) for code, output in BLOCK.findall(markdown)]


def run(page: Path, *, first_only: bool = False) -> int:
    """Run the blocks of a page one after the other in one namespace; the number of outputs compared."""
    compared = 0
    namespace: dict[str, object] = {"__name__": "readme"}
    for number, (code, expected) in enumerate(blocks(page.read_text(encoding="utf-8"))):
        # The first block is the file that the page shows; it is named as a reader would name it.
        source = f"<{page.name} block {number}>" if number else "net.py"
        # Known to linecache, so that convlin finds the lines as it would in a file.
        import linecache

        linecache.cache[source] = (len(code), None, code.splitlines(keepends=True), source)
        printed = io.StringIO()
        # What a page writes, such as a lock, goes where it is in nobody's way.
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(code, source, "exec"), namespace)
        if expected is not None:
            got = printed.getvalue()
            if got.rstrip() != expected.rstrip():
                raise AssertionError(f"{page.name}, block {number} prints\n{got}\nand shows\n{expected}")
            compared += 1
        if first_only:
            break
    return compared


def links_into_the_repository() -> list[str]:
    """What the page of the installed package on an index would link to, and would not be there."""
    description = metadata("convlin")["Description"] or ""
    return re.findall(r"\]\((?!https?://|#)[^)]*\)|<img|<source", description)


if __name__ == "__main__":
    lost = links_into_the_repository()
    if lost or "nn.Linear" not in (metadata("convlin")["Description"] or ""):
        raise SystemExit(f"the description of the package is not the README, or leads nowhere: {lost}")
    count = run(Path(sys.argv[1]))
    if not count:
        raise SystemExit("the page shows no output to compare")
    print(f"{count} outputs are as shown")
