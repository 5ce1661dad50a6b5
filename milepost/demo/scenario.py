"""The plan of the simulated enterprise: pure, and the same for the same seed and anchor.

Time is cut into buckets of ten minutes counted from the anchor. What starts in a bucket is drawn from a
generator seeded by (seed, stream, bucket), so that a plan can be taken up anywhere. *Steady* streams run at
the pace of real business before and after the anchor and have the faults; *express* streams start with it,
are quick and healthy, and rest during pauses (the times at which nobody ran the demo).
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from milepost.demo import faults, journeys, orders
from milepost.demo.actions import DAY, HOUR, MINUTE, SECOND, Action, micros
from milepost.demo.faults import offset
from milepost.demo.story import Story
from milepost.demo.world import REGION_SHARES, REGIONS, Account, customer_base, rhythm

BUCKET = 10 * MINUTE
BUCKETS_PER_WEEK = 7 * DAY // BUCKET
LONGEST_STEADY = 7 * DAY
LONGEST_EXPRESS = 2 * HOUR
LONGEST_HISTORY = timedelta(days=28)
EXPRESS_LEAD = BUCKET
"""Express business starts a little before the anchor, so that the first live second is as busy as any
other."""
_FIRST_BUCKET = LONGEST_HISTORY // timedelta(minutes=10)
_NUMBERS_PER_BUCKET = 1024
UPLOAD = (-14, -7)
UPLOAD_FACTOR = 4
"""A large EDI upload in these buckets: what the connector drops of it passes its deadline in the first live
hour."""

Pauses = Sequence[tuple[datetime, datetime]]


class _Stream(NamedTuple):
    name: str
    workflow: str
    per_week: float
    rhythmic: bool
    first_number: int
    express: bool = False


STREAMS = (
    _Stream("orders-edi", "order-to-cash", 840, False, 0),
    _Stream("orders-sales", "order-to-cash", 680, True, 256),
    _Stream("onboarding", "customer-onboarding", 500, True, 0),
    _Stream("subscriptions", "invoice-to-entitlement", 940, True, 0),
    _Stream("cases", "case-to-credit", 580, True, 0),
    _Stream("purchases", "procure-to-pay", 560, True, 0),
    _Stream("orders-live", "order-to-cash", 0.10 * 604_800, False, 512, True),
    _Stream("onboarding-live", "customer-onboarding", 0.035 * 604_800, False, 512, True),
    _Stream("subscriptions-live", "invoice-to-entitlement", 0.08 * 604_800, False, 512, True),
    _Stream("cases-live", "case-to-credit", 0.045 * 604_800, False, 512, True),
    _Stream("purchases-live", "procure-to-pay", 0.045 * 604_800, False, 512, True),
)
_POSTING_QUEUE_NUMBER = 960


def plan(
    seed: int,
    start: datetime,
    until: datetime,
    *,
    anchor: datetime | None = None,
    opens: datetime | None = None,
    pauses: Pauses = (),
) -> Iterator[Action]:
    """Everything that happens in [start, until), in the order of event time.

    `anchor` is when the demo first went live (default: `until`, a plan of pure history); `opens` is when the
    enterprise began (default: seven days before the anchor, or `start` where that is earlier).
    """
    return _actions(seed, start, until, anchor, opens, pauses, lambda action: action.at)


def deliveries(
    seed: int,
    start: datetime,
    until: datetime,
    *,
    anchor: datetime | None = None,
    opens: datetime | None = None,
    pauses: Pauses = (),
) -> Iterator[Action]:
    """Everything that is delivered in [start, until), in the order of delivery; parameters as for `plan`."""
    return _actions(seed, start, until, anchor, opens, pauses, lambda action: action.deliver_at)


def _actions(
    seed: int,
    start: datetime,
    until: datetime,
    anchor: datetime | None,
    opens: datetime | None,
    pauses: Pauses,
    key: Callable[[Action], int],
) -> Iterator[Action]:
    first, last = micros(start), micros(until)
    heap: list[tuple[int, int, Action]] = []
    count = 0
    for bucket_ends, stories in told(seed, start, until, anchor=anchor, opens=opens, pauses=pauses):
        for story in stories:
            for action in story.actions:
                at = key(action)
                if first <= at < last:
                    heapq.heappush(heap, (at, count, action))
                    count += 1
        while heap and heap[0][0] < bucket_ends:
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]


def told(
    seed: int,
    start: datetime,
    until: datetime,
    *,
    anchor: datetime | None = None,
    opens: datetime | None = None,
    pauses: Pauses = (),
) -> Iterator[tuple[int, list[Story]]]:
    """The stories that may act in [start, until), by bucket, with the end of each bucket in micros."""
    anchor = anchor or until
    opens = opens or min(start, anchor - timedelta(days=7))
    if anchor - opens > LONGEST_HISTORY:
        raise ValueError("the enterprise can open at most 28 days before its anchor")
    zero, opening = micros(anchor), micros(opens)
    resting = [(micros(a), micros(b)) for a, b in pauses]
    base = customer_base(seed)
    steady_from = max(opening, micros(start) - LONGEST_STEADY)
    express_from = max(zero - EXPRESS_LEAD, opening, micros(start) - LONGEST_EXPRESS)
    last = micros(until)
    bucket = (steady_from - zero) // BUCKET
    while (begins := zero + bucket * BUCKET) < last:
        stories: list[Story] = []
        for stream in STREAMS:
            if begins + BUCKET <= (express_from if stream.express else steady_from):
                continue
            stories += _tell(seed, stream, bucket, begins, zero, opening, resting, base)
        yield begins + BUCKET, stories
        bucket += 1


def _tell(
    seed: int,
    stream: _Stream,
    bucket: int,
    begins: int,
    anchor: int,
    opening: int,
    resting: list[tuple[int, int]],
    base: dict[str, list[Account]],
) -> list[Story]:
    rng = random.Random(f"{seed}:{stream.name}:{bucket}")
    weights = rhythm(begins) if stream.rhythmic else REGION_SHARES
    expected = stream.per_week / BUCKETS_PER_WEEK * sum(weights.values())
    if stream.name == "orders-edi" and UPLOAD[0] <= bucket < UPLOAD[1]:
        expected *= UPLOAD_FACTOR
    number = (bucket + _FIRST_BUCKET) * _NUMBERS_PER_BUCKET + stream.first_number
    stories = []
    for index, start in enumerate(sorted(_arrivals(rng, expected, begins))):
        region = rng.choices(REGIONS, [weights[region] for region in REGIONS])[0]
        story = _story(rng, stream, region, number + index, start, anchor, base)
        _disturb(rng, story, anchor)
        if start >= opening and not (stream.express and any(a <= start < b for a, b in resting)):
            stories.append(story)
    if stream.name == "orders-edi":
        stories += _posting_queue(rng, bucket, begins, anchor, opening, base)
    return stories


def _arrivals(rng: random.Random, expected: float, begins: int) -> list[int]:
    """The moments of a Poisson process in one bucket, in whole milliseconds."""
    floor, product = math.exp(-expected), rng.random()
    moments: list[int] = []
    while product > floor and len(moments) < 250:
        moments.append(begins + rng.randrange(BUCKET // 1000) * 1000)
        product *= rng.random()
    return moments


def _story(
    rng: random.Random,
    stream: _Stream,
    region: str,
    number: int,
    start: int,
    anchor: int,
    base: dict[str, list[Account]],
) -> Story:
    express = stream.express
    match stream.workflow:
        case "order-to-cash":
            if stream.name == "orders-edi":
                region = "EMEA" if rng.random() < 0.8 else "AMER"
            channel = "edi" if stream.name == "orders-edi" else rng.choice(("web", "sales"))
            return orders.order(rng, rng.choice(base[region]), number, start, anchor, channel, express=express)
        case "customer-onboarding":
            if express and region == "APAC":
                region = "AMER"
            return journeys.onboarding(rng, region, number, start, anchor, express=express)
        case "invoice-to-entitlement":
            return journeys.subscription(rng, rng.choice(base[region]), number, start, anchor, express=express)
        case "case-to-credit":
            return journeys.case(rng, rng.choice(base[region]), number, start, express=express)
        case _:
            return journeys.purchase(rng, region, number, start, express=express)


def _posting_queue(
    rng: random.Random, bucket: int, begins: int, anchor: int, opening: int, base: dict[str, list[Account]]
) -> list[Story]:
    """The orders that are accepted just in time while the ERP is silent (faults.ERP_POSTING_QUEUE)."""
    stories = []
    for index in range(faults.ERP_POSTING_QUEUE):
        deadline = anchor + faults.ERP_POSTING_QUEUE_FIRST + index * faults.ERP_POSTING_QUEUE_EVERY
        created = deadline - 2 * HOUR
        start = created - 4 * MINUTE
        if not begins <= start < begins + BUCKET or start < opening:
            continue
        number = (bucket + _FIRST_BUCKET) * _NUMBERS_PER_BUCKET + _POSTING_QUEUE_NUMBER + index
        account = rng.choice(base["AMER" if index % 3 else "APAC"])
        accepted = 2 * HOUR - rng.randrange(5, 20) * SECOND
        story = orders.order(rng, account, number, start, anchor, "batch", take=(4 * MINUTE, accepted))
        story.actions = [_silenced(action, anchor) for action in story.actions]
        stories.append(story)
    return stories


# How the wire treats what happened


def _disturb(rng: random.Random, story: Story, anchor: int) -> None:
    actions = []
    for action in story.actions:
        if action.event is not None:
            if rng.random() < faults.LATE_EVENTS.share:
                delay = rng.uniform(20, 300) if story.express else min(rng.lognormvariate(7.3, 1.0), 6 * 3600)
                action = action._replace(deliver_at=action.deliver_at + int(delay * SECOND))
            if rng.random() < faults.DUPLICATES.share:
                again = action.deliver_at + rng.randrange(1, 60 if story.express else 900) * SECOND
                actions.append(_silenced(action._replace(deliver_at=again, duplicate=True), anchor))
            action = _silenced(action, anchor)
        actions.append(action)
    story.actions = actions


def _silenced(action: Action, anchor: int) -> Action:
    """An event of a silent ERP is delivered, in order, when the ERP can be heard again."""
    if action.event is None or action.event.source != "sap":
        return action
    for silence in (faults.ERP_SILENT_BEFORE, faults.ERP_SILENT_LIVE):
        begins, ends = anchor + offset(silence.since), anchor + offset(silence.until or silence.since)
        if begins <= action.deliver_at < ends:
            return action._replace(deliver_at=ends + (action.deliver_at - begins) // 60)
    return action
