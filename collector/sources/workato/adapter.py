"""Workato: jobs from activity audit log streaming, messages of event streams, and what recipes send.

A job comes when it is over, and again when it is repeated. Topics of event streams push nothing and are asked:
https://docs.workato.com/workato-api/pubsub.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from collector.sources.bodies import MAX_ITEMS, json_of, object_of
from collector.sources.exchange import Native, Received, Unfit, Unreadable
from collector.sources.named_ids import named_ids
from collector.sources.polled import Ask, Polled, State, Step
from collector.sources.sensitive import Hidden, hide
from slo_rules import adapter as said
from slo_rules.filters import spell
from slo_rules.instants import rfc3339

BATCH = 50
_WAIT_SECONDS = 0
_ADDRESS = "user_email"
_encode = msgspec.json.Encoder().encode


class Workato(Polled):
    """See docs/sources/workato.md."""

    takes = frozenset(("authentication",))
    needs = "either"
    knows_by = "bearer"

    def ask(self, poll: said.Poll, name: str, state: State, now: int) -> Ask:
        place = {"after_message_id": state["after"]} if "after" in state else {}
        place = place or {"since_time": state.get("time") or rfc3339(now - poll.lookback)}
        body = _encode(place | {"batch_size": BATCH, "timeout_secs": _WAIT_SECONDS})
        return Ask("POST", f"/api/v1/topics/{name}/consume", body=body, headers={"content-type": "application/json"})

    def step(self, poll: said.Poll, name: str, state: State, answer: bytes, now: int) -> Step:
        messages = object_of(answer).get("messages")
        if not isinstance(messages, list):
            raise Unreadable("the answer holds no messages")
        if not messages:
            return Step(state, more=False, holds=False)
        last = messages[-1]
        place, at = (last.get("message_id"), last.get("time")) if isinstance(last, dict) else (None, None)
        if not isinstance(place, str) or not place:
            raise Unreadable("its last message has no message_id to go on from")
        if place == state.get("after"):
            raise Unreadable("the answer does not go on from where it was asked on")
        return Step({"after": place, "time": at}, more=len(messages) >= BATCH, holds=True)

    def without_place(self, state: State) -> State | None:
        # A message is only a place as long as the topic keeps it; its time is one for ever.
        return {"time": state["time"]} if "after" in state and state.get("time") else None

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        """Who owns a recipe is nobody's business here, whatever a source says."""
        document = json_of(received.body)
        if isinstance(document, dict) and isinstance(wrapped := document.get("logEntries"), str):
            document["logEntries"] = json_of(wrapped.encode("utf-8", "surrogatepass"))
        _drop_addresses(document)
        if hidden is not None:
            hide(document, hidden)
        return _encode(document)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        found = json_of(received.body)
        if isinstance(found, dict) and isinstance(found.get("messages"), list):
            members, are_messages = found["messages"], True
        else:
            members, are_messages = _jobs(found), False
        if len(members) > MAX_ITEMS:
            raise Unreadable(f"has {len(members)} entries; at most {MAX_ITEMS} are taken at once")
        for item, member in enumerate(members):
            if not isinstance(member, dict):
                yield Unfit(item, "not a JSON object")
            else:
                yield _message(item, member) if are_messages else _event(item, member, source)
        if not members:
            yield Native(0, {}, ("nothing",))


def _drop_addresses(found: Any) -> None:
    todo = [found]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            one.pop(_ADDRESS, None)
        todo.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())


def _jobs(found: Any) -> list[Any]:
    """The jobs of a body: itself, or what a template of the customer's wraps it in."""
    if isinstance(found, dict) and "logEntries" in found and "id" not in found:
        wrapped = found["logEntries"]
        if isinstance(wrapped, str):
            wrapped = json_of(wrapped.encode("utf-8", "surrogatepass"))
        found = wrapped
    return found if isinstance(found, list) else [found]


def _event(item: int, body: dict[str, Any], source: said.Adapter) -> Native | Unfit:
    """A job, which has a recipe; or what a recipe sends, in the form of docs/sources/workato.md."""
    if "recipe_id" not in body and "status" not in body:
        type_ = spell(body.get("event_type"))
        return Native(item, body | {"payload": body}, (type_,) if type_ else (), type_ or "")
    if source.tenant and spell(body.get("account_id")) != source.tenant:
        return Unfit(item, f"of another account than {source.tenant!r}")
    status = spell(body.get("status"))
    if not status or not spell(body.get("id")):
        return Unfit(item, "a job without id and status")
    event_id = ":".join(str(spell(body.get(name)) or 0) for name in ("id", "status", "repeat_count"))
    document = body | {"job": body, "event_id": event_id, "named": named_ids(body.get("title"))}
    word = f"job:{status.lower()}"
    words = ("job:test",) if body.get("is_test") is True else (word,)
    return Native(item, document, words, f"integration.job.{status.lower()}".replace(" ", "_"))


def _message(item: int, message: dict[str, Any]) -> Native:
    payload = message.get("payload")
    if isinstance(payload, str):
        # A topic may carry text, which often is JSON all the same.
        try:
            payload = object_of(payload.encode("utf-8", "surrogatepass"))
        except Unreadable:
            payload = {"text": payload}
    inner = payload if isinstance(payload, dict) else {}
    type_ = next((text for name in ("event_type", "type") if (text := spell(inner.get(name)))), "")
    document = {"event_id": message.get("message_id"), "message_time": message.get("time"), "payload": payload}
    return Native(item, document, (type_ or "message",), type_ or "integration.message")


ADAPTER = Workato()
