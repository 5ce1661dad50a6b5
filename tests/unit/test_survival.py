"""The product-limit estimate, beside one that counts who is at risk anew for every duration."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slo_rules.durations import DAY, HOUR
from slo_rules.survival import FEWEST, WIDEST, Lifetimes, StageHistory, Survival, Unknown, coarse, merged

Sample = list[tuple[int, bool]]
MANY = 1000
# Few values, so that many fall together; and all of them, so that they are rounded.
few = st.integers(0, 30).map(lambda steps: steps * 16)
durations = st.one_of(few, st.integers(0, 3650 * DAY))
samples = st.lists(st.tuples(durations, st.booleans()), min_size=1, max_size=40)


def lifetimes(sample: Sample, times: int = 1) -> Lifetimes:
    found = Lifetimes()
    for duration, finished in sample:
        found.note(duration, finished=finished, count=times)
    return found


def naive(sample: Sample, duration: int, waited: int = -1) -> float:
    """Kaplan and Meier as in their paper, in O(n²)."""
    share = 1.0
    for time in sorted({one for one, finished in sample if finished and waited < one <= duration}):
        at_risk = sum(one >= time for one, _ in sample)
        share *= 1 - sum(one == time and finished for one, finished in sample) / at_risk
    return share


@given(samples, durations, st.none() | durations)
def test_it_is_what_counting_anew_for_every_duration_gives(sample: Sample, asked: int, waited: int | None) -> None:
    rounded = [(coarse(duration), finished) for duration, finished in sample]
    begin = -1 if waited is None else coarse(waited)
    chance = Survival(lifetimes(sample, MANY)).longer_than(asked, waited)
    longest = max(duration for duration, _ in rounded)
    left = naive(rounded, coarse(asked), begin)
    if begin >= longest or (coarse(asked) >= longest and left > 0):
        assert (chance.value, chance.unknown) == (None, Unknown.BEYOND_OBSERVED)
        assert chance.low == 0 and chance.high >= (0 if begin >= longest else left)
    else:
        assert chance.value == pytest.approx(left, abs=1e-9)
        assert chance.low <= chance.value <= chance.high


@given(st.lists(durations, min_size=1, max_size=40), durations)
def test_where_all_are_through_it_is_the_share_that_took_longer(taken: list[int], asked: int) -> None:
    chance = Survival(lifetimes([(duration, True) for duration in taken], MANY)).longer_than(asked)
    longer = sum(coarse(duration) > coarse(asked) for duration in taken)
    assert chance.value == pytest.approx(longer / len(taken), abs=1e-9)
    # A fifth of a percent of the time asked for is all that rounding can move.
    assert longer <= sum(duration > asked for duration in taken)
    assert longer >= sum(duration > asked * (1 + 1 / 500) for duration in taken)


@given(samples, durations, durations, durations)
def test_the_longer_the_time_the_smaller_the_chance_and_the_longer_the_wait_the_greater(
    sample: Sample, a: int, b: int, c: int
) -> None:
    waited, shorter, longer = sorted((a, b, c))
    survival = Survival(lifetimes(sample, MANY))
    after, soon, late = (survival.longer_than(longer, w).value for w in (waited, shorter, shorter))
    if after is not None and late is not None:
        assert after <= late + 1e-9
    first, second = survival.longer_than(shorter, waited).value, survival.longer_than(longer, waited).value
    if first is not None and second is not None:
        assert second <= first + 1e-9
    assert soon == late


@given(samples, durations, durations, st.integers(2, 50), st.randoms(use_true_random=False))
def test_order_means_nothing_and_more_of_the_same_only_makes_it_surer(
    sample: Sample, asked: int, waited: int, times: int, chance: random.Random
) -> None:
    shuffled = sample * times
    chance.shuffle(shuffled)
    once = Survival(lifetimes(sample, MANY)).longer_than(asked, waited)
    often = Survival(lifetimes(shuffled, MANY)).longer_than(asked, waited)
    assert often.known == once.known * times
    assert often.unknown is once.unknown
    if once.value is not None and often.value is not None:
        assert often.value == pytest.approx(once.value, abs=1e-9)
        assert often.high - often.low <= once.high - once.low + 1e-9


@given(samples, samples, samples)
def test_adding_is_in_any_order_and_can_be_taken_back(a: Sample, b: Sample, c: Sample) -> None:
    one, two, three = lifetimes(a), lifetimes(b), lifetimes(c)
    assert merged([one, merged([two, three])]) == merged([merged([three, one]), two]) == lifetimes(a + b + c)
    for duration, finished in b:
        two.note(duration, finished=finished, count=-1)
    assert two == Lifetimes()


@given(samples)
def test_it_is_kept_as_it_is(sample: Sample) -> None:
    kept = lifetimes(sample)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Lifetimes) == kept


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_rounding_keeps_the_order_and_is_within_its_bound(a: int, b: int) -> None:
    assert coarse(a) <= a and a - coarse(a) <= a / 512
    assert coarse(coarse(a)) == coarse(a)
    assert a > b or coarse(a) <= coarse(b)


def test_ten_years_in_all_lengths_are_a_few_thousand_numbers() -> None:
    chance = random.Random(3)
    kept = Lifetimes()
    for _ in range(200_000):
        kept.note(round(chance.lognormvariate(math.log(4 * HOUR), 1.5)), finished=chance.random() < 0.9)
    assert len(kept.finished) + len(kept.waiting) < 12_000
    assert Survival(kept).count == 200_000


def test_those_that_wait_make_it_longer_than_the_finished_alone_would() -> None:
    """Twenty took an hour and twenty more have waited two: it is not true that all are through within an hour."""
    seen = Lifetimes()
    seen.note(HOUR, finished=True, count=20)
    seen.note(2 * HOUR, finished=False, count=20)
    survival = Survival(seen)
    assert survival.longer_than(90 * 60_000_000).value == 0.5
    assert survival.median() == coarse(HOUR)
    beyond = survival.longer_than(3 * HOUR)
    assert (beyond.value, beyond.unknown, beyond.low) == (None, Unknown.BEYOND_OBSERVED, 0)
    assert 0.5 < beyond.high < 0.7


def test_a_tail_of_which_little_is_known_is_not_told() -> None:
    """Nearly all were lost from sight early, and the one that was not came through: that says nothing of the rest."""
    seen = Lifetimes()
    seen.note(HOUR, finished=True, count=30)
    seen.note(2 * HOUR, finished=False, count=970)
    seen.note(9 * HOUR, finished=True)
    chance = Survival(seen).longer_than(10 * HOUR)
    assert (chance.value, chance.unknown) == (None, Unknown.TOO_FEW)
    assert chance.low == 0 and chance.high > 0.95


def test_the_interval_is_greenwoods_on_the_log_log_scale() -> None:
    """Gehan's trial of 6-MP (Cox 1972), of which every textbook has the figures: at 10 weeks 0.753 (0.503, 0.889)."""
    weeks = [(6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0)]
    weeks += [(19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]
    survival = Survival(lifetimes([(week, bool(finished)) for week, finished in weeks]))
    chance = survival.longer_than(10)
    # Three of those who waited were lost from sight by then, so that of eighteen it is known.
    assert (chance.value, chance.unknown, chance.known) == (None, Unknown.TOO_FEW, 18)
    assert (round(chance.low, 3), round(chance.high, 3)) == (0.503, 0.889)
    assert survival.longer_than(6).known == 20
    assert survival.longer_than(6).value == pytest.approx(0.857, abs=0.001)
    assert survival.median() == 23


@given(st.integers(0, 60), st.integers(0, 60))
def test_of_all_or_none_the_interval_is_the_exact_one(through: int, longer: int) -> None:
    assume(through or longer)
    seen = Lifetimes()
    if through:
        seen.note(HOUR, finished=True, count=through)
    if longer:
        seen.note(9 * HOUR, finished=True, count=longer)
    chance = Survival(seen).longer_than(2 * HOUR)
    assert chance.known == through + longer
    if not longer:
        assert chance.high == pytest.approx(1 - 0.025 ** (1 / through))
    if not through:
        assert chance.low == pytest.approx(0.025 ** (1 / longer))
    assert (chance.value is None) == (chance.known < FEWEST or chance.high - chance.low > WIDEST)


def test_nothing_known_is_told_as_nothing() -> None:
    assert Survival(Lifetimes()).longer_than(HOUR).unknown is Unknown.TOO_FEW
    assert Survival(Lifetimes()).median() is None


def test_a_group_that_knows_too_little_asks_all() -> None:
    fast, slow, new = Lifetimes(), Lifetimes(), Lifetimes()
    fast.note(HOUR, finished=True, count=100)
    slow.note(5 * HOUR, finished=True, count=100)
    new.note(5 * HOUR, finished=True, count=3)
    history = StageHistory({"fast": fast, "slow": slow, "new": new})
    asked = {group: history.longer_than(2 * HOUR, 0, group) for group in ("fast", "slow", "new", "never seen")}
    assert {group: (chance.value, chance.pooled) for group, chance in asked.items()} == {
        "fast": (0.0, False),
        "slow": (1.0, False),
        "new": (pytest.approx(103 / 203), True),
        "never seen": (pytest.approx(103 / 203), True),
    }
    # Nobody of the fast ones ever waited so long; others did.
    assert history.longer_than(6 * HOUR, 3 * HOUR, "fast") == history.longer_than(6 * HOUR, 3 * HOUR, "new")
    assert not StageHistory({"": slow}).longer_than(2 * HOUR, 0, "").pooled


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_the_interval_holds_the_truth_as_often_as_it_says(share: float) -> None:
    """Exponential times, each lost from sight at a random time of its own: the truth is known."""
    chance = random.Random(7)
    held = 0
    for _ in range(400):
        seen = Lifetimes()
        for _ in range(150):
            taken, lost = chance.expovariate(1) * DAY, chance.expovariate(0.3) * DAY
            seen.note(round(min(taken, lost)), finished=taken <= lost)
        asked = Survival(seen).longer_than(round(-math.log(share) * DAY))
        held += asked.low <= share <= asked.high
    assert 0.92 <= held / 400 <= 0.99
