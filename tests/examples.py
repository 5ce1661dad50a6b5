"""How many examples a law is tried on: all of them, or a few (`--hypothesis-profile few`), as `make check` does."""

from __future__ import annotations

from hypothesis import settings

ALL = 100
"""What Hypothesis tries unless it is told otherwise."""
FEW = 20

settings.register_profile("few", max_examples=FEW)


def examples(wanted: int) -> int:
    """As many examples as a law wants, in the proportion in which the profile has fewer than all."""
    return max(1, wanted * settings.default.max_examples // ALL)
