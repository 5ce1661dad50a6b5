"""Documents of alerting as readers, whose faults are gathered with their paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerting.faults import RouteFault
from slo_rules.documents import Document
from slo_rules.faults import Fault
from slo_rules.reading import Reader, spelled


def reader_of(document: Mapping[str, Any], faults: list[Fault]) -> Reader:
    """The reader of a document (`metadata`, `spec`); where a fault stands in the file its path says."""
    value = {name: document.get(name) for name in ("metadata", "spec")}
    return Reader(Document("", value, {}), faults, value)


def name_of(top: Reader) -> str:
    """The name of a document; the empty text after a fault."""
    metadata = top.value["metadata"]
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        top.fault("must be text", ("metadata", "name"))
        return ""
    return name


def spec_of(top: Reader, known: Iterable[str], required: Iterable[str] = ()) -> Reader | None:
    """The `spec` of a document; None after a fault that leaves nothing of it."""
    spec = top.at("spec")
    return spec if spec.mapping(known, required) else None


def as_route_faults(faults: Iterable[Fault]) -> list[RouteFault]:
    """The same faults, without a file."""
    return [RouteFault(fault.path, fault.message) for fault in faults]


def noted(faults: list[Fault], found: Iterable[RouteFault]) -> None:
    """Add faults that were found without a file."""
    faults += [Fault("", 1, one.path, one.message) for one in found]


def path_of(entry: Reader) -> str:
    """Where a value stands, such as `spec.send_to[0]`."""
    return spelled(entry.path)
