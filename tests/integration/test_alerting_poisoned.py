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
