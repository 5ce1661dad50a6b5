"""Tests of definitions that go through the whole chain: acts, silences, hours, digests, and what is told in which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.definition_tests import Outcome, read_with_tests, run
from milepost.message_expectations import FIELDS, REASONS
from milepost.rehearsed_acts import ACTS
from slo_rules.faults import DefinitionError
from tests.examples import on_one_database

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: erp}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 1h}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}
---
apiVersion: milepost/v1
kind: Team
metadata: {name: erp}
spec:
  send_to:
    - {slack: {token: "${SLACK_TOKEN}", channel: C024BE91L, title: "{{ word }}: {{ count }} late", signing_secret: "${S}"}}
  members:
    jo: {send_to: [{pagerduty: {routing_key: "${JO_KEY}"}}]}
    sam: {send_to: [{servicenow: {url: "https://sn.example.com", user: milepost, password: "${SN}"}}]}
  on_call:
    zone: Europe/Berlin
    rotations: [{members: [jo], from: 2026-01-05, every: 1w}]
    overrides: [{member: sam, from: 2026-03-03T00:00, to: 2026-03-04T00:00}]
  digest: {at: "08:30", calendar: office}
---
apiVersion: milepost/v1
kind: Team
metadata: {name: sales}
spec:
  hours: office
  send_to: [{email: {server: "smtp://mail.example.com", from: m@example.com, to: [sales@example.com]}}]
---
apiVersion: milepost/v1
kind: Route
metadata: {name: orders}
spec:
  match: {domain: orders}
  send_to: [{team: erp}]
  escalate: [{after: 30m, send_to: [{on_call: erp}]}]
---
apiVersion: milepost/v1
kind: Route
metadata: {name: vip}
spec: {match: {attributes: {tier: gold}}, send_to: [{team: sales}], repeat_every: 2h}
---
apiVersion: milepost/v1
kind: Maintenance
metadata: {name: patching}
spec: {match: {source: sap}, from: 2026-03-07T08:00, for: 2h, zone: Europe/Berlin, reason: SAP is patched}
"""
HEAD = "apiVersion: milepost/v1\nkind: Test\nmetadata: {name: one}\nspec:\n  now: 2026-03-02T08:00:00Z\n"
WON = "{at: 0m, source: crm, type: won, data: {order: SO-1, tier: gold, amount: 1200, currency: EUR}}"
ACCEPTED = "{at: 5h, source: sap, type: accepted, data: {order: SO-1}}"
STUCK = "{verdict: stuck, workflow: orders}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    return tmp_path


def write(folder: Path, expect: str, acts: str = "", events: str = f"{WON}, {ACCEPTED}") -> None:
    text = f"{HEAD}  events: [{events}]\n  acts: [{acts}]\n  expect: [{expect}]\n"
    (folder / "orders.test.yaml").write_text(text)


def outcome(folder: Path, expect: str, acts: str = "", events: str = f"{WON}, {ACCEPTED}") -> Outcome:
    write(folder, expect, acts, events)
    (found,) = run(read_with_tests([folder])[1], read_with_tests([folder])[0])
    return found


def differences(folder: Path, expect: str, acts: str = "", **more: str) -> list[tuple[str, str, str]]:
    found = outcome(folder, expect, acts, **more)
    return [(one.name, one.expected, one.found) for failure in found.failures for one in failure.differences]


def told(folder: Path, at: str, acts: str = "", events: str = f"{WON}, {ACCEPTED}") -> list[str]:
    """Whom the incident of the order was told by then."""
    ((_, _, found),) = differences(
        folder, f"{{at: {at}, incident: {STUCK}, told: [sales/email raised]}}", acts, events=events
    )
    return [] if found == "nobody" else found.split(", ")


def test_an_escalation_over_virtual_time_reaches_whoever_is_on_call(folder: Path) -> None:
    first = ["erp/slack first", "sales/email first"]
    assert told(folder, "1h5m") == first
    assert told(folder, "1h35m") == [*first, "erp.jo/pagerduty escalated"]
    assert told(folder, "5h1m")[-3:] == [
        "erp/slack resolved", "sales/email resolved", "erp.jo/pagerduty resolved",
    ]  # fmt: skip
    # An override stands in for jo on the next day.
    late = "{at: 24h, source: crm, type: won, data: {order: SO-1}}"
    assert told(folder, "25h40m", events=late) == ["erp/slack first", "erp.sam/servicenow escalated"]


def test_whoever_takes_it_on_keeps_the_escalation_and_the_repetition_back_until_he_said(folder: Path) -> None:
    taken = f"{{at: 1h10m, acknowledge: {STUCK}, by: jo, until: 2h10m}}"
    first = ["erp/slack first", "sales/email first"]
    assert told(folder, "2h9m", taken) == first
    again = ["erp/slack repeat", "sales/email repeat"]
    assert told(folder, "2h11m", taken) == [*first, *again]
    assert told(folder, "2h45m", taken) == [*first, *again, "erp.jo/pagerduty escalated"]
    withdrawn = f"{taken}, {{at: 1h20m, withdraw: {STUCK}, by: jo}}"
    assert told(folder, "1h40m", withdrawn) == [*first, "erp.jo/pagerduty escalated"]
    said = f"incident: {STUCK}, acknowledged_by"
    assert differences(folder, f"{{at: 2h, {said}: jo}}, {{at: 2h10m, {said}: null}}", taken) == []


def test_a_silence_and_a_postponement_keep_quiet_until_they_end_and_the_resolve_always_follows(folder: Path) -> None:
    silence = "{at: 30m, silence: {workflow: orders}, by: jo, until: 3h, name: slow}"
    assert told(folder, "2h59m", silence) == []
    assert told(folder, "3h1m", silence) == ["erp/slack first", "sales/email first"]
    ended = f"{silence}, {{at: 2h, end_silence: slow, by: jo}}"
    assert told(folder, "2h1m", ended) == ["erp/slack first", "sales/email first"]
    assert told(folder, "6h", silence.replace("3h", "8h")) == []
    put_off = f"{{at: 1h10m, postpone: {STUCK}, by: jo, until: 4h}}"
    assert told(folder, "4h1m", put_off)[2:4] == ["erp/slack unmuted", "sales/email unmuted"]
    assert told(folder, "5h1m", put_off.replace("4h", "8h"))[2:] == ["erp/slack resolved", "sales/email resolved"]


def test_a_maintenance_window_of_a_file_keeps_quiet(folder: Path) -> None:
    events = "{at: 2026-03-07T06:30:00Z, source: crm, type: won, data: {order: SO-1}}"
    assert told(folder, "2026-03-07T08:59:00Z", events=events) == []
    assert told(folder, "2026-03-07T09:01:00Z", events=events) == ["erp/slack first"]


def test_outside_the_hours_of_a_team_it_is_told_when_they_open(folder: Path) -> None:
    evening = "{at: 2026-03-06T17:00:00Z, source: crm, type: won, data: {order: SO-1, tier: gold}}"
    sales = f"incident: {STUCK}, messages: {{sales/email"
    expect = f"{{at: 2026-03-09T07:59:00Z, {sales}: null}}}}, {{at: 2026-03-09T08:01:00Z, {sales}: {{sent_at: 2026-03-09T08:00:00Z}}}}}}"
    assert differences(folder, expect, events=evening) == []


def test_what_somebody_calls_resolved_is_told_so_and_stays_closed(folder: Path) -> None:
    called = f"{{at: 2h, resolve: {STUCK}, by: jo}}"
    assert told(folder, "4h", called)[-2:] == ["sales/email resolved", "erp.jo/pagerduty resolved"]
    assert differences(folder, f"{{at: 4h, incident: {STUCK}, status: resolved}}", called) == []


def test_a_restart_loses_nothing_and_tells_nobody_twice(folder: Path) -> None:
    down = "{at: 1h2m, restart: true, until: 6h}"
    first = ["erp/slack first", "sales/email first"]
    assert told(folder, "5h59m", down) == first
    assert told(folder, "6h1m", down) == [*first, "erp/slack resolved", "sales/email resolved"]
    assert told(folder, "1h30m", "{at: 1h10m, restart: true}") == first


def test_a_digest_comes_at_its_time_and_lists_what_is_overdue_of_the_team(folder: Path) -> None:
    expect = """{at: 2026-03-03T07:29:00Z, digest: erp, told: []},
      {at: 2026-03-03T08:00:00Z, digest: erp, sent_at: 2026-03-03T07:30:00Z, count: 1, told: [erp/slack], messages: {
        erp/slack: {contains: ["1 of erp is overdue, worth EUR 1.2 k", "1 order worth EUR 1.2 k waiting for Accepted"]}}}"""
    assert differences(folder, expect, events=WON) == []
    wrong = "{at: 2026-03-03T08:00:00Z, digest: erp, sent_at: 1d, count: 2, told: [], messages: {erp/slack: null}}"
    assert [name for name, _, _ in differences(folder, wrong, events=WON)] == [
        "sent_at", "count", "told", "messages.erp/slack",
    ]  # fmt: skip
    # A day on which nothing is overdue has none, and so has a stop that is too long.
    assert differences(folder, "{at: 2026-03-03T08:00:00Z, digest: erp, told: [], count: 0}") == []
    stopped = "{at: 20h, restart: true, until: 2026-03-03T11:31:00Z}"
    assert (
        differences(
            folder, "{at: 2026-03-03T12:00:00Z, digest: erp, sent_at: 2026-03-02T08:01:00Z}", stopped, events=WON
        )
        == []
    )


def test_what_a_target_is_sent_is_compared_in_words_and_in_the_json_of_its_channel(folder: Path) -> None:
    message = """{title: "Firing: 1 late", contains: EUR 1.2 k, reason: first, sent_at: 1h1m,
      equals: "1 order worth EUR 1.2 k is waiting for Accepted from sap, since 09:00 UTC. Owner: erp.",
      json: {channel: C024BE91L, blocks: [{text: {text: "Firing: 1 late"}}, {type: section}, {type: actions}]}}"""
    at = f"at: 1h5m, incident: {STUCK}"
    assert differences(folder, f"{{{at}, messages: {{erp/slack: {message}}}}}") == []
    wrong = '{json: {channel: C1, ts: 5, unfurl_links: 0}, contains: [EUR, nothing], title: "Late", equals: late, reason: grown}'
    found = differences(folder, f"{{{at}, messages: {{erp/slack: {wrong}}}}}")
    names = [name.removeprefix("messages.erp/slack.") for name, _, _ in found]
    assert names == ["reason", "title", "equals", "contains", "json.channel", "json.ts", "json.unfurl_links"]
    assert found[4][1:] == ('"C1"', '"C024BE91L"')


def test_what_follows_a_firing_is_sent_with_what_the_firing_was_answered(folder: Path) -> None:
    expect = f"""{{at: 6h, incident: {STUCK}, messages: {{
      erp/slack: {{reason: resolved, title: "Resolved: 0 late", json: {{ts: "1.000001", channel: C024BE91L}}}},
      erp.jo/pagerduty: {{json: {{event_action: resolve, dedup_key: milepost-00000000-0000-0000-0000-000000000001}}}}}}}}"""
    assert differences(folder, expect) == []


def test_no_secret_of_the_environment_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JO_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12")
    expect = f"{{at: 2h, incident: {STUCK}, messages: {{erp.jo/pagerduty: {{json: {{routing_key: x}}}}}}}}"
    assert differences(folder, expect) == [("messages.erp.jo/pagerduty.json.routing_key", '"x"', '"***"')]


def test_a_template_that_fails_with_what_is_told_fails_the_test(folder: Path) -> None:
    (folder / "orders.yaml").write_text(DEFINITIONS.replace("{{ count }} late", "{{ source + count }} late"))
    found = differences(folder, f"{{at: 2h, incident: {STUCK}, messages: {{erp/slack: {{contains: 1 order}}}}}}")
    assert [name for name, _, _ in found] == ["messages.erp/slack.template"]


def test_an_act_that_cannot_be_done_fails_the_test_and_says_what_fires(folder: Path) -> None:
    acts = f"""{{at: 10m, acknowledge: {STUCK}, by: jo}}, {{at: 2h, withdraw: {STUCK}, by: jo}},
      {{at: 0m, silence: {{workflow: x}}, by: jo, until: 1h, name: s}}, {{at: 2h, end_silence: s, by: jo}},
      {{at: 2h, assign: {{verdict: failed}}, by: jo, to: sam}}"""
    found = outcome(folder, f"{{at: 3h, incident: {STUCK}, status: firing}}", acts)
    assert [(one.subject.partition(", ")[2], one.differences[0].found) for one in found.failures] == [
        ("jo cannot acknowledge stuck orders", "none"),
        ("jo cannot withdraw stuck orders", "nobody has"),
        ("jo cannot end silence s", "it is over"),
        ("jo cannot assign failed", "none"),
    ]
    assert found.failures[3].explanation == ("There fire: stuck orders accepted sap.",)


def test_a_waiver_is_told_in_the_words_of_the_resolve(folder: Path) -> None:
    waived = "{at: 2h, source: milepost, type: milepost.waived, data: {workflow: orders, key: order=SO-1, by: jo, reason: known, until: 2026-03-05T08:00:00Z}}"
    expect = f"{{at: 3h, incident: {STUCK}, messages: {{sales/email: {{reason: resolved, contains: waived}}}}}}"
    assert differences(folder, expect, events=f"{WON}, {waived}") == []


def test_every_fault_is_named_at_once_with_its_place(folder: Path) -> None:
    acts = f"""[
    {{at: soon, acknowledge: {STUCK}}},
    {{at: 0m, acknowledge: {{verdict: stcuk, workflow: ordrs}}, by: jo, until: 0m, to: x}},
    {{at: 0m, postpone: {STUCK}, by: jo, until: 15d}},
    {{at: 0m, silence: {{}}, by: jo, until: 1h, name: a}},
    {{at: 0m, silence: {{severty: x}}, by: [], until: 31d, name: a}},
    {{at: 0m, end_silence: b, by: jo}},
    {{at: 0m, restart: maybe}},
    {{at: 0m}},
    plain,
    {{at: 0m, acknowledge: {STUCK}, resolve: {STUCK}, by: jo}}]"""
    expect = f"""[
    {{at: 0m, incident: {STUCK}, told: [erp/slack, erp/slak first, erp/slack frist]}},
    {{at: 0m, incident: {STUCK}, messages: {{erp/slak: {{contains: x}}, erp/slack: {{}}, sales/email: {{json: {{}}}}}}}},
    {{at: 0m, incident: {STUCK}, messages: {{erp/slack: {{json: 5, reason: frist, sent_at: x, equals: [], conains: y}}}}}},
    {{at: 0m, incident: {STUCK}, messages: {{}}}},
    {{at: 0m, digest: sales, told: [nobody]}},
    {{at: 0m, digest: slaes, count: -1}},
    {{at: 0m, digest: erp}}]"""
    (folder / "orders.test.yaml").write_text(f"{HEAD}  events: []\n  acts: {acts}\n  expect: {expect}\n")
    with pytest.raises(DefinitionError) as error:
        read_with_tests([folder])
    reasons, acts_known = ", ".join(REASONS), ", ".join(ACTS)
    assert sorted(f"{fault.path}: {fault.message}".removeprefix("spec.") for fault in error.value.faults) == sorted(
        [
            "acts[0]: the field 'by' is missing",
            "acts[0].at: 'soon' is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z",
            "acts[1].acknowledge.verdict: must be one of stuck, blind, failed, inconsistent, burning, silence, group, drill — did you mean 'stuck'?",
            "acts[1].acknowledge.workflow: there is no workflow 'ordrs' — did you mean 'orders'?",
            "acts[1].to: unknown field 'to'",
            "acts[1].until: must lie after 'at'",
            "acts[2].until: must lie at most 14d after 'at'",
            "acts[3].silence: must say at least one condition: it would be about every incident",
            "acts[4]: a silence named 'a' is begun twice",
            "acts[4].by: must be text, not a list",
            "acts[4].silence.severty: unknown field 'severty'; matched is by domain, owner, workflow, severity, verdict, source, waiting_for, reason, assignee, attributes — did you mean 'severity'?",
            "acts[4].until: must lie at most 30d after 'at'",
            "acts[5]: no silence named 'b' is begun before",
            "acts[6].restart: must be true",
            f"acts[7]: must say exactly one of {acts_known}",
            "acts[8]: must be a mapping, not text",
            f"acts[9]: must say exactly one of {acts_known}",
            f"expect[0].told[0]: must be TARGET REASON, where the reason is one of {reasons}",
            "expect[0].told[1]: there is no target 'erp/slak' — did you mean 'erp/slack'?",
            f"expect[0].told[2]: must be TARGET REASON, where the reason is one of {reasons}",
            "expect[1].messages.erp/slack: expects nothing: say one of sent_at, reason, title, contains, equals, json, or null where there must be none",
            "expect[1].messages.erp/slak: there is no target 'erp/slak' — did you mean 'erp/slack'?",
            "expect[1].messages.sales/email.json: a message to email is no JSON: say 'contains' or 'equals'",
            "expect[2].messages.erp/slack.conains: unknown field 'conains' — did you mean 'contains'?",
            "expect[2].messages.erp/slack.equals: must be text, not a list",
            "expect[2].messages.erp/slack.json: must be a mapping or a list",
            f"expect[2].messages.erp/slack.reason: must be one of {reasons} — did you mean 'first'?",
            "expect[2].messages.erp/slack.sent_at: 'x' is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z",
            "expect[3].messages: must name at least one target",
            "expect[4].digest: the team 'sales' has no digest",
            "expect[4].told[0]: there is no target 'nobody'",
            "expect[5].count: must be a number of instances such as 1",
            "expect[5].digest: there is no team 'slaes' — did you mean 'sales'?",
            "expect[6]: expects nothing: say one of sent_at, count, told, messages",
        ]
    )


def test_what_is_wrong_with_routes_is_named_where_a_test_asks_who_is_told(folder: Path) -> None:
    (folder / "orders.yaml").write_text(DEFINITIONS.replace("{team: sales}", "{team: slaes}"))
    write(folder, f"{{at: 0m, incident: {STUCK}, status: absent}}")
    with pytest.raises(DefinitionError, match="slaes"):
        read_with_tests([folder])


words = st.sampled_from(
    ["", "0m", "1h", "soon", "erp", "erp/slack", "erp/slack first", "stuck", "orders", "jo", "[]", "\\u0000"]
)
plain = st.none() | st.booleans() | st.integers(-9, 9) | words
names = st.sampled_from(
    ["at", "by", "until", "name", "to", "incident", "digest", "told", "messages", "verdict", *ACTS, *FIELDS]
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | words, inner, max_size=4)
)
entries = st.lists(st.dictionaries(names, anything, max_size=5) | anything, max_size=4) | anything


@on_one_database(150)
@given(acts=entries, expect=entries)
def test_whatever_a_test_says_it_is_run_or_refused_with_places(folder: Path, acts: object, expect: object) -> None:
    text = f"{HEAD}  events: [{WON}]\n  acts: {json.dumps(acts)}\n  expect: {json.dumps(expect)}\n"
    (folder / "orders.test.yaml").write_text(text)
    try:
        definitions, tests = read_with_tests([folder])
    except DefinitionError as error:
        faults = error.faults
    else:
        faults = []
        run(tests, definitions)
    assert all(fault.path and fault.line for fault in faults)


def test_while_milepost_is_behind_what_fires_stays_and_is_told_on_and_nothing_opens_or_resolves(folder: Path) -> None:
    behind = "{at: 1h5m, behind: true, until: 5h30m}"
    told_so_far = told(folder, "5h29m", behind)
    assert told_so_far[:3] == ["erp/slack first", "sales/email first", "erp.jo/pagerduty escalated"]
    assert not any(one.endswith("resolved") for one in told_so_far), "that it was accepted is not known yet"
    assert told(folder, "5h31m", behind)[-1].endswith("resolved")
    itself = "incident: {verdict: blind, reason: projection_behind}"
    assert not differences(folder, f"{{at: 2h, {itself}, status: firing, count: 1}}", behind)
    assert not differences(folder, f"{{at: 5h31m, {itself}, status: resolved}}", behind)
    early = "{at: 30m, behind: true, until: 2h}"
    assert not differences(folder, f"{{at: 1h59m, incident: {STUCK}, status: absent}}", early)
    assert not differences(folder, f"{{at: 2h, incident: {STUCK}, status: firing}}", early)


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        ("{at: 1h, behind: true}", "the field 'until' is missing"),
        ("{at: 1h, behind: 5, until: 2h}", "must be true"),
        ("{at: 1h, behind: true, until: 1h}", "must lie after 'at'"),
    ],
)
def test_being_behind_is_said_with_its_end(folder: Path, act: str, fault: str) -> None:
    write(folder, f"{{at: 2h, incident: {STUCK}, status: firing}}", act)
    with pytest.raises(DefinitionError) as error:
        read_with_tests([folder])
    assert fault in str(error.value)
