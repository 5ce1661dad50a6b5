"""What stands around every page: header, navigation, search, the five-second tick."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import asyncio
import logging

import dash
import dash_mantine_components as dmc
import orjson
from dash import ClientsideFunction, Input, Output, dcc, html

from dashboard.components import icon
from dashboard.links import Links
from dashboard.outlook_words import UNKNOWN_LABELS
from dashboard.query_port import DashboardQuery, Row
from dashboard.views import found as view
from dashboard.wording import VERDICT_LABELS, behind_words

log = logging.getLogger(__name__)

TICK_MILLISECONDS = 5_000
FOUND = "search-results"

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


def register_shell(
    app: dash.Dash, query: DashboardQuery, links: Links, *, logs_in: bool = False
) -> dmc.MantineProvider:
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

    # Also when it is opened: before the first word it offers the pages.
    @app.callback(Output(FOUND, "children"), Input("search-text", "value"), Input("search", "opened"))
    async def find(text: str | None, opened: bool | None) -> object:
        if not opened:
            return dash.no_update
        words = (text or "").strip()
        workflows, instances = await asyncio.gather(
            query.workflows(), query.search(words) if words else _nothing(), return_exceptions=True
        )
        for one in (workflows, instances):
            if isinstance(one, BaseException):
                log.error("looking up for the palette failed", exc_info=one)
        return view.found(
            words,
            [] if isinstance(workflows, BaseException) else workflows["items"],
            None if isinstance(instances, BaseException) else instances["items"],
            links,
        )

    if query.replica() is not None:

        @app.callback(Output("behind", "children"), Output("behind", "hidden"), Input("tick", "n_intervals"))
        async def tell(_: int | None) -> tuple[str | None, bool]:
            said = behind_words(query.replica())
            return said, said is None

    return dmc.MantineProvider(
        id="mantine", defaultColorScheme="auto", theme=THEME, children=_layout(links, logs_in=logs_in)
    )


async def _nothing() -> Row:
    return {"items": []}


def _layout(links: Links, *, logs_in: bool) -> list[object]:
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
                dmc.AppShellHeader(_header(links, logs_in=logs_in)),
                dmc.AppShellNavbar(html.Nav(_navigation(links), **{"aria-label": "Pages"}), p="xs"),
                dmc.AppShellMain(
                    [
                        html.Div(id="behind", className="behind", hidden=True, role="status"),
                        html.Div(dash.page_container, className="page"),
                        html.P(id="printed", className="printed"),
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
            title="Go to",
            children=[
                dmc.TextInput(
                    id="search-text",
                    placeholder="Order, account, case number, workflow, page …",
                    debounce=200,
                    leftSection=icon("search", 16),
                    attributes={
                        "input": {"role": "combobox", "aria-expanded": "true", "aria-controls": "search-results"}
                    },
                    **{"aria-label": "Find a key, an account, a workflow or a page", "data-autofocus": True},
                ),
                html.Div(id=FOUND, className="found", **{"aria-live": "polite"}),
            ],
        ),
    ]


def _header(links: Links, *, logs_in: bool) -> html.Div:
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
                        [icon("search", 15), html.Span("Find"), html.Kbd("Ctrl K")],
                        id="open-search",
                        className="find",
                    ),
                    html.Button(
                        icon("search", 18), id="open-search-small", className="find-small",
                        **{"aria-label": "Find"},
                    ),
                    _zones(),
                    dmc.Switch(id="live", label="Live", checked=True, size="xs", className="live"),
                    dmc.ColorSchemeToggle(
                        id="scheme", lightIcon=icon("sun"), darkIcon=icon("moon"), variant="subtle", size="lg",
                        color="gray", **{"aria-label": "Switch between light and dark"},
                    ),
                    *([html.A("Log out", href="/logout", className="find")] if logs_in else []),
                ],
                className="row",
            ),
        ],
        className="topbar",
    )  # fmt: skip


def _zones() -> html.Details:
    """In which zone times are told; the browser writes it there, and fills the choice when it is opened."""
    return html.Details(
        [
            html.Summary(
                [icon("clock", 15), html.Span("UTC", id="viewer-zone")], **{"aria-label": "Zone of the times"}
            ),
            html.Div(html.Div(id="viewer-zones"), className="menu-panel"),
        ],
        className="menu zones",
    )


def _navigation(links: Links) -> list[dmc.NavLink]:
    return [
        dmc.NavLink(label=label, href=href, leftSection=icon(name), active=active, className="nav")
        for label, href, name, active in view.pages(links)
    ]
