from __future__ import annotations

from typing import Any

import pytest

from alerting.incident import Cause, Population
from alerting.route import (
    Address,
    Route,
    RouteFault,
    SlackTarget,
    WebhookTarget,
    matches,
    parse_route,
    resolve_address,
    targets_for,
    written_address,
)

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
    assert hook == WebhookTarget("default/webhook", "http://127.0.0.1:9/hook", SECRET, hook.written)
    assert written_address(hook) == Address("http://127.0.0.1:9/hook", "${HOOK_SECRET}")
    assert isinstance(chat, SlackTarget)
    assert (chat.webhook_url, written_address(chat)) == (ENV["SLACK"], Address("${SLACK}"))


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
    first, second = route(SLACK, WEBHOOK), Route("second", {}, (SlackTarget("second/slack", ENV["SLACK"]),))
    told = targets_for([first, second], Cause("w", "stuck"), Population(1, 0))
    assert [target.name for target in told] == ["default/slack", "default/webhook"]


def test_a_stored_address_needs_its_variables() -> None:
    assert resolve_address(Address("${SLACK}"), ENV) == Address(ENV["SLACK"])
    assert resolve_address(Address("${SLACK}"), {}) is None
    assert resolve_address(Address("http://127.0.0.1/", "${SHORT}"), ENV) is None
