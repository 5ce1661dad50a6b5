"""`milepost move --all`: lets all open instances of a workflow count under the version that is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from uuid import uuid4

import msgspec

from collector.acts import ActRefused, naming_key
from collector.catalogue import Catalogue, load_catalogue
from collector.comparison import open_counts, open_progress
from collector.copyformat import act_row
from collector.log import append
from collector.store.database import Connection, connect, migrate
from collector.unjoined import load_unjoined
from milepost.applying import apply_log
from milepost.settings import Settings
from milepost.stored_data import open_stored_data
from slo_rules.acts import Move, move_document, read_move
from slo_rules.reading import suggestion

LOGGED_AT_ONCE = 5_000
_LETTERS = """
    SELECT detail, count(*) FROM dead_letter WHERE reason = 'not_moved' AND seq > %s GROUP BY detail ORDER BY 2 DESC, 1
"""
_HEAD = "SELECT coalesce(max(seq), 0), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM event"


@dataclass(frozen=True, slots=True)
class Moves:
    """What came of it: how many were moved, and how many were not for which reason."""

    workflow: str
    version: int
    moved: int
    staying: dict[str, int]

    def lines(self) -> Iterator[str]:
        """In words."""
        of_workflow = f"open instance{'' if self.moved == 1 else 's'} of {self.workflow}"
        yield f"Moved {self.moved:,} {of_workflow} to version {self.version}."
        yield from (f"Not moved: {count:,}. {reason}." for reason, count in self.staying.items())


def move_all(settings: Settings, workflow: str, said: Mapping[str, str]) -> Moves:
    """Move all open instances of a workflow that count under another version than the one in force.

    Each move is an event of its own. Raises ActRefused with every fault, and NoStoredData.
    """
    with open_stored_data(settings) as (url, conn):
        catalogue = load_catalogue(conn)
        move = _asked(catalogue, workflow, said)
        migrate(url)
        with connect(url, "acting") as writing:
            with writing.transaction():
                ((head, at),) = writing.execute(_HEAD).fetchall()
            logged = 0
            with conn.transaction():
                movable, staying = _versions(catalogue, workflow, open_counts(conn).get(workflow, {}))
                acts = _acts(conn, catalogue, workflow, movable, move, at)
                while rows := list(islice(acts, LOGGED_AT_ONCE)):
                    with writing.transaction():
                        append(writing, rows, [], [])
                    logged += len(rows)
            apply_log(url, writing, catalogue, "Moving")
            letters: dict[str, int] = dict(writing.execute(_LETTERS, (head,)).fetchall())
            return Moves(workflow, move.version, logged - sum(letters.values()), staying | letters)


def _asked(catalogue: Catalogue, workflow: str, said: Mapping[str, str]) -> Move:
    faults: list[str] = []
    current = catalogue.current.get(workflow)
    if current is None:
        faults.append(f"workflow: none named {workflow!r} is in force{suggestion(workflow, catalogue.current)}")
    move = read_move(dict(said) | {"version": current.version if current else 1}, faults)
    if faults or move is None:
        raise ActRefused(faults, unknown=False, conflicting=False)
    return move


def _versions(catalogue: Catalogue, workflow: str, counts: Mapping[int, int]) -> tuple[list[int], dict[str, int]]:
    """Under which versions there are instances that can be moved, and how many cannot."""
    current = catalogue.current[workflow]
    movable, staying = [], {}
    for version, count in counts.items():
        if version == current.version:
            continue
        if current.joins_as(catalogue.versions[workflow, version].workflow):
            movable.append(version)
        else:
            reason = f"Version {version} tells by other keys than version {current.version} which events are one"
            staying[reason] = count
    return movable, staying


def _acts(
    conn: Connection, catalogue: Catalogue, workflow: str, versions: list[int], move: Move, at: int
) -> Iterator[bytes]:
    """The rows of the log that move the open instances under these versions."""
    hubs = load_unjoined(conn).of(workflow)
    for version, progress in open_progress(conn, workflow, versions):
        key = naming_key(catalogue.versions[workflow, version].workflow, progress, hubs)
        document = move_document(str(uuid4()), workflow, key, at, move)
        yield act_row(at, document["id"].encode(), document["type"].encode(), msgspec.json.encode(document))
