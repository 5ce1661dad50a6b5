"""How a process begins: on a database that goes away meanwhile, and on what another release has written down."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from collector.registration import Registered, put_in_force
from collector.store.database import Connection
from milepost import server
from milepost.server import DatabaseAway, Milepost
from milepost.settings import Settings
from slo_rules.workflow import Definitions
from tests.strategies import DEFINITIONS


@pytest.fixture
def milepost(database_url: str, tmp_path: Path) -> Milepost:
    file = tmp_path / "definitions.yaml"
    file.write_text(DEFINITIONS)
    return Milepost(Settings(database_url=database_url, definitions=(file,)))


def test_a_database_that_goes_away_while_a_process_starts_is_waited_for(
    milepost: Milepost, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def interrupted(conn: Connection, definitions: Definitions) -> Registered:
        if len(ended) < 2:
            ended.append(True)
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        return put_in_force(conn, definitions)

    monkeypatch.setattr(server, "put_in_force", interrupted)
    registered = milepost._register(database_url)
    assert list(registered.catalogue.current) == ["orders"]
    assert len(ended) == 2


def test_a_database_that_stays_away_is_not_waited_for_without_end(
    milepost: Milepost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DATABASE_SECONDS", 0.0)
    with pytest.raises(DatabaseAway, match="refused"):
        milepost._register("postgresql://nobody@127.0.0.1:1/nowhere")


def test_what_another_release_wrote_down_and_this_one_cannot_read_keeps_nobody_from_starting(
    milepost: Milepost, database_url: str
) -> None:
    before = milepost._register(database_url)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute('UPDATE current_definition SET body = \'{"kind": ["of a later release"]}\'')
    after = milepost._register(database_url)
    assert after.digest == before.digest
    assert after.catalogue.objectives == before.catalogue.objectives
    assert after.catalogue.sources == before.catalogue.sources
