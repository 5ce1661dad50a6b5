"""Each channel against a local server with the limits and the error codes of its vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from alerting import outbox, repeating
from alerting.channels.reach import reach_of
from slo_rules.durations import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from fix_alerting import World
    from fix_vendors import Vendors

pytest_plugins = ["fix_alerting", "fix_vendors"]
LOOPBACK = reach_of(["127.0.0.1"])


def tell(world: World, vendors: Vendors, kind: str, **more: str) -> None:
    """An incident of this target's, told: 3 orders."""
    world.env |= vendors.env
    world.route(vendors.target(kind, **more))
    world.fire()
    world.send()


def grow(world: World) -> None:
    world.stuck(4)
    world.look(5 * MINUTE)
    world.send()


def clear(world: World) -> None:
    world.become("completed")
    world.look(SECOND)
    world.send()


def history(world: World) -> list[tuple[str, str, int | None]]:
    return [(row["fate"], row["reason"], row["status"]) for row in world.rows("delivery")]


class TestSlack:
    def test_one_message_is_kept_up_to_date_and_its_thread_tells_of_changes(
        self, world: World, vendors: Vendors
    ) -> None:
        tell(world, vendors, "slack")
        grow(world)
        clear(world)
        first, *thread = vendors.slack.messages.values()
        assert first["blocks"][0]["text"]["text"] == "Resolved: Orders waiting for Order accepted from sap"
        assert [one["thread_ts"] for one in thread] == ["1790000000.000000"] * 2
        assert thread[0]["text"].startswith("Grown from 3 to 7: 7 orders worth USD 7 k are waiting for")
        assert thread[1]["text"].startswith("Resolved: no orders are waiting too long")
        assert world.rows("incident_target")[0]["handle"] | {"told_at": ""} == {
            "channel": "C024BE91L",
            "ts": "1790000000.000000",
            "told_at": "",
        }

    def test_the_bytes_are_these(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "slack")
        (call,) = vendors.slack.calls
        link = world.rows("outbox")[0]["notice"]["link"].replace("&", "&amp;")
        said = (
            "3 orders worth USD 3 k are waiting for *Order accepted* from sap, oldest since 14:13 UTC. "
            "Owner: erp-platform."
        )
        assert call.raw == orjson.dumps(
            {
                "channel": "C024BE91L",
                "text": said,
                "blocks": [
                    {
                        "type": "header",
                        "text": {"type": "plain_text", "text": "Firing: Orders waiting for Order accepted from sap"},
                    },
                    {"type": "section", "text": {"type": "mrkdwn", "text": said}},
                    {"type": "section", "text": {"type": "mrkdwn", "text": f"<{link}|Open the list>"}},
                ],
                "unfurl_links": False,
                "unfurl_media": False,
            }
        )

    def test_ok_false_is_no_delivery_although_the_status_is_200(self, world: World, vendors: Vendors) -> None:
        vendors.slack.say.append((200, {}, b'{"ok":false,"error":"internal_error"}'))
        tell(world, vendors, "slack")
        assert vendors.slack.messages == {}
        world.send(MINUTE)
        assert len(vendors.slack.messages) == 1
        assert history(world) == [("retry", "slack_error", 200), ("delivered", "delivered", 200)]

    def test_429_waits_as_long_as_it_says(self, world: World, vendors: Vendors) -> None:
        vendors.slack.say.append((429, {"retry-after": "120"}, b'{"ok":false,"error":"ratelimited"}'))
        tell(world, vendors, "slack")
        world.send(119 * SECOND)
        assert len(vendors.slack.calls) == 1
        world.send(2 * SECOND)
        assert len(vendors.slack.messages) == 1

    def test_a_token_that_was_revoked_disables_the_target_and_its_owner_hears_of_it_elsewhere(
        self, world: World, vendors: Vendors
    ) -> None:
        vendors.slack.token = "xoxb-other"
        world.route(world.webhook())
        world.env |= vendors.env | {"SLACK_TOKEN": "xoxb-hush"}
        world.route(vendors.target("slack"), name="erp")
        world.fire()
        assert world.send().disabled == ("erp/slack",)
        world.send(SECOND)
        firing, note = world.receiver.received
        assert (firing.transition, note.transition) == ("firing", "note")
        assert note.body["data"]["message"].startswith(
            "Not delivered to erp/slack (refused, 200, invalid_auth): Orders"
        )
        assert "hush" not in str([row["sent"] + row["answer"] for row in world.rows("delivery")])

    def test_a_message_that_somebody_deleted_is_said_anew(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "slack")
        vendors.slack.messages.clear()
        clear(world)
        (said,) = vendors.slack.messages.values()
        assert said["blocks"][0]["text"]["text"].startswith("Resolved: ")
        assert world.outbox()[-1] == ("resolved", "delivered", "delivered")

    def test_a_message_whose_thread_takes_no_word_is_up_to_date_all_the_same(
        self, world: World, vendors: Vendors
    ) -> None:
        tell(world, vendors, "slack")
        (ts,) = vendors.slack.messages
        kept = (200, {}, orjson.dumps({"ok": True, "channel": vendors.slack.channel, "ts": ts}))
        vendors.slack.say += [kept, (200, {}, b'{"ok":false,"error":"restricted_action"}')]
        clear(world)
        assert world.outbox()[-1] == ("resolved", "delivered", "without_thread")

    def test_buttons_are_there_where_they_are_heard_and_while_it_fires(self, world: World, vendors: Vendors) -> None:
        world.env["SIGNING"] = "8f742231b10e8888abcd99yyyzzz85a5"
        tell(world, vendors, "slack", signing_secret="${SIGNING}")
        (said,) = vendors.slack.messages.values()
        pressed = {one["action_id"]: one["value"] for one in said["blocks"][-1]["elements"]}
        incident = str(world.rows("incident")[0]["id"])
        assert pressed == {"milepost_acknowledge": incident, "milepost_resolve": incident}
        clear(world)
        assert "actions" not in [block["type"] for block in next(iter(vendors.slack.messages.values()))["blocks"]]

    def test_a_template_of_the_target_is_what_is_said(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "slack", title="{{ count }} late", text="{{ value }} <since> {{ oldest_since }}",
             zone="Europe/Berlin", locale="de_DE")  # fmt: skip
        (said,) = vendors.slack.messages.values()
        assert said["blocks"][0]["text"]["text"] == "3 late"
        assert said["text"] == "3.000,00\u00a0$ &lt;since&gt; 16:13 CEST"

    def test_a_faulty_template_is_passed_over_and_reports_itself(self, world: World, vendors: Vendors) -> None:
        world.env |= vendors.env
        world.route(vendors.target("slack", text="{{ nothing.here }}"))
        world.fire()
        report = world.send()
        assert list(report.faulty) == ["default/slack"]
        (said,) = vendors.slack.messages.values()
        assert said["text"].startswith("3 orders worth USD 3 k are waiting")
        assert "The template of default/slack cannot be used: text: 'nothing' is undefined." in said["text"]
        assert world.rows("delivery")[0]["remark"] == "text: 'nothing' is undefined"


class TestTeams:
    def test_202_is_taken_as_accepted(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "teams")
        clear(world)
        titles = [one["attachments"][0]["content"]["body"][0]["text"] for one in vendors.teams.posted]
        assert titles == [f"{word}: Orders waiting for Order accepted from sap" for word in ("Firing", "Resolved")]
        assert world.outbox() == [("firing", "delivered", "accepted"), ("resolved", "delivered", "accepted")]

    def test_the_bytes_are_these(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "teams")
        said = (
            "3 orders worth USD 3 k are waiting for **Order accepted** from sap, oldest since 14:13 UTC. "
            "Owner: erp-platform."
        )
        link = world.rows("outbox")[0]["notice"]["link"]
        title = "Firing: Orders waiting for Order accepted from sap"
        heading = {"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": True}
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": [heading | {"color": "Attention"}, {"type": "TextBlock", "text": said, "wrap": True}],
            "actions": [{"type": "Action.OpenUrl", "title": "Open the list", "url": link}],
        }
        card = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": content,
        }
        assert vendors.teams.raw == [orjson.dumps({"type": "message", "attachments": [card]})]

    def test_a_card_stays_small_enough_to_be_posted(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "teams", text="{% for one in sentence %}\u4e16\\_*{{ sentence }}{% endfor %}")
        assert len(vendors.teams.posted) == 1

    def test_a_url_that_is_not_signed_any_more_disables_the_target(self, world: World, vendors: Vendors) -> None:
        world.env["TEAMS"] = f"{vendors.url}/teams/workflows/1?sig=old"
        world.route({"teams": {"url": "${TEAMS}"}})
        world.fire()
        assert world.send().disabled == ("default/teams",)


class TestPagerDuty:
    def test_a_resolve_has_the_key_of_its_firing(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "pagerduty")
        grow(world)
        (events,) = vendors.pagerduty.open.values()
        assert len(events) == 2
        clear(world)
        assert vendors.pagerduty.open == {}
        assert vendors.pagerduty.resolved == [f"milepost-{world.rows('incident')[0]['id']}"]

    def test_the_bytes_of_a_resolve_are_these(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "pagerduty")
        clear(world)
        key = f"milepost-{world.rows('incident')[0]['id']}"
        assert vendors.pagerduty.raw[-1] == orjson.dumps(
            {"routing_key": vendors.pagerduty.key, "event_action": "resolve", "dedup_key": key}
        )
        assert vendors.pagerduty.key not in str(world.rows("delivery"))

    def test_a_resolve_goes_to_the_integration_that_was_told_although_the_target_has_another_now(
        self, world: World, vendors: Vendors
    ) -> None:
        tell(world, vendors, "pagerduty")
        world.routes.clear()
        world.env["OTHER"] = "f" * 32
        moved = vendors.target("pagerduty")
        moved["pagerduty"]["routing_key"] = "${OTHER}"
        world.route(moved)
        clear(world)
        assert vendors.pagerduty.open == {}

    def test_400_is_final_and_told_elsewhere(self, world: World, vendors: Vendors) -> None:
        world.route(world.webhook(), name="other")
        vendors.pagerduty.say.append((400, {}, b'{"status":"invalid event","errors":["no"]}'))
        tell(world, vendors, "pagerduty")
        world.send(SECOND)
        assert ("firing", "dead", "refused") in world.outbox()
        assert [each.transition for each in world.receiver.received] == ["firing", "note"]

    def test_429_is_not_taken_and_comes_again(self, world: World, vendors: Vendors) -> None:
        vendors.pagerduty.say.append((429, {"retry-after": "30"}, b""))
        tell(world, vendors, "pagerduty")
        world.send(31 * SECOND)
        assert len(vendors.pagerduty.open) == 1

    def test_whatever_is_said_stays_within_the_limits(self, world: World, vendors: Vendors) -> None:
        world.env |= vendors.env
        world.route(vendors.target("pagerduty"))
        world.stuck(2, waiting_for="m" * 5000, source_awaited="s" * 5000, owner="o" * 5000)
        world.look()
        world.look(15 * SECOND)
        assert world.send().delivered == 1


class TestJiraOps:
    def test_an_alert_is_created_updated_and_closed_by_its_alias(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "jira_ops")
        grow(world)
        ((alias, alert),) = vendors.jira.alerts.items()
        assert alert["count"] == 1
        assert alert["priority"] == "P1"
        assert alert["message"] == "Growing: Orders waiting for Order accepted from sap"
        assert alert["description"].startswith("Grown from 3 to 7")
        clear(world)
        assert vendors.jira.closed == [alias]


class TestServiceNow:
    def test_an_incident_is_created_updated_and_resolved(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "servicenow")
        grow(world)
        clear(world)
        (incident,) = vendors.servicenow.incidents.values()
        assert incident["state"] == "6"
        assert incident["correlation_id"] == f"milepost-{world.rows('incident')[0]['id']}"
        assert incident["close_notes"].startswith("Resolved: no orders")
        assert world.rows("incident_target")[0]["handle"]["number"] == "INC0000000"

    def test_one_that_was_created_by_a_sender_that_died_is_found_again(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "servicenow")
        world.conn.execute("UPDATE outbox SET state = 'pending', settled_at = NULL")
        world.conn.execute("UPDATE incident_target SET handle = '{}'")
        world.conn.commit()
        world.send(HOUR)
        assert len(vendors.servicenow.incidents) == 1

    def test_one_that_somebody_deleted_is_created_anew_while_it_fires(self, world: World, vendors: Vendors) -> None:
        tell(world, vendors, "servicenow")
        vendors.servicenow.incidents.clear()
        grow(world)
        assert len(vendors.servicenow.incidents) == 1
        vendors.servicenow.incidents.clear()
        clear(world)
        assert world.outbox()[-1] == ("resolved", "delivered", "not_there")

    def test_an_instance_that_sleeps_is_tried_again(self, world: World, vendors: Vendors) -> None:
        vendors.servicenow.asleep = True
        tell(world, vendors, "servicenow")
        vendors.servicenow.asleep = False
        world.send(MINUTE)
        assert len(vendors.servicenow.incidents) == 1


class TestAlertmanager:
    def repeat(self, world: World, passed: int) -> repeating.Report:
        world.now += passed
        return repeating.run_once(world.conn, world.now, world.client, world.routes, world.env)

    def test_what_fires_is_said_again_and_what_has_resolved_for_five_minutes(
        self, world: World, vendors: Vendors
    ) -> None:
        tell(world, vendors, "alertmanager")
        assert self.repeat(world, 59 * SECOND) == repeating.Report()
        # It is restarted, and has forgotten everything.
        vendors.alertmanager.alerts.clear()
        assert self.repeat(world, 2 * SECOND) == repeating.Report(1)
        ((labels, alert),) = vendors.alertmanager.alerts.items()
        assert dict(labels)["alertname"] == "MilepostStuck"
        assert alert["startsAt"] == "2026-09-21T14:13:20Z"
        clear(world)
        ((same, resolved),) = vendors.alertmanager.alerts.items()
        assert same == labels
        assert resolved["endsAt"] < alert["endsAt"]
        for _ in range(4):
            assert self.repeat(world, MINUTE + SECOND).repeated == 1
        assert self.repeat(world, MINUTE + SECOND).repeated == 0
        assert self.repeat(world, HOUR).repeated == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_apprise_can_reach_is_reached(world: World) -> None:
    pytest.importorskip("apprise")
    world.env["APPRISE"] = world.receiver.url.replace("http://", "json://") + "/apprise"
    world.route({"apprise": {"url": "${APPRISE}"}})
    world.fire()
    assert outbox.run_once(world.conn, world.now, world.client, world.routes, world.env, reach=LOOPBACK).delivered == 1
    (received,) = world.receiver.received
    assert received.body["title"] == "Firing: Orders waiting for Order accepted from sap"
