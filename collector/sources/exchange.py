"""What a source and its adapter exchange: a request as it came, the answer to it, and what was found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """A request of a source. Names of headers are in lower case; `body` has the exact bytes, decompressed.

    `path` is what follows the name of the source, and its token, in the address. `url` is the address as the sender
    called it, with its query. Only `method`, `path`, `body` and the headers that an adapter keeps are there when a
    request is read again from where it is kept.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    url: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def media(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source is answered."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of a source, resolved. They show in no repr."""

    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    token: bytes | None = field(default=None, repr=False)
    hash_key: bytes | None = field(default=None, repr=False)
    poll: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Native:
    """One event in the words of its system. Paths of a mapping lead into `document`.

    `words` says what happened, the most exact first; the first to which a mapping gives a type counts. Without one it
    is of `type`; empty: then it cannot be mapped. `item` is its place in the request.
    """

    item: int
    document: dict[str, Any]
    words: tuple[str, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Unfit:
    """What of a request cannot be used and why; `item` is None where that is all of it."""

    item: int | None
    reason: str
    body: bytes | None = None


class Unreadable(Exception):
    """A body is not of the form that its system sends; says how."""
