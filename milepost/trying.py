"""What a request of a source would become, tried on a file: nothing is sent or stored."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from collector.ingest import cloudevents
from collector.sources.door import MAX_SOURCE_BODY
from collector.sources.exchange import Credentials, Received, Unreadable
from collector.sources.receiving import Mapped, Receiver
from milepost.definition_files import read_definitions
from milepost.plain_text import shown
from milepost.settings import Settings
from slo_rules.event import Event
from slo_rules.matching import Matcher
from slo_rules.reading import suggestion
from slo_rules.workflow import Definitions

_LONGEST_LINE = 2_000
_TRIED_KEY = b"no key: these hashes are only an example"


class NothingToTry(Exception):
    """There is no such file, source or header; says which."""


def headers_of(texts: Iterable[str]) -> dict[str, str]:
    """Headers as `Name: value` says them. Raises NothingToTry."""
    found = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise NothingToTry(f"--header: {text!r} is not of the form 'Name: value'")
        found[name.strip().lower()] = value.strip()
    return found


def try_(
    settings: Settings, file: Path, source: str, headers: dict[str, str], *, as_json: bool
) -> tuple[list[str], int]:
    """The lines that say what a request becomes, and how much of it cannot be mapped.

    Raises NothingToTry, and DefinitionError where the definitions cannot be used.
    """
    definitions = read_definitions(settings.definitions)
    receiver = Receiver(_known(definitions, source), Credentials(hash_key=_TRIED_KEY))
    received = Received("POST", "", {"content-type": _media(file)} | headers, _body(file))
    now = time.time_ns() // 1000
    try:
        kept = Received("POST", "", receiver.kept_headers(received), receiver.keep(received))
    except Unreadable as error:
        return [f"It cannot be told what of it is sensitive, so that it would not be kept: {error}."], 1
    mapped = receiver.map(kept, now)
    tried = [_tried(definitions, event.body, now) for event in mapped.events]
    if as_json:
        faults = [{"item": one.item, "reason": one.reason, "detail": one.detail} for one in mapped.letters]
        document = {"events": tried, "refused": faults, "ignored": mapped.ignored}
        return [msgspec.json.encode(document).decode()], len(mapped.letters)
    return _lines(mapped, tried), len(mapped.letters)


def _known(definitions: Definitions, name: str) -> Any:
    found = definitions.sources.get(name)
    if found is None:
        raise NothingToTry(f"There is no Source {name!r}{suggestion(name, definitions.sources)}; give --definitions.")
    if found.adapter is None:
        raise NothingToTry(f"The Source {name!r} has no adapter: it sends CloudEvents or OTLP, to the other doors.")
    return found


def _body(file: Path) -> bytes:
    try:
        body = file.read_bytes()
    except OSError as error:
        raise NothingToTry(f"{file} cannot be read: {error.strerror}") from error
    if len(body) > MAX_SOURCE_BODY:
        raise NothingToTry(f"{file} is larger than {MAX_SOURCE_BODY} bytes")
    return body


def _media(file: Path) -> str:
    return "text/xml" if file.suffix == ".xml" else "application/json"


def _tried(definitions: Definitions, body: bytes, now: int) -> dict[str, Any]:
    """An event with what it means to each workflow."""
    event = cloudevents.as_event(body, now)
    assert isinstance(event, Event)
    found = []
    for matcher, match in Matcher(definitions.workflows.values()).matches(event):
        more = match.more
        means = [f"milestone {name}" for name in match.milestones]
        means += ["failure"] if more.fails else []
        means += ["cancellation"] if more.cancels else []
        means += ["restart"] if more.restarts else []
        means += [] if more.stops is None else ["its clocks stop" if more.stops else "its clocks go on"]
        means += [f"{old} is {new} from now on" for old, new in more.aliases]
        found.append(
            {
                "workflow": matcher.workflow.name,
                "means": means,
                "keys": [*match.joining, *match.searching],
                "usable": bool(match.joining),
            }
        )
    return {"event": event.document, "reaches": found}


def _lines(mapped: Mapped, tried: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in tried:
        event = one["event"]
        lines.append(f"{event['type']}  {event['id']}  {event.get('time', 'at its arrival')}")
        lines += [f"  {name}: {_spelled(value)}" for name, value in event["data"].items()]
        for reached in one["reaches"]:
            means = ", ".join(reached["means"]) or "what it says alone"
            keys = ", ".join(reached["keys"]) if reached["usable"] else "no key that joins: it becomes a dead letter"
            lines.append(f"  → {reached['workflow']}: {means}; {keys}")
        if not one["reaches"]:
            lines.append("  → no workflow asks for it")
    lines += [f"refused{'' if one.item is None else f' (item {one.item})'}: {one.detail}" for one in mapped.letters]
    if mapped.ignored:
        lines.append(f"{mapped.ignored} not taken: the mapping says so.")
    return [shown(line, _LONGEST_LINE) for line in lines] or ["There is no event in it."]


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
