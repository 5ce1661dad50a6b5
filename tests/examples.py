"""How many examples a law is tried on: all of them, or a few (`--hypothesis-profile few`), as `make check` does."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

ALL = 100
"""What Hypothesis tries unless it is told otherwise."""
FEW = 20

# How long an example takes says how busy the machine is, and nothing of the law.
settings.register_profile("all", max_examples=ALL, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("all"), max_examples=FEW)
settings.load_profile("all")


def examples(wanted: int) -> int:
    """As many examples as a law wants, in the proportion in which the profile has fewer than all."""
    return max(1, wanted * settings.default.max_examples // ALL)


def on_one_database(wanted: int) -> settings:
    """How a law is tried on so many examples, which all have what the fixtures of its test made: one database."""
    return settings(
        max_examples=examples(wanted),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
