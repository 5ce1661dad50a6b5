from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from alerting.address import Address
from alerting.channels.answer import Answer, Fate, Request, classify, retry_after
from alerting.channels.letter import Channel, Letter
from alerting.channels.registry import CHANNELS
from alerting.channels.slack import blocks
from alerting.channels.slack import channel as slack
from alerting.channels.webhook import channel as webhook
from alerting.incident import Cause, ChangeReason, Incident, LastNotified, NotifyReason, Population, Status
from alerting.links import list_link
from alerting.message import Notice, fallback, headline, instant, money, notice, sentence
from alerting.outbox import Patience, backoff
from slo_rules.durations import HOUR, MINUTE, SECOND
from slo_rules.instants import to_micros

NOW = to_micros(datetime(2026, 11, 20, 13, 20, tzinfo=UTC))
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


def order_incident(count: int = 37, **cause: Any) -> Incident:
    given = {"workflow": "order-to-cash", "verdict": "stuck", "waiting_for": "order_accepted", "source": "sap"}
    population = Population(
        count=count,
        oldest_since=to_micros(datetime(2026, 11, 20, 9, 14, tzinfo=UTC)),
        value=(("USD", Decimal("1200000.00")),),
        owner="erp-platform",
        domain="orders",
        entity="order",
        samples=(UUID(int=7),),
        owners=("erp-platform",),
        domains=("orders",),
        workflows=("order-to-cash",),
    )
    return Incident(UUID(int=1), Cause(**(given | cause)), population, NOW - HOUR, 80, population.value, count)


def first(incident: Incident, **more: Any) -> Notice:
    return notice(incident, NotifyReason.FIRST, NOW, public_url="https://milepost.example/", **more)


MAIL = (("from", "a@example.com"), ("to", "b@example.com"))


def letter_of(said: Notice, secret: str | None = None, at: int = NOW) -> Letter:
    return Letter(said, Address("http://127.0.0.1/x", secret), "msg_1", at)


def sent_by(channel: Channel, said: Notice, secret: str | None, at: int) -> Request:
    sent = channel.request(letter_of(said, secret, at))
    assert isinstance(sent, Request)
    return sent


class TestWords:
    def test_stuck(self) -> None:
        assert sentence(first(order_incident(), milestone_title="Order accepted in ERP")) == (
            "37 orders worth USD 1.2 M are waiting for Order accepted in ERP from sap, oldest since 09:14 UTC. "
            "Owner: erp-platform."
        )

    def test_one_of_them_without_a_title(self) -> None:
        assert sentence(first(order_incident(1))) == (
            "1 order worth USD 1.2 M is waiting for Order accepted from sap, since 09:14 UTC. Owner: erp-platform."
        )

    def test_what_sets_them_apart_how_it_goes_on_and_who_is_at_it(self) -> None:
        more: dict[str, Any] = {"apart": ["92% have connector 2.3, 12% of the others", "80% have region EMEA", "third"]}
        said = replace(first(order_incident()), **more, acknowledged_by="jo", runbook="call Ann", per_hour=120.4)
        assert sentence(said).partition("09:14 UTC.")[2] == (
            " 92% have connector 2.3, 12% of the others; 80% have region EMEA. It grows by some 120 an hour."
            " jo has taken it on. Owner: erp-platform. What to do: call Ann."
        )

    @pytest.mark.parametrize(
        ("per_hour", "drained_at", "said"),
        [
            (-40.0, NOW + HOUR, "It shrinks: at this pace none is left by 14:20 UTC."),
            (-40.0, None, "It shrinks by some 40 an hour."),
            (0.3, None, "It grows slowly."),
            (0.01, None, "09:14 UTC. Owner"),
            (None, None, "09:14 UTC. Owner"),
        ],
    )
    def test_how_it_goes_on(self, per_hour: float | None, drained_at: int | None, said: str) -> None:
        assert said in sentence(replace(first(order_incident()), per_hour=per_hour, drained_at=drained_at))

    @pytest.mark.parametrize(
        ("reason", "told", "word", "said"),
        [
            ("grown", 10, "Growing", "Grown from 10 to 37: 37 orders"),
            ("repeat", 37, "Still firing", "Still firing: 37 orders"),
            ("unmuted", 40, "Still firing", "Down from 40 to 37: 37 orders"),
            ("raised", 37, "Graver", "Now critical: 37 orders"),
            ("raised", 10, "Graver", "Now critical and grown from 10 to 37: 37 orders"),
            ("some_resolved", 40, "Shrinking", "Down from 40 to 37: 37 orders"),
            ("", None, "Growing", "Still firing: 37 orders"),
        ],
    )
    def test_what_is_said_again_says_what_is_new(self, reason: str, told: int | None, word: str, said: str) -> None:
        again = replace(first(order_incident()), transition="updated", reason=reason, told_count=told)
        assert sentence(again).startswith(said)
        assert letter_of(again).heading.startswith(f"{word}: ")

    def test_a_resolve_says_neither(self) -> None:
        over = replace(first(order_incident()), transition="resolved", apart=["x"], per_hour=5.0, runbook="y")
        assert "x" not in sentence(over).replace("next", "")
        assert "grows" not in sentence(over)

    def test_blind(self) -> None:
        said = sentence(first(order_incident(workflow=None, verdict="blind", waiting_for=None)))
        assert said.startswith("sap is silent or far behind: 37 orders worth USD 1.2 M are waiting for it and cannot")

    def test_one_type_that_does_not_come(self) -> None:
        of_type = order_incident(workflow=None, verdict="blind", reason="type_silent")
        said = sentence(first(of_type))
        assert said.startswith(
            "No Order accepted at all has come from sap by when one was expected: 37 orders worth USD 1.2 M are waiting "
            "for it and cannot be judged"
        )
        assert headline(first(of_type)) == "No Order accepted at all from sap"

    def test_failed(self) -> None:
        said = sentence(first(order_incident(verdict="failed", waiting_for=None, source=None, reason="card_declined")))
        assert said.startswith("37 orders worth USD 1.2 M have failed: card declined, oldest since 09:14 UTC.")

    def test_inconsistent(self) -> None:
        said = sentence(first(order_incident(verdict="inconsistent", source=None, reason="requirement_unmet")))
        assert said.startswith("37 orders worth USD 1.2 M are inconsistent at Order accepted: something it requires")

    def test_grown(self) -> None:
        last = LastNotified(Status.FIRING, 18, NOW)
        said = sentence(notice(order_incident(), NotifyReason.GROWN, NOW, last=last))
        assert said.startswith("Grown from 18 to 37: 37 orders")

    def test_resolved(self) -> None:
        over = replace(order_incident(), resolved_at=NOW)
        said = sentence(notice(over, NotifyReason.RESOLVED, NOW, because=ChangeReason.CLEARED))
        assert said == (
            "Resolved: no orders are waiting too long for Order accepted from sap any more. "
            "It lasted 1h and held up 80 orders worth USD 1.2 M at its worst. Owner: erp-platform."
        )

    def test_resolved_because_nothing_can_be_seen(self) -> None:
        over = replace(order_incident(), resolved_at=NOW)
        said = sentence(notice(over, NotifyReason.RESOLVED, NOW, because=ChangeReason.SOURCE_BLIND))
        assert "cannot be known" in said
        assert "Resolved" not in said

    def test_resolved_because_the_last_were_waived(self) -> None:
        over = replace(order_incident(), resolved_at=NOW)
        assert sentence(notice(over, NotifyReason.RESOLVED, NOW, because=ChangeReason.WAIVED)) == (
            "No longer told: what was left of it has been waived, and comes back when that ends. Owner: erp-platform."
        )

    @pytest.mark.parametrize(
        ("amount", "said"),
        [
            ("0", ""),
            ("950", "USD 950"),
            ("12.5", "USD 12.50"),
            ("999.99", "USD 1 k"),
            ("48250", "USD 48.3 k"),
            ("999999", "USD 1 M"),
            ("1234567.8", "USD 1.2 M"),
            ("-1500", "USD -1.5 k"),
            ("NaN", ""),
            ("x", ""),
        ],
    )
    def test_money(self, amount: str, said: str) -> None:
        assert money([("USD", amount)]) == said

    def test_many_currencies(self) -> None:
        assert money([("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"), ("E", "5")]) == "A 1, B 2, C 3 and 2 more"

    def test_instants_of_other_days_carry_their_day(self) -> None:
        at = to_micros(datetime(2026, 11, 19, 9, 14, tzinfo=UTC))
        assert instant(at, NOW) == "19 Nov 09:14 UTC"
        assert instant(at - 365 * 24 * HOUR, NOW) == "19 Nov 2025 09:14 UTC"

    def test_the_link_opens_exactly_the_list(self) -> None:
        id_ = order_incident().id
        link = urlsplit(list_link("http://127.0.0.1:8080/", id_, "tier=gold & co", "region!=EMEA"))
        assert link.path == "/dashboard/worklist"
        assert parse_qs(link.query) == {"incident": [str(id_)], "attribute": ["tier=gold & co", "region!=EMEA"]}

    @given(
        st.dictionaries(
            st.sampled_from(sorted(Notice.__dataclass_fields__)),
            st.none() | st.integers(-10, 10**15) | st.text("a <&\n", max_size=9) | st.just([""]),
        ),
        st.sampled_from(["firing", "updated", "resolved"]),
    )
    def test_every_stored_notice_can_be_sent(self, document: dict[str, Any], transition: str) -> None:
        bare = fallback({**document, "transition": transition})
        for channel in CHANNELS.values():
            for handle in ({}, {"ts": "1", "channel": "C1", "sys_id": "a"}):
                letter = Letter(bare, Address("http://127.0.0.1/x", SECRET, MAIL), "msg_1", NOW, handle)
                assert channel.request(letter)

    @pytest.mark.parametrize("verdict", ["stuck", "blind", "failed", "inconsistent", "unheard-of"])
    @pytest.mark.parametrize("transition", ["firing", "updated", "resolved"])
    def test_missing_fields_are_left_out(self, verdict: str, transition: str) -> None:
        bare = Notice.from_json({"verdict": verdict, "transition": transition, "field of the future": 1})
        assert sentence(bare)
        assert headline(bare)
        assert blocks.payload(letter_of(bare))["text"]
        assert webhook.payload(bare)["type"] == f"milepost.incident.{transition}"


class TestWebhook:
    def test_the_reference_library_accepts_the_signature(self) -> None:
        now = to_micros(datetime.now(UTC))
        sent = sent_by(webhook, first(order_incident()), SECRET, now)
        body = Webhook(SECRET).verify(sent.body, dict(sent.headers))
        assert body["type"] == "milepost.incident.firing"
        assert body["timestamp"] == "2026-11-20T13:20:00Z"
        assert body["data"]["dedup_key"] == order_incident().cause.dedup_key
        assert body["data"]["incident"]["value"] == [{"currency": "USD", "amount": "1200000.00"}]
        assert body["data"]["incident"]["oldest_since"] == "2026-11-20T09:14:00Z"
        assert body["data"]["link"].startswith("https://milepost.example/dashboard/worklist?")

    def test_without_a_secret_it_is_not_signed(self) -> None:
        sent = sent_by(webhook, first(order_incident()), None, NOW)
        assert "webhook-signature" not in sent.headers
        assert sent.headers["webhook-id"] == "msg_1"

    def test_only_the_timestamp_and_signature_differ_between_attempts(self) -> None:
        stored = orjson.loads(orjson.dumps(first(order_incident()).to_json()))
        one, two = (sent_by(webhook, Notice.from_json(stored), SECRET, at) for at in (NOW, NOW + MINUTE))
        assert one.body == two.body
        assert one.headers["webhook-id"] == two.headers["webhook-id"]
        assert int(two.headers["webhook-timestamp"]) - int(one.headers["webhook-timestamp"]) == 60

    def test_no_secret_shows_in_a_repr(self) -> None:
        sent = webhook.request(Letter(first(order_incident()), Address("http://127.0.0.1/hush", SECRET), "msg_1", NOW))
        assert "hush" not in repr(sent)


class TestSlack:
    def test_what_comes_from_outside_is_escaped(self) -> None:
        said = blocks.payload(letter_of(first(order_incident(source="<!channel> & co"))))
        assert "<!channel>" not in str(said["text"])
        assert "&lt;!channel&gt; &amp; co" in said["text"]
        assert "*Order accepted*" in said["blocks"][1]["text"]["text"]

    def test_everything_stays_within_the_limits_of_block_kit(self) -> None:
        huge = "<" * 100_000
        incident = order_incident(source=huge, workflow=huge, waiting_for=huge)
        incident = replace(incident, population=replace(incident.population, owners=(huge,) * 50, entity=huge))
        said = blocks.payload(letter_of(first(incident)))
        header, section, _ = said["blocks"]
        assert len(header["text"]["text"]) <= 150
        assert len(section["text"]["text"]) <= 3000
        assert len(orjson.dumps(webhook.payload(first(order_incident())))) < 20_000

    def test_a_cut_never_splits_an_entity(self) -> None:
        assert blocks.fit("ab&amp;&amp;", 7) == "ab…"
        assert blocks.fit("ab&amp;", 7) == "ab&amp;"

    @pytest.mark.parametrize(
        ("status", "body", "fate", "disables"),
        [
            (200, b"ok", Fate.DELIVERED, False),
            (200, b"<html>log in</html>", Fate.RETRY, False),
            (400, b"invalid_payload", Fate.FAILED, False),
            (404, b"channel_not_found", Fate.FAILED, False),
            (404, b"no_service", Fate.FAILED, True),
            (410, b"channel_is_archived", Fate.FAILED, True),
            (500, b"rollup_error", Fate.RETRY, False),
        ],
    )
    def test_answers(self, status: int, body: bytes, fate: Fate, *, disables: bool) -> None:
        outcome = slack.judge(letter_of(first(order_incident())), Answer(status, {}, body))
        assert (outcome.fate, outcome.disables) == (fate, disables)


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "fate", "uncertain"),
        [
            (204, Fate.DELIVERED, False),
            (302, Fate.FAILED, False),
            (401, Fate.FAILED, False),
            (429, Fate.RETRY, False),
            (503, Fate.RETRY, True),
        ],
    )
    def test_by_class_of_status(self, status: int, fate: Fate, *, uncertain: bool) -> None:
        outcome = classify(Answer(status, {}, b""), NOW)
        assert (outcome.fate, outcome.uncertain) == (fate, uncertain)

    @pytest.mark.parametrize(
        ("value", "wait"),
        [
            (None, None),
            ("", None),
            ("soon", None),
            ("7", 7 * SECOND),
            ("999999999999", HOUR),
            ("-5", None),
            ("Fri, 20 Nov 2026 13:21:00 GMT", MINUTE),
            ("Fri, 20 Nov 2020 13:21:00 GMT", 0),
        ],
    )
    def test_retry_after(self, value: str | None, wait: int | None) -> None:
        assert retry_after(value, NOW) == wait


def test_backoff_doubles_up_to_its_limit_and_is_spread() -> None:
    patience = Patience()
    assert [backoff(n, patience, 0.5) // SECOND for n in (1, 2, 3, 8, 9, 1000)] == [5, 10, 20, 640, 900, 900]
    assert backoff(1, patience, 0) == 4 * SECOND
    assert backoff(1, patience, 0.999) < 6 * SECOND
