from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dashboard
from dashboard import components as c
from dashboard.links import Links
from dashboard.views import instance, worklist
from dashboard.views.overview import worst_objective

HOME = Path(dashboard.__file__).parent
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LINKS = Links("/dashboard/")


def test_filters_become_repeated_parameters_and_empty_ones_are_left_out() -> None:
    assert LINKS.worklist(verdict=("stuck", "failed"), owner=None, q="") == (
        "/dashboard/worklist?verdict=stuck&verdict=failed"
    )
    assert LINKS.worklist() == "/dashboard/worklist"


def test_names_in_addresses_are_escaped() -> None:
    assert LINKS.objectives("a/b c") == "/dashboard/objectives/a%2Fb%20c"


def test_an_incident_opens_what_it_holds_up() -> None:
    incident = {"workflow": "order-to-cash", "verdict": "stuck", "waiting_for": "order_accepted", "source": "sap"}
    assert LINKS.held_up_by(incident) == (
        "/dashboard/worklist?workflow=order-to-cash&verdict=stuck&waiting_for=order_accepted&source_awaited=sap"
    )


def test_filters_survive_the_way_through_an_address() -> None:
    assert worklist.filters_from({"verdict": "stuck", "owner": "erp", "sort": "-value", "min_age_seconds": "3600"}) == {
        "verdict": ["stuck"],
        "owner": "erp",
        "min_age_seconds": 3600.0,
    }


def test_what_cannot_be_read_is_no_filter() -> None:
    asked = {"verdict": ["stuck", "<script>"], "owner": "", "min_age_seconds": "soon", "nonsense": "1"}
    assert worklist.filters_from(asked) == {"verdict": ["stuck"]}


def test_a_filter_that_no_definition_knows_can_still_be_seen_and_taken_away() -> None:
    parts = json.dumps(
        worklist.worklist([], [], {"workflow": "retired_flow"}, None, parquet=False),
        default=lambda o: o.to_plotly_json(),
    )
    assert '"value": "retired_flow"' in parts
    assert "Retired flow" in parts


def test_the_grid_starts_with_the_sort_of_the_address() -> None:
    columns = {d["colId"]: d for d in worklist.grid("-value").columnDefs}
    assert columns["value"]["sort"] == "desc"
    assert not any("sort" in d for d in worklist.grid("title; drop").columnDefs)


def test_nothing_to_see_is_written_quietly() -> None:
    assert "zero" in c.number(0, "/x", "Stuck", "bad").className
    assert c.number(1234, "/x", "Stuck", "bad").children == "1,234"


def test_a_moment_carries_what_the_browser_needs_to_keep_counting() -> None:
    told = c.when("2026-11-21T10:00:00Z", NOW)
    assert told.children == "2 h ago"
    assert told.dateTime == "2026-11-21T10:00:00Z"
    assert c.when(None, NOW) == "–"


def test_an_overspent_budget_has_an_empty_bar_of_its_own_kind() -> None:
    bar = c.budget_bar(-0.3, "Orders")
    assert bar.children.style == {"width": "0.0%"}
    assert "gone" in bar.className
    assert getattr(bar, "aria-label") == "Orders: −30% of the error budget left"


def test_the_tightest_objective_stands_for_its_domain() -> None:
    rows = [{"budget_left_ratio": 0.5}, {"budget_left_ratio": None}, {"budget_left_ratio": -0.1}]
    assert worst_objective(rows) == {"budget_left_ratio": -0.1}
    assert worst_objective([{"budget_left_ratio": None}]) is None


def test_every_icon_used_is_preloaded() -> None:
    used = set()
    for path in HOME.rglob("*.py"):
        used |= set(re.findall(r'icon\("([a-z0-9-]+)"', path.read_text()))
    used |= set(re.findall(r'"([a-z]+-[a-z]+(?:-[a-z]+)?)", "(?:exact|partial)"', (HOME / "shell.py").read_text()))
    script = (HOME / "assets" / "00-icons.js").read_text()
    known = set(json.loads(script.split("IconifyPreload = ")[1].rstrip(";\n"))["icons"])
    assert used
    assert used <= known


def test_every_verdict_and_state_has_a_mark() -> None:
    from dashboard.wording import STATE_LABELS, VERDICT_LABELS

    marks = (HOME / "assets" / "20-marks.css").read_text()
    assert all(f".mk-{name}" in marks for name in (*VERDICT_LABELS, *STATE_LABELS))


def test_figures_are_only_made_through_the_one_wrapper() -> None:
    bare = [p.name for p in HOME.rglob("*.py") if "dcc.Graph(" in p.read_text()]
    assert bare == ["figures.py"]


def test_no_asset_names_a_host() -> None:
    allowed = ("http://www.w3.org/2000/svg", "http://127.0.0.1")
    own = (path for kind in ("*.js", "*.css", "*.py") for path in HOME.rglob(kind) if path.parent.name != "vendor")
    for path in own:
        hosts = re.findall(r"https?://[^\s'\"\\)]+", path.read_text())
        assert [h for h in hosts if not h.startswith(allowed)] == [], path.name


def drawn(part: Any) -> str:
    return json.dumps(part, default=lambda o: o.to_plotly_json())


def test_the_keys_say_who_rejected_which_event_and_why() -> None:
    event = {"source": "sap", "id": "e1", "type": "sales_order.created"}
    rejection = {
        "event": event, "by": "ana", "reason": "a typing <b>error</b>", "at": "2026-11-21T10:00:00Z",
        "accepted_at": None, "parts": ["aaaa0000-1", "bbbb0000-2"],
    }  # fmt: skip
    found: dict[str, Any] = {"id": "aaaa0000-1", "title": "O-1", "keys": [], "joined": [], "rejected": [rejection]}
    told = drawn(instance.keys_table(found, LINKS))
    for words in ('"ana"', " rejected ", "event e1", '"a typing <b>error</b>"', "taken apart from", "bbbb0000-2"):
        assert words in told
    assert LINKS.instance("aaaa0000-1") not in told
    assert "counts again" not in told
    found["rejected"] = [rejection | {"event": None, "accepted_at": "2026-11-21T11:00:00Z", "parts": ["aaaa0000-1"]}]
    told = drawn(instance.keys_table(found, LINKS))
    assert "it counts again since" in told
    assert "taken apart" not in told
    assert "notes" not in drawn(instance.keys_table(found | {"rejected": []}, LINKS))


def test_events_are_drawn_plainly_so_they_are_nothing_but_html() -> None:
    event = {
        "id": "e-1", "source": "sap", "type": "order.created", "milestone": "order_accepted", "seq": 1,
        "occurred_at": "2026-11-21T10:00:00Z", "received_at": "2026-11-21T10:00:01Z", "trace_id": None,
        "data": {"order": 1},
    }  # fmt: skip
    told = json.loads(drawn(instance.events_table({"events": [event], "events_gone": 2})))
    assert "order.created" in json.dumps(told)
    assert set(_namespaces(told)) == {"dash_html_components"}
    # Attributes whose names are not those of HTML are those that the browser is told of.
    script = (Path(dashboard.__file__).parent / "assets" / "16-plain.js").read_text("utf-8")
    spelled = {name for name in _props(told) if name != name.lower()}
    assert spelled
    assert all(f"{name}: '" in script for name in spelled)


def _namespaces(told: Any) -> list[str]:
    return [one["namespace"] for one in _parts(told)]


def _props(told: Any) -> set[str]:
    return {name for one in _parts(told) for name in one["props"]} - {"children"}


def _parts(told: Any) -> list[Any]:
    if isinstance(told, list):
        return [part for one in told for part in _parts(one)]
    if not isinstance(told, dict) or "namespace" not in told:
        return []
    return [told, *_parts(told["props"].get("children"))]
