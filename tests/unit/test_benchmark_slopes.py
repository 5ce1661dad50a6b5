"""Whether what is held grows, told from samples that were made up."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.slopes import HOUR, growth
from benchmarks.soak import Samples, show


def series(an_hour: float, noise: float, count: int = 300, seed: int = 1) -> list[tuple[float, float]]:
    """Every five seconds, from 100 on."""
    random = Random(seed)
    return [(5.0 * n, 100 + an_hour * 5 * n / HOUR + random.gauss(0, noise)) for n in range(count)]


def test_a_steady_leak_is_found_under_noise_ten_times_its_size() -> None:
    found = growth(series(an_hour=12, noise=2))
    assert found.is_told
    assert found.low < 12 < found.high
    assert found.an_hour == pytest.approx(12, abs=3)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_no_growth_worth_the_name(seed: int) -> None:
    assert abs(growth(series(an_hour=0, noise=2, seed=seed)).an_hour) < 3


def test_a_few_peaks_and_one_look_that_failed_do_not_make_a_slope() -> None:
    flat = [(at, 100.0) for at, _ in series(0, 0)]
    for place in (3, 50, 120, 250, 299):
        flat[place] = (flat[place][0], 900.0)
    flat[10] = (flat[10][0], 0.0)
    assert growth(flat).an_hour == 0
    assert not growth(flat).is_told


def test_first_and_last_are_what_was_there_at_both_ends() -> None:
    found = growth([(float(at), 10.0 if at < 500 else 30.0) for at in range(1000)])
    assert (found.first, found.last) == (10, 30)


def test_of_very_many_samples_some_are_looked_at() -> None:
    assert growth(series(an_hour=12, noise=2, count=20_000)).an_hour == pytest.approx(12, abs=0.1)


def test_without_three_samples_there_is_no_slope() -> None:
    with pytest.raises(ValueError, match="three"):
        growth([(0.0, 1.0), (1.0, 2.0)])


def test_what_was_seen_while_it_warmed_up_does_not_count() -> None:
    samples = Samples()
    for at in range(100):
        samples.add(float(at), "memory", 100.0 * min(at, 15), "MiB")
        samples.add(float(at), "leak", float(at), "files")
    grown = samples.grown()
    assert grown["memory"].an_hour == 0
    assert grown["leak"].is_told
    assert [line.split()[0] for line in show(samples).splitlines() if line.endswith("grows")] == ["leak"]
