"""How many examples a property test draws."""

from __future__ import annotations

from hypothesis import settings

#: What hypothesis draws by itself; a profile that asks for more is for the long run of ``make thorough``.
_USUAL = 100


def examples(count: int) -> settings:
    """The settings of a test that draws ``count`` examples, more under ``--hypothesis-profile thorough``."""
    asked = settings().max_examples
    return settings(max_examples=max(count, asked) if asked > _USUAL else count)
