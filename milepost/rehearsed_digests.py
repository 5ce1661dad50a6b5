"""The daily lists of what is overdue, in a test of definitions: told when the running Milepost tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from alerting.digest import Overdue, digest_notice
from alerting.reader import Reader
from alerting.targets import written_address
from alerting.teams import Team
from milepost.rehearsed_messages import Post, Sent
from slo_rules.contribution import worth
from slo_rules.rehearsal import RehearsedInstance

Held = Iterable[RehearsedInstance]


@dataclass(frozen=True, slots=True)
class Digested:
    """The digest of a team and a day, at an instant (micros): how many are overdue, and what each target was sent."""

    team: str
    day: date
    at: int
    count: int
    sent: tuple[Sent, ...]


@dataclass(slots=True)
class Digests:
    """Those that were told so far, in order."""

    teams: Mapping[str, Team]
    titles: Mapping[tuple[str, str], str]
    post: Post
    told: list[Digested] = field(default_factory=list)

    def look(self, held: Held, now: int) -> None:
        """Tell what is due at `now` (micros); `held` are the instances that are stuck."""
        for team in self.teams.values():
            day = team.digest.due(now) if team.digest else None
            if team.digest is None or day is None or any((one.team, one.day) == (team.name, day) for one in self.told):
                continue
            found = overdue_of(team.name, held, self.titles)
            sent: list[Sent] = []
            for target in team.told_of_news if found or team.digest.empty else ():
                notice = digest_notice(team.name, found, now, "", Reader(target.zone, target.locale))
                sent.append(self.post.send(notice, target.name, target.kind, written_address(target), now))
            self.told.append(Digested(team.name, day, now, sum(one.count for one in found), tuple(sent)))


def overdue_of(owner: str, held: Held, titles: Mapping[tuple[str, str], str]) -> list[Overdue]:
    """What is stuck of an owner by the step it waits for, the heaviest in number first, as the query for it has it."""
    steps: dict[tuple[str, str], list[RehearsedInstance]] = {}
    for one in held:
        if (one.verdict.owner or one.workflow.owner) == owner:
            steps.setdefault((one.workflow.name, one.verdict.waiting_for or ""), []).append(one)
    found = []
    for (workflow, waiting_for), ones in steps.items():
        value: dict[str, Decimal] = {}
        for one in ones:
            if (said := worth(one.progress.attributes)) is not None:
                value[said[1]] = value.get(said[1], Decimal()) + said[0]
        found.append(
            Overdue(
                workflow,
                waiting_for or None,
                titles.get((workflow, waiting_for)),
                ones[0].workflow.entity,
                len(ones),
                min(one.verdict.since for one in ones),
                tuple(sorted(value.items())),
            )
        )
    return sorted(found, key=lambda one: (-one.count, one.workflow, one.waiting_for or ""))
