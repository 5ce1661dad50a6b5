"""What a test expects of the message that a target was last sent: its words, and the JSON its channel makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.incident import NotifyReason
from alerting.targets import Target
from milepost.expectations import Difference, read_instant, spell_instant
from milepost.rehearsed_messages import WITHOUT_JSON, Sent
from slo_rules.reading import Reader, suggestion

FIELDS = ("sent_at", "reason", "title", "contains", "equals", "json")
REASONS = tuple(reason.value for reason in NotifyReason if reason.tells)
_LONGEST = 20_000
_SHOWN = 600


@dataclass(frozen=True, slots=True)
class WantedMessage:
    """What must be so of the last message to a target; `absent`: there must be none. None and () are not asked for."""

    target: str
    absent: bool = False
    sent_at: int | None = None
    reason: str | None = None
    title: str | None = None
    contains: tuple[str, ...] = ()
    equals: str | None = None
    document: Any = None


def read_messages(entry: Reader | None, start: int, targets: Mapping[str, Target] | None) -> tuple[WantedMessage, ...]:
    """`messages: {erp/slack: {contains: order}}`, null where there must be none; `targets` None: none is looked up."""
    if entry is None or not entry.mapping():
        return ()
    if not entry.value:
        entry.fault("must name at least one target")
    return tuple(_message(entry, name, start, targets) for name in entry.value)


def read_told(entry: Reader | None, targets: Mapping[str, Target] | None, *, reasons: bool) -> tuple[str, ...] | None:
    """`told: [erp/slack first]`, or with `reasons` false targets alone; None where nothing is said of it."""
    if entry is None:
        return None

    def one(each: Reader) -> str:
        said = each.text()
        name, _, reason = said.rpartition(" ") if reasons else (said, "", "")
        if said and reasons and (not name or reason not in REASONS):
            each.fault(f"must be TARGET REASON, where the reason is one of {', '.join(REASONS)}")
        elif said:
            _known(each, name, targets)
        return said

    return tuple(entry.each(one, longest=1000))


def compare_messages(wanted: Sequence[WantedMessage], sent: Sequence[Sent], start: int) -> list[Difference]:
    """What is not as expected of the last message to each target, of those sent."""
    return [difference for one in wanted for difference in _compare(one, sent, start)]


def _compare(wanted: WantedMessage, sent: Sequence[Sent], start: int) -> Iterator[Difference]:
    name = f"messages.{wanted.target}"
    last = next((one for one in reversed(sent) if one.target == wanted.target), None)
    if last is None or wanted.absent:
        if (last is None) is not wanted.absent:
            yield Difference(name, "none" if wanted.absent else "one", _cut(last.text) if last else "none")
        return
    if wanted.sent_at is not None and wanted.sent_at != last.at:
        yield Difference(f"{name}.sent_at", spell_instant(wanted.sent_at, start), spell_instant(last.at, start))
    for field, said, found in (
        ("reason", wanted.reason, last.reason),
        ("title", wanted.title, last.title),
        ("equals", wanted.equals and wanted.equals.strip(), last.text.strip()),
    ):
        if said is not None and said != found:
            yield Difference(f"{name}.{field}", _cut(said), _cut(found))
    for part in wanted.contains:
        if part not in last.title and part not in last.text:
            yield Difference(f"{name}.contains", _cut(part), _cut(f"{last.title}\n{last.text}"))
    if wanted.document is not None:
        for path, expected, found in _unlike(wanted.document, last.document, "json"):
            yield Difference(f"{name}.{path}", _spelled(expected), _spelled(found))
    if last.wrong:
        yield Difference(f"{name}.template", "one that can be used", last.wrong)


def _unlike(expected: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Of a mapping only what is named is compared, of a list every entry."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            yield from _unlike(value, found.get(name), f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, value in enumerate(expected):
            yield from _unlike(value, found[index], f"{path}[{index}]")
    elif expected != found or isinstance(expected, bool) is not isinstance(found, bool):
        yield path, expected, found


def _message(entry: Reader, name: str, start: int, targets: Mapping[str, Target] | None) -> WantedMessage:
    place = Reader(entry.document, entry.faults, entry.value[name], (*entry.path, name))
    target = _known(place, str(name), targets)
    if place.value is None:
        return WantedMessage(str(name), absent=True)
    if not place.mapping(FIELDS):
        return WantedMessage(str(name))
    if not any(field in place.value for field in FIELDS):
        place.fault(f"expects nothing: say one of {', '.join(FIELDS)}, or null where there must be none")
    at, reason, title, contains, equals, document = (place.optional(field) for field in FIELDS)
    said = reason.text() if reason else None
    if reason and said and said not in (*REASONS, "digest"):
        reason.fault(f"must be one of {', '.join(REASONS)}{suggestion(said, REASONS)}")
    if document and not isinstance(document.value, (dict, list)):
        document.fault("must be a mapping or a list")
    elif document and target and target.kind in WITHOUT_JSON:
        document.fault(f"a message to {target.kind} is no JSON: say 'contains' or 'equals'")
    return WantedMessage(
        str(name),
        sent_at=read_instant(at, start) if at else None,
        reason=said,
        title=title.text(longest=_LONGEST) if title else None,
        contains=_parts(contains) if contains else (),
        equals=equals.text(longest=_LONGEST) if equals else None,
        document=document.value if document else None,
    )


def _known(place: Reader, name: str, targets: Mapping[str, Target] | None) -> Target | None:
    if targets is not None and name not in targets:
        place.fault(f"there is no target {name[:80]!r}{suggestion(name, targets)}")
    return targets.get(name) if targets is not None else None


def _parts(entry: Reader) -> tuple[str, ...]:
    if not isinstance(entry.value, list):
        return (entry.text(longest=_LONGEST),)
    return tuple(entry.each(lambda part: part.text(longest=_LONGEST)))


def _spelled(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
