"""What an adapter is whose system does not push, and is asked again and again (polling.py). All of it is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collector.sources.adapter import Adapter
from slo_rules.adapter import Poll
from slo_rules.workflow import Source

State = dict[str, Any]
"""How far a system has been asked for one of its objects: what JSON can say, empty before the first time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a system: `path` follows its address."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What an answer comes to: from where to go on, whether at once, and whether it holds anything to be kept."""

    state: State
    more: bool
    holds: bool


class Polled(Adapter):
    """One system that is asked. What it answers is kept and mapped as if it had been sent to `/sources/NAME`."""

    knows_by: ClassVar[str]
    """How a request brings `poll.secret`: as `basic` user:password, as a `bearer`, or as an OAuth `client`, id:secret,
    for which a token is fetched from `token_path` first."""
    token_path: ClassVar[str] = "/oauth2/token"  # noqa: S105
    objects: ClassVar[frozenset[str]] = frozenset()
    """What can be asked for; empty: whatever a source names."""

    def ask(self, poll: Poll, name: str, state: State, now: int) -> Ask:
        """The next request for an object of this name at `now` (micros)."""
        raise NotImplementedError

    def step(self, poll: Poll, name: str, state: State, answer: bytes, now: int) -> Step:
        """What the answer to `ask` with the same state and `now` comes to. Raises Unreadable where it is none."""
        raise NotImplementedError

    def without_place(self, state: State) -> State | None:  # noqa: ARG002 (of whoever overrides it)
        """From where to go on when the system does not know the place any more; None where it needs to know none."""
        return None

    def faults(self, source: Source) -> list[tuple[str, str]]:
        poll = source.adapter.poll if source.adapter else None
        unknown = [name for name in poll.objects if name not in self.objects] if poll and self.objects else []
        return [
            ("poll.objects", f"{name!r} cannot be asked for; known are {', '.join(sorted(self.objects))}")
            for name in unknown
        ]
