"""What would have been expected then, beside what came."""

from __future__ import annotations

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR
from slo_rules.event import Event
from slo_rules.looking_back import LookingBack, occurred_by
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.stage_times import stage_times
from slo_rules.workflow import Workflow
from tests.strategies import START, definitions, make_event

CLAIM = load({"claim.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: claim, domain: claims, owner: claims}
spec:
  entity: claim
  keys: {claim: data.claim}
  milestones:
    - {name: filed, on: {exact: {type: filed}}, starts: true}
    - {name: checked, on: {exact: {type: checked}}, within: {warn: 2h, breach: 4h}}
    - {name: paid, on: {exact: {type: paid}}, within: {breach: 9h, from: filed}, completes: true}
  cancels_on: [{exact: {type: cancelled}}]
  pauses_on: [{exact: {type: paused}}]
  resumes_on: [{exact: {type: resumed}}]
"""}).workflows["claim"]  # fmt: skip


def told(seen: list[Event], workflow: Workflow = CLAIM) -> Progress | None:
    matcher = Matcher([workflow])
    progress: Progress | None = None
    for event in seen:
        for _, match in matcher.matches(event):
            progress = fold(progress, match)
    return progress


def event(type_: str, at: int, number: int = 0) -> Event:
    return make_event(type_, at, zlib.crc32(repr((type_, at, number)).encode()), "desk", {"claim": f"C-{number}"})


HOURS = st.integers(0, 24).map(lambda n: n * HOUR)


@given(
    st.dictionaries(st.sampled_from(["filed", "checked", "paid", "cancelled"]), HOURS),
    st.lists(st.tuples(st.sampled_from(["paused", "resumed"]), HOURS), max_size=6),
    HOURS,
)
def test_what_had_occurred_gives_the_times_that_were_told_then(
    once: dict[str, int], clock: list[tuple[str, int]], at: int
) -> None:
    """Of what occurs again and again only the first and the last are kept, so each occurs once."""
    seen = [event(type_, when) for type_, when in (*once.items(), *clock)]
    whole, before = told(seen), told([one for one in seen if one.occurred_at <= START + at])
    if whole is None:
        return
    then = occurred_by(whole, CLAIM, START + at)
    assert (then is None) == (before is None)
    if then is not None and before is not None:
        now = START + at
        assert list(stage_times(then, CLAIM, now)) == list(stage_times(before, CLAIM, now))


def test_of_milestones_that_occur_several_times_it_is_not_told() -> None:
    orders = definitions().workflows["orders"]
    seen = told([make_event("won", 0, 1, "crm", {"order": "A"})], orders)
    assert seen is not None and occurred_by(seen, orders, START + HOUR) is None


def looking(*claims: list[Event]) -> LookingBack:
    back = LookingBack(START + DAY, DAY, lambda milestone, progress: "")
    for claim in claims:
        progress = told(claim)
        assert progress is not None
        back.take(progress, CLAIM)
    return back


def through(count: int, late: int) -> list[list[Event]]:
    """Claims long since checked, so many of them after 5 hours instead of one."""
    return [
        [event("filed", 0, number), event("checked", (5 if number < late else 1) * HOUR, number), event("paid", 6 * HOUR, number)]
        for number in range(count)
    ]  # fmt: skip


def test_what_came_is_held_against_what_was_expected() -> None:
    filed = DAY - HOUR // 2
    open_ = [
        # In time, late, never, and called off in time: half an hour had been waited for each.
        [event("filed", filed, 900), event("checked", filed + 2 * HOUR, 900)],
        [event("filed", filed, 901), event("checked", filed + 5 * HOUR, 901)],
        [event("filed", filed, 902)],
        [event("filed", filed, 903), event("cancelled", filed + HOUR, 903)],
        # It began only then, or was over by then.
        [event("filed", DAY + HOUR, 904)],
        [event("filed", filed, 905), event("checked", filed + 1, 905), event("paid", filed + 2, 905)],
    ]
    found = looking(*through(100, 25), *open_).result()
    assert found is not None
    assert (found.at, found.horizon, found.missed) == (START + DAY, DAY, 2)
    assert (found.expected.due, found.expected.mean, found.expected.unknown) == (4, 1.0, 0)
    assert found.expected.low <= 2 <= found.expected.high


def test_where_no_chance_could_have_been_told_nothing_is() -> None:
    open_ = [event("filed", DAY - HOUR, 900)]
    assert looking().result() is None
    assert looking(open_).result() is None
    assert looking(*through(10, 3), open_).result() is None
    assert looking(*through(100, 25)).result() is None


def test_of_a_process_that_stays_as_it_is_the_range_mostly_holds_what_came() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(20):
        claims = []
        for number in range(250):
            filed = chance.randint(0, DAY)
            took = int(chance.expovariate(1) * 3 * HOUR)
            claims.append([event("filed", filed, number), event("checked", filed + took, number)])
        found = looking(*claims).result()
        assert found is not None and found.expected.due
        held += found.expected.low <= found.missed <= found.expected.high
    assert held >= 14
