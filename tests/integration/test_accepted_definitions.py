"""Whatever definition is accepted: the log, the projector and the questions to it stand it, as a rehearsal foresees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.projector import Projector
from collector.query import Query
from collector.query.reader import Reader
from collector.rebuild import forget
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.event import Event
from slo_rules.instants import rfc3339
from slo_rules.matching import Matcher
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Definitions
from tests.definition_events import events_of
from tests.definition_texts import BASES, FULL, PACKS, accepted
from tests.examples import on_one_database
from tests.projecting import derived, enroll, live, standing_in_rehearsal, standing_in_store, wipe
from tests.strategies import START

pytestmark = pytest.mark.slow

END = START + 5000 * HOUR


def asked(url: str, catalogue: Catalogue, as_of: int) -> list[dict[str, Any]]:
    """What is answered, now and of the past, about everything there is."""

    async def answers() -> list[dict[str, Any]]:
        reader = Reader(url, most_connections=2)
        await reader.open()
        try:
            query = Query(reader, catalogue)
            found = [await query.overview(), await query.workflows(), await query.objectives(), await query.sources()]
            page = await query.instances(limit=500)
            found += [page, await query.instances(limit=500, as_of=rfc3339(as_of))]
            for row in page["items"]:
                for when in (None, rfc3339(as_of)):
                    one = await query.instance(row["id"], when)
                    assert one is not None or when is not None
                    found += [one] if one is not None else []
            return found
        finally:
            await reader.close()

    return asyncio.run(answers())


def stand(url: str, conn: Connection, definitions: Definitions, history: list[Event], as_of: int) -> None:
    wipe(conn)
    catalogue = enroll(conn, definitions)
    live(conn, catalogue, history, END)
    letters = conn.execute("SELECT reason, detail FROM dead_letter WHERE reason <> 'no_usable_key'").fetchall()
    conn.commit()
    assert letters == []
    rehearsal = Rehearsal(Matcher(definitions.workflows.values()), definitions.sources.values(), history)
    rehearsal.proceed(END)
    assert standing_in_rehearsal(rehearsal, definitions) == standing_in_store(conn)
    assert asked(url, catalogue, as_of)
    before = derived(conn)
    forget(conn, current_definitions=False)
    again = Projector(catalogue, batch=3)
    assert again.acquire(conn)
    while again.apply_batch(conn) is None:
        pass
    again.sweep(conn, END)
    assert derived(conn) == before


@given(accepted([*PACKS, *BASES]), st.data(), st.integers(0, 300).map(lambda n: START + n * HOUR + 7))
@on_one_database(20)
def test_what_is_accepted_is_projected_as_it_is_rehearsed(
    database_url: str, conn: Connection, found: tuple[str, Definitions], draw: st.DataObject, as_of: int
) -> None:
    stand(database_url, conn, found[1], draw.draw(events_of(found[1], most=8)), as_of)


@given(st.data(), st.integers(0, 300).map(lambda n: START + n * HOUR + 7))
@on_one_database(10)
def test_what_everything_is_said_in_is_projected_as_it_is_rehearsed(
    database_url: str, conn: Connection, draw: st.DataObject, as_of: int
) -> None:
    definitions = load({"a.yaml": FULL})
    stand(database_url, conn, definitions, draw.draw(events_of(definitions)), as_of)
