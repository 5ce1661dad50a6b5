"""The versions of workflow definitions: which there were, and from which event on each was in force.

An instance keeps the version it started under. A version is in force for new instances from the log position at
which it was loaded, so a replay gives every instance the version it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from collector.store.database import LOG_LOCK, Connection
from slo_rules.contribution import Counting
from slo_rules.definitions import fingerprint
from slo_rules.matching import Matcher, WorkflowMatcher
from slo_rules.objective import Objective
from slo_rules.workflow import Definitions, KeyRule, Source, Workflow

log = structlog.get_logger("milepost.definitions")


@dataclass(frozen=True, slots=True)
class Version:
    """One version with the log positions between which new instances start under it."""

    workflow: Workflow
    since_seq: int
    until_seq: int | None

    def in_force(self, seq: int) -> bool:
        """Whether an instance that the event `seq` creates starts under this version."""
        return self.since_seq < seq and (self.until_seq is None or seq <= self.until_seq)


class VersionsUnreadable(msgspec.DecodeError):
    """Versions that instances were started under and that this release cannot read.

    Nothing goes on without them: by another version it would be judged otherwise, and nobody would know.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        told = "\n".join(f"- {one}" for one in faults)
        super().__init__(
            "These versions of workflows in the database cannot be read:\n"
            f"{told}\nA later release has written them, or they are damaged: start that release, or restore the table "
            "definition from a backup."
        )


class Catalogue:
    """All versions, with the objectives and sources of today."""

    def __init__(
        self, versions: Iterable[Version], objectives: Collection[Objective], sources: Iterable[Source]
    ) -> None:
        self.versions = {(version.workflow.name, version.workflow.version): version for version in versions}
        self.sources = {source.name: source for source in sources}
        self.expected_types = frozenset((one.name, type_) for one in self.sources.values() for type_ in one.types)
        """The sources and types of which arrivals are expected by themselves."""
        self.objectives: dict[str, list[Objective]] = {}
        for objective in objectives:
            self.objectives.setdefault(objective.workflow, []).append(objective)
        self.settling = frozenset(one.workflow for one in objectives if one.kind == "success")
        """Workflows of which it counts how their instances ended."""
        self.told_apart = frozenset(one.workflow for one in objectives if not one.plain)
        """Workflows of which what their instances are counted as depends on attributes."""
        self.listening = [one for one in objectives if one.source]
        """The objectives that count when a source was heard, and nothing of instances."""
        self._counting = {
            (name, version): Counting(one.workflow, [o for o in self.objectives.get(name, ()) if not o.source])
            for (name, version), one in self.versions.items()
        }
        names = [name for name, _ in self.versions]
        self.unversioned = {name for name in names if names.count(name) == 1}
        """Workflows of which there was only ever one version, as is usual."""
        self.matcher = Matcher(version.workflow for version in self.versions.values())
        self.places = tuple(self.matcher.versions.values())
        """All versions in an order that depends on nothing but themselves."""

    def matcher_of(self, workflow: str, version: int) -> WorkflowMatcher:
        """The matcher of one version. KeyError when it is not known."""
        return self.matcher.versions[workflow, version]

    def in_force(self, workflow: str, seq: int) -> WorkflowMatcher | None:
        """The matcher of the version under which an instance starts that the event `seq` creates; None: of none."""
        for matcher in self.places:
            version = self.versions[matcher.workflow.name, matcher.workflow.version]
            if matcher.workflow.name == workflow and version.in_force(seq):
                return matcher
        return None

    def counting_of(self, workflow: Workflow) -> Counting:
        """How instances under this version count in objectives. KeyError when it is not known."""
        return self._counting[workflow.name, workflow.version]

    @property
    def current(self) -> dict[str, Workflow]:
        """The workflows in force now, by name."""
        return {v.workflow.name: v.workflow for v in self.versions.values() if v.until_seq is None}

    @property
    def key_rules(self) -> list[KeyRule]:
        """How the workflows in force spell their keys."""
        return [rule for workflow in self.current.values() for rule in workflow.keys]


def register(conn: Connection, definitions: Definitions) -> Catalogue:
    """Write down what the files say now and return the whole catalogue. Equal definitions make no new version."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        head = log_head(conn)
        known = {version.workflow.name: version for version in _load(conn) if version.until_seq is None}
        for name, workflow in definitions.workflows.items():
            former = known.pop(name, None)
            if former is not None and fingerprint(former.workflow) == fingerprint(workflow):
                continue
            if former is not None:
                _end(conn, name, head)
            row = conn.execute(
                "SELECT coalesce(max(version), 0) FROM definition WHERE workflow = %s", (name,)
            ).fetchone()
            version = (row[0] if row else 0) + 1
            _insert(conn, msgspec.structs.replace(workflow, version=version), head)
        for name in known:
            _end(conn, name, head)
        for name, objective in definitions.objectives.items():
            conn.execute(
                "INSERT INTO objective_version (objective, since, body) "
                "SELECT %(name)s, clock_timestamp(), %(body)s::jsonb WHERE %(body)s::jsonb IS DISTINCT FROM "
                "(SELECT body FROM objective_version WHERE objective = %(name)s ORDER BY since DESC LIMIT 1)",
                {"name": name, "body": msgspec.json.encode(objective).decode()},
            )
        conn.execute("DELETE FROM current_definition")
        for kind, of_kind in (("Objective", definitions.objectives), ("Source", definitions.sources)):
            for name, definition in of_kind.items():
                conn.execute(
                    "INSERT INTO current_definition (kind, name, body) VALUES (%s, %s, %s::jsonb)",
                    (kind, name, msgspec.json.encode(definition).decode()),
                )
        return load_catalogue(conn)


def load_catalogue(conn: Connection) -> Catalogue:
    """The catalogue as it is written down.

    An objective or a source that cannot be read, because another release has written it, is left out and said: the
    files of whoever starts stand in for it. Without that, who goes back to the release before could start nothing.
    Raises VersionsUnreadable.
    """
    with conn.transaction():
        versions = _load(conn)
        rows = conn.execute("SELECT kind, name, body::text FROM current_definition ORDER BY kind, name").fetchall()
    objectives: list[Objective] = []
    sources: list[Source] = []
    for kind, name, body in rows:
        try:
            if kind == "Objective":
                objectives.append(msgspec.json.decode(body, type=Objective))
            elif kind == "Source":
                sources.append(msgspec.json.decode(body, type=Source))
        except msgspec.DecodeError as error:
            log.warning("definition_set_aside", kind=kind, name=name, reason=str(error))
    return Catalogue(versions, objectives, sources)


def start_over(conn: Connection) -> None:
    """Let today's versions be in force from the beginning of the log; in the caller's transaction."""
    conn.execute("DELETE FROM definition WHERE until_seq IS NOT NULL")
    conn.execute("UPDATE definition SET since_seq = 0")


def log_head(conn: Connection) -> int:
    """The last number given in the log; what it was given to may not be committed yet."""
    row = conn.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq").fetchone()
    return int(row[0]) if row else 0


def _end(conn: Connection, name: str, head: int) -> None:
    conn.execute("UPDATE definition SET until_seq = %s WHERE workflow = %s AND until_seq IS NULL", (head, name))


def _insert(conn: Connection, workflow: Workflow, head: int) -> None:
    conn.execute(
        "INSERT INTO definition (workflow, version, fingerprint, body, since_seq) VALUES (%s, %s, %s, %s::jsonb, %s)",
        (workflow.name, workflow.version, fingerprint(workflow), msgspec.json.encode(workflow).decode(), head),
    )


def _load(conn: Connection) -> list[Version]:
    rows = conn.execute(
        "SELECT workflow, version, body::text, since_seq, until_seq FROM definition ORDER BY workflow, version"
    ).fetchall()
    found, faults = [], []
    for name, number, body, since, until in rows:
        try:
            found.append(Version(msgspec.json.decode(body, type=Workflow), since, until))
        except msgspec.DecodeError as error:
            faults.append(f"{name} version {number}: {error}")
    if faults:
        raise VersionsUnreadable(faults)
    return found
