"""The simulated enterprise at work: it sends its past, then lives on in real time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from milepost.demo import oracle, scenario
from milepost.demo.actions import Action, BusinessEvent, micros, moment
from milepost.demo.sender import BATCH, EventSender, Stopped
from milepost.demo.spans import SpanSender

Progress = Callable[[int, int, str], None]
Clock = Callable[[], datetime]

_FAR = timedelta(days=365)
_TICK = 0.5
_SINGLES_EVERY = 10
_SINGLES = 10
_FEW = 3


class Enterprise:
    """An enterprise that speaks to the collector at `base_url` and nowhere else.

    `anchor` is when the demo first went live; keep it (and `days`) to go on with the same enterprise after a
    restart. `pauses` are the times since then at which nobody ran the demo: no express business starts in
    them, which keeps catching up short. `position` is the moment up to which everything has been delivered.
    """

    def __init__(
        self,
        base_url: str,
        seed: int,
        anchor: datetime,
        *,
        days: int = 7,
        pauses: scenario.Pauses = (),
        headers: Mapping[str, str] | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = base_url
        self.seed = seed
        self.anchor = anchor
        self.days = days
        self.pauses = tuple(pauses)
        self.position: datetime | None = None
        self.sent_events = 0
        self.sent_spans = 0
        self._headers = headers
        self._clock = clock

    @property
    def opens(self) -> datetime:
        """When the enterprise began."""
        return self.anchor - timedelta(days=self.days)

    def backfill(
        self,
        days: int | None = None,
        until: datetime | None = None,
        progress: Progress | None = None,
        *,
        start: datetime | None = None,
        stop: threading.Event | None = None,
    ) -> int:
        """Deliver all from `start` (default: the beginning) to `until` (default: now) as fast as it is taken.

        `days` sets how long before the anchor the enterprise began. `progress` is called as (done, total,
        label). Returns the number of events sent. Ends early, with `position` short of `until`, when `stop`
        is set.
        """
        self.days = days or self.days
        until = until or self._clock()
        start = start or self.opens
        actions = list(self._deliveries(start, until))
        total = len(actions)
        with _Wire(self, stop or threading.Event(), self._headers) as wire:
            try:
                done = 0
                for chunk in _chunks(actions):
                    wire.send(chunk, singly=_SINGLES if wire.turns % _SINGLES_EVERY == 0 else 0)
                    done += len(chunk)
                    at = moment(chunk[-1].deliver_at)
                    self.position = at
                    if progress is not None:
                        progress(done, total, at.strftime("%a %d %b %H:%M"))
                wire.flush()
            except Stopped:
                return wire.events
            self.position = until
            return wire.events

    def run_live(self, stop: threading.Event) -> None:
        """Deliver what happens as it happens, from `position` (default: the anchor) until `stop` is set."""
        start = self.position or self.anchor
        upcoming = self._deliveries(start, start + _FAR)
        waiting: Action | None = None
        with _Wire(self, stop, self._headers) as wire:
            while not stop.is_set():
                now = self._clock()
                until = micros(now)
                due: list[Action] = []
                while len(due) < BATCH:
                    waiting = waiting or next(upcoming, None)
                    if waiting is None or waiting.deliver_at > until:
                        break
                    due.append(waiting)
                    waiting = None
                try:
                    wire.send(due, singly=len(due) if len(due) <= _FEW else 0)
                except Stopped:
                    return
                if len(due) == BATCH:
                    self.position = moment(due[-1].deliver_at)
                    continue
                self.position = now
                ahead = (waiting.deliver_at - until) / 1e6 if waiting is not None else _TICK
                stop.wait(min(max(ahead, 0.01), _TICK))

    def expected(self, at: datetime | None = None) -> oracle.Expectation:
        """What is truly stuck, complete and so on at `at` (default: `position`, or now)."""
        at = at or self.position or self._clock()
        told = scenario.told(self.seed, self.opens, at, anchor=self.anchor, opens=self.opens, pauses=self.pauses)
        return oracle.expect((story for _, stories in told for story in stories), micros(at), micros(self.anchor))

    def _deliveries(self, start: datetime, until: datetime) -> Iterator[Action]:
        return scenario.deliveries(self.seed, start, until, anchor=self.anchor, opens=self.opens, pauses=self.pauses)


class _Wire:
    """Both senders, open for the time of a run."""

    def __init__(self, enterprise: Enterprise, stop: threading.Event, headers: Mapping[str, str] | None) -> None:
        self._enterprise = enterprise
        self._events = EventSender(enterprise.base_url, stop, headers)
        self._spans = SpanSender(enterprise.base_url, stop, headers)
        self.events = 0
        self.turns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spans.close()
        self._events.close()

    def send(self, actions: Sequence[Action], *, singly: int) -> None:
        """Send actions in their order: the first `singly` events one by one, the others in a batch."""
        self.turns += 1
        events = [action.event for action in actions if action.event is not None]
        for event in events[:singly]:
            self._events.single(event)
        if len(events) > singly:
            self._events.batch(events[singly:])
        self._count(events)
        for action in actions:
            if action.spans:
                self._spans.send(action.spans)
                self._enterprise.sent_spans += len(action.spans)

    def flush(self) -> None:
        """Wait until every span is exported."""
        self._spans.flush()

    def _count(self, events: Sequence[BusinessEvent]) -> None:
        self.events += len(events)
        self._enterprise.sent_events += len(events)


def _chunks(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    """Runs of actions with at most BATCH events each."""
    begin = count = 0
    for index, action in enumerate(actions):
        if action.event is not None:
            if count == BATCH:
                yield actions[begin:index]
                begin, count = index, 0
            count += 1
    if begin < len(actions):
        yield actions[begin:]
