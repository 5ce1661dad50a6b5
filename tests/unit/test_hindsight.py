"""What was known of sources as of each event of a batch, told when the batch has been read to its end."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.arrivals import Arrivals
from collector.catalogue import Catalogue, Version
from collector.hindsight import Hindsight
from collector.parsed import Parsed
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.judgement import Watermark
from tests.strategies import START

DEFINITIONS = load(
    {
        "sources.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: orders}
spec:
  entity: order
  keys: {order: data.order}
  milestones: [{name: won, on: {exact: {source: crm, type: won}}}]
---
apiVersion: milepost/v1
kind: Source
metadata: {name: sap, owner: erp}
spec: {silent_after: 15m}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: bank, owner: treasury}
spec:
  expect:
    - {every: 40m}
    - {type: statement, every: 1h}
"""
    }
)
KNOWN = ("crm", "sap", "bank", "unheard of")
ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from([("crm", None), ("sap", None), ("bank", None), ("bank", "statement"), ("unheard of", None)]),
        st.sampled_from([0, 1, MINUTE, 20 * MINUTE, 2 * HOUR]),
        st.sampled_from([-MINUTE, 0, 1, 5 * MINUTE, 12 * MINUTE, HOUR]),
    ),
    max_size=30,
)


class NoRows:
    """A database in which there is nothing."""

    def execute(self, *_: Any) -> NoRows:
        return self

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []


def catalogue() -> Catalogue:
    versions = [Version(workflow, -1, None) for workflow in DEFINITIONS.workflows.values()]
    return Catalogue(versions, DEFINITIONS.objectives.values(), DEFINITIONS.sources.values())


def copied(marks: dict[str, Watermark]) -> dict[str, Watermark | None]:
    found: dict[str, Watermark | None] = {}
    for source in KNOWN:
        mark = marks.get(source)
        if mark is not None:
            types = {name: msgspec.structs.replace(one) for name, one in mark.types.items()}
            mark = msgspec.structs.replace(mark, types=types)
        found[source] = mark
    return found


@given(ARRIVALS, st.integers(1, 12), st.booleans())
def test_what_was_known_as_of_an_event_is_what_was_known_when_it_was_noted(
    told: list[tuple[tuple[str, str | None], int, int]], longest: int, turning_ends: bool
) -> None:
    arrivals = Arrivals(cast("Connection", NoRows()), catalogue(), 0)
    hindsight = Hindsight(arrivals)
    known: dict[int, dict[str, Watermark | None]] = {}

    def end_batch() -> None:
        for seq, marks in known.items():
            hindsight.seq = seq
            assert {source: hindsight.get(source) for source in KNOWN} == marks
        known.clear()
        arrivals.take()

    at = START
    for seq, ((source, type_), pause, lag) in enumerate(told, 1):
        at += pause
        event = Parsed(seq, source, at, at - lag, [], None, type_)
        if arrivals.note(event) is None:
            # For whoever leads another batch begins where a source turns; shares of a stretch go on.
            if turning_ends:
                end_batch()
            arrivals.hear(event)
            assert not turning_ends or arrivals.note(event) is not None
        known[seq] = copied(arrivals.marks)
        if len(known) == longest:
            end_batch()
    end_batch()


def test_it_can_be_looked_through_as_what_is_known_now() -> None:
    arrivals = Arrivals(cast("Connection", NoRows()), catalogue(), 0)
    event = Parsed(1, "sap", START, START, [])
    assert arrivals.note(event) is None
    arrivals.hear(event)
    arrivals.note(event)
    hindsight = Hindsight(arrivals)
    hindsight.seq = 1
    assert dict(hindsight) == arrivals.marks
    assert len(hindsight) == len(arrivals.marks)
    assert hindsight.get("nobody") is None
    assert "nobody" not in hindsight
