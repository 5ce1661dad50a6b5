"""How long a session holds."""

from __future__ import annotations

from dataclasses import dataclass

from slo_rules.durations import HOUR, MINUTE


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a session holds unused, and at all, in micros: as OWASP ASVS 3.3.2 wants it at level 2.

    A page that is open asks every few seconds, and is not unused.
    """

    idle: int = 30 * MINUTE
    longest: int = 12 * HOUR


USUAL = Lengths()
