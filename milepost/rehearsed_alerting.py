"""The chain from events to messages in memory: a rehearsal of instances, and the rounds of alerting on its clock."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from alerting.attributed import set_apart, values_of
from alerting.behind import PROJECTION, of_projection
from alerting.burning import causes
from alerting.incident import BURNING, SAMPLES, TYPE_SILENT, Cause, Population
from alerting.message import Notice, notice, sentence
from alerting.rehearsed import Message, Rehearsed
from alerting.route import targets_by_name
from alerting.setup import Setup
from alerting.targets import Target
from alerting.titles import titles_of
from alerting.words import linked
from milepost.expectations import Failure
from milepost.rehearsed_acts import RehearsedAct, perform
from milepost.rehearsed_digests import Digests
from milepost.rehearsed_messages import Post, Sent
from milepost.routes import read_alerting
from slo_rules.buckets import BUCKET
from slo_rules.contribution import worth
from slo_rules.durations import MINUTE
from slo_rules.objective import ALL
from slo_rules.progress import Scalar
from slo_rules.reckoning import missing
from slo_rules.rehearsal import Rehearsal, RehearsedInstance
from slo_rules.workflow import Definitions

MOST_ROUNDS = 20_000
"""Rounds of one test: it looks every minute, and less often where it goes over more than two weeks."""
COMPARED_EVERY = 5 * MINUTE
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
    """A rehearsal that is looked at every minute, as the running Milepost looks every few seconds.

    What people do is done at its instant, before what is decided then. `failures` are acts that could not be done.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        definitions: Definitions,
        start: int,
        until: int,
        setup: Setup,
        acts: Iterable[RehearsedAct] = (),
        test_start: int | None = None,
    ) -> None:
        self.rehearsal = rehearsal
        self.alerting = Rehearsed(setup)
        self.failures: list[Failure] = []
        self.sent: list[tuple[Message, Sent]] = []
        self._definitions = definitions
        self._at = start
        self._start = start if test_start is None else test_start
        self._acts = deque(sorted(acts, key=lambda act: act.at))
        self._back_at = start
        self._behind_until = start
        self._step = max(MINUTE, -(-(until - start) // MOST_ROUNDS // MINUTE) * MINUTE)
        self._burning: dict[Cause, Population] = {}
        self._reckoned = -1
        self._titles = titles_of(definitions.workflows.values(), definitions.objectives.values())
        self._post = Post(all_targets(setup), Assumed())
        self.digests = Digests(setup.teams, self._titles.milestones, self._post)

    def proceed(self, now: int) -> None:
        """Let time pass up to `now` (micros)."""
        while self._at < now:
            act_at = self._acts[0].at if self._acts else now
            self._at = min(self._at + self._step, now, act_at if act_at > self._at else now)
            self.rehearsal.proceed(self._at)
            while self._acts and self._acts[0].at <= self._at:
                self._do(self._acts.popleft())
            if self._at >= self._back_at:
                self._round(self._at)
        self.rehearsal.proceed(now)

    def text(self, message: Message) -> str:
        """What a target was told, in the built-in words."""
        return sentence(self.notice(message))

    def notice(self, message: Message) -> Notice:
        """What a channel would be given."""
        tell = message.tell
        cause = tell.incident.cause
        found = notice(
            tell.incident,
            tell.reason,
            message.at,
            last=tell.last,
            because=tell.because,
            milestone_title=self._titles.milestone(cause),
            objective_title=self._titles.objective(cause),
        )
        return linked(found, tell.incident, message.members, message.at, "", self._titles)

    def _do(self, act: RehearsedAct) -> None:
        if act.what == "restart":
            # Nobody is told meanwhile, and afterwards there is only what is kept.
            self._back_at = max(self._back_at, act.until or act.at)
            self.alerting = replace(self.alerting, whom={})
        elif act.what == "behind":
            self._behind_until = max(self._behind_until, act.until or act.at)
        elif failure := perform(act, self.alerting, self._start):
            self.failures.append(failure)

    def _round(self, now: int) -> None:
        engine, before = self.alerting, len(self.alerting.messages)
        behind = now < self._behind_until
        held = {} if behind else self._held()
        if behind:
            self._look_behind(now)
        else:
            self._compare(held, now)
            seen = {cause: population_of(ones) for cause, ones in held.items()} | self._objectives(now)
            engine.look(seen, now, blinded=self._left("blind"), waived=self._left("waived"))
        for message in engine.messages[before:]:
            tell = message.tell
            sent = self._post.send(self.notice(message), tell.target, tell.kind, tell.address, now)
            self.sent.append((message, sent))
        # A digest waits until it is known what is overdue.
        if not behind:
            stuck = [one for cause, ones in held.items() if cause.verdict == "stuck" for one in ones]
            self.digests.look(stuck, now)

    def _look_behind(self, now: int) -> None:
        """A round in which nothing is known but that Milepost has not applied what it has received."""
        engine = self.alerting
        unknown = {
            one.cause for one in engine.firing.values() if one.cause.is_of_instances or one.cause.verdict == BURNING
        }
        engine.look({PROJECTION: of_projection(0, None, engine.of(PROJECTION), now)}, now, unknown)

    def _held(self) -> dict[Cause, list[RehearsedInstance]]:
        held: dict[Cause, list[RehearsedInstance]] = {}
        for name in self._definitions.workflows:
            for one in self.rehearsal.instances(name):
                if one.verdict.kind in _HELD_UP and one.verdict.reason != "source_catching_up":
                    held.setdefault(cause_of(one), []).append(one)
        return held

    def _compare(self, held: Mapping[Cause, Sequence[RehearsedInstance]], now: int) -> None:
        """Look again what sets what fires apart: routes and severities can ask for what its instances have."""
        for incident in list(self.alerting.firing.values()):
            ones = held.get(incident.cause)
            if not ones or (incident.compared_at is not None and now - incident.compared_at < COMPARED_EVERY):
                continue
            others = [
                one
                for name in sorted({held_one.workflow.name for held_one in ones})
                for one in self.rehearsal.instances(name)
                if one.verdict.kind != incident.cause.verdict
            ]
            counted = _counts(ones)
            said = {"apart": set_apart(counted, _counts(others)), "attributes": values_of(counted)}
            self.alerting.change(incident.id, compared_at=now, **said)

    def _left(self, kind: str) -> frozenset[UUID]:
        """The samples of what fires that are blind or waived now."""
        samples = {sample.int for one in self.alerting.firing.values() for sample in one.population.samples}
        if not samples:
            return frozenset()
        everyone = (one for name in self._definitions.workflows for one in self.rehearsal.instances(name))
        return frozenset(UUID(int=one.number) for one in everyone if one.number in samples and one.verdict.kind == kind)

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


def rehearse(
    rehearsal: Rehearsal,
    definitions: Definitions,
    start: int,
    until: int,
    acts: Iterable[RehearsedAct] = (),
    test_start: int | None = None,
) -> RehearsedAlerting:
    """The alerting that these definitions describe. Offsets are told from `test_start`. Raises DefinitionError."""
    setup = read_alerting(definitions, Assumed())
    return RehearsedAlerting(rehearsal, definitions, start, until, setup, acts, test_start)


def all_targets(setup: Setup) -> dict[str, Target]:
    """Every target that may ever be told, by its name."""
    of_teams = {target.name: target for team in setup.teams.values() for target in team.every_target()}
    return {**setup.targets, **of_teams, **targets_by_name(setup.routes)}


def _counts(held: Iterable[RehearsedInstance]) -> dict[str, Counter[Scalar | None]]:
    found: dict[str, Counter[Scalar | None]] = {}
    for one in held:
        for name in one.workflow.attributes:
            found.setdefault(name, Counter())[one.progress.attributes.get(name)] += 1
    return found


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
