"""The deadline of a milestone, `within`, as a definition says it, with every fault at its own path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from slo_rules.deadline_rules import DeadlineRule, parse_deadline_rule
from slo_rules.deadlines import AROUND_THE_CLOCK, Deadline, Length, Tier
from slo_rules.documents import Path
from slo_rules.filters import spell
from slo_rules.reading import Reader, suggestion

_TERMS = ("warn", "breach", "calendar")
_NAMED = re.compile(r"\bday|\bdays\b|_day|end[ _]of", re.IGNORECASE)
MOST_TIERS = 500


def read_deadline(entry: Reader, follows: bool, default_calendar: str | None) -> Deadline | None:
    """The deadline of a milestone entry, which `follows` another or does not.

    `within` is a duration, a named rule, or a mapping:
    `breach` and `warn` (each a duration or a named rule), `calendar` (`none`: around the clock), `from` (the milestone
    that starts the clock; those of `after` otherwise), and `by`, for each attribute other terms for some of its values.
    """
    within = entry.optional("within")
    if within is None:
        return None
    if isinstance(within.value, dict):
        if not within.mapping((*_TERMS, "from", "by"), ("breach",)):
            return None
        start = started.text() or None if (started := within.optional("from")) else None
        calendar = _calendar(within) or default_calendar
        breach, warn = _terms(within)
        tiers = tuple(_tiers(within, calendar)) if within.optional("by") else ()
    else:
        start, calendar, warn, tiers = None, default_calendar, None, ()
        breach = _length(within)
    if start is None and not follows:
        within.fault("a milestone that comes after none has no clock to run: 'within' needs 'after' or 'from'")
    if breach is None:
        return None
    _needs_calendar(within, (breach, warn), calendar)
    deadline = Deadline(start, breach, warn, calendar, tiers)
    for tier in _uncounted(deadline):
        message = "takes the calendar away that a named deadline needs: give it a duration as well"
        within.fault(message, (*within.path, "by", tier.attribute, tier.value, "calendar"))
    return deadline


def check_deadline(
    entry: Reader, deadline: Deadline, name: str, milestones: Iterable[str], attributes: Iterable[str]
) -> None:
    """Note what the deadline of the milestone `name` refers to and is not there."""
    within = (*entry.path, "within")
    names, known = list(milestones), list(attributes)
    if deadline.start == name:
        entry.fault(f"{name!r} cannot be counted from itself", (*within, "from"))
    elif deadline.start is not None and deadline.start not in names:
        message = f"there is no milestone {deadline.start!r} to count from{suggestion(deadline.start, names)}"
        entry.fault(message, (*within, "from"))
    for attribute in dict.fromkeys(tier.attribute for tier in deadline.tiers):
        if attribute not in known:
            message = f"there is no attribute {attribute!r}{suggestion(attribute, known)}"
            entry.fault(message, (*within, "by", attribute))


def calendar_references(spec: Reader) -> Iterator[tuple[str, Path]]:
    """The names of calendars in a workflow's spec that was read without faults, with their paths."""
    if spec.optional("calendar"):
        yield spec.at("calendar").text(), (*spec.path, "calendar")
    for index, milestone in enumerate(spec.value["milestones"]):
        within = milestone.get("within")
        if not isinstance(within, dict):
            continue
        path = (*spec.path, "milestones", index, "within")
        if within.get("calendar"):
            yield str(within["calendar"]), (*path, "calendar")
        for attribute, values in (within.get("by") or {}).items():
            for value, terms in values.items():
                if isinstance(terms, dict) and terms.get("calendar"):
                    yield str(terms["calendar"]), (*path, "by", attribute, value, "calendar")


def _tiers(within: Reader, calendar: str | None) -> Iterator[Tier]:
    by = within.at("by")
    if not by.mapping():
        return
    count = 0
    for attribute in by.value:
        values = by.at(attribute)
        if not values.mapping():
            continue
        for value in values.value:
            count += 1
            if count > MOST_TIERS:
                by.fault(f"has more than {MOST_TIERS} entries")
                return
            tier = _tier(str(attribute), value, values.at(value), calendar)
            if tier is not None:
                yield tier


def _tier(attribute: str, value: object, entry: Reader, calendar: str | None) -> Tier | None:
    spelled = spell(value)
    if spelled is None:
        entry.fault("the value of an attribute must be text, a number, true or false")
        return None
    if not isinstance(entry.value, dict):
        breach = _length(entry)
        _needs_calendar(entry, (breach,), calendar)
        return Tier(attribute, spelled, breach)
    if not entry.mapping(_TERMS):
        return None
    if not entry.value:
        entry.fault("says nothing: give it warn, breach or calendar")
    own = _calendar(entry)
    breach, warn = _terms(entry)
    _needs_calendar(entry, (breach, warn), own or calendar)
    return Tier(attribute, spelled, breach, warn, own)


def _uncounted(deadline: Deadline) -> Iterator[Tier]:
    """The tiers that leave a named deadline without a calendar, alone or together with one of another attribute.

    More than two add nothing: one takes the calendar away, one at most brings the named deadline.
    """
    named = [(number, tier) for number, tier in enumerate(deadline.tiers) if _is_named(tier.breach, tier.warn)]
    for number, tier in enumerate(deadline.tiers):
        if tier.calendar != AROUND_THE_CLOCK or _is_named(tier.breach, tier.warn):
            continue
        together: list[tuple[Tier, ...]] = [(tier,)]
        for place, other in named:
            if other.attribute != tier.attribute:
                together.append((other, tier) if place < number else (tier, other))
        for tiers in together:
            terms = msgspec.structs.replace(deadline, tiers=tiers).terms({one.attribute: one.value for one in tiers})
            if terms.calendar is None and _is_named(terms.breach, terms.warn):
                yield tier
                break


def _is_named(*lengths: Length | None) -> bool:
    return any(isinstance(length, DeadlineRule) for length in lengths)


def _terms(entry: Reader) -> tuple[Length | None, Length | None]:
    breach = _length(entry.at("breach")) if entry.optional("breach") else None
    warn = _length(entry.at("warn")) if entry.optional("warn") else None
    if isinstance(warn, int) and isinstance(breach, int) and warn >= breach:
        entry.at("warn").fault("the warning must come before the breach")
    return breach, warn


def _length(entry: Reader) -> Length | None:
    if not isinstance(entry.value, str) or not _NAMED.search(entry.value):
        return entry.duration()
    try:
        return parse_deadline_rule(entry.value)
    except ValueError as error:
        entry.fault(str(error))
        return None


def _calendar(entry: Reader) -> str | None:
    calendar = entry.optional("calendar")
    return (calendar.name() or None) if calendar else None


def _needs_calendar(entry: Reader, lengths: Iterable[Length | None], calendar: str | None) -> None:
    if _is_named(*lengths) and calendar in (None, AROUND_THE_CLOCK):
        entry.fault("a named deadline needs a calendar: name one here or for the whole workflow")
