"""ServiceNow: an incident by the Table API, created, updated and resolved.

Before it is created it is looked for by its correlation id, so that a repeated message makes no second one.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from alerting.channels.answer import Answer, Fate, Outcome, Request, classify, json_request
from alerting.channels.letter import Letter
from alerting.message import shorten
from alerting.targets import Rate
from slo_rules.durations import SECOND

PACE: Rate | None = Rate(5, SECOND)
NOTES = False
STAYS = True

SHORT_LIMIT, TEXT_LIMIT = 160, 4_000
RESOLVED = "6"
_URGENCIES = {"critical": "1", "error": "2", "warning": "2", "info": "3"}


def request(letter: Letter) -> Request | None:
    """A look for the incident where none is remembered, then its creation or its change."""
    found = letter.handle.get("sys_id")
    table = f"{letter.address.url.rstrip('/')}/api/now/table/incident"
    if found:
        return _call(letter, f"{table}/{quote(found, safe='')}", _changed(letter), "PATCH")
    if letter.step == 0:
        # A caret would begin another condition; keys have none, for they are made of an id.
        query = {"sysparm_query": f"correlation_id={letter.key}^ORDERBYDESCsys_created_on", "sysparm_limit": "1"}
        asked = json_request(f"{table}?{urlencode(query | {'sysparm_fields': 'sys_id,number'})}", None, "GET")
        return replace(asked, headers={**asked.headers, **_login(letter)}, body=b"")
    return None if letter.over else _call(letter, table, _created(letter))


def judge(letter: Letter, answer: Answer) -> Outcome:
    """As the status says; what was found or created is remembered."""
    outcome = classify(answer, letter.at)
    if answer.status == 404 and letter.handle.get("sys_id"):
        # Somebody deleted it: what fires becomes another one, what has resolved needs none.
        return Outcome(Fate.DELIVERED, "not_there", 404, remember={"sys_id": ""}, onward=not letter.over)
    if outcome.fate is not Fate.DELIVERED:
        return replace(outcome, disables=outcome.disables or answer.status in (401, 403))
    looked = not letter.handle.get("sys_id") and letter.step == 0
    try:
        result = orjson.loads(answer.body)["result"]
        rows = result if looked else [result]
        remember = {"key": letter.key} | {name: str(rows[0][name]) for name in ("sys_id", "number")} if rows else {}
    except (orjson.JSONDecodeError, LookupError, TypeError):
        if letter.handle.get("sys_id"):
            return outcome
        # An instance that sleeps answers 200 with a page.
        return Outcome(
            Fate.RETRY, "not_confirmed", answer.status, "the answer is none of the Table API", uncertain=True
        )
    return replace(outcome, remember=remember, onward=looked and (bool(rows) or not letter.over))


def _created(letter: Letter) -> dict[str, Any]:
    notice, address = letter.notice, letter.address
    urgency = _URGENCIES.get(notice.severity, "2")
    link = "".join(f"\n\n{words}: {url}" for words, url in notice.links)
    said = {
        "short_description": shorten(letter.heading, SHORT_LIMIT),
        "description": shorten(letter.say() + link, TEXT_LIMIT),
        "correlation_id": letter.key,
        "correlation_display": "Milepost",
        "urgency": urgency,
        "impact": urgency,
    }
    group = address.get("assignment_group")
    return said | ({"assignment_group": group} if group else {})


def _changed(letter: Letter) -> dict[str, Any]:
    said = shorten(letter.say(), TEXT_LIMIT)
    if letter.over:
        closing = {"state": RESOLVED, "close_code": "Resolved by caller", "close_notes": said}
        return closing | {"work_notes": said}
    return {"short_description": shorten(letter.heading, SHORT_LIMIT), "work_notes": said}


def _login(letter: Letter) -> dict[str, str]:
    user, secret = letter.address.get("user"), letter.address.secret or ""
    if not user:
        return {"authorization": f"Bearer {secret}", "accept": "application/json"}
    pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return {"authorization": f"Basic {pair}", "accept": "application/json"}


def _call(letter: Letter, url: str, document: dict[str, Any], method: str = "POST") -> Request:
    return json_request(url, document, method, **_login(letter))
