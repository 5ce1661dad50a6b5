"""Words on joins: what can be said of an event, what nobody can say, and that what is written is what is read."""

from __future__ import annotations

from typing import Any

import pytest

from slo_rules.acts import (
    ACT_SOURCE,
    JOIN_REJECTED,
    BadAct,
    JoinWord,
    event_named,
    join_document,
    read_act,
    read_join_word,
)
from slo_rules.event import Event, event_key
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from tests.strategies import START, definitions, make_event

MATCHER = Matcher([definitions().workflows["orders"]])
GOOD = {"source": "sap", "event": "e1", "by": "ana", "reason": "a typing error"}


def act(said: Any, *, accepts: bool = False, workflow: str = "orders", key: str = "order=1") -> Event:
    document = join_document("id", workflow, key, START, said, accepts=accepts)
    return Event(ACT_SOURCE, document["type"], START, START, b"k" * 16, document)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, ["source", "event", "by", "reason"]),
        (dict.fromkeys(GOOD, 1), ["source", "event", "by", "reason"]),
        (dict.fromkeys(GOOD, ""), ["source", "event", "by", "reason"]),
        (GOOD | {"by": " ", "reason": "\t"}, ["by", "reason"]),
        (GOOD | {"by": "x" * 201, "reason": "x" * 1001, "source": "x" * 2049}, ["source", "by", "reason"]),
        (GOOD | {"source": "a\x00", "event": "\ud800"}, ["source", "event"]),
        (GOOD | {"source": ACT_SOURCE, "event": None}, ["event", "source"]),
        (GOOD | {"reason": "a\x1b[2Jb", "until": "tomorrow"}, ["until", "reason"]),
    ],
)
@pytest.mark.parametrize("accepts", [False, True])
def test_every_fault_of_a_word_is_named(said: dict[str, Any], fields: list[str], accepts: bool) -> None:
    faults: list[str] = []
    assert read_join_word(said, accepts=accepts, faults=faults) is None
    assert [fault.partition(": ")[0] for fault in faults] == fields
    with pytest.raises(BadAct) as raised:
        read_act(act(said, accepts=accepts))
    assert raised.value.faults == faults


@pytest.mark.parametrize("id_", ["e1", " e1 ", "a\nb", "\x1b[2J", "\u202e", "“è” 山田 👩🏽‍🔧", "x" * 2048])
def test_an_event_is_named_exactly(id_: str) -> None:
    faults: list[str] = []
    assert event_named({"source": id_, "event": id_}, faults) == event_key(id_, id_)
    assert faults == []


def test_what_is_written_is_what_is_read() -> None:
    for accepts in (False, True):
        read = read_act(act(GOOD | {"by": " ana "}, accepts=accepts))
        assert (read.workflow, read.key, read.waiver) == ("orders", "order=1", None)
        assert read.join == JoinWord(event_key("sap", "e1"), "ana", "a typing error", accepts)


def test_a_word_changes_nothing_of_what_is_known_by_itself() -> None:
    """It is the projector that takes apart, at its place in the log."""
    ((_, won),) = MATCHER.matches(make_event("won", 0, 1, "crm", {"order": "1"}))
    ((_, word),) = MATCHER.matches(act(GOOD))
    assert word.more.acts
    assert (word.joining, word.searching, word.milestones) == (["order=1"], [], ())
    progress = fold(None, won)
    assert fold(progress, word).milestones == progress.milestones
    assert fold(progress, word).waiver is None
    assert MATCHER.matches(act(GOOD, workflow="others")) == []


@pytest.mark.parametrize("data", [None, [], "x", {}, {"workflow": 7, "key": None} | GOOD, {"key": "order=1"} | GOOD])
def test_a_word_that_says_nothing_is_refused(data: Any) -> None:
    with pytest.raises(BadAct):
        MATCHER.matches(Event(ACT_SOURCE, JOIN_REJECTED, START, START, b"", {"data": data}))
