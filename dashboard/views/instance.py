"""One instance: what it waits for and why, its journey, its spans and the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from dash import dcc, html

from dashboard import components as c
from dashboard import phrases, wording
from dashboard.elements import Element, element
from dashboard.journey import part_words
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row
from dashboard.retelling import retold
from dashboard.viewer import viewing
from dashboard.views.incidents import incident_line
from dashboard.views.instance_acts import accept_button, acts_bar, apart_button
from dashboard.waterfall import MOST_SPANS, Trace

MOST_PARTS = 20


def head(i: Row, now: datetime, links: Links) -> Any:
    back = links.worklist(workflow=i["workflow"], verdict=NEEDS_A_PERSON)
    return html.Header(
        [
            html.Div(
                [
                    dcc.Link("Worklist", href=links.worklist(verdict=NEEDS_A_PERSON)),
                    html.Span("/", className="muted"),
                    dcc.Link(wording.humanise(i["workflow"]), href=back),
                ],
                className="crumbs",
            ),
            html.Div([html.H1(i["title"]), c.badge(i["verdict"])], className="title-row"),
            html.P(retold(i["explanation"]), className="lead"),
            _unread(i),
            acts_bar(i),
            _facts(i, now, links),
        ],
        className="page-head",
    )


def _unread(i: Row) -> html.P | None:
    """Why nothing more is known of it, and what to do; None where it can be read."""
    said = i.get("unreadable")
    return html.P(f"{said['why']} {said['what_to_do']}", className="notice crit") if said else None


def _facts(i: Row, now: datetime, links: Links) -> Any:
    open_now = i["verdict"] in OPEN
    # what is told from now would be told wrongly of another time
    then = i.get("known_at")
    when: Any = c.at_time if then else partial(c.when, now=now)
    pairs: list[tuple[str, Any]] = []
    if open_now and i.get("waiting_for"):
        pairs.append(("Waiting for", i.get("waiting_for_title") or wording.humanise(i["waiting_for"])))
        pairs.append(
            ("From", dcc.Link(i["source_awaited"], href=links.sources()) if i["source_awaited"] else wording.DASH)
        )
    pairs.append(
        (
            "Owner",
            dcc.Link(i["owner"], href=links.worklist(owner=i["owner"], verdict=OPEN)) if i["owner"] else wording.DASH,
        )
    )
    pairs.append(("Value", wording.money(i["value"])))
    if open_now and i.get("deadline_at"):
        pairs.append(("Deadline", when(i["deadline_at"])))
    if waiver := i.get("waiver"):
        pairs.append(("Waived by", waiver["by"]))
        pairs.append(("Because", waiver["reason"]))
        pairs.append(("Waived until", when(waiver["until"])))
        pairs.append(("Without that", c.badge(waiver["verdict_beneath"])))
    held = i.get("stuck_since") or (i.get("since") if i["verdict"] in NEEDS_A_PERSON else None)
    if held:
        pairs.append(("Held up since", c.at_time(held)) if then else ("Held up for", c.age(held, now)))
    pairs.append(("Started", when(i["started_at"])))
    pairs.append(("Last event", when(i["updated_at"])))
    pairs += [(wording.humanise(k), str(v)) for k, v in (i.get("attributes") or {}).items()]
    return c.facts(pairs)


def why(i: Row) -> Any:
    lines = i.get("arithmetic") or []
    if not lines:
        return c.quiet(_NOT_KNOWN if i.get("unreadable") else "No deadline is running.")
    return html.Ol([html.Li(retold(line)) for line in lines], className="arithmetic")


_NOT_KNOWN = "Not known any more."


def journey_table(i: Row) -> Any:
    if not i["journey"] and i.get("unreadable"):
        return c.quiet(_NOT_KNOWN)
    rows = [
        [
            _milestone(j),
            _state(j),
            c.at_time(j["at"]),
            _deadline(j),
            j["source"] or wording.DASH,
            j["owner"] or wording.DASH,
        ]
        for j in i["journey"]
    ]
    return c.table(("Milestone", "State", "Reached", "Deadline", "Source", "Owner"), rows, "Journey", "journey")


def _milestone(j: Row) -> Any:
    title = html.Div(
        [c.mark(j["state"]), html.Span(j["title"] or wording.humanise(j["name"]), className="strong")], className="row"
    )
    parts = sorted(j.get("parts") or [], key=lambda part: (part["at"] is not None, part["deadline_at"] or ""))
    if not parts:
        return title
    lines = [html.Span(part_words(j, part), className="muted") for part in parts[:MOST_PARTS]]
    if len(parts) > MOST_PARTS:
        lines.append(html.Span(f"and {wording.count(len(parts) - MOST_PARTS)} more", className="muted"))
    return html.Div([title, *lines], className="stacked")


def _deadline(j: Row) -> Any:
    """The deadline as the viewer reads it, and where a calendar decides, as that does."""
    told, zone = c.at_time(j["deadline_at"]), j.get("zone")
    if not zone or not j["deadline_at"] or zone == viewing.get().zone:
        return told
    return html.Div(
        [told, html.Span(wording.there_instant(j["deadline_at"], zone), className="sub")], className="stacked"
    )


def _state(j: Row) -> Any:
    faults = j.get("faults") or []
    words = wording.state_label(j["state"])
    return (
        html.Div([words, *(html.Span(f, className="fault") for f in faults)], className="stacked") if faults else words
    )


def keys_table(i: Row, links: Links) -> Any:
    rows = [
        [
            html.Div([html.Span(k["namespace"], className="muted"), _key(k, links)], className="row"),
            "joins" if k["joins"] else "finds only",
            _event(k["event"]),
            c.at_time(k["at"]),
        ]
        for k in i["keys"]
    ]
    notes = [
        html.Li(
            [
                html.Code(j["id"][:8]),
                " was joined into this one by ",
                _event(j["event"]),
                " at ",
                c.at_time(j["at"]),
                " ",
                apart_button(j["event"], i),
            ]
        )
        for j in i.get("joined") or ()
    ]
    notes += [html.Li([*_rejection(r, i["id"], links), " ", _again(r, i)]) for r in i.get("rejected") or ()]
    listed = html.Ul(notes, className="notes") if notes else None
    return html.Div([c.table(("Key", "Use", "Brought by", "At"), rows, "Keys", "keys"), listed])


def _key(k: Row, links: Links) -> Any:
    """A key that only finds, such as a customer's number, opens everything that carries it."""
    if k["joins"]:
        return html.Code(k["value"])
    return dcc.Link(html.Code(k["value"]), href=links.account(k["namespace"], k["value"]), className="under")


def notes_card(i: Row, now: datetime) -> Any:
    """Who handles it, and what people noted; nothing where nobody did."""
    notes, handling = i.get("notes") or (), i.get("handling") or {}
    if not notes:
        return None
    lines = [
        html.Li(
            [
                html.Span(n["by"], className="strong"),
                f" {_noted(n)} ",
                html.Span(c.when(n["at"], now), className="muted"),
                html.Span(n["text"], className="note-text") if n["text"] else None,
            ]
        )
        for n in notes
    ]
    aside = f"assigned to {handling['assigned_to']}" if handling.get("assigned_to") else "assigned to nobody"
    return c.card(html.Ul(lines, className="people-notes"), "Notes", aside)


def _noted(n: Row) -> str:
    if n["act"] == "assign":
        return f"assigned it to {n['assigned_to']}" if n["assigned_to"] else "assigned it to nobody"
    told = {"acknowledge": "acknowledged it", "unacknowledge": "took the acknowledgement back", "comment": "wrote"}
    return told.get(n["act"], wording.humanise(n["act"]).lower())


def _rejection(r: Row, id_: str, links: Links) -> list[Any]:
    """Who rejected which event and why, and what the instance was one with until then."""
    said: list[Any] = [
        html.Span(r["by"], className="strong"), " rejected ", _event(r["event"]), " at ", c.at_time(r["at"]), ": ",
        r["reason"],
    ]  # fmt: skip
    others = [part for part in r["parts"] if part != id_]
    for place, part in enumerate(others[:MOST_PARTS]):
        said += [
            "; taken apart from " if place == 0 else ", ",
            dcc.Link(html.Code(part), href=links.instance(part)),
        ]
    if len(others) > MOST_PARTS:
        said.append(f" and {wording.count(len(others) - MOST_PARTS)} more")
    if r["accepted_at"]:
        said += ["; it counts again since ", c.at_time(r["accepted_at"])]
    return said


def _again(r: Row, i: Row) -> Any:
    return None if r["accepted_at"] else accept_button(r["event"], i)


_RELATIONS = {"same": "The same elsewhere", "whole": "It belongs to", "part": "Belongs to it"}


def related_card(i: Row, now: datetime, links: Links) -> Any:
    """What has to do with it: the same elsewhere, what it belongs to and what belongs to it, and its neighbours."""
    parts = [_linked(i, links), *(_beside(group, now, links) for group in i.get("beside") or ())]
    shown = [part for part in parts if part is not None]
    return c.card(shown, "Related", css="related") if shown else None


def _beside(group: Row, now: datetime, links: Links) -> html.Section:
    """Others of the same customer, say: how many, the most pressing of them, and the page that has all."""
    total = wording.count(group["total"]) + ("" if group["counted_all"] else " or more")
    name = f"{wording.humanise(group['namespace']).lower()} {group['value']}"
    pressing = f", {wording.count(group['pressing'])} of them need a person" if group["pressing"] else ""
    rows = [
        html.Li(
            [
                c.mark(one["verdict"]),
                dcc.Link(one["title"], href=links.instance(one["id"]), className="strong"),
                html.Span(wording.humanise(one["workflow"]), className="muted of-workflow"),
                html.Span(wording.verdict_label(one["verdict"]).lower(), className="muted"),
                html.Span(c.when(one["updated_at"], now), className="muted push"),
            ]
        )
        for one in group["items"]
    ]
    account = dcc.Link(
        f"Everything of {name}", href=links.account(group["namespace"], group["value"]), className="more"
    )
    return html.Section([html.H3(f"{total} more of {name}{pressing}"), html.Ul(rows, className="history"), account])


def _linked(i: Row, links: Links) -> Any:
    rows = [
        [
            _RELATIONS[one["relation"]],
            dcc.Link(one["title"], href=links.instance(one["id"]), className="under"),
            wording.humanise(one["workflow"]),
            c.badge(one["verdict"]),
            html.Div([html.Code(key) for key in one["keys"]], className="row"),
        ]
        for one in sorted(i.get("linked") or (), key=lambda one: list(_RELATIONS).index(one["relation"]))
    ]
    if not rows:
        return None
    heads = ("Relation", "Instance", "Workflow", "Verdict", "By")
    return c.table(heads, rows, "The same keys in other workflows", "linked")


def _event(event: Row | None) -> Any:
    if not event:
        return wording.DASH
    return html.Span([f"{event['source']} ", html.Code(event["type"])], title=f"event {event['id']}")


def history(i: Row) -> Any:
    rows = [
        html.Li(
            [
                c.mark(h["verdict"]),
                html.Span(wording.verdict_label(h["verdict"]), className="strong"),
                html.Span(wording.humanise(h["reason"]).lower() if h["reason"] else "", className="muted"),
                html.Span(c.at_time(h["at"]), className="muted push"),
            ]
        )
        for h in reversed(i.get("history") or [])
    ]
    return html.Ul(rows, className="history") if rows else c.quiet("No verdict has changed yet.")


def acts(i: Row, links: Links) -> Any:
    """What people said of it and whom it was told to, the latest first; None where there is nothing of either."""
    said = [
        (e["received_at"], html.Span(phrases.act_words(e["type"], e["data"] or {})), None)
        for e in i["events"]
        if e["source"] == "milepost"
    ]
    said += [
        (m["at"], html.Span(phrases.message_words(m)), dcc.Link("incident", href=links.incidents(m["incident"])))
        for m in i.get("told") or ()
    ]
    rows = [
        html.Li([words, link, html.Span(c.at_time(at), className="muted push")])
        for at, words, link in sorted(said, key=lambda one: one[0], reverse=True)
    ]
    return c.card(html.Ul(rows, className="history acts"), "Acts and notifications") if rows else None


def incidents_card(i: Row, now: datetime, links: Links) -> Any:
    """What holds it up; None: nothing does."""
    return _incidents(i, "firing", "Held up by", now, links)


def former_incidents_card(i: Row, now: datetime, links: Links) -> Any:
    """What held it up before; None: nothing did."""
    return _incidents(i, "resolved", "Was held up by", now, links)


def _incidents(i: Row, status: str, title: str, now: datetime, links: Links) -> Any:
    lines = [incident_line(x, now, links) for x in i.get("incidents") or () if x["status"] == status]
    return c.card(html.Div(lines, className="lines"), title) if lines else None


def events_table(i: Row) -> Any:
    """Every event as it came; of elements alone, since there may be hundreds."""
    heads = ("Occurred", "Source", "Type", "Arrived", "Data")
    listed = c.table(heads, [_event_row(e) for e in i["events"]], "Events", "events", of=element)
    gone = i.get("events_gone", 0)
    masked = _masked(i) if i.get("masked") and i["events"] else None
    if not gone and masked is None:
        return listed
    return element("Div", [listed, c.quiet(wording.gone_events(gone)) if gone else None, masked])


def _event_row(e: Row) -> list[Any]:
    reached = element("Span", wording.humanise(e["milestone"]), className="sub") if e["milestone"] else None
    kind = element("Div", [element("Code", e["type"]), reached], className="stacked")
    return [c.at_time(e["occurred_at"], of=element), e["source"], kind, _delay(e), _raw(e)]


def _masked(i: Row) -> html.P:
    told = "What events and spans say is masked."
    if not i.get("may_read_raw"):
        return html.P(f"{told} To read it needs the permission raw.", className="muted note")
    # Not on the page itself, which asks again every five seconds: each reading is recorded.
    link = html.A("Read it as it was sent", href=f"/api/v1/instances/{i['id']}?raw=true", target="_blank")
    return html.P([f"{told} ", link, ", which is recorded."], className="muted note")


def _delay(e: Row) -> Any:
    occurred, received = wording.moment(e["occurred_at"]), wording.moment(e["received_at"])
    if occurred is None or received is None:
        return wording.DASH
    gap = (received - occurred).total_seconds()
    told = f"{wording.duration(gap)} later" if gap >= 0 else f"{wording.duration(gap)} before its own time"
    return element("Span", told, title=wording.instant(e["received_at"]))


def _raw(e: Row) -> Element:
    whole = {k: e[k] for k in ("id", "trace_id", "seq") if e.get(k) is not None} | {"data": e["data"]}
    text = orjson.dumps(whole, option=orjson.OPT_INDENT_2, default=str).decode()
    return element("Details", [element("Summary", element("Code", e["id"])), element("Pre", text, tabIndex=0)])


def trace_options(found: Sequence[Trace]) -> list[dict[str, str]]:
    return [{"value": t.trace_id, "label": _trace_label(t)} for t in found]


def _trace_label(t: Trace) -> str:
    errors = f" · {wording.plural(t.errors, 'error')}" if t.errors else ""
    took, size = wording.duration(t.duration_ms / 1000), wording.plural(len(t.spans), "span")
    return f"{wording.short_instant(t.start)} · {t.root['name']} · {took} · {size}{errors}"


def trace_note(trace: Trace | None) -> str:
    if trace is None:
        return "No span has been received for this instance."
    more = f" The first {MOST_SPANS} of {len(trace.spans)} spans are shown." if len(trace.spans) > MOST_SPANS else ""
    return f"Trace {trace.trace_id}, {wording.plural(len({s['service'] for s in trace.spans}), 'service')}.{more}"


def unknown() -> Any:
    return c.nothing_here(
        "No such instance",
        "It may have been joined into another one, or removed by retention. Try to find it by its key.",
    )
