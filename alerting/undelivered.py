"""What is told, and to whom, where a target does not hear what it should. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from alerting.channels.registry import CHANNELS
from alerting.message import Notice, fallback, headline
from alerting.targets import Target
from slo_rules.durations import HOUR

_OFTEN = HOUR
"""What is broken is told once in this time for each target, whatever it does not hear."""


def another(broken: str, targets: Mapping[str, Target], disabled: Collection[tuple[str, str]]) -> Target | None:
    """The target to tell about a broken one: its fallback; one of the same owner; one of the same route; any.

    Only those that take messages without an incident, and are not disabled themselves. None where there is none.
    """
    of = targets.get(broken)
    usable = [
        target
        for target in targets.values()
        if target.name != broken
        and CHANNELS[target.kind].NOTES
        and (target.name, target.address.digest) not in disabled
        and (of is None or target.address != of.address)
    ]

    def rank(target: Target) -> tuple[bool, bool, bool, str]:
        wanted = of is not None and target.name == of.fallback
        same_owner = of is not None and bool(of.owner) and target.owner == of.owner
        same_route = target.name.partition("/")[0] == broken.partition("/")[0]
        return (not wanted, not same_owner, not same_route, target.name)

    return min(usable, key=rank, default=None)


def note(
    broken: str,
    transition: str,
    notice: Mapping[str, Any],
    now: int,
    why: tuple[str, int | None, str | None],
    *,
    disables: bool,
) -> Notice:
    """What is said of it. `why` is the reason, the status and the error of the last attempt."""
    reason, status, error = why
    try:
        lost = Notice.from_json(notice)
        about = headline(lost)
    except Exception:  # noqa: BLE001 — whatever a stored notice is, this must be said
        lost = fallback(notice)
        about = headline(lost)
    answer = ", ".join(part for part in (reason.replace("_", " "), str(status) if status else "", error or "") if part)
    what = {"firing": "opened", "updated": "grew", "resolved": "resolved"}.get(transition, "was told")
    ends = (
        "Nothing more is sent to it until its address is another one, or `milepost alerts enable` is run."
        if disables
        else "Other messages to it are still sent."
    )
    return Notice(
        transition="note",
        reason="undelivered",
        at=now,
        severity="warning",
        said_title=f"{broken} did not take a message",
        said=f"Not delivered to {broken} ({answer}): {about} ({what}). {ends}",
        link=lost.link,
    )


def note_id(broken: str, other: str, now: int) -> str:
    """The same for the same news within an hour."""
    spelled = f"{broken}\x1f{other}\x1f{now // _OFTEN}"
    return "note_" + hashlib.sha256(spelled.encode()).hexdigest()[:32]
