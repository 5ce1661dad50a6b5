"""What a test expects of an objective at an instant: reading it from a file, and comparing it with what is found.

What is found is what the page of the objective would say then, from the same arithmetic (slo_rules/tallying.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from milepost.expectations import (
    SHOWN,
    Difference,
    Failure,
    Value,
    Wanted,
    known_word,
    read_amount,
    read_instant,
    spell_instant,
    spell_offset,
)
from slo_rules.buckets import BUCKET
from slo_rules.budget import Number, budget
from slo_rules.burn_rates import FEWEST_BAD, TIERS, Tier, is_reachable, tiers_within
from slo_rules.contribution import ITEMS, worth
from slo_rules.durations import format_duration
from slo_rules.item import Item
from slo_rules.items import items
from slo_rules.objective import ALL, Group, MissingData, Objective, values_of
from slo_rules.reading import Reader, suggestion
from slo_rules.reckoning import Reckoned, Spans, missing, spans_of
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.rounding import clock
from slo_rules.small_budget import DUE_SOON, OVERDUE, Singly, soon
from slo_rules.stand import Stand
from slo_rules.workflow import Definitions

COUNTS = Reckoned._fields
SHARES = ("ratio", "budget_left")
KNOWN, ALERTS = "known", "alerts"
SINGLY = (OVERDUE, DUE_SOON)
FIELDS = (*COUNTS, *SHARES, KNOWN, ALERTS, *SINGLY)
SEVERITIES = tuple(dict.fromkeys(tier.severity for tier in TIERS))
_NONE = Singly(0, 0, 0)
_LATER, _EARLIER = "due later", "due before"
_KINDS = ("bad", "good", "waived", "cancelled", "excluded", "missing", _LATER, _EARLIER)
_CAME = {"success": "ended", "volume": "reached"}
_SILENCE = {
    MissingData.GOOD: "counts as good",
    MissingData.BAD: "counts as bad until it is known",
    MissingData.EXCLUDE: "does not count until it is known",
    MissingData.ALERT: "does not count, and how the objective stands is not known",
}


class ObjectiveExpectation(msgspec.Struct, frozen=True):
    """What an objective must have come to at an instant (micros), in all or in a group, in items or in a currency."""

    at: int
    line: int
    objective: str
    group: Group
    unit: str
    wanted: tuple[Wanted, ...]


# Reading


def read_objective_expectation(
    entry: Reader, start: int, definitions: Definitions | None
) -> ObjectiveExpectation | None:
    """An expectation; None after a fault that leaves nothing of it. Without definitions no name is looked up."""
    if not entry.mapping(("at", "objective", "group", "currency", *FIELDS), ("at", "objective")):
        return None
    at = read_instant(entry.at("at"), start) if entry.optional("at") else None
    named = entry.optional("objective")
    name = named.text() if named else ""
    objective = definitions.objectives.get(name) if definitions else None
    if named and name and definitions and objective is None:
        named.fault(f"there is no objective {name!r}{suggestion(name, definitions.objectives)}")
    group = _group(entry.at("group"), objective) if "group" in entry.value else ALL
    unit = _currency(entry.at("currency"), objective) if "currency" in entry.value else ITEMS
    present = [field for field in FIELDS if field in entry.value]
    if not present:
        entry.fault(f"expects nothing: say one of {', '.join(FIELDS)}")
    for field in (ALERTS, *SINGLY):
        if unit and field in present:
            entry.at(field).fault("is told of the number of items: leave out 'currency'")
    wanted = tuple(Wanted(field, None, _wanted(entry.at(field), field, unit)) for field in present)
    return None if at is None else ObjectiveExpectation(at, entry.document.line(entry.path), name, group, unit, wanted)


def _group(reader: Reader, objective: Objective | None) -> Group:
    """The group with these values, each said; null is where an instance has none."""
    if not reader.mapping() or objective is None:
        return ALL
    if not objective.group_by:
        reader.fault(f"{objective.name} is not told apart by anything")
        return ALL
    reader.mapping(objective.group_by)
    for name in objective.group_by:
        if name not in reader.value:
            reader.fault(f"the field {name!r} is missing; null is where there is none")
        elif isinstance(reader.value[name], (dict, list)):
            reader.at(name).fault("must be text, a number, true, false or null")
    return objective.group_of(reader.value)


def _currency(reader: Reader, objective: Objective | None) -> str:
    if objective is not None and not objective.by_value:
        reader.fault(f"{objective.name} does not count by value")
    return reader.text().upper()


def _wanted(reader: Reader, field: str, unit: str) -> Value:
    if field == KNOWN:
        return reader.flag()
    if field == ALERTS:
        return tuple(sorted(set(reader.each(lambda one: known_word(one, one.text(), SEVERITIES, "severity")))))
    if field in SHARES:
        return None if reader.value is None else read_amount(reader)
    if not unit and (type(reader.value) is not int or reader.value < 0):
        reader.fault("must be a whole number from 0 on")
        return None
    amount = read_amount(reader)
    if amount is not None and amount < 0:
        reader.fault("must not be negative")
    return amount


# Comparing


def compare_objective(
    expectation: ObjectiveExpectation, rehearsal: Rehearsal, definitions: Definitions, start: int
) -> Failure | None:
    """What of an expectation does not hold in a rehearsal that has come to its instant; None when all of it does."""
    objective, now = definitions.objectives[expectation.objective], expectation.at
    silence = missing(objective, definitions.workflows[objective.workflow], rehearsal.marks, now)
    stand = rehearsal.tally([objective]).stand(objective, expectation.group, silence, now)
    found = stand.by_unit.get(expectation.unit, Reckoned(0, 0))
    of = budget(found.good, found.bad, objective.target)
    alone = stand.singly or _NONE
    values: dict[str, Value] = {
        **found._asdict(),
        "ratio": of.ratio,
        "budget_left": of.left,
        KNOWN: silence is None or objective.missing_data is not MissingData.ALERT,
        ALERTS: tuple(sorted({one.tier.severity for one in stand.burning})),
        OVERDUE: alone.overdue,
        DUE_SOON: alone.due_soon,
    }
    differences = tuple(
        Difference(wanted.name, _shown(wanted.value), _shown(values[wanted.field]))
        for wanted in expectation.wanted
        if not _same(wanted, values[wanted.field])
    )
    if not differences:
        return None
    explanation = [_counted(stand, found, expectation.unit, objective)]
    explanation += _behind(stand, expectation, objective, rehearsal, start)
    if silence is not None:
        since = spell_instant(silence.since, start)
        explanation.append(
            f"Nothing has arrived from {silence.source} since {since}: what falls due from "
            f"{clock(silence.since - silence.since % BUCKET)} on {_SILENCE[objective.missing_data]}."
        )
    if any(one.name in SINGLY for one in differences):
        explanation.append(_singly(stand, objective))
    if any(one.name == ALERTS for one in differences):
        explanation += _alerting(stand, objective)
    subject = f"at {spell_instant(now, start)}, {_subject(expectation, objective)}"
    return Failure(expectation.line, subject, differences, tuple(explanation))


def _same(wanted: Wanted, found: Value) -> bool:
    """Shares are the same when they agree in as many decimals as are written."""
    expected = wanted.value
    if wanted.field not in SHARES or not isinstance(expected, Decimal) or found is None:
        return expected == found
    places = expected.as_tuple().exponent
    assert isinstance(places, int)
    return abs(Decimal(str(found)) - expected) <= Decimal((0, (5,), min(places, 0) - 1))


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, Decimal):
        return _number(value)
    return "none" if value is None else str(value)


def _number(value: Number) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _subject(expectation: ObjectiveExpectation, objective: Objective) -> str:
    words = [objective.name]
    if expectation.group:
        pairs = zip(objective.group_by, values_of(expectation.group), strict=True)
        words += [f"{name}={'none' if value is None else value}" for name, value in pairs]
    return " ".join([*words, *(["in", expectation.unit] if expectation.unit else [])])


# Saying why


def _counted(stand: Stand, found: Reckoned, unit: str, objective: Objective) -> str:
    counts = [f"{_number(value)} {name}" for name, value in found._asdict().items() if value or name in ("good", "bad")]
    what = unit or ("slices of time" if objective.in_slices else "items")
    return f"From {clock(stand.asked.since)} until {clock(stand.asked.until)}, in {what}: {', '.join(counts)}."


def _behind(
    stand: Stand, expectation: ObjectiveExpectation, objective: Objective, rehearsal: Rehearsal, start: int
) -> Iterator[str]:
    """The instances behind the numbers, by what they count as."""
    if objective.source:
        yield f"It counts when {objective.source} was heard, and no instances."
        return
    spans = spans_of(stand.asked)
    of_kind: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for held in rehearsal.instances(objective.workflow):
        if not _is_of(held, expectation, objective):
            continue
        for item in items(held.progress, held.workflow, [objective]):
            if item.objective is not None:
                of_kind[_kind(item, stand, spans)].append(_item(held, item, objective, start))
    if not any(of_kind.values()):
        yield "No instance counts in it."
    for kind, listed in of_kind.items():
        if listed:
            more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            yield f"{kind.capitalize()}: {'; '.join(listed[:SHOWN])}{more}."


def _is_of(held: RehearsedInstance, expectation: ObjectiveExpectation, objective: Objective) -> bool:
    attributes = held.progress.attributes
    if expectation.group not in (ALL, objective.group_of(attributes)):
        return False
    value = worth(attributes)
    return not expectation.unit or (value is not None and value[1] == expectation.unit)


def _kind(item: Item, stand: Stand, spans: Spans) -> str:
    at = item.at - item.at % BUCKET
    if at >= stand.asked.until:
        return _LATER
    if at < stand.asked.since:
        return _EARLIER
    for kind, inside in (("excluded", spans.excluded), ("missing", spans.missing)):
        if any(since <= at < until for since, until in inside):
            return kind
    return item.outcome.value


def _item(held: RehearsedInstance, item: Item, objective: Objective, start: int) -> str:
    keys, at = ", ".join(sorted(held.progress.keys)), spell_offset(item.at, start)
    if objective.kind in _CAME:
        return f"{keys} ({_CAME[objective.kind]} at {at})"
    came = "has not come" if item.arrival is None else f"came at {spell_offset(item.arrival, start)}"
    return f"{keys} (due at {at}, {came})"


def _singly(stand: Stand, objective: Objective) -> str:
    found = stand.singly
    if found is None:
        return "Its budget is one or more, or nothing has counted: nothing is told by itself."
    within = format_duration(soon(objective))
    return f"Its budget is {found.allowed:.3g}, less than one: each is told by itself, once it is due within {within}."


def _alerting(stand: Stand, objective: Objective) -> Iterator[str]:
    """Each pair of times with what was bad in them, and why they alert or not."""
    tiers = tiers_within(objective.window)
    if not tiers:
        yield "Its window is too short for burn-rate alerts."
    firing = {one.tier: one for one in stand.burning}
    for tier in tiers:
        takes = f"it takes a burn rate above {tier.factor(objective.window):g} over both"
        lately = " and ".join(_lately(stand, time) for time in (tier.long, tier.short))
        if tier in firing:
            yield f"{_named(tier)} fires: {lately}; {takes}, and over the long one it is {firing[tier].rate:.3g}."
        elif is_reachable(tier, objective):
            yield f"{_named(tier)} does not fire: {lately}; {takes}, and at least {FEWEST_BAD} that are bad."
        else:
            yield (
                f"{_named(tier)} can never fire: {takes}, and when all is bad it is {1 / (1 - objective.target):.3g}."
            )


def _named(tier: Tier) -> str:
    return f"{tier.severity.capitalize()} over {format_duration(tier.long)} and {format_duration(tier.short)}"


def _lately(stand: Stand, time: int) -> str:
    good, bad = stand.lately[time]
    return f"{bad} of {good + bad} were bad in {format_duration(time)}"
