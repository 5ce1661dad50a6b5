"""What a request needs, what roles include, how often one may guess, and where a process may listen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from collector.access import passwords
from collector.access.forwarded import GroupRoles
from collector.access.policy import need_of
from collector.access.principal import Grant, How, PersonRole, Principal, faults_of_scopes
from collector.access.sight import NOTHING, sight_of, words_of
from collector.copyformat import event_row, service_of_span, source_of_event, span_row
from dashboard.login import within
from milepost.access_settings import faults_of_exposure, group_roles_of
from milepost.settings import Settings, SettingsError, load
from slo_rules.durations import MINUTE
from tests.examples import examples


@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "WEBSOCKET", "X"]), st.text())
def test_what_is_not_known_needs_to_look_or_to_act(method: str, path: str) -> None:
    assert need_of(method, f"/{path}/x") in ("query", "act") or path.startswith(("sources", "inbound"))


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("POST", "/events", "ingest"),
        ("OPTIONS", "/events", None),
        ("POST", "/v1/logs", "ingest"),
        ("POST", "/sources/stripe", None),
        ("POST", "/inbound/slack", None),
        ("GET", "/metrics", "metrics"),
        ("GET", "/readyz", None),
        ("GET", "/api/v1/instances", "query"),
        ("GET", "/api/v1/dead-letters", "query"),
        ("GET", "/api/v1/dead-letters/7", "raw"),
        ("POST", "/api/v1/dead-letters/replay", "act"),
        ("DELETE", "/api/v1/instances/7/waiver", "act"),
        ("POST", "/dashboard/_dash-update-component", "query"),
        ("WEBSOCKET", "/dashboard/ws", "act"),
    ],
)
def test_a_request_needs(method: str, path: str, need: str | None) -> None:
    assert need_of(method, path) == need


def test_an_ingest_key_is_for_its_sources_and_no_role_may_send() -> None:
    who = Principal("it", How.KEY, frozenset(("ingest:crm", "query")))
    assert who.may("ingest")
    assert who.sources == {"crm"}
    assert not any(Principal("x", How.PASSWORD, role.scopes).may("ingest") for role in PersonRole)
    assert Principal("x", How.KEY, frozenset(("ingest",))).sources is None


@pytest.mark.parametrize("scope", ["", "all", "ingest:", "query:crm", "ingest:a\nb", "INGEST"])
def test_a_scope_that_is_none_is_a_fault(scope: str) -> None:
    assert len(faults_of_scopes((scope, "query"))) == 1
    assert faults_of_scopes(()) != []


names = st.text(min_size=1, max_size=300).map(lambda text: text.encode("utf-8", "replace"))


@given(names, st.binary(min_size=8, max_size=8) | st.none())
def test_the_source_of_a_row_is_what_it_was_made_with(source: bytes, parent: bytes | None) -> None:
    if source != b"milepost":
        assert source_of_event(event_row(0, source, b"id", b"type", None, None, None, b"{}")) == source
    row = span_row(bytes(16), bytes(8), parent, source, b"name", 1, 0, 0, 1, False, b"{}")
    assert service_of_span(row) == source


def test_five_wrong_tries_are_the_last_for_a_quarter_of_an_hour() -> None:
    throttle = passwords.Throttle()
    for now in range(5):
        assert throttle.wait("Ada", "a", now) == 0
        throttle.note("ada", "a", now)
    assert throttle.wait("ADA", "a", 5) > 14 * MINUTE
    assert throttle.wait("ada", "b", 5) == throttle.wait("eve", "a", 5) == 0
    assert throttle.wait("ada", "a", 15 * MINUTE) == 0


def test_whoever_tries_many_names_or_from_many_places_is_stopped_too() -> None:
    throttle = passwords.Throttle()
    for number in range(20):
        throttle.note(f"user {number}", "a", 0)
    assert throttle.wait("another", "a", 1) > 0
    for number in range(50):
        throttle.note("ada", f"address {number}", 0)
    assert throttle.wait("ada", "another", 1) > 0
    for number in range(20_000):
        throttle.note(f"n{number}", f"a{number}", 0)
    assert len(throttle._failed) <= 10_000


def test_a_right_password_takes_its_own_try_back_and_no_others() -> None:
    throttle = passwords.Throttle()
    for number in range(20):
        throttle.note(f"user {number}", "a", 0)
    throttle.note("ada", "a", 0)
    throttle.forget("ada", "a")
    assert throttle.wait("ada", "a", 1) > 0


def test_a_password_is_judged_and_a_weak_one_refused() -> None:
    kept = passwords.hashed("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert passwords.is_right(kept, "correct horse battery")
    assert not passwords.is_right(kept, "wrong")
    assert not passwords.is_right(None, "the password of nobody")
    assert not passwords.is_right("no hash", "x")
    assert passwords.faults_of("short", "ada")
    assert passwords.faults_of("aaaaaaaaaaaaaaaa", "ada")
    assert passwords.faults_of("Ada Lovelace 1", "ada lovelace 1")
    assert passwords.faults_of("correct horse battery", "ada") == []


def test_the_most_of_all_groups_counts() -> None:
    groups = GroupRoles({"a": PersonRole.VIEWER, "b": PersonRole.ADMIN}, PersonRole.OPERATOR)
    assert groups.role_of(["a"]) is PersonRole.OPERATOR
    assert groups.role_of(["a", "b", "c"]) is PersonRole.ADMIN
    assert GroupRoles({}, None).role_of(["a"]) is None


@given(st.text())
def test_after_the_login_one_stays_here(aim: str) -> None:
    place = within(aim, "/start")
    assert place == "/start" or (place.startswith("/") and place[1:2] not in ("/", "\\"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "milepost.example.com"])
def test_other_addresses_need_authentication_or_insecure(host: str) -> None:
    (fault,) = faults_of_exposure(Settings(host=host))
    assert host in fault
    assert faults_of_exposure(Settings(host=host, auth="on")) == []
    assert faults_of_exposure(Settings(host=host, insecure=True)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_the_loopback_needs_neither(host: str) -> None:
    assert faults_of_exposure(Settings(host=host)) == []


def test_the_settings_of_who_may_do_what_are_read_from_everywhere(tmp_path: Path) -> None:
    file = tmp_path / "milepost.toml"
    file.write_text('auth = "on"\ninsecure = true\ntrusted_proxies = ["10.0.0.0/8"]\ngroup_roles = ["ops=operator"]\n')
    found = load({}, {}, file)
    assert (found.auth, found.insecure, found.trusted_proxies) == ("on", True, ("10.0.0.0/8",))
    found = load({}, {"MILEPOST_INSECURE": "true", "MILEPOST_GROUP_ROLES": "a=viewer, b=admin"})
    assert (found.insecure, found.group_roles) == (True, ("a=viewer", "b=admin"))
    assert found.shown()["group_roles"] == "a=viewer, b=admin"


def test_every_fault_of_them_is_named() -> None:
    said = {"MILEPOST_AUTH": "maybe", "MILEPOST_INSECURE": "yes", "MILEPOST_TRUSTED_PROXIES": "proxy",
            "MILEPOST_GROUP_ROLES": "ops=root", "MILEPOST_FORWARD_AUTH_GROUPS_HEADER": "x"}  # fmt: skip
    with pytest.raises(SettingsError) as raised:
        load({}, said)
    assert sorted(fault.partition(":")[0] for fault in raised.value.faults) == sorted(said)


def test_ways_to_say_who_one_is_need_auth_on_and_a_provider_all_that_is_needed_to_ask_it() -> None:
    said = {"forward_auth_header": "X-User", "oidc_issuer": "http://id.example", "oidc_client_id": "x"}
    with pytest.raises(SettingsError) as raised:
        load(said, {})
    faults = sorted(fault.partition(":")[0] for fault in raised.value.faults)
    assert faults == ["--forward-auth-header", "--oidc-issuer", "oidc_client_secret", "oidc_issuer", "public_url"]
    whole = said | {
        "oidc_issuer": "https://id.example",
        "oidc_client_secret": "planted",
        "public_url": "https://m.example",
    }
    found = load(whole | {"auth": "on"}, {})
    assert "planted" not in repr(found) + str(found.shown())


def test_no_secret_is_in_the_repr_of_settings() -> None:
    url = "postgresql://milepost:planted@db/milepost"
    found = load({"database_url": url, "read_database_url": url, "kafka_sasl_password": "planted"}, {})
    assert "planted" not in repr(found)
    assert "planted" not in str(found.shown())


def test_groups_say_what_somebody_sees_and_where_any_do_who_is_in_none_sees_nothing() -> None:
    roles = {"ops": PersonRole.OPERATOR}
    sights = {"emea": ("domain:orders", "workflow:ticket"), "boss": ("all",)}
    groups = GroupRoles(roles, PersonRole.VIEWER, sights, frozenset(("auditors",)))
    assert GroupRoles(roles).grant_of(["ops"]) == Grant(PersonRole.OPERATOR)
    assert GroupRoles(roles).grant_of(["emea"]) is None
    assert groups.grant_of(["ops"]) == Grant(PersonRole.OPERATOR, ())
    assert groups.grant_of(["ops", "emea", "auditors"]) == Grant(
        PersonRole.OPERATOR, ("domain:orders", "workflow:ticket"), raw=True
    )
    assert groups.grant_of(["boss", "emea"]) == Grant(PersonRole.VIEWER)
    nothing = groups.grant_of([])
    assert nothing is not None
    assert nothing.principal("x", How.OIDC).sight == NOTHING


def test_a_sight_is_spelled_and_read_back_and_what_is_not_understood_shows_nothing() -> None:
    faults: list[str] = []
    words = words_of(["orders"], ["ticket", "ticket"], faults)
    assert words == ["domain:orders", "workflow:ticket"]
    assert faults == []
    sight = sight_of(words)
    assert sight is not None
    assert sight.words == words
    assert (sight.sees("x", "orders"), sight.sees("ticket", "x"), sight.sees("x", "x")) == (True, True, False)
    assert sight_of(None) is None
    assert sight_of(["all", "region:emea"]) == NOTHING
    assert words_of([], [], faults) is None
    words_of(["", "a\nb"], ["x" * 300], faults)
    assert len(faults) == 3


def test_what_is_wrong_with_sights_of_groups_is_said_for_each(tmp_path: Path) -> None:
    file = tmp_path / "milepost.toml"
    file.write_text('group_sights = ["a", "b=orders", "c=domain:", "=all", "d=domain:orders", "e=all"]\n')
    with pytest.raises(SettingsError) as raised:
        load({}, {}, file)
    assert len(raised.value.faults) == 4
    found = load({}, {"MILEPOST_GROUP_SIGHTS": "d=domain:orders,d=workflow:x,e=all", "MILEPOST_RAW_GROUPS": "a, b"})
    groups = group_roles_of(found)
    assert groups.sights == {"d": ("domain:orders", "workflow:x"), "e": ("all",)}
    assert groups.raw == {"a", "b"}


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "Passw0rd!2026", "P@ssw0rdP@ssw0rd", "qwertyuiop12", "1q2w3e4r5t6y", "123456789012", "abcdefghijkl",
        "abcabcabcabc", "aaaaaaaaaaaa", "adminadmin123", "Welcome2026!!", "letmein-letmein", "ada.lovelace", "AdaLovelace99",
        "milepost2026!", "changeme-changeme", "zyxwvutsrqpo", "111222333444",
    ],
)  # fmt: skip
def test_what_is_guessed_first_is_no_password(password: str) -> None:
    faults = passwords.faults_of(password, "ada.lovelace")
    assert faults[-1] in ("the password is too easily guessed", "the password is one of the most common ones")


def test_all_that_is_wrong_with_a_password_is_said_at_once() -> None:
    assert passwords.faults_of("L0velace", "ada.lovelace", former="L0velace") == [
        "the password must have from 12 to 1024 characters",
        "the password is the present one",
        "the password contains the name of the user",
        "the password is too easily guessed",
    ]
    assert passwords.faults_of("9 M1lepost-lamps in a barn", "ed") == ["the password contains the word milepost"]
    assert passwords.faults_of("red lamps in a wooden shed", "ed") == []
    assert passwords.faults_of("seven ada lamps in a barn", "ada") == ["the password contains the name of the user"]


def test_none_of_the_most_common_passwords_is_taken_in_any_case_nor_with_what_people_put_behind_it() -> None:
    common = list(FREQUENCY_LISTS["passwords"])
    assert len(common) == 30_000
    for password in common:
        for spelled in (password, password.upper()):
            assert "the password is one of the most common ones" in passwords.faults_of(spelled, "ada"), spelled
    for password in [one for one in common[:3000] if len(one) > 6][::20]:
        for longer in (f"{password.capitalize()}2026!", f"{password}123456", password * 2):
            assert "the password is too easily guessed" in passwords.faults_of(longer, "ada"), longer


@given(st.text(max_size=200), st.text(max_size=40))
@settings(max_examples=examples(100), deadline=None)
def test_any_text_is_judged_as_a_password(password: str, name: str) -> None:
    assert all(isinstance(fault, str) for fault in passwords.faults_of(password, name))


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "seven lamps in a barn", "Kx9-tuffig-Mond-3", "password for the red barn", "ünïcödé-gärten-9",
     "4815162342-lostIsland", "a" * 5 + "-long-enough-river"],
)  # fmt: skip
def test_what_only_holds_a_common_word_is_one(password: str) -> None:
    assert passwords.faults_of(password, "ada") == []
