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
from dashboard.retelling import retold

# the controls on the page, in the order in which the browser's filter function takes them
CONTROLS = (
    "verdict",
    "q",
    "workflow",
    "domain",
    "owner",
    "assigned_to",
    "acknowledged",
    "source_awaited",
    "waiting_for",
    "reason",
    "key",
    "attribute",
    "incident",
    "min_age_seconds",
    "min_value",
    "due_within_seconds",
)
TEXTS = (
    "q",
    "workflow",
    "domain",
    "owner",
    "assigned_to",
    "source_awaited",
    "waiting_for",
    "key",
    "reason",
    "incident",
)
WRITTEN = ("key", "incident", "attribute")
"""Filters that are written and not chosen."""
NUMBERS = ("min_age_seconds", "min_value", "due_within_seconds")
FLAGS = ("acknowledged",)
LONG_INSTANT = "2026-11-22T22:23:00Z"
"""No instant is much longer to read than this one."""
SORTABLE = ("title", "stuck_since", "deadline_at", "chance", "value", "started_at", "updated_at")
REASONS = tuple(wording.REASON_LABELS.items())
MOST_IN_COMMON = 5
MOST_COMPARED = 20_000
"""Instances that are read to tell what the listed have in common: enough for what a page says of shares."""
LOOKING = "Looking for what they have in common …"
AGES = (("3600", "over 1 hour"), ("14400", "over 4 hours"), ("86400", "over 1 day"), ("259200", "over 3 days"))
DUE = (("3600", "in 1 hour"), ("28800", "in 8 hours"), ("86400", "in 1 day"))
VALUES = ("1000", "10000", "100000")
SEEN = (("false", "not yet"), ("true", "yes"))
NOBODY = "nobody"
LABELS = {
    "workflow": "Workflow",
    "domain": "Domain",
    "owner": "Owner",
    "assigned_to": "Assigned to",
    "acknowledged": "Acknowledged",
    "source_awaited": "From",
    "waiting_for": "Waiting for",
    "reason": "Reason",
    "key": "Key",
    "attribute": "Attribute",
    "incident": "Incident",
    "min_age_seconds": "Held up",
    "min_value": "Value",
    "due_within_seconds": "Due",
}
_NAMED = {"min_age_seconds": dict(AGES), "due_within_seconds": dict(DUE), "min_value": dict[str, str]()}
# Those that nobody sees without choosing them stand last.
COLUMNS = (
    ("verdict", "Verdict"),
    ("title", "Instance"),
    ("waiting_for", "Waiting for"),
    ("stuck_since", "Held up for"),
    ("deadline_at", "Deadline"),
    ("owner", "Owner"),
    ("assigned_to", "Assigned to"),
    ("value", "Value"),
    ("updated_at", "Last event"),
    ("started_at", "Started"),
    ("domain", "Domain"),
    ("reason", "Reason"),
    ("keys", "Keys"),
)
UNSEEN = ("started_at", "domain", "reason", "keys")
KEYS = (("j", "k", "move"), ("o", "", "open"), ("x", "", "select"), ("a", "", "acknowledge"), ("r", "", "refresh"))


def filters_from(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The query layer's filters out of an address or a store; what cannot be read is no filter."""
    filters: dict[str, Any] = {}
    verdicts = asked.get("verdict") or []
    verdicts = [verdicts] if isinstance(verdicts, str) else list(verdicts)
    known = [v for v in verdicts if v in wording.VERDICT_LABELS]
    if known:
        filters["verdict"] = known
    said = asked.get("attribute") or []
    conditions = [one for one in ([said] if isinstance(said, str) else said) if one]
    if conditions:
        filters["attribute"] = conditions
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
    for name in FLAGS:
        if asked.get(name) in ("true", "false"):
            filters[name] = asked[name] == "true"
    return filters


def worklist(
    workflows: Sequence[Row], assignees: Sequence[str], filters: Mapping[str, Any], sort: str | None, *, parquet: bool
) -> list[Any]:
    return [
        html.Div(
            [
                html.Div(
                    [
                        html.H1("Worklist"),
                        html.Div(id="worklist-totals", className="totals", role="status"),
                        html.Div(_menus(parquet), className="aside menus"),
                    ],
                    className="page-head-row",
                ),
            ],
            className="page-head",
        ),
        html.Div(_filters(workflows, assignees, filters), id="worklist-filters", className="filters"),
        html.Div(
            LOOKING if compared(filters) else [],
            id="worklist-why",
            className="why",
            **{"aria-live": "polite", "data-looking": LOOKING},
        ),
        html.P(id="worklist-reach", className="quiet reach", hidden=True, role="status"),
        html.Div(
            [
                html.Button(id="worklist-changed", className="changed", hidden=True),
                grid(sort),
                html.Div(
                    c.nothing_here("Nothing matches", "No instance fits these filters. Take one away to see more."),
                    className="grid-empty",
                ),
                html.Div(
                    c.nothing_here("The rows cannot be read right now", "Trying again every three seconds."),
                    className="grid-failed",
                    role="status",
                ),
            ],
            id="worklist-grid-state",
            className="grid-frame",
        ),
        html.Div(_bar(), id="worklist-bar", className="act-bar", hidden=True, role="region", **{"aria-label": "Acts"}),
        html.P(_keys(), className="keys-hint"),
    ]


def _menus(parquet: bool) -> list[Any]:
    """What opens beside the heading; the browser fills the first two."""
    forms = [("csv", "CSV"), ("parquet", "Parquet")] if parquet else [("csv", "CSV")]
    exports = [
        html.A(
            [html.Span(label, className="strong"), html.Span("all of this list", className="muted")],
            href="#",
            download="",
            className="menu-item",
            **{"data-export": form},
        )
        for form, label in forms
    ]
    return [
        _menu("Views", "bookmark", html.Div(id="worklist-views")),
        _menu("Columns", "columns-3", html.Div(id="worklist-columns", **{"data-columns": _column_words()})),
        _menu("Export", "download", html.Div(exports)),
    ]


def _column_words() -> str:
    return "|".join(f"{name}:{label}:{'' if name in UNSEEN else '1'}" for name, label in COLUMNS)


def _menu(label: str, icon: str, content: Any) -> html.Details:
    return html.Details(
        [html.Summary([c.icon(icon, 15), html.Span(label)]), html.Div(content, className="menu-panel")],
        className="menu",
    )


def _bar() -> list[Any]:
    acts = (("assign", "Assign"), ("acknowledge", "Acknowledge"), ("comment", "Comment"), ("waive", "Waive"))
    return [
        html.Strong(id="worklist-selected", **{"aria-live": "polite"}),
        *[html.Button(label, className="act", **{"data-act": act}) for act, label in acts],
        html.Button("Take all of the list", className="act plain", id="worklist-take-all"),
        html.Button("Clear", className="act plain push", id="worklist-clear"),
    ]


def _keys() -> list[Any]:
    return [
        part
        for first, second, what in KEYS
        for part in (html.Kbd(first), html.Kbd(second) if second else None, html.Span(what))
        if part is not None
    ]


def totals(data: Row) -> Any:
    """How many there are, and what they are worth where that was added up."""
    worth = wording.money(data["value"])
    parts: list[Any] = [html.Strong(wording.count(data["total"])), " instance" if data["total"] == 1 else " instances"]
    if not data["total_exact"]:
        parts.insert(0, "more than ")
    if worth != wording.DASH:
        parts += [" worth ", html.Strong(worth)]
    return html.Span(parts)


def chips(filters: Mapping[str, Any]) -> list[Any]:
    """The filters in force, but for verdicts and words, which stand beside them; each goes with a click."""
    found = [
        html.Button(
            [html.Span(f"{LABELS[name]}: ", className="muted"), _told(name, filters[name]), c.icon("x", 13)],
            className="filter-chip",
            **{"data-drop": name, "aria-label": f"Take away {LABELS[name]}: {_told(name, filters[name])}"},
        )
        for name in LABELS
        if name in filters
    ]
    if found:
        found.append(html.Button("Clear", className="filter-chip plain", **{"data-drop": "all"}))
    return found


def _told(name: str, value: Any) -> str:
    if name in FLAGS:
        return "yes" if value else "not yet"
    if name in NUMBERS:
        known = _NAMED[name].get(f"{value:.0f}")
        if known is None:
            before = {"min_age_seconds": "over", "due_within_seconds": "in"}.get(name)
            known = f"{before} {wording.rough(value)}" if before else f"{wording.count(value)} or more"
        return known
    if name == "attribute":
        return ", ".join(value)
    if name == "incident":
        return str(value).partition("-")[0]
    if name == "reason":
        return wording.REASON_LABELS.get(value, wording.humanise(value))
    return wording.humanise(value) if name in ("workflow", "domain", "waiting_for") else str(value)


def compared(filters: Mapping[str, Any]) -> bool:
    """Whether it is asked what the listed have in common: of everything that there is nobody wants to know."""
    return bool(filters.get("verdict") or filters.get("incident"))


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
        return retold(item["explanation"])
    if "attribute" in narrowed:
        narrowed["attribute"] = [*filters.get("attribute", ()), *narrowed["attribute"]]
    said = {name: str(value).lower() if name in FLAGS else value for name, value in {**filters, **narrowed}.items()}
    return dcc.Link(retold(item["explanation"]), href=links.worklist(**said))


def _filters(workflows: Sequence[Row], assignees: Sequence[str], filters: Mapping[str, Any]) -> list[Any]:
    steps = [m for w in workflows for m in w["milestones"]]
    owners = {w["owner"] for w in workflows} | {m["owner"] for m in steps}
    awaited = [(m["name"], m["title"] or m["name"]) for m in steps if not m["starts"]]
    sources = sorted({m["source"] for m in steps if m["source"]})
    domains = [(d, wording.humanise(d)) for d in sorted({w["domain"] for w in workflows})]
    verdicts = dmc.ChipGroup(
        [
            dmc.Chip([c.mark(v), label], value=v, size="xs", variant="outline", className="chip")
            for v, label in wording.VERDICT_LABELS.items()
            if v != "cancelled"
        ],
        id="filter-verdict",
        multiple=True,
        value=filters.get("verdict", []),
    )
    options: dict[str, Sequence[tuple[str, str]]] = {
        "workflow": [(w["name"], w["title"] or w["name"]) for w in workflows],
        "domain": domains,
        "owner": [(o, o) for o in sorted(o for o in owners if o)],
        "assigned_to": [(NOBODY, "nobody"), *((one, one) for one in assignees)],
        "acknowledged": SEEN,
        "source_awaited": [(s, s) for s in sources],
        "waiting_for": awaited,
        "reason": REASONS,
        "min_age_seconds": AGES,
        "min_value": [(one, f"{wording.count(float(one))} or more") for one in VALUES],
        "due_within_seconds": DUE,
    }
    return [
        html.Div([verdicts], className="chips", role="group", **{"aria-label": "Verdicts"}),
        html.Div(
            [
                dmc.TextInput(
                    id="filter-q", value=filters.get("q", ""), placeholder="Key, title or attribute ( / )",
                    debounce=300, size="xs", leftSection=c.icon("search", 15), className="search",
                    **{"aria-label": "Find by key, title or attribute"},
                ),
                html.Button(
                    [c.icon("filter", 15), "Filters"], id="worklist-more", className="more-filters",
                    **{"aria-controls": "worklist-controls"},
                ),
                html.Div(chips(filters), id="worklist-chips", className="filter-chips"),
            ],
            className="selects",
        ),
        html.Div(
            [
                *[_select(name, LABELS[name], options[name], filters) for name in LABELS if name not in WRITTEN],
                dmc.TextInput(
                    id="filter-key", value=filters.get("key", ""), placeholder="order=4711", debounce=300, size="xs",
                    label="Key", className="select",
                ),
                dmc.TagsInput(
                    id="filter-attribute", value=filters.get("attribute", []), placeholder="region=EMEA", size="xs",
                    label="Attribute", className="select", clearable=True,
                ),
                dmc.TextInput(
                    id="filter-incident", value=filters.get("incident", ""), placeholder="its id", debounce=300,
                    size="xs", label="Incident", className="select",
                ),
            ],
            id="worklist-controls",
            className="controls",
        ),
    ]  # fmt: skip


def _select(name: str, label: str, options: Sequence[tuple[str, str]], filters: Mapping[str, Any]) -> dmc.Select:
    value = filters.get(name)
    value = f"{value:.0f}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else value
    data = [{"value": v, "label": text} for v, text in dict(options).items()]
    if value and value not in dict(options):
        # a link may name what no definition knows any more; it must still be seen, and be taken away
        data.insert(0, {"value": value, "label": _told(name, filters[name])})
    return dmc.Select(
        id=f"filter-{name}", data=data, value=value, label=label, placeholder="any", clearable=True, searchable=True,
        size="xs", className="select", comboboxProps={"shadow": "md"},
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
        column("verdict", "Verdict", 122, "Verdict"),
        column("title", "Instance", 190, "Instance", flex=2, minWidth=140),
        column("waiting_for", "Waiting for", 200, "Awaited", flex=2, minWidth=150),
        column("stuck_since", "Held up for", 108, "HeldUp"),
        # `Nov 22 10:23 PM` is longer than `22. Nov. 22:23`, and that than `22 Nov 22:23`.
        column("deadline_at", "Deadline", 12 + 9 * len(wording.short_instant(LONG_INSTANT)), "Deadline"),
        # Only what is due soon has one, so the browser shows it with that filter.
        column("chance", "Likely late", 118, "Chance", hide=True),
        column("owner", "Owner", 140, "Owner", flex=1, minWidth=120),
        column("assigned_to", "Assigned to", 118, "Assigned"),
        column("value", "Value", 102, "Value", type="rightAligned"),
        column("updated_at", "Last event", 122, "LastEvent"),
        column("started_at", "Started", 116, "Started", hide=True),
        column("domain", "Domain", 120, "Domain", hide=True),
        column("reason", "Reason", 140, "Reason", hide=True),
        column("keys", "Keys", 240, "Keys", hide=True, flex=2, minWidth=180),
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
            "rowSelection": {
                "mode": "multiRow",
                "checkboxes": True,
                "headerCheckbox": False,
                "enableClickSelection": False,
            },
            "selectionColumnDef": {"width": 44, "pinned": "left", "resizable": False, "sortable": False},
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
