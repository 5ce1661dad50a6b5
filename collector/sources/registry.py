"""The adapters there are: one folder each, found by its name."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from collector.sources.adapter import Adapter
from collector.sources.polled import Polled
from slo_rules.adapter import Mapping
from slo_rules.adapter_definitions import read_mapping
from slo_rules.documents import load_documents
from slo_rules.faults import DefinitionError
from slo_rules.reading import Reader, suggestion
from slo_rules.workflow import Source

MAPPING = "mapping.yaml"


@cache
def names() -> tuple[str, ...]:
    """The names of all adapters."""
    return tuple(sorted(one.name for one in pkgutil.iter_modules([str(Path(__file__).parent)]) if one.ispkg))


@cache
def adapter_of(name: str) -> Adapter:
    """The adapter of this name. KeyError when there is none."""
    if name not in names():
        raise KeyError(name)
    found: Adapter = import_module(f"collector.sources.{name}.adapter").ADAPTER
    return found


@cache
def mapping_of(name: str) -> Mapping:
    """What an adapter knows of its system's words. Raises DefinitionError when its file has faults."""
    text = (files(f"collector.sources.{name}") / MAPPING).read_text("utf-8")
    documents, faults = load_documents(text, f"{name}/{MAPPING}")
    for document in documents:
        mapping = read_mapping(Reader(document, faults, document.value))
    if faults:
        raise DefinitionError(faults)
    return mapping if documents else Mapping()


def faults_of(source: Source) -> list[tuple[str, str]]:
    """What an adapter cannot do with what a source says of it: fields of `spec.adapter`, each with what is wrong."""
    said = source.adapter
    if said is None:
        return []
    try:
        adapter = adapter_of(said.name)
    except KeyError:
        return [("name", f"there is no adapter {said.name!r}{suggestion(said.name, names())}; {', '.join(names())}")]
    found = [
        (field, f"the adapter {said.name} has no use for it")
        for field in ("authentication", "signature", "claims", "url", "zone")
        if getattr(said, field) and field not in adapter.takes
    ]
    if said.mapping.each and "each" not in adapter.takes:
        found.append(("mapping.each", f"the adapter {said.name} knows what in a request is an event"))
    if said.signature is not None and said.authentication:
        found.append(("authentication", "a request is signed, or brings the secret itself: say one of them"))
    if said.poll is not None and not isinstance(adapter, Polled):
        found.append(("poll", f"the adapter {said.name} cannot ask; its system sends by itself"))
    has = {"secret": bool(said.secrets), "token": said.token is not None}
    if said.poll is not None and not any(has.values()):
        pass  # it is asked, and nothing is taken from who sends
    elif adapter.needs == "either" and not any(has.values()):
        found.append(("", "say a 'secret' or a 'token': without one anybody could send in its name"))
    elif adapter.needs in has and not has[adapter.needs]:
        found.append(("", f"the adapter {said.name} needs a {adapter.needs!r} to tell its requests from anybody's"))
    if said.signature is not None and not said.secrets:
        found.append(("signature", "is made with a 'secret': say which"))
    return found + adapter.faults(source)
