"""HTTP/2 by hand, as whoever means harm speaks it: RFC 9113 for frames, RFC 7541 for headers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind & 255, flags & 255]) + stream.to_bytes(4, "big") + payload


BEGIN = PREFACE + frame(SETTINGS)


def _number(number: int, bits: int, first: int = 0) -> bytes:
    most = 2**bits - 1
    if number < most:
        return bytes([first | number])
    found, number = bytes([first | most]), number - most
    while number >= 128:
        found, number = found + bytes([number % 128 + 128]), number // 128
    return found + bytes([number])


def literal(name: str, value: bytes | str, *, indexed: bool = False) -> bytes:
    """A header that is spelled out, and put into the table of those that are known if it is to be indexed."""
    said = value.encode() if isinstance(value, str) else value
    first = b"\x40" if indexed else b"\x00"
    return first + _number(len(name), 7) + name.encode() + _number(len(said), 7) + said


def call_headers(method: str, content_type: str | None = "application/grpc", verb: str = "POST") -> bytes:
    """The headers of a call."""
    found = literal(":method", verb) + literal(":scheme", "http") + literal(":path", method)
    found += literal(":authority", "x") + literal("te", "trailers")
    return found + (literal("content-type", content_type) if content_type is not None else b"")


def talk(port: int, pieces: Iterable[bytes], *, half_close: bool = True, seconds: float = 240.0) -> tuple[int, bytes]:
    """Send until the other end hangs up, and read what it says; how much was sent. Not for the event loop."""
    sent, received = 0, b""
    with socket.create_connection(("127.0.0.1", port), seconds) as peer, contextlib.suppress(OSError):
        peer.settimeout(seconds)
        with contextlib.suppress(OSError):
            for piece in pieces:
                peer.sendall(piece)
                sent += len(piece)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        while more := peer.recv(65536):
            received = (received + more)[-65536:]
    return sent, received
