"""What is likely to come: which open instances will miss their deadline, how many soon, and when a backlog is clear.

It speaks of the instances that are open now and of the milestone each of them waits for. What starts later, and the
deadlines of the milestones after that, are not foreseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from slo_rules.stage_times import Stage
from slo_rules.survival import Z95, Chance, StageHistory, Unknown
from slo_rules.workflow import Workflow

Z80 = 1.281552
"""The normal quantile of an interval that holds 80 % of the time: what is told of a future is a range to plan with."""
FEWEST_MOVED = 5
"""So many must have come or left before a backlog is said to grow, and have left before it is said when it is clear."""
_UNSEEN = Chance(None, 0.0, 1.0, 0, Unknown.TOO_FEW)


class Awaiting(msgspec.Struct, frozen=True):
    """An open instance before the deadline of a stage.

    `waited` and `left` (until the deadline) are micros of the time in which the clock of the stage counts, `due_at` is
    the instant of the deadline.
    """

    id: str
    stage: Stage
    group: str
    waited: int
    left: int
    due_at: int


class Expected(msgspec.Struct, frozen=True):
    """How many miss a deadline that falls within a horizon: the mean, and from `low` to `high` four times out of five.

    Of `due` instances it is; for `unknown` ones besides no chance can be told, so that they are in no figure.
    """

    mean: float
    low: int
    high: int
    due: int
    unknown: int


def told_apart_by(workflow: Workflow) -> dict[str, tuple[str, ...]]:
    """The attributes by which the deadline of a milestone differs: who was promised more is as a rule served sooner."""
    return {
        milestone.name: tuple(dict.fromkeys(tier.attribute for tier in milestone.deadline.tiers))
        for milestone in workflow.milestones
        if milestone.deadline is not None and milestone.deadline.tiers
    }


def chances(open_: Iterable[Awaiting], histories: Mapping[Stage, StageHistory]) -> list[tuple[Awaiting, Chance]]:
    """With each instance the chance that it misses its deadline; `histories` are by stage.

    The warning time is asked the same way, with `left` until then.
    """
    return [
        (one, history.longer_than(one.waited + one.left, one.waited, one.group) if history else _UNSEEN)
        for one in open_
        for history in (histories.get(one.stage),)
    ]


def expected(told: Iterable[tuple[Awaiting, Chance]], until: int) -> Expected:
    """How many of these will miss a deadline that falls at `until` (micros) or before.

    Each instance ends one way or the other by its own chance; but that a chance is estimated too low or too high is
    the same mistake for all, and does not even out among them. What goes for many instances at once, such as a
    payment run, is not in the range: over weeks it is too narrow where work is done so (tests/real_logs).
    """
    mean = by_chance = mistaken = 0.0
    due = unknown = 0
    for one, chance in told:
        if one.due_at > until:
            continue
        if chance.value is None:
            unknown += 1
            continue
        due += 1
        mean += chance.value
        by_chance += chance.value * (1 - chance.value)
        mistaken += (chance.high - chance.low) / (2 * Z95)
    reach = Z80 * math.sqrt(by_chance + mistaken**2)
    return Expected(mean, max(0, math.floor(mean - reach)), min(due, math.ceil(mean + reach)), due, unknown)


class Draining(StrEnum):
    """Whether a backlog goes down."""

    CLEAR = "clear"
    CLEARING = "clearing"
    NOT_CLEARING = "not_clearing"
    TOO_LITTLE_SEEN = "too_little_seen"


class Drain(msgspec.Struct, frozen=True):
    """When a backlog is clear (micros): between `earliest` and `latest` four times out of five.

    `clear_at` is None unless it is clearing, and `latest` where it may as well not be. `net_per_hour` is by how much
    the backlog goes down; None where too little was seen.
    """

    state: Draining
    waiting: int
    net_per_hour: float | None = None
    clear_at: int | None = None
    earliest: int | None = None
    latest: int | None = None


def drain(waiting: int, done: Sequence[int], arrived: Sequence[int], slot: int, now: int) -> Drain:
    """When so many waiting are through, if it goes on as in the last slots, each `slot` micros long, up to `now`.

    `done` and `arrived` say how many left the stage and came to it in each slot; they are equally long. After a
    recovery the slots begin with it: a rate that has the outage in it is not the rate of now.
    """
    if waiting <= 0:
        return Drain(Draining.CLEAR, 0, clear_at=now, earliest=now, latest=now)
    net = [out - in_ for out, in_ in zip(done, arrived, strict=True)]
    slots = len(net)
    if slots < 2 or sum(done) + sum(arrived) < FEWEST_MOVED:
        return Drain(Draining.TOO_LITTLE_SEEN, waiting)
    rate = sum(net) / slots
    per_hour = rate * 3_600_000_000 / slot
    if rate <= 0:
        return Drain(Draining.NOT_CLEARING, waiting, per_hour)
    if sum(done) < FEWEST_MOVED:
        return Drain(Draining.TOO_LITTLE_SEEN, waiting)
    # Work that comes and goes in batches varies more than chance alone makes it.
    variance = max(
        (sum(done) + sum(arrived)) / slots,
        sum((one - rate) ** 2 for one in net) / (slots - 1),
    )
    # After t slots rate * t are gone, give or take what will happen by chance (variance * t) and the error of the rate
    # itself (variance / slots * t**2). Both ends are where that meets the number waiting.
    a = rate**2 - Z80**2 * variance / slots
    b = 2 * waiting * rate + Z80**2 * variance
    c = waiting**2
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    first = 2 * c / (b + root)
    last = (b + root) / (2 * a) if a > 0 else math.inf
    # What lies centuries away is no time to tell.
    latest = now + round(last * slot) if last * slot < 3650 * 24 * 3_600_000_000 else None
    return Drain(
        Draining.CLEARING,
        waiting,
        per_hour,
        now + round(waiting / rate * slot),
        now + round(first * slot),
        latest,
    )
