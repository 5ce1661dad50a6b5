"""Boomi: execution records and events of the Platform API, messages of Event Streams, and what processes send.

Event Streams and the Platform API push nothing: a process posts here what it hears, or the Platform API is asked.
Objects: https://developer.boomi.com/docs/api/platformapi/Event and …/ExecutionRecord.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from collector.sources.bodies import MAX_ITEMS, json_of, object_of, xml_of
from collector.sources.exchange import Native, Received, Unfit, Unreadable
from collector.sources.named_ids import named_ids
from collector.sources.polled import Ask, Polled, State, Step
from collector.sources.sensitive import local_name
from collector.sources.signatures import hashed
from slo_rules import adapter as said
from slo_rules.durations import SECOND
from slo_rules.filters import spell
from slo_rules.instants import rfc3339

_TIME_OF = {"Event": "eventDate", "ExecutionRecord": "executionTime"}
_KINDS = {
    "process.execution": "integration.execution",
    "process.missedschedule": "integration.execution.missed",
    "atom.status": "integration.runtime",
    "user.notification": "integration.notification",
}
_CORRELATION = "x-correlation-id"
_encode = msgspec.json.Encoder().encode


class Boomi(Polled):
    """See docs/sources/boomi.md."""

    keeps = frozenset((_CORRELATION,))
    takes = frozenset(("authentication",))
    needs = "either"
    knows_by = "basic"
    objects = frozenset(_TIME_OF)

    def ask(self, poll: said.Poll, name: str, state: State, now: int) -> Ask:
        if token := state.get("token"):
            headers = {"content-type": "text/plain"}
            return Ask("POST", f"/{name}/queryMore", body=str(token).encode(), headers=headers)
        since, until = _stretch(poll, state, now)
        between = {"operator": "BETWEEN", "property": _TIME_OF[name], "argument": [rfc3339(since), rfc3339(until)]}
        body = _encode({"QueryFilter": {"expression": between}})
        return Ask("POST", f"/{name}/query", body=body, headers={"content-type": "application/json"})

    def step(self, poll: said.Poll, name: str, state: State, answer: bytes, now: int) -> Step:
        found = object_of(answer)
        results, token = found.get("result", []), found.get("queryToken")
        if found.get("@type") != "QueryResult" or not isinstance(results, list):
            raise Unreadable("the answer is no QueryResult")
        since, until = _stretch(poll, state, now)
        if isinstance(token, str) and token:
            if token == state.get("token"):
                raise Unreadable("the answer does not go on from where it was asked on")
            return Step({"from": since, "to": until, "token": token}, more=True, holds=bool(results))
        return Step({"since": until}, more=False, holds=bool(results))

    def without_place(self, state: State) -> State | None:
        # A token of a query is one for a while only: the stretch is asked for anew.
        return {"since": state["from"]} if "token" in state else None

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        found = json_of(received.body)
        members = found if isinstance(found, list) else [found]
        if isinstance(found, dict):
            members = next(
                (found[name] for name in ("result", "messages") if isinstance(found.get(name), list)), [found]
            )
        if len(members) > MAX_ITEMS:
            raise Unreadable(f"has {len(members)} entries; at most {MAX_ITEMS} are taken at once")
        for item, member in enumerate(members):
            if not isinstance(member, dict):
                yield Unfit(item, "not a JSON object")
            elif source.tenant and _account(member) not in (None, source.tenant):
                yield Unfit(item, f"of another account than {source.tenant!r}")
            else:
                yield _native(item, member, received)
        if not members:
            yield Native(0, {}, ("nothing",))


def _stretch(poll: said.Poll, state: State, now: int) -> tuple[int, int]:
    """From when to when (micros) is being asked; a new stretch begins where the last one ended."""
    if "to" in state:
        return int(state["from"]), int(state["to"])
    since = int(state["since"]) - poll.overlap if "since" in state else now - poll.lookback
    return since // SECOND * SECOND, now // SECOND * SECOND


def _account(member: dict[str, Any]) -> str | None:
    return spell(member.get("account")) or spell(member.get("accountId"))


def _native(item: int, member: dict[str, Any], received: Received) -> Native | Unfit:
    if "payload" in member and "executionId" not in member:
        return _message(item, member)
    status, execution = spell(member.get("status")) or "", spell(member.get("executionId"))
    kind = spell(member.get("eventType")) or ""
    named = named_ids(member.get("title")) | named_ids(member.get("message"))
    header = received.headers.get(_CORRELATION) if "@type" not in member else None
    document = member | {"ids": named, "header_correlation": header, "event_id": member.get("eventId")}
    if not kind and "executionTime" in member:
        # A record changes its state while it runs; each of its states is an event.
        document |= {"event_id": f"{execution}:{status}" if execution and status else None}
        kind = "process.execution"
    known = _KINDS.get(kind.lower())
    if known is None:
        return Native(item, document, (kind,) if kind else (), kind)
    word = status.lower().replace(" ", "_")
    told = known in ("integration.execution", "integration.runtime") and word
    type_ = f"{known}.{word}"[:200] if told else known
    return Native(item, document, (f"{kind}:{word}", kind) if word else (kind,), type_)


def _message(item: int, message: dict[str, Any]) -> Native:
    """A message of Event Streams. It has no id of its own: what it holds is its id."""
    payload, properties = message.get("payload"), message.get("properties")
    inner: Any = payload
    word = ""
    if isinstance(payload, str):
        sent = payload.encode("utf-8", "surrogatepass")
        try:
            if payload.lstrip()[:1] == "<":
                root = xml_of(sent)
                inner, word = _plain(root), local_name(root)
            else:
                inner = json_of(sent)
        except Unreadable:
            inner = {"text": payload}
    types = inner if isinstance(inner, dict) else {}
    word = next((text for name in ("type", "eventType") if (text := spell(types.get(name)))), word)
    document = {
        "event_id": hashed(_encode([payload, properties])),
        "payload": inner,
        "properties": properties if isinstance(properties, dict) else {},
    }
    own = word if "." in word else "integration.message"
    return Native(item, document, (word or "message",), own)


def _plain(element: Element) -> Any:
    children = list(element)
    return {local_name(child): _plain(child) for child in children} if children else element.text


ADAPTER = Boomi()
