"""Whether a run is much worse than the newest results, on invented figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.ratios import MARKS, Mark, NotComparable, again, better, compare, newest, verdict

SHARE, COST, GROWTH = Mark("share", "ab"), Mark("cost", "e", cost=True), Mark("growth", "e", growth=1.5)
INVENTED = (SHARE, COST, GROWTH)
BEFORE = {"share": 0.08, "cost": 0.10, "growth": 1.1, "events a second": 30_000.0}
SAME = {"share": 0.08, "cost": 0.10, "growth": 1.1}


def worse(**now: float) -> list[str]:
    return [one.mark.figure for one in compare(BEFORE, SAME | now, INVENTED) if not one.passed]


def test_what_is_as_it_was_or_better_passes() -> None:
    assert worse() == []
    assert worse(share=0.9, cost=-0.3, growth=0.2) == []


@pytest.mark.parametrize(
    ("figure", "passes", "fails"),
    [("share", 0.04, 0.0399), ("cost", 0.55, 0.551), ("growth", 1.65, 1.651)],
)
def test_the_bounds_are_half_of_what_is_left_or_half_as_much_again(figure: str, passes: float, fails: float) -> None:
    assert worse(**{figure: passes}) == []
    assert worse(**{figure: fails}) == [figure]


def test_figures_that_are_no_ratios_are_not_compared() -> None:
    assert {one.mark.figure for one in compare(BEFORE, SAME | {"events a second": 1.0}, INVENTED)} == set(SAME)


def test_a_new_ratio_passes_and_one_that_is_not_measured_any_more_does_not() -> None:
    (outcome,) = compare({}, SAME, [SHARE])
    assert (outcome.before, outcome.passed) == (None, True)
    with pytest.raises(NotComparable, match="Not measured: share; growth"):
        compare(BEFORE, {"cost": 0.1}, INVENTED)


def test_only_what_seems_worse_is_measured_again_and_the_better_counts() -> None:
    assert again(compare(BEFORE, SAME, INVENTED)) == set()
    first = SAME | {"share": 0.01, "growth": 3.0}
    assert again(compare(BEFORE, first, INVENTED)) == {"a", "b", "e"}
    found = better(first, {"share": 0.07, "cost": 0.9, "growth": 4.0}, INVENTED)
    assert found == {"share": 0.07, "cost": 0.10, "growth": 3.0}


def test_the_verdict_is_one_sentence_that_names_the_figures() -> None:
    assert verdict(compare(BEFORE, SAME, INVENTED), "x.json") == "No ratio is much worse than in x.json."
    said = verdict(compare(BEFORE, SAME | {"share": 0.01, "cost": 0.7}, INVENTED), "x.json")
    assert said == (
        "Much worse than in x.json, measured twice: share is 0.01, was 0.08 and may be 0.04 at least; "
        "cost is 0.7, was 0.1 and may be 0.55 at most."
    )


def _write(folder: Path, name: str, value: float, **said: Any) -> None:
    body = {"quick": False, "figures": [{"name": "share", "value": value, "unit": "", "runs": []}]} | said
    (folder / name).write_text(json.dumps(body))


def test_the_newest_full_results_are_compared_with(tmp_path: Path) -> None:
    with pytest.raises(NotComparable, match="no full results"):
        newest(tmp_path)
    _write(tmp_path, "2026-11-20.json", 1)
    _write(tmp_path, "2026-11-21.json", 2)
    _write(tmp_path, "2026-11-22.json", 3, quick=True)
    assert newest(tmp_path) == ("2026-11-21.json", {"share": 2.0})


def test_every_mark_is_among_the_committed_figures() -> None:
    name, figures = newest(report.RESULTS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.json", name)
    assert {mark.figure for mark in MARKS} <= figures.keys()
