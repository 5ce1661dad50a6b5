"""What is shown before anything has arrived: how to send the first event, to this very server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboard import components as c
from dashboard.query_port import Row

ADDRESS = "http://127.0.0.1:8080"
"""What stands in the commands until the browser has put in the address that it was reached at (25-here.js)."""

EVENT = """ \\
  -H 'content-type: application/cloudevents+json' \\
  -d '{"specversion": "1.0", "id": "1", "source": "crm",
       "type": "order.created", "data": {"order_id": "4711"}}'"""
MOST_ADAPTERS = 3


def first_run(sources: Sequence[Row], defined: bool) -> html.Div:
    """`defined` says whether any workflow is loaded, without which an event is kept and counted in nothing."""
    adapted = [s["source"] for s in sources if s.get("adapter")][:MOST_ADAPTERS]
    return html.Div(
        [
            html.H2("Nothing has arrived yet"),
            html.P("Send a first event in one of these ways. This page turns into the overview when it is here."),
            None if defined else html.P(_DEFINE, className="notice"),
            html.Ol(
                [
                    _way("An event, by hand", _command("first-event", ["curl ", _here("/events"), EVENT]), _BY_HAND),
                    _way(
                        "What OpenTelemetry sees already",
                        _command(
                            "first-otlp",
                            [
                                "export OTEL_EXPORTER_OTLP_ENDPOINT=",
                                _here(""),
                                "\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
                            ],
                        ),
                        _BY_OTLP,
                    ),
                    _way("A system that posts by itself", _source_command(adapted), _BY_SOURCE),
                ],
                className="ways",
            ),
            html.P(
                [html.Span(className="waiting-dot", **{"aria-hidden": "true"}), "Waiting for the first event …"],
                role="status",
                className="waiting-for-first",
            ),
        ],
        className="empty first-run",
    )


_DEFINE = (
    "No workflow is loaded: events are kept, but belong to nothing. Start with --definitions FOLDER, "
    "or with --definitions packs for those that come with Milepost."
)
_BY_HAND = "200 means that it is committed."
_BY_OTLP = "For every service with an OpenTelemetry SDK, or for a Collector's otlphttp exporter."
_BY_SOURCE = "Stripe, Zendesk, HubSpot, Salesforce, Dynamics 365, SAP and others, by a Source in the definitions."


def _way(title: str, command: Any, note: str) -> html.Li:
    return html.Li([html.H3(title), command, html.P(note, className="muted note")])


def _here(path: str) -> html.Span:
    """An address of this server; the browser knows by which it is reached."""
    return html.Span(ADDRESS + path, **{"data-here": path})


def _command(component_id: str, parts: list[Any]) -> html.Div:
    return html.Div(
        [
            html.Pre(parts, id=component_id, tabIndex=0),
            html.Button(
                [c.icon("copy", 15), html.Span("Copy", role="status")], className="copy", **{"data-copy": component_id}
            ),
        ],
        className="command",
    )


def _source_command(adapted: Sequence[str]) -> Any:
    """Where the sources that are defined post to; of none, the form of the address."""
    lines: list[Any] = []
    for name in adapted or ("NAME",):
        lines += [_here(f"/sources/{name}"), "\n"]
    return _command("first-source", lines[:-1])
