"""Objectives: what the maintained buckets say of them. The cost depends on neither events nor instances."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.moments import span_of
from collector.query.objective_history import span_faults, steps, told
from collector.query.reader import Reader, Row, rfc3339
from collector.query.reckoning import Answer, groups_of, reckon
from collector.query.sources import load_marks
from collector.query.zones import zone_of
from slo_rules.buckets import BUCKET
from slo_rules.budget import budget
from slo_rules.contribution import ITEMS
from slo_rules.durations import DAY, format_duration
from slo_rules.exclusions import with_reasons
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Marks
from slo_rules.objective import ALL, Group, Objective, values_of
from slo_rules.pace import Pace
from slo_rules.reckoning import Asked, Missing, Reckoned, missing, replaying
from slo_rules.small_budget import soon
from slo_rules.stand import Questions, Stand
from slo_rules.windows import BusinessWindow, CalendarWindow, Window, began
from slo_rules.windows import ends as ends_at
from slo_rules.workflow import Workflow

SHOWN_GROUPS = 100


def all_objectives(catalogue: Catalogue) -> list[Objective]:
    """Every objective, by workflow and name."""
    return [one for workflow in sorted(catalogue.objectives) for one in catalogue.objectives[workflow]]


def named(catalogue: Catalogue, name: str) -> Objective | None:
    """The objective of this name."""
    return next((one for one in all_objectives(catalogue) if one.name == name), None)


def whole_buckets(now: int) -> int:
    """Only whole buckets count: in the present one deadlines may still lie ahead."""
    return now - now % BUCKET


def _row(objective: Objective, present: _Present, stand: Stand, silence: Missing | None) -> Row:
    whole, until, workflow = stand.by_unit, present.until, present.workflow(objective)
    return {
        "name": objective.name,
        "title": objective.title,
        "owner": objective.owner or (workflow.owner if workflow else ""),
        "workflow": objective.workflow,
        "domain": workflow.domain if workflow else "",
        "kind": objective.kind,
        "description": describe(objective, workflow),
        "target": objective.target,
        **_window(objective.window, until),
        **counted(whole[ITEMS], objective.target),
        "pending_bad": number(stand.pending),
        "unit": objective.unit,
        "targets": [
            {"name": name, "target": target, **_budget(whole[ITEMS], target)}
            for name, target in sorted(objective.targets.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
        "values": by_currency(whole, objective.target),
        "group_by": list(objective.group_by),
        "missing_data": None if objective.source else objective.missing_data.value,
        "missing_source": silence.source if silence else None,
        "missing_since": rfc3339(silence.since) if silence else None,
        "replaying_source": replaying(objective, workflow, present.marks, present.now),
        "known": silence is None or objective.missing_data != "alert",
        "pace": _pace(stand.pace),
        "burning": [
            {
                "severity": one.tier.severity,
                "long_seconds": one.tier.long // 1_000_000,
                "short_seconds": one.tier.short // 1_000_000,
                "bad": one.bad,
                "rate": one.rate,
                "threshold": one.tier.factor(objective.window),
            }
            for one in stand.burning
        ],
        "singly": None
        if stand.singly is None
        else {**stand.singly._asdict(), "soon_seconds": soon(objective) // 1_000_000},
    }


def _pace(found: Pace | None) -> Row | None:
    if found is None:
        return None
    return {"allowed": found.allowed, "gone_at": None if found.gone_at is None else rfc3339(found.gone_at)}


class _Present(NamedTuple):
    """What an answer is made from: the last whole bucket, and what is known of sources."""

    catalogue: Catalogue
    until: int
    marks: Marks
    now: int

    def missing(self, objective: Objective) -> Missing | None:
        return missing(objective, self.workflow(objective), self.marks, self.now)

    def workflow(self, objective: Objective) -> Workflow | None:
        return self.catalogue.current.get(objective.workflow)

    def asked(self, objective: Objective, since: int, until: int, group: Group) -> Asked:
        gap = self.missing(objective)
        return Asked(objective, since, until, group, gap.since if gap else None)


async def _present(reader: Reader, catalogue: Catalogue) -> _Present:
    now = to_micros(await reader.now())
    return _Present(catalogue, whole_buckets(now), await load_marks(reader, catalogue), now)


async def _rows(reader: Reader, present: _Present, wanted: Iterable[tuple[Objective, Group]]) -> list[Row]:
    wanted = list(wanted)
    silences = [present.missing(objective) for objective, _ in wanted]
    questions = [
        Questions(objective, group, present.until, silence)
        for (objective, group), silence in zip(wanted, silences, strict=True)
    ]
    answers = iter(await reckon(reader, [asked for one in questions for asked in one.asked]))
    rows = []
    for (objective, _), silence, one in zip(wanted, silences, questions, strict=True):
        stand = one.stand([next(answers) for _ in one.asked])
        rows.append(_row(objective, present, stand, silence))
    return rows


async def list_objectives(reader: Reader, catalogue: Catalogue) -> list[Row]:
    """Every objective as it stands, in a few queries however many there are."""
    present = await _present(reader, catalogue)
    return await _rows(reader, present, ((one, ALL) for one in all_objectives(catalogue)))


async def one_objective(
    reader: Reader,
    catalogue: Catalogue,
    name: str,
    group: Sequence[str],
    since: str | None = None,
    until: str | None = None,
) -> Row | None:
    """One objective, in all or in a group, with its history and its groups; None when there is none.

    The history is of its present window, or from `since` on and before `until`, of which `asked` says what it came to.
    Raises BadQuery.
    """
    objective = named(catalogue, name)
    if objective is None:
        return None
    of_group = group_asked(objective, group)
    present = await _present(reader, catalogue)
    (row,) = await _rows(reader, present, [(objective, of_group)])
    begins = began(objective.window, present.until)
    begin, end = (begins, present.until) if since is None and until is None else _asked_span(present, since, until)
    step, spans = steps(begin, end, zone_of(objective))
    answers = await reckon(reader, [present.asked(objective, a, b, of_group) for a, b in ((begin, end), *spans)])
    whole = counted(answers[0][ITEMS], objective.target)
    asked = (
        None if (begin, end) == (begins, present.until) else {"since": rfc3339(begin), "until": rfc3339(end), **whole}
    )
    return row | {
        "group": dict(zip(objective.group_by, values_of(of_group), strict=True)) if of_group else None,
        "asked": asked,
        **told(step, zone_of(objective), spans, [one[ITEMS] for one in answers[1:]], whole["budget_allowed"]),
        "exclusions": _exclusions(objective, begin, end),
        **(await _groups(reader, present, objective, begins) if not of_group else {}),
    }


def _asked_span(present: _Present, since: str | None, until: str | None) -> tuple[int, int]:
    """Whole buckets of what two parameters name; without a beginning, four weeks. Raises BadQuery."""
    asked_since, asked_until = span_of(since, until, to_datetime(present.now))
    end = present.until if asked_until is None else min(-(-asked_until // BUCKET) * BUCKET, present.until)
    begin = end - 28 * DAY if asked_since is None else whole_buckets(asked_since)
    if faults := span_faults(begin, end):
        raise BadQuery(*faults)
    return begin, end


def _exclusions(objective: Objective, since: int, until: int) -> list[Row]:
    return [
        {"since": rfc3339(begin), "until": rfc3339(end), "reason": reason}
        for (begin, end), reason in with_reasons(objective.exclude, since, until)
    ]


async def _groups(reader: Reader, present: _Present, objective: Objective, since: int) -> dict[str, Any]:
    """The groups, those with the least left first."""
    if not objective.group_by:
        return {"groups": [], "groups_total": 0}
    found = await groups_of(reader, objective, since, present.until)
    answers = await reckon(reader, [present.asked(objective, since, present.until, group) for group in found])
    rows = [
        {
            "group": dict(zip(objective.group_by, values_of(group), strict=True)),
            **counted(of[ITEMS], objective.target),
            "values": by_currency(of, objective.target),
        }
        for group, of in zip(found, answers, strict=True)
    ]
    rows = [row for row in rows if row["total"]]
    rows.sort(key=lambda row: (math.inf if row["budget_left_ratio"] is None else row["budget_left_ratio"], row["bad"]))
    return {"groups": rows[:SHOWN_GROUPS], "groups_total": len(rows)}


def group_asked(objective: Objective, values: Sequence[str]) -> Group:
    """The group with these values, in the order of `group_by`; empty is where nothing is said. Raises BadQuery."""
    if not values:
        return ALL
    if not objective.group_by:
        raise BadQuery(f"group: {objective.name} is not told apart by anything")
    if len(values) != len(objective.group_by):
        raise BadQuery(f"group: must be said once for each of {', '.join(objective.group_by)}")
    return objective.group_of({name: value for name, value in zip(objective.group_by, values, strict=True) if value})


def expected(objective: Objective) -> str:
    """How much should come to an objective of volume or about a source, in words; empty for any other."""
    volume, expects = objective.volume, objective.expects
    if volume is None:
        return "" if expects is None else expects.words
    bounds = [f"at least {volume.at_least}"] if volume.at_least is not None else []
    bounds += [f"at most {volume.at_most}"] if volume.at_most is not None else []
    per = volume.per.period.value if isinstance(volume.per, CalendarWindow) else format_duration(volume.per)
    return f"{' and '.join(bounds)} per {per}"


def describe(objective: Objective, workflow: Workflow | None) -> str:
    """What is promised, in words."""
    titles = {m.name: m.title for m in workflow.milestones} if workflow else {}
    start, end = titles.get(objective.start, objective.start), titles.get(objective.end, objective.end)
    within = format_duration(objective.within)
    if objective.calendar is not None:
        within += f" of {objective.calendar.title or objective.calendar.name}"
    if objective.volume is not None:
        return f"{start}: {expected(objective)}"
    if objective.source:
        what = f"{objective.type} from {objective.source}" if objective.type else f"something from {objective.source}"
        return f"{what} arrives {expected(objective)}"
    said = {
        "latency": f"{start} → {end} within {within}",
        "freshness": f"the oldest {start} without {end} is younger than {within}",
        "success": "what has ended neither failed nor is inconsistent"
        + (", and was not cancelled" if objective.cancelled_is_bad else ""),
    }
    return said[objective.kind]


def _window(window: Window, until: int) -> Row:
    """How long it is in seconds, the present period whole; since when it counts, and when that period ends.

    Of business time `open_seconds` are how much of it, on which calendar; else both are null.
    """
    since, ends = began(window, until), ends_at(window, until)
    period = window if isinstance(window, CalendarWindow) else None
    business = window if isinstance(window, BusinessWindow) else None
    return {
        "window_seconds": ((until if ends is None else ends) - since) // 1_000_000,
        "window": {
            "period": None if period is None else period.period,
            "zone": None if period is None else period.zone,
            "calendar": None if business is None else business.calendar.title or business.calendar.name,
            "open_seconds": None if business is None else business.length // 1_000_000,
            "since": rfc3339(to_datetime(since)),
            "until": None if ends is None else rfc3339(to_datetime(ends)),
        },
    }


def number(value: Any) -> int | float:
    """A count as JSON has it: whole where it is."""
    return int(value) if value == int(value) else float(value)


def counted(found: Reckoned, target: float) -> Row:
    """What counts, against a target, and what is neutral."""
    return {
        "good": number(found.good),
        "bad": number(found.bad),
        "total": number(found.good + found.bad),
        "waived": number(found.waived),
        "cancelled": number(found.cancelled),
        "excluded": number(found.excluded),
        "missing": number(found.missing),
        **_budget(found, target),
    }


def by_currency(answer: Mapping[str, Reckoned], target: float) -> list[Row]:
    """The same of what it is worth, each currency by itself."""
    return [{"currency": unit, **counted(one, target)} for unit, one in sorted(answer.items()) if unit]


def came_to(answer: Answer, target: float) -> Row:
    """What a time that was asked about came to, and whether that met the target; None: there is nothing to judge."""
    of = counted(answer[ITEMS], target)
    met = None if of["ratio"] is None else of["bad"] <= of["budget_allowed"]
    return {"target": target, **of, "met": met, "values": by_currency(answer, target)}


def _budget(found: Reckoned, target: float) -> Row:
    of = budget(found.good, found.bad, target)
    return {
        "ratio": of.ratio,
        "budget_allowed": of.allowed,
        "budget_used": number(found.bad),
        "budget_left_ratio": of.left,
    }


def trend_since(now: datetime) -> datetime:
    """Seven days back from the present hour."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
