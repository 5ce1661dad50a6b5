"""A cause that parts: what held one population up is several causes now, and each says from which it came."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from slo_rules.durations import MINUTE, SECOND
from slo_rules.instants import to_datetime

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


def judged(world: World, ids: list[UUID], *verdicts: tuple[str, str], waiting_for: str = "order_accepted") -> None:
    """They were said to be that, one after the other; the last is what they are now."""
    for number, (verdict, reason) in enumerate(verdicts):
        at = to_datetime(world.now) + timedelta(seconds=number - len(verdicts))
        world.conn.cursor().executemany(
            "INSERT INTO verdict_change (instance_id, at, verdict, reason, waiting_for) VALUES (%s, %s, %s, %s, %s)",
            [(id_, at, verdict, reason, waiting_for) for id_ in ids],
        )
    world.conn.execute(
        "UPDATE instance SET verdict = %(verdict)s, reason = %(reason)s, "
        "stuck_since = CASE WHEN %(verdict)s = 'stuck' THEN since END WHERE id = ANY(%(ids)s)",
        {"verdict": verdicts[-1][0], "reason": verdicts[-1][1], "ids": ids},
    )
    world.conn.commit()


def test_a_source_that_is_heard_again_but_for_one_type_leaves_two_causes_that_say_what_they_part_from(
    world: World,
) -> None:
    world.route(world.webhook())
    silent = ("blind", "source_silent")
    waits, misses, late = (world.stuck(count, verdict="blind", reason="source_silent") for count in (6, 4, 3))
    for ids in (waits, misses, late):
        judged(world, ids, ("on_track", "waiting"), silent)
    world.look()
    world.look(2 * SECOND)
    judged(world, waits, silent, ("stuck", "overdue"))
    judged(world, misses, silent, ("blind", "type_silent"))
    world.look(MINUTE)
    world.look(2 * SECOND)
    world.send()
    parent, *children = world.rows("incident")
    assert (parent["status"], parent["count"]) == ("firing", 3)
    assert {(one["verdict"], one["reason"], one["count"]) for one in children} == {
        ("stuck", None, 6),
        ("blind", "type_silent", 4),
    }
    said = {(row["incident_id"], row["detail"]) for row in world.rows("incident_event") if row["what"] == "parted"}
    assert said == {
        *((one["id"], f"from sap is silent or far behind ({parent['id']})") for one in children),
        *((parent["id"], f"{one['count']} are now: {one['title']} ({one['id']})") for one in children),
    }
    # The silence of the source mutes what waits for it, and says so, until it is over.
    judged(world, late, silent, ("completed", "all_in_time"))
    world.look(MINUTE)
    world.look(2 * SECOND)
    world.send()
    world.become("completed")
    world.look(MINUTE)
    world.send()
    heard: dict[str, list[str]] = {}
    for one in world.receiver.received:
        heard.setdefault(one.body["data"]["incident"]["id"], []).append(one.transition)
    assert heard == {str(one["id"]): ["firing", "resolved"] for one in (parent, *children)}


def test_what_waits_for_something_else_since_and_what_was_well_before_part_from_nothing(world: World) -> None:
    moved, new = world.stuck(2), world.stuck(2, verdict="blind", reason="source_silent", source_awaited="crm")
    judged(world, moved, ("on_track", "waiting"), ("stuck", "overdue"))
    judged(world, new, ("on_track", "waiting"), ("blind", "source_silent"))
    world.look()
    world.conn.execute("UPDATE instance SET waiting_for = 'paid' WHERE id = ANY(%s)", (moved,))
    world.now += MINUTE
    judged(world, moved, ("stuck", "overdue"), waiting_for="paid")
    world.look()
    assert [row["waiting_for"] for row in world.rows("incident") if row["verdict"] == "stuck"] == [
        "order_accepted",
        "paid",
    ]
    assert "parted" not in {row["what"] for row in world.rows("incident_event")}


def test_what_becomes_blind_for_another_reason_parts_although_no_change_of_its_verdict_is_on_record(
    world: World,
) -> None:
    ids = world.stuck(4, verdict="blind", reason="source_silent")
    judged(world, ids, ("on_track", "waiting"), ("blind", "source_silent"))
    world.look()
    world.conn.execute("UPDATE instance SET reason = 'type_silent' WHERE id = ANY(%s)", (ids[:2],))
    world.look(MINUTE)
    parent, child = world.rows("incident")
    assert (parent["count"], child["count"], child["reason"]) == (2, 2, "type_silent")
    said = {(row["incident_id"], row["detail"]) for row in world.rows("incident_event") if row["what"] == "parted"}
    assert (child["id"], f"from sap is silent or far behind ({parent['id']})") in said
