"""What an incident's message says, purely: the notice that the outbox keeps, and its plain words.

Nothing here fails because something is missing; what is not known is left out of the sentence.
Instants are micros since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from alerting.incident import (
    BEHIND,
    REPLAYING,
    TYPE_SILENT,
    Cause,
    ChangeReason,
    Incident,
    LastNotified,
    Money,
    NotifyReason,
)
from alerting.links import list_link
from alerting.reader import PLAIN_READER, Reader
from alerting.remarks import news, remarks, to_do

_WORD_LIMIT = 200
_LIST_LIMIT = 3
_GROUPED = 10
_REASONS = {
    "failure_event": "a failure was reported",
    "requirement_unmet": "something it requires is missing",
    "key_not_unique": "a key that must be one has several values",
    "impossible_order": "it came before what it can only come after",
    "orphan": "later steps came, but this start never did",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """All a channel can say about one transition of an incident. Amounts are text, so that JSON keeps every digit."""

    transition: str = "firing"
    reason: str = ""
    at: int = 0
    incident: str = ""
    dedup_key: str = ""
    verdict: str = ""
    severity: str = ""
    workflow: str | None = None
    waiting_for: str | None = None
    waiting_for_title: str | None = None
    source: str | None = None
    cause_reason: str | None = None
    objective_title: str | None = None
    count: int = 0
    told_count: int | None = None
    peak_count: int = 0
    value: Sequence[tuple[str, str]] = ()
    peak_value: Sequence[tuple[str, str]] = ()
    oldest_since: int | None = None
    opened_at: int | None = None
    resolved_at: int | None = None
    resolved_because: str | None = None
    owner: str | None = None
    owners: Sequence[str] = ()
    domain: str | None = None
    domains: Sequence[str] = ()
    workflows: Sequence[str] = ()
    entity: str | None = None
    samples: Sequence[str] = ()
    link: str | None = None
    # Said as it is, where the message is of no incident: a test, or a target that takes no more messages.
    said_title: str = ""
    said: str = ""
    incident_link: str | None = None
    apart: Sequence[str] = ()
    # The lists into which what sets it apart divides what it holds up: what each is called, and where it is.
    groups: Sequence[tuple[str, str]] = ()
    per_hour: float | None = None
    drained_at: int | None = None
    runbook: str | None = None
    drill: bool = False
    assignee: str | None = None
    acknowledged_by: str | None = None
    parts: Sequence[str] = ()

    @property
    def runbook_link(self) -> str | None:
        """The runbook, where it is a page that can be opened."""
        return self.runbook if self.runbook and self.runbook.startswith(("https://", "http://")) else None

    @property
    def links(self) -> list[tuple[str, str]]:
        """What can be opened from a message, by its words."""
        over = self.transition == "resolved"
        groups = () if over else self.groups
        known = (("Open the list", self.link), *groups, ("What to do", None if over else self.runbook_link))
        return [(words, url) for words, url in known if url]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Notice:
        """A notice written by any version: fields it did not know keep their defaults, others are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in document.items() if key in known and value is not None})


@dataclass(frozen=True, slots=True)
class Style:
    """How a channel escapes what comes from outside, how it sets it off, and how numbers and times are spelled."""

    escape: Callable[[str], str] = str
    strong: Callable[[str], str] = str
    reader: Reader = PLAIN_READER

    def word(self, text: str | None) -> str:
        """Text from outside, shortened and escaped."""
        return self.escape(shorten(text or "", _WORD_LIMIT))

    def name(self, text: str | None) -> str:
        """The same, set off."""
        return self.strong(self.word(text))


PLAIN = Style()


def notice(
    incident: Incident,
    reason: NotifyReason,
    now: int,
    *,
    last: LastNotified | None = None,
    because: ChangeReason | None = None,
    milestone_title: str | None = None,
    objective_title: str | None = None,
    public_url: str = "",
) -> Notice:
    """The notice of one transition; `because` is why the incident resolved, `last` what the target knows."""
    cause, population = incident.cause, incident.population
    return Notice(
        transition=reason.transition,
        reason=reason.value,
        at=now,
        incident=str(incident.id),
        dedup_key=cause.dedup_key,
        verdict=cause.verdict,
        severity=incident.severity or cause.severity,
        workflow=cause.workflow,
        waiting_for=cause.waiting_for,
        waiting_for_title=milestone_title,
        source=cause.source,
        cause_reason=cause.reason,
        objective_title=objective_title,
        count=0 if incident.resolved_at is not None else population.count,
        told_count=last.count if last else None,
        peak_count=incident.peak_count,
        value=() if incident.resolved_at is not None else _spelled(population.value),
        peak_value=_spelled(incident.peak_value),
        oldest_since=None if incident.resolved_at is not None else population.oldest_since,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        resolved_because=because.value if because else None,
        owner=population.owner,
        owners=population.owners,
        domain=population.domain,
        domains=population.domains,
        workflows=population.workflows,
        entity=population.entity,
        samples=[str(sample) for sample in population.samples],
        link=list_link(public_url, incident.id) if public_url else None,
    )


def title(
    cause: Cause, entity: str | None, milestone_title: str | None = None, objective_title: str | None = None
) -> str:
    """What the incident is called; it holds for its whole life, so it names no number."""
    return headline(
        Notice(
            verdict=cause.verdict,
            waiting_for=cause.waiting_for,
            waiting_for_title=milestone_title,
            source=cause.source,
            cause_reason=cause.reason,
            objective_title=objective_title,
            entity=entity,
        )
    )


def headline(n: Notice) -> str:
    """A short line without numbers: `Orders waiting for Order accepted from sap`."""
    if n.said_title:
        return n.said_title
    things = _capital(_plural(n.entity))
    at = f" at {_milestone(n)}" if _milestone(n) else ""
    why = f": {_why(n)}" if n.cause_reason else ""
    match n.verdict:
        case "stuck":
            return f"{things} waiting for {_milestone(n) or 'the next step'}{_from(n, PLAIN)}"
        case "blind" if n.cause_reason == TYPE_SILENT:
            return f"No {_milestone(n) or 'event'} at all{_from(n, PLAIN)}"
        case "blind" if n.cause_reason == BEHIND:
            return "Milepost is behind with what it has received"
        case "blind" if n.cause_reason == REPLAYING:
            return f"{shorten(n.source or 'A source', _WORD_LIMIT)} sends its past"
        case "blind":
            return f"{shorten(n.source or 'A source', _WORD_LIMIT)} is silent or far behind"
        case "failed":
            return f"{things} failed{why}"
        case "inconsistent":
            return f"{things} inconsistent{at}{why}"
        case "burning":
            return f"The objective {shorten(_objective(n), _WORD_LIMIT)} is missed too often"
        case "group":
            return f"Several causes at once: {shorten((n.cause_reason or '').partition(': ')[2], _WORD_LIMIT)}"
        case "silence":
            return "A silence that has lasted for more than a day keeps something from being told"
        case "drill":
            return "Drill: nothing has happened"
    return f"{things} need attention"


def sentence(n: Notice, style: Style = PLAIN) -> str:
    """The message in plain words, one to three sentences."""
    if n.said:
        return ("Resolved: " if n.transition == "resolved" else "") + style.escape(n.said)
    match n.transition:
        case "resolved":
            return _resolved(n, style)
        case "updated":
            return f"{news(n, style)}: {_firing(n, style)}"
    return _firing(n, style)


def word(n: Notice) -> str:
    """What a transition is called, by what has led to it."""
    return _UPDATED.get(n.reason, "Growing") if n.transition == "updated" else _WORDS.get(n.transition, "Firing")


_WORDS = {"firing": "Firing", "resolved": "Resolved", "note": "Note"}
_UPDATED = {"raised": "Graver", "unmuted": "Still firing", "repeat": "Still firing", "some_resolved": "Shrinking"}


def fallback(document: Mapping[str, Any]) -> Notice:
    """The barest notice, for when a stored one cannot be read: what happened, and to how many."""
    texts = {key: str(document[key]) for key in ("transition", "incident", "dedup_key", "verdict") if document.get(key)}
    count = document.get("count")
    at = document.get("at")
    return Notice(
        **texts,  # type: ignore[arg-type]
        count=count if isinstance(count, int) else 0,
        at=at if isinstance(at, int) else 0,
    )


def money(value: Sequence[tuple[str, str]], reader: Reader = PLAIN_READER) -> str:
    """`USD 1.2 M and EUR 300 k`; empty where there is no value."""
    return _listed(reader.money(value))


def instant(at: int, now: int) -> str:
    """`09:14 UTC` today, `19 Nov 09:14 UTC` this year, `19 Nov 2025 09:14 UTC` before."""
    return PLAIN_READER.instant(at, now)


def counted(count: int, entity: str | None, reader: Reader = PLAIN_READER) -> str:
    """`1 order`, `1,204 orders`."""
    return _counted(count, entity, Style(reader=reader))


def milestone_name(name: str | None, called: str | None = None) -> str:
    """What people call a milestone; empty where there is none."""
    return _milestone(Notice(waiting_for=name, waiting_for_title=called))


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _firing(n: Notice, style: Style) -> str:
    several = n.count != 1
    things = _counted(n.count, n.entity, style) + _worth(n.value, style)
    since = ""
    if n.oldest_since is not None:
        since = f", {'oldest ' if several else ''}since {style.reader.instant(n.oldest_since, n.at)}"
    at = f" at {style.name(_milestone(n))}" if _milestone(n) else ""
    why = f": {style.word(_why(n))}" if n.cause_reason else ""
    be, have = ("are", "have") if several else ("is", "has")
    match n.verdict:
        case "stuck":
            awaited = style.name(_milestone(n) or "the next step")
            said = f"{things} {be} waiting for {awaited}{_from(n, style)}{since}."
        case "blind" if n.cause_reason == TYPE_SILENT:
            awaited = style.name(_milestone(n) or "event")
            said = (
                f"No {awaited} at all has come{_from(n, style)} by when one was expected: {things} {be} waiting for it "
                f"and cannot be judged{since}."
            )
        case "blind" if n.cause_reason == BEHIND:
            waiting = f": {things} {be} waiting" if several else ""
            since = since.replace("oldest ", "")
            said = f"Milepost is behind{waiting}{since}. What is stuck and what has resolved is not known."
        case "blind" if n.cause_reason == REPLAYING:
            source = style.name(n.source or "A source")
            said = f"{source} sends its past, and has not caught up: {things} {be} not judged before it has{since}."
        case "blind":
            source = style.name(n.source or "A source")
            said = f"{source} is silent or far behind: {things} {be} waiting for it and cannot be judged{since}."
        case "failed":
            said = f"{things} {have} failed{why}{since}."
        case "inconsistent":
            said = f"{things} {be} inconsistent{at}{why}{since}."
        case "burning":
            objective = style.name(_objective(n))
            missed = style.reader.number(n.count)
            said = (
                f"The objective {objective} is missed more often than it may be: {missed} missed or about to be"
                f"{since.replace('oldest ', '')}."
            )
        case "group":
            listed = "; ".join(style.word(part) for part in n.parts[:_GROUPED])
            more = f"; and {len(n.parts) - _GROUPED} more" if len(n.parts) > _GROUPED else ""
            causes = "causes" if several else "cause"
            said = f"{style.reader.number(n.count)} {causes} at once{_worth(n.value, style)}{since}: {listed}{more}."
        case "silence":
            said = f"A silence keeps {_counted(n.count, 'incident', style)} from being told{since}."
        case "drill":
            said = "This is a drill: nothing has happened, and it resolves by itself. Whoever reads this was reached."
        case _:
            said = f"{things} {'need' if several else 'needs'} attention{since}."
    return said + remarks(n, style) + _owned(n, style) + to_do(n, style)


def _resolved(n: Notice, style: Style) -> str:
    things, milestone = style.word(_plural(n.entity)), _milestone(n)
    awaited = style.name(milestone or "the next step") + _from(n, style)
    source = style.name(n.source or "the source")
    if n.resolved_because == ChangeReason.SOURCE_BLIND:
        return (
            f"No longer told as stuck: {source} is silent or far behind, so whether {things} still wait for {awaited} "
            f"cannot be known. That is an incident of its own.{_owned(n, style)}"
        )
    if n.resolved_because == ChangeReason.WAIVED:
        return f"No longer told: what was left of it has been waived, and comes back when that ends.{_owned(n, style)}"
    if n.resolved_because == ChangeReason.SETTLED:
        return f"Called resolved by hand; it is told again if it grows, or still holds in some hours.{_owned(n, style)}"
    why = f": {style.word(_why(n))}" if n.cause_reason else ""
    match n.verdict:
        case "stuck":
            said = f"Resolved: no {things} are waiting too long for {awaited} any more."
        case "blind" if n.cause_reason == TYPE_SILENT:
            said = f"Resolved: {awaited} comes again, or nothing waits for it any more."
        case "blind" if n.cause_reason == BEHIND:
            said = "Resolved: Milepost has caught up."
        case "blind" if n.cause_reason == REPLAYING:
            said = f"Resolved: {source} has caught up, or nothing waits for it any more."
        case "blind":
            said = f"Resolved: nothing waits for a silent {source} any more."
        case "failed":
            said = f"Resolved: no {things} stand as failed any more{why}."
        case "inconsistent":
            at = f" at {style.name(milestone)}" if milestone else ""
            said = f"Resolved: no {things} are inconsistent{at} any more{why}."
        case "burning":
            said = f"Resolved: the objective {style.name(_objective(n))} is no longer missed too often."
        case "group":
            said = "Resolved: none of the causes is left."
        case "silence":
            return f"The silence has ended, or keeps nothing from being told any more.{_owned(n, style)}"
        case "drill":
            return f"The drill is over.{_owned(n, style)}"
        case _:
            said = "Resolved."
    if n.opened_at is not None and n.resolved_at is not None:
        lasted = style.reader.duration(n.resolved_at - n.opened_at)
        held = f" and held up {_counted(n.peak_count, n.entity, style)}{_worth(n.peak_value, style)} at its worst"
        if n.verdict == "burning":
            held = f", with {style.reader.number(n.peak_count)} missed at its worst"
        said += f" It lasted {lasted}{held if n.peak_count else ''}."
    return said + _owned(n, style)


def _owned(n: Notice, style: Style) -> str:
    owners = list(n.owners) or ([n.owner] if n.owner else [])
    if not owners:
        return ""
    return f" {'Owner' if len(owners) == 1 else 'Owners'}: {_listed([style.word(owner) for owner in owners])}."


def _from(n: Notice, style: Style) -> str:
    return f" from {style.word(n.source)}" if n.source else ""


def _worth(value: Sequence[tuple[str, str]], style: Style) -> str:
    return f" worth {spelled}" if (spelled := money(value, style.reader)) else ""


def _why(n: Notice) -> str:
    return _REASONS.get(n.cause_reason or "", shorten(_spaced(n.cause_reason), _WORD_LIMIT))


def _objective(n: Notice) -> str:
    return n.objective_title or n.cause_reason or ""


def _milestone(n: Notice) -> str:
    return shorten(n.waiting_for_title or _capital(_spaced(n.waiting_for)), _WORD_LIMIT)


def _counted(count: int, entity: str | None, style: Style) -> str:
    noun = (_spaced(entity) or "item") if count == 1 else _plural(entity)
    return f"{style.reader.number(count)} {style.word(noun)}"


def _plural(entity: str | None) -> str:
    noun = _spaced(entity) or "item"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _spaced(name: str | None) -> str:
    return (name or "").replace("_", " ").strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(parts: Sequence[str]) -> str:
    shown = list(parts[:_LIST_LIMIT])
    if len(parts) > _LIST_LIMIT:
        shown.append(f"{len(parts) - _LIST_LIMIT} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _spelled(value: Money) -> list[tuple[str, str]]:
    return [(currency, str(amount)) for currency, amount in value]
