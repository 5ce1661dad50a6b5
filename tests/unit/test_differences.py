"""What the bad have in common: the figures against their definitions, and the ranking that people find right."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.differences import (
    CONSTANT,
    NEARLY_UNIQUE,
    Attribute,
    Difference,
    chance_of_as_many,
    corrected_for_all,
    differences,
    in_words,
    risk_ratio,
)

COUNTS = st.integers(0, 400)
VALUES = st.dictionaries(st.sampled_from(["a", "b", "c", 1, 2.5, None, "id-1", "id-2", "id-3"]), st.integers(1, 50))


def exact_chance(found: int, drawn: int, marked: int, total: int) -> Fraction:
    ways = sum(comb(marked, k) * comb(total - marked, drawn - k) for k in range(found, min(drawn, marked) + 1))
    return Fraction(ways, comb(total, drawn))


@st.composite
def drawings(draw: st.DrawFn, most: int) -> tuple[int, int, int, int]:
    total = draw(st.integers(1, most))
    drawn, marked = draw(st.integers(0, total)), draw(st.integers(0, total))
    return draw(st.integers(0, min(drawn, marked) + 1)), drawn, marked, total


@given(drawings(12))
def test_the_chance_is_the_share_of_all_drawings(drawing: tuple[int, int, int, int]) -> None:
    found, drawn, marked, total = drawing
    every = [sum(one < marked for one in some) for some in combinations(range(total), drawn)]
    share = sum(one >= found for one in every) / len(every)
    assert chance_of_as_many(*drawing) == pytest.approx(share, rel=1e-9)


@given(drawings(600))
def test_the_chance_is_exact_for_many(drawing: tuple[int, int, int, int]) -> None:
    assert chance_of_as_many(*drawing) == pytest.approx(float(exact_chance(*drawing)), rel=1e-8, abs=1e-300)


def test_the_chance_of_what_cannot_be_told_from_zero_is_zero() -> None:
    assert chance_of_as_many(5_000, 5_000, 5_000, 100_000) == 0.0


# The example of the mailing list R-help of 2006-11-10, and that of Altman, Practical Statistics for Medical Research.
@pytest.mark.parametrize(
    ("counts", "ratio", "low", "high", "bounded"),
    [((8, 500, 0, 500), 16.73, 0.97, 289.04, True), ((2, 14, 5, 7), 0.3, 0.0697, 1.2911, False)],
)
def test_the_ratio_and_its_interval_are_those_of_the_books(
    counts: tuple[int, int, int, int], ratio: float, low: float, high: float, bounded: bool
) -> None:
    assert risk_ratio(*counts) == (
        pytest.approx(ratio, rel=1e-3),
        pytest.approx(low, rel=3e-3),
        pytest.approx(high, rel=1e-3),
        bounded,
    )


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_interval_holds_the_ratio_and_turns_round_with_it(a: int, b: int, c: int, d: int) -> None:
    ratio, low, high, bounded = risk_ratio(a, b, c, d)
    assert 0 < low <= ratio <= high
    other, other_low, other_high, _ = risk_ratio(c, d, a, b)
    assert (other * ratio, other_low * high, other_high * low) == pytest.approx((1, 1, 1))
    if not bounded:
        assert ratio == pytest.approx(a / (a + b) / (c / (c + d)))


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 5))
def test_the_correction_is_the_step_up_procedure(probabilities: list[float], others: int) -> None:
    looked_at = len(probabilities) + others
    corrected = corrected_for_all(probabilities, looked_at)
    whole = sorted([*probabilities, *[1.0] * others])
    for rate in (0.01, 0.05, 0.3):
        # As Benjamini and Hochberg say it: the largest k whose probability is at most k/m of the rate, and all before.
        most = max((p for k, p in enumerate(whole, 1) if p <= k / looked_at * rate), default=-1.0)
        for p, q in zip(probabilities, corrected, strict=True):
            if abs(q - rate) > 1e-9:
                assert (q <= rate) == (p <= most)


@given(st.dictionaries(st.sampled_from(["region", "tier", "version"]), st.tuples(VALUES, VALUES)))
def test_every_difference_follows_from_its_four_counts(given_: dict[str, tuple[dict, dict]]) -> None:  # type: ignore[type-arg]
    attributes = [Attribute(name, *halves) for name, halves in given_.items()]
    found = differences(attributes)
    looked_at = {
        (one.name, value)
        for one in attributes
        for value, count in (Counter(one.bad) + Counter(one.rest)).items()
        if count >= 3 and one.name not in found.left_out
    }
    assert found.looked_at == len(looked_at)
    of = {one.name: one for one in attributes}
    for one in found.found:
        bad, rest = of[one.attribute].bad, of[one.attribute].rest
        assert (one.attribute, one.value) in looked_at
        assert (one.bad, one.bad_of) == (bad[one.value], sum(bad.values()))
        assert (one.rest, one.rest_of) == (rest.get(one.value, 0), sum(rest.values()))
        assert one.bad / one.bad_of > one.rest / one.rest_of
        assert one.p <= one.q <= 1
        assert one.excess > 0
    # All that is more frequent among the bad is there, once.
    more = [
        (name, value)
        for name, value in looked_at
        if of[name].bad.get(value, 0) * sum(of[name].rest.values())
        > of[name].rest.get(value, 0) * sum(of[name].bad.values())
    ]
    assert sorted(more, key=str) == sorted(((one.attribute, one.value) for one in found.found), key=str)
    ranks = [(not one.significant, -one.excess) for one in found.found]
    assert ranks == sorted(ranks)
    assert differences(reversed(attributes)).found == found.found


def test_what_is_certain_comes_before_what_is_much_and_what_explains_more_before_what_is_rarer() -> None:
    found = differences(
        [
            Attribute("region", {"EMEA": 30, "APAC": 16}, {"EMEA": 560, "APAC": 394}),
            Attribute("connector_version", {"2.3.0": 38, "2.2.9": 8}, {"2.3.0": 114, "2.2.9": 840}),
            Attribute("carrier", {"slow": 6, "fast": 40}, {"slow": 1, "fast": 953}),
        ]
    ).found
    assert [(one.attribute, one.value, one.significant) for one in found] == [
        ("connector_version", "2.3.0", True),
        ("carrier", "slow", True),
        ("region", "EMEA", False),
    ]
    assert found[0].excess == pytest.approx(38 - 152 * 8 / 848)
    assert in_words(found[0], "have connector_version 2.3.0") == (
        "38 of 46 have connector_version 2.3.0, against 12% of the others: 26× as likely"
    )


def test_one_of_many_that_differs_by_chance_is_not_called_significant() -> None:
    # Each has a probability of about 1 in 90 by itself, and 40 are looked at.
    values = {f"v{n}": 5 for n in range(40)}
    (first, *_) = differences([Attribute("x", {"v0": 2, "v1": 1, "v2": 1, "v3": 1}, values)]).found
    assert first.p < 0.05 < first.q
    assert not first.significant


def test_what_cannot_differ_is_left_out_and_named() -> None:
    ids = {f"id-{n}": 1 for n in range(50)}
    found = differences(
        [
            Attribute("currency", {"EUR": 5}, {"EUR": 50}),
            Attribute("order_id", {"id-a": 1, "id-b": 2}, ids),
            Attribute("nothing", {}, {}),
            Attribute("tier", {"gold": 5}, {"gold": 5, "silver": 45}),
        ]
    )
    assert found.left_out == {"currency": CONSTANT, "order_id": NEARLY_UNIQUE, "nothing": CONSTANT}
    assert found.looked_at == 2
    assert [one.attribute for one in found.found] == ["tier"]


@pytest.mark.parametrize(
    ("bad", "bad_of", "rest", "words"),
    [
        (46, 46, 114, "All 46 are late, against 12% of the others"),
        (38, 46, 0, "38 of 46 are late, against none of the others"),
        (38, 46, 1, "38 of 46 are late, against <1% of the others: 117× as likely"),
        (20, 46, 380, "20 of 46 are late, against 40% of the others: 1.2× as likely"),
    ],
)
def test_words_never_say_more_than_the_counts(bad: int, bad_of: int, rest: int, words: str) -> None:
    ratio, low, high, bounded = risk_ratio(bad, rest, bad_of - bad, 954 - rest)
    one = Difference("x", "y", bad, bad_of, rest, 954, ratio, low, high, bounded, 1.0, 0.0, 0.0)
    assert in_words(one, "are late") == words
