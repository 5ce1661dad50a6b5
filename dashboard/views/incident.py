"""One incident: how many it holds up over time, what sets them apart, who is told, what was done, and what can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import WITHOUT_INSTANCES, Links
from dashboard.query_port import Row
from dashboard.viewer import viewing
from dashboard.views.incidents import is_acknowledged, is_postponed

ACTS = (
    ("acknowledge", "Acknowledge"),
    ("withdraw", "Take back"),
    ("assign", "Assign"),
    ("comment", "Comment"),
    ("postpone", "Postpone"),
    ("silence", "Silence"),
    ("link", "Link a change"),
    ("resolve", "Resolve"),
)
ALSO_WHEN_OVER = ("comment", "link")
MATCHED_BY = ("verdict", "workflow", "waiting_for", "source", "reason")
"""What a silence of an incident matches by: the parts of its cause."""
_QUIET = ("told",)
"""Lines of the timeline that what was delivered says better."""
_WITH_END = ("acknowledged", "postponed")
_INSTANT = re.compile(r"(?<=^until )\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_EVER = datetime.min.replace(tzinfo=UTC)
_TOLD = {
    "first": "It fires",
    "escalated": "Escalated",
    "grown": "It has grown",
    "raised": "Graver than before",
    "unmuted": "It still fires, and nothing keeps it quiet any more",
    "repeat": "It still fires",
    "resolved": "Resolved",
    "new_in_group": "Another cause of the group",
    "some_resolved": "A cause of the group is resolved",
    "group_wait": "Not yet: it waits for others",
    "catching_up": "Not yet: it may catch up by itself",
    "not_grown": "Told; nothing new to tell",
    "too_soon": "Told; too soon to tell again",
    "never_told": "Never told",
    "already_resolved": "Told that it is resolved",
    "silenced": "Silenced",
    "maintenance": "Quiet: maintenance",
    "inhibited": "Quiet: another incident says it",
    "postponed": "Postponed",
    "acknowledged": "Acknowledged",
    "outside_hours": "Outside of hours",
    "escalates_later": "Not yet: a later step",
    "disabled": "Takes no messages",
    "no_longer_routed": "No longer routed here",
    "drained": "Drained: resolved unless it comes back",
}
_STATES = {
    "delivered": "told",
    "pending": "is being told",
    "dead": "could not be told",
    "dropped": "was not told any more",
}
_HAPPENED = {
    "opened": "Opened",
    "parted": "Parted",
    "drained": "Nothing is held up any more",
    "severity": "Severity changed",
    "unacknowledged": "Took the acknowledgement back",
    "commented": "Commented",
    "linked": "Linked a change",
    "called_resolved": "Called it resolved",
}


def headline(i: Row, now: datetime) -> list[Any]:
    """`Firing, critical. 412 instances worth $48k, the oldest for 4 h.`"""
    return [
        c.badge(i["status"]),
        html.Span(i["severity"], className=f"severity severity-{i['severity']}"),
        html.Span(f"acknowledged by {i['acknowledged_by']}", className="pill") if _handled(i, now) else None,
        html.Span(f"called resolved by {i['settled_by']}", className="pill")
        if _firing(i) and i.get("settled_by")
        else None,
        html.Span("postponed", className="pill") if _firing(i) and is_postponed(i, now) else None,
    ]


def going_words(i: Row, now: datetime) -> str:
    """How the population goes on: `Shrinks by 120 an hour: drained at 16:40 UTC at this pace.`"""
    going = i.get("trend")
    if not _firing(i):
        resolved, opened = wording.moment(i["resolved_at"]), wording.moment(i["opened_at"])
        if resolved is None or opened is None:
            return "It is over."
        return f"It is over: it lasted {wording.duration((resolved - opened).total_seconds())}."
    if going is None:
        return "How it goes on is told once some minutes of it are known."
    pace = going["per_hour"]
    figure = viewing.get().number(abs(pace), 1) if abs(pace) < 10 else wording.count(abs(pace))
    if abs(pace) < 0.05:
        return "It neither grows nor shrinks."
    if pace > 0:
        return f"It grows by {figure} an hour."
    at = wording.moment(going["drained_at"])
    if at is None:
        return f"It shrinks by {figure} an hour: at this pace it is not drained within a day."
    left = wording.rough((at - now).total_seconds())
    return f"It shrinks by {figure} an hour: drained in {left}, at {wording.zoned_clock(at)}, at this pace."


def acts(i: Row, now: datetime) -> list[Any]:
    """The buttons; what the browser needs for their forms stands in the data of what holds them."""
    offered = [
        (act, label)
        for act, label in ACTS
        if (_firing(i) or act in ALSO_WHEN_OVER)
        and (act != "withdraw" or _handled(i, now))
        and (act != "resolve" or not i.get("settled_by"))
    ]
    match = {name: i[name] for name in MATCHED_BY if i.get(name)}
    buttons = [
        html.Button(label, className="act" + (" primary" if act == offered[0][0] else ""), **{"data-incident-act": act})
        for act, label in offered
    ]
    return [
        html.Div(
            buttons,
            id="incident-acts",
            className="incident-acts",
            role="group",
            **{
                "aria-label": "Acts",
                "data-incident": i["id"],
                "data-title": i["title"],
                "data-assignee": i.get("assignee") or "",
                "data-match": orjson.dumps(match).decode(),
            },
        )
    ]


def summary(i: Row, now: datetime, links: Links) -> Any:
    return c.facts(
        [
            (_held_label(i), dcc.Link(wording.count(i["count"]), href=links.held_up_by(i))),
            ("Most at once", wording.count(i["peak_count"])),
            ("Value", wording.money(i["value"])),
            ("Oldest", c.age(i["oldest_since"], now)),
            ("Assigned to", i.get("assignee") or wording.DASH),
            ("Taken on", _taken_on(i, now)),
            *([("Postponed", _postponed(i, now))] if _firing(i) and is_postponed(i, now) else []),
            ("Opened", c.when(i["opened_at"], now)),
            *([] if _firing(i) else [("Resolved", c.when(i["resolved_at"], now))]),
        ]
    )


def cause(i: Row, links: Links) -> Any:
    reason = wording.REASON_LABELS.get(i.get("reason") or "", wording.humanise(i.get("reason")))
    workflow = i["workflow"]
    why: list[tuple[str, Any]]
    if i["verdict"] == "burning":
        why = [("Source", i["source"])] if i["source"] else []
        why.append(("Objective", dcc.Link(reason, href=links.held_up_by(i))))
    else:
        why = [
            ("Waiting for", wording.humanise(i["waiting_for"])),
            ("From", i["source"] or wording.DASH),
            ("Reason", reason),
        ]
    return c.facts(
        [
            ("Verdict", c.badge(i["verdict"])),
            (
                "Workflow",
                dcc.Link(wording.humanise(workflow), href=links.flows(workflow)) if workflow else wording.DASH,
            ),
            *why,
            ("Owner", i["owner"] or wording.DASH),
            ("Runbook", _outside(i.get("runbook"), i.get("runbook"))),
        ]
    )


def apart(i: Row, links: Links) -> Any:
    """`92% have connector 2.3, 12% of the others`, one line and bar for each, with the lists that it parts."""
    items: Sequence[Row] = i.get("apart") or ()
    if not items:
        return c.quiet("Nothing that is known of them sets them apart from the others.")
    return html.Ul([html.Li([*_apart(one), _parts(i, one, links)]) for one in items], className="apart")


def _parts(i: Row, one: Row, links: Links) -> Any:
    """The two lists into which a value parts what is held up, where it parts it."""
    attribute, value = one["attribute"], str(one["value"])
    if value.endswith("…") or one["held"] >= one["held_of"]:
        return None
    told = (f"those with {attribute} {value}", "the others it holds up" if _firing(i) else "the others it held up")
    if _firing(i) and one["held_of"] == i["count"]:
        # Where they are few, all of them were compared.
        told = (f"the {one['held']:,} with {attribute} {value}", f"the other {one['held_of'] - one['held']:,}")
    return html.Div(
        [
            dcc.Link(told[0], href=links.part_of(i, attribute, value), className="under"),
            " · ",
            dcc.Link(told[1], href=links.part_of(i, attribute, value, others=True), className="under"),
        ],
        className="muted apart-parts",
    )


def _apart(one: Row) -> list[Any]:
    held, others = (_ratio(one[name], one[f"{name}_of"]) for name in ("held", "others"))
    bars = [
        html.Div(
            html.Div(className=f"apart-{name}", style={"width": f"{share * 100:.1f}%"}),
            className="apart-bar",
            **{"aria-hidden": "true"},
        )
        for name, share in (("held", held), ("others", others))
    ]
    return [
        html.Div(
            [
                html.Strong(f"{wording.percent(held)} have {one['attribute']} {one['value']}"),
                html.Span(f", {wording.percent(others)} of the others", className="muted"),
            ],
            title="{} of {}, and {} of {} others".format(
                *(wording.count(one[name]) for name in ("held", "held_of", "others", "others_of"))
            ),
        ),
        *bars,
    ]


def whom(i: Row, now: datetime) -> Any:
    if not _firing(i):
        return c.quiet("It is over. Whoever was told that it fires is told that it resolved, and nobody else.")
    decided = [
        [one["target"], told_label(one["reason"]), one["because"] or wording.DASH, c.when(one["until"], now)]
        for one in i.get("whom") or ()
    ]
    if not decided:
        return c.quiet("No route takes it: nobody is told.")
    return c.table(("Target", "Decided", "Why", "Until"), decided, "Who is told, and why")


def timeline(i: Row) -> Any:
    """What happened, what people did and who was told, the newest first."""
    lines = [
        (one["at"], "act" if one.get("by") else one["what"], _happened(one), _detail(one))
        for one in i.get("timeline") or ()
        if one["what"] not in _QUIET
    ]
    lines += [
        (one["at"], f"delivery-{one['state']}", _delivered(one), _attempts(one)) for one in i.get("deliveries") or ()
    ]
    lines.sort(key=lambda line: wording.moment(line[0]) or _EVER, reverse=True)
    return html.Ol(
        [
            html.Li(
                [
                    html.Span(className=f"dot dot-{kind}", **{"aria-hidden": "true"}),
                    c.at_time(at),
                    html.Div([html.Span(said, className="strong"), html.Span(more, className="note-text")]),
                ]
            )
            for at, kind, said, more in lines
        ],
        className="incident-timeline",
    )


def changes(i: Row, now: datetime) -> Any:
    found = i.get("changes") or ()
    if not found:
        return c.quiet("None yet. Link the deployment or ticket that it comes from, or that mends it.")
    return html.Ul(
        [
            html.Li(
                [
                    _outside(one["url"], one["title"]),
                    html.Span([" ", one["by"], ", ", c.when(one["at"], now)], className="muted"),
                ]
            )
            for one in found
        ],
        className="plain-list",
    )


def told_label(reason: str) -> str:
    """What was decided of a target, in words."""
    return _TOLD.get(reason, wording.humanise(reason))


def _happened(one: Row) -> str:
    what = _HAPPENED.get(one["what"], wording.humanise(one["what"]))
    return f"{one['by']} {what[:1].lower()}{what[1:]}" if one.get("by") else what


def _detail(one: Row) -> str:
    """The detail, with an instant in it as people write it; what people wrote stays as it is."""
    if one["what"] not in _WITH_END:
        return str(one["detail"])
    return _INSTANT.sub(lambda found: wording.instant(found[0]), one["detail"], count=1)


def _delivered(one: Row) -> str:
    return f"{one['target']} {_STATES.get(one['state'], one['state'])}: {told_label(one['reason']).lower()}"


def _attempts(one: Row) -> str:
    if one["state"] == "delivered" and one["attempts"] == 1:
        return ""
    last = f", the last answered {one['last_status']}" if one["last_status"] else ""
    return f"{wording.plural(one['attempts'], 'attempt')}{last}"


def _taken_on(i: Row, now: datetime) -> Any:
    if not _handled(i, now):
        return wording.DASH
    if not i.get("acknowledged_until"):
        return f"{i['acknowledged_by']}, until it resolves"
    return html.Span([f"{i['acknowledged_by']}, ends ", c.when(i["acknowledged_until"], now)])


def _postponed(i: Row, now: datetime) -> Any:
    return html.Span([f"by {i.get('postponed_by') or wording.DASH}, ends ", c.when(i["postponed_until"], now)])


def _held_label(i: Row) -> str:
    return "Counted" if i["verdict"] in WITHOUT_INSTANCES else "Instances"


def _handled(i: Row, now: datetime) -> bool:
    return _firing(i) and is_acknowledged(i, now)


def _firing(i: Row) -> bool:
    return bool(i["status"] == "firing")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _outside(url: str | None, label: str | None) -> Any:
    """A link out of the dashboard, where it is one that a browser may be sent to."""
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return label or wording.DASH
    return html.A(label, href=url, target="_blank", rel="noopener noreferrer", className="under outside")
