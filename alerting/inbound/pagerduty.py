"""What a V3 webhook of PagerDuty says: an incident was acknowledged or resolved there. Pure.

An incident there has the key that its events were sent with, and that names ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from alerting.inbound.act import Act, NotHeard, incident_of, name_of, signed_by

_SYSTEM = "PagerDuty"


def read(body: bytes, headers: Mapping[str, str], secrets: Collection[str], _now: int) -> list[Act]:
    """The acts in a request; empty where it is about something else. NotHeard where it is not PagerDuty's.

    What Milepost itself resolved comes back without an agent who is somebody, and is passed over.
    """
    given = [one.strip().removeprefix("v1=") for one in headers.get("x-pagerduty-signature", "").split(",")]
    if not signed_by(secrets, body, given[:10]):
        raise NotHeard(401, "the signature is not that of any target")
    try:
        event = orjson.loads(body)["event"]
        kind, data = event["event_type"], event["data"]
        agent: Any = event.get("agent")
        key = data.get("incident_key")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NotHeard(400, "there is no event that can be read") from error
    incident = incident_of(key)
    if incident is None or not isinstance(agent, dict) or agent.get("type") != "user_reference":
        return []
    who = name_of(agent.get("summary") or agent.get("id"), _SYSTEM)
    if kind == "incident.acknowledged":
        return [Act("acknowledge", incident, who)]
    return [Act("resolve", incident, who)] if kind == "incident.resolved" else []
