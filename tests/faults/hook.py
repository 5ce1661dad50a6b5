"""A webhook receiver outside of the product: it knows what fired and what was resolved."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """Answers 200 to everything, and keeps it in the order in which it came."""

    def __init__(self) -> None:
        kept: list[dict[str, Any]] = []
        self._kept = kept

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["content-length"])))
                kept.append({"message": self.headers["webhook-id"], "at": time.time()} | said)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="hook", daemon=True).start()

    def told(self, transition: str) -> dict[str, dict[str, Any]]:
        """What was last said of each incident with this transition (`firing`, `resolved`), by the incident's id."""
        of_type = [one for one in list(self._kept) if one["type"] == f"milepost.incident.{transition}"]
        return {one["data"]["incident"]["id"]: one for one in of_type}

    def fired_of(self, workflow: str) -> bool:
        """Whether somebody heard that a workflow is held up."""
        return any(one["data"]["incident"]["workflow"] == workflow for one in self.told("firing").values())

    def unresolved(self) -> list[str]:
        """The incidents of which a firing was heard and no resolve."""
        return sorted(self.told("firing").keys() - self.told("resolved").keys())

    def out_of_order(self) -> list[str]:
        """The incidents whose resolve was heard before the firing, and those that fired again after it."""
        resolved: set[str] = set()
        wrong = []
        for one in list(self._kept):
            id_ = one["data"]["incident"]["id"]
            if one["type"].endswith(".resolved"):
                resolved.add(id_)
            elif one["type"].endswith(".firing") and id_ in resolved:
                wrong.append(id_)
        return wrong

    def repeated(self) -> dict[str, int]:
        """Messages that came more than once, under the same id as they must, by their id."""
        counted = Counter(one["message"] for one in list(self._kept))
        return {message: count for message, count in counted.items() if count > 1}

    def close(self) -> None:
        """Hear nothing more."""
        self._server.shutdown()
        self._server.server_close()
