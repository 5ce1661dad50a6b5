"""Events that a definition asks for, made of its own filters, keys, attributes and requirements."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.filters import All, Any_, Compare, Filter, Not
from slo_rules.workflow import Definitions, Workflow
from tests.strategies import START

_ODD = st.sampled_from([None, True, 0, -1, 1e300, "", "x", "N/A", [], {}, [1], {"a": 1}, "7", 7, "9" * 60])
_PAUSES = [0, MINUTE, 15 * MINUTE, HOUR, 5 * HOUR, 26 * HOUR, 400 * HOUR]
_LATENESS = [0, 0, 0, MINUTE, 3 * HOUR, 50 * HOUR, -HOUR]


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Write a value at a path, over whatever is in the way."""
    *above, last = path.split(".")
    place = document
    for part in above:
        inner = place.get(part)
        if not isinstance(inner, dict):
            inner = place[part] = {}
        place = inner
    place[last] = value


def satisfy(draw: st.DrawFn, condition: Filter, document: dict[str, Any]) -> None:
    """Make a document satisfy a filter, as far as nothing contradicts itself and nothing is excluded."""
    match condition:
        case Compare(how, path, text):
            put(document, path, text if how == "exact" else f"{text}.1" if how == "prefix" else f"1.{text}")
        case All(parts):
            for part in parts:
                satisfy(draw, part, document)
        case Any_(parts) if parts:
            satisfy(draw, draw(st.sampled_from(parts)), document)
        case Any_() | Not():
            pass


def _document(draw: st.DrawFn, workflow: Workflow) -> dict[str, Any]:
    life = ("observes", "fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on")
    others = [condition for field in life for condition in getattr(workflow, field)]
    milestone = draw(st.sampled_from([*workflow.milestones, *([None] if others else [])]))
    document: dict[str, Any] = {"data": {}}
    for name, paths in workflow.attributes.items():
        values: list[Any] = [
            tier.value
            for one in workflow.milestones
            if one.deadline is not None
            for tier in one.deadline.tiers
            if tier.attribute == name
        ]
        said = draw(st.one_of(st.just(None), st.sampled_from([*values, 2, "3"]), _ODD))
        if said is not None:
            put(document, draw(st.sampled_from(paths)), said)
    for paths in (workflow.amount, workflow.currency):
        if paths:
            put(document, paths[0], draw(st.one_of(st.sampled_from([10, "12.5", "EUR"]), _ODD)))
    for need in milestone.require if milestone is not None else ():
        put(document, need.path, draw(st.sampled_from([need.equals or "1", 1, "2", None])))
    carried = draw(st.lists(st.sampled_from(workflow.keys), max_size=3, unique=True))
    for rule in carried:
        put(document, draw(st.sampled_from(rule.paths)), draw(st.sampled_from(["A1", "B2", "SO-007", 7, "N/A"])))
    satisfy(draw, milestone.condition if milestone is not None else draw(st.sampled_from(others)), document)
    return document


@st.composite
def events_of(draw: st.DrawFn, definitions: Definitions, most: int = 12) -> list[Event]:
    """Events in the order of their arrival: on time, late or early, also several under one id."""
    workflows = list(definitions.workflows.values())
    found: list[Event] = []
    now = START
    for number in range(draw(st.integers(1, most)) if workflows else 0):
        document = _document(draw, draw(st.sampled_from(workflows)))
        now += draw(st.sampled_from(_PAUSES))
        source, type_ = (_text(document.get(name), name) for name in ("source", "type"))
        # One sender in twenty says something else under an id that it has used.
        id_ = str(number if draw(st.integers(0, 19)) else max(0, number - 1))
        document |= {"specversion": "1.0", "id": id_, "source": source, "type": type_}
        at = now - draw(st.sampled_from(_LATENESS))
        found.append(Event(source, type_, at, now, event_key(source, id_), document))
    return found


def _text(value: Any, name: str) -> str:
    return value if isinstance(value, str) and value and "\x00" not in value else f"some {name}"
