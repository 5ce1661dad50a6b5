"""(p) What people wait for: pages of the dashboard in a browser over a real server, and the questions that they put."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks import growth, history
from benchmarks.growth import NEEDS_A_PERSON, QUESTIONS, Question
from benchmarks.history import DEFINITIONS
from benchmarks.processes import PARTS, watched
from benchmarks.report import Figure, median_of, spread_of
from benchmarks.server import Postgres, Served, serve
from collector.query.export import MOST_EXPORTED
from dashboard.views.worklist import MOST_COMPARED, MOST_IN_COMMON

EVENTS, SPANS = 200, 1_000
"""Of the instance whose page is opened."""
ORDER = "SO-of-many-events"
PATIENCE_MILLISECONDS = 60_000
LIMIT_SECONDS = 120
_SERVICES = ("storefront", "gateway", "warehouse", "billing")

_EMEA: Mapping[str, Any] = {"attribute": ["region=EMEA"], "limit": 50}
MORE_QUESTIONS = (
    Question("worklist of nobody", "instances", lambda _made, _n: _needing(assigned_to="nobody")),
    Question("worklist by free text", "instances", lambda _made, _n: _needing(q="emea")),
    Question("worklist by age", "instances", lambda _made, _n: _needing(min_age_seconds=7_200.0)),
    Question("worklist by least value", "instances", lambda _made, _n: _needing(min_value=1_100.0)),
    Question("all that is open by source", "instances", lambda _made, _n: {"source_awaited": "wms", "limit": 50}),
    Question("everything of a domain", "instances", lambda _made, _n: {"domain": "orders", "limit": 50}),
    Question("everything with an attribute", "instances", lambda _made, _n: _EMEA),
    Question("everything with an attribute, by value", "instances", lambda _made, _n: {**_EMEA, "sort": "-value"}),
    Question(
        "what the listed have in common",
        "differences",
        lambda _made, _n: {"verdict": list(NEEDS_A_PERSON), "limit": MOST_IN_COMMON, "most": MOST_COMPARED},
    ),
    Question("account", "account", lambda made, n: {"namespace": "account", "value": f"A{n % (made.instances // 20)}"}),
    Question("flow", "flow", lambda _made, _n: {"workflow": "order-to-cash"}),
    Question("definition", "definition", lambda _made, _n: {"workflow": "order-to-cash"}),
    Question("incidents", "incidents", lambda _made, _n: {}),
    Question("objectives", "objectives", lambda _made, _n: {}),
    Question("sources", "sources", lambda _made, _n: {}),
)

_WHEN = """
window.benchWhen = predicate => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('in vain: ' + predicate)), PATIENCE);
  (function look() {
    let met = false;
    try { met = Boolean(predicate()); } catch (error) { met = false; }
    // the frame after the one in which it is there has been painted
    if (met) requestAnimationFrame(() => resolve(performance.now())); else requestAnimationFrame(look);
  })();
});
""".replace("PATIENCE", str(PATIENCE_MILLISECONDS))
_OVERVIEW = "() => document.querySelector('#kpis .kpi-value')?.textContent"
_INSTANCE = (
    "() => document.querySelectorAll('#instance-events tbody tr').length > 10 "
    "&& document.querySelector('#instance-timeline .main-svg')"
)
_ROWS = "() => window.milepost?.grid?.api?.getDisplayedRowAtIndex(0)?.data"
_ACT = """
async place => {
  const grid = window.milepost.grid, row = () => grid.api.getDisplayedRowAtIndex(place)?.data;
  const before = row(), began = performance.now();
  (%s)(grid, place);
  return await window.benchWhen(() => row() && row() !== before) - began;
}
"""
_PAGE = "(grid, place) => grid.api.ensureIndexVisible(place, 'top')"
_SORT = "grid => grid.api.applyColumnState({state: [{colId: 'value', sort: '%s'}], defaultState: {sort: null}})"
_FILTER = "() => document.querySelector('#worklist-filters input[value=%s]').click()"


@dataclass(frozen=True, slots=True)
class PagesSize:
    """How many instances there are, one database after the other, and how many of them are open.

    Each question is `asked` so often, each page `looked` at, and so many rows `exported` at most.
    """

    instances: tuple[int, ...]
    open: int
    asked: int
    looked: int
    exported: int


def measure(postgres: Postgres, size: PagesSize) -> list[Figure]:
    """(p) In a database of each size; what a browser shows only where there is one."""
    figures: list[Figure] = []
    found: dict[str, list[float]] = {}
    for instances in size.instances:
        url = postgres.database(name := f"pages_{instances}")
        made = history.make(url, instances, size.open)
        told = f"{made.instances:,} instances, {made.open:,} open"
        runs_of = {
            f"{what}, p95": [spread_of(what, runs, "ms")[1].value]
            for what, runs in asyncio.run(
                growth.in_database(url, made, size.asked, (*QUESTIONS, *MORE_QUESTIONS))
            ).items()
        }
        with serve(url, DEFINITIONS) as served:
            if instances <= MOST_EXPORTED:
                figures += _exported(served, min(size.exported, instances), told)
            _send_many(served)
            runs_of |= _looked_at(served, size.looked)
        for what, runs in runs_of.items():
            unit = "MB" if "transfer" in what else "ms"
            figures.append(figure := median_of(f"(p) {what}, {told}", runs, unit))
            found.setdefault(what, []).append(figure.value)
        postgres.drop(name)
    if len(size.instances) > 1:
        times = size.instances[-1] // size.instances[0]
        figures += [
            Figure(f"(p) {what}, growth with {times} times the instances", values[-1] / values[0], "times")
            for what, values in found.items()
            if values[0]
        ]
    return figures


def _needing(**said: Any) -> Mapping[str, Any]:
    return {"verdict": list(NEEDS_A_PERSON), "limit": 50} | said


def _exported(served: Served, most: int, told: str) -> list[Figure]:
    """How fast everything comes as CSV, when its first row does, and how much memory that takes."""
    rows, first, began = 0, 0.0, time.monotonic()
    with (
        watched(served.pid) as memory,
        httpx.stream("GET", f"{served.url}/api/v1/instances/export", timeout=300) as answer,
    ):
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            first = first or time.monotonic() - began
            rows += piece.count(b"\n")
    seconds = time.monotonic() - began
    if rows < most:
        raise AssertionError(f"{rows} of {most} rows were exported")
    return [
        Figure(f"(p) export of {rows - 1:,} rows, {told}", (rows - 1) / seconds, "rows/s"),
        Figure(f"(p) export, first row, {told}", first * 1e3, "ms"),
        Figure(f"(p) export, most RSS of milepost serve, {told}", memory.rss[PARTS[0]], "MiB"),
    ]


def _send_many(served: Served) -> None:
    """An order of EVENTS events that belong to a trace of SPANS spans."""
    now, random = datetime.now(UTC), Random(ORDER)
    trace = random.randbytes(16)
    told = [
        {
            "specversion": "1.0",
            "id": f"{ORDER}-{number}",
            "source": "crm" if number == 0 else "wms",
            "type": "order.created" if number == 0 else "shipped",
            "time": (now - timedelta(minutes=EVENTS - number)).isoformat(),
            "traceparent": f"00-{trace.hex()}-{random.randbytes(8).hex()}-01",
            "data": {"order_id": ORDER, "account_id": "A0", "amount": 4_711, "currency": "EUR", "line": number},
        }
        for number in range(EVENTS)
    ]
    message = ExportTraceServiceRequest()
    begun = int((now - timedelta(minutes=1)).timestamp()) * 10**9
    ids = [random.randbytes(8) for _ in range(SPANS)]
    for place, service in enumerate(_SERVICES):
        group = message.resource_spans.add()
        group.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=service)))
        spans = group.scope_spans.add().spans
        for number in range(place, SPANS, len(_SERVICES)):
            began = begun + number * 10**7
            spans.add(
                trace_id=trace,
                span_id=ids[number],
                parent_span_id=ids[number // 3] if number else b"",
                name=f"step {number % 17}",
                kind=2,
                start_time_unix_nano=began,
                end_time_unix_nano=began + random.randrange(10**6, 10**9),
            )
    with httpx.Client(base_url=served.url, timeout=30) as client:
        batch = {"content-type": "application/cloudevents-batch+json"}
        client.post("/events", content=orjson.dumps(told), headers=batch).raise_for_status()
        protobuf = {"content-type": "application/x-protobuf"}
        client.post("/v1/traces", content=message.SerializeToString(), headers=protobuf).raise_for_status()
    served.wait_until_projected(LIMIT_SECONDS)


def _looked_at(served: Served, times: int) -> dict[str, list[float]]:
    """Milliseconds until each page shows what it is opened for, and until its rows are others after an act."""
    with _chromium() as browser:
        if browser is None:
            print("(p) No page is looked at: there is no Playwright, or no Chromium here (MILEPOST_CHROMIUM).")
            return {}
        pages = _Pages(browser, served)
        # The server's first answer to anybody compresses what is the same for all.
        pages.cold("", _OVERVIEW)
        found: dict[str, list[float]] = {}
        cold = [pages.cold("", _OVERVIEW) for _ in range(times)]
        found["overview, first useful paint, cold"] = [milliseconds for milliseconds, _ in cold]
        found["overview, initial transfer, compressed"] = [size / 1e6 for _, size in cold]
        found["overview, first useful paint, warm"] = pages.warm("", _OVERVIEW, times)
        found |= pages.worklist(times)
        items = httpx.get(f"{served.url}/api/v1/instances", params={"key": f"order={ORDER}"}, timeout=30).json()[
            "items"
        ]
        path = f"instances/{items[0]['id']}"
        found[f"instance of {EVENTS} events and {SPANS:,} spans, warm"] = pages.warm(path, _INSTANCE, times)
        return found


class _Pages:
    """Opens pages of a dashboard as people do."""

    def __init__(self, browser: Any, served: Served) -> None:
        self._browser, self._dashboard = browser, f"{served.url}/dashboard/"

    def cold(self, path: str, useful: str) -> tuple[float, int]:
        """For somebody who was never there: milliseconds until the page is of use, and bytes that came until then."""
        with self._opened() as page:
            received = 0

            def came(event: Mapping[str, Any]) -> None:
                nonlocal received
                received += int(event["encodedDataLength"])

            session = page.context.new_cdp_session(page)
            session.send("Network.enable")
            session.on("Network.loadingFinished", came)
            milliseconds = self._goto(page, path, useful)
            return milliseconds, received

    def warm(self, path: str, useful: str, times: int) -> list[float]:
        """The same for somebody who has been there before."""
        with self._opened() as page:
            return [self._goto(page, path, useful) for _ in range(times + 1)][1:]

    def worklist(self, times: int) -> dict[str, list[float]]:
        """From the act until the rows are there: the next page, another order, another filter, and no filter at all."""
        verdicts = "&".join(f"verdict={one}" for one in NEEDS_A_PERSON)
        found: dict[str, list[float]] = {}
        with self._opened() as page:
            first = [self._goto(page, f"worklist?{verdicts}", _ROWS) for _ in range(times + 1)][1:]
            found["worklist, first rows, warm"] = first

            def act(what: str, script: str, place: int = 0) -> None:
                found.setdefault(f"worklist, {what}", []).append(page.evaluate(_ACT % script, place))

            for number in range(1, times + 1):
                # Pages are fetched in blocks: each of these is in one that nobody has seen yet.
                act("a later page", _PAGE, 150 * number)
            for _ in range(times):
                act("sorted by value", _SORT % "desc")
                act("sorted by value, turned round", _SORT % "asc")
            for _ in range(times):
                act("one verdict more", _FILTER % "on_track")
                act("one verdict less", _FILTER % "on_track")
            self._goto(page, "worklist?verdict=stuck", _ROWS)
            for _ in range(times):
                act("of everything there is", _FILTER % "stuck")
                act("of what is stuck, after everything", _FILTER % "stuck")
        return found

    def _goto(self, page: Any, path: str, useful: str) -> float:
        page.goto(self._dashboard + path, wait_until="commit")
        page.wait_for_function("() => window.benchWhen")
        return float(page.evaluate(f"() => window.benchWhen({useful})"))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        context = self._browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_init_script(_WHEN)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        try:
            yield context.new_page()
        finally:
            context.close()


@contextmanager
def _chromium() -> Iterator[Any]:
    """A browser that reaches this machine alone; None where there is none."""
    program = os.environ.get("MILEPOST_CHROMIUM") or shutil.which("chromium")
    playing: Callable[[], Any] | None = None
    if program is not None:
        try:
            from playwright.sync_api import sync_playwright as playing  # noqa: PLC0415 - of the tests only
        except ImportError:
            print("(p) Playwright is not installed.", file=sys.stderr)
    if playing is None:
        yield None
        return
    with playing() as playwright:
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()
