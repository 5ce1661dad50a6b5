"""The incident duty: reads who is held up, opens, updates and resolves incidents, and queues what is to be told.

All of one run is one transaction, so an incident never stands without its messages in the outbox, nor they without it.
What is decided is decided in `alerting.round`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting.address import NOWHERE
from alerting.apart import compare
from alerting.behind import PROJECTION, of_projection, of_sources
from alerting.burning import Burning
from alerting.drills import populations_of
from alerting.incident import (
    BURNING,
    SAMPLES,
    Cause,
    ChangeReason,
    Incident,
    NotifyReason,
    Population,
    Resolve,
    Settled,
    Update,
)
from alerting.message import notice
from alerting.muting import Silence
from alerting.round import Opened, Outcome, Standing, Tell, change_of, look
from alerting.route import Route
from alerting.rows import cause_of, columns_of, incident_of, population_of, silence_of, told_of, whom_json
from alerting.setup import Setup
from alerting.telling import Told
from alerting.titles import Titles
from alerting.words import linked, titled
from collector.catalogue import Catalogue
from collector.duties import Behind
from collector.store.sql import load
from slo_rules.durations import MINUTE
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost")

Q = load("incident", package="alerting")
Seen = dict[Cause, Population]

# Any number will do that no other duty locks by.
LOCK_KEY = 0x6D696C65_0101
COMPARED_EVERY = 5 * MINUTE
MOST_COMPARED = 5
"""Incidents whose population is compared with the others in one run, those never compared first."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did. `held_elsewhere`: another process was at it, so nothing was done.

    `untold` counts firing incidents that no target knows of, such as those no route matches.
    """

    held_elsewhere: bool = False
    opened: int = 0
    updated: int = 0
    resolved: int = 0
    firing: int = 0
    untold: int = 0
    notified: Mapping[NotifyReason, int] = field(default_factory=dict)


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    setup: Setup | Sequence[Route],
    *,
    public_url: str = "",
    titles: Titles | None = None,
    catalogue: Catalogue | None = None,
    burning: Burning | None = None,
    behind: Behind | None = None,
) -> Report:
    """Bring the incidents up to `now` (micros, UTC). Safe to run in several processes at once.

    `public_url` is where people reach Milepost; messages carry no link without it. `burning` are the objectives
    to tell of; without a `catalogue` populations are not compared with the others of their workflows. While Milepost is
    `behind` nothing is known of instances and objectives: what fires stays as it is, and goes on being told.
    """
    whole = setup if isinstance(setup, Setup) else Setup(tuple(setup))
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        lock = cursor.execute(Q["try_lock"], {"key": LOCK_KEY}).fetchone()
        if lock is None or not lock["locked"]:
            return Report(held_elsewhere=True)
        run = _Run(cursor, now, whole, public_url, titles or Titles())
        if catalogue is not None and behind is None:
            run.compare(conn, catalogue)
        return run.go(burning or Burning(), behind)


class _Run:
    """One run inside its transaction."""

    def __init__(
        self,
        cursor: psycopg.Cursor[dict[str, Any]],
        now: int,
        setup: Setup,
        public_url: str,
        titles: Titles,
    ) -> None:
        self.cursor = cursor
        self.now = now
        self.setup = setup
        self.public_url = public_url
        self.titles = titles
        self.aside: set[Cause] = set()
        self.rows = self._open()

    def _open(self) -> list[dict[str, Any]]:
        """The open incidents. One that cannot be read is set aside with its cause, and keeps nobody from the others."""
        found = []
        for row in self.cursor.execute(Q["open_incidents"]).fetchall():
            try:
                incident_of(row)
            except Exception:
                log.exception("incident_set_aside", id=str(row["id"]))
                self.aside.add(cause_of(row))
            else:
                found.append(row)
        return found

    def compare(self, conn: psycopg.Connection[Any], catalogue: Catalogue) -> None:
        """Look again what sets some of the open incidents apart."""
        found = [incident_of(row) for row in self.rows]
        due = [
            one
            for one in found
            if one.cause.is_of_instances and (one.compared_at is None or self.now - one.compared_at >= COMPARED_EVERY)
        ]
        due.sort(key=lambda one: (one.compared_at or 0, one.opened_at))
        for incident in due[:MOST_COMPARED]:
            apart, attributes = compare(conn, incident.cause, catalogue)
            parts = [{name: getattr(one, name) for name in one.__slots__} for one in apart]
            said = {"apart": Jsonb(parts), "attributes": Jsonb(dict(attributes))}
            self.cursor.execute(Q["note_apart"], {"id": incident.id, "now": to_datetime(self.now), **said})
        if due:
            self.rows = self._open()

    def go(self, burning: Burning, behind: Behind | None) -> Report:
        before = [incident_of(row) for row in self.rows]
        open_ = {one.cause: one for one in before}
        seen, unknown = self._judged(burning, open_) if behind is None else self._unjudged(behind, open_)
        seen |= populations_of(self.cursor.execute(Q["drills"], {"now": to_datetime(self.now)}).fetchall())
        # Nor does its cause open another incident beside it.
        seen = {cause: one for cause, one in seen.items() if cause not in self.aside}
        samples = {cause: population.samples for cause, population in seen.items() if cause not in open_}
        outcome = look(self._standing(before, samples), seen, self.setup, self.now, uuid4, unknown)
        for change in outcome.changes:
            self._keep(change)
        stored = {row["id"]: row["whom"] for row in self.rows}
        for id_, whom in outcome.whom.items():
            said = whom_json(whom)
            if said != stored.get(id_, []):
                self.cursor.execute(Q["note_whom"], {"id": id_, "whom": Jsonb(said)})
        for (id_, target), muted in outcome.muted.items():
            self.cursor.execute(Q["note_mute"], {"incident_id": id_, "target": target, "muted": muted})
        for tell in outcome.tells:
            self._say(tell, outcome)
        kinds = Counter(type(change) for change in outcome.changes)
        return Report(
            opened=kinds[Opened],
            updated=kinds[Update],
            resolved=kinds[Resolve],
            firing=len(outcome.firing),
            untold=outcome.untold,
            notified=dict(Counter(tell.reason for tell in outcome.tells)),
        )

    def _judged(self, burning: Burning, open_: Mapping[Cause, Incident]) -> tuple[Seen, AbstractSet[Cause]]:
        rows = self.cursor.execute(Q["populations"], {"samples": SAMPLES}).fetchall()
        held = {cause_of(row): population_of(row) for row in rows}
        return of_sources(burning.withheld, open_, self.now) | held | dict(burning.found), burning.unknown

    def _unjudged(self, behind: Behind, open_: Mapping[Cause, Incident]) -> tuple[Seen, AbstractSet[Cause]]:
        judged_to = None if behind.judged_to is None else to_micros(behind.judged_to)
        seen = {PROJECTION: of_projection(behind.events, judged_to, open_.get(PROJECTION), self.now)}
        return seen, {cause for cause in open_ if cause.is_of_instances or cause.verdict == BURNING}

    def _standing(self, before: Sequence[Incident], new: Mapping[Cause, Sequence[UUID]]) -> Standing:
        policy = self.setup.policy
        left = self._left(before)
        at = {"now": to_datetime(self.now)}
        flapped = self._all("openings", {"since": to_datetime(self.now - policy.flap_window)})
        settled = self._all("settled", {"since": to_datetime(self.now - policy.settled_for)})
        return Standing(
            before,
            self._told([incident.id for incident in before]),
            {(row["target"], row["address_digest"]) for row in self._all("disabled_targets")},
            self._silences(at),
            {cause_of(row): row["count"] for row in flapped},
            {cause_of(row): Settled(to_micros(row["resolved_at"]), row["count"]) for row in settled},
            self._former(new, before),
            left["blind"],
            left["waived"],
        )

    def _silences(self, at: Mapping[str, Any]) -> list[Silence]:
        """The silences. One that cannot be read silences nothing: to tell too much is better than to tell nothing."""
        found = []
        for row in self._all("silences", at):
            try:
                found.append(silence_of(row))
            except Exception:
                log.exception("silence_set_aside", id=str(row["id"]))
        return found

    def _former(self, new: Mapping[Cause, Sequence[UUID]], before: Sequence[Incident]) -> dict[Cause, set[Cause]]:
        """By causes that are new, those that held their samples until now."""
        ids = [sample for cause, samples in new.items() if cause.is_of_instances for sample in samples]
        held = {row["id"]: cause_of(row) for row in self._all("former", {"samples": ids})} if ids else {}
        # Why something cannot be seen may change without a line on record. Then only the samples tell it.
        blind = {one: cause for cause, one in self._blind_samples(before)}
        return {
            cause: {held[one] for one in samples if one in held}
            | ({blind[one] for one in samples if one in blind} if cause.verdict == "blind" else set())
            for cause, samples in new.items()
        }

    def _blind_samples(self, before: Sequence[Incident]) -> Iterator[tuple[Cause, UUID]]:
        for incident in before:
            if incident.cause.verdict == "blind":
                for one in incident.population.samples:
                    yield incident.cause, one

    def _told(self, incidents: list[UUID]) -> dict[UUID, list[Told]]:
        found: dict[UUID, list[Told]] = {}
        for row in self._all("told", {"incidents": incidents}):
            try:
                told = told_of(row)
            except ValueError:
                # That it was told stands beside it; where it is reached the files still say, if it is in them.
                log.error("address_set_aside", incident=str(row["incident_id"]), target=row["target"])  # noqa: TRY400 — a traceback says nothing more
                told = told_of(row, NOWHERE)
            found.setdefault(row["incident_id"], []).append(told)
        return found

    def _left(self, incidents: Sequence[Incident]) -> dict[str, set[UUID]]:
        """The samples of these incidents that are blind or waived now."""
        samples = [sample for incident in incidents for sample in incident.population.samples]
        left: dict[str, set[UUID]] = {"blind": set(), "waived": set()}
        for row in self._all("left", {"samples": samples}):
            left[row["verdict"]].add(row["id"])
        return left

    def _all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return self.cursor.execute(Q[name], parameters).fetchall()

    def _keep(self, change: Opened | Update | Resolve) -> None:
        incident = change_of(change)
        match change:
            case Opened(parted_from=parent):
                cause = incident.cause
                parts = {name: getattr(cause, name) for name in cause.__slots__}
                called = titled(incident, self.titles)
                row = self._columns(incident) | parts | {"dedup_key": cause.dedup_key, "title": called}
                self.cursor.execute(Q["open"], row)
                held = "missed" if cause.verdict == BURNING else "held up"
                flapping = ", again within the hour" if incident.openings > 1 else ""
                self._event(incident, "opened", f"{incident.population.count} {held}{flapping}")
                if parent is not None:
                    former = titled(parent, self.titles)
                    self._event(incident, "parted", f"from {former} ({parent.id})")
                    self._event(parent, "parted", f"{incident.population.count} are now: {called} ({incident.id})")
            case Update(before=before):
                self.cursor.execute(Q["update"], self._columns(incident))
                if change.note and incident.clear_since is not None:
                    self._event(incident, "drained", "it flaps: resolved when it has been clear for a while")
                elif change.note:
                    what = "grown" if change.reason is ChangeReason.GREW else "shrunk"
                    self._event(incident, what, f"from {before.noted_count} to {incident.population.count}")
                if before.severity and before.severity != incident.severity:
                    self._event(incident, "severity", f"from {before.severity} to {incident.severity}")
            case Resolve():
                self.cursor.execute(Q["resolve"], {"id": incident.id, "now": to_datetime(self.now)})
                self._event(incident, "resolved", change.reason.value)

    def _say(self, tell: Tell, outcome: Outcome) -> None:
        incident = tell.incident
        told = linked(
            notice(
                incident,
                tell.reason,
                self.now,
                last=tell.last,
                because=tell.because,
                milestone_title=self.titles.milestone(incident.cause),
                objective_title=self.titles.objective(incident.cause),
                public_url=self.public_url,
            ),
            incident,
            outcome.members.get(incident.id, ()),
            self.now,
            self.public_url,
            self.titles,
        )
        row = {
            "incident_id": incident.id,
            "target": tell.target,
            "kind": tell.kind,
            "address": Jsonb(tell.address.to_json()),
            "told_status": incident.status.value,
            "told_count": incident.population.count,
            "told_severity": incident.severity,
            "message_id": f"msg_{uuid4().hex}",
            "transition": told.transition,
            "reason": tell.reason.value,
            "notice": Jsonb(told.to_json()),
            "now": to_datetime(self.now),
        }
        self.cursor.execute(Q["note_told"], row)
        self.cursor.execute(Q["add_message"], row)
        self._event(incident, "told", f"{tell.target}: {tell.reason.value} ({tell.way})")

    def _event(self, incident: Incident, what: str, detail: str) -> None:
        row = {"incident_id": incident.id, "now": to_datetime(self.now), "what": what, "detail": detail}
        self.cursor.execute(Q["add_event"], row)

    def _columns(self, incident: Incident) -> dict[str, Any]:
        return columns_of(incident, self.now)
