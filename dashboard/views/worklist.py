"""The worklist: filters, totals and the grid. The grid reads its rows from the REST interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.query_port import Row

# the controls on the page, in the order in which the browser's filter function takes them
CONTROLS = (
    "verdict",
    "q",
    "workflow",
    "domain",
    "owner",
    "source_awaited",
    "waiting_for",
    "reason",
    "min_age_seconds",
    "due_within_seconds",
)
TEXTS = ("q", "workflow", "domain", "owner", "source_awaited", "waiting_for", "key", "reason")
NUMBERS = ("min_age_seconds", "min_value", "due_within_seconds")
SORTABLE = ("stuck_since", "deadline_at", "chance", "value", "updated_at")
REASONS = tuple(wording.REASON_LABELS.items())
MOST_IN_COMMON = 5
AGES = (("3600", "over 1 hour"), ("14400", "over 4 hours"), ("86400", "over 1 day"), ("259200", "over 3 days"))
DUE = (("3600", "in 1 hour"), ("28800", "in 8 hours"), ("86400", "in 1 day"))


def filters_from(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The query layer's filters out of an address or a store; what cannot be read is no filter."""
    filters: dict[str, Any] = {}
    verdicts = asked.get("verdict") or []
    verdicts = [verdicts] if isinstance(verdicts, str) else list(verdicts)
    known = [v for v in verdicts if v in wording.VERDICT_LABELS]
    if known:
        filters["verdict"] = known
    for name in TEXTS:
        value = asked.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if value:
            filters[name] = str(value)
    for name in NUMBERS:
        try:
            filters[name] = float(asked[name])
        except (KeyError, TypeError, ValueError):
            continue
    return filters


def worklist(workflows: Sequence[Row], filters: Mapping[str, Any], sort: str | None) -> list[Any]:
    return [
        html.Div(
            [
                html.Div(
                    [html.H1("Worklist"), html.Div(id="worklist-totals", className="totals", role="status")],
                    className="page-head-row",
                ),
            ],
            className="page-head",
        ),
        html.Div(_filters(workflows, filters), id="worklist-filters", className="filters"),
        html.Div(
            c.quiet("Looking for what they have in common …") if filters.get("verdict") else [],
            id="worklist-why",
            className="why",
        ),
        html.Div(
            [
                grid(sort),
                html.Div(
                    c.nothing_here("Nothing matches", "No instance fits these filters. Take one away to see more."),
                    className="grid-empty",
                ),
            ],
            id="worklist-grid-state",
            className="grid-frame",
        ),
    ]


def totals(data: Row) -> Any:
    worth = wording.money(data["value"])
    parts: list[Any] = [html.Strong(wording.count(data["total"])), " instance" if data["total"] == 1 else " instances"]
    if worth != wording.DASH:
        parts += [" worth ", html.Strong(worth)]
    return html.Span(parts)


def in_common(data: Row, filters: Mapping[str, Any], links: Links) -> list[Any]:
    """What the listed instances have in common, in words; each opens the list narrowed by it, where a filter does."""
    if not data["bad"]["count"]:
        return []
    told = [item for item in data["items"] if item["significant"]]
    if not told:
        others = wording.count(data["rest"]["count"])
        return [c.quiet(f"Nothing that is known of them sets them apart from {others} others.")]
    return [html.H2("What they have in common"), html.Ul([html.Li(_narrowing(item, filters, links)) for item in told])]


def _narrowing(item: Row, filters: Mapping[str, Any], links: Links) -> Any:
    narrowed = dict(item["filter"] or {})
    if not narrowed:
        return item["explanation"]
    if "q" in narrowed and filters.get("q"):
        narrowed["q"] = f"{filters['q']} {narrowed['q']}"
    return dcc.Link(item["explanation"], href=links.worklist(**{**filters, **narrowed}))


def _filters(workflows: Sequence[Row], filters: Mapping[str, Any]) -> list[Any]:
    steps = [m for w in workflows for m in w["milestones"]]
    owners = {w["owner"] for w in workflows} | {m["owner"] for m in steps}
    awaited = [(m["name"], m["title"] or m["name"]) for m in steps if not m["starts"]]
    sources = sorted({m["source"] for m in steps if m["source"]})
    domains = [(d, wording.humanise(d)) for d in sorted({w["domain"] for w in workflows})]
    chips = dmc.ChipGroup(
        [
            dmc.Chip([c.mark(v), label], value=v, size="xs", variant="outline", className="chip")
            for v, label in wording.VERDICT_LABELS.items()
            if v != "cancelled"
        ],
        id="filter-verdict",
        multiple=True,
        value=filters.get("verdict", []),
    )
    return [
        html.Div([chips], className="chips", role="group", **{"aria-label": "Verdicts"}),
        html.Div(
            [
                dmc.TextInput(
                    id="filter-q", value=filters.get("q", ""), placeholder="Key, title or attribute ( / )",
                    debounce=300, size="xs", leftSection=c.icon("search", 15), className="search",
                    **{"aria-label": "Find by key, title or attribute"},
                ),
                html.Button([c.icon("filter", 15), "Filters"], id="worklist-more", className="more-filters"),
                _select("workflow", "Workflow", [(w["name"], w["title"] or w["name"]) for w in workflows], filters),
                _select("owner", "Owner", [(o, o) for o in sorted(o for o in owners if o)], filters),
                _select("waiting_for", "Waiting for", awaited, filters),
                _select("source_awaited", "From", [(s, s) for s in sources], filters),
                _select("domain", "Domain", domains, filters),
                _select("reason", "Reason", REASONS, filters),
                _select("min_age_seconds", "Held up", AGES, filters),
                _select("due_within_seconds", "Due", DUE, filters),
            ],
            className="selects",
        ),
    ]  # fmt: skip


def _select(name: str, label: str, options: Sequence[tuple[str, str]], filters: Mapping[str, Any]) -> dmc.Select:
    value = filters.get(name)
    value = f"{value:.0f}" if isinstance(value, float) else value
    data = [{"value": v, "label": text} for v, text in dict(options).items()]
    if value and value not in dict(options):
        # a link may name what no definition knows any more; it must still be seen, and be taken away
        data.insert(0, {"value": value, "label": wording.humanise(value)})
    return dmc.Select(
        id=f"filter-{name}", data=data, value=value, placeholder=label, clearable=True, searchable=True, size="xs",
        className="select", comboboxProps={"shadow": "md"}, **{"aria-label": label},
    )  # fmt: skip


def grid(sort: str | None) -> dag.AgGrid:
    field, direction = (sort or "").lstrip("-"), "desc" if (sort or "").startswith("-") else "asc"

    def column(name: str, head: str, width: int, renderer: str, **more: Any) -> dict[str, Any]:
        column = {
            "colId": name,
            "headerName": head,
            "width": width,
            "cellRenderer": renderer,
            "sortable": name in SORTABLE,
            **more,
        }
        return column | ({"sort": direction} if name == field and name in SORTABLE else {})

    columns = [
        column("verdict", "Verdict", 130, "Verdict"),
        column("title", "Instance", 200, "Instance", flex=2, minWidth=160),
        column("waiting_for", "Waiting for", 220, "Awaited", flex=2, minWidth=180),
        column("stuck_since", "Held up for", 112, "HeldUp"),
        column("deadline_at", "Deadline", 118, "Deadline"),
        # Only what is due soon has one, so the browser shows it with that filter.
        column("chance", "Likely late", 118, "Chance", hide=True),
        column("owner", "Owner", 150, "Owner", flex=1, minWidth=172),
        column("value", "Value", 108, "Value", type="rightAligned"),
        column("updated_at", "Last event", 116, "LastEvent"),
        {"colId": "card", "headerName": "", "cellRenderer": "Card", "hide": True, "flex": 1, "sortable": False},
    ]
    return dag.AgGrid(
        id="worklist-grid",
        columnDefs=columns,
        rowModelType="infinite",
        getRowId="params.data.id",
        columnSize=None,
        defaultColDef={"resizable": True, "suppressMovable": True, "sortingOrder": ["asc", "desc", None]},
        className="grid",
        style={"height": "100%", "width": "100%"},
        dashGridOptions={
            "theme": {"function": "milepostTheme(themeQuartz)"},
            "cacheBlockSize": 100,
            "maxBlocksInCache": 20,
            "infiniteInitialRowCount": 20,
            "rowHeight": 50,
            "headerHeight": 36,
            "animateRows": False,
            "suppressCellFocus": False,
            "suppressDragLeaveHidesColumns": True,
            "enableCellTextSelection": True,
        },
    )
