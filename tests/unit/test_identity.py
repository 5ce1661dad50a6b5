"""Keys: what identifies an instance, and what must never."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.identity import LONGEST_KEY, key_extractor, normalise_key, spellings, split_key
from slo_rules.workflow import KeyRule

NOTHING = [
    *("", " ", "\t\n", "\u00a0", "\u3000"),
    *("0", "00", "000000", "0.0", "0.00", "-0", "0-0", "{}", "{0}", "-", "--", "---", ".", "..."),
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-0000-0000-000000000000}",
    *("n/a", "N/A", "NA", "na", " N/a ", "none", "None", "NONE", "null", "NULL", "nil", "undefined", "Undefined"),
    *("unknown", "UNKNOWN", "unassigned", "tbd", "TBA", "test", "dummy", "default", "empty", "missing"),
    *("not_set", "notset", "?", "??", "*", "#", "x", "X", "xx", "XXX"),
    *("nan", "NaN", "#N/A", "n.a.", "(null)", "<null>", "(none)", "<None>"),
    *(None, True, False, [], ["4711"], {}, {"id": "4711"}, 0, 0.0, -0.0, float("nan")),
    *("a\0b", "\0"),
    "x" * (LONGEST_KEY + 1),
]

SOMETHING: list[tuple[Any, str]] = [
    ("4711", "4711"),
    (" 4711 ", "4711"),
    ("0004711", "0004711"),
    (4711, "4711"),
    (4711.0, "4711"),
    (12.5, "12.5"),
    (-1, "-1"),
    ("-1", "-1"),
    ("0-1", "0-1"),
    ("a.b", "a.b"),
    (".1", ".1"),
    ("nonesuch", "nonesuch"),
    ("test-4711", "test-4711"),
    ("not set yet", "not set yet"),
    ("xxxx", "xxxx"),
    ("Sales Order", "Sales Order"),
    ("SO-É", "SO-É"),
    ("заказ", "заказ"),
    ("注文", "注文"),
    ("\u00a0注文\u3000", "注文"),
    ("🧾", "🧾"),
    ("Ab", "Ab"),
    ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    ("x" * LONGEST_KEY, "x" * LONGEST_KEY),
    (" " + "é" * LONGEST_KEY + " ", "é" * LONGEST_KEY),
]


@pytest.mark.parametrize("value", NOTHING, ids=[f"{value!r:.40}" for value in NOTHING])
def test_a_placeholder_is_no_key(value: Any) -> None:
    assert normalise_key(value) is None


@pytest.mark.parametrize(("value", "key"), SOMETHING, ids=[f"{value!r:.40}" for value, _ in SOMETHING])
def test_an_id_is_kept_as_it_is_written(value: Any, key: str) -> None:
    assert normalise_key(value) == key


def test_case_matters_in_ids() -> None:
    assert normalise_key("so-1") != normalise_key("SO-1")


@given(st.one_of(st.text(), st.integers(), st.floats(), st.sampled_from(NOTHING), st.text("0-{}. nNaA/x")))
def test_normalising_is_idempotent(value: Any) -> None:
    key = normalise_key(value)
    if key is not None:
        assert normalise_key(key) == key
        assert 0 < len(key) <= LONGEST_KEY
        assert key == key.strip()
        assert normalise_key(f"  {key}\n") == key


def test_keys_come_in_the_order_of_the_rules() -> None:
    extract = key_extractor([KeyRule("order", ("data.order",)), KeyRule("bill", ("data.bill",))])
    assert extract({"data": {"bill": " B1 ", "order": 4711, "region": "EU"}}) == ["order=4711", "bill=B1"]


def test_placeholders_and_structures_are_left_out() -> None:
    extract = key_extractor([KeyRule("order", ("data.order",)), KeyRule("bill", ("data.bill",))])
    assert extract({"data": {"order": "N/A", "bill": "B1"}}) == ["bill=B1"]
    assert extract({"data": {"order": {"id": 1}, "bill": None}}) == []
    assert extract({}) == []
    assert extract({"data": None}) == []


def test_the_first_path_that_is_present_gives_the_key() -> None:
    extract = key_extractor([KeyRule("order", ("data.a", "resource.order.id"))])
    assert extract({"data": {"a": "1"}, "resource": {"order.id": "2"}}) == ["order=1"]
    assert extract({"data": {"a": None}, "resource": {"order.id": "2"}}) == ["order=2"]
    assert extract({"resource": {"order": {"id": 2}}}) == ["order=2"]


@given(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), st.text(max_size=30))
def test_a_key_is_split_where_its_namespace_ends(namespace: str, value: str) -> None:
    assert split_key(f"{namespace}={value}") == (namespace, value)


SAP = KeyRule("sap", ("data.sap",), case="upper", strip_prefix=("so-", "ORD "), strip_zeros=True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("so-0004711", "4711"),
        ("SO-4711", "4711"),
        ("ord 4711", "4711"),
        (4711, "4711"),
        ("a0b0", "A0B0"),
        ("SO-SO-1", "SO-1"),
        ("0000", None),
        ("SO-", None),
        ("SO-000", None),
        ("so-n/a", None),
    ],
)
def test_one_id_has_one_spelling(said: object, kept: str | None) -> None:
    found = key_extractor([SAP])({"data": {"sap": said}})
    assert found == ([] if kept is None else [f"sap={kept}"])
    assert kept is None or kept in spellings([SAP], str(said))


def test_without_rules_an_id_stays_as_it_is() -> None:
    plain = KeyRule("order", ("data.order",))
    assert spellings([plain], " so-01 ") == ["so-01"]
    assert spellings([plain, SAP], "so-01") == ["so-01", "1"]
    assert spellings([SAP], "n/a") == ["n/a"]
