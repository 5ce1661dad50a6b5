from __future__ import annotations

from typing import Any

import pytest

from alerting.address import Address
from alerting.faults import RouteFault
from alerting.incident import Cause, Population
from alerting.route import Route, matches, parse_route, targets_for
from alerting.targets import Target, parse_target_document, resolve_address, written_address
from slo_rules.target_fields import TARGET_KINDS

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
ENV = {"HOOK_SECRET": SECRET, "SLACK": "http://127.0.0.1:9/services/T/B/hush", "EMPTY": "", "SHORT": "whsec_QUJD"}
WEBHOOK = {"webhook": {"url": "http://127.0.0.1:9/hook", "secret": "${HOOK_SECRET}"}}
SLACK = {"slack": {"webhook_url": "${SLACK}"}}


def document(*send_to: Any, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "default"}, "spec": {"send_to": list(send_to), **spec}}


def route(*send_to: Any, **spec: Any) -> Route:
    parsed = parse_route(document(*send_to, **spec), ENV)
    assert isinstance(parsed, Route), parsed
    return parsed


def faults(*send_to: Any, **spec: Any) -> set[str]:
    parsed = parse_route(document(*send_to, **spec), ENV)
    assert isinstance(parsed, list)
    return {fault.path for fault in parsed}


def test_references_are_resolved_and_kept_as_written() -> None:
    hook, chat = route(WEBHOOK, SLACK).targets
    assert hook == Target("default/webhook", "webhook", Address("http://127.0.0.1:9/hook", SECRET), hook.written)
    assert written_address(hook) == Address("http://127.0.0.1:9/hook", "${HOOK_SECRET}")
    assert (chat.kind, chat.address, written_address(chat)) == ("slack", Address(ENV["SLACK"]), Address("${SLACK}"))


def test_no_secret_shows_in_a_repr_or_a_fault() -> None:
    assert "hush" not in repr(route(WEBHOOK, SLACK))
    assert SECRET not in repr(route(WEBHOOK, SLACK))
    parsed = parse_route(document({"slack": {"webhook_url": "ftp://hush"}}), ENV)
    assert "hush" not in str(parsed)


def test_all_faults_are_named_at_once() -> None:
    assert faults(
        {"webhook": {"url": "ftp://x", "secret": "${MISSING}", "method": "GET"}},
        {"slack": {}},
        {"pager": {}},
        {"slack": {"webhook_url": "${EMPTY}"}},
        {"webhook": {"url": "http://user:pass@127.0.0.1/", "secret": "${SHORT}"}},
        match={"colour": "red", "owner": 3},
        when="always",
    ) == {
        "spec.send_to[0].webhook.url",
        "spec.send_to[0].webhook.secret",
        "spec.send_to[0].webhook.method",
        "spec.send_to[1].slack",
        "spec.send_to[2]",
        "spec.send_to[3].slack.webhook_url",
        "spec.send_to[4].webhook.url",
        "spec.send_to[4].webhook.secret",
        "spec.match.colour",
        "spec.match.owner",
        "spec.when",
    }


@pytest.mark.parametrize("broken", [{}, {"metadata": None, "spec": []}, {"metadata": {"name": "x"}, "spec": {}}])
def test_a_hopeless_document_is_faults_not_an_exception(broken: dict[str, Any]) -> None:
    parsed = parse_route(broken, ENV)
    assert isinstance(parsed, list)
    assert all(isinstance(fault, RouteFault) for fault in parsed)


def test_the_same_address_twice_is_a_fault() -> None:
    assert faults(SLACK, SLACK) == {"spec.send_to[1]"}


def test_names_do_not_move_when_targets_are_reordered() -> None:
    other = {"webhook": {"url": "http://127.0.0.1:9/other"}}
    names = {target.address: target.name for target in route(WEBHOOK, other).targets}
    assert names == {target.address: target.name for target in route(other, WEBHOOK).targets}
    assert len(set(names.values())) == 2


def test_a_route_takes_what_it_matches() -> None:
    cause = Cause("order-to-cash", "stuck", "order_accepted", "sap")
    population = Population(1, 0, owner="erp-platform", domain="orders", owners=("erp-platform", "crm"))
    assert matches(route(SLACK), cause, population)
    assert matches(route(SLACK, match={"domain": "orders", "owner": "crm"}), cause, population)
    assert not matches(route(SLACK, match={"domain": "orders", "workflow": "refunds"}), cause, population)


def test_one_address_in_two_routes_is_told_once() -> None:
    first, second = (
        route(SLACK, WEBHOOK),
        Route("second", {}, (Target("second/slack", "slack", Address(ENV["SLACK"])),)),
    )
    told = targets_for([first, second], Cause("w", "stuck"), Population(1, 0))
    assert [target.name for target in told] == ["default/slack", "default/webhook"]


def test_a_stored_address_needs_its_variables() -> None:
    assert resolve_address("slack", Address("${SLACK}"), ENV) == Address(ENV["SLACK"])
    assert resolve_address("slack", Address("${SLACK}"), {}) is None
    assert resolve_address("webhook", Address("http://127.0.0.1/", "${SHORT}"), ENV) is None


def test_what_is_secret_is_only_referred_to() -> None:
    assert faults({"slack": {"webhook_url": ENV["SLACK"]}}) == {"spec.send_to[0].slack.webhook_url"}
    assert faults({"pagerduty": {"routing_key": "0" * 32}}) == {"spec.send_to[0].pagerduty.routing_key"}


def test_a_stored_address_is_read_as_every_version_wrote_it() -> None:
    for address in (
        Address("${SLACK}"),
        Address("http://127.0.0.1/", "${SHORT}"),
        Address("smtp://mail", None, (("from", "a@example.com"), ("to", "b@example.com, c@example.com"))),
    ):
        assert Address.from_json(address.to_json()) == address
    assert Address.from_json({"url": "${SLACK}", "secret": None}) == Address("${SLACK}")


@pytest.mark.parametrize("kind", TARGET_KINDS)
def test_the_examples_of_every_kind_make_a_target(kind: str) -> None:
    known = TARGET_KINDS[kind]
    env = {one.example[2:-1]: "https://example.com/hush" for one in known.fields if one.secret} | {
        "HOOK_SECRET": SECRET
    }
    said = {one.name: one.example for one in known.fields if one.example}
    if known.one_of:
        said = {name: text for name, text in said.items() if name != "webhook_url"}
    target = parse_target_document({"metadata": {"name": "mine", "owner": "me"}, "spec": {kind: said}}, env)
    assert isinstance(target, Target), target
    assert (target.name, target.kind, target.owner) == ("mine", kind, "me")
    assert "hush" not in repr(target)
    assert "hush" not in str(written_address(target).to_json())
    assert resolve_address(kind, written_address(target), env) == target.address


def test_a_route_names_targets_that_have_documents_of_their_own() -> None:
    mine = Target("mine", "slack", Address(ENV["SLACK"]))
    parsed = parse_route(document("mine", WEBHOOK), ENV, {"mine": mine})
    assert isinstance(parsed, Route)
    assert [target.name for target in parsed.targets] == ["mine", "default/webhook"]
    unknown = parse_route(document("mien"), ENV, {"mine": mine})
    assert isinstance(unknown, list)
    assert [one.path for one in unknown] == ["spec.send_to[0]"]
    assert "'mine'" in unknown[0].message


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"slack": {"token": "${SLACK}"}}, "slack"),
        ({"slack": {"token": "${SLACK}", "webhook_url": "${SLACK}", "channel": "C1"}}, "slack"),
        ({"slack": {"webhook_url": "${SLACK}", "channel": "C1"}}, "slack"),
        ({"email": {"server": "http://x", "from": "a@b.c", "to": "d@e.f"}}, "email.server"),
        ({"email": {"server": "smtp://x", "from": "nobody", "to": "d@e.f"}}, "email.from"),
        ({"email": {"server": "smtp://x", "from": "a@b.c", "to": ["d@e.f", "g\nBcc: x@y.z"]}}, "email.to"),
        ({"email": {"server": "smtp://x", "from": "a@b.c", "to": []}}, "email.to"),
        ({"webhook": {"url": "http://x", "zone": "Mars/Olympus"}}, "webhook.zone"),
        ({"webhook": {"url": "http://x", "zone": "../etc/passwd"}}, "webhook.zone"),
        ({"webhook": {"url": "http://x", "at_most": "many"}}, "webhook.at_most"),
        ({"webhook": {"url": "http://x", "at_most": "0/1m"}}, "webhook.at_most"),
    ],
)
def test_what_cannot_be_used_is_a_fault_where_it_stands(fields: dict[str, Any], wrong: str) -> None:
    assert faults(fields) == {f"spec.send_to[0].{wrong}"}
