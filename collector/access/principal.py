"""Who asks, and what he may do: scopes, roles, and the principal of the request that is being answered."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from collector.access.sight import Sight, sight_of

ADMIN, ACT, RAW, QUERY, OVERVIEW, METRICS, INGEST = "admin", "act", "raw", "query", "overview", "metrics", "ingest"
LONGEST_SOURCE = 2048
_LOOKING = frozenset((QUERY, OVERVIEW, METRICS))
_INCLUDED = {
    ADMIN: _LOOKING | {ADMIN, ACT, RAW},
    ACT: _LOOKING | {ACT},
    RAW: _LOOKING | {RAW},
    QUERY: _LOOKING,
    OVERVIEW: frozenset((OVERVIEW,)),
    METRICS: frozenset((METRICS,)),
}


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
    """Somebody known, with what he may do; `id` is of his key, `address` where he asks from.

    `sight` is which workflows he may see and act on; None is all of them. `rate` is how many requests and events a
    second his key may bring, without end where that is infinite; None is what the settings say.
    """

    name: str
    how: How
    scopes: frozenset[str]
    id: str = ""
    address: str = ""
    sight: Sight | None = None
    rate: float | None = None

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
        if scope == METRICS and self.sight is not None:
            # They are of all workflows, by name.
            return False
        return any(scope in _INCLUDED.get(own, ()) for own in self.scopes)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person may do, which workflows he `sees` (in the words of sight.py, None all), and what was sent `raw`."""

    role: PersonRole
    sees: tuple[str, ...] | None = None
    raw: bool = False

    def principal(self, name: str, how: How, address: str = "") -> Principal:
        """The person of that name."""
        scopes = self.role.scopes | ({RAW} if self.raw else frozenset())
        return Principal(name, how, scopes, address=address, sight=sight_of(self.sees))


acting: ContextVar[Principal | None] = ContextVar("acting", default=None)
"""Who asks for what is being done; None where nobody has to say who he is."""


def faults_of_scopes(scopes: tuple[str, ...]) -> list[str]:
    """What is wrong with scopes as somebody gives them."""
    known = "ingest, ingest:SOURCE, metrics, overview, query, raw, act, admin"
    faults = [] if scopes else [f"--scope: not given; there are {known}"]
    for scope in scopes:
        kind, colon, source = scope.partition(":")
        good = kind == INGEST and source.isprintable() and 0 < len(source) <= LONGEST_SOURCE
        if not good if colon else scope not in (*_INCLUDED, INGEST):
            faults.append(f"--scope: {scope[:80]!r} is none; there are {known}")
    return faults
