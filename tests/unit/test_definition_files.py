"""Definitions of files and folders; above all one's own beside the shipped packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost.definition_files import PACKS, definition_texts, packs_folder, read_definitions
from milepost.source_files import read_receivers
from slo_rules.faults import DefinitionError

SAP = """
apiVersion: milepost/v1
kind: Source
metadata: {name: sap, owner: erp-platform, title: Our S/4HANA}
spec:
  silent_after: 45m
  adapter: {name: sap, secret: "${SAP_USER_AND_PASSWORD}", authentication: basic}
"""
CALENDAR = """
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office-hours-emea, title: Our hours}
spec: {zone: Europe/Madrid, hours: {mon-fri: ["09:00-14:00"]}}
"""


def own(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("packs_first", [True, False])
def test_a_source_of_ones_own_takes_the_place_of_that_of_the_packs(tmp_path: Path, *, packs_first: bool) -> None:
    paths = [PACKS, own(tmp_path, sap=SAP)]
    paths = paths if packs_first else paths[::-1]
    definitions = read_definitions(paths)
    assert definitions.sources["sap"].title == "Our S/4HANA"
    assert len(definitions.sources) == len(read_definitions([PACKS]).sources)
    receivers = read_receivers(definition_texts(paths), definitions, {"SAP_USER_AND_PASSWORD": "u:p"})
    assert set(receivers) == {"sap"}


def test_a_calendar_of_ones_own_is_that_of_the_packs_too(tmp_path: Path) -> None:
    definitions = read_definitions([PACKS, own(tmp_path, hours=CALENDAR)])
    assert definitions.workflows["case-resolution"].calendars["office-hours-emea"].title == "Our hours"


def test_what_is_left_of_a_pack_keeps_its_lines(tmp_path: Path) -> None:
    path = str(packs_folder() / "sources.yaml")
    whole = definition_texts([PACKS])[path].splitlines()
    left = definition_texts([PACKS, own(tmp_path, sap=SAP)])[path].splitlines()
    at = whole.index("metadata: {name: stripe, owner: billing-operations, title: Stripe Billing}")
    assert left[at] == whole[at]
    assert not any("name: sap," in line for line in left)


def test_what_one_defines_twice_oneself_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definitions([PACKS, own(tmp_path, one=SAP, two=SAP)])
    assert "a Source named 'sap' is defined twice" in str(caught.value)


def test_what_cannot_be_read_is_a_fault_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definitions([PACKS, own(tmp_path, broken="kind: [", sap=SAP)])
    assert "broken.yaml" in str(caught.value)
    assert "defined twice" not in str(caught.value)
