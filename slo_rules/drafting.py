"""A draft of a workflow definition from what a log says, for a person to edit: YAML with the evidence in comments.

The draft is a valid definition as it stands. What only people know is written CHANGE-ME.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
import yaml

from slo_rules.candidate_keys import propose
from slo_rules.discovery import Activity, ActivityCount, Discovery, Graph
from slo_rules.durations import format_duration
from slo_rules.filters import SPAN_TYPE
from slo_rules.identity import normalise_key
from slo_rules.instants import rfc3339
from slo_rules.naming import key_name, new_name
from slo_rules.observation import LONGEST_CURRENCY
from slo_rules.path_survey import PathFacts, Survey, is_writable
from slo_rules.rounding import roughly, round_up, spell_share
from slo_rules.succession import MOST_STAGES, Stage, stages
from slo_rules.workflow import KeyRule

USUAL = 0.8
"""The share of the cases under way that must take a step for a deadline on it not to hold up the others."""
RARE = 0.01
"""The share of cases in which something may be contrary for that to be a fault in the data, and not how it goes."""
MOST_ATTRIBUTES = 12
MOST_ATTRIBUTE_VALUES = 12
MOST_LEFT_OUT = 40
_LONGEST_QUOTE = 60
_LONGEST_TITLE = 200

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS_OF_YAML = ("true", "false", "null")
_AMOUNT_WORDS = ("amount", "value", "total", "price", "sum", "cost", "revenue")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


class NothingToDraft(Exception):
    """There is no activity that a definition could name."""


class DraftOptions(msgspec.Struct, frozen=True):
    """Activities in fewer cases than `coverage` (a share) are left out; deadlines cover `percentile` of 100 cases."""

    coverage: float = 0.05
    percentile: float = 95


def draft(discovery: Discovery, graph: Graph, survey: Survey, options: DraftOptions) -> str:
    """The draft; the survey is of the events that belong to the cases. Raises NothingToDraft."""
    kept, rare = _kept(graph, options.coverage)
    found = stages(discovery.traces, kept, options.percentile)
    entity = discovery.rules[0].namespace
    lines = [
        f"# A draft of what {graph.events:,} events of {graph.cases:,} cases say, each once, {_period(graph)}.",
        f"# {graph.keyless:,} other events carry none of its keys.",
        "# It is valid as it stands; read every line, and write your own words for CHANGE-ME.",
        "apiVersion: milepost/v1",
        "kind: Workflow",
        "metadata:",
        f"  name: {_scalar(entity)}",
        "  domain: CHANGE-ME   # groups workflows on the overview",
        "  owner: CHANGE-ME    # whose it is where a milestone says nothing else",
        "spec:",
        f"  entity: {_scalar(entity)}",
        *_keys(discovery, survey),
        *_attributes(discovery.rules, survey),
        *_value(survey),
        "  milestones:",
        *_milestones(found, graph, options.percentile),
        *_orphans(discovery, found),
        *_left_out(rare, graph.cases, options.coverage),
    ]
    return "\n".join(lines) + "\n"


def _kept(graph: Graph, coverage: float) -> tuple[set[Activity], list[ActivityCount]]:
    nameable = [one for one in graph.activities if _nameable(one.activity)]
    if not nameable:
        raise NothingToDraft("no event of a case has a source and a type that a definition can name")
    frequent = [one for one in nameable if one.cases >= coverage * graph.cases] or nameable[:1]
    kept = {one.activity for one in frequent[:MOST_STAGES]}
    return kept, [one for one in graph.activities if one.activity not in kept]


def _nameable(activity: Activity) -> bool:
    names = [activity.source, activity.type, *([activity.name] if activity.type == SPAN_TYPE else [])]
    return all(is_writable(name) and name.strip() for name in names)


# Keys, attributes, value


def _keys(discovery: Discovery, survey: Survey) -> list[str]:
    lines = ["  keys:"]
    used = {path for rule in discovery.rules for path in rule.paths}
    taken = {rule.namespace for rule in discovery.rules}
    for rule in discovery.rules:
        paths = ", ".join(map(_scalar, rule.paths))
        path = paths if len(rule.paths) == 1 else f"[{paths}]"
        seen = _of(discovery.carried[rule.namespace], survey.events, "events")
        lines.append(f"    {_scalar(rule.namespace)}: {{path: {path}}}   # on {seen}")
    for one in propose(survey):
        if one.path not in used:
            name = key_name(one.path, taken)
            lines.append(
                f"    # {_scalar(name)}: {{path: {_scalar(one.path)}, joins: false}}   # some {one.values:,} values, "
                f"{one.per_value:.1f} events each"
            )
    return lines


def _attributes(rules: Iterable[KeyRule], survey: Survey) -> list[str]:
    used = {path for rule in rules for path in rule.paths}
    found = [
        (path, facts)
        for path, facts in survey.paths.items()
        if path not in used
        and 2 <= len(_told(facts)) <= MOST_ATTRIBUTE_VALUES
        and _describes(path, facts, survey.events)
    ]
    if not found:
        return []
    found.sort(key=lambda pair: (-pair[1].events, len(_told(pair[1])), pair[0]))
    taken: set[str] = set()
    lines = ["  attributes:"]
    for path, facts in found[:MOST_ATTRIBUTES]:
        told = sorted(_told(facts).items(), key=lambda pair: (-pair[1], pair[0]))
        shown = ", ".join(f"{_quote(value)} {spell_share(count / facts.events)}" for value, count in told[:3])
        more = "" if len(told) <= 3 else ", …"
        name = new_name(path.rpartition(".")[2], taken, "attribute")
        lines.append(f"    {_scalar(name)}: {_scalar(path)}   # {len(told)} values: {shown}{more}")
    return lines


def _told(facts: PathFacts) -> dict[str, int]:
    """The values that are no placeholders, with their number of events; nothing where only some values are known."""
    if facts.level:
        return {}
    return {value: told.events for value, told in facts.values.items() if normalise_key(value) is not None}


def _describes(path: str, facts: PathFacts, events: int) -> bool:
    """Whether it says something of the object: on many events, and neither a time, a measure, nor the type again."""
    if facts.floats or facts.times or facts.echoes == facts.events or _amount_rank(path, facts) is not None:
        return False
    return facts.events * 5 >= events


def _value(survey: Survey) -> list[str]:
    amounts = [(rank, path) for path, facts in survey.paths.items() if (rank := _amount_rank(path, facts)) is not None]
    if not amounts:
        return []
    _, amount = min(amounts, key=lambda pair: (pair[0], -survey.paths[pair[1]].events, pair[1]))
    parent = amount.rpartition(".")[0]
    currencies = [path for path, facts in survey.paths.items() if _is_currency(path, facts)]
    currencies.sort(key=lambda path: (path.rpartition(".")[0] != parent, -survey.paths[path].events, path))
    seen = f"on {_of(survey.paths[amount].events, survey.events, 'events')}"
    if not currencies:
        return [f"  value: {{amount: {_scalar(amount)}}}   # {seen}; no currency found"]
    return [f"  value: {{amount: {_scalar(amount)}, currency: {_scalar(currencies[0])}}}   # {seen}"]


def _amount_rank(path: str, facts: PathFacts) -> int | None:
    name = path.rpartition(".")[2].casefold()
    rank = next((place for place, word in enumerate(_AMOUNT_WORDS) if word in name), None)
    numbers = sum(_NUMBER.fullmatch(value) is not None for value in facts.values)
    return rank if rank is not None and numbers * 20 >= len(facts.values) * 19 > 19 else None


def _is_currency(path: str, facts: PathFacts) -> bool:
    named = "curr" in path.rpartition(".")[2].casefold()
    return named and all(len(one) <= LONGEST_CURRENCY and _CURRENCY.fullmatch(one) for one in facts.values)


# Milestones


def _milestones(found: list[Stage], graph: Graph, percent: float) -> list[str]:
    taken: set[str] = set()
    names = {stage.activity: new_name(stage.activity.label, taken, "step") for stage in found}
    completing = max(range(len(found)), key=lambda place: (found[place].ends, place))
    lines = []
    for place, stage in enumerate(found):
        activity = stage.activity
        lines.append(f"    - name: {_scalar(names[activity])}   # in {_of(stage.cases, graph.cases, 'cases')}")
        if activity.label != names[activity] and len(activity.label) <= _LONGEST_TITLE:
            lines.append(f"      title: {_scalar(activity.label)}")
        lines.append(f"      on: {_filter(activity)}")
        if stage.after is None:
            lines.append(f"      starts: true   # {_of(stage.starts, graph.cases, 'cases')} begin here")
        else:
            agreeing = _of(stage.agreeing, stage.cases, "cases with this step")
            lines.append(f"      after: {_scalar(names[stage.after])}   # in {agreeing}")
            if stage.contrary > RARE * stage.cases:
                lines.append(f"      any_order: true   # before it in {_of(stage.contrary, stage.cases, 'cases')}")
            lines += _within(stage, percent, completes=place == completing)
        lines.append("      # owner: CHANGE-ME")
        if place == completing:
            lines.append(f"      completes: true   # {_of(stage.ends, graph.cases, 'cases')} end here")
    return lines


def _orphans(discovery: Discovery, found: list[Stage]) -> list[str]:
    """Where more than a few cases have no start, as in a log that was cut off, that is no fault of theirs."""
    steps = {stage.activity for stage in found}
    starts = {stage.activity for stage in found if stage.after is None}
    cases = orphans = 0
    for trace in discovery.traces():
        came = steps & {step.activity for step in trace}
        cases += bool(came)
        orphans += bool(came) and came.isdisjoint(starts)
    return [f"  orphans: tolerate   # no start in {_of(orphans, cases, 'cases')}"] if orphans > RARE * cases else []


def _within(stage: Stage, percent: float, *, completes: bool) -> list[str]:
    """The deadline; where few take the step, nobody is to wait for it, unless that is how cases end."""
    assert stage.timing is not None
    assert stage.within is not None
    figures = f"median {roughly(stage.timing.median)}, p{percent:g} {roughly(stage.within)}, n {stage.timing.count:,}"
    promise = round_up(stage.within)
    if promise is None:
        within = f"within: nothing that anybody would promise ({figures})"
    else:
        within = f"within: {format_duration(promise)}   # {figures}"
    if stage.following >= USUAL:
        return [f"      {'# ' if promise is None else ''}{within}"]
    few = f"{spell_share(stage.following)} of those that got as far took this step"
    if completes:
        return [f"      # {within}; {few} so far"]
    return [f"      optional: true   # {few}", f"      # {within}"]


def _left_out(rare: list[ActivityCount], cases: int, coverage: float) -> list[str]:
    if not rare:
        return []
    lines = [
        f"  # Left out: in fewer than {coverage * 100:g}% of the cases, or more than {MOST_STAGES} milestones.",
        "  # What is named under 'observes' adds keys and attributes without being a milestone.",
        "  # observes:",
    ]
    lines += [
        f"  #   - {_filter(one.activity)}   # in {_of(one.cases, cases, 'cases')}" for one in rare[:MOST_LEFT_OUT]
    ]
    if len(rare) > MOST_LEFT_OUT:
        lines.append(f"  #   and {len(rare) - MOST_LEFT_OUT:,} more kinds of event")
    return lines


def _filter(activity: Activity) -> str:
    if activity.type == SPAN_TYPE:
        return f"{{span: {{exact: {{service: {_scalar(activity.source)}, name: {_scalar(activity.name)}}}}}}}"
    return f"{{exact: {{source: {_scalar(activity.source)}, type: {_scalar(activity.type)}}}}}"


# Words


def _scalar(text: str) -> str:
    """The text in YAML, on one line, so that it is read as that text and nothing else."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    return str(yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=10**9)).rstrip("\n")


def _quote(text: str) -> str:
    return _scalar(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")


def _of(part: int, whole: int, what: str) -> str:
    return f"{part:,} of {whole:,} {what} ({spell_share(part / whole)})"


def _period(graph: Graph) -> str:
    assert graph.first_at is not None
    assert graph.last_at is not None
    return f"{rfc3339(graph.first_at)[:10]} to {rfc3339(graph.last_at)[:10]}"
