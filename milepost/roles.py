"""The parts of Milepost that can run as processes of their own, on one database."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a process does. There is none for judging deadlines: the projector does that, between two events (ADR 2)."""

    COLLECTOR = "collector"
    PROJECTOR = "projector"
    NOTIFIER = "notifier"
    DASHBOARD = "dashboard"
    CONSUMER = "consumer"


ALL_ROLES = frozenset(Role) - {Role.CONSUMER}
"""What one process does by itself; it consumes besides where it was given topics of Kafka."""
