"""What source definitions say of adapters, checked against the adapters there are; and their secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from collector.ingest.kafka.library import KafkaUnusable
from collector.ingest.kafka.topics import Topic
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
    texts: Mapping[str, str],
    definitions: Definitions,
    environment: Mapping[str, str],
    only: Collection[str] | None = None,
) -> dict[str, Receiver]:
    """The sources ready to receive, or `only` these. DefinitionError with every secret that cannot be had."""
    faults: list[Fault] = []
    found: dict[str, Credentials] = {}
    for document, source in _documents(texts, definitions):
        assert source.adapter is not None
        if only is not None and source.name not in only:
            continue
        found[source.name], missing = credentials_of(source.adapter, environment)
        faults += [_fault(document, field, message) for field, message in missing]
    if faults:
        raise DefinitionError(faults)
    wanted = [one for name, one in definitions.sources.items() if only is None or name in only]
    return receivers_of(wanted, found)


def consumed_sources(topics: Iterable[Topic], definitions: Definitions) -> dict[str, str]:
    """The sources whose own forms topics have, by topic. KafkaUnusable where one is not there, or has no adapter."""
    found = {topic.name: topic.source for topic in topics if topic.source}
    adapted = {name for name, source in definitions.sources.items() if source.adapter is not None}
    absent = [
        f"{topic}: there is no Source {name!r} with an adapter" for topic, name in found.items() if name not in adapted
    ]
    if absent:
        raise KafkaUnusable(f"kafka_topic: {'; '.join(absent)}")
    return found


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
