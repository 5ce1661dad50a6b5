"""Processes of every role on one database, and the supervisor that starts anew what has ended."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.acceptance.process import COMMAND, environment, free_port

STOP_SECONDS = 45.0
"""What docs/roles.md asks for between SIGTERM and the end."""
ROLES = ("collector", "collector", "projector", "projector", "notifier", "notifier", "dashboard", "serve")
VETERANS = ("dashboard-0", "serve-0")
"""Never killed as a whole, so that what they hold on to can be measured."""


@dataclass(eq=False)
class Member:
    """One process of a role. `busy` is told to stop, and hit by nothing else meanwhile."""

    name: str
    arguments: list[str]
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    told_to_stop: float | None = None
    killed: bool = False
    starts: int = 0
    seen: set[psutil.Process] = field(default_factory=set)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / f"{self.name}.log"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start it; it is not waited for."""
        with self.log.open("ab") as log:
            command = [*COMMAND, *self.arguments, "--port", str(self.port), "--log-format", "json"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        self.starts += 1
        self.killed, self.told_to_stop = False, None

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Whether it says so."""
        with contextlib.suppress(httpx.TransportError):
            return self.alive() and httpx.get(f"{self.url}/readyz", timeout=3).status_code == 200
        return False

    def workers(self) -> list[psutil.Process]:
        """The processes that it has started, in an order that stays."""
        if not self.alive() or self.process is None:
            return []
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            return []
        self.seen.update(found)
        return sorted(found, key=lambda one: one.pid)

    def holds(self) -> tuple[float, int, int]:
        """Its memory in MB, and how many files and threads."""
        assert self.process is not None
        one = psutil.Process(self.process.pid)
        with one.oneshot():
            return one.memory_info().rss / 1e6, one.num_fds(), one.num_threads()

    def said(self, level: str) -> list[dict[str, object]]:
        """What it logged at a level."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                one = json.loads(line)
                if isinstance(one, dict) and one.get("level") == level:
                    found.append(one)
        return found


class Landscape:
    """The members and their supervisor, which starts anew whatever ends, at once.

    `ended` has what ended without having been killed or told to; `drained` how many seconds each took that was told.
    """

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.ended: list[str] = []
        self.drained: list[float] = []
        self.lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start all of them, and keep them running."""
        for one in self.members:
            one.launch()
        self._thread.start()

    def kill(self, one: Member) -> None:
        """SIGKILL, as the kernel does when memory is short."""
        with self.lock:
            if one.process is not None and one.alive():
                one.workers()
                one.killed = True
                one.process.kill()

    def tell(self, one: Member) -> None:
        """SIGTERM, as service managers do."""
        with self.lock:
            if one.process is not None and one.alive():
                one.workers()
                one.told_to_stop = time.monotonic()
                one.process.terminate()

    def leftovers(self) -> list[psutil.Process]:
        """Workers whose process has gone."""
        own = {worker for one in self.members for worker in one.workers()}
        return [worker for one in self.members for worker in one.seen if worker.is_running() and worker not in own]

    def close(self) -> None:
        """End all."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(10)
        for one in self.members:
            for worker in one.workers():
                with contextlib.suppress(psutil.Error):
                    worker.kill()
            if one.process is not None and one.alive():
                one.process.send_signal(signal.SIGCONT)
                one.process.kill()
                one.process.wait(10)

    def _keep(self) -> None:
        while not self._closing.wait(0.1):
            for one in self.members:
                with self.lock:
                    self._look_after(one)

    def _look_after(self, one: Member) -> None:
        process = one.process
        if process is None:
            return
        code = process.poll()
        told = one.told_to_stop
        if code is None:
            if told is not None and time.monotonic() - told > STOP_SECONDS:
                self.ended.append(f"{one.name} did not end within {STOP_SECONDS:.0f} s of SIGTERM")
                one.killed, one.told_to_stop = True, None
                process.kill()
            return
        if told is not None and not one.killed:
            self.drained.append(time.monotonic() - told)
        if not one.killed and (told is None or code != 0):
            self.ended.append(f"{one.name} ended by itself with {code}")
        one.launch()
