"""The contract of alerting on the real process: whoever was told that it fires is told that it resolved.

A webhook, a Slack app and a mailbox are told. Then it is acknowledged, silenced, routed elsewhere, and the process is
killed before it resolves.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from standardwebhooks import Webhook

from tests.acceptance import asking
from tests.acceptance.process import Serving, wait_until

if TYPE_CHECKING:
    from tests.integration.fix_alerting import Receiver
    from tests.integration.fix_mailbox import Mailbox
    from tests.integration.fix_vendors import Vendors

pytest_plugins = [f"tests.integration.{name}" for name in ("fix_alerting", "fix_mailbox", "fix_vendors")]
pytestmark = pytest.mark.acceptance

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
SIGNED_BY = "8f742231b10e8888abcd99yyyzzz85a5"
WORKFLOW = """
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: {name}, domain: orders, owner: erp-platform}}
spec:
  entity: {entity}
  keys: {{{entity}: data.id}}
  milestones:
    - {{name: made, on: {{exact: {{source: crm, type: {entity}.made}}}}, starts: true}}
    - {{name: accepted, on: {{exact: {{source: sap, type: {entity}.accepted}}}}, within: 1s, completes: true}}
---
"""
ROUTE = """
apiVersion: milepost/v1
kind: Route
metadata: {{name: {name}}}
spec:
  match: {{domain: orders}}
  {more}
  send_to:
"""
WAIT = 90


class Told:
    """Everybody who is told, and what there is to say to Milepost about it."""

    def __init__(self, folder: Path, receiver: Receiver, vendors: Vendors, mailbox: tuple[Mailbox, str]) -> None:
        self.receiver, self.slack, (self.mailbox, self.server) = receiver, vendors.slack, mailbox
        self.vendors = vendors
        self.file = folder / "definitions.yaml"
        self.route_to_all()
        self.serving = Serving(folder, self.file, "--private-hosts", "127.0.0.1")

    def route_to_all(self) -> None:
        slack = f'token: "${{SLACK_TOKEN}}", channel: {self.slack.channel}, api_url: "{self.vendors.url}/slack"'
        self.define(
            ROUTE.format(name="everything", more="")
            + self.hook("/hook")
            + f'    - {{slack: {{{slack}, signing_secret: "${{SLACK_SIGNING}}"}}}}\n'
            + f'    - {{email: {{server: "{self.server}", from: milepost@example.com, to: [erp@example.com]}}}}\n'
        )

    def route_elsewhere(self) -> None:
        self.define(ROUTE.format(name="elsewhere", more="") + self.hook("/elsewhere"))

    def define(self, route: str) -> None:
        """The workflows, a route, and one more whose hours are not today."""
        day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(datetime.now(UTC) + timedelta(days=3)).weekday()]
        calendar = "apiVersion: milepost/v1\nkind: Calendar\nmetadata: {name: another-day}\n"
        hours = f'spec: {{zone: UTC, hours: {{{day}: ["09:00-10:00"]}}}}\n'
        closed = ROUTE.format(name="in-hours", more="hours: another-day") + self.hook("/closed")
        workflows = [WORKFLOW.format(name=name, entity=name[:-1]) for name in ("orders", "refunds")]
        self.file.write_text("".join([*workflows, calendar, hours, "---", route, "---", closed]), "utf-8")

    def hook(self, path: str) -> str:
        return f'    - {{webhook: {{url: "{self.receiver.url}{path}", secret: "${{HOOK_SECRET}}"}}}}\n'

    def say(self, what: str, *ids: str) -> None:
        """Events of orders or refunds that just happened, in one batch."""
        entity, source = what.split(".", maxsplit=1)[0], "crm" if what.endswith("made") else "sap"
        base = {"specversion": "1.0", "type": what, "source": source, "time": datetime.now(UTC).isoformat()}
        batch = [base | {"id": f"{what}-{id_}", "data": {"id": f"{entity}-{id_}"}} for id_ in ids]
        kind = {"content-type": "application/cloudevents-batch+json"}
        answered = asking.post(f"{self.serving.url}/events", content=json.dumps(batch), headers=kind)
        assert answered.is_success, answered.text

    def post(self, path: str, **said: Any) -> Any:
        answered = asking.post(f"{self.serving.url}/api/v1{path}", json=said)
        assert answered.is_success, answered.text
        return answered.json()

    def incident(self, workflow: str, status: str = "firing") -> dict[str, Any] | None:
        items = asking.get(f"{self.serving.url}/api/v1/incidents").json()["items"]
        found = [one["id"] for one in items if one["workflow"] == workflow and one["status"] == status]
        whole: dict[str, Any] = asking.get(f"{self.serving.url}/api/v1/incidents/{found[0]}").json() if found else {}
        return whole or None

    def heard(self, path: str, workflow: str = "orders") -> list[dict[str, Any]]:
        """What came to a webhook, each held against its signature by the reference library."""
        bodies = [Webhook(SECRET).verify(one.raw, one.headers) for one in self.receiver.at(path)]
        return [body for body in bodies if body["data"]["incident"]["workflow"] == workflow]

    def kinds(self, path: str, workflow: str = "orders") -> list[str]:
        return [body["type"].rpartition(".")[2] for body in self.heard(path, workflow)]

    def roots(self) -> dict[str, dict[str, Any]]:
        """The messages in the channel that stand in no thread, by their timestamps."""
        return {ts: one for ts, one in self.slack.messages.items() if "thread_ts" not in one}

    def press(self, button: str) -> httpx.Response:
        """Press a button of the message that stands in the channel, as Slack says it."""
        (message,) = self.roots().values()
        (actions,) = [block for block in message["blocks"] if block["type"] == "actions"]
        (pressed,) = [one for one in actions["elements"] if one["text"]["text"] == button]
        said = {"type": "block_actions", "user": {"id": "U1", "name": "mia"}, "actions": [pressed]}
        body, at = urlencode({"payload": json.dumps(said)}).encode(), str(int(time.time()))
        digest = hmac.new(SIGNED_BY.encode(), b"v0:" + at.encode() + b":" + body, "sha256").hexdigest()
        headers = {"x-slack-request-timestamp": at, "x-slack-signature": f"v0={digest}"}
        form = {"content-type": "application/x-www-form-urlencoded"}
        return asking.post(f"{self.serving.url}/inbound/slack", content=body, headers=headers | form)


@pytest.fixture
def told(
    tmp_path: Path,
    receiver: Receiver,
    vendors: Vendors,
    mailbox: tuple[Mailbox, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Told]:
    secrets = {"HOOK_SECRET": SECRET, "SLACK_TOKEN": vendors.slack.token, "SLACK_SIGNING": SIGNED_BY}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    made = Told(tmp_path, receiver, vendors, mailbox)
    try:
        made.serving.start()
        yield made
    finally:
        made.serving.close()


def reasons(incident: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["target"], one["reason"], one["state"]) for one in incident["deliveries"]}


def test_every_firing_has_its_resolve_at_the_same_target_with_the_same_keys(told: Told) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    quiet = told.post("/silences", by="jo", reason="migrating", match={"workflow": "refunds"}, until=soon)
    told.say("order.made", "1", "2", "3")
    told.say("refund.made", "1")
    wait_until(lambda: told.heard("/hook") and told.roots() and told.mailbox.mails, WAIT, "everybody is told")
    targets = ("everything/webhook", "everything/slack", "everything/email")
    first = {(target, "first", "delivered") for target in targets}
    wait_until(lambda: reasons(told.incident("orders") or {}) == first, WAIT, "all of that is written down")

    # It is acknowledged where it was told, and the other one, of which nobody was told, by the API.
    assert told.press("Acknowledge").status_code == 200
    refunds = wait_until(lambda: told.incident("refunds"), WAIT, "the refunds are an incident")
    told.post(f"/incidents/{refunds['id']}/acknowledge", by="jo")
    acknowledged = told.incident("orders")
    assert acknowledged is not None
    assert acknowledged["acknowledged_by"] == "mia (Slack)"
    told.post("/silences", by="jo", reason="the queue is emptied", match={"workflow": "orders"}, until=soon)

    def decided() -> bool:
        now = {one["target"]: one["reason"] for one in (told.incident("orders") or {})["whom"]}
        return now == dict.fromkeys(targets, "silenced") | {"in-hours/webhook": "silenced"}

    wait_until(decided, WAIT, "the silence is heeded, and said of every target")

    # Everything goes elsewhere from now on, and the process dies.
    told.route_elsewhere()
    told.serving.kill(with_database=False)
    told.serving.start()
    told.say("order.accepted", "1", "2", "3")
    over = wait_until(lambda: told.incident("orders", "resolved"), WAIT, "it has resolved")
    resolved = first | {(target, "resolved", "delivered") for target in targets}

    def all_told() -> bool:
        return reasons(told.incident("orders", "resolved") or {}) == resolved

    wait_until(all_told, WAIT, "whoever was told that it fires is told that it resolved")
    assert told.kinds("/hook") == ["firing", "resolved"]
    assert len({body["data"]["dedup_key"] for body in told.heard("/hook")}) == 1
    assert {body["data"]["incident"]["id"] for body in told.heard("/hook")} == {over["id"]}
    ((ts, message),) = told.roots().items()
    assert message["text"].startswith("Resolved")
    assert [one["thread_ts"] for one in told.slack.messages.values() if "thread_ts" in one] == [ts]
    (_, mail), (_, last) = told.mailbox.mails
    assert (last["in-reply-to"], last["subject"]) == (mail["message-id"], f"Resolved: {mail['subject']}")
    # Of a silenced incident no new target hears, neither that it fires nor that it resolved.
    assert (told.heard("/elsewhere"), told.heard("/elsewhere", "refunds")) == ([], [])

    # The other one is told as soon as nothing keeps it quiet any more, to whom the routes name by then.
    assert asking.request("DELETE", f"{told.serving.url}/api/v1/silences/{quiet['id']}", json={"by": "jo"}).is_success
    told.post(f"/incidents/{refunds['id']}/withdraw", by="jo")
    wait_until(lambda: told.kinds("/elsewhere", "refunds") == ["firing"], WAIT, "people are told after the silence")
    told.say("refund.accepted", "1")
    wait_until(lambda: told.kinds("/elsewhere", "refunds") == ["firing", "resolved"], WAIT, "and that it is over")
    assert len({body["data"]["dedup_key"] for body in told.heard("/elsewhere", "refunds")}) == 1
    assert told.kinds("/hook", "refunds") == []
    assert told.receiver.at("/closed") == [], "nobody is told outside his hours"

    # The history says who did what, and every attempt what was answered, without a secret.
    done = [(line["what"], line["by"]) for line in over["timeline"] if line["by"]]
    assert done == [("acknowledged", "mia (Slack)")]
    attempts = asking.get(f"{told.serving.url}/api/v1/incidents/{over['id']}/attempts")
    assert {(one["target"], one["transition"], one["fate"]) for one in attempts.json()["items"]} == {
        (target, transition, "delivered") for target in targets for transition in ("firing", "resolved")
    }
    everything = attempts.text + told.serving.log.read_text()
    assert not [secret for secret in (SECRET, SIGNED_BY, told.slack.token) if secret in everything]
    assert told.serving.errors() == []
