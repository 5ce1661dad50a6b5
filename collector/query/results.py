"""What objectives came to in a span of time, with what was promised then: the numbers of a report.

For all instances they are read from the buckets. For those of one customer, or with any other attribute or key, the
instances are read and counted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collector.catalogue import Catalogue
from collector.query.contributors import times, told_of_time, wanted_slices
from collector.query.counted_items import Found, Where, contributed_where, find
from collector.query.objectives import came_to, describe, whole_buckets
from collector.query.periods import Targets, as_kept, kept_window
from collector.query.reader import Reader, Row, rfc3339
from collector.query.reckoning import Answer, groups_of, reckon
from slo_rules.contribution import ITEMS, Contributions
from slo_rules.contributors import Counted
from slo_rules.exclusions import with_reasons
from slo_rules.instants import to_micros
from slo_rules.item import Outcome
from slo_rules.judgement import Marks
from slo_rules.objective import ALL, Group, Objective, values_of
from slo_rules.reckoning import Asked, Silence, Slice, missing
from slo_rules.tallying import Tally
from slo_rules.windows import CalendarWindow


@dataclass(slots=True)
class Result:
    """What one objective came to: the numbers, and where the items behind the bad and the waived ones are.

    Of volume there are slices instead of items, and of a source silences. Beside the entries and the slices it holds
    nothing that grows.
    """

    asked: Asked
    row: Row
    bad: Found = field(default_factory=Found)
    waived: Found = field(default_factory=Found)
    slices: list[Row] = field(default_factory=list)


async def result_of(
    reader: Reader, catalogue: Catalogue, marks: Marks, objective: Objective, span: tuple[int, int], where: Where
) -> Result:
    """What an objective came to in a span of whole five minutes (micros), by the instances that are asked for."""
    now = to_micros(await reader.now())
    since, until = span
    workflow = catalogue.current.get(objective.workflow)
    gap = missing(objective, workflow, marks, now)
    asked = Asked(objective, since, until, ALL, gap.since if gap else None)
    total, answers = await _answers(reader, catalogue, asked, where)
    versions = await reader.all("objective_versions", {"objective": objective.name})
    targets = Targets(objective, [(row["since"], row["target"]) for row in versions])
    target = targets.at(until if until < whole_buckets(now) else now + 1)
    # What was kept is of all instances.
    window = None if where else _window_of(objective, since, until)
    groups = [_group(objective, group, answer, target) for group, answer in answers.items() if group]
    row = {
        "name": objective.name,
        "title": objective.title,
        "owner": objective.owner or (workflow.owner if workflow else ""),
        "workflow": objective.workflow,
        "workflow_title": workflow.title if workflow else objective.workflow,
        "kind": objective.kind,
        "unit": objective.unit,
        "description": describe(objective, workflow),
        "since": rfc3339(since),
        "until": rfc3339(until),
        "missing_data": None if objective.source else objective.missing_data.value,
        "missing_source": gap.source if gap and gap.since < until else None,
        "missing_since": rfc3339(gap.since) if gap and gap.since < until else None,
        **came_to(answers[ALL], target),
        "targets": [
            {"name": name, "target": share, **came_to(answers[ALL], share)}
            for name, share in sorted(objective.targets.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
        "group_by": list(objective.group_by),
        "groups": [group for group in groups if group["total"] or group["waived"] or group["cancelled"]],
        "exclusions": [
            {"since": rfc3339(max(begin, since)), "until": rfc3339(min(end, until)), "reason": reason}
            for (begin, end), reason in with_reasons(objective.exclude, since, until)
        ],
        **await _kept(reader, objective, window, since, answers[ALL]),
    }
    result = Result(asked, row)
    if objective.volume is not None or objective.source:
        result.slices = [
            told_of_time(objective, one, as_) for one, as_ in await _slices(reader, asked, total if where else None)
        ]
    else:
        result.bad = await find(reader, catalogue, asked, Outcome.BAD, where=where)
        if objective.kind != "freshness":
            result.waived = await find(reader, catalogue, asked, Outcome.WAIVED, where=where)
    return result


async def _answers(
    reader: Reader, catalogue: Catalogue, asked: Asked, where: Where
) -> tuple[Contributions, dict[Group, Answer]]:
    objective = asked.objective
    if where:
        total = await contributed_where(reader, catalogue, asked, where)
        tally = Tally(total)
        groups = sorted({group for _, group, _, _ in total if group})
        return total, {group: tally.reckon(asked._replace(group=group)) for group in (ALL, *groups)}
    groups = await groups_of(reader, objective, asked.since, asked.until)
    questions = [asked._replace(group=group) for group in (ALL, *groups)]
    answers = await reckon(reader, questions)
    return {}, {one.group: answer for one, answer in zip(questions, answers, strict=True)}


def _group(objective: Objective, group: Group, answer: Answer, target: float) -> Row:
    values = dict(zip(objective.group_by, values_of(group), strict=True))
    return {"group": values, **came_to(answer, target)}


def _window_of(objective: Objective, since: int, until: int) -> CalendarWindow | None:
    """The periods of which this span is one that is kept when it is over."""
    window = kept_window(objective)
    return window if window.around(since) == (since, until) else None


async def _kept(
    reader: Reader, objective: Objective, window: CalendarWindow | None, since: int, answer: Answer
) -> Mapping[str, object]:
    """What the period came to when it was over, and whether it has come to something else since."""
    if window is None:
        return as_kept(None, answer)
    place = {"objective": objective.name, "grp": ALL, "period": window.period, "zone": window.zone}
    rows = {to_micros(row["since"]): row for row in await reader.all("kept_periods", place)}
    return as_kept(rows.get(since), answer)


async def _slices(
    reader: Reader, asked: Asked, total: Contributions | None
) -> Sequence[tuple[Slice | Silence, Counted]]:
    """The bad slices of volume, of all instances, or of those that contribute this; the silences of a source."""
    if total is None:
        return await times(reader, asked, Outcome.BAD)
    reached = sorted(
        (at, int(counts[0]))
        for (_, group, unit, at), counts in total.items()
        if group == asked.group and unit == ITEMS and any(counts)
    )
    return wanted_slices(asked, reached, reached[0][0], Outcome.BAD) if reached else []
