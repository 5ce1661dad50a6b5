"""The conditions by which routes, silences, rules and windows match incidents, and windows objectives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slo_rules.reading import Reader, suggestion

SEVERITIES = ("info", "warning", "critical")
NAMES = ("domain", "owner", "workflow", "severity", "verdict", "source", "waiting_for", "reason", "assignee")
ATTRIBUTES = "attributes"
MOST_VALUES = 100
VERDICTS = ("stuck", "blind", "failed", "inconsistent", "burning", "silence", "group", "drill")
_WORDS = {"severity": SEVERITIES, "verdict": VERDICTS}

Facts = Mapping[str, frozenset[str]]
"""By name, all that is true of an incident: one that spans several owners belongs to each."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when a value is in `any_of` (any will do where that is empty), or begins so, and none is in `none_of`."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    prefix: str = ""

    def holds(self, values: frozenset[str]) -> bool:
        """Whether it holds of these values."""
        if not values.isdisjoint(self.none_of):
            return False
        if self.any_of and values.isdisjoint(self.any_of):
            return False
        return not self.prefix or any(value.startswith(self.prefix) for value in values)

    @property
    def words(self) -> str:
        """`is gold or silver`, `is not emea`, `begins with order-`."""
        said = [f"is {' or '.join(self.any_of)}"] if self.any_of else []
        said += [f"begins with {self.prefix}"] if self.prefix else []
        said += [f"is not {' nor '.join(self.none_of)}"] if self.none_of else []
        return " and ".join(said)


Match = Mapping[str, Condition]
"""By name of a fact, or `attributes.NAME`; all must hold."""


def holds(match: Match, of: Facts) -> bool:
    """Whether every condition holds; one on what is not known holds only if it asks for nothing."""
    return all(condition.holds(of.get(name, frozenset())) for name, condition in match.items())


def unmet(match: Match, of: Facts) -> list[str]:
    """The conditions that do not hold, in words."""
    found = []
    for name, condition in match.items():
        values = of.get(name, frozenset())
        if not condition.holds(values):
            found.append(f"{name} {condition.words}: it is {' and '.join(sorted(values)) or 'not said'}")
    return found


def read_match(entry: Reader | None, *, without: tuple[str, ...] = ()) -> dict[str, Condition]:
    """A match as a file or a request says it: `{domain: orders, severity: [critical], attributes: {tier: gold}}`."""
    found: dict[str, Condition] = {}
    if entry is None or not entry.mapping():
        return found
    known = [name for name in (*NAMES, ATTRIBUTES) if name not in without]
    for name in entry.value:
        if name not in known:
            what = f"unknown field {name!r}; matched is by {', '.join(known)}{suggestion(str(name), known)}"
            entry.fault(what, (*entry.path, name))
            continue
        if name != ATTRIBUTES:
            _put(found, name, entry.at(name))
            continue
        attributes = entry.at(name)
        if attributes.mapping():
            for attribute in attributes.value:
                place = (*attributes.path, attribute)
                # What is no text cannot be kept with a silence.
                if Reader(attributes.document, attributes.faults, attribute, place).text():
                    _put(found, f"{ATTRIBUTES}.{attribute}", attributes.at(attribute))
    return found


def spell_match(match: Match) -> dict[str, dict[str, object]]:
    """A match as `read_match` reads it, for the database and for answers."""
    found: dict[str, dict[str, object]] = {}
    for name, condition in match.items():
        said: dict[str, object] = {"in": list(condition.any_of)} if condition.any_of else {}
        said |= {"not": list(condition.none_of)} if condition.none_of else {}
        said |= {"prefix": condition.prefix} if condition.prefix else {}
        if name.startswith(f"{ATTRIBUTES}."):
            found.setdefault(ATTRIBUTES, {})[name.removeprefix(f"{ATTRIBUTES}.")] = said
        else:
            found[name] = said
    return found


def words_of(match: Match) -> str:
    """`domain is orders, severity is critical`; `everything` where nothing is asked for."""
    return ", ".join(f"{name} {condition.words}" for name, condition in match.items()) or "everything"


def _put(found: dict[str, Condition], name: str, entry: Reader) -> None:
    condition = _condition(entry)
    if condition is None:
        return
    known = _WORDS.get(name, ())
    for value in (*condition.any_of, *condition.none_of):
        if known and value not in known:
            entry.fault(f"must be one of {', '.join(known)}{suggestion(value, known)}")
            return
    found[name] = condition


def _condition(entry: Reader) -> Condition | None:
    if not isinstance(entry.value, dict):
        values = _values(entry)
        return Condition(values) if values else None
    if not entry.mapping(("in", "not", "prefix")):
        return None
    within, without, prefix = (entry.optional(field) for field in ("in", "not", "prefix"))
    found = Condition(
        _values(within) if within else (), _values(without) if without else (), prefix.text() if prefix else ""
    )
    if found == Condition():
        entry.fault("say one of 'in', 'not' and 'prefix'")
        return None
    return found


def _values(entry: Reader) -> tuple[str, ...]:
    if not isinstance(entry.value, list):
        return (said,) if (said := _word(entry)) else ()
    if not entry.value:
        entry.fault("must name at least one value")
    return tuple(said for said in entry.each(_word, longest=MOST_VALUES) if said)


def _word(entry: Reader) -> str:
    """A text; of attributes also a number, true or false, spelled as they are told."""
    if ATTRIBUTES not in entry.path and not isinstance(entry.value, str):
        entry.fault("must be text")
        return ""
    if isinstance(entry.value, bool):
        return "true" if entry.value else "false"
    return entry.text()
