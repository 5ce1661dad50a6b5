"""What takes the place of a key, and what of a document is needed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.erasure.needed import reduced
from collector.erasure.subject import Subject, subject_of
from slo_rules.identity import PLACEHOLDERS, normalise_key, respell
from slo_rules.paths import MISSING, compile_path
from slo_rules.workflow import KeyRule

RULE = KeyRule("customer", ("data.customer.id",), case="upper", strip_prefix=("CU-",), strip_zeros=True)


def subject(value: str = "kd-77123", *rules: KeyRule) -> Subject:
    return subject_of("customer", value, rules or (KeyRule("customer", ("data.customer",)),))


def test_a_pseudonym_is_a_key_like_any_other_however_it_is_spelled() -> None:
    one, other = subject(), subject()
    assert one.pseudonym != other.pseudonym
    assert normalise_key(one.pseudonym) == one.pseudonym
    assert respell(RULE, one.pseudonym) == one.pseudonym
    assert one.pseudonym not in PLACEHOLDERS
    assert one.text(one.pseudonym) == one.pseudonym


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("kd-77123", "#"), ("of kd-77123.", "of #."), ("a/kd-77123?x", "a/#?x"), ("customer=kd-77123", "customer=#"),
        ("akd-77123", "akd-77123"), ("kd-771234", "kd-771234"), ("kd-77123_b", "kd-77123_b"), ("äkd-77123", "äkd-77123"),
        ("KD-77123", "KD-77123"), ("", ""),
    ],
)  # fmt: skip
def test_a_value_is_replaced_where_it_is_a_word_of_its_own(text: str, changed: str) -> None:
    one = subject()
    assert one.text(text) == changed.replace("#", one.pseudonym)


def test_what_people_wrote_is_searched_in_any_case() -> None:
    one = subject()
    assert one.loose_text("Kd-77123 called") == f"{one.pseudonym} called"


def test_a_number_is_the_key_only_where_keys_are_read_and_structure_is_left_alone() -> None:
    one = subject("20261122", KeyRule("customer", ("data.ids.customer", "data.kunde")))
    document: dict[str, Any] = {
        "source": "20261122", "time": "20261122", "subject": "20261122",
        "data": {"ids": {"customer": 20261122}, "kunde": 20261122, "amount": 20261122, "20261122": True, "vip": True},
    }  # fmt: skip
    changed = one.document(document)
    new = one.pseudonym
    assert changed["source"] == changed["time"] == "20261122"
    assert changed["subject"] == new
    assert changed["data"] == {"ids": {"customer": new}, "kunde": new, "amount": 20261122, new: True, "vip": True}
    assert one.key("customer=20261122") == f"customer={new}"
    assert one.key("order=20261122") == f"order={new}"


def test_a_short_value_is_not_looked_for_in_texts() -> None:
    one = subject("4711")
    assert (one.is_sought, one.needles, one.words) == (False, [], [])
    assert one.text("4711") == "4711"
    assert one.json({"customer": "4711", "other": "4711"}) == {"customer": one.pseudonym, "other": "4711"}


def test_a_key_is_known_by_what_events_say_too() -> None:
    one = subject_of("customer", "77123abc", (RULE,))
    assert one.spelled == {"77123abc", "77123ABC"}
    assert one.carried_by({"data": {"customer": {"id": "cu-0077123abc"}}}) == {"cu-0077123abc"}
    assert one.carried_by({"data": {"customer": {"id": "cu-0077123abd"}}}) == set()
    assert one.also(["cu-0077123abc"]).text("of cu-0077123abc") == f"of {one.pseudonym}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "0", "c"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
paths = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "a.b"]), min_size=1, max_size=4).map(
    lambda p: "data." + ".".join(p)
)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), json_values, max_size=4),
    st.lists(paths, max_size=4),
    paths,
)
def test_of_a_document_every_path_that_is_needed_finds_what_it_found(
    data: dict[str, Any], needed: list[str], other: str
) -> None:
    document = {"id": "1", "data": data, "extra": "x"}
    left = reduced(document, needed)
    for path in needed:
        assert compile_path(path)(left) == compile_path(path)(document) or compile_path(path)(document) is MISSING
    assert "extra" not in left
    assert left["id"] == "1"
    if not needed:
        assert left["data"] == {}
    assert reduced(left, needed) == left
