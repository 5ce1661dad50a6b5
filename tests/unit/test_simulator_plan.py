"""The plan of the simulated enterprise: deterministic, resumable, valid, and wrong exactly where it says it
is."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from milepost.demo import faults
from milepost.demo.actions import HOUR, MINUTE, Action, BusinessEvent, cloud_event, micros
from milepost.demo.scenario import deliveries, plan, told

pytestmark = pytest.mark.slow

ANCHOR = datetime(2026, 11, 18, 14, 7, 33, tzinfo=UTC)
WEEK = timedelta(days=7)
SEED = 42
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")
SOURCES = {"salesforce", "sap", "stripe", "zendesk", "mulesoft", "coupa"}


@pytest.fixture(scope="module")
def week() -> list[Action]:
    return list(plan(SEED, ANCHOR - WEEK, ANCHOR, anchor=ANCHOR))


def events(actions: list[Action]) -> list[BusinessEvent]:
    return [action.event for action in actions if action.event is not None]


def test_same_seed_same_plan(week: list[Action]) -> None:
    assert list(plan(SEED, ANCHOR - WEEK, ANCHOR, anchor=ANCHOR)) == week


def test_other_seed_other_plan(week: list[Action]) -> None:
    other = list(plan(SEED + 1, ANCHOR - WEEK, ANCHOR, anchor=ANCHOR))
    assert not {event.id for event in events(week)} & {event.id for event in events(other)}


def test_plan_is_in_the_order_of_event_time_and_inside_its_window(week: list[Action]) -> None:
    times = [action.at for action in week]
    assert times == sorted(times)
    assert times[0] >= micros(ANCHOR - WEEK)
    assert times[-1] < micros(ANCHOR)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [ANCHOR - timedelta(hours=58), ANCHOR, ANCHOR + timedelta(minutes=4)])
def test_a_plan_taken_up_elsewhere_is_the_same_plan(cut: datetime) -> None:
    first, last = cut - timedelta(hours=1), cut + timedelta(hours=1)
    whole = list(deliveries(SEED, first, last, anchor=ANCHOR))
    parts = [*deliveries(SEED, first, cut, anchor=ANCHOR), *deliveries(SEED, cut, last, anchor=ANCHOR)]
    assert parts == whole
    assert [action.deliver_at for action in whole] == sorted(action.deliver_at for action in whole)


@pytest.mark.slow
def test_no_express_business_starts_in_a_pause() -> None:
    pause = (ANCHOR + timedelta(hours=1), ANCHOR + timedelta(hours=9))
    window = (ANCHOR + timedelta(hours=2), ANCHOR + timedelta(hours=4))
    busy = len(list(deliveries(SEED, *window, anchor=ANCHOR)))
    quiet = list(deliveries(SEED, *window, anchor=ANCHOR, pauses=[pause]))
    assert len(quiet) * 5 < busy
    steady = [story for _, stories in told(SEED, *window, anchor=ANCHOR) for story in stories if not story.express]
    kept = {action.instance for action in quiet}
    begun = {story.instance for story in steady if micros(window[0]) <= story.actions[0].deliver_at < micros(window[1])}
    assert begun <= kept


def test_volumes(week: list[Action]) -> None:
    instances = {action.instance for action in week}
    spans = sum(len(action.spans) for action in week)
    assert 3_000 <= len(instances) <= 4_800
    assert len({workflow for workflow, _, _ in instances}) == 5
    assert 20_000 <= len(events(week)) <= 25_000
    assert 30_000 <= spans <= 40_000


def test_live_pace() -> None:
    hour = list(deliveries(SEED, ANCHOR + timedelta(minutes=10), ANCHOR + timedelta(minutes=70), anchor=ANCHOR))
    assert 1.0 <= len(events(hour)) / 3600 <= 3.0


def test_every_event_is_a_valid_cloud_event(week: list[Action]) -> None:
    for event in events(week):
        document = cloud_event(event)
        assert document["specversion"] == "1.0"
        assert all(isinstance(document[name], str) and document[name] for name in ("id", "source", "type", "subject"))
        assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in document)
        assert document["source"] in SOURCES
        assert micros(datetime.fromisoformat(document["time"])) == event.at
        assert document["time"].endswith("Z")
        if "traceparent" in document:
            assert TRACEPARENT.fullmatch(document["traceparent"])
        assert isinstance(orjson.loads(orjson.dumps(document))["data"], dict)


def test_events_share_the_traces_of_their_spans(week: list[Action]) -> None:
    spans = {(span.trace_id, span.span_id) for action in week for span in action.spans}
    carried = [event.traceparent.split("-") for event in events(week) if event.traceparent]
    known = sum((int(trace, 16), int(span, 16)) in spans for _, trace, span, _ in carried)
    assert known / len(carried) > 0.99
    assert len(carried) / len(events(week)) > 0.5


def test_span_trees_are_whole(week: list[Action]) -> None:
    parents = {span.span_id for action in week for span in action.spans}
    for action in week:
        for index, span in enumerate(action.spans):
            assert span.start < span.end
            if index:
                assert span.parent_id in parents
                assert action.spans[0].start <= span.start
                assert span.end <= action.spans[0].end


def test_duplicates_repeat_an_event_and_nothing_else_does(week: list[Action]) -> None:
    ids = Counter((event.source, event.id) for event in events(week))
    again = [action for action in week if action.duplicate]
    assert {(a.event.source, a.event.id) for a in again if a.event} >= {key for key, n in ids.items() if n > 1}
    assert max(ids.values()) == 2
    assert len(again) / len(events(week)) == pytest.approx(faults.DUPLICATES.share, rel=0.25)


def test_late_events(week: list[Action]) -> None:
    on_wire = [a for a in week if a.event and a.event.source != "sap" and not a.duplicate]
    late = [action for action in on_wire if action.deliver_at - action.at > MINUTE]
    assert len(late) / len(on_wire) == pytest.approx(faults.LATE_EVENTS.share, rel=0.25)
    assert all(action.deliver_at - action.at < 7 * HOUR for action in late)
    assert all(action.deliver_at > action.at for action in week)


def test_a_silent_erp_delivers_nothing_and_then_everything() -> None:
    for silence in (faults.ERP_SILENT_BEFORE, faults.ERP_SILENT_LIVE):
        assert silence.until is not None
        begins, ends = ANCHOR + silence.since, ANCHOR + silence.until
        during = list(deliveries(SEED, begins, ends, anchor=ANCHOR))
        assert during
        assert not [a for a in during if a.event and a.event.source == "sap"]
        after = list(deliveries(SEED, ends, ends + (ends - begins) / 60, anchor=ANCHOR))
        assert len([a for a in after if a.event and a.event.source == "sap" and a.at < micros(ends)]) > 10


def test_the_connector_drops_emea_orders_and_no_others(week: list[Action]) -> None:
    created = {a.instance: a for a in week if a.mark == "order_created"}
    accepted = {a.instance for a in week if a.mark in ("erp_accepted", "failed", "cancelled")}
    old = [i for i, a in created.items() if a.at < micros(ANCHOR) - 6 * HOUR and i not in accepted]
    fault = faults.CONNECTOR_DROPS_EMEA
    dropped = {
        i
        for i, a in created.items()
        if a.event and all(a.event.data[name] == value for name, value in fault.affects.items())
    }
    assert 25 <= len(dropped) <= 120
    assert not dropped & {a.instance for a in week if a.mark == "erp_accepted"}
    assert min(created[i].at for i in dropped) >= micros(ANCHOR + fault.since)
    assert len([i for i in old if i not in dropped]) <= 3
    healthy = [i for i, a in created.items() if a.event and a.event.data["connector_version"] == "2.3.0"]
    assert set(healthy) - dropped


def test_orders_of_the_new_legal_entity_have_no_tax_code(week: list[Action]) -> None:
    accepted = [a for a in week if a.mark == "erp_accepted" and a.event and not a.duplicate]
    flawed = [a for a in accepted if a.flawed]
    entity = faults.NO_TAX_CODE.affects["legal_entity"]
    for action in accepted:
        assert action.event is not None
        assert ("tax_code" not in action.event.data) is action.flawed
        assert (action.event.data["legal_entity"] == entity) is action.flawed
    assert 8 <= len(flawed) <= 45


def test_the_failing_card_processor(week: list[Action]) -> None:
    fault = faults.CARD_PROCESSOR_DOWN
    started = {
        a.instance
        for a in week
        if a.event
        and a.mark == "invoice_posted"
        and a.event.data.get("card_processor") == fault.affects["card_processor"]
        and a.at >= micros(ANCHOR + fault.since)
    }
    assert 5 <= len(started) <= 60
    assert not started & {a.instance for a in week if a.mark in ("payment_succeeded", "entitlement_provisioned")}


def test_the_stopped_account_sync(week: list[Action]) -> None:
    fault = faults.ACCOUNT_SYNC_STOPPED
    assert fault.affects == {"region": "APAC"}
    apac = {a.instance for a in week if a.event and a.mark == "account_created" and a.event.data["region"] == "APAC"}
    synced = [a for a in week if a.mark == "account_synced" and a.instance in apac]
    stopped = {a.instance for a in week if a.instance in apac and a.at >= micros(ANCHOR + fault.since)}
    started = {a.instance for a in week if a.mark == "account_created" and a.at >= micros(ANCHOR + fault.since)}
    assert 3 <= len(stopped & started) <= 60
    assert synced
    assert not {a.instance for a in synced} & started


def test_a_history_of_more_than_four_weeks_is_refused() -> None:
    with pytest.raises(ValueError, match="28 days"):
        next(plan(SEED, ANCHOR - timedelta(days=40), ANCHOR, anchor=ANCHOR))
