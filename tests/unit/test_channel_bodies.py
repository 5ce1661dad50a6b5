"""The bodies that go to vendors, byte by byte, as they stand in tests/data/channel_bodies.

`python -m tests.unit.test_channel_bodies` writes them anew: read what it changed, vendors do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from alerting.address import Address
from alerting.channels.answer import Request
from alerting.channels.letter import Letter
from alerting.channels.registry import CHANNELS
from alerting.message import Notice
from slo_rules.durations import HOUR, MINUTE, SECOND

FOLDER = Path(__file__).parents[1] / "data" / "channel_bodies"
NOW = 1_790_000_000 * SECOND
FIRING = Notice(
    transition="firing", reason="first", at=NOW, incident=str(UUID(int=7)), dedup_key="milepost-5f3c", verdict="stuck",
    severity="critical", workflow="order-to-cash", waiting_for="order_accepted", waiting_for_title="Accepted by ERP",
    source="sap", count=412, peak_count=412, value=[("EUR", "1234567.80")], peak_value=[("EUR", "1234567.80")],
    oldest_since=NOW - 4 * HOUR, opened_at=NOW - MINUTE, owner="erp-platform", owners=["erp-platform"],
    domain="orders", domains=["orders"], workflows=["order-to-cash"], entity="order", samples=[str(UUID(int=8))],
    link="https://milepost.example.com/dashboard/worklist?incident=7",
    incident_link="https://milepost.example.com/dashboard/incidents/7", runbook="https://wiki.example.com/erp",
    apart=["92% have connector 2.3, 12% of the others"],
    groups=[
        ("The 379 with connector 2.3", "https://milepost.example.com/dashboard/worklist?incident=7&attribute=connector%3D2.3"),
        ("The other 33", "https://milepost.example.com/dashboard/worklist?incident=7&attribute=connector%21%3D2.3"),
    ],
)  # fmt: skip
SAID = {
    "firing": FIRING,
    "updated": replace(
        FIRING, transition="updated", reason="grown", told_count=200, per_hour=120.4, acknowledged_by="Jo Doe"
    ),
    "resolved": replace(
        FIRING,
        transition="resolved",
        reason="resolved",
        count=0,
        value=[],
        oldest_since=None,
        apart=[],
        resolved_at=NOW,
        resolved_because="cleared",
    ),
}
KINDS = ("slack", "teams", "pagerduty", "jira_ops", "servicenow", "webhook", "alertmanager")
HANDLES = {
    "slack": {"ts": "1790000000.000100", "channel": "C024BE91L"},
    "servicenow": {"sys_id": "9c573169c611228700193229fff72400", "number": "INC0000060", "key": "milepost-7"},
}


def bodies(kind: str, transition: str) -> bytes:
    """What goes out for one message, a request to a line; what follows a firing remembers what that was answered."""
    more = (("channel", "C024BE91L"), ("team", "erp"), ("user", "milepost"))
    secret = None if kind == "webhook" else "hush"
    handle = {} if transition == "firing" else HANDLES.get(kind, {})
    letter = Letter(SAID[transition], Address("https://vendor.example.com", secret, more), "msg_1", NOW, handle)
    found = []
    for step in range(2):
        wanted = CHANNELS[kind].request(replace(letter, step=step, handle=handle))
        if isinstance(wanted, Request) and wanted.body and wanted.body not in found:
            found.append(wanted.body)
    return b"\n".join(found) + b"\n"


@pytest.mark.parametrize("transition", SAID)
@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_to_a_vendor_is_this(kind: str, transition: str) -> None:
    assert bodies(kind, transition) == (FOLDER / f"{kind}-{transition}.jsonl").read_bytes()


def test_there_are_no_others() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}-{one}.jsonl" for kind in KINDS for one in SAID}


if __name__ == "__main__":
    for each in KINDS:
        for said in SAID:
            (FOLDER / f"{each}-{said}.jsonl").write_bytes(bodies(each, said))
