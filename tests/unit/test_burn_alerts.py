"""Burn-rate alerts: the numbers of the SRE Workbook, and a naive evaluator that agrees."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.buckets import BUCKET
from slo_rules.burn_alerts import BurnAlert, BurnRates
from slo_rules.burn_rates import FEWEST_BAD, TIERS, is_reachable, length_of, tiers_within
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.objective import Objective
from slo_rules.periods import Period
from slo_rules.windows import CalendarWindow, Window
from tests.examples import examples

START = 1_790_000_100_000_000 - 1_790_000_100_000_000 % DAY
A_MONTH = 30 * DAY


def objective(target: float = 0.99, window: Window = A_MONTH) -> Objective:
    return Objective("paid", "Paid", "", "orders", "latency", "received", "paid", HOUR, target, window)


def rates(one: Objective, counts: list[tuple[int, int, int]]) -> BurnRates:
    """Of buckets: when each begins, with what is good and bad in it."""
    return BurnRates(one, [(at, at + BUCKET, good, bad) for at, good, bad in counts])


def outage(share: float, lasting: int, items: int = 1000) -> list[tuple[int, int, int]]:
    """A month and a day of even traffic; after the month this share of it is bad for so long."""
    counts = []
    for number in range(31 * DAY // BUCKET):
        bucket = START + number * BUCKET
        bad = round(items * share) if A_MONTH <= bucket - START < A_MONTH + lasting else 0
        counts.append((bucket, items - bad, bad))
    return counts


def alerts(target: float, share: float, lasting: int = DAY, severity: str = "page") -> list[BurnAlert]:
    found = rates(objective(target), outage(share, lasting)).alerts(START + A_MONTH, START + 31 * DAY)
    return [one for one in found if one.severity == severity]


class TestWorkbook:
    """Site Reliability Workbook, chapter 5, tables 5-8 and "Low-Traffic Services and Error Budget Alerting"."""

    @pytest.mark.parametrize(
        ("target", "detected_after"),
        # 0.9, 8.6 and 43 minutes, at the end of the bucket that they are in.
        [(0.999, 5 * MINUTE), (0.99, 10 * MINUTE), (0.95, 45 * MINUTE)],
    )
    def test_how_soon_an_outage_of_everything_pages(self, target: float, detected_after: int) -> None:
        (page,) = alerts(target, 1.0)
        assert page.since - (START + A_MONTH) == detected_after
        assert page.tier == TIERS[0]

    def test_of_a_target_of_ninety_percent_an_outage_pages_by_the_six_hours_only(self) -> None:
        """All of it spends 1.4 % of the budget in an hour, and 2 % never."""
        (page,) = alerts(0.9, 1.0)
        assert page.tier == TIERS[1]
        assert page.since - (START + A_MONTH) == pytest.approx(0.1 * 6 * 6 * HOUR, abs=BUCKET)

    @pytest.mark.parametrize(("share", "tier"), [(0.15, TIERS[0]), (0.07, TIERS[1])])
    def test_which_error_rates_page_at_ninety_nine_percent(self, share: float, tier: object) -> None:
        (page,) = alerts(0.99, share)
        assert page.tier == tier
        # The long time is full of it, so that its burn rate is the error rate over that of the target; the window is
        # a little worse than before, but its items are as many.
        assert page.rate == pytest.approx(tier.factor(A_MONTH), rel=0.06)  # type: ignore[attr-defined]

    @pytest.mark.parametrize(("share", "pages", "tickets"), [(0.059, 0, 1), (0.04, 0, 1), (0.025, 0, 0)])
    def test_what_is_slower_is_a_ticket_and_what_is_slower_still_is_nothing_yet(
        self, share: float, pages: int, tickets: int
    ) -> None:
        assert len(alerts(0.99, share)) == pages
        assert len(alerts(0.99, share, severity="ticket")) == tickets

    def test_exactly_the_factor_is_not_above_it(self) -> None:
        counts = [(START + number * BUCKET, 856, 144) for number in range(31 * DAY // BUCKET)]
        burning = rates(objective(0.99), counts).burning(START + 31 * DAY)
        assert [one.tier for one in burning] == list(TIERS[1:])
        assert burning[0].rate == pytest.approx(14.4)

    def test_it_ends_with_the_trouble_by_the_short_time(self) -> None:
        (page,) = alerts(0.99, 1.0, lasting=30 * MINUTE)
        assert page.until is not None
        # A twelfth of the long time in which it is still bad, of the tier that fires last: here that of six hours.
        assert page.until - (START + A_MONTH + 30 * MINUTE) <= 30 * MINUTE

    def test_a_burst_that_only_the_hour_is_worried_about_pages_for_five_minutes(self) -> None:
        """It spends 3 % of the budget at once: more than 2 % in an hour, and less than 5 % in six."""
        counts = [(START + number * HOUR, 1000, 0) for number in range(31 * 24) if number != 30 * 24]
        counts.append((START + A_MONTH, 0, round(0.03 * 0.01 * 1000 * 30 * 24)))
        (page,) = rates(objective(0.99), counts).alerts(START + A_MONTH, START + 31 * DAY)
        assert (page.since, page.until) == (START + A_MONTH + BUCKET, START + A_MONTH + 2 * BUCKET)
        assert page.rate == pytest.approx(21.6, rel=0.01)

    def test_ten_requests_an_hour_do_not_page_for_one_that_fails(self) -> None:
        """It is an hourly error rate of 10 %, and 13.9 % of the budget of a month."""
        quiet = [(START + number * HOUR, 10, 0) for number in range(30 * 24)]
        once = [*quiet, (START + 30 * DAY, 9, 1)]
        twice = [*quiet, (START + 30 * DAY, 8, 2)]
        assert rates(objective(0.999), once).alerts(START, START + 31 * DAY) == []
        (page, ticket) = rates(objective(0.999), twice).alerts(START, START + 31 * DAY)
        assert (page.severity, page.bad, ticket.severity) == ("page", 2, "ticket")
        assert page.rate == pytest.approx(200, rel=0.01)


def test_nothing_is_no_alert() -> None:
    assert rates(objective(), []).alerts(START, START + DAY) == []
    assert rates(objective(), [(START, 0, 9)]).alerts(START + DAY, START) == []


def test_an_alert_that_fires_at_both_ends_has_no_end() -> None:
    counts = [(START + number * BUCKET, 0, 10) for number in range(DAY // BUCKET)]
    found = rates(objective(), counts).alerts(START + HOUR, START + 2 * HOUR)
    assert [(one.severity, one.since, one.until) for one in found] == [
        ("page", START + HOUR, None),
        ("ticket", START + HOUR, None),
    ]


def test_a_bucket_counts_when_it_is_over() -> None:
    these = rates(objective(), [(START, 0, 10)])
    assert these.burning(START + BUCKET - 1) == []
    assert these.burning(START + BUCKET)


def naive(one: Objective, counts: list[tuple[int, int, int]], at: int) -> list[str]:
    """The severities that fire at an instant, by looking at everything."""
    length = length_of(one.window)

    def within(back: int, bad_only: bool) -> int:
        return sum(b if bad_only else g + b for bucket, g, b in counts if at - back <= bucket and bucket + BUCKET <= at)

    items = max(Fraction(within(length, False)), Fraction(within(min(DAY, length), False) * length, min(DAY, length)))
    budget = items * (1 - Fraction(str(one.target)))
    found = []
    for tier in tiers_within(one.window):
        factor = Fraction(str(tier.factor(one.window)))
        long, short = within(tier.long, True), within(tier.short, True)
        if long >= FEWEST_BAD and is_reachable(tier, one):
            rates = [Fraction(bad * length, time) / budget for bad, time in ((long, tier.long), (short, tier.short))]
            if min(rates) > factor and tier.severity not in found:
                found.append(tier.severity)
    return found


COUNTS = st.dictionaries(
    st.one_of(st.integers(0, 24), st.integers(0, 1200)),
    st.tuples(st.integers(0, 30), st.integers(0, 6)),
    max_size=25,
).map(lambda found: [(START + number * BUCKET, good, bad) for number, (good, bad) in found.items()])


@settings(max_examples=examples(60))
@given(
    COUNTS,
    st.sampled_from([0.5, 0.9, 0.99, 0.999]),
    st.sampled_from([3 * DAY, A_MONTH, HOUR, CalendarWindow(Period.WEEK), CalendarWindow(Period.DAY)]),
    st.integers(-7, 1200),
    st.integers(0, 400),
)
def test_the_alerts_are_those_of_asking_at_every_end_of_a_bucket(
    counts: list[tuple[int, int, int]], target: float, window: Window, first: int, steps: int
) -> None:
    one = objective(target, window)
    since = START + first * BUCKET - 7
    until = since + steps * BUCKET
    found = rates(one, counts).alerts(since, until)
    for number in range(first, first + steps):
        at = START + number * BUCKET
        if since <= at <= until:
            firing = {
                alert.severity for alert in found if alert.since <= at and (alert.until is None or at < alert.until)
            }
            assert firing == set(naive(one, counts, at))
    assert all(since <= alert.since <= until for alert in found)
    spans = [(alert.severity, alert.since) for alert in found]
    assert len(set(spans)) == len(spans)


def test_slices_that_are_longer_than_buckets_count_whole() -> None:
    hours = [(START + number * HOUR, START + (number + 1) * HOUR, 0, 1) for number in range(6)]
    found = BurnRates(objective(0.9, 3 * DAY), hours).alerts(START, START + DAY)
    assert [(one.severity, one.since) for one in found] == [("ticket", START + 2 * HOUR)]
    assert BurnRates(objective(0.9, 3 * DAY), hours).burning(START + 2 * HOUR - 1) == []
