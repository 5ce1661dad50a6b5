"""What stands around every page: header, navigation, search, the five-second tick."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import dash
import dash_mantine_components as dmc
import orjson
from dash import ClientsideFunction, Input, Output, dcc, html

from dashboard.components import icon, search_results
from dashboard.links import NEEDS_A_PERSON, Links
from dashboard.query_port import DashboardQuery
from dashboard.wording import UNKNOWN_LABELS, VERDICT_LABELS, behind_words

TICK_MILLISECONDS = 5_000

# ten shades each, light to dark; the brand is Okabe-Ito blue
THEME = {
    "primaryColor": "brand",
    "primaryShade": {"light": 6, "dark": 4},
    "fontFamily": "Inter, ui-sans-serif, system-ui, sans-serif",
    "fontFamilyMonospace": "ui-monospace, 'SF Mono', 'DejaVu Sans Mono', Menlo, monospace",
    "headings": {"fontWeight": "620"},
    "defaultRadius": "md",
    "colors": {
        "brand": [
            "#e8f3fa", "#d0e6f4", "#a2cce8", "#6fb0da", "#56B4E9",
            "#1f83cc", "#0072B2", "#00639b", "#005484", "#00446c",
        ],
        "dark": [
            "#d5d7da", "#b9bcc1", "#9da1a7", "#6d7279", "#3b3f45",
            "#2b2e33", "#212428", "#141618", "#101213", "#0b0c0d",
        ],
    },
}  # fmt: skip


def register_shell(app: dash.Dash, query: DashboardQuery, links: Links) -> dmc.MantineProvider:
    app.clientside_callback(
        ClientsideFunction("milepost", "navigation"), Output("shell", "navbar"), Input("burger", "opened")
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "closeNavigation"),
        Output("burger", "opened"),
        Input("_pages_location", "pathname"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "live"), Output("tick", "disabled"), Input("live", "checked")
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "openSearch"),
        Output("search", "opened"),
        Input("open-search", "n_clicks"),
        Input("open-search-small", "n_clicks"),
        Input("_pages_location", "pathname"),
        prevent_initial_call=True,
    )

    @app.callback(Output("search-results", "children"), Input("search-text", "value"), prevent_initial_call=True)
    async def find(text: str | None) -> object:
        words = (text or "").strip()
        return search_results((await query.search(words))["items"] if words else None, links)

    if query.replica() is not None:

        @app.callback(Output("behind", "children"), Output("behind", "hidden"), Input("tick", "n_intervals"))
        async def tell(_: int | None) -> tuple[str | None, bool]:
            said = behind_words(query.replica())
            return said, said is None

    return dmc.MantineProvider(id="mantine", defaultColorScheme="auto", theme=THEME, children=_layout(links))


def _layout(links: Links) -> list[object]:
    return [
        dcc.Interval(id="tick", interval=TICK_MILLISECONDS),
        html.Div(
            id="milepost",
            **{
                "data-prefix": links.prefix,
                "data-instances": "/api/v1/instances",
                "data-verdicts": orjson.dumps(VERDICT_LABELS).decode(),
                "data-unknown": orjson.dumps(UNKNOWN_LABELS).decode(),
            },
        ),
        html.Div(
            "The store does not answer: what you see may be old. Trying again …",
            id="stale",
            className="net",
            hidden=True,
            role="status",
        ),
        html.A("Skip to content", href="#main", className="skip"),
        dmc.AppShell(
            [
                dmc.AppShellHeader(_header(links)),
                dmc.AppShellNavbar(html.Nav(_navigation(links), **{"aria-label": "Pages"}), p="xs"),
                dmc.AppShellMain(
                    [
                        html.Div(id="behind", className="behind", hidden=True, role="status"),
                        html.Div(dash.page_container, className="page"),
                    ],
                    id="main",
                ),
            ],
            id="shell",
            header={"height": 52},
            navbar={"width": 200, "breakpoint": "sm", "collapsed": {"mobile": True}},
            padding=0,
        ),
        dmc.Modal(
            id="search",
            title="Find an instance",
            children=[
                dmc.TextInput(
                    id="search-text",
                    placeholder="Order, account, case number …",
                    debounce=200,
                    leftSection=icon("search", 16),
                    **{"aria-label": "Find by key, title or attribute", "data-autofocus": True},
                ),
                html.Div(id="search-results", className="found", **{"aria-live": "polite"}),
            ],
        ),
    ]


def _header(links: Links) -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    dmc.Burger(id="burger", size="sm", opened=False, hiddenFrom="sm", **{"aria-label": "Pages"}),
                    dcc.Link(
                        [html.Span(className="logo", **{"aria-hidden": "true"}), "Milepost"],
                        href=links.overview(),
                        className="brand",
                    ),
                ],
                className="row",
            ),
            html.Div(
                [
                    html.Button(
                        [icon("search", 15), html.Span("Find an instance"), html.Kbd("Ctrl K")],
                        id="open-search",
                        className="find",
                    ),
                    html.Button(
                        icon("search", 18), id="open-search-small", className="find-small",
                        **{"aria-label": "Find an instance"},
                    ),
                    dmc.Switch(id="live", label="Live", checked=True, size="xs", className="live"),
                    dmc.ColorSchemeToggle(
                        id="scheme", lightIcon=icon("sun"), darkIcon=icon("moon"), variant="subtle", size="lg",
                        color="gray", **{"aria-label": "Switch between light and dark"},
                    ),
                ],
                className="row",
            ),
        ],
        className="topbar",
    )  # fmt: skip


def _navigation(links: Links) -> list[dmc.NavLink]:
    pages = [
        ("Overview", links.overview(), "layout-dashboard", "exact"),
        ("Worklist", links.worklist(verdict=NEEDS_A_PERSON), "list-check", "partial"),
        ("Objectives", links.objectives(), "target-arrow", "partial"),
        ("Incidents", links.incidents(), "alert-triangle", "partial"),
        ("Sources", links.sources(), "plug-connected", "partial"),
    ]
    return [
        dmc.NavLink(label=label, href=href, leftSection=icon(name), active=active, className="nav")
        for label, href, name, active in pages
    ]
