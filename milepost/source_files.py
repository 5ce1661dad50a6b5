"""What source definitions say of adapters, checked against the adapters there are; and their secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from collector.sources.exchange import Credentials
from collector.sources.receiving import Receiver, credentials_of, receivers_of
from collector.sources.registry import faults_of
from slo_rules.documents import Document, load_documents
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions, Source

_AT = ("spec", "adapter")


def adapter_faults(texts: Mapping[str, str], definitions: Definitions) -> list[Fault]:
    """What the adapters cannot do with what these texts, from which the definitions were read, say of sources."""
    return [
        _fault(document, field, message)
        for document, source in _documents(texts, definitions)
        for field, message in faults_of(source)
    ]


def read_receivers(
    texts: Mapping[str, str], definitions: Definitions, environment: Mapping[str, str]
) -> dict[str, Receiver]:
    """The sources ready to receive. DefinitionError with every secret that cannot be had."""
    faults: list[Fault] = []
    found: dict[str, Credentials] = {}
    for document, source in _documents(texts, definitions):
        assert source.adapter is not None
        found[source.name], missing = credentials_of(source.adapter, environment)
        faults += [_fault(document, field, message) for field, message in missing]
    if faults:
        raise DefinitionError(faults)
    return receivers_of(definitions.sources.values(), found)


def _documents(texts: Mapping[str, str], definitions: Definitions) -> Iterator[tuple[Document, Source]]:
    """The documents of sources with an adapter; nothing is read again where there is none."""
    if not any(source.adapter for source in definitions.sources.values()):
        return
    for file, text in texts.items():
        for document in load_documents(text, file)[0]:
            value = document.value
            if isinstance(value, dict) and value.get("kind") == "Source":
                source = definitions.sources.get(str(value["metadata"]["name"]))
                if source is not None and source.adapter is not None:
                    yield document, source


def _fault(document: Document, field: str, message: str) -> Fault:
    path = (*_AT, *field.split(".")) if field else _AT
    return Fault(document.file, document.line(path), ".".join(path), message)
