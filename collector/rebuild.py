"""Forgetting what is derived and deriving it again, and telling whether two derivations are equal."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import msgspec
from psycopg import sql as psql

from collector.buckets import bucket_parameters, within_retention
from collector.catalogue import Catalogue, start_over
from collector.changes import Q
from collector.store.database import Connection
from collector.store.tables import DERIVED
from collector.stored_progress import readable
from slo_rules.contribution import Contributions, add, contributions
from slo_rules.instants import rfc3339, to_datetime, to_micros
from slo_rules.objective import Objective
from slo_rules.source_freshness import of_source


def forget(conn: Connection, *, current_definitions: bool) -> None:
    """Forget all derived state in one transaction; whoever projects then reads the log from its beginning.

    With `current_definitions` today's versions count from the beginning of the log; without, every instance gets the
    version it had.
    """
    with conn.transaction():
        conn.execute(Q["begin"])
        conn.execute(Q["position"])
        for table in DERIVED:
            conn.execute(psql.SQL("DELETE FROM {}").format(psql.Identifier(table.name)))
        conn.execute("DELETE FROM source_sample")
        conn.execute("DELETE FROM dead_letter WHERE seq IS NOT NULL AND settled_at IS NULL")
        if current_definitions:
            start_over(conn)
        conn.execute("UPDATE projection SET seq = 0, received_at = NULL, swept_to = NULL WHERE name = 'instances'")
        conn.execute(Q["note_counted"])


class Incomplete(Exception):
    """The log no longer has all that was received, so that a rebuild would not come to the same; says what is lost."""


def refuse_if_incomplete(conn: Connection) -> None:
    """Raise Incomplete where retention has dropped what a rebuild would need."""
    with conn.transaction():
        row = conn.execute(Q["log_kept_since"]).fetchone()
        if row is None:
            return
        lost = conn.execute(Q["instances_not_in_log"]).fetchone()
    raise Incomplete(
        f"The log has everything only since {rfc3339(to_micros(row[0]))}: older events have gone (retention_events). "
        f"A rebuild would lose {lost[0] if lost else 0:,} instances that are still kept, what older ones added to "
        "objectives, and when its sources were silent before. Nothing was changed. "
        "--from-what-is-left rebuilds all the same."
    )


def fingerprints(conn: Connection) -> dict[str, str]:
    """A digest of every derived table's rows, whatever their physical order.

    Without `next_check_at`: when a source is heard again before it was called silent, what is overdue on it keeps the
    time of that silence and is looked at once for nothing. A rebuild knows better from the start.
    """
    found = {}
    for table in DERIVED:
        digest = sha256()
        columns = [psql.Identifier(column.name) for column in table.columns if column.name != "next_check_at"]
        query = psql.SQL("SELECT md5(ROW({})::text) FROM {} ORDER BY 1").format(
            psql.SQL(", ").join(columns), psql.Identifier(table.name)
        )
        with conn.transaction(), conn.cursor(name=f"digest_{table.name}") as cursor:
            for (row,) in cursor.execute(query):
                digest.update(row.encode())
        found[table.name] = digest.hexdigest()
    return found


def keep_objectives(conn: Connection, catalogue: Catalogue) -> list[str]:
    """Bring the buckets of new and changed objectives up to date from the instances; the names of those counted anew.

    Title, owner, targets, window and exclusions may change without touching the buckets.
    """
    counted = []
    with conn.transaction():
        conn.execute(Q["begin"])
        conn.execute(Q["position"])
        known: dict[str, str] = dict(conn.execute("SELECT objective, fingerprint FROM objective_state").fetchall())
        for objective in (one for of_workflow in catalogue.objectives.values() for one in of_workflow):
            fingerprint = _fingerprint(objective)
            if known.pop(objective.name, None) == fingerprint:
                continue
            _drop(conn, objective.name)
            if objective.source:
                _listen(conn, objective)
            else:
                _count(conn, catalogue, objective)
            conn.execute("INSERT INTO objective_state VALUES (%s, %s)", (objective.name, fingerprint))
            counted.append(objective.name)
        for name in known:
            _drop(conn, name)
    return counted


def _fingerprint(objective: Objective) -> str:
    """What the buckets of an objective depend on."""
    said = [objective.workflow, objective.kind, objective.start, objective.end, objective.within]
    said += [objective.cancelled_is_bad, objective.calendar, objective.group_by, objective.by_value]
    if objective.source:
        said += [objective.source, objective.type, objective.expects]
    return sha256(msgspec.json.encode(said)).hexdigest()


def _drop(conn: Connection, objective: str) -> None:
    conn.execute("DELETE FROM sli_bucket WHERE objective = %s", (objective,))
    conn.execute("DELETE FROM objective_state WHERE objective = %s", (objective,))


def _count(conn: Connection, catalogue: Catalogue, objective: Objective) -> None:
    total: Contributions = {}
    with conn.cursor(name="instances_of_objective", binary=True) as cursor:
        cursor.itersize = 5000
        cursor.execute("SELECT workflow_version, progress FROM instance WHERE workflow = %s", (objective.workflow,))
        for version, progress in cursor:
            workflow = catalogue.versions[objective.workflow, version].workflow
            if (known := readable(progress, "one of " + objective.workflow)) is not None:
                add(total, contributions(known, workflow, (objective,)), 1)
    _write(conn, {place: counts for place, counts in total.items() if place[0] == objective.name})


def _listen(conn: Connection, objective: Objective) -> None:
    """Count what has arrived of a source in the log, as far as that has been applied."""
    assert objective.expects is not None
    row = conn.execute(Q["log_began"]).fetchone()
    position = conn.execute("SELECT seq FROM projection WHERE name = 'instances'").fetchone()
    if row is None or row[0] is None or position is None or not position[0]:
        return
    asked = {
        "source": objective.source,
        "type": objective.type or None,
        "seq": position[0],
        "patience": timedelta(microseconds=objective.expects.patience),
        "began_at": to_datetime(row[0]),
    }
    pauses = conn.execute(Q["pauses_of_source"], asked).fetchall()
    _write(conn, of_source(objective, pauses, row[0]))


def _write(conn: Connection, total: Contributions) -> None:
    parameters = bucket_parameters(total)
    if parameters is not None:
        row = conn.execute(Q["buckets_kept_since"]).fetchone()
        conn.execute(Q["new_buckets"], parameters if row is None else within_retention(parameters, row[0]))
