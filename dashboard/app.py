"""Builds the Dash application over an injected query layer."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import logging
from pathlib import Path

import dash
import dash_mantine_components as dmc
from dash import hooks, no_update
from fastapi import FastAPI

from dashboard.links import Links
from dashboard.pages import (
    account,
    counted,
    definitions,
    elsewhere,
    flow,
    incident,
    incidents,
    instance,
    objective,
    objectives,
    overview,
    source,
    sources,
    worklist,
)
from dashboard.pages import (
    regions as regions_page,
)
from dashboard.query_port import DashboardQuery, DashboardRegions
from dashboard.shell import register_shell

log = logging.getLogger(__name__)

PAGES = (
    overview,
    worklist,
    instance,
    account,
    flow,
    objectives,
    objective,
    counted,
    incidents,
    incident,
    sources,
    source,
    definitions,
    elsewhere,
)

dmc.pre_render_color_scheme()


# Mantine's hook replaces the bare <html> tag of whatever the template says, so this one runs after it
@hooks.index(final=True)
def _page_language(html: str) -> str:
    return html.replace("<html", '<html lang="en"', 1)


def build_dashboard(
    query: DashboardQuery,
    *,
    prefix: str = "/dashboard/",
    logs_in: bool = False,
    regions: DashboardRegions | None = None,
) -> dash.Dash:
    """`prefix` begins and ends with a slash; `logs_in` is whether people do, and can log out.

    With `regions` there is a page of what other installations say of themselves.

    Dash allows one application per process: building another one, as tests do, takes the place of the first.
    """
    links = Links(prefix, has_regions=regions is not None)
    dash.page_registry.clear()
    app = dash.Dash(
        "dashboard",
        server=FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry={"operation_spans": False}),
        assets_folder=str(Path(__file__).parent / "assets"),
        routes_pathname_prefix=prefix,
        requests_pathname_prefix=prefix,
        use_pages=True,
        pages_folder="",
        use_async=True,
        compress=True,
        serve_locally=True,
        suppress_callback_exceptions=True,
        on_error=_on_error,
        title="Milepost",
        update_title=None,
    )
    app.layout = register_shell(app, query, links, logs_in=logs_in)
    for page in PAGES:
        page.register(app, query, links)
    if regions is not None:
        regions_page.register(app, regions)
    return app


def _on_error(error: Exception) -> object:
    log.error("a dashboard callback failed", exc_info=error)
    return no_update
