"""Starts the dashboard over the fake query layer, and one Chromium that can reach nothing but this machine."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parent))

from fake_incidents import FakeIncidents
from fake_query import FakeQuery
from fake_regions import FakeRegions
from fake_server import application
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("MILEPOST_CHROMIUM") or shutil.which("chromium")
SCREENSHOTS = Path(__file__).parent / "screenshots"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
DESK, PHONE = (1440, 900), (390, 844)
# A browser so many times slower than this machine: MILEPOST_BROWSER_SLOWER=8 shows which test does not wait.
SLOWER = float(os.environ.get("MILEPOST_BROWSER_SLOWER", "1"))

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium on this machine"))


@dataclass
class Served:
    url: str
    query: FakeQuery

    @property
    def dashboard(self) -> str:
        return f"{self.url}/dashboard/"


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    query = FakeQuery()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(query), host="127.0.0.1", port=port, log_level="warning"))
    started = threading.Event()
    startup = server.startup

    async def tell(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(60)
    yield Served(f"http://127.0.0.1:{port}", query)
    server.should_exit = True
    thread.join(20)


@pytest.fixture(autouse=True)
def as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    """The one server is shared; what a test adds, changes or breaks is put back."""
    query = request.getfixturevalue("served").query
    rows = [dict(row) for row in query.rows]
    yield
    query.rows, query.broken, query.empty, query.behind, query.views = rows, False, False, 0.0, []
    query.happened, query.regions = FakeIncidents(query.now), FakeRegions(query.now)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page with everything that must not happen on it."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda m: self.trouble.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.trouble.append(str(e)))
        self.page.on("request", lambda r: self.outside.append(r.url) if _leaves(r.url) else None)


def _leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


# Nothing is asked of the server or drawn for a while. What arrives late moves what is below it.
SETTLED = """() => {
  const store = window.store, now = performance.now();
  const busy = !store || store.getState().isLoading || !document.querySelector('#_pages_content > *');
  if (busy || !window.settledSince) window.settledSince = now;
  return now - window.settledSince > 150;
}"""


def settle(page: Page) -> None:
    """Wait until whatever a page loads by itself is there and has its place."""
    page.wait_for_function(SETTLED)


Open = Callable[..., Watched]


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Open]:
    contexts = []

    def open_page(
        path: str,
        size: tuple[int, int] = DESK,
        scheme: str = "light",
        zone: str = "UTC",
        locale: str = "en-GB",
        settled: bool = True,
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce",
            timezone_id=zone, locale=locale,
        )  # fmt: skip
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.watch()
        if SLOWER != 1:
            context.new_cdp_session(watched.page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        watched.page.goto(served.dashboard + path)
        if settled:
            settle(watched.page)
        return watched

    yield open_page
    for context in contexts:
        context.close()
