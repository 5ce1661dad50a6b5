"""Paths that could be keys: ids that link events of several kinds, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules import path_survey
from slo_rules.candidate_keys import propose
from slo_rules.event import Event
from slo_rules.naming import key_rules
from slo_rules.path_survey import Survey, is_path
from tests.strategies import events, make_event

KINDS = ("won", "accepted", "shipped", "paid")


def survey_of(seen: list[Event]) -> Survey:
    survey = Survey()
    for event in seen:
        survey.observe(event)
    return survey


def orders(count: int, **more: Any) -> list[Event]:
    """Orders that go through every kind, three to an account; values that are functions are asked with the number."""
    seen = []
    for number in range(count):
        for place, kind in enumerate(KINDS):
            data = {"order_id": f"SO-{number}", "account_id": f"A-{number // 3}"}
            data |= {name: say(number, place) if callable(say) else say for name, say in more.items()}
            seen.append(make_event(kind, place, number * 10 + place, "crm" if place < 2 else "sap", data))
    return seen


def proposed(seen: list[Event]) -> list[str]:
    return [one.path for one in propose(survey_of(seen))]


def test_the_id_of_an_order_comes_before_that_of_its_account() -> None:
    assert proposed(orders(30))[:2] == ["data.order_id", "data.account_id"]


def test_the_evidence_is_that_of_the_log() -> None:
    best = propose(survey_of(orders(30)))[0]
    assert (best.values, best.activities, best.sources) == (30, 4, 2)
    assert (best.share, best.per_value, best.linking, best.repetition) == (1.0, 4.0, 1.0, 1.0)
    assert best.example.startswith("SO-")


@pytest.mark.parametrize(
    ("what", "say"),
    [
        ("a placeholder", "N/A"),
        ("zeros", "0000"),
        ("one value for all", "EMEA"),
        ("an id of the event alone", lambda number, place: f"e{number}-{place}"),
        ("a time", lambda number, _place: f"2026-11-{number % 28 + 1:02}T10:00:00Z"),
        ("an amount with cents", lambda number, _place: 100.5 + number),
        ("a truth", lambda number, _place: number % 2 == 0),
        ("a list", lambda number, _place: [number]),
    ],
)
def test_no_key_is(what: str, say: Any) -> None:
    assert "data.other" not in proposed(orders(30, other=say)), what


def test_without_an_id_that_links_kinds_nothing_is_proposed() -> None:
    assert propose(survey_of([])) == []
    assert propose(survey_of([make_event("won", 0, n, "crm", {"order_id": f"SO-{n}"}) for n in range(20)])) == []


@given(events(30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_the_order_of_events_changes_nothing(seen: list[Event], chance: random.Random, most: int) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path_survey, "MAX_VALUES", most)
        a, b = survey_of(seen), survey_of(shuffled)
    assert propose(a) == propose(b)
    for path, facts in a.paths.items():
        known = {value: told.events for value, told in facts.values.items()}
        assert known == {value: told.events for value, told in b.paths[path].values.items()}
        assert len(known) <= most


def test_of_many_values_a_sample_is_known_whole() -> None:
    seen = orders(5000)
    facts = survey_of(seen).paths["data.order_id"]
    assert len(facts.values) <= path_survey.MAX_VALUES
    assert {told.events for told in facts.values.values()} == {4}
    assert 4000 < facts.distinct < 6000
    assert facts.events == len(seen)


def test_a_hostile_document_bounds_itself() -> None:
    deep: dict[str, Any] = {}
    at = deep
    for _ in range(50):
        at["a"] = at = {}
    at["id"] = "x"
    wide = {f"n{number}": number for number in range(1000)}
    odd = {"": "1", "a..b": "2", "a" * 400: "3", "nul\x00": "4", "dot.": "5"}
    survey = survey_of([make_event("won", 0, 1, "crm", wide | {"deep": deep} | odd)])
    assert len(survey.paths) == path_survey.MAX_PATHS
    assert all(map(is_path, survey.paths))


def test_keys_are_named_after_their_paths() -> None:
    rules = key_rules(["data.order_id", "data.SalesOrder,data.sales_order", "subject", "data.x.order.id", "data.名"])
    assert [(rule.namespace, rule.paths) for rule in rules] == [
        ("order", ("data.order_id",)),
        ("sales_order", ("data.SalesOrder", "data.sales_order")),
        ("subject", ("subject",)),
        ("id", ("data.x.order.id",)),
        ("key", ("data.名",)),
    ]
    assert [rule.namespace for rule in key_rules(["data.a.id", "data.b.id"])] == ["id", "id_2"]


def test_all_keys_that_are_no_paths_are_named() -> None:
    with pytest.raises(ValueError, match=r"'data\.\.x' is not a path.*'data' is not a path"):
        key_rules(["data..x", "data.order_id", "data"])
