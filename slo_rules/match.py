"""What one event says to one workflow version."""

from __future__ import annotations

import msgspec

from slo_rules.acts import JoinWord, Move
from slo_rules.identity import Key
from slo_rules.progress import Scalar, Waiver

Faults = dict[str, tuple[str, ...]]
"""The unmet requirements by milestone."""


class Besides(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What few events say: nearly all only reach milestones, carry keys and say attributes.

    `fails` and `cancels` are the event's type where it means that. `stops` says whether it stops the clocks (True) or
    lets them run again (False). `measured` is what it has at the paths of `Workflow.measured`, under `measured_name`.
    `counted` are those of its milestones whose occurrences are kept; `restarts` is its type where everything begins
    anew with it. `parts` says of milestones with `each` which part reached them, as far as the event says it.
    """

    faults: Faults = {}
    fails: str | None = None
    cancels: str | None = None
    stops: bool | None = None
    measured: dict[str, Scalar] = {}
    counted: tuple[str, ...] = ()
    restarts: str | None = None
    aliases: tuple[tuple[Key, Key], ...] = ()
    """Keys that were replaced, each with the one that replaces it; both are among those that join."""
    waiver: Waiver | None = None
    join: JoinWord | None = None
    move: Move | None = None
    parts: dict[str, str] = {}

    @property
    def acts(self) -> bool:
        """Whether a person says it in Milepost; that makes no instance."""
        return self.waiver is not None or self.join is not None or self.move is not None


NOTHING_BESIDES = Besides()


class Match(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event seen with the eyes of one workflow version: everything it says there, without the event itself.

    `at` is when it occurred (micros) and `key` its identity. What is in `besides` is read through `more`.
    """

    at: int
    key: bytes
    milestones: tuple[str, ...]
    joining: list[Key]
    searching: list[Key]
    said: dict[str, Scalar]
    besides: Besides | None = None

    @property
    def more(self) -> Besides:
        """What it says besides, if only that there is nothing."""
        return NOTHING_BESIDES if self.besides is None else self.besides
