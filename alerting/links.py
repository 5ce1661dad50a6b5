"""Where messages lead to: pages of the dashboard. Pure."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID


def list_link(public_url: str, incident: UUID, *conditions: str) -> str:
    """The page with exactly the instances an incident holds up, once it is over those that it has held up.

    `conditions` on attributes, such as `region=EMEA`, leave a part of them.
    """
    query = [("incident", str(incident)), *(("attribute", one) for one in conditions)]
    return f"{public_url.rstrip('/')}/dashboard/worklist?{urlencode(query)}"
