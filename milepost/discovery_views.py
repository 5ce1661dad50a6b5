"""What `milepost discover` prints: tables for people, JSON for programs, DOT for Graphviz."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from milepost.discovering import Discovered
from milepost.plain_text import shown, table
from slo_rules.candidate_keys import CandidateKey
from slo_rules.discovery import Activity, Timing
from slo_rules.instants import rfc3339
from slo_rules.rounding import roughly, spell_share

MOST_ROWS = 40


def printed(found: Discovered, form: str, coverage: float) -> str:
    """As `table`, `json` or `dot`."""
    match form:
        case "json":
            return orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2).decode()
        case "dot":
            return as_dot(found, coverage)
        case _:
            return as_text(found)


def as_text(found: Discovered) -> str:
    """The candidates where the key was chosen for the asker, the activities and the edges."""
    graph = found.graph
    lines = [
        f"{graph.events:,} events of {graph.cases:,} cases, {_instant(graph.first_at)} to {_instant(graph.last_at)}."
    ]
    lines += notes(found)
    if found.candidates:
        lines += ["", f"No --key was given; {shown(found.rules[0].paths[0])} is taken, the likeliest of:", ""]
        lines += _candidates(found.candidates)
    lines += ["", "Activities", ""]
    rows = [
        [
            shown(one.activity.label),
            shown(one.activity.source, 40),
            f"{one.cases:,}",
            spell_share(one.cases / graph.cases),
            f"{one.events:,}",
            f"{one.starts:,}",
            f"{one.ends:,}",
        ]
        for one in graph.activities[:MOST_ROWS]
    ]
    lines += table(["activity", "source", "cases", "", "events", "starts", "ends"], rows, right=(2, 3, 4, 5, 6))
    lines += _more(len(graph.activities), "activities")
    lines += ["", "Directly followed by", ""]
    known = Counter(one.activity.label for one in graph.activities)

    def told(activity: Activity) -> str:
        """With its source where others send the same."""
        return shown(activity.label + (f" ({activity.source})" if known[activity.label] > 1 else ""), 50)

    rows = [
        [
            told(edge.before),
            told(edge.after),
            f"{edge.timing.count:,}",
            *map(roughly, (edge.timing.median, edge.timing.p90, edge.timing.p95)),
        ]
        for edge in graph.edges[:MOST_ROWS]
    ]
    lines += table(["from", "to", "times", "median", "p90", "p95"], rows, right=(2, 3, 4, 5))
    lines += _more(len(graph.edges), "edges")
    return "\n".join(lines)


def notes(found: Discovered) -> list[str]:
    """What the asker must know to read the figures."""
    graph = found.graph
    lines = []
    if found.limited:
        lines.append(f"Only {found.events:,} events were looked at (--limit): cases may lack their beginning or end.")
    if graph.keyless:
        lines.append(f"{graph.keyless:,} of {found.events:,} events carry no usable key and belong to no case.")
    if graph.cut:
        lines.append(f"{graph.cut:,} cases have more than a thousand events; only their earliest count.")
    if found.unusable:
        lines.append(f"{found.unusable:,} records could not be used:")
        lines += [f"  {shown(fault, 200)}" for fault in found.faults]
    return lines


def as_json(found: Discovered) -> dict[str, Any]:
    """Everything; times in seconds."""
    graph = found.graph
    return {
        "events": graph.events,
        "cases": graph.cases,
        "looked_at": found.events,
        "limited": found.limited,
        "keyless": graph.keyless,
        "cut_cases": graph.cut,
        "unusable": found.unusable,
        "faults": found.faults,
        "first_at": rfc3339(graph.first_at) if graph.first_at is not None else None,
        "last_at": rfc3339(graph.last_at) if graph.last_at is not None else None,
        "keys": [{"name": rule.namespace, "paths": list(rule.paths)} for rule in found.rules],
        "candidates": [{name: getattr(one, name) for name in one.__struct_fields__} for one in found.candidates],
        "activities": [
            _activity(one.activity) | {"cases": one.cases, "events": one.events, "starts": one.starts, "ends": one.ends}
            for one in graph.activities
        ],
        "edges": [
            {"from": _activity(edge.before), "to": _activity(edge.after), "cases": edge.cases} | _timing(edge.timing)
            for edge in graph.edges
        ],
    }


def as_dot(found: Discovered, coverage: float) -> str:
    """A digraph of the activities and edges in at least this share of the cases."""
    graph = found.graph
    least = coverage * graph.cases
    kept = {one.activity: f"n{place}" for place, one in enumerate(graph.activities) if one.cases >= least}
    edges = [edge for edge in graph.edges if edge.before in kept and edge.after in kept and edge.cases >= least]
    left_out = f"{len(graph.activities) - len(kept)} activities and {len(graph.edges) - len(edges)} edges"
    lines = [
        "digraph milepost {",
        f"  // In fewer than {spell_share(coverage)} of the cases and left out: {left_out}.",
        "  rankdir=LR;",
        '  node [shape=box, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        '  start [shape=circle, label=""];',
        '  end [shape=doublecircle, label=""];',
    ]
    for one in graph.activities:
        if name := kept.get(one.activity):
            lines.append(
                f"  {name} [label={_quoted(one.activity.label, one.activity.source, f'{one.cases:,} cases')}];"
            )
            lines += (
                [f'  start -> {name} [label="{one.starts:,}", style=dashed];'] if one.starts >= max(least, 1) else []
            )
            lines += [f'  {name} -> end [label="{one.ends:,}", style=dashed];'] if one.ends >= max(least, 1) else []
    for edge in edges:
        figures = f"{edge.timing.count:,}", f"median {roughly(edge.timing.median)}", f"p95 {roughly(edge.timing.p95)}"
        width = 1 + 4 * edge.cases / graph.cases
        lines.append(f"  {kept[edge.before]} -> {kept[edge.after]} [label={_quoted(*figures)}, penwidth={width:.1f}];")
    return "\n".join([*lines, "}"])


def _candidates(candidates: list[CandidateKey]) -> list[str]:
    rows = [
        [
            shown(one.path),
            spell_share(one.share),
            f"{one.values:,}",
            f"{one.per_value:.1f}",
            spell_share(one.linking),
            f"{one.repetition:.1f}",
            f"{one.activities} / {one.sources}",
            shown(one.example, 30),
        ]
        for one in candidates
    ]
    head = ["path", "on events", "values", "events each", "link kinds", "repeats a kind", "kinds / sources", "such as"]
    return table(head, rows, right=(1, 2, 3, 4, 5, 6))


def _more(count: int, what: str) -> list[str]:
    return [f"  and {count - MOST_ROWS:,} more {what}; --format json has them all."] if count > MOST_ROWS else []


def _activity(activity: Activity) -> dict[str, str]:
    named = {"source": activity.source, "type": activity.type}
    return named | {"name": activity.name} if activity.name else named


def _timing(timing: Timing) -> dict[str, Any]:
    seconds = {name: getattr(timing, name) / 1e6 for name in ("median", "p90", "p95")}
    return {"count": timing.count} | {f"{name}_seconds": value for name, value in seconds.items()}


def _instant(micros: int | None) -> str:
    return rfc3339(micros)[:10] if micros is not None else "nowhen"


def _quoted(*lines: str) -> str:
    escaped = (shown(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
