"""The real process, started as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.acceptance import asking

PATIENCE = 240
"""Seconds. A machine may be busy, and what hangs is ended by the timeout of its test."""
COMMAND = [sys.executable, "-m", "milepost.cli"]


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
# Systems take the ports of outgoing connections from 32768 on, or higher: none of them takes one of these meanwhile.
_FIRST_PORT, _PORTS_OF_A_WORKER = 10_000 + _WORKER % 10 * 2_000, 2_000
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody has now, and that neither a connection nor another worker of the tests takes before it is used."""
    chance = random.SystemRandom()
    while True:
        port = _FIRST_PORT + chance.randrange(_PORTS_OF_A_WORKER)
        with socket.socket() as found, contextlib.suppress(OSError):
            if port not in _given:
                found.bind(("127.0.0.1", port))
                _given.add(port)
                return port


def environment() -> dict[str, str]:
    """Ours without what would be settings; of many processes on a machine only one can have the port of gRPC."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("MILEPOST_", "OTEL_")) and k != "DATABASE_URL"}
    return ours | {"MILEPOST_OTLP_GRPC_PORT": "off"}


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `condition`, which is to come within so many seconds, or PATIENCE where that is longer.

    AssertionError when there is none by then.
    """
    until = time.monotonic() + max(seconds, PATIENCE)
    while not (found := condition()):
        assert time.monotonic() < until, f"not in time, {seconds} s on a machine that has nothing else to do: {what}"
        time.sleep(0.05)
    return found


class Running:
    """A command of Milepost that serves until it is told to stop; it can be killed and started again."""

    def __init__(self, folder: Path, name: str, command: str, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / name
        self._command = [*COMMAND, command, *arguments, "--port", str(self.port), "--log-format", "json"]
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it; it is not waited for."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment())

    def wait(self) -> None:
        """Wait until it is ready."""
        process = self.process
        assert process is not None

        def ready() -> bool:
            assert process.poll() is None, self.log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return asking.get(f"{self.url}/readyz").status_code == 200
            return False

        wait_until(ready, 90, "the process serves")

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        self.wait()

    def end(self, others: Sequence[psutil.Process] = ()) -> None:
        """End it with SIGKILL, and others at the same moment; its workers must end too."""
        assert self.process is not None
        workers = self.workers()
        self.process.send_signal(signal.SIGKILL)
        for one in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(PATIENCE)
        _, alive = psutil.wait_procs({*workers, *others}, PATIENCE)
        assert alive == [], "what belonged to the killed process must end with it"

    def stop(self, by: signal.Signals) -> int:
        """Ctrl-C (SIGINT), or what service managers send (SIGTERM); the exit code."""
        assert self.process is not None
        self.process.send_signal(by)
        return self.process.wait(PATIENCE)

    def workers(self) -> list[psutil.Process]:
        """The processes it has started besides the database."""
        assert self.process is not None
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in found if one.name() not in ("postgres", "pg_ctl", "sh")]

    def roles(self) -> dict[str, str]:
        """What it says of each of its roles."""
        found: dict[str, str] = asking.get(f"{self.url}/healthz").json()["roles"]
        return found

    def said(self) -> list[dict[str, Any]]:
        """What the process logged; every line but the first of each start is JSON."""
        lines = [line for line in self.log.read_text().splitlines() if line and not line.startswith("Settings: ")]
        return [json.loads(line) for line in lines]

    def errors(self) -> list[dict[str, Any]]:
        """What of it are errors."""
        return [one for one in self.said() if one["level"] in ("error", "critical")]

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)


class Serving(Running):
    """A `milepost serve` on an embedded database."""

    def __init__(self, folder: Path, definitions: Path, *arguments: str) -> None:
        self.data = folder / "data"
        where = ("--data-dir", str(self.data), "--definitions", str(definitions))
        super().__init__(folder, "log", "serve", *where, *arguments)

    def kill(self, *, with_database: bool) -> None:
        """End it as a power cut would."""
        self.end(self.database_processes() if with_database else ())

    def database_processes(self) -> list[psutil.Process]:
        """The processes of the PostgreSQL under this folder."""
        found: list[psutil.Process] = []
        for one in psutil.process_iter(["name", "cmdline"]):
            words = one.info["cmdline"] or []
            if one.info["name"] == "postgres" and any(str(self.data) in word for word in words):
                found += [one, *one.children(recursive=True)]
        return found

    def close(self) -> None:
        """Leave nothing behind."""
        super().close()
        for one in self.database_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
