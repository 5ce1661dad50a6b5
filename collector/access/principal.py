"""Who asks, and what he may do: scopes, roles, and the principal of the request that is being answered."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

ADMIN, ACT, QUERY, METRICS, INGEST = "admin", "act", "query", "metrics", "ingest"
LONGEST_SOURCE = 2048
_INCLUDED = {ADMIN: frozenset((ADMIN, ACT, QUERY, METRICS)), ACT: frozenset((ACT, QUERY, METRICS)),
             QUERY: frozenset((QUERY, METRICS)), METRICS: frozenset((METRICS,))}  # fmt: skip


class PersonRole(StrEnum):
    """What a person may do: look, also act, also look after who else may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def scopes(self) -> frozenset[str]:
        """What it allows, in the words of keys."""
        return frozenset(({"viewer": QUERY, "operator": ACT, "admin": ADMIN}[self],))


class How(StrEnum):
    """By what somebody is known."""

    KEY = "key"
    PASSWORD = "password"  # noqa: S105 — a word, not a password
    OIDC = "oidc"
    PROXY = "proxy"
    TERMINAL = "terminal"
    OPEN = "open"


@dataclass(frozen=True)
class Principal:
    """Somebody known, with what he may do; `id` is of his key, `address` where he asks from."""

    name: str
    how: How
    scopes: frozenset[str]
    id: str = ""
    address: str = ""

    @cached_property
    def sources(self) -> frozenset[str] | None:
        """The sources that he may send events as; None is any."""
        if INGEST in self.scopes:
            return None
        return frozenset(scope.partition(":")[2] for scope in self.scopes if scope.startswith(f"{INGEST}:"))

    def may(self, scope: str) -> bool:
        """Whether the scope is his, or included in one of his; `ingest` is when he may send as anybody."""
        if scope == INGEST:
            return self.sources is None or bool(self.sources)
        return any(scope in _INCLUDED.get(own, ()) for own in self.scopes)


acting: ContextVar[Principal | None] = ContextVar("acting", default=None)
"""Who asks for what is being done; None where nobody has to say who he is."""


def faults_of_scopes(scopes: tuple[str, ...]) -> list[str]:
    """What is wrong with scopes as somebody gives them."""
    known = "ingest, ingest:SOURCE, metrics, query, act, admin"
    faults = [] if scopes else [f"--scope: not given; there are {known}"]
    for scope in scopes:
        kind, colon, source = scope.partition(":")
        good = kind == INGEST and source.isprintable() and 0 < len(source) <= LONGEST_SOURCE
        if not good if colon else scope not in (*_INCLUDED, INGEST):
            faults.append(f"--scope: {scope[:80]!r} is none; there are {known}")
    return faults
