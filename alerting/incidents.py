"""The incident duty: reads who is held up, opens, updates and resolves incidents, and queues what is to be told.

All of one run is one transaction, so an incident never stands without its messages in the outbox, nor they without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerting.address import Address
from alerting.incident import (
    SAMPLES,
    Cause,
    Change,
    ChangeReason,
    Incident,
    LastNotified,
    Money,
    NotifyReason,
    Open,
    Policy,
    Population,
    Resolve,
    Status,
    Update,
    decide,
    should_notify,
)
from alerting.message import notice, title
from alerting.route import Route, targets_for
from alerting.targets import written_address
from collector.store.sql import load
from slo_rules.instants import to_datetime, to_micros

Q = load("incident", package="alerting")

POLICY = Policy()

# Any number will do that no other duty locks by.
LOCK_KEY = 0x6D696C65_0101


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


@dataclass(frozen=True, slots=True)
class _Told:
    target: str
    kind: str
    address: Address
    last: LastNotified


def run_once(
    conn: psycopg.Connection[Any],
    now: int,
    routes: Sequence[Route],
    *,
    public_url: str = "",
    milestone_titles: Mapping[tuple[str, str], str] | None = None,
    policy: Policy = POLICY,
) -> Report:
    """Bring the incidents up to `now` (micros, UTC). Safe to run in several processes at once.

    `public_url` is where people reach Milepost; messages carry no link without it. `milestone_titles` maps
    (workflow, milestone) to what people call the milestone.
    """
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        lock = cursor.execute(Q["try_lock"], {"key": LOCK_KEY}).fetchone()
        if lock is None or not lock["locked"]:
            return Report(held_elsewhere=True)
        return _Run(cursor, now, routes, public_url, milestone_titles or {}, policy).go()


class _Run:
    """One run inside its transaction."""

    def __init__(
        self,
        cursor: psycopg.Cursor[dict[str, Any]],
        now: int,
        routes: Sequence[Route],
        public_url: str,
        milestone_titles: Mapping[tuple[str, str], str],
        policy: Policy,
    ) -> None:
        self.cursor = cursor
        self.now = now
        self.routes = routes
        self.public_url = public_url
        self.milestone_titles = milestone_titles
        self.policy = policy
        self.notified: Counter[NotifyReason] = Counter()

    def go(self) -> Report:
        rows = self.cursor.execute(Q["open_incidents"]).fetchall()
        before = {incident.cause: incident for incident in map(_incident, rows)}
        rows = self.cursor.execute(Q["populations"], {"samples": SAMPLES}).fetchall()
        seen = {_cause(row): _population(row) for row in rows}
        told = self._told([incident.id for incident in before.values()])
        disabled = self._disabled()
        left = self._left(before.values())
        changes = decide(before, seen, self.now, self.policy, left["blind"], left["waived"])
        firing = {incident.id: incident for incident in before.values()}
        for change in changes:
            incident = self._apply(change)
            firing[incident.id] = incident
            if isinstance(change, Resolve):
                del firing[incident.id]
                for known in told.get(incident.id, []):
                    self._tell(incident, known.target, known.kind, known.address, known.last, change.reason)
        untold = 0
        for incident in firing.values():
            knowing = told.get(incident.id, [])
            newly = self._tell_firing(incident, knowing, disabled)
            untold += not (knowing or newly)
        kinds = Counter(type(change) for change in changes)
        return Report(
            opened=kinds[Open],
            updated=kinds[Update],
            resolved=kinds[Resolve],
            firing=len(firing),
            untold=untold,
            notified=dict(self.notified),
        )

    def _told(self, incidents: list[UUID]) -> dict[UUID, list[_Told]]:
        found: dict[UUID, list[_Told]] = {}
        for row in self.cursor.execute(Q["told"], {"incidents": incidents}).fetchall():
            last = LastNotified(Status(row["told_status"]), row["told_count"], to_micros(row["told_at"]))
            address = Address.from_json(row["address"])
            found.setdefault(row["incident_id"], []).append(_Told(row["target"], row["kind"], address, last))
        return found

    def _left(self, incidents: Iterable[Incident]) -> dict[str, set[UUID]]:
        """The samples of these incidents that are blind or waived now."""
        samples = [sample for incident in incidents for sample in incident.population.samples]
        left: dict[str, set[UUID]] = {"blind": set(), "waived": set()}
        for row in self.cursor.execute(Q["left"], {"samples": samples}).fetchall():
            left[row["verdict"]].add(row["id"])
        return left

    def _disabled(self) -> set[tuple[str, str]]:
        rows = self.cursor.execute(Q["disabled_targets"]).fetchall()
        return {(row["target"], row["address_digest"]) for row in rows}

    def _apply(self, change: Change) -> Incident:
        match change:
            case Open():
                incident = Incident(
                    id=uuid4(),
                    cause=change.cause,
                    population=change.population,
                    opened_at=self.now,
                    peak_count=change.population.count,
                    peak_value=change.population.value,
                    noted_count=change.population.count,
                )
                cause = change.cause
                self.cursor.execute(
                    Q["open"],
                    {
                        **self._columns(incident),
                        "dedup_key": cause.dedup_key,
                        "verdict": cause.verdict,
                        "workflow": cause.workflow,
                        "waiting_for": cause.waiting_for,
                        "source": cause.source,
                        "reason": cause.reason,
                        "severity": cause.severity,
                        "title": title(cause, change.population.entity, self._milestone_title(cause)),
                    },
                )
                self._event(incident, "opened", f"{incident.population.count} held up")
                return incident
            case Update(before=before, after=after):
                self.cursor.execute(Q["update"], self._columns(after))
                if change.note:
                    what = "grown" if change.reason is ChangeReason.GREW else "shrunk"
                    self._event(after, what, f"from {before.noted_count} to {after.population.count}")
                return after
            case Resolve(incident=incident, reason=reason):
                self.cursor.execute(Q["resolve"], {"id": incident.id, "now": to_datetime(self.now)})
                self._event(incident, "resolved", reason.value)
                return incident

    def _tell_firing(self, incident: Incident, knowing: Sequence[_Told], disabled: set[tuple[str, str]]) -> int:
        """Tell whom the routes name now; returns how many were told that did not know."""
        wanted = targets_for(self.routes, incident.cause, incident.population)
        by_name = {target.name: target for target in wanted}
        by_address = {(target.kind, written_address(target)): target for target in wanted}
        reached: set[str] = set()
        for known in knowing:
            target = by_name.get(known.target) or by_address.get((known.kind, known.address))
            # One that the routes no longer name hears nothing more but the resolve.
            if target is not None:
                reached.add(target.name)
                address = written_address(target) if target.name == known.target else known.address
                self._tell(incident, known.target, known.kind, address, known.last)
        newly = 0
        for target in wanted:
            if target.name not in reached and (target.name, target.address.digest) not in disabled:
                newly += self._tell(incident, target.name, target.kind, written_address(target), None)
        return newly

    def _tell(
        self,
        incident: Incident,
        target: str,
        kind: str,
        address: Address,
        last: LastNotified | None,
        because: ChangeReason | None = None,
    ) -> bool:
        reason = should_notify(incident, last, self.now, self.policy)
        if not reason.tells:
            return False
        told = notice(
            incident,
            reason,
            self.now,
            last=last,
            because=because,
            milestone_title=self._milestone_title(incident.cause),
            public_url=self.public_url,
        )
        row = {
            "incident_id": incident.id,
            "target": target,
            "kind": kind,
            "address": Jsonb(address.to_json()),
            "told_status": incident.status.value,
            "told_count": incident.population.count,
            "message_id": f"msg_{uuid4().hex}",
            "transition": told.transition,
            "reason": reason.value,
            "notice": Jsonb(told.to_json()),
            "now": to_datetime(self.now),
        }
        self.cursor.execute(Q["note_told"], row)
        self.cursor.execute(Q["add_message"], row)
        self._event(incident, "told", f"{target}: {reason.value}")
        self.notified[reason] += 1
        return True

    def _event(self, incident: Incident, what: str, detail: str) -> None:
        row = {"incident_id": incident.id, "now": to_datetime(self.now), "what": what, "detail": detail}
        self.cursor.execute(Q["add_event"], row)

    def _milestone_title(self, cause: Cause) -> str | None:
        return self.milestone_titles.get((cause.workflow or "", cause.waiting_for or ""))

    def _columns(self, incident: Incident) -> dict[str, Any]:
        population = incident.population
        return {
            "id": incident.id,
            "count": population.count,
            "peak_count": incident.peak_count,
            "noted_count": incident.noted_count,
            "value": _money_json(population.value),
            "peak_value": _money_json(incident.peak_value),
            "oldest_since": to_datetime(population.oldest_since),
            "owner": population.owner,
            "domain": population.domain,
            "entity": population.entity,
            "owners": list(population.owners),
            "domains": list(population.domains),
            "workflows": list(population.workflows),
            "samples": list(population.samples),
            "now": to_datetime(self.now),
        }


def _cause(row: Mapping[str, Any]) -> Cause:
    parts = {key: row[key] or None for key in ("workflow", "waiting_for", "source", "reason")}
    return Cause(verdict=row["verdict"], **parts)


def _population(row: Mapping[str, Any]) -> Population:
    return Population(
        count=row["count"],
        oldest_since=to_micros(row["oldest_since"]),
        value=_money(row["value"]),
        owner=row["owner"],
        domain=row["domain"],
        entity=row["entity"],
        samples=tuple(row["samples"] or ()),
        owners=tuple(row["owners"] or ()),
        domains=tuple(row["domains"] or ()),
        workflows=tuple(row["workflows"] or ()),
    )


def _incident(row: Mapping[str, Any]) -> Incident:
    return Incident(
        id=row["id"],
        cause=_cause(row),
        population=_population(row),
        opened_at=to_micros(row["opened_at"]),
        peak_count=row["peak_count"],
        peak_value=_money(row["peak_value"]),
        noted_count=row["noted_count"],
    )


def _money(value: Sequence[Mapping[str, str]]) -> Money:
    return tuple((part["currency"], Decimal(part["amount"])) for part in value)


def _money_json(value: Money) -> Jsonb:
    return Jsonb([{"currency": currency, "amount": str(amount)} for currency, amount in value])
