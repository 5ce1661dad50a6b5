"""Rows of alerting that cannot be read: each is set aside, and all others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import pytest

from slo_rules.durations import MINUTE, SECOND

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE incident SET points = '[1]' WHERE source = 'sap'",
        "UPDATE incident SET value = '[{\"amount\": \"many\"}]' WHERE source = 'sap'",
        "UPDATE incident SET apart = '[{\"of\": \"a later release\"}]' WHERE source = 'sap'",
    ],
)
def test_an_incident_that_cannot_be_read_keeps_nobody_from_hearing_of_the_others(
    world: World, change: LiteralString
) -> None:
    world.route(world.webhook())
    sap = world.stuck(3)
    world.look()
    assert world.conn.execute(change).rowcount == 1
    world.conn.commit()
    crm = world.stuck(2, source_awaited="crm", waiting_for="order_changed")
    world.look()
    world.look(15 * SECOND)
    world.send()
    assert [one.body["data"]["incident"]["source"] for one in world.receiver.received] == ["crm"]
    world.become("completed", ids=crm)
    world.look(SECOND)
    world.send(MINUTE)
    assert [one.transition for one in world.receiver.received] == ["firing", "resolved"]
    # Mended, it goes on as if nothing had been.
    world.conn.execute("UPDATE incident SET points = '[]', value = '[]', apart = '[]' WHERE source = 'sap'")
    world.conn.commit()
    assert sorted(row["source"] for row in world.rows("incident")) == ["crm", "sap"]
    world.look(15 * SECOND)
    world.send(MINUTE)
    world.become("completed", ids=sap)
    world.look(SECOND)
    world.send(MINUTE)
    told = [(one.body["data"]["incident"]["source"], one.transition) for one in world.receiver.received]
    assert told[2:] == [("sap", "firing"), ("sap", "resolved")]


def test_a_silence_that_cannot_be_read_silences_nothing(world: World) -> None:
    world.route(world.webhook())
    world.conn.execute(
        "INSERT INTO silence (id, match, since, until, owner, reason, by, created_at) "
        'VALUES (gen_random_uuid(), \'{"verdict": {"of": "a later release"}}\', now() - interval \'30 years\', '
        "now() + interval '30 years', 'x', 'x', 'x', now())"
    )
    world.conn.commit()
    world.fire()
    world.send()
    assert [one.transition for one in world.receiver.received] == ["firing"]


@pytest.mark.parametrize("damage", ["'[1]'", "'{}'", "'{\"url\": 7}'", '\'{"url": "x", "more": [1]}\'', "'null'"])
def test_a_damaged_memory_of_where_something_was_told_keeps_nobody_from_hearing_how_it_ends(
    world: World, damage: LiteralString
) -> None:
    world.route(world.webhook())
    sap = world.stuck(3)
    crm = world.stuck(2, source_awaited="crm", waiting_for="order_changed")
    world.look()
    world.look(15 * SECOND)
    world.send()
    assert [one.transition for one in world.receiver.received] == ["firing", "firing"]
    damaged = f"UPDATE incident_target SET address = {damage}, handle = '[]' WHERE incident_id = (SELECT id FROM incident WHERE source = 'sap')"
    assert world.conn.execute(damaged).rowcount == 1
    world.conn.commit()
    world.look(15 * SECOND)
    world.send(MINUTE)
    world.become("completed", ids=[*sap, *crm])
    world.look(SECOND)
    world.send(MINUTE)
    told = [(one.body["data"]["incident"]["source"], one.transition) for one in world.receiver.received[2:]]
    assert sorted(told) == [("crm", "resolved"), ("sap", "resolved")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outbox SET notice = '[1]'",
        'UPDATE outbox SET notice = \'{"count": {"of": "a later release"}}\'',
        "UPDATE incident_target SET handle = '[1]'",
        "UPDATE incident_target SET handle = '{\"ts\": 7}'",
        "UPDATE incident_target SET address = '{\"url\": 7}'",
    ],
)
def test_a_message_that_is_damaged_is_sent_as_far_as_it_can_be_read_and_holds_up_none(
    world: World, change: LiteralString
) -> None:
    world.route(world.webhook())
    sap = world.stuck(3)
    world.look()
    world.look(15 * SECOND)
    assert world.conn.execute(change).rowcount == 1
    world.conn.commit()
    crm = world.stuck(2, source_awaited="crm", waiting_for="order_changed")
    world.look(15 * SECOND)
    world.look(15 * SECOND)
    world.send()
    assert [one.transition for one in world.receiver.received][:2] == ["firing", "firing"]
    world.become("completed", ids=[*sap, *crm])
    world.look(SECOND)
    world.send(MINUTE)
    assert [one.transition for one in world.receiver.received].count("resolved") == 2


def test_a_message_to_a_place_that_is_gone_and_cannot_be_read_is_given_up_and_says_why(world: World) -> None:
    world.route(world.webhook())
    world.stuck(3)
    world.look()
    world.look(15 * SECOND)
    world.conn.execute("UPDATE incident_target SET address = '[]'")
    world.conn.commit()
    world.routes = []
    report = world.send()
    assert (report.dead, world.receiver.received) == (1, [])
    (row,) = world.rows("outbox")
    assert (row["state"], row["outcome"]) == ("dead", "unreadable")
    assert "cannot be read" in row["last_error"]
