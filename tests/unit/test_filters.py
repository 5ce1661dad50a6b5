"""Filters: what each dialect means, and that reducing one never changes its answer."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.filters import All, Any_, Compare, Filter, Not, exact_value, holds, reduce, spell

DOCUMENT: dict[str, Any] = {
    "source": "sap",
    "type": "sales_order.created",
    "data": {
        "status": "SOLVED",
        "yes": True,
        "no": False,
        "count": 42,
        "whole": 42.0,
        "share": 0.5,
        "null": None,
        "empty": "",
        "list": ["SOLVED"],
        "object": {"a": 1},
        "order.id": "O-1",
    },
}
TRUE, FALSE = All(()), Any_(())


def compare(how: Literal["exact", "prefix", "suffix"], path: str, text: str) -> Compare:
    return Compare(how, path, text)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compare("exact", "source", "sap"), True),
        (compare("exact", "source", "SAP"), False),
        (compare("prefix", "type", "sales_order."), True),
        (compare("prefix", "type", "created"), False),
        (compare("suffix", "type", ".created"), True),
        (compare("suffix", "type", "sales_order"), False),
        (compare("exact", "data.status", "SOLVE"), False),
        (compare("exact", "data.order.id", "O-1"), True),
        # numbers and booleans by their JSON spelling
        (compare("exact", "data.yes", "true"), True),
        (compare("exact", "data.yes", "True"), False),
        (compare("exact", "data.yes", "1"), False),
        (compare("exact", "data.no", "false"), True),
        (compare("exact", "data.count", "42"), True),
        (compare("exact", "data.whole", "42"), True),
        (compare("exact", "data.whole", "42.0"), False),
        (compare("exact", "data.share", "0.5"), True),
        (compare("prefix", "data.count", "4"), True),
        # what is missing, null or a structure satisfies nothing
        (compare("exact", "data.null", "null"), False),
        (compare("exact", "data.null", "None"), False),
        (compare("exact", "data.gone", ""), False),
        (compare("prefix", "data.gone", ""), False),
        (compare("exact", "data.list", "SOLVED"), False),
        (compare("exact", "data.object", "{}"), False),
        (compare("exact", "data.empty", ""), True),
        # the logical dialects
        (Not(compare("exact", "data.gone", "x")), True),
        (Not(compare("exact", "source", "sap")), False),
        (All((compare("exact", "source", "sap"), compare("exact", "data.count", "42"))), True),
        (All((compare("exact", "source", "sap"), compare("exact", "data.count", "43"))), False),
        (Any_((compare("exact", "source", "crm"), compare("exact", "data.count", "42"))), True),
        (Any_((compare("exact", "source", "crm"), compare("exact", "data.count", "43"))), False),
        (TRUE, True),
        (FALSE, False),
    ],
)
def test_a_filter_holds(condition: Filter, expected: bool) -> None:
    assert holds(condition, DOCUMENT) is expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0, "0"),
        (-7, "-7"),
        (2**70, str(2**70)),
        (1.0, "1"),
        (-0.0, "0"),
        (1.25, "1.25"),
        ("x", "x"),
        ("", ""),
        (None, None),
        ([], None),
        ({}, None),
        ([1], None),
    ],
)
def test_scalars_are_spelled_as_in_json(value: Any, text: str | None) -> None:
    assert spell(value) == text


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (compare("exact", "source", "sap"), True),
        (compare("exact", "source", "crm"), False),
        (compare("prefix", "type", "sales"), True),
        (compare("exact", "data.a", "1"), compare("exact", "data.a", "1")),
        (Not(compare("exact", "source", "crm")), True),
        (Not(compare("exact", "data.a", "1")), Not(compare("exact", "data.a", "1"))),
        (All((compare("exact", "source", "sap"), compare("exact", "data.a", "1"))), compare("exact", "data.a", "1")),
        (All((compare("exact", "data.a", "1"), compare("exact", "source", "crm"))), False),
        (All((compare("exact", "source", "sap"),)), True),
        (Any_((compare("exact", "data.a", "1"), compare("exact", "source", "sap"))), True),
        (Any_((compare("exact", "source", "crm"), compare("exact", "data.a", "1"))), compare("exact", "data.a", "1")),
        (Any_((compare("exact", "source", "crm"),)), False),
    ],
)
def test_a_filter_is_reduced_for_a_source_and_type(condition: Filter, left: Filter | bool) -> None:
    assert reduce(condition, {"source": "sap", "type": "sales_order.created"}) == left


TEXTS = st.sampled_from(["", "a", "b", "ab", "ba", "true", "1"])
COMPARISONS = st.builds(
    Compare,
    st.sampled_from(["exact", "prefix", "suffix"]),
    st.sampled_from(["source", "type", "subject", "data.x", "data.y.z"]),
    TEXTS,
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=8,
)
SCALARS = TEXTS | st.sampled_from([True, False, 1, 1.0, None, ["a"], {"z": "a"}])
DOCUMENTS = st.fixed_dictionaries(
    {"source": TEXTS, "type": TEXTS},
    optional={
        "subject": SCALARS,
        "data": st.none() | st.fixed_dictionaries({}, optional={"x": SCALARS, "y": SCALARS, "y.z": SCALARS}),
    },
)


@given(FILTERS, DOCUMENTS)
def test_what_is_left_of_a_filter_answers_as_the_whole(condition: Filter, document: dict[str, Any]) -> None:
    left = reduce(condition, {"source": document["source"], "type": document["type"]})
    assert holds(left, document) is holds(condition, document)


def paths_in(condition: Filter | bool) -> set[str]:
    match condition:
        case Compare(path=path):
            return {path}
        case All(parts) | Any_(parts):
            return set().union(*map(paths_in, parts))
        case Not(part):
            return paths_in(part)
        case _:
            return set()


@given(FILTERS, TEXTS, TEXTS)
def test_what_is_left_asks_neither_source_nor_type(condition: Filter, source: str, type_: str) -> None:
    known = {"source": source, "type": type_}
    left = reduce(condition, known)
    assert not paths_in(left) & {"source", "type"}
    assert isinstance(left, bool) or reduce(left, known) == left


@given(FILTERS, DOCUMENTS)
def test_the_exact_value_is_the_only_one_with_which_a_filter_holds(condition: Filter, document: dict[str, Any]) -> None:
    only = exact_value(condition, "source")
    if only is not None and document["source"] != only:
        assert not holds(condition, document)
