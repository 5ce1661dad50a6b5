"""One business object's way through the enterprise, written down as actions while it walks."""

from __future__ import annotations

import random
from typing import Any

from milepost.demo import hops, processes
from milepost.demo.actions import CANCELLED, FAILED, SECOND, Action, BusinessEvent
from milepost.demo.faults import SLOW_STEPS

SAP = "sap.s4.beh."
"""What the types of S/4HANA begin with that keep their names: those of what is no entity of its own here."""
_OF_THE_CRM = frozenset(("salesforce", "mulesoft"))
"""Whose `account_id` is that of the CRM; others have one of their own, and the CRM's besides."""
_ID_PREFIX = {"stripe": "evt_1", "coupa": "coupa-", "mulesoft": "mule-"}


class Story:
    """The actions of one instance, in the order in which they happen; `now` is its own clock in micros.

    `cause` names the fault that holds it up, if one does; `slow` the milestone that ordinary slowness delays.
    """

    def __init__(
        self,
        rng: random.Random,
        workflow: str,
        key: tuple[str, str],
        start: int,
        base: dict[str, Any],
        *,
        express: bool,
    ) -> None:
        self.rng = rng
        self.workflow = workflow
        self.instance = (workflow, *key)
        self.now = start
        self.base = base
        self.express = express
        self.actions: list[Action] = []
        self.cause: str | None = None
        self.slow: str | None = None
        if not express and rng.random() < SLOW_STEPS.share:
            self.slow = rng.choice(processes.STEPS[workflow]).milestone

    def start(self, source: str, type_: str, subject: str, data: dict[str, Any]) -> None:
        """The event that starts the instance."""
        self.emit(source, type_, subject, data, mark=processes.STARTS[self.workflow])

    def advance(self, milestone: str, *, take: int | None = None) -> None:
        """Let the time pass that the step to `milestone` takes."""
        step = processes.BY_MILESTONE[self.workflow, milestone]
        if take is not None:
            self.now += take
        elif milestone == self.slow:
            self.now += processes.slow_latency(self.rng, step)
        else:
            self.now += processes.latency(self.rng, step, express=self.express)

    def chance(self, share: float) -> bool:
        """Whether something unusual of this share happens; what starts live has no misfortunes of its own."""
        return not self.express and self.rng.random() < share

    def emit(
        self,
        source: str,
        type_: str,
        subject: str,
        data: dict[str, Any],
        *,
        mark: str | None = None,
        trace: hops.Trace | None = None,
        flawed: bool = False,
        after: int = 0,
    ) -> None:
        """A business event `after` micros from now, delivered a moment later."""
        at = self.now + after
        draw = self.rng.getrandbits(96)
        id_ = f"{_ID_PREFIX.get(source, '')}{draw:024x}"
        said = self.base
        if source not in _OF_THE_CRM and "account_id" in said:
            said = {"crm_account_id" if name == "account_id" else name: value for name, value in said.items()}
        event = BusinessEvent(source, id_, type_, subject, at, {**said, **data}, trace.traceparent if trace else None)
        deliver_at = at + 40_000 + draw % 900_000
        self.actions.append(Action(at, deliver_at, self.instance, mark, flawed, event, ()))

    def fail(self, source: str, type_: str, subject: str, data: dict[str, Any]) -> None:
        """The event that fails the instance."""
        self.emit(source, type_, subject, data, mark=FAILED)

    def cancel(self, source: str, type_: str, subject: str, data: dict[str, Any]) -> None:
        """The event that cancels the instance."""
        self.emit(source, type_, subject, data, mark=CANCELLED)

    def hop(
        self,
        name: str,
        attributes: dict[str, Any],
        *,
        follows: hops.Trace | None = None,
        versions: dict[str, str] | None = None,
        error: str | None = None,
        note: tuple[str, dict[str, Any]] | None = None,
        mark: str | None = None,
    ) -> hops.Trace:
        """The spans of a hop that ends now; with `mark`, its second span reaches that milestone."""
        trace, spans = hops.lay(
            self.rng, name, self.now, attributes, follows=follows, versions=versions, error=error, note=note
        )
        at = spans[1].end if mark else self.now
        self.actions.append(Action(at, self.now + 2 * SECOND, self.instance, mark, False, None, spans))
        return trace
