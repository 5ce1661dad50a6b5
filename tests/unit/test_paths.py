"""Lookups: dotted names, lists, missing and null."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.paths import MISSING, compile_first, compile_many, compile_path

DOCUMENT: dict[str, Any] = {
    "source": "crm",
    "subject": None,
    "comexampleext": "x",
    "list": ["a"],
    "data": {
        "plain": 1,
        "zero": 0,
        "no": False,
        "empty": "",
        "null": None,
        "order": {"id": "nested", "lines": [{"sku": "A", "tax.code": "V1"}, {"sku": "B"}, None, [7, 8]]},
        "order.id": "dotted",
        "sap.order": {"number.long": 4711, "half": {"a": 1}},
        "sap": {"order": {"half": {"b": 2}, "other": 5}, "order.deep": {"x": 9}},
        "dead.end": None,
        "dead": {"end": "hidden"},
        "0": "zeroth",
    },
    "resource": {"service.name": "shop", "service.version": "1.2", "service": {"name": "other", "region": "EU"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("source", "crm"),
        ("subject", None),
        ("comexampleext", "x"),
        ("nothing", MISSING),
        ("data.plain", 1),
        ("data.zero", 0),
        ("data.no", False),
        ("data.empty", ""),
        ("data.null", None),
        ("data.absent", MISSING),
        ("data.0", "zeroth"),
        ("source.name", MISSING),
        ("list.0", MISSING),
        ("nothing.at.all", MISSING),
        # the longest name first
        ("data.order.id", "dotted"),
        ("resource.service.name", "shop"),
        ("resource.service.version", "1.2"),
        ("resource.service.region", "EU"),
        # and the shorter ones after it, wherever the dots are
        ("data.sap.order.number.long", 4711),
        ("data.sap.order.half.a", 1),
        ("data.sap.order.half.b", 2),
        ("data.sap.order.other", 5),
        ("data.sap.order.deep.x", 9),
        ("data.sap.order.deep.y", MISSING),
        # what is there and null is not looked for elsewhere
        ("data.dead.end", None),
        ("data.null.below", MISSING),
        ("data.plain.below", MISSING),
        # lists
        ("data.order.lines.0.sku", "A"),
        ("data.order.lines.1.sku", "B"),
        ("data.order.lines.0.tax.code", "V1"),
        ("data.order.lines.1.tax.code", MISSING),
        ("data.order.lines.2", None),
        ("data.order.lines.3.1", 8),
        ("data.order.lines.4", MISSING),
        ("data.order.lines.-1", MISSING),
        ("data.order.lines.first", MISSING),
        ("data.order.lines.sku", MISSING),
    ],
)
def test_a_path_finds(path: str, value: Any) -> None:
    found = compile_path(path)(DOCUMENT)
    assert found is value if value is MISSING or value is None else (type(found), found) == (type(value), value)


@pytest.mark.parametrize("data", [None, [], "text", 5, [{"plain": 1}]])
def test_data_that_is_no_object_holds_nothing(data: Any) -> None:
    document = {"data": data}
    assert compile_path("data.plain")(document) is MISSING
    assert compile_path("data.plain.deep")(document) is MISSING
    assert compile_many([("a", ("data.plain",))])(document) == []


def test_missing_is_false_and_says_so() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    ("paths", "value"),
    [
        (("data.absent", "data.plain"), 1),
        (("data.null", "data.plain"), 1),
        (("data.plain", "source"), 1),
        (("data.zero", "data.plain"), 0),
        (("data.empty", "data.plain"), ""),
        (("data.absent", "data.gone"), MISSING),
        (("data.null", "data.absent"), MISSING),
        (("data.null",), None),
    ],
)
def test_the_first_that_is_present_wins(paths: tuple[str, ...], value: Any) -> None:
    found = compile_first(paths)(DOCUMENT)
    assert found is value or found == value


def test_many_come_in_their_order_without_what_is_absent_or_null() -> None:
    plain = compile_many([("b", ("data.plain",)), ("a", ("data.zero",)), ("n", ("data.null",)), ("m", ("data.gone",))])
    assert plain(DOCUMENT) == [("b", 1), ("a", 0)]
    mixed = compile_many([("b", ("data.gone", "data.order.id")), ("a", ("source",)), ("n", ("data.null", "subject"))])
    assert mixed(DOCUMENT) == [("b", "dotted"), ("a", "crm")]
    assert compile_many([])(DOCUMENT) == []


NAMES = st.sampled_from(["a", "b", "a.b", "b.a", "0", "1"])
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=4).map(
    lambda parts: "data." + ".".join(parts)
)


def everything(branch: Any, rest: str) -> list[Any]:
    """All values that any way of cutting `rest` into names leads to, longest names first."""
    if isinstance(branch, list):
        head, _, tail = rest.partition(".")
        if not head.isdecimal() or int(head) >= len(branch):
            return []
        return everything(branch[int(head)], tail) if tail else [branch[int(head)]]
    if not isinstance(branch, dict):
        return []
    parts = rest.split(".")
    found = []
    for cut in range(len(parts), 0, -1):
        name, tail = ".".join(parts[:cut]), ".".join(parts[cut:])
        if name in branch:
            found += everything(branch[name], tail) if tail else [branch[name]]
    return found


@given(st.dictionaries(NAMES, VALUES, max_size=4), PATHS)
def test_a_lookup_is_the_first_of_all_ways_to_read_a_path(data: dict[str, Any], path: str) -> None:
    ways = everything(data, path.removeprefix("data."))
    found = compile_path(path)({"data": data})
    assert found is MISSING if not ways else found == ways[0]


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.lists(st.lists(PATHS, min_size=1, max_size=2), max_size=3))
def test_many_lookups_are_each_of_them(data: dict[str, Any], choices: list[list[str]]) -> None:
    document = {"data": data}
    wanted = [(str(number), tuple(paths)) for number, paths in enumerate(choices)]
    each = [(name, compile_first(paths)(document)) for name, paths in wanted]
    assert compile_many(wanted)(document) == [(n, v) for n, v in each if v is not MISSING and v is not None]
