"""How many examples a law is tried on: all of them, or a few (`--hypothesis-profile few`), as `make check` does."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

ALL = 100
"""What Hypothesis tries unless it is told otherwise."""
FEW = 20

settings.register_profile("few", max_examples=FEW)


def examples(wanted: int) -> int:
    """As many examples as a law wants, in the proportion in which the profile has fewer than all."""
    return max(1, wanted * settings.default.max_examples // ALL)


def on_one_database(wanted: int) -> settings:
    """How a law is tried that wipes the database of its test before each of so many examples, and takes its time."""
    return settings(
        max_examples=examples(wanted),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
