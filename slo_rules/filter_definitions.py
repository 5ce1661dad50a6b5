"""Filters, paths and other small parts of definitions to the model, with every fault at its own path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Filter, Not, spell
from slo_rules.reading import Reader

_ROOTS = ("source", "type", "id", "subject", "data", "resource")


def filters_of(spec: Reader, field: str) -> tuple[Filter, ...]:
    """The filters of a list that may be absent."""
    entries = spec.optional(field)
    return tuple(found for found in entries.each(read_filter) if found is not None) if entries else ()


def read_filter(entry: Reader, *, span: bool = False) -> Filter | None:
    """A filter of any dialect; `span` where it is inside `span:`. None after a fault."""
    if not entry.mapping(("exact", "prefix", "suffix", "all", "any", "not", "span")):
        return None
    if len(entry.value) != 1:
        entry.fault("a filter says exactly one of exact, prefix, suffix, all, any, not or span")
        return None
    (dialect,) = entry.value
    body = entry.at(dialect)
    if dialect in ("exact", "prefix", "suffix"):
        return _compare(dialect, body)
    if dialect in ("all", "any"):
        parts = [part for part in body.each(lambda part: read_filter(part, span=span)) if part is not None]
        if isinstance(body.value, list) and not body.value:
            body.fault("must name at least one filter")
        return All(tuple(parts)) if dialect == "all" else Any_(tuple(parts))
    if dialect == "not":
        part = read_filter(body, span=span)
        return Not(part) if part is not None else None
    if dialect == "span":
        if span:
            body.fault("a span filter cannot hold another")
        part = read_filter(body, span=True)
        return All((Compare("exact", "type", SPAN_TYPE), part)) if part is not None else None
    return None


def _compare(dialect: Any, body: Reader) -> Filter | None:
    if not body.mapping():
        return None
    if not body.value:
        body.fault("must name at least one attribute")
    parts: list[Filter] = []
    for path in body.value:
        check_path(Reader(body.document, body.faults, path, (*body.path, path)))
        text = spell(body.value[path])
        if text is None or text == "":
            body.at(path).fault("must be text, a number, true or false")
        else:
            parts.append(Compare(dialect, path, text))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def text_of(reader: Reader, field: str, *, longest: int = 500) -> str:
    """The text of a member; the empty text where it is absent or after a fault."""
    member = reader.optional(field)
    return member.text(longest=longest) if member else ""


def entries_of(reader: Reader) -> Iterable[Reader]:
    """The readers of the entries of a list."""
    return reader.each(lambda member: member)


def members_of(reader: Reader) -> Iterable[Reader]:
    """The entries of a list, or the one value that stands for such a list."""
    return entries_of(reader) if isinstance(reader.value, list) else [reader]


def paths_of(reader: Reader) -> tuple[str, ...]:
    """One path or several."""
    paths = tuple(path for member in members_of(reader) if (path := check_path(member)))
    if not paths and isinstance(reader.value, list) and not reader.value:
        reader.fault("must name at least one path")
    return paths


def check_path(reader: Reader) -> str:
    """A path into an event; the empty text after a fault."""
    path = reader.text(longest=300)
    if path and ("" in path.split(".") or path in ("data", "resource")):
        reader.fault(f"{path!r} is not a path: write it like data.order_id, resource.service.name or {_ROOTS[0]}")
        return ""
    return path
