"""Instances: what they can be filtered by, and how a row becomes the instance of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.attributed import MOST_CONDITIONS, NotSaid, of_attribute
from collector.query.reader import Row, money, rfc3339
from collector.query.unread import EXPLANATION, LOOK, told
from collector.store.handling_tables import instance_handling
from collector.store.tables import FINAL_VERDICTS, OPEN_VERDICTS, instance, instance_count, instance_key, instance_merge
from collector.stored_progress import readable
from slo_rules.explain import explain
from slo_rules.identity import Key, spellings, split_key
from slo_rules.instants import to_micros
from slo_rules.judgement import REASON_OF_FINAL, Marks, Reason, Verdict, VerdictKind
from slo_rules.judging import beneath
from slo_rules.progress import Progress
from slo_rules.standing import standing
from slo_rules.workflow import AMOUNT, CURRENCY, KeyRule, Workflow

if TYPE_CHECKING:
    from collector.query.held_by import HeldBy

MAX_LIMIT = 500
BEFORE_DEADLINE = (VerdictKind.ON_TRACK, VerdictKind.DUE_SOON)
SORTS: dict[str, sa.Column[Any]] = {
    "deadline_at": instance.c.deadline_at,
    "stuck_since": instance.c.stuck_since,
    "value": instance.c.value_amount,
    "updated_at": instance.c.updated_at,
    "started_at": instance.c.started_at,
    "title": instance.c.title,
}
CHANCE = "chance"
"""The sort that is no column: by the chance that the next deadline is missed."""
LONGEST_AHEAD = 31 * 86_400
"""Seconds: what is due later is not soon."""
NOBODY = "nobody"
"""As who handles an instance: those that nobody was assigned to."""
_UNSAID = (None, None, None)


class BadQuery(ValueError):
    """A question that cannot be asked so; each fault says which parameter, a colon, and why."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances; every field that is given must hold."""

    workflow: str | None = None
    domain: str | None = None
    verdict: tuple[str, ...] = ()
    owner: str | None = None
    source_awaited: str | None = None
    waiting_for: str | None = None
    reason: str | None = None
    key: str | None = None
    attribute: tuple[str, ...] = ()
    incident: str | None = None
    q: str | None = None
    min_age_seconds: float | None = None
    min_value: float | None = None
    due_within_seconds: float | None = None
    assigned_to: str | None = None
    acknowledged: bool | None = None
    held_by: HeldBy | None = None
    """What `incident` says, once that was looked up; nothing is found before."""

    def faults(self, now: datetime) -> list[str]:
        """Everything in it that cannot be asked so."""
        faults: list[str] = []
        for name in self.__slots__:
            try:
                InstanceFilter(**{name: getattr(self, name)}).conditions(now, [])
            except BadQuery as error:
                faults += error.faults
        return faults

    @property
    def names_few(self) -> bool:
        """Whether it names instances, which are looked up by that, however many others there are."""
        return self.key is not None or self.incident is not None or self.assigned_to not in (None, NOBODY)

    @property
    def reads_rows(self) -> bool:
        """Whether it asks for what no index has."""
        return bool(self.q or self.attribute)

    @property
    def by_index(self) -> Self:
        """The part of it that an index answers."""
        return replace(self, q=None, attribute=())

    def reaches(self, *, finished: bool) -> tuple[str, ...]:
        """The verdicts that what it finds may have, of those that have finished or of those that are open.

        Nothing is waited for by what has finished, and nothing of it acknowledged; its verdict says the reason, too.
        """
        if finished and (
            self.acknowledged or (self.waiting_for, self.source_awaited, self.due_within_seconds) != _UNSAID
        ):
            return ()
        known = [
            one for one in (FINAL_VERDICTS if finished else OPEN_VERDICTS) if not self.verdict or one in self.verdict
        ]
        if self.reason is not None and (finished or self.reason in REASON_OF_FINAL.values()):
            return tuple(one for one in known if REASON_OF_FINAL.get(VerdictKind(one)) == self.reason)
        return tuple(known)

    def conditions_on_counts(self) -> list[sa.ColumnElement[bool]] | None:
        """The conditions on `instance_count`; None where it says more than that knows."""
        kept = ("workflow", "verdict")
        if any(getattr(self, one.name) != one.default for one in fields(self) if one.name not in kept):
            return None
        columns = instance_count.c
        found = [] if self.workflow is None else [columns.workflow == plain("workflow", self.workflow)]
        return [*found, columns.verdict.in_(self.verdict)] if self.verdict else found

    def conditions(
        self, now: datetime, rules: list[KeyRule], names: Sequence[Key] = (), *, finished: bool | None = None
    ) -> list[sa.ColumnElement[bool]]:
        """The conditions on `instance`; `names` are other keys of what `key` names. Raises BadQuery.

        With `finished` they are of what has finished alone, or of what is open, so said that its index answers.
        """
        columns = instance.c
        found: list[sa.ColumnElement[bool]] = []
        if finished is not None:
            found.append(_one_of(self.reaches(finished=finished)))
        for name in ("workflow", "domain", "owner", "source_awaited", "waiting_for", "reason"):
            value = getattr(self, name)
            if value is not None and not (finished and name == "reason"):
                found.append(columns[name] == plain(name, value))
        for verdict in self.verdict:
            if verdict not in set(VerdictKind):
                raise BadQuery(f"verdict: {verdict[:40]!r} is none of {', '.join(VerdictKind)}")
        if self.verdict and finished is None:
            found.append(columns.verdict.in_(self.verdict))
        if self.key is not None:
            found.append(columns.id.in_(_with_key(plain("key", self.key), rules, names)))
        if self.q:
            found.append(_with_words(plain("q", self.q)))
        found += self._by_attributes()
        if self.incident is not None:
            found.append(sa.false() if self.held_by is None else self.held_by.condition())
        if self.min_age_seconds is not None:
            if not 0 <= self.min_age_seconds < 1e10:
                raise BadQuery("min_age_seconds: must be a number of seconds")
            held_up = columns.started_at if finished else sa.func.coalesce(columns.stuck_since, columns.started_at)
            found.append(held_up <= now - timedelta(seconds=self.min_age_seconds))
        if self.min_value is not None:
            if not abs(self.min_value) < 1e15:
                raise BadQuery("min_value: must be an amount")
            found.append(columns.value_amount >= self.min_value)
        if self.due_within_seconds is not None:
            if not 0 < self.due_within_seconds <= LONGEST_AHEAD:
                raise BadQuery(f"due_within_seconds: must be more than 0 and at most {LONGEST_AHEAD}")
            until = now + timedelta(seconds=self.due_within_seconds)
            # How long the start of an orphan is waited for is no deadline of a milestone.
            found += [columns.verdict.in_(BEFORE_DEADLINE), columns.reason != Reason.AWAITING_START]
            found.append(sa.and_(columns.deadline_at > now, columns.deadline_at <= until))
        if self.assigned_to is not None:
            found.append(_assigned(plain("assigned_to", self.assigned_to)))
        if self.acknowledged is not None and not finished:
            found.append(_acknowledged(self.acknowledged))
        return found

    def _by_attributes(self) -> list[sa.ColumnElement[bool]]:
        if len(self.attribute) > MOST_CONDITIONS:
            raise BadQuery(f"attribute: at most {MOST_CONDITIONS} of them")
        try:
            return [of_attribute(said) for said in self.attribute]
        except NotSaid as error:
            raise BadQuery(f"attribute: {error}") from error


def _one_of(verdicts: Sequence[str]) -> sa.ColumnElement[bool]:
    if not verdicts:
        return sa.false()
    # Spelled out, as the indexes are of some verdicts only: of a parameter a kept plan knows nothing.
    spelled: sa.BindParameter[str] = sa.bindparam(
        None, [str(one) for one in verdicts], expanding=True, literal_execute=True
    )
    return instance.c.verdict.in_(spelled)


def plain(name: str, value: str) -> str:
    """Text of a question as it is. Raises BadQuery where no text of ours is like it."""
    if "\x00" in value or len(value) > 500:
        raise BadQuery(f"{name}: at most 500 characters without NUL")
    return value


def _with_key(key: str, rules: list[KeyRule], names: Sequence[Key]) -> sa.CompoundSelect[tuple[UUID]]:
    """By `namespace=value` or the value alone, in any spelling that the rules know, or by any of the other keys."""
    namespace, equals, value = key.partition("=")
    columns = instance_key.c
    if equals:
        spelled = spellings((rule for rule in rules if rule.namespace == namespace), value)
        asked = sa.and_(columns.namespace == namespace, columns.value.in_(spelled))
    else:
        asked = columns.value.in_(spellings(rules, key))
    others = [sa.and_(columns.namespace == name, columns.value == value) for name, value in map(split_key, names)]
    return _carrying(sa.or_(asked, *others))


def _carrying(condition: sa.ColumnElement[bool]) -> sa.CompoundSelect[tuple[UUID]]:
    """The instances with such a key. Joining and other keys have an index each, which OR would not use."""
    found = sa.select(instance_key.c.instance_id).where(condition)
    return sa.union_all(found.where(instance_key.c.joins), found.where(~instance_key.c.joins))


def _with_words(text: str) -> sa.ColumnElement[bool]:
    """Every word somewhere in title or attributes, or the whole as the beginning of a key."""
    words = [instance.c.words.contains(word, autoescape=True) for word in text.lower().split()[:8]]
    return sa.or_(sa.and_(sa.true(), *words), key_begins(text))


def key_begins(text: str) -> sa.ColumnElement[bool]:
    """Those that carry a key which begins so; an index finds them, however old they are."""
    return instance.c.id.in_(_carrying(instance_key.c.value.startswith(text.strip(), autoescape=True)))


_HANDLED = instance_handling.outerjoin(instance_merge, instance_merge.c.merged_id == instance_handling.c.instance_id)
_HANDLED_ID = sa.func.coalesce(instance_merge.c.instance_id, instance_handling.c.instance_id)


def _assigned(name: str) -> sa.ColumnElement[bool]:
    """Who handles it, also where that was said of an instance that was merged into this one."""
    assigned = instance_handling.c.assigned_to
    ids = sa.select(_HANDLED_ID).select_from(_HANDLED)
    if name == NOBODY:
        return instance.c.id.not_in(ids.where(assigned.is_not(None)))
    return instance.c.id.in_(ids.where(assigned == name))


def _acknowledged(wanted: bool) -> sa.ColumnElement[bool]:
    """Whether somebody has seen it as it stands now: with this verdict, waiting for this milestone."""
    said = instance_handling.c
    # All of it stands in the index of what is open.
    stands = sa.tuple_(instance.c.id, instance.c.verdict, sa.func.coalesce(instance.c.waiting_for, ""))
    seen = (
        sa.select(_HANDLED_ID, said.acknowledged_verdict, sa.func.coalesce(said.acknowledged_waiting_for, ""))
        .select_from(_HANDLED)
        .where(said.acknowledged_verdict.is_not(None))
    )
    return stands.in_(seen) if wanted else stands.not_in(seen)


def stored_verdict(row: Row) -> Verdict:
    """The verdict as it is stored."""

    def at(name: str) -> int | None:
        return None if row[name] is None else to_micros(row[name])

    return Verdict(
        VerdictKind(row["verdict"]),
        Reason(row["reason"]),
        to_micros(row["since"]),
        row["waiting_for"],
        row["source_awaited"],
        row["owner"],
        at("due_at"),
        at("deadline_at"),
        at("next_check_at"),
    )


def stored_progress(row: Row) -> Progress | None:
    """The progress as it is stored; None where it cannot be read, which is logged."""
    return readable(row["progress"], row["id"])


def definition_of(row: Row, catalogue: Catalogue) -> Workflow:
    """The definition version an instance was started under."""
    return catalogue.versions[row["workflow"], row["workflow_version"]].workflow


def instance_row(row: Row, catalogue: Catalogue, marks: Marks, now: datetime) -> Row:
    """An instance as lists show it; `unreadable` says what is to be done where what is stored of it cannot be read."""
    progress = stored_progress(row)
    workflow = definition_of(row, catalogue)
    if progress is None:
        return _plain_row(row, workflow) | _UNREAD
    counts = standing(progress, workflow)
    waived = row["verdict"] == VerdictKind.WAIVED
    return _plain_row(row, workflow) | {
        "explanation": explain(progress, workflow, stored_verdict(row), marks, to_micros(now)),
        "waiver": _waiver(progress, workflow, marks, to_micros(now)) if waived else None,
        "milestones": {
            m.name: rfc3339(counts.milestones[m.name].at) for m in workflow.milestones if m.name in counts.milestones
        },
        "keys": [key_row(word) for word in sorted(progress.keys)],
        "attributes": attributes(progress),
        "unreadable": None,
    }


_UNREAD: Row = {
    "explanation": EXPLANATION,
    "waiver": None,
    "milestones": {},
    "keys": [],
    "attributes": {},
    "unreadable": told(LOOK),
}


def _plain_row(row: Row, workflow: Workflow) -> Row:
    """What stands in columns of its own."""
    waiting_for = workflow.by_name.get(row["waiting_for"] or "")
    return {
        "id": str(row["id"]),
        "workflow": row["workflow"],
        "workflow_version": row["workflow_version"],
        "entity": row["entity"],
        "domain": row["domain"],
        "title": row["title"],
        "verdict": row["verdict"],
        "reason": row["reason"],
        "waiting_for": row["waiting_for"],
        "waiting_for_title": waiting_for.title if waiting_for else None,
        "source_awaited": row["source_awaited"],
        "owner": row["owner"],
        "due_at": rfc3339(row["due_at"]),
        "deadline_at": rfc3339(row["deadline_at"]),
        "since": rfc3339(row["since"]),
        "stuck_since": rfc3339(row["stuck_since"]),
        "started_at": rfc3339(row["started_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "value": money(row["value_currency"], row["value_amount"]),
    }


def _waiver(progress: Progress, workflow: Workflow, marks: Marks, now: int) -> Row:
    """Who waived an instance that is waived, why and until when, and what it would be without that."""
    waiver, verdict = progress.waiver, beneath(progress, workflow, marks, now)
    assert waiver is not None
    return {
        "by": waiver.by,
        "reason": waiver.reason,
        "until": rfc3339(waiver.until),
        "at": rfc3339(waiver.at),
        "verdict_beneath": verdict.kind,
        "reason_beneath": verdict.reason,
    }


def key_row(word: Key) -> Row:
    """A key as lists show it."""
    namespace, _, value = word.partition("=")
    return {"namespace": namespace, "value": value}


def attributes(progress: Progress) -> Mapping[str, Any]:
    """The business attributes, without the value, which has a field of its own."""
    return {name: value for name, value in sorted(progress.attributes.items()) if name not in (AMOUNT, CURRENCY)}
