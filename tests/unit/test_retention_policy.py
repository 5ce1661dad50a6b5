"""How long what is kept is kept: what may be asked for, and what the definitions need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collector.retention.policy import FLOORS, Kept, Retention, faults
from milepost.settings import Settings, SettingsError, load
from slo_rules.definitions import load as load_definitions
from slo_rules.durations import DAY
from slo_rules.workflow import Definitions
from tests.strategies import START, definitions

NAMES = [f"retention_{kept}" for kept in Kept] + ["compress_after"]


def told(flags: dict[str, object], environment: dict[str, str] | None = None, file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(flags, environment or {}, file)
    return raised.value.faults


def test_what_holds_without_anything_fits_what_is_shipped() -> None:
    assert Settings().retention == Retention()
    assert all(
        getattr(Retention(), name) is None or getattr(Retention(), name) >= least for name, (least, _) in FLOORS.items()
    )
    from milepost.definition_files import read_definitions

    assert faults(Retention(), read_definitions([Path("packs")]), START) == []


def test_flags_go_before_the_environment_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "milepost.toml"
    file.write_text('retention_events = "30d"\nretention_spans = "3d"\nretention_audit = "400d"\n')
    found = load({"retention_events": "60d"}, {"MILEPOST_RETENTION_SPANS": "keep"}, file).retention
    assert (found.events, found.spans, found.audit) == (60 * DAY, None, 400 * DAY)


@pytest.mark.parametrize("name", NAMES)
def test_each_may_be_without_end_and_not_below_its_floor(name: str) -> None:
    word = "never" if name == "compress_after" else "keep"
    assert getattr(load({name: word}, {}), name) is None
    least, why = FLOORS[name.removeprefix("retention_")]
    assert getattr(load({name: f"{least // DAY}d"}, {}), name) == least
    (fault,) = told({name: f"{least // DAY * 24 * 60 - 1}m"})
    assert why in fault


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value",
    ["0d", "-90d", "90", "90 d", "d", "9999999d", "4000d", "٩٠d", "90D", "1e3d", "forever", "KEEP", "9d\n", " ", "\x00", "🦆", "9" * 10_000 + "d"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_where_it_stands(name: str, value: str) -> None:
    (fault,) = told({name: value})
    assert fault.startswith(f"--{name.replace('_', '-')}: ")
    assert len(fault) < 300


@pytest.mark.parametrize("value", ["90", "1.5", "true", "[]", "{}", "2026-11-21", '["90d"]'])
def test_a_value_of_a_wrong_kind_in_a_file_is_named(tmp_path: Path, value: str) -> None:
    file = tmp_path / "milepost.toml"
    file.write_text(f"retention_events = {value}\n")
    (fault,) = told({}, file=file)
    assert "retention_events" in fault


def test_all_faults_are_named_at_once() -> None:
    found = told(
        {"retention_events": "1d", "retention_spans": "x"},
        {"MILEPOST_COMPRESS_AFTER": "1m", "MILEPOST_RETENTION_EVENT": "9d"},
    )
    assert len(found) == 4


def test_they_are_shown_as_they_are_written() -> None:
    shown = load({"retention_events": "30d", "compress_after": "never"}, {}).shown()
    assert (shown["retention_events"], shown["retention_audit"], shown["compress_after"]) == ("30d", "keep", "never")


def of_window(window: str) -> Definitions:
    return load_definitions(
        {
            "a.yaml": "apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: a, domain: b, owner: c}\n"
            "spec:\n  entity: d\n  keys: {e: data.e}\n  milestones:\n    - {name: f, on: {exact: {type: f}}}\n"
            "    - {name: g, on: {exact: {type: g}}}\n---\n"
            "apiVersion: milepost/v1\nkind: Objective\nmetadata: {name: o}\n"
            f"spec: {{workflow: a, latency: {{from: f, to: g, within: 1h}}, target: 0.9, missing_data: bad, window: {window}}}\n"
        }
    )


@pytest.mark.parametrize(
    ("window", "least"),
    [("100d", 101), ("{period: quarter, zone: Europe/Berlin}", 93), ("{period: year, zone: UTC}", 366)],
)
def test_windows_need_their_buckets_and_the_instances_behind_them(window: str, least: int) -> None:
    known = of_window(window)
    enough = Retention(buckets=least * DAY, instances=least * DAY)
    assert faults(enough, known, START) == []
    found = faults(replace(enough, buckets=(least - 2) * DAY, instances=(least - 2) * DAY), known, START)
    assert [fault.split(":")[0] for fault in found] == ["retention_buckets", "retention_instances"]
    assert all("the window of the objective o" in fault for fault in found)
    assert faults(Retention(buckets=None, instances=None), known, START) == []


def test_sources_need_what_was_heard_before() -> None:
    known = definitions("{expect: [{every: 10d}, {type: accepted, every: 20d}]}")
    found = faults(Retention(events=15 * DAY), known, START)
    (fault,) = found
    assert fault == (
        "retention_events: 15d is shorter than 21d, which the source sap with its type accepted needs: "
        "whether it is silent is told from when it was heard before"
    )
    assert faults(Retention(events=21 * DAY), known, START) == []
