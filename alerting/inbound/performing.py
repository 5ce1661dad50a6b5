"""Doing what somebody said of an incident where he was told of it."""

from __future__ import annotations

from typing import Any

import psycopg

from alerting import acts
from alerting.inbound.act import Act
from collector.acts import ActRefused

BECAUSE = "said where it was told"


def perform(conn: psycopg.Connection[Any], act: Act, now: int) -> bool:
    """Do it, as if it had been asked of the API; False where there is no such incident that still fires.

    `now` is micros, UTC. The same said twice by the same person is done once: senders repeat what they say.
    """
    id_ = str(act.incident)
    try:
        if act.what == "resolve":
            acts.resolve(conn, id_, {"by": act.who, "reason": BECAUSE}, now)
        else:
            acts.acknowledge(conn, id_, {"by": act.who}, now)
    except ActRefused as refused:
        # Whoever says it again has been heard.
        return refused.conflicting and any("already" in fault for fault in refused.faults)
    return True
