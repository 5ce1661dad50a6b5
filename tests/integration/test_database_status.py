"""What `milepost db status` tells, on plain PostgreSQL and with TimescaleDB, and that it only reads."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from collector.rebuild import fingerprints
from collector.retention.policy import Kept, Retention
from collector.retention.status import Status, read_status
from collector.sampling import READ_ONLY
from collector.store.database import connect, has_timescale
from milepost.database_views import as_document, as_text, size
from milepost.settings import load
from milepost.stored_data import NoStoredData
from milepost.telling_status import tell
from slo_rules.instants import rfc3339, to_micros
from tests.acceptance.process import COMMAND, environment
from tests.fix_postgres import Server
from tests.integration.fix_retention import HISTORY, KEPT, LEFT, days, fill, logged, run
from tests.projecting import projecting

pytestmark = pytest.mark.slow


def read(url: str, retention: Retention = KEPT) -> Status:
    with connect(url, "status", options=READ_ONLY) as conn:
        return read_status(conn, retention)


def of(status: Status, kept: Kept) -> dict[str, object]:
    found: dict[str, object] = next(one for one in json.loads(as_document(status))["classes"] if one["class"] == kept)
    return found


def test_it_tells_what_will_go_and_then_what_has_gone(either_url: str) -> None:
    with projecting(either_url) as conn:
        fill(conn)
        conn.execute("ANALYZE")
        conn.commit()
        before = fingerprints(conn)
        told = of(read(either_url), Kept.EVENTS)
        assert told["keep_seconds"] == 90 * 86400
        assert (told["kept_since"], told["ran_at"], told["dropped_rows"]) == (None, None, 0)
        assert told["rows_estimated"] == len(HISTORY)
        assert told["oldest"] == rfc3339(HISTORY[0].received_at)
        assert told["newest"] == rfc3339(HISTORY[-1].received_at)
        assert told["next_run"]["rows_at_most"] == 9  # type: ignore[index]
        assert told["next_run"]["bytes_at_most"] > 0  # type: ignore[index]
        run(conn, replace(KEPT, events=days(120)))
        conn.execute("ANALYZE")
        conn.commit()
        told = of(read(either_url), Kept.EVENTS)
        # What the service has said goes before what is asked with.
        assert told["keep_seconds"] == 120 * 86400
        assert told["dropped_rows"] == len(HISTORY) - len(LEFT)
        assert told["next_run"]["rows_at_most"] == 0  # type: ignore[index]
        assert told["kept_since"] is not None
        assert logged(conn) == LEFT
        assert fingerprints(conn) == before


def test_it_tells_of_instances_and_buckets_that_are_due(either_url: str) -> None:
    with projecting(either_url) as conn:
        fill(conn)
    status = read(either_url, replace(KEPT, instances=days(100), buckets=days(150), audit=days(30)))
    assert of(status, Kept.INSTANCES)["next_run"]["rows_at_most"] == 2  # type: ignore[index]
    assert of(status, Kept.BUCKETS)["next_run"]["rows_at_most"] > 0  # type: ignore[index]
    oldest = of(status, Kept.INSTANCES)["oldest"]
    assert isinstance(oldest, str)
    assert abs(to_micros(datetime.fromisoformat(oldest)) - HISTORY[0].received_at) < 1000


def test_an_empty_database_has_a_status(either_url: str) -> None:
    status = read(either_url)
    text = as_text(status)
    assert "No table is bloated." in text
    assert "audit: never drops any" in text
    assert {one.kept for one in status.classes} == set(Kept)
    assert {table.name for table in status.others} >= {"definition", "source_state", "projection"}


def test_extensions_and_compression_are_told(timescale: Server) -> None:
    url = timescale.clone()
    with projecting(url) as conn:
        fill(conn)
        assert has_timescale(conn)
        conn.commit()
        assert "Nothing is compressed yet." in as_text(read(url))
        run(conn, replace(KEPT, events=None, compress_after=days(7)))
    status = read(url)
    assert "timescaledb" in status.extensions
    text = as_text(status)
    assert "compressed from" in text
    compression = of(status, Kept.EVENTS)["compression"]
    assert compression["chunks"] > 2  # type: ignore[index]
    assert compression["before_bytes"] > 0  # type: ignore[index]
    timescale.drop(url)


def test_bloat_is_told(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        conn.execute("ALTER TABLE file_import SET (autovacuum_enabled = false)")
        conn.execute("INSERT INTO file_import SELECT n::text, '', 0, true FROM generate_series(1, 30000) n")
        conn.commit()
        conn.execute("DELETE FROM file_import WHERE fingerprint::int > 5000")
        conn.commit()
        conn.execute("SELECT pg_stat_force_next_flush()")
        conn.commit()
    assert "file_import: 25,000 dead rows beside 5,000, never vacuumed" in as_text(read(database_url))


def test_a_database_of_before_is_named(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        conn.execute("DROP TABLE retention")
    with pytest.raises(NoStoredData, match="Another version"):
        tell(load({"database_url": database_url}, {}))


def test_at_a_terminal(database_url: str) -> None:
    asked = [*COMMAND, "db", "status", "--database-url", database_url]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment())
    assert told.stdout.startswith("PostgreSQL 18")
    told = subprocess.run([*asked, "--json"], capture_output=True, text=True, check=True, env=environment())
    said = json.loads(told.stdout)
    with connect(database_url, "test") as conn:
        assert (said["migration"],) == conn.execute("SELECT version_num FROM alembic_version").fetchone()
    assert datetime.fromisoformat(said["at"]) <= datetime.now(UTC)
    empty = subprocess.run(
        [*COMMAND, "db", "status", "--data-dir", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "There is no database in" in empty.stderr


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (1.5e9, "1.5 GB"), (2.34e15, "2,340.0 TB")],
)
def test_sizes_are_said_as_people_say_them(number: float, said: str) -> None:
    assert size(number) == said
