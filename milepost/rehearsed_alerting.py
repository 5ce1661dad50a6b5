"""The chain from events to messages in memory: a rehearsal of instances, and the rounds of alerting on its clock."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from uuid import UUID

from alerting.burning import causes
from alerting.incident import SAMPLES, TYPE_SILENT, Cause, Population
from alerting.message import Notice, notice, sentence
from alerting.rehearsed import Message, Rehearsed
from alerting.setup import Setup
from alerting.words import linked
from milepost.routes import read_alerting
from slo_rules.buckets import BUCKET
from slo_rules.contribution import worth
from slo_rules.durations import MINUTE
from slo_rules.objective import ALL
from slo_rules.reckoning import missing
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.workflow import Definitions

MOST_ROUNDS = 20_000
"""Rounds of one test: it looks every minute, and less often where it goes over more than two weeks."""
_HELD_UP = ("stuck", "blind", "failed", "inconsistent")
_SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


class Assumed(Mapping[str, str]):
    """The environment, in which a variable that is not set has a value that fits: nothing is sent in a test."""

    def __getitem__(self, name: str) -> str:
        """What is set, or something that looks like it."""
        found = os.environ.get(name)
        return found or (_SECRET if "SECRET" in name else f"https://unset.example.com/{name}")

    def __iter__(self) -> Iterator[str]:
        """The variables that are set."""
        return iter(os.environ)

    def __len__(self) -> int:
        """How many are set."""
        return len(os.environ)


class RehearsedAlerting:
    """A rehearsal that is looked at every minute, as the running Milepost looks every few seconds."""

    def __init__(self, rehearsal: Rehearsal, definitions: Definitions, start: int, until: int, setup: Setup) -> None:
        self.rehearsal = rehearsal
        self.alerting = Rehearsed(setup)
        self._definitions = definitions
        self._at = start
        self._step = max(MINUTE, -(-(until - start) // MOST_ROUNDS // MINUTE) * MINUTE)
        self._burning: dict[Cause, Population] = {}
        self._reckoned = -1
        self._titles = {(w.name, m.name): m.title for w in definitions.workflows.values() for m in w.milestones}

    def proceed(self, now: int) -> None:
        """Let time pass up to `now` (micros)."""
        while self._at < now:
            self._at = min(self._at + self._step, now)
            self.rehearsal.proceed(self._at)
            self.alerting.look(self._seen(self._at), self._at)
        self.rehearsal.proceed(now)

    def text(self, message: Message) -> str:
        """What a target was told, in the built-in words."""
        return sentence(self.notice(message))

    def notice(self, message: Message) -> Notice:
        """What a channel would be given."""
        tell = message.tell
        cause = tell.incident.cause
        titled = self._titles.get((cause.workflow or "", cause.waiting_for or ""))
        found = notice(
            tell.incident, tell.reason, message.at, last=tell.last, because=tell.because, milestone_title=titled
        )
        return linked(found, tell.incident, (), message.at, "", self._titles)

    def _seen(self, now: int) -> dict[Cause, Population]:
        held: dict[Cause, list[RehearsedInstance]] = {}
        for name in self._definitions.workflows:
            for one in self.rehearsal.instances(name):
                if one.verdict.kind in _HELD_UP and one.verdict.reason != "source_catching_up":
                    held.setdefault(cause_of(one), []).append(one)
        return {cause: population_of(ones) for cause, ones in held.items()} | self._objectives(now)

    def _objectives(self, now: int) -> dict[Cause, Population]:
        # They change when five minutes are over.
        if self._definitions.objectives and now // BUCKET != self._reckoned:
            self._reckoned = now // BUCKET
            workflows = self._definitions.workflows
            stands = {}
            for objective in self._definitions.objectives.values():
                workflow = workflows.get(objective.workflow)
                silence = missing(objective, workflow, self.rehearsal.marks, now)
                stand = self.rehearsal.tally([objective]).stand(objective, ALL, silence, now)
                stands[objective.name] = (objective, workflow, stand)
            self._burning = causes(stands, now)
        return self._burning


def rehearse(rehearsal: Rehearsal, definitions: Definitions, start: int, until: int) -> RehearsedAlerting:
    """The alerting that these definitions describe. Raises DefinitionError."""
    return RehearsedAlerting(rehearsal, definitions, start, until, read_alerting(definitions, Assumed()))


def cause_of(held: RehearsedInstance) -> Cause:
    """The cause that holds an instance up, as the query for populations has it."""
    verdict = held.verdict
    kind, reason = str(verdict.kind), str(verdict.reason)
    of_type = reason == TYPE_SILENT
    return Cause(
        None if kind == "blind" else held.workflow.name,
        kind,
        verdict.waiting_for if kind in ("stuck", "inconsistent") or of_type else None,
        verdict.source if kind in ("stuck", "blind") else None,
        reason if kind in ("failed", "inconsistent") or of_type else None,
    )


def population_of(held: list[RehearsedInstance]) -> Population:
    """What a cause holds up."""
    value: dict[str, Decimal] = {}
    for one in held:
        if (found := worth(one.progress.attributes)) is not None:
            value[found[1]] = value.get(found[1], Decimal()) + found[0]
    owners = Counter(one.verdict.owner or one.workflow.owner for one in held)
    domains = Counter(one.workflow.domain for one in held)
    oldest = sorted(held, key=lambda one: (one.verdict.since, one.number))
    return Population(
        count=len(held),
        oldest_since=oldest[0].verdict.since,
        value=tuple(sorted(value.items())),
        owner=owners.most_common(1)[0][0],
        domain=domains.most_common(1)[0][0],
        entity=oldest[0].workflow.entity,
        samples=tuple(UUID(int=one.number) for one in oldest[:SAMPLES]),
        owners=tuple(sorted(owners)),
        domains=tuple(sorted(domains)),
        workflows=tuple(sorted({one.workflow.name for one in held})),
    )
