from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting import undelivered
from alerting.address import Address
from alerting.channels.answer import Answer, Fate
from alerting.channels.email import channel as mail
from alerting.channels.jira_ops import channel as jira_ops
from alerting.channels.letter import Letter
from alerting.channels.pagerduty import channel as pagerduty
from alerting.channels.registry import CHANNELS
from alerting.channels.scrub import scrub
from alerting.channels.slack import channel as slack
from alerting.channels.teams import channel as teams
from alerting.message import Notice
from alerting.reader import Reader
from alerting.rendering import letter
from alerting.targets import Target
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.target_fields import TARGET_KINDS
from tests.examples import examples

NOW = 1_790_000_000 * SECOND
MAIL = (("from", "Milepost <a@example.com>"), ("to", "b@example.com, C <c@example.com>"))
NOTICE = Notice(
    incident="6f9619ff-8b86-d011-b42d-00cf4fc964ff", verdict="stuck", severity="critical", workflow="order-to-cash",
    waiting_for="order_accepted", source="sap", entity="order", count=37, at=NOW, opened_at=NOW - HOUR,
    oldest_since=NOW - DAY, value=[("EUR", "1234567.80")], owner="erp", link="https://m.example/list?a=1&b=2",
)  # fmt: skip


def made(**changes: Any) -> Letter:
    return Letter(replace(NOTICE, **changes), Address("https://x.example", "secret-key", MAIL), "msg_1", NOW)


def test_every_kind_that_a_file_may_name_has_a_channel() -> None:
    assert set(CHANNELS) == set(TARGET_KINDS)


@given(st.text(max_size=3_000), st.text(max_size=300), st.sampled_from(["firing", "updated", "resolved", "note"]))
@settings(max_examples=examples(60))
def test_whatever_is_told_every_channel_stays_within_its_limits(text: str, name: str, transition: str) -> None:
    said = made(
        transition=transition, source=text * 20, workflow=name * 50, waiting_for=text, owner=name, verdict="stuck",
        apart=[text] * 9, runbook=f"https://{text}", acknowledged_by=name, per_hour=1e9,
    )  # fmt: skip
    said = replace(said, title=text * 3, text=text * 20)
    card = teams.request(said)
    assert card is not None
    assert len(card.body) <= teams.CARD_LIMIT
    event = pagerduty.event(said)
    assert len(event["dedup_key"]) <= 255
    assert len(event.get("payload", {}).get("summary", "")) <= 1024
    assert len(orjson.dumps(event)) < 512 * 1024
    alert = jira_ops.alert(said)
    assert len(alert["message"]) <= 130
    assert len(alert["description"]) <= 15_000
    assert sum(map(len, alert["details"].values())) <= 8_000
    assert all(len(tag) <= 50 for tag in alert["tags"])
    body = mail.message(said)
    assert "\n" not in body["Subject"]
    assert body.as_bytes()


RUNBOOK = "https://wiki.example.com/erp?a=1&b=<2>|3"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("slack", "<https://wiki.example.com/erp?a=1&amp;b=&lt;2&gt;%7C3|What to do>"),
        ("teams", '{"type":"Action.OpenUrl","title":"What to do","url":"' + RUNBOOK + '"}'),
        ("pagerduty", '{"href":"' + RUNBOOK + '","text":"What to do"}'),
        ("jira_ops", f"What to do: {RUNBOOK}"),
        ("alertmanager", f'"runbook_url":"{RUNBOOK}"'),
        ("servicenow", f"What to do: {RUNBOOK}"),
        ("apprise", f"What to do: {RUNBOOK}"),
        ("webhook", f'"runbook":"{RUNBOOK}"'),
        ("email", "What to do: https://wiki.example.com"),
    ],
)
def test_whoever_is_told_can_open_the_runbook(kind: str, shown: str) -> None:
    def body(**changes: Any) -> str:
        said = replace(made(**changes), step=1 if kind == "servicenow" else 0)
        if kind == "webhook":
            said = replace(said, address=Address("https://x.example"))
        wanted = CHANNELS[kind].request(said)
        assert wanted is not None
        return wanted.body if isinstance(wanted.body, str) else wanted.body.decode()

    assert shown in body(runbook=RUNBOOK)
    assert not any(word in body() for word in ("What to do", "runbook_url"))


@pytest.mark.parametrize(
    ("error", "fate", "disables", "uncertain"),
    [
        ("ratelimited", Fate.RETRY, False, False),
        ("internal_error", Fate.RETRY, False, True),
        ("invalid_auth", Fate.FAILED, True, False),
        ("channel_not_found", Fate.FAILED, True, False),
        ("invalid_blocks", Fate.FAILED, False, False),
    ],
)
def test_what_slack_says_with_200(error: str, fate: Fate, *, disables: bool, uncertain: bool) -> None:
    outcome = slack.judge(made(), Answer(200, {}, orjson.dumps({"ok": False, "error": error})))
    assert (outcome.fate, outcome.disables, outcome.uncertain) == (fate, disables, uncertain)


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b'{"ok":1}', b"<html>"])
def test_what_is_no_answer_of_slack_is_not_taken_for_one(body: bytes) -> None:
    assert slack.judge(made(), Answer(200, {}, body)).reason == "not_confirmed"


@pytest.mark.parametrize(
    ("status", "fate", "disables"),
    [
        (250, Fate.DELIVERED, False),
        (421, Fate.RETRY, False),
        (451, Fate.RETRY, False),
        (535, Fate.FAILED, True),
        (550, Fate.FAILED, True),
        (552, Fate.FAILED, False),
    ],
)
def test_what_a_mail_server_says(status: int, fate: Fate, *, disables: bool) -> None:
    outcome = mail.judge(made(), Answer(status, {}, b""))
    assert (outcome.fate, outcome.disables) == (fate, disables)


def test_a_mail_that_is_sent_twice_is_the_same_mail_and_later_ones_follow_it() -> None:
    first, again, later = mail.message(made()), mail.message(made()), mail.message(made(transition="resolved"))
    assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
    assert later["References"] == first["Message-ID"]


def test_teams_takes_no_markup_from_outside() -> None:
    said = orjson.dumps(teams.card(made(source="[click](https://evil.example) <at>all</at>")))
    assert b"[click](" not in said
    assert b"<at>" not in said


@pytest.mark.parametrize(
    ("reader", "at", "worth", "length"),
    [
        (Reader(), "14:13 UTC", ["EUR 1.2 M"], "1d2h5s"),
        (Reader("Asia/Tokyo"), "23:13 JST", ["EUR 1.2 M"], "1d2h5s"),
        (Reader("Europe/Berlin", "de_DE"), "16:13 CEST", ["1,2\u00a0Mio.\u00a0€"], "1 Tg. 2 Std."),
        (Reader("America/New_York", "en_US"), "10:13\u202fAM EDT", ["€1.2M"], "1 day 2 hr"),
    ],
)
def test_times_money_and_durations_are_the_readers(reader: Reader, at: str, worth: list[str], length: str) -> None:
    assert reader.instant(NOW, NOW + MINUTE) == at
    assert reader.money([("EUR", "1234567.80"), ("USD", "none"), ("JPY", "0")]) == worth
    assert reader.duration(DAY + 2 * HOUR + 5 * SECOND) == length


def test_a_faulty_template_leaves_the_other_one_and_says_what_is_wrong() -> None:
    target = Target("erp", "slack", Address("https://x.example"), title="{{ count }} late", text="{{ count / 0 }}")
    found, wrong = letter(NOTICE, target, target.address, "msg_1", NOW)
    assert found.heading == "37 late"
    assert found.say().startswith("37 orders worth EUR 1.2 M are waiting for Order accepted")
    assert "The template of erp cannot be used" in found.say()
    assert wrong


def test_secrets_are_taken_out_in_every_form() -> None:
    address = Address("https://x.example/services/T/B/hush", 'se"cret/key', (("user", "me"),))
    text = 'se"cret/key se\\"cret/key bWU6c2UiY3JldC9rZXk= https://x.example/services/T/B/hush \x00'
    assert scrub(text, address) == "*** *** *** *** "
    assert scrub(None, address) is None


class TestUndelivered:
    def targets(self, *found: Target) -> dict[str, Target]:
        return {one.name: one for one in found}

    def one(self, name: str, kind: str = "slack", **more: Any) -> Target:
        return Target(name, kind, Address(f"https://{name}.example".replace("/", "-")), **more)

    def test_the_fallback_comes_first_then_the_same_owner_then_the_same_route_then_any(self) -> None:
        broken = self.one("erp/pager", "pagerduty", fallback="chosen", owner="erp")
        others = [self.one("z"), self.one("erp/slack"), self.one("mine", owner="erp"), self.one("chosen")]
        for expected in ("chosen", "mine", "erp/slack", "z"):
            found = undelivered.another("erp/pager", self.targets(broken, *others), set())
            assert found is not None
            assert found.name == expected
            others = [one for one in others if one.name != expected]
        assert undelivered.another("erp/pager", self.targets(broken), set()) is None

    def test_those_that_are_disabled_or_take_no_notes_are_passed_over(self) -> None:
        dead, pager = self.one("dead"), self.one("pager", "pagerduty")
        targets = self.targets(self.one("broken"), dead, pager)
        assert undelivered.another("broken", targets, {("dead", dead.address.digest)}) is None

    def test_the_same_news_is_one_message_an_hour(self) -> None:
        ids = {undelivered.note_id("a", "b", NOW + minutes * MINUTE) for minutes in range(60)}
        assert len(ids) == 2
        assert undelivered.note_id("a", "c", NOW) not in ids

    def test_it_says_what_was_lost_and_how_it_goes_on(self) -> None:
        why = ("refused", 401, "invalid key")
        said = undelivered.note("erp/pager", "firing", NOTICE.to_json(), NOW, why, disables=True)
        assert said.said == (
            "Not delivered to erp/pager (refused, 401, invalid key): Orders waiting for Order accepted from sap (opened). "
            "Nothing more is sent to it until its address is another one, or `milepost alerts enable` is run."
        )
        assert undelivered.note("x", "firing", {"count": "?"}, NOW, why, disables=False).said
