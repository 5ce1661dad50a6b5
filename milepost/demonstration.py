"""`milepost demo`: the whole of Milepost beside a simulated enterprise that speaks to it only over the wire."""

from __future__ import annotations

import html
import json
import logging
import shutil
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from milepost.definition_files import packs_folder
from milepost.demo import Enterprise
from milepost.demo.processes import STARTS
from milepost.demo.sender import Refused
from milepost.server import Milepost
from milepost.settings import Settings

LOOK_AT = (
    ("dashboard/", "what needs a person, by domain, and what it is worth"),
    ("dashboard/worklist?verdict=stuck", "every stuck order, account and entitlement, with its age and owner"),
    ("dashboard/objectives", "how much of each error budget is left"),
    ("docs", "the query API"),
)


def definitions() -> tuple[Path, ...]:
    """The shipped packs of the processes that the enterprise has, and its systems: what nobody lives stays away."""
    return tuple(packs_folder() / f"{name}.yaml" for name in (*STARTS, "sources"))


class State(msgspec.Struct):
    """What a second run needs to go on with the same enterprise. Times are RFC 3339."""

    seed: int
    anchor: datetime
    position: datetime | None = None
    pauses: list[tuple[datetime, datetime]] = []


class _Listener:
    """Stands in for a chat: takes what alerting sends to a Slack webhook and prints it."""

    def __init__(self, console: Console) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                # Slack has three characters written as in HTML.
                text = html.unescape(json.loads(body).get("text", ""))
                console.print(f"  told to chat: {text}", style="magenta", markup=False, highlight=False)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/chat"
        threading.Thread(target=self._server.serve_forever, name="chat", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Demonstration:
    """One run of the demo. Without `keep` its data is deleted at the end."""

    def __init__(self, settings: Settings, *, seed: int | None, days: int, keep: bool) -> None:
        self._console = Console(stderr=True)
        self._days = days
        self._folder = settings.data_dir if keep else Path(tempfile.mkdtemp(prefix="milepost-demo-"))
        self._keep = keep
        self._file = self._folder / "demo.json"
        self._stop = threading.Event()
        self._settings = replace(settings, data_dir=self._folder, definitions=settings.definitions or definitions())
        self._state = self._load(seed)
        self._enterprise: Enterprise | None = None
        self._thread: threading.Thread | None = None

    def _load(self, seed: int | None) -> State:
        if self._file.exists():
            state = msgspec.json.decode(self._file.read_bytes(), type=State)
            if seed is not None and seed != state.seed:
                self._console.print(f"Going on with the enterprise of seed {state.seed} kept in {self._folder}.")
            if state.position is not None:
                state.pauses.append((state.position, datetime.now(UTC)))
            return state
        return State(seed=7 if seed is None else seed, anchor=datetime.now(UTC))

    def _save(self) -> None:
        if self._keep and self._enterprise is not None:
            self._state.position = self._enterprise.position
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file.write_bytes(msgspec.json.encode(self._state))

    def run(self) -> None:
        """Until Ctrl-C."""
        # When the collector stops first, what the enterprise's exporters say of it is noise.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        chat = _Listener(self._console)
        milepost = Milepost(self._settings)
        if not milepost.alerting.routes:
            milepost.add_chat(chat.url)
        self._console.print("Starting PostgreSQL, collector, evaluator, alerting and dashboard …")
        try:
            milepost.serve(on_ready=self._begin)
        finally:
            self._stop.set()
            if self._thread is not None:
                self._thread.join(timeout=10)
            chat.close()
            self._save()
            if self._keep:
                self._console.print(f"The data is kept in {self._folder}; run the same command to go on from it.")
            else:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._simulate, name="enterprise", daemon=True)
        self._thread.start()

    def _simulate(self) -> None:
        state = self._state
        enterprise = self._enterprise = Enterprise(
            self._settings.address, state.seed, state.anchor, days=self._days, pauses=state.pauses
        )
        start = enterprise.position = state.position
        with Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[at]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
        ) as bar:
            task = bar.add_task(f"Sending {self._days} days of history" if start is None else "Catching up", at="")

            def progress(done: int, total: int, label: str) -> None:
                bar.update(task, completed=done, total=total, at=label)

            enterprise.backfill(progress=progress, start=start, stop=self._stop)
        if self._stop.is_set():
            return
        self._save()
        self._tell(enterprise)
        try:
            enterprise.run_live(self._stop)
        except Refused as error:
            self._console.print(f"The collector refused what the enterprise sent: {error}", style="red")

    def _tell(self, enterprise: Enterprise) -> None:
        say = self._console.print
        say(f"\n{enterprise.sent_events:,} events and {enterprise.sent_spans:,} spans sent; from now on it runs live.")
        say(f"\n  [bold]{self._settings.address}[/bold]\n")
        for path, what in LOOK_AT:
            say(f"  {self._settings.address}/{path:<36} {what}", highlight=False)
        say(
            "\nWatch connector 2.3.0 drop orders from EMEA, and the ERP fall silent two minutes from now: what waits "
            "for it turns blind, not stuck.\nCtrl-C stops everything."
        )
