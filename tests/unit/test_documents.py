"""YAML as people and attackers write it: traps, bounds, and whatever a broken file may hold."""

from __future__ import annotations

import copy
from functools import reduce
from time import process_time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.arithmetic import arithmetic
from slo_rules.contribution import contributions
from slo_rules.definitions import fingerprint, load
from slo_rules.documents import MAX_DEPTH, MAX_VALUES, load_documents
from slo_rules.expectation import Expectation
from slo_rules.explain import explain, journey
from slo_rules.faults import DefinitionError, Fault
from slo_rules.filters import Compare
from slo_rules.joining import join
from slo_rules.judgement import Watermark
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.workflow import Definitions
from tests.examples import examples
from tests.strategies import DEFINITIONS, START, make_event

HEAD = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: sales, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
"""
TAIL = "    - {name: done, on: {exact: {type: b}}}\n"
QUOTES = "put a text in quotes"


def value_of(text: str) -> Any:
    documents, faults = load_documents(text, "a.yaml")
    assert not faults
    (document,) = documents
    return document.value


def fault_of(text: str) -> tuple[int, str]:
    with pytest.raises(DefinitionError) as caught:
        load({"a.yaml": text})
    (fault,) = caught.value.faults
    assert (fault.file, fault.path) == ("a.yaml", "")
    return fault.line, fault.message


def test_the_key_on_is_a_word() -> None:
    workflow = load({"a.yaml": HEAD + "    - name: won\n      on: {exact: {type: on}}\n"}).workflows["orders"]
    assert workflow.milestones[0].condition == Compare("exact", "type", "on")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ('"true"', "true"),
        ("!!bool TRUE", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("0x1F", 31),
        ("-1_000", -1000),
        ("18446744073709551615", 2**64 - 1),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ("09", "09"),
        ("'007'", "007"),
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21T09:14:00Z", "2026-11-21T09:14:00Z"),
        ("=", "="),
        ("!!str 5", "5"),
        ("1.2.3", "1.2.3"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_json_values(text: str, value: Any) -> None:
    found = value_of(f"a: {text}\n")["a"]
    assert (type(found), found) == (type(value), value)


def test_every_key_is_text() -> None:
    assert value_of("{1: a, true: b, null: c, no: d, 2026-01-01: e, 1.50: f, =: g}") == {
        "1": "a",
        "true": "b",
        "null": "c",
        "no": "d",
        "2026-01-01": "e",
        "1.50": "f",
        "=": "g",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 007", f"'007' is not a value: a number is written 12, 0x1F or 0b101; {QUOTES}"),
        ("a: 12:30", f"'12:30' is not a value: a number is written 12, 0x1F or 0b101; {QUOTES}"),
        ("a: 12:30.5", f"'12:30.5' is not a value: a number is finite and written 12.5; {QUOTES}"),
        ("a: .inf", f"'.inf' is not a value: a number is finite and written 12.5; {QUOTES}"),
        ("a: .nan", f"'.nan' is not a value: a number is finite and written 12.5; {QUOTES}"),
        ("a: 1.0e+999", f"'1.0e+999' is not a value: a number is finite and written 12.5; {QUOTES}"),
        ("a: !!bool perhaps", "'perhaps' is not a value: it must be true or false"),
        ("a: !!int x", f"'x' is not a value: a number is written 12, 0x1F or 0b101; {QUOTES}"),
        ('a: "x\\0"', "'x\\x00' is not a value: a text must not hold NUL"),
        ('"x\\0": a', "'x\\x00' is not a value: a text must not hold NUL"),
        ('a: "\\ud800"', "'\\ud800' is not a value: a text must not hold half a surrogate pair"),
        ("a: 1\nb: 2\na: 3", "the key 'a' is written twice"),
        ("x: {a: 1, 'a': 2}", "the key 'a' is written twice"),
        ("? [a, b]\n: c", "a key must be plain text"),
        ("<<: {a: 1}", "a key must be plain text"),
        ("a: <<", "the tag 'tag:yaml.org,2002:merge' is not allowed; use plain values"),
        ("a: *b", "not YAML: found undefined alias 'b'"),
        ("a: 'open", "not YAML: found unexpected end of stream"),
        ("%YAML 9.0\n---\na: 1", "not YAML: found incompatible YAML document (version 1.* is required)"),
    ],
)
def test_what_is_not_a_plain_value_is_refused(text: str, message: str) -> None:
    assert fault_of(text)[1] == message


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !!python/name:os.system ''", "tag:yaml.org,2002:python/name:os.system"),
        ("a: !!python/object/apply:os.system ['true']", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!python/object:os.stat_result {x: 1}", "tag:yaml.org,2002:python/object:os.stat_result"),
        ("!!python/name:os.system a: 1", "tag:yaml.org,2002:python/name:os.system"),
        ("!!python/object:x {a: 1}", "tag:yaml.org,2002:python/object:x"),
        ("a: !!binary aGk=", "tag:yaml.org,2002:binary"),
        ("a: !!set {x, y}", "tag:yaml.org,2002:set"),
        ("a: !!omap [x: 1]", "tag:yaml.org,2002:omap"),
        ("a: !secret x", "!secret"),
    ],
)
def test_tags_are_refused(text: str, tag: str) -> None:
    assert fault_of(f"# first\n{text}\n") == (2, f"the tag {tag!r} is not allowed; use plain values")


@pytest.mark.parametrize("digits", ["1" + 400 * "0", 5000 * "9", "0x" + 9000 * "f", "-0b" + 9000 * "1", str(2**64)])
def test_huge_integers_are_refused_wherever_they_stand(digits: str) -> None:
    shown = digits[:80]
    for text in (
        HEAD.replace("entity: order", f"entity: {digits}") + TAIL,
        HEAD.replace("kind: Workflow", f"kind: {digits}") + TAIL,
        HEAD + TAIL.replace("type: b", f"type: {digits}"),
    ):
        message = fault_of(text)[1]
        assert message.startswith(f"{shown!r} is not a value: a number")
        assert len(message) < 200


def test_the_line_of_an_unusable_value_is_its_own() -> None:
    assert fault_of("a:\n  b: 1\n  c:\n    - .inf\n")[0] == 4
    assert fault_of("a: 1\n\nb: 1\na: 2\n")[0] == 4
    assert fault_of("# a\n---\n# b\nb: !x y\n")[0] == 4


def test_nul_is_named_with_its_line() -> None:
    assert fault_of("a: 1\nb: \0\n") == (2, "not YAML: the character U+0000 is not allowed")


def test_a_byte_order_mark_is_no_matter() -> None:
    assert load({"a.yaml": "\ufeff" + HEAD + TAIL}) == load({"a.yaml": HEAD + TAIL})


def test_line_ends_of_windows_are_no_matter() -> None:
    assert load({"a.yaml": (HEAD + TAIL).replace("\n", "\r\n")}) == load({"a.yaml": HEAD + TAIL})


def test_tabs_are_named_with_their_line() -> None:
    assert fault_of("spec:\n\tentity: order\n") == (
        2,
        "not YAML: found character '\\t' that cannot start any token",
    )


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# comment\n# comment\n", "---\n", "---\n...\n---\n# nothing\n", "null\n", "\ufeff"]
)
def test_an_empty_file_holds_no_documents(text: str) -> None:
    assert load_documents(text, "a.yaml") == ([], [])


def test_the_readable_documents_of_a_file_are_kept_beside_the_fault_of_another() -> None:
    documents, faults = load_documents("a: 1\n---\nb: !x y\n---\nc: 3\n---\nd: [\n", "a.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"c": 3}]
    assert [(fault.line, fault.message) for fault in faults] == [
        (3, "the tag '!x' is not allowed; use plain values"),
        (8, "not YAML: expected the node content, but found '<stream end>'"),
    ]


def test_lines_are_remembered_for_every_path() -> None:
    ((document,), _) = load_documents("# c\na:\n  - b: 1\n    c: {d: 2,\n      e: 3}\n", "a.yaml")
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 0, "b"): 3,
        ("a", 0, "c"): 4,
        ("a", 0, "c", "d"): 4,
    } | {("a", 0, "c", "e"): 5}
    assert document.line(("a", 0, "c", "z", 5)) == 4
    assert document.line(("nowhere",)) == 2


def test_anchors_are_values_written_once() -> None:
    text = HEAD + "    - {name: a, on: &on {exact: {type: a}}}\n    - {name: b, on: *on}\n"
    first, second = load({"a.yaml": text}).workflows["orders"].milestones
    assert first.condition == second.condition


def laughs(width: int, levels: int) -> str:
    lines = [f"x0: &x0 [{', '.join(['x'] * width)}]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9, 12), f"the document has more than {MAX_VALUES} values"),
        (laughs(1, 60), f"nested deeper than {MAX_DEPTH} levels"),
        (laughs(2, 39), f"the document has more than {MAX_VALUES} values"),
        (laughs(2, 60), f"the document has more than {MAX_VALUES} values"),
        ("&a [*a]", f"nested deeper than {MAX_DEPTH} levels"),
        ("a: &a {b: *a}", f"nested deeper than {MAX_DEPTH} levels"),
        ("[" + "x," * (MAX_VALUES + 1) + "]", f"the document has more than {MAX_VALUES} values"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), f"nested deeper than {MAX_DEPTH} levels"),
        ("[" * 3000, "not YAML: nested too deeply"),
        ("{a: " * 3000, "not YAML: nested too deeply"),
        ("- " * 3000 + "x", "not YAML: nested too deeply"),
    ],
    ids=[
        "nine",
        "chain",
        "two",
        "deep-aliases",
        "self-list",
        "self-map",
        "wide",
        "deep",
        "open-lists",
        "open-maps",
        "dashes",
    ],
)
def test_bombs_end_soon(text: str, message: str) -> None:
    started = process_time()
    assert fault_of(text)[1] == message
    assert process_time() - started < 10


def test_the_deepest_allowed_nesting_is_read() -> None:
    value: Any = value_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for _ in range(MAX_DEPTH - 1):
        (value,) = value
    assert value == []


# Whatever a broken file holds

MODEL = [document.value for document in load_documents(DEFINITIONS, "orders.yaml")[0]]
WORDS = ["won", "accepted", "paid", "orders", "sap", "data.order", "data", "source", "4h", "1s", "order", "$x", "name"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, 2**63, -1, 0, "", "\0", "\ud800", "N/A", "=", "<<", "on", "0"]),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found.append((value, key))
        places(member, found)
    return found


def mutate(model: list[Any], draw: st.DataObject) -> None:
    everywhere = places(model, [])
    container, key = draw.draw(st.sampled_from(everywhere), label="place")
    match draw.draw(st.sampled_from(["delete", "replace", "move", "add", "duplicate"]), label="how"):
        case "delete":
            del container[key]
        case "replace":
            container[key] = draw.draw(JSON)
        case "move":
            other, there = draw.draw(st.sampled_from(everywhere))
            container[key] = copy.deepcopy(other[there])
        case "add" if isinstance(container, dict):
            container[draw.draw(st.sampled_from(WORDS) | st.text(max_size=5))] = draw.draw(JSON)
        case _ if isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        case _:
            container[f"{key}2"] = copy.deepcopy(container[key])


def use(definitions: Definitions) -> int:
    """Let the whole core work with what was loaded; how many verdicts it came to."""
    hour = 3_600_000_000
    data = {"order": 1, "sales_order": "S", "account": "A", "amount": 5, "currency": "EUR", "region": {"a": [1]}}
    history = [
        make_event(type_, number * hour, number, "sap", data)
        for number, type_ in enumerate(
            ("won", "linked", "accepted", "accepted", "failed", "shipped", "paid", "cancelled")
        )
    ]
    marks = {"sap": Watermark(START + 5 * hour, START + hour, Expectation(hour))}
    matcher = Matcher(definitions.workflows.values())
    parts: dict[str, list[Any]] = {}
    for event in history:
        for found, match in matcher.matches(event):
            parts.setdefault(found.workflow.name, []).append(fold(None, match))
    verdicts = 0
    for name, workflow in definitions.workflows.items():
        assert fingerprint(workflow)
        for end in range(len(parts.get(name, ()))):
            progress = reduce(join, parts[name][: end + 1])
            contributions(progress, workflow, [o for o in definitions.objectives.values() if o.workflow == name])
            for now in (START, START + 6 * hour, START + 10**14):
                verdict = judge(progress, workflow, marks, now)
                assert explain(progress, workflow, verdict, marks, now)
                arithmetic(progress, workflow, verdict, now)
                assert len(journey(progress, workflow, now)) == len(workflow.milestones)
                verdicts += 1
    return verdicts


def attempt(text: str) -> Definitions | list[Fault]:
    """The definitions, or the faults that keep them from loading."""
    try:
        return load({"a.yaml": text})
    except DefinitionError as error:
        return error.faults


def test_the_whole_core_works_with_the_model_as_it_is() -> None:
    assert use(load({"orders.yaml": yaml.dump_all(copy.deepcopy(MODEL))})) == 8 * 3


@settings(max_examples=examples(120))
@given(st.data(), st.sampled_from([1, 1, 1, 2, 3]))
def test_a_mutated_file_loads_and_works_or_names_its_faults(draw: st.DataObject, times: int) -> None:
    model = copy.deepcopy(MODEL)
    for _ in range(times):
        if places(model, []):
            mutate(model, draw)
    found = attempt(yaml.dump_all(model))
    if isinstance(found, Definitions):
        use(found)
    else:
        assert found
        assert all(fault.line >= 1 and fault.message for fault in found)


@settings(max_examples=examples(150))
@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%,? \n\t\0\ufeff0.1~=<"), max_size=40) | st.text(max_size=30))
def test_any_text_is_read_or_named(text: str) -> None:
    found = attempt(text)
    assert isinstance(found, Definitions) or found
    if not isinstance(found, Definitions):
        assert all(fault.line >= 1 and fault.message for fault in found)
