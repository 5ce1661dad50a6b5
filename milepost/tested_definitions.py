"""What came of the tests beside the definitions of this process, run when somebody asks and after files changed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from milepost.definition_files import find_tests_beside, stamp_of
from milepost.testing_apart import TestedBeside
from slo_rules.instants import rfc3339, to_micros

log = structlog.get_logger("milepost.definitions")

MOST_SECONDS = 300.0
LOOKED_EVERY_SECONDS = 2.0


class DefinitionsTested:
    """Nothing is run before the first who asks; he is told that it runs, and so is everybody until it is through.

    Where files change later they are run anew, while what came of them before is still told.
    """

    def __init__(self, paths: Sequence[Path], most_seconds: float = MOST_SECONDS) -> None:
        self._paths, self._most_seconds = list(paths), most_seconds
        self._told: dict[str, Any] = {"state": "running"}
        self._stamp: object = None
        self._looked_at = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def get(self) -> dict[str, Any]:
        """The state (`none`, `running`, `ran`, `failed`), and of what has run what TestedBeside has, when, how long."""
        if not self._paths:
            return {"state": "none"}
        if self._running is None and time.monotonic() - self._looked_at >= LOOKED_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            stamp, tests = await asyncio.to_thread(lambda: (stamp_of(self._paths), find_tests_beside(self._paths)))
            if stamp != self._stamp and not tests:
                self._stamp, self._told = stamp, {"state": "none"}
            elif stamp != self._stamp and self._running is None:
                self._stamp = stamp
                self._running = asyncio.create_task(self._run())
        return self._told

    async def through(self) -> None:
        """Return once nothing runs."""
        if self._running is not None:
            await asyncio.wait({self._running})

    async def close(self) -> None:
        """End what still runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        began = time.monotonic()
        try:
            found = await self._run_apart()
        except (OSError, TimeoutError, _Broken) as error:
            why = f"they took longer than {self._most_seconds:.0f} seconds" if isinstance(error, TimeoutError) else ""
            log.warning("definition_tests_not_run", error=why or str(error))
            self._told = {"state": "failed", "faults": [f"The tests could not be run: {why or error}."]}
        else:
            self._told = {
                "state": "ran" if found.tests or not found.faults else "failed",
                "ran_at": rfc3339(to_micros(datetime.now(UTC))),
                "seconds": round(time.monotonic() - began, 2),
                **msgspec.to_builtins(found),
            }
            failed = [one.name for one in found.tests if not one.passed]
            say = log.warning if failed or found.faults else log.info
            say("definition_tests_run", tests=len(found.tests), failed=failed, faults=found.faults)
        finally:
            self._running = None

    async def _run_apart(self) -> TestedBeside:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "milepost.testing_apart", *map(str, self._paths),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(self._most_seconds):
                # Its standard input stays open for as long as this process lives: see testing_apart.
                out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            said = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise _Broken(said or f"they ended with {process.returncode}")
        return msgspec.json.decode(out, type=TestedBeside)


class _Broken(Exception):
    """The process that runs the tests failed; says how."""
