from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from dashboard import figures, palette
from dashboard.journey import MOST_SERVICES, journey_figure
from dashboard.viewer import viewer_of, viewing
from dashboard.waterfall import MOST_SPANS, call_order, traces, waterfall_figure, worth_seeing

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def span(
    span_id: str, parent: str | None = None, start: float = 0, service: str = "hub", **more: Any
) -> dict[str, Any]:
    row = {
        "trace_id": "t1", "span_id": span_id, "parent_span_id": parent, "service": service, "name": f"call {span_id}",
        "kind": "client", "start": at(start), "end": at(start + 1), "duration_ms": 60_000.0, "status": "ok",
        "status_message": None, "attributes": {},
    }  # fmt: skip
    return row | more


def step(name: str, state: str, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(("at", "started_at", "warn_at", "deadline_at", "source", "owner", "event_id"))
    return {"name": name, "title": name.title(), "state": state, "faults": [], **row, **more}


def texts(figure: Any) -> str:
    return " ".join(a.text for a in figure.layout.annotations)


def test_a_waterfall_of_very_many_spans_is_drawn_with_a_label_for_each_that_is_shown() -> None:
    spans = [span(str(n), str(n // 3) if n else None, start=n / 10, service=f"s{n % 4}") for n in range(1_000)]
    figure = waterfall_figure(worth_seeing(traces(spans)))
    rows = [-n for n in range(MOST_SPANS)]
    for kind in ("bar", "scatter"):
        drawn = sorted((y for trace in figure.data if trace.type == kind for y in trace.y), reverse=True)
        assert drawn == rows
    # Each of them would be measured and laid out by itself.
    assert not figure.layout.annotations


def test_the_journey_shows_a_missed_deadline_in_red_and_now() -> None:
    instance = {
        "verdict": "stuck",
        "journey": [
            step("received", "reached", at=at(-600)),
            step("accepted", "overdue", started_at=at(-600), warn_at=at(-420), deadline_at=at(-360)),
        ],
        "spans": [],
    }
    figure = journey_figure(instance, NOW)
    late = [t for t in figure.data if t.type == "bar" and t.marker.color == palette.BAD]
    assert [t.x[0] for t in late] == [360 * 60 * 1000]
    assert [t.marker.symbol for t in figure.data if t.type == "scatter"] == ["circle", "x"]
    assert "overdue by 6 h" in texts(figure)
    assert "now" in texts(figure)


def test_a_finished_journey_ends_where_it_ended() -> None:
    instance = {"verdict": "completed", "journey": [step("received", "reached", at=at(-60 * 24 * 90))], "spans": []}
    figure = journey_figure(instance, NOW)
    assert "now" not in texts(figure)
    assert datetime.fromisoformat(figure.layout.xaxis.range[1]) < NOW.replace(tzinfo=None) - timedelta(days=89)


def test_services_beyond_the_busiest_share_a_row() -> None:
    spans = [span(f"{i}", service=f"s{i:02}", start=-i) for i in range(MOST_SERVICES + 5)]
    instance = {"verdict": "on_track", "journey": [step("received", "reached", at=at(-60))], "spans": spans}
    said = texts(journey_figure(instance, NOW))
    assert "other services" in said
    assert "5 spans" in said


def test_of_very_many_spans_those_on_one_place_are_one_mark_that_tells_of_them() -> None:
    rows = [step("order_accepted", "reached", started_at=at(0), at=at(600))]
    many = [
        span(f"s{n}", start=60 + n / 60_000, duration_ms=0.5, name="post", status="error" if n == 7 else "ok")
        for n in range(300)
    ]
    apart = span("late", start=500, duration_ms=120_000.0)
    figure = journey_figure({"verdict": "completed", "journey": rows, "spans": [*many, apart]}, NOW)
    points = [t for t in figure.data if t.type == "scatter" and t.mode == "markers"]
    (ticks,) = [t for t in points if t.marker.symbol == "line-ns"]
    assert len(ticks.x) == 2
    assert "<b>300 spans</b>" in ticks.hovertext[0]
    assert "300 × post" in ticks.hovertext[0]
    (cross,) = [t for t in points if t.marker.symbol == "x"]
    assert len(cross.x) == 1
    # What is as wide as a place is still a bar as long as it took.
    assert [120_000.0] in [list(t.x) for t in figure.data if t.type == "bar"]
    few = journey_figure({"verdict": "completed", "journey": rows, "spans": many[:200]}, NOW)
    assert max(len(t.x) for t in few.data) == 200


def test_an_instance_without_journey_draws_nothing() -> None:
    assert not journey_figure({"verdict": "on_track", "journey": [], "spans": []}, NOW).data


def test_a_parent_stands_before_its_children_and_siblings_by_start() -> None:
    spans = [span("c", "a", 3), span("a", None, 0), span("b", "a", 1), span("d", "b", 2)]
    assert [(depth, s["span_id"]) for depth, s in call_order(spans)] == [(0, "a"), (1, "b"), (2, "d"), (1, "c")]


def test_a_span_whose_parent_was_never_received_is_a_root() -> None:
    assert call_order([span("x", "lost")]) == [(0, span("x", "lost"))]


def test_a_cycle_of_parents_loses_no_span() -> None:
    spans = [span("a", "b", 0), span("b", "a", 1), span("c", "c", 2)]
    assert sorted(s["span_id"] for _, s in call_order(spans)) == ["a", "b", "c"]


def test_traces_come_latest_first_and_an_error_is_worth_seeing() -> None:
    found = traces([span("a"), span("b", start=9) | {"trace_id": "t2"}, span("c", start=1, status="error")])
    assert [t.trace_id for t in found] == ["t2", "t1"]
    seen = worth_seeing(found)
    assert seen is not None
    assert (seen.trace_id, seen.errors, seen.root["span_id"]) == ("t1", 1, "a")
    assert worth_seeing([]) is None


def test_the_waterfall_marks_errors_by_cross_and_outline() -> None:
    figure = waterfall_figure(traces([span("a"), span("b", "a", status="error", service="sap")])[0])
    bars = [t for t in figure.data if t.type == "bar"]
    assert [t.name for t in bars] == ["hub", "sap"]
    assert list(bars[1].marker.line.width) == [2.5]
    assert "✕ call b" in " ".join(text for t in figure.data if t.type == "scatter" for text in t.text)


def test_a_single_miss_is_seen_in_the_sparkline() -> None:
    trend = [{"good": 10_000, "bad": 0}] * 167 + [{"good": 10_000, "bad": 1}]
    svg = unquote(figures.sparkline(trend))
    assert svg.count("<rect") == 28 + 1
    assert svg.count(palette.BAD) == 1


def test_an_empty_sparkline_is_still_an_image() -> None:
    assert figures.sparkline([]).startswith("data:image/svg+xml,")


def test_the_budget_axis_reaches_below_zero_when_overspent() -> None:
    figure = figures.budget_left([{"t": at(-60), "left_ratio": 1.0}, {"t": at(0), "left_ratio": -0.4}], "hour", "UTC")
    assert figure.layout.yaxis.range[0] < -40
    assert list(figure.data[0].y) == [100, -40]
    assert (figure.layout.yaxis.tickprefix, figure.layout.yaxis.ticksuffix) == ("", "%")
    token = viewing.set(viewer_of("UTC|de-DE"))
    try:
        german = figures.budget_left([{"t": at(0), "left_ratio": 0.5}], "hour", "UTC")
    finally:
        viewing.reset(token)
    assert german.layout.yaxis.ticksuffix == "\N{NO-BREAK SPACE}%"


def test_no_figure_can_be_sent_to_a_server_outside() -> None:
    config = figures.graph("x").config
    assert config["showSendToCloud"] is False
    assert config["plotlyServerURL"] == ""


def test_services_keep_their_colours_in_any_order() -> None:
    assert palette.service_colours(["b", "a"]) == palette.service_colours(["a", "b", "a"])
    assert palette.VERMILLION not in palette.SERVICES


def test_labels_on_bars_read_on_their_colour() -> None:
    assert palette.ink_on(palette.BLUE) == "#ffffff"
    assert palette.ink_on(palette.ORANGE) == "#111111"


def test_parts_are_seen_on_the_row_of_their_milestone() -> None:
    said = {"each": "shipment", "started_at": at(-600), "deadline_at": at(-60), "occurred": 1, "needed": 2}
    parts = [
        {"value": "8001", "state": "reached", "at": at(-300), "started_at": at(-900), "deadline_at": at(-240)},
        {"value": "8003", "state": "overdue", "at": None, "started_at": at(-600), "deadline_at": at(-60)},
        {"value": "8004", "state": "waiting", "at": None, "started_at": None, "deadline_at": None},
    ]
    rows = [step("delivered", "overdue", **said, parts=parts)]
    figure = journey_figure({"verdict": "stuck", "journey": rows, "spans": []}, NOW)
    found = [mark.hovertext for mark in figure.data if mark.type == "scatter" and mark.marker.size == 7]
    assert [words.partition("<br>")[0] for words in found] == ["Shipment 8001: reached", "Shipment 8003: overdue"]
    assert "1 of 2, overdue by 1 h" in texts(figure)
    assert datetime.fromisoformat(figure.layout.xaxis.range[0]) < NOW.replace(tzinfo=None) - timedelta(minutes=900)


def test_of_parts_that_came_late_it_is_said_how_many() -> None:
    said = {"each": "shipment", "at": at(-10), "deadline_at": at(0), "occurred": 2, "needed": 2}
    parts = [
        {"value": value, "state": state, "at": at(-10), "deadline_at": at(0)}
        for value, state in (("1", "reached"), ("2", "reached_late"))
    ]
    rows = [step("delivered", "reached_late", **said, parts=parts)]
    figure = journey_figure({"verdict": "completed_late", "journey": rows, "spans": []}, NOW)
    assert "1 of 2 late" in texts(figure)
