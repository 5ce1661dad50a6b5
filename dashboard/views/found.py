"""What the palette offers for some words: pages, workflows, accounts and instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import NEEDS_A_PERSON, Links
from dashboard.query_port import Row

MOST_OF_A_KIND = 6


def pages(links: Links) -> list[tuple[str, str, str, str]]:
    """Label, address, icon and how the address is matched, in the order of the navigation."""
    return [
        ("Overview", links.overview(), "layout-dashboard", "exact"),
        *([("Regions", links.regions(), "world", "partial")] if links.has_regions else []),
        ("Worklist", links.worklist(verdict=NEEDS_A_PERSON), "list-check", "partial"),
        ("Flows", links.flows(), "route", "partial"),
        ("Objectives", links.objectives(), "target-arrow", "partial"),
        ("Incidents", links.incidents(), "alert-triangle", "partial"),
        ("Sources", links.sources(), "plug-connected", "partial"),
        ("Definitions", links.definitions(), "sitemap", "partial"),
    ]


def found(text: str, workflows: Sequence[Row], instances: Sequence[Row] | None, links: Links) -> Any:
    """What fits the text, best of each kind; None for `instances` says that they cannot be looked up right now."""
    words = text.lower().split()

    def fits(*said: str) -> bool:
        return all(any(word in one.lower() for one in said) for word in words)

    groups = [
        ("Pages", [_entry(c.icon(icon, 16), label, "", href) for label, href, icon, _ in pages(links) if fits(label)]),
        (
            "Workflows",
            [
                _entry(
                    c.icon("route", 16), w["title"] or w["name"], wording.humanise(w["domain"]), links.flows(w["name"])
                )
                for w in workflows
                if fits(w["title"] or "", w["name"])
            ],
        ),
        ("Accounts", _accounts(instances or [], links) if words else []),
        ("Instances", [_instance(one, links) for one in instances or []] if words else []),
    ]
    shown = [
        html.Section([html.H3(title), html.Ul(entries[: MOST_OF_A_KIND if title != "Instances" else None])])
        for title, entries in groups
        if entries
    ]
    if instances is None:
        shown.append(c.quiet("Instances cannot be looked up right now."))
    return shown or c.quiet("Nothing found.")


def _accounts(instances: Sequence[Row], links: Links) -> list[Any]:
    """The keys that find several instances and identify none, such as the number of a customer."""
    keys = [one["key"] for one in instances if one["key"].get("joins") is False]
    different = dict.fromkeys((key["namespace"], key["value"]) for key in keys)
    return [
        _entry(
            c.icon("user", 16),
            value,
            f"everything of this {wording.humanise(name).lower()}",
            links.account(name, value),
        )
        for name, value in different
    ]


def _instance(item: Row, links: Links) -> html.Li:
    key = item["key"]
    told = "" if key["value"] == item["title"] else f"{key['namespace']} {key['value']}"
    return _entry(
        c.mark(item["verdict"]), item["title"], told, links.instance(item["id"]), wording.humanise(item["workflow"])
    )


def _entry(mark: Any, label: str, told: str, href: str, aside: str = "") -> html.Li:
    return html.Li(
        dcc.Link(
            [
                mark,
                html.Span(label, className="strong"),
                html.Span(told, className="muted"),
                html.Span(aside, className="muted push"),
            ],
            href=href,
        )
    )
