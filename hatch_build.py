"""The README as a package index shows it: without what leads into the repository, and nowhere from there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"<picture>.*?</picture>\n*", re.DOTALL)
#: A link that is no address, and no place on the page itself.
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)")


class PublishedReadme(MetadataHookInterface):
    """Names a page of the repository where the README links to it, and leaves its pictures out."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description of the package."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": _LINK.sub(r"\1", _PICTURE.sub("", text))}
