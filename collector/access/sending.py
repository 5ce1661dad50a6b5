"""Who may send over a protocol that does not come through the guard."""

from __future__ import annotations

import time
from collections.abc import Callable

from collector import metrics
from collector.access.limits import Limited, Limits
from collector.access.principal import INGEST, Principal
from collector.access.roster import Roster, Stale
from collector.ingest.bodies import Beyond, Refusal


def admitting(roster: Roster, limits: Limits | None = None) -> Callable[[str | None], Principal]:
    """What judges by `Authorization: Bearer mp_…` whether somebody may send, and raises Refusal where he may not."""

    def admit(said: str | None) -> Principal:
        scheme, _, token = (said or "").partition(" ")
        try:
            who = roster.of_key(token.strip(), time.time_ns() // 1000) if scheme.lower() == "bearer" else None
        except Stale as error:
            raise _counted(Refusal(503, "who may do what cannot be read: the database is away", 5)) from error
        if who is None:
            raise _counted(Refusal(401, "say who you are: send authorization with Bearer and an API key"))
        if not who.may(INGEST):
            raise _counted(Refusal(403, f"you may not do this: it needs {INGEST}"))
        if limits is not None:
            try:
                limits.admit(who)
            except Limited as limited:
                raise Beyond(429, str(limited), limited.retry_after) from limited
        return who

    return admit


def _counted(refusal: Refusal) -> Refusal:
    metrics.REFUSED.labels(str(refusal.status)).inc()
    return refusal
