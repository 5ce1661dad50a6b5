"""The JSON Schema of definition files says what the loader says, as far as it says anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from milepost.cli import app
from milepost.routes import read_alerting
from slo_rules import schema_words
from slo_rules.alerting_schema import alerting_parts
from slo_rules.deadline_rules import SPELLINGS, parse_deadline_rule
from slo_rules.definition_schema import definition_schema, spell_schema
from slo_rules.definitions import ALERTING, ALERTING_FIELDS, KINDS, ROUTE_FIELDS, load
from slo_rules.durations import parse_duration
from slo_rules.faults import DefinitionError
from slo_rules.reading import Reader
from slo_rules.target_fields import COMMON, TARGET_KINDS
from tests.definition_texts import FULL, TOP, changed, of_documentation, of_tests, packs, spelled, values_of
from tests.examples import examples
from tests.json_schema import valid

SCHEMA = definition_schema()
OF_KIND = {kind: definition_schema(kind) for kind in KINDS}
ENVIRONMENT = {"SLACK": "https://example.com/slack", "SECRET": "whsec_" + "A" * 32}
GOOD = packs() | of_documentation() | of_tests() | {"full": FULL}


def refused(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if not valid(value, SCHEMA, SCHEMA)]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in GOOD.items()])
def test_what_loads_is_valid(text: str) -> None:
    assert refused(values_of(text)) == []
    for value in values_of(text):
        schema = OF_KIND[value["kind"]]
        assert valid(value, schema, schema)


def test_there_are_examples() -> None:
    assert len(of_documentation()) >= 5
    assert len(of_tests()) >= 5


@given(changed())
@settings(max_examples=examples(200))
def test_what_the_schema_refuses_the_loader_refuses(values: list[Any]) -> None:
    read = values_of(spelled(values))
    if refused(read):
        with pytest.raises(DefinitionError):
            loaded = load({"a.yaml": spelled(values)})
            read_alerting(loaded, ENVIRONMENT)


def objects_of(schema: Any) -> set[tuple[frozenset[str], frozenset[str]]]:
    """The known and the required fields of every mapping that takes no others."""
    found = set()
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            found.add((frozenset(schema["properties"]), frozenset(schema.get("required", ()))))
        for member in schema.values():
            found |= objects_of(member)
    if isinstance(schema, list):
        for member in schema:
            found |= objects_of(member)
    return found


def test_the_schema_has_the_fields_of_the_loader_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    known_at: dict[Any, set[str]] = {}
    required_at: dict[Any, set[str]] = {}
    plain = Reader.mapping

    def noting(self: Reader, known: Iterable[str] | None = None, required: Iterable[str] = ()) -> bool:
        known, required = None if known is None else tuple(known), tuple(required)
        place = (id(self.document), self.path)
        if known is not None:
            known_at.setdefault(place, set()).update(known)
        required_at.setdefault(place, set()).update(required)
        return plain(self, known, required)

    monkeypatch.setattr(Reader, "mapping", noting)
    load({"a.yaml": FULL})
    asked = {(frozenset(known), frozenset(required_at[place])) for place, known in known_at.items()}
    # Targets have a reader of their own, and so has what only alerting reads.
    asked |= {(frozenset(TARGET_KINDS), frozenset())}
    asked -= {one for one in asked if one[0] in (frozenset(ROUTE_FIELDS), *map(frozenset, ALERTING_FIELDS.values()))}
    for kind in TARGET_KINDS.values():
        needed = frozenset(one.name for one in kind.fields if one.needed)
        asked.add((frozenset(one.name for one in (*kind.fields, *COMMON)), needed))
    of_alerting = {"Route", *ALERTING, *alerting_parts()}
    rest = SCHEMA | {"$defs": {name: one for name, one in SCHEMA["$defs"].items() if name not in of_alerting}}
    assert objects_of(rest) == asked


def test_the_schema_has_the_fields_of_every_kind_that_alerting_reads() -> None:
    for kind, fields in {"Route": ROUTE_FIELDS, **ALERTING_FIELDS}.items():
        assert set(SCHEMA["$defs"][kind]["properties"]["spec"]["properties"]) == set(fields), kind


def matched(schema: dict[str, Any], text: str) -> bool:
    return valid(text, schema, SCHEMA)


def reads(read: Any, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


PARTS = st.sampled_from(
    [
        *"wdhms019 _+-−",
        "next",
        "Same",
        "DAY",
        "business",
        "days",
        "day",
        "2",
        "end",
        "of",
        "month",
        "Week",
        "16:00",
        "24:00",
        "25:61",
        "  ",
    ]
)


@given(
    st.one_of(
        st.sampled_from(SPELLINGS), st.lists(PARTS, max_size=9).map("".join), st.lists(PARTS, max_size=9).map(" ".join)
    )
)
@settings(max_examples=examples(500))
def test_the_patterns_of_deadlines_take_what_is_one(text: str) -> None:
    rule, duration = reads(parse_deadline_rule, text), reads(parse_duration, text)
    if duration:
        assert matched(schema_words.DURATION, text)
    if rule or duration:
        assert matched(schema_words.LENGTH, text)
    elif matched(schema_words.LENGTH, text):
        # Only how large numbers may be is left to the loader.
        assert re.search("[0-9]{2}|0", text)


def hovers(schema: Any) -> Iterable[Any]:
    for member in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from hovers(member)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"].items()


def test_every_field_says_what_it_is() -> None:
    for name, field in hovers(SCHEMA):
        target = SCHEMA["$defs"].get(str(field.get("$ref", "")).removeprefix("#/$defs/"), {}) if field else {}
        if name not in ("metadata", "spec") and field is not False and "not" not in field:
            assert field.get("description") or field.get("title") or target.get("description"), name


def test_examples_and_defaults_are_valid() -> None:
    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            for example in [*schema.get("examples", ()), *([schema["default"]] if "default" in schema else ())]:
                assert valid(example, schema, SCHEMA), (schema, example)
            for key, member in schema.items():
                if key not in ("examples", "default", "enum"):
                    walk(member)
        elif isinstance(schema, list):
            for member in schema:
                walk(member)

    walk(SCHEMA)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_the_command_prints_the_schema_that_stands_in_the_documents() -> None:
    assert run("schema") == (0, (TOP / "docs" / "definitions.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone_takes_only_that(kind: str) -> None:
    code, text = run("schema", "--kind", kind)
    assert (code, json.loads(text)) == (0, OF_KIND[kind])
    assert text == spell_schema(OF_KIND[kind])
    for value in values_of(FULL):
        assert valid(value, OF_KIND[kind], OF_KIND[kind]) is (value["kind"] == kind)


def test_an_unknown_kind_is_named() -> None:
    code, text = run("schema", "--kind", "Workflo")
    assert code == 1
    kinds = "Workflow, Objective, Calendar, Source, Route, Target, Team, Severity, Maintenance, Inhibition"
    assert text == f"There is no kind 'Workflo': {kinds}.\n"


def test_the_documents_say_where_it_is() -> None:
    page = Path(TOP / "docs" / "definitions.md").read_text("utf-8")
    assert "# yaml-language-server: $schema=" in page
    assert "](definitions.schema.json)" in page
