"""From the words of a system to canonical events: mappings are data, and this is what they mean. Pure.

A canonical event is a CloudEvent with the source's name as its `source`, a type such as `invoice.paid`, and in `data`
the entity, the system's own word, ids and states under plain names, amount and currency, and in `correlation` what ties
it to other systems, strongest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from collector.sources.exchange import Native, Unfit
from collector.sources.signatures import moment
from slo_rules import adapter as said
from slo_rules.adapter import ENTITIES, IGNORE, Amount, Paths
from slo_rules.filters import spell
from slo_rules.instants import rfc3339
from slo_rules.paths import MISSING, compile_first

_ROOT = "native"
_TYPES_KEPT = 2048
_LATEST = 253_370_764_800_000_000
"""Micros of the year 9999."""
_NOTHING: tuple[Any, ...] = (MISSING, None, "", [], {})
_UNITS = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
"""How many digits the minor units of a currency have, where that is not two."""
_encode = msgspec.json.Encoder(decimal_format="number").encode

Find = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Canonical:
    """An event as it goes to the log."""

    item: int
    type: str
    id: str
    body: bytes


def finder(paths: Paths) -> Find:
    """What is at the first of these paths that is there and not null, in a document under `native`; else MISSING."""
    return compile_first(tuple(f"{_ROOT}.{path}" for path in paths))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The rules for events of one type."""

    fields: tuple[tuple[str, Find], ...]
    correlation: tuple[tuple[str, Find], ...]
    amounts: tuple[tuple[Find, Find | None, bool], ...]


class Mapper:
    """The mapping of an adapter with that of a source before it."""

    def __init__(self, own: said.Mapping, of_adapter: said.Mapping) -> None:
        self._both = (own, of_adapter)
        self._types = of_adapter.types | own.types
        self._outcomes = of_adapter.outcomes | own.outcomes
        self._ids = [finder((path,)) for path in own.id or of_adapter.id]
        timed = own if own.time else of_adapter
        self._time = finder(timed.time) if timed.time else None
        self._time_format = timed.time_format or "rfc3339"
        typed = own if own.type or own.type_value else of_adapter
        self._word = finder(typed.type) if typed.type else None
        self._type = typed.type_value
        self._prepared = lru_cache(_TYPES_KEPT)(self._prepare)

    def map(self, native: Native, source: str, tenant: str) -> Canonical | Unfit | None:
        """The canonical event; why there can be none; None for what is not taken."""
        faults: list[str] = []
        document = {_ROOT: native.document}
        words = native.words or self._words(document)
        type_ = self._typed(words, native.type, faults)
        if type_ == IGNORE:
            return None
        rules = self._prepared(type_)
        entity = type_.partition(".")[0]
        data: dict[str, Any] = {"entity": entity} if entity in ENTITIES else {}
        data |= {"native_type": words[-1]} if words else {}
        data |= {"tenant": tenant} if tenant else {}
        _fill(data, rules, document)
        outcome = self._outcomes.get(str(data.get("status", "")).lower())
        data |= {"outcome": outcome} if outcome else {}
        data |= _amount(rules, document, faults)
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": self._id(document, faults),
            "source": source,
            "type": type_,
        }
        event |= self._at(document, faults)
        subject = spell(data.get(f"{entity}_id"))
        event |= {"subject": subject} if subject else {}
        if faults:
            return Unfit(native.item, "; ".join(faults), _encode(native.document))
        return Canonical(native.item, type_, event["id"], _encode(event | {"data": data}))

    def _words(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        found = spell(self._word(document)) if self._word else None
        return (found,) if found else ()

    def _typed(self, words: Iterable[str], otherwise: str, faults: list[str]) -> str:
        words = list(words)
        found = next((self._types[word] for word in words if word in self._types), None) or self._type or otherwise
        if not found:
            word = repr(words[-1][:200]) if words else "what is not there"
            faults.append(f"type: {word} has no event type; give it one under mapping.types, or 'ignore'")
        return found

    def _id(self, document: Mapping[str, Any], faults: list[str]) -> str:
        parts = [spell(find(document)) for find in self._ids]
        if not parts or not all(parts):
            faults.append("id: there is none; mapping.id says where it is")
        return ":".join(part for part in parts if part)

    def _at(self, document: Mapping[str, Any], faults: list[str]) -> dict[str, str]:
        """The time, where there is one: without it the event counts from its arrival on."""
        found = self._time(document) if self._time else MISSING
        text = None if found is MISSING or found is None or found == "" else spell(found)
        if text is None:
            if found not in (MISSING, None, ""):
                faults.append("time: is none")
            return {}
        at = moment(text, self._time_format)
        if at is None and self._time_format != "rfc3339":
            at = moment(text, "rfc3339")
        if at is None or at > _LATEST:
            faults.append(f"time: {text[:60]!r} is not a time of the form {self._time_format}")
            return {}
        return {"time": rfc3339(at)}

    def _prepare(self, type_: str) -> _Prepared:
        entity = type_.partition(".")[0]
        rules = [
            found
            for mapping in self._both
            for found in (mapping.per.get(type_), mapping.per.get(entity), mapping.rules)
            if found is not None
        ]
        return _Prepared(
            tuple((name, finder(paths)) for one in rules for name, paths in one.fields),
            tuple((name, finder(paths)) for one in rules for name, paths in one.correlation),
            tuple(_money(one.amount) for one in rules if one.amount is not None),
        )


def _fill(data: dict[str, Any], rules: _Prepared, document: Mapping[str, Any]) -> None:
    """Fields of more exact rules come first, and count where they are there."""
    for name, find in rules.fields:
        if name not in data and (value := find(document)) not in _NOTHING:
            # Some systems write an id as a number here and as a text there.
            is_id = name.endswith(("_id", "_number")) and type(value) is int
            data[name] = str(value) if is_id else value
    hints: dict[str, str] = {}
    for name, find in rules.correlation:
        if name not in hints and (text := spell(find(document))):
            hints[name] = text
    for name, text in hints.items():
        data.setdefault(name, text)
    if hints:
        data["correlation"] = [{"name": name, "value": text} for name, text in hints.items()]


def _money(amount: Amount) -> tuple[Find, Find | None, bool]:
    return finder(amount.path), finder(amount.currency) if amount.currency else None, amount.minor_units


def _amount(rules: _Prepared, document: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    for find, currency, minor in rules.amounts:
        text = spell(find(document))
        if not text:
            continue
        code = (spell(currency(document)) or "").upper() if currency else ""
        try:
            number = Decimal(text)
            if minor:
                number = number.scaleb(-_UNITS.get(code, 2))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number.adjusted() > 30 or len(number.as_tuple().digits) > 60:
            faults.append(f"amount: {text[:60]!r} is not a number")
            return {}
        plain = int(number) if number == number.to_integral_value() else number
        return {"amount": plain} | ({"currency": code} if code else {})
    return {}
