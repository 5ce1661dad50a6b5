"""Local servers that take and refuse what the vendors' own do: limits, error codes, what they remember."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

JSON = "application/json"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


def answer(document: object, status: int = 200, **headers: str) -> Answer:
    return status, {"content-type": JSON, **headers}, json.dumps(document).encode()


@dataclass
class Slack:
    """chat.postMessage and chat.update, of a workspace with one channel; incoming webhooks under /services/."""

    token: str = "xoxb-hush"
    channel: str = "C024BE91L"
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    say: list[Answer] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        self.calls.append(call)
        if self.say:
            return self.say.pop(0)
        if call.path.startswith("/slack/services/"):
            return (200, {}, b"ok") if call.body.get("text") else (400, {}, b"no_text")
        if call.headers.get("authorization") != f"Bearer {self.token}":
            return answer({"ok": False, "error": "invalid_auth"})
        if "charset" not in call.headers["content-type"]:
            return answer({"ok": False, "error": "missing_charset"})
        body = call.body
        if body.get("channel") != self.channel:
            return answer({"ok": False, "error": "channel_not_found"})
        if error := self._refuses(body):
            return answer({"ok": False, "error": error})
        if call.path.endswith("chat.update"):
            if body["ts"] not in self.messages:
                return answer({"ok": False, "error": "message_not_found"})
            self.messages[body["ts"]] |= body
            return answer({"ok": True, "channel": self.channel, "ts": body["ts"]})
        if "thread_ts" in body and body["thread_ts"] not in self.messages:
            return answer({"ok": False, "error": "thread_not_found"})
        ts = f"1790000000.{len(self.messages):06}"
        self.messages[ts] = body
        return answer({"ok": True, "channel": self.channel, "ts": ts})

    @staticmethod
    def _refuses(body: dict[str, Any]) -> str:
        blocks = body.get("blocks", [])
        if not body.get("text"):
            return "no_text"
        for block in blocks:
            text = block.get("text", {}).get("text", "x")
            limit = 150 if block["type"] == "header" else 3000
            if not text or len(text) > limit or len(block.get("elements", ())) > 25:
                return "invalid_blocks"
        return "invalid_blocks" if len(blocks) > 50 else ""


@dataclass
class Teams:
    """A workflow: it is triggered by anything, and posts only cards that Teams takes."""

    posted: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    say: list[Answer] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        if self.say:
            return self.say.pop(0)
        if call.query.get("sig") != ["hush"]:
            return answer({"error": {"code": "DirectApiAuthorizationRequired"}}, 401)
        self.raw.append(call.raw)
        body = call.body
        # What Teams makes of it is larger than what was sent.
        if len(call.raw) * 1.2 < 28_672 and body["attachments"][0]["content"]["type"] == "AdaptiveCard":
            self.posted.append(body)
        return 202, {}, b""


@dataclass
class PagerDuty:
    """Events API v2: one alert for each open key of an integration."""

    key: str = "0123456789abcdef0123456789abcdef"
    open: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    say: list[Answer] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        self.raw.append(call.raw)
        if self.say:
            return self.say.pop(0)
        body = call.body
        faults = []
        if body.get("routing_key") != self.key:
            faults.append("Invalid routing key")
        if len(body.get("dedup_key", "")) > 255:
            faults.append("Length of 'dedup_key' is incorrect")
        if body.get("event_action") == "trigger":
            payload = body.get("payload", {})
            if not 0 < len(payload.get("summary", "")) <= 1024:
                faults.append("Length of 'payload.summary' is incorrect")
            if payload.get("severity") not in ("critical", "error", "warning", "info"):
                faults.append("'payload.severity' is invalid")
            if not payload.get("source"):
                faults.append("'payload.source' is missing or blank")
        elif body.get("event_action") not in ("resolve", "acknowledge"):
            faults.append("'event_action' is invalid")
        if faults or len(call.raw) > 512 * 1024:
            return answer({"status": "invalid event", "message": "Event object is invalid", "errors": faults}, 400)
        key = body["dedup_key"]
        if body["event_action"] == "trigger":
            self.open.setdefault(key, []).append(body)
        elif self.open.pop(key, None):
            self.resolved.append(key)
        return answer({"status": "success", "message": "Event processed", "dedup_key": key}, 202)


@dataclass
class JiraOps:
    """The Alert API: alerts by alias while they are open."""

    key: str = "genie-hush"
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"GenieKey {self.key}":
            return answer({"message": "Key format is not valid!"}, 401)
        body, parts = call.body, call.path.split("/")[2:]
        done = answer({"result": "Request will be processed", "took": 0.1, "requestId": "r-1"}, 202)
        if parts == ["v2", "alerts"]:
            longest = {"message": 130, "alias": 512, "description": 15_000, "entity": 512}
            if any(len(body.get(name, "")) > most for name, most in longest.items()) or len(body["tags"]) > 20:
                return answer({"message": "Request body is not processable."}, 422)
            self.alerts.setdefault(body["alias"], body | {"count": 0})["count"] += 1
            return done
        alias, what = unquote(parts[2]), parts[3]
        if call.query.get("identifierType") != ["alias"]:
            return answer({"message": "Alert with id does not exist"}, 404)
        if what == "close":
            self.closed.append(alias)
            self.alerts.pop(alias, None)
        elif call.method == "PUT" and alias in self.alerts:
            self.alerts[alias] |= body
        return done


@dataclass
class ServiceNow:
    """The Table API of incidents."""

    login: str = "Basic " + base64.b64encode(b"milepost:hush-hush").decode()
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    asleep: bool = False

    def __call__(self, call: Call) -> Answer:
        if self.asleep:
            return 200, {"content-type": "text/html"}, b"<html>Your instance is hibernating</html>"
        if call.headers.get("authorization") != self.login:
            return answer({"error": {"message": "User Not Authenticated"}, "status": "failure"}, 401)
        if call.method == "GET":
            wanted = call.query["sysparm_query"][0].partition("^")[0].partition("=")[2]
            rows = [one for one in self.incidents.values() if one["correlation_id"] == wanted]
            return answer({"result": [{"sys_id": one["sys_id"], "number": one["number"]} for one in rows[:1]]})
        if call.method == "POST":
            id_ = f"{len(self.incidents):032x}"
            self.incidents[id_] = {**call.body, "sys_id": id_, "number": f"INC{len(self.incidents):07}", "state": "1"}
            return answer({"result": self.incidents[id_]}, 201)
        id_ = call.path.rsplit("/", 1)[1]
        if id_ not in self.incidents:
            return answer({"error": {"message": "No Record found"}}, 404)
        self.incidents[id_] |= call.body
        return answer({"result": self.incidents[id_]})


@dataclass
class Alertmanager:
    """Alerts in memory, by their labels."""

    alerts: dict[tuple[tuple[str, str], ...], dict[str, Any]] = field(default_factory=dict)
    posts: int = 0

    def __call__(self, call: Call) -> Answer:
        self.posts += 1
        if call.headers["content-type"] != JSON:
            return answer({"code": 415}, 415)
        for one in call.body:
            if not one["labels"].get("alertname") or one["endsAt"] < one["startsAt"]:
                return answer("bad", 400)
            self.alerts[tuple(sorted(one["labels"].items()))] = one
        return 200, {}, b""


@dataclass
class Vendors:
    url: str = ""
    slack: Slack = field(default_factory=Slack)
    teams: Teams = field(default_factory=Teams)
    pagerduty: PagerDuty = field(default_factory=PagerDuty)
    jira: JiraOps = field(default_factory=JiraOps)
    servicenow: ServiceNow = field(default_factory=ServiceNow)
    alertmanager: Alertmanager = field(default_factory=Alertmanager)

    @property
    def env(self) -> dict[str, str]:
        return {
            "SLACK_TOKEN": self.slack.token,
            "SLACK_HOOK": f"{self.url}/slack/services/T0/B0/hush",
            "TEAMS": f"{self.url}/teams/workflows/1/triggers/manual/paths/invoke?sig=hush",
            "PAGERDUTY": self.pagerduty.key,
            "JIRA": self.jira.key,
            "SERVICENOW": "hush-hush",
        }

    def target(self, kind: str, **more: str) -> dict[str, Any]:
        """What a route says of the target of this kind."""
        said: dict[str, dict[str, str]] = {
            "slack": {"token": "${SLACK_TOKEN}", "channel": self.slack.channel, "api_url": f"{self.url}/slack"},
            "teams": {"url": "${TEAMS}"},
            "pagerduty": {"routing_key": "${PAGERDUTY}", "api_url": f"{self.url}/pagerduty"},
            "jira_ops": {"api_key": "${JIRA}", "team": "erp", "api_url": f"{self.url}/jira"},
            "servicenow": {"url": f"{self.url}/servicenow", "user": "milepost", "password": "${SERVICENOW}"},
            "alertmanager": {"url": f"{self.url}/alertmanager"},
        }
        return {kind: said[kind] | more}


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    found = Vendors()
    doors: dict[str, Callable[[Call], Answer]] = {
        "slack": found.slack,
        "teams": found.teams,
        "pagerduty": found.pagerduty,
        "jira": found.jira,
        "servicenow": found.servicenow,
        "alertmanager": found.alertmanager,
    }

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, parts.path, parse_qs(parts.query), headers, raw)
            status, headers, body = doors[parts.path.split("/")[1]](call)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _take  # noqa: N815 — the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
