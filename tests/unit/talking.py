"""A server that speaks raw bytes, for clients that must not believe what they are told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

Talk = Callable[[socket.socket], None]
LINGERING_SECONDS = 5.0


class Talking:
    """Says to everybody who connects what it was told to, one after the other."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.talk: Talk = lambda _: None
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def met(self, found: socket.socket) -> None:
        """Somebody has connected."""
        self.talk(found)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                found, _ = self._listening.accept()
            except OSError:
                return
            with found, contextlib.suppress(OSError):
                self.met(found)
                # Closed with something unread, the connection is reset, and what was said may be lost on its way.
                found.shutdown(socket.SHUT_WR)
                found.settimeout(LINGERING_SECONDS)
                while found.recv(65_536):
                    pass
