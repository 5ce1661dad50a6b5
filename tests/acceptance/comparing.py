"""What the API says of the instances, held against what the oracle expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx

from tests.acceptance import asking
from tests.acceptance.enterprise import Order, comparable, expected
from tests.acceptance.process import wait_until

Wanted = dict[str, dict[str, Any]]
"""What must be said of each instance, by its title."""


def wanted_of(orders: Iterable[Order], now: int) -> Wanted:
    """What must be said at that instant (micros) when everything of these orders was received."""
    return {one["title"]: one for order in orders for group in order.groups for one in [expected(group, now)]}


def wait_for_projection(url: str, at: datetime) -> None:
    """Heartbeats are the last thing in the log: once they count, so does everything before them."""
    spelled = at.isoformat().replace("+00:00", "Z")

    def done() -> bool:
        answered = asking.get(f"{url}/api/v1/overview")
        if answered.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            # A connection of before the database was killed.
            return False
        answer = answered.json()
        seen = [one for one in answer["sources"] if one["last_occurred_at"] == spelled]
        return len(seen) == len(answer["sources"]) == 6 and answer["lag_seconds"] == 0

    wait_until(done, 60, "everything is projected")


def compare(url: str, wanted: Wanted) -> None:
    """The instances the API has must be these, and counted as these."""
    found: dict[str, dict[str, Any]] = {}
    cursor = None
    total = -1
    while True:
        parameters = {"limit": 500, "workflow": "order-to-cash"} | ({"cursor": cursor} if cursor else {})
        page = asking.get(f"{url}/api/v1/instances", params=parameters).json()
        for row in page["items"]:
            assert row["title"] not in found, "an instance came twice"
            found[row["title"]] = comparable(row)
        total, cursor = page["total"], page["next_cursor"]
        if cursor is None:
            break
    assert found.keys() == wanted.keys()
    assert total == len(wanted)
    different = {title: (found[title], wanted[title]) for title in wanted if found[title] != wanted[title]}
    assert not different, f"{len(different)} of {len(wanted)} differ, among them {next(iter(different.items()))}"
    listed = asking.get(f"{url}/api/v1/workflows").json()["items"][0]["counts"]
    assert listed == Counter(one["verdict"] for one in wanted.values())
