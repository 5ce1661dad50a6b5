"""What `milepost backtest` prints: for people, and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import orjson

from collector.backtested import Group, Item, ObjectiveBacktest, Run, Side, Way, WorkflowBacktest, stuck_time
from milepost.backtesting import Backtested, BacktestedWorkflow
from milepost.comparing import State
from milepost.comparison_views import LONGEST_LINE, definition_lines, differences_json, several
from milepost.plain_text import shown, table
from slo_rules.attainment import Attainment
from slo_rules.burn_alerts import BurnAlert
from slo_rules.course import Turn
from slo_rules.durations import format_duration
from slo_rules.instants import rfc3339
from slo_rules.judgement import VerdictKind
from slo_rules.objective import Objective
from slo_rules.rounding import clock, roughly

MOST_TURNS = 12
"""Of one instance that are told in words."""
MOST_ALERTS = 6
"""Of one objective that are told in words."""
_WAYS = {
    Way.NEWLY_STUCK: "stuck, and not before",
    Way.NO_LONGER_STUCK: "stuck no more",
    Way.STUCK_LONGER: "stuck longer",
    Way.STUCK_SHORTER: "stuck for a shorter time",
    Way.STUCK_AT_OTHER_TIMES: "stuck at other times",
    Way.OTHER_VERDICTS: "other verdicts, or at other times",
    Way.NOT_FOUND: "not found",
    Way.FOUND: "not found before",
    Way.FALLS_APART: "fall apart into several",
    Way.JOINED: "joined with others",
}


def printed(backtested: Backtested, form: str) -> str:
    """As `text` or `json`."""
    if form == "json":
        return orjson.dumps(as_json(backtested), option=orjson.OPT_INDENT_2).decode()
    return as_text(backtested)


def as_text(backtested: Backtested) -> str:
    """The workflows of which anything could have been otherwise, then the definitions that differ."""
    since, until, began_at = backtested.since, backtested.until, backtested.reach.began_at
    lines = [f"From {clock(since)} to {clock(until)}, by when events occurred."]
    if began_at is not None and began_at > since:
        lines.append(f"The first event that is stored occurred at {clock(began_at)}; nothing is known of before.")
    lines.append("")
    told = [one for one in backtested.workflows if one.backtest is not None or one.state is not State.UNCHANGED]
    for workflow in told:
        lines += [*_workflow(workflow, backtested), ""]
    for definition in backtested.others:
        if definition.state is not State.UNCHANGED:
            lines += [*definition_lines(definition), ""]
    count = len(backtested.workflows) - len(told)
    if count:
        lines.append(f"{several(count, 'workflow')} unchanged.")
    events = max((one.backtest.events for one in backtested.workflows if one.backtest is not None), default=0)
    said = "Some of it would have been otherwise." if backtested.differs else "Nothing would have been otherwise."
    looked_at = f"{several(backtested.reach.events, 'event')} in the log"
    lines.append(f"Backtested {events:,} of {looked_at} in {backtested.seconds:.1f}s. {said}")
    return "\n".join(shown(line, LONGEST_LINE) for line in lines)


def as_json(backtested: Backtested) -> dict[str, Any]:
    """Everything."""
    began_at = backtested.reach.began_at
    return {
        "since": rfc3339(backtested.since),
        "until": rfc3339(backtested.until),
        "first_event_at": None if began_at is None else rfc3339(began_at),
        "events_in_log": backtested.reach.events,
        "seconds": round(backtested.seconds, 3),
        "differs": backtested.differs,
        "workflows": [
            {
                "name": one.name,
                "state": one.state,
                "version": one.version,
                "differences": differences_json(one.differences),
                "backtest": None if one.backtest is None else _backtest_json(one.backtest, backtested.until),
            }
            for one in backtested.workflows
        ],
        "others": [
            {"kind": one.kind, "name": one.name, "state": one.state, "differences": differences_json(one.differences)}
            for one in backtested.others
        ],
    }


def _workflow(one: BacktestedWorkflow, backtested: Backtested) -> Iterator[str]:
    match one.state:
        case State.NEW:
            yield f"Workflow {one.name}: new."
        case State.GONE:
            yield f"Workflow {one.name}: gone. Nothing would have been said of it, and it is not backtested."
        case _:
            yield f"Workflow {one.name}: {one.state}; version {one.version} is in force."
            yield from (f"  {difference}" for difference in one.differences)
    found = one.backtest
    if found is None:
        return
    yield from _sides(found)
    if found.before is not None:
        total = found.same + sum(group.count for group in found.groups.values())
        yield f"  {found.same:,} of {several(total, 'instance')} would have gone the same way."
    for way, group in _groups(found):
        stuck = f"stuck for {roughly(group.stuck_before)} → {roughly(group.stuck_after)} in all"
        yield f"    {_WAYS[way]}: {group.count:,}" + (f"; {stuck}" if group.stuck_before or group.stuck_after else "")
        for item in group.items:
            yield from _item(item, backtested.until)
    for objective in found.objectives:
        yield from _objective(objective, backtested.until)


def _groups(found: WorkflowBacktest) -> list[tuple[Way, Group]]:
    return [(way, found.groups[way]) for way in Way if way in found.groups]


def _sides(found: WorkflowBacktest) -> list[str]:
    sides = [side for side in (found.before, found.after) if side is not None]
    kinds = [kind for kind in VerdictKind if any(side.verdicts[kind] for side in sides)]
    rows = [
        ["instances under way", *(f"{side.instances:,}" for side in sides)],
        ["deadlines met", *(f"{side.good:,}" for side in sides)],
        ["deadlines missed", *(f"{side.bad:,}" for side in sides)],
        *([f"came to be {_word(kind)}", *(f"{side.verdicts[kind]:,}" for side in sides)] for kind in kinds),
        ["instances stuck", *(f"{side.stuck:,}" for side in sides)],
        ["stuck in all", *(roughly(side.stuck_for) for side in sides)],
    ]
    return table(["", *_heads(sides)], rows, right=range(1, len(sides) + 1))


def _heads(sides: Sequence[object]) -> list[str]:
    return ["in force", "by the files"][-len(sides) :]


def _word(kind: str) -> str:
    return kind.replace("_", " ")


def _item(item: Item, until: int) -> Iterator[str]:
    first = (item.before or item.after)[0]
    yield f"      {shown(first.title)}  {first.id}"
    for head, runs in (("in force:    ", item.before), ("by the files:", item.after)):
        for run in runs:
            named = f"{shown(run.title)}: " if len(runs) > 1 else ""
            yield f"        {head} {named}{_course(run.turns, until)}"


def _course(turns: list[Turn], until: int) -> str:
    if not turns:
        return "nothing"
    ends = [following.at for _, following in pairwise(turns)]
    parts = []
    for turn, end in zip(turns, [*ends, None], strict=True):
        said = f"{_word(turn.kind)} from {clock(turn.at)}"
        if turn.kind in (VerdictKind.STUCK, VerdictKind.BLIND):
            lasted = roughly((until if end is None else end) - turn.at)
            said += f" for {lasted}{' so far' if end is None else ''}"
            said += f" ({turn.waiting_for} does not come)" if turn.waiting_for else ""
        parts.append(said)
    more = len(parts) - MOST_TURNS
    return ", ".join(parts if more <= 0 else [*parts[:MOST_TURNS], f"and {more} more"])


def _objective(one: ObjectiveBacktest, until: int) -> Iterator[str]:
    sides = [side for side in (one.before, one.after) if side is not None]
    if one.before is not None and one.after is not None and not one.differs:
        found = one.after[1]
        judged = f"{_percent(found.budget.ratio)} good" if found.met is not None else "nothing to judge"
        yield f"  Objective {one.name}: would have come to the same, {judged}; {_alerts_counted(found)}."
        return
    state = "gone" if one.after is None else "new" if one.before is None else "would have come to something else"
    yield f"  Objective {one.name}: {state}."
    unit = "slices" if sides[-1][0].in_slices else "items"
    rows = [
        ["target", *(_percent(objective.target) for objective, _ in sides)],
        [f"good {unit}", *(f"{found.budget.good:,}" for _, found in sides)],
        [f"bad {unit}", *(f"{found.budget.bad:,}" for _, found in sides)],
        *_neutral(sides),
        ["good of all", *(_percent(found.budget.ratio) for _, found in sides)],
        ["budget left", *(_percent(found.budget.left) for _, found in sides)],
        ["pages", *(_alert_count(found, "page") for _, found in sides)],
        ["tickets", *(_alert_count(found, "ticket") for _, found in sides)],
    ]
    heads = ["in force"] * bool(one.before) + ["by the files"] * bool(one.after)
    yield from (f"  {line}" for line in table(["", *heads], rows, right=range(1, len(sides) + 1)))
    for head, side in (("in force", one.before), ("by the files", one.after)):
        if side is not None:
            yield from _alerts(head, side[1].alerts, until)


def _neutral(sides: Sequence[tuple[Objective, Attainment]]) -> Iterator[list[str]]:
    """What does not count, as far as there is any."""
    for word in ("waived", "cancelled", "excluded"):
        counts = [getattr(found.reckoned, word) for _, found in sides]
        if any(counts):
            yield [word, *(f"{count:,}" for count in counts)]


def _alert_count(found: Attainment, severity: str) -> str:
    return f"{sum(alert.severity == severity for alert in found.alerts):,}"


def _alerts_counted(found: Attainment) -> str:
    return ", ".join(
        several(sum(alert.severity == severity for alert in found.alerts), severity) for severity in ("page", "ticket")
    )


def _alerts(head: str, alerts: list[BurnAlert], until: int) -> Iterator[str]:
    for alert in alerts[:MOST_ALERTS]:
        lasted = roughly((until if alert.until is None else alert.until) - alert.since)
        still = " so far" if alert.until is None else ""
        long = format_duration(alert.tier.long)
        yield (
            f"    {head}: {alert.severity} from {clock(alert.since)} for {lasted}{still}: {alert.bad:,} bad in {long}, "
            f"{alert.rate:.3g} times as fast as the budget allows"
        )
    if len(alerts) > MOST_ALERTS:
        yield f"    {head}: and {len(alerts) - MOST_ALERTS:,} more"


def _percent(share: float | None) -> str:
    return "nothing to judge" if share is None else f"{share * 100:.4g}%"


def _backtest_json(found: WorkflowBacktest, until: int) -> dict[str, Any]:
    return {
        "events": found.events,
        "in_force": _side_json(found.before),
        "by_files": _side_json(found.after),
        "same": found.same,
        "ways": [
            {
                "way": way,
                "count": group.count,
                "stuck_seconds": {"in_force": _seconds(group.stuck_before), "by_files": _seconds(group.stuck_after)},
                "items": [
                    {
                        "in_force": [_run_json(run, until) for run in item.before],
                        "by_files": [_run_json(run, until) for run in item.after],
                    }
                    for item in group.items
                ],
            }
            for way, group in _groups(found)
        ],
        "objectives": [
            {
                "name": one.name,
                "differs": one.differs,
                "in_force": _outcome_json(one.before),
                "by_files": _outcome_json(one.after),
            }
            for one in found.objectives
        ],
    }


def _side_json(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "instances": side.instances,
        "verdicts": {kind.value: side.verdicts[kind] for kind in VerdictKind if side.verdicts[kind]},
        "stuck": side.stuck,
        "stuck_seconds": _seconds(side.stuck_for),
        "deadlines": {"good": side.good, "bad": side.bad},
    }


def _run_json(run: Run, until: int) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "title": run.title,
        "stuck_seconds": _seconds(stuck_time(run, until)),
        "verdicts": [
            {"at": rfc3339(turn.at), "verdict": turn.kind, "reason": turn.reason, "waiting_for": turn.waiting_for}
            for turn in run.turns
        ],
    }


def _outcome_json(side: tuple[Objective, Attainment] | None) -> dict[str, Any] | None:
    if side is None:
        return None
    objective, found = side
    return {
        "target": objective.target,
        **{name: int(count) for name, count in found.reckoned._asdict().items()},
        "ratio": found.budget.ratio,
        "budget_allowed": found.budget.allowed,
        "budget_left_ratio": found.budget.left,
        "met": found.met,
        "alerts": [
            {
                "severity": alert.severity,
                "since": rfc3339(alert.since),
                "until": None if alert.until is None else rfc3339(alert.until),
                "bad": alert.bad,
                "within_seconds": _seconds(alert.tier.long),
                "burn_rate": round(alert.rate, 6),
            }
            for alert in found.alerts
        ],
    }


def _seconds(micros: int) -> float:
    return micros / 1_000_000
