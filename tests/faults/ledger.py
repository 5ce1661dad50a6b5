"""What was acknowledged, in a file of its own that is on disk before anything else happens."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path


class Ledger:
    """One line for each answer, with its time (seconds since the Unix epoch). `answers` counts them by status."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a")
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.odd: list[str] = []
        """Answers that no fault excuses: a refusal, a 5xx that is no 503, one without `Retry-After`."""

    def acknowledged(self, job: int, door: str, ids: list[str]) -> None:
        """A 2xx, of which nothing may be lost from now on."""
        with self._lock:
            self.answers["acknowledged"] += 1
            self._file.write(json.dumps({"at": time.time(), "job": job, "door": door, "ids": ids}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def refused(self, status: str, *, odd: str = "") -> None:
        """Anything else, and why it is odd."""
        with self._lock:
            self.answers[status] += 1
            if odd:
                self.odd.append(odd)

    def read(self) -> set[int]:
        """The jobs that were acknowledged, as the file has them."""
        with self._path.open() as file:
            return {json.loads(line)["job"] for line in file}

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
