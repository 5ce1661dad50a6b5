"""Slack. A bot keeps one message up to date and tells of changes in its thread; an incoming webhook posts each anew.

A webhook answers `ok` and nothing else. The API answers 200 also where it refuses: only `ok` in its body counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.channels.slack.blocks import STYLE, TEXT_LIMIT, fit, payload
from alerting.targets import Rate
from slo_rules.durations import SECOND

# One message a second is taken for a channel, and short bursts are.
PACE: Rate | None = Rate(5, 5 * SECOND)
NOTES = True
STAYS = True

_TRANSIENT = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_GONE = {
    "account_inactive", "channel_not_found", "invalid_auth", "is_archived", "missing_scope", "no_permission",
    "not_authed", "not_in_channel", "token_expired", "token_revoked", "restricted_action",
}  # fmt: skip
_CANNOT_UPDATE = {
    "cant_update_message", "channel_not_found", "edit_window_closed", "is_archived", "message_not_found",
    "not_in_channel",
}  # fmt: skip
_GONE_WEBHOOKS = {(404, b"no_service"), (410, b"channel_is_archived")}


def request(letter: Letter) -> Request | None:
    """A post, or an update of what was posted and then a word in its thread."""
    if not letter.address.secret:
        return json_request(letter.address.url, payload(letter), content_type=_JSON)
    posted, step = letter.handle.get("ts"), letter.step
    channel = letter.handle.get("channel") or letter.address.get("channel")
    if not posted:
        return _call(letter, "chat.postMessage", {"channel": channel, **_message(letter)})
    if step == 0:
        return _call(letter, "chat.update", {"channel": channel, "ts": posted, **_message(letter)})
    if step == 1:
        reply = {"channel": channel, "thread_ts": posted, "text": fit(letter.say(STYLE), TEXT_LIMIT)}
        return _call(letter, "chat.postMessage", reply | {"unfurl_links": False, "unfurl_media": False})
    return None


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says; but a webhook must answer `ok`, and the API `"ok": true`."""
    outcome = classify(answer, letter.at)
    if not letter.address.secret:
        return _judge_webhook(answer, outcome)
    if outcome.fate is not Fate.DELIVERED:
        return outcome
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("ok"), bool):
        return Outcome(Fate.RETRY, "not_confirmed", answer.status, "the answer is none of Slack's", uncertain=True)
    if not said["ok"]:
        return _refused(letter, str(said.get("error", "")), outcome)
    if letter.handle.get("ts"):
        # An update is quiet: those who read along hear of it in the thread.
        return replace(outcome, onward=letter.step == 0)
    remember = {name: said[name] for name in ("channel", "ts") if isinstance(said.get(name), str)}
    return replace(outcome, remember=remember)


def _judge_webhook(answer: Answer, outcome: Outcome) -> Outcome:
    body = answer.body.strip()
    if outcome.fate is Fate.DELIVERED and body != b"ok":
        return Outcome(Fate.RETRY, "not_confirmed", answer.status, "the answer was not ok", uncertain=True)
    return replace(outcome, disables=True) if (answer.status, body) in _GONE_WEBHOOKS else outcome


def _refused(letter: Letter, error: str, outcome: Outcome) -> Outcome:
    if error in _TRANSIENT:
        sure = error.startswith("rate")
        return replace(outcome, fate=Fate.RETRY, reason="slack_error", error=error, uncertain=not sure)
    if letter.step and letter.handle.get("ts"):
        # The message itself is up to date.
        return replace(outcome, reason="without_thread", error=error[:200])
    if error in _CANNOT_UPDATE and letter.handle.get("ts"):
        # Somebody deleted it, it is too old, or the channel is another one: say it anew.
        return replace(outcome, error=error, remember={"ts": "", "channel": ""}, onward=True)
    return replace(outcome, fate=Fate.FAILED, reason="refused", error=error[:200], disables=error in _GONE)


_JSON = "application/json; charset=utf-8"


def _message(letter: Letter) -> dict[str, Any]:
    return payload(letter, buttons=letter.buttons)


def _call(letter: Letter, method: str, document: dict[str, Any]) -> Request:
    url = f"{letter.address.url.rstrip('/')}/{method}"
    return json_request(url, document, content_type=_JSON, authorization=f"Bearer {letter.address.secret}")
