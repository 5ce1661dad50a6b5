"""Secrets are planted wherever there may be one, everything is made to go wrong, and then nobody has said any.

What the process prints and logs, what it answers, what it shows of itself and what it stores is searched for each of
them, as it is and in the forms in which it goes out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from collector.store.database import connect, sqlalchemy_url
from milepost.definition_files import definition_texts, read_definitions
from milepost.routes import read_alerting
from milepost.settings import SettingsError, load
from milepost.source_files import read_receivers
from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Running, environment, free_port, wait_until
from tests.fix_postgres import Server

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PLANTED = {
    name: f"Planted-{name.replace('_', '-')}-4711"
    for name in (
        "database_password", "read_password", "kafka_password", "kafka_key_password", "oidc_secret", "user_password",
        "chosen_password",
        "wrong_password", "slack_path", "teams_sig", "pagerduty_key", "pagerduty_webhook", "jira_key", "servicenow",
        "smtp", "alertmanager", "apprise", "slack_token", "slack_signing", "source_secret", "source_token", "hash_key",
        "wrong_token", "phone", "recipient", "hook_path",
    )
}  # fmt: skip
HOOK_KEY = b"Planted-hook-secret-of-32-bytes!"
HOOK_SECRET = "whsec_" + base64.b64encode(HOOK_KEY).decode()

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: {path: data.order_id}}
  milestones:
    - {name: received, on: {exact: {source: crm, type: order.created}}, starts: true}
    - {name: accepted, on: {exact: {source: sap, type: order.accepted}}, within: 1s, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: wms}
spec:
  adapter:
    name: generic
    secret: "${WMS_SECRET}"
    signature: {header: X-Signature, prefix: "sha256="}
    mapping:
      id: id
      type: name
      fields: {name: recipient.name, phone: recipient.phone}
    sensitive: {drop: recipient.phone, hash: [recipient.name], key: "${HASH_KEY}"}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: desk}
spec: {adapter: {name: generic, token: "${DESK_TOKEN}", mapping: {id: id, type: name}}}
---
apiVersion: milepost/v1
kind: Route
metadata: {name: everything}
spec:
  send_to:
    - {slack: {webhook_url: "${SLACK_HOOK}"}}
    - {slack: {token: "${SLACK_TOKEN}", channel: C1, signing_secret: "${SLACK_SIGNING}", api_url: "VENDORS/slack"}}
    - {teams: {url: "${TEAMS}"}}
    - {pagerduty: {routing_key: "${PAGERDUTY}", webhook_secret: "${PAGERDUTY_HOOK}", api_url: "VENDORS/pagerduty"}}
    - {jira_ops: {api_key: "${JIRA}", api_url: "VENDORS/jira"}}
    - {servicenow: {url: "VENDORS/servicenow", user: milepost, password: "${SERVICENOW}"}}
    - {email: {server: "smtp://127.0.0.1:SMTP", from: m@example.com, to: o@example.com, user: m, password: "${SMTP}"}}
    - {webhook: {url: "${HOOK}", secret: "${HOOK_SECRET}"}}
    - {alertmanager: {url: "VENDORS/alertmanager", user: milepost, password: "${ALERTMANAGER}"}}
    - {apprise: {url: "${APPRISE}"}}
"""
TARGETS = 9
"""Those that note an answer here; Apprise is an extra."""
PAGES = (
    "/metrics", "/openapi.json", "/docs", "/healthz", "/readyz", "/api/v1/overview", "/api/v1/sources",
    "/api/v1/incidents", "/api/v1/dead-letters", "/api/v1/definitions", "/api/v1/instances", "/dashboard/",
)  # fmt: skip
COMMANDS = (
    "audit export", "audit verify", "keys list", "users list", "dead-letters list", "db status", "doctor",
    "doctor --json",
)  # fmt: skip


@contextmanager
def echoing() -> Iterator[tuple[str, list[str]]]:
    """Vendors that refuse everything, and repeat in the refusal what they were sent; the paths they were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(self.path)
            said = json.dumps({"error": f"{self.path} {dict(self.headers)} {sent!r}"}).encode()
            self.send_response(400 if len(asked) % 2 else 500, "no")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def environment_of(vendors: str) -> dict[str, str]:
    return {
        "WMS_SECRET": PLANTED["source_secret"],
        "HASH_KEY": PLANTED["hash_key"] * 2,
        "DESK_TOKEN": PLANTED["source_token"],
        "SLACK_HOOK": f"{vendors}/services/{PLANTED['slack_path']}",
        "SLACK_TOKEN": PLANTED["slack_token"],
        "SLACK_SIGNING": PLANTED["slack_signing"],
        "TEAMS": f"{vendors}/teams?sig={PLANTED['teams_sig']}",
        "PAGERDUTY": PLANTED["pagerduty_key"],
        "PAGERDUTY_HOOK": PLANTED["pagerduty_webhook"],
        "JIRA": PLANTED["jira_key"],
        "SERVICENOW": PLANTED["servicenow"],
        "SMTP": PLANTED["smtp"],
        "HOOK": f"{vendors}/{PLANTED['hook_path']}",
        "HOOK_SECRET": HOOK_SECRET,
        "ALERTMANAGER": PLANTED["alertmanager"],
        "APPRISE": f"json://user:{PLANTED['apprise']}@127.0.0.1:1/",
    }


def forms(secret: str) -> set[str]:
    """A secret as it is, and as it goes out."""
    basic = base64.b64encode(f"milepost:{secret}".encode()).decode()
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), basic}


def assert_unsaid(text: str, planted: dict[str, str], where: str) -> None:
    """None of them is in a text; which are is said by name."""
    low = text.lower()
    found = {name for name, secret in planted.items() if any(one.lower() in low for one in forms(secret))}
    if "Planted-hook-secret" in text or HOOK_SECRET[6:] in text:
        found.add("hook_secret")
    places = {
        name: text[max(0, low.find(planted[name].lower()) - 200) : low.find(planted[name].lower()) + 60]
        for name in found & planted.keys()
    }
    assert not found, f"{where} says {places or found}"


class Planted(Running):
    """A `milepost serve` full of secrets."""

    def __init__(self, folder: Path, config: Path, extra: dict[str, str], form: str) -> None:
        super().__init__(folder, f"log-{form}", "serve", "--config", str(config))
        self._command[-1] = form
        self._extra = extra

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--log-level", "debug"], stdout=log, stderr=log, env=environment() | self._extra
            )


@pytest.fixture
def planted_files(tmp_path: Path, database_url: str) -> Iterator[tuple[Path, Path, str, list[str]]]:
    """The file of settings, that of definitions, where the vendors are, and what they are asked."""
    with echoing() as (vendors, asked):
        definitions = tmp_path / "definitions.yaml"
        definitions.write_text(
            DEFINITIONS.replace("VENDORS", vendors).replace("127.0.0.1:SMTP", f"127.0.0.1:{free_port()}")
        )
        # The server of the tests takes any password.
        url = sqlalchemy_url(database_url).set(drivername="postgresql", password=PLANTED["database_password"])
        config = tmp_path / "milepost.toml"
        config.write_text(
            f'database_url = "{url.render_as_string(hide_password=False)}"\n'
            f'definitions = ["{definitions}"]\nauth = "on"\nprivate_hosts = ["127.0.0.1"]\n'
            f'public_url = "http://127.0.0.1:8080"\noidc_issuer = "http://127.0.0.1:{free_port()}"\n'
            f'oidc_client_id = "milepost"\noidc_client_secret = "{PLANTED["oidc_secret"]}"\n'
            'kafka_brokers = "127.0.0.1:1"\nkafka_security_protocol = "sasl_ssl"\nkafka_sasl_mechanism = "PLAIN"\n'
            f'kafka_sasl_username = "m"\nkafka_sasl_password = "{PLANTED["kafka_password"]}"\n'
            f'[kafka.ssl.key]\npassword = "{PLANTED["kafka_key_password"]}"\n'
        )
        yield config, definitions, vendors, asked


def command(config: Path, extra: dict[str, str], *words: str, said: str = "") -> str:
    """What a command prints, whether it ends well or not."""
    done = subprocess.run(
        [*COMMAND, *words, "--config", str(config)],
        input=said, capture_output=True, text=True, env=environment() | extra, timeout=240, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_that_a_process_says_or_stores_holds_a_secret(
    planted_files: tuple[Path, Path, str, list[str]], database_url: str, postgres: Server, tmp_path: Path, form: str
) -> None:
    config, _, vendors, asked = planted_files
    extra = environment_of(vendors)
    service = Planted(tmp_path, config, extra, form)
    planted = dict(PLANTED)
    answers: list[str] = []
    # What a command prints is the same beside a process that logs in another form.
    commands = COMMANDS if form == "json" else ()
    try:
        service.start()
        for scope in ("ingest", "admin"):
            words = ("keys", "create", "--name", scope, "--scope", scope, "--expires", "1d")
            planted[scope] = command(config, extra, *words).split()[0]
            planted[f"{scope}_secret"] = planted[scope][14:]
        answers.append(
            command(config, extra, "users", "add", "ada", "--role", "admin", said=PLANTED["user_password"] + "\n")
        )
        with asking.Client(base_url=service.url) as http:
            _go_wrong(http, planted, answers)
            bearer = {"authorization": f"Bearer {planted['admin']}"}
            # Every target has been tried, and has refused while repeating what it was sent.
            paths = ("services", "/slack/", "/teams", "pagerduty", "jira", "servicenow", "Planted-hook", "alertmanager")
            wait_until(lambda: all(any(path in one for one in asked) for path in paths), 60, "targets are told")
            with connect(database_url, "test", autocommit=True) as conn:
                told = "SELECT count(*) FROM delivery"
                wait_until(lambda: (conn.execute(told).fetchone() or (0,))[0] >= TARGETS, 60, "every answer is noted")
            answers += [http.get(path, headers=bearer).text for path in PAGES]
            incidents = http.get("/api/v1/incidents", headers=bearer).json()["items"]
            assert incidents
            answers += [http.get(f"/api/v1/incidents/{one['id']}", headers=bearer).text for one in incidents]
        answers += [command(config, extra, *words.split()) for words in commands]
        _assert_unstored(database_url, planted)
        # The crash: the database is gone in the middle of everything.
        postgres.execute(f"ALTER DATABASE {_name(database_url)} ALLOW_CONNECTIONS false")
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_name(database_url)}'"
        )
        with asking.Client(base_url=service.url) as http:
            wait_until(lambda: http.get("/readyz").status_code == 503, 60, "it notices")
            answers += [http.get(path, headers=bearer).text for path in ("/readyz", "/metrics", "/api/v1/overview")]
            sent = {"authorization": f"Bearer {planted['source_token']}"}
            answers.append(http.post("/sources/desk", content=b"{}", headers=sent).text)
        answers += [command(config, extra, *words.split()) for words in commands]
    finally:
        service.close()
        postgres.execute(f"ALTER DATABASE {_name(database_url)} ALLOW_CONNECTIONS true")
    logged = service.log.read_text()
    assert "Settings: " in logged
    assert_unsaid(logged, planted, "the log")
    for answer in answers:
        assert_unsaid(answer, planted, "an answer")


def _go_wrong(http: httpx.Client, planted: dict[str, str], answers: list[str]) -> None:
    """Everything that can be asked wrongly with a secret at hand, and an order that gets stuck."""
    good = {"authorization": f"Bearer {planted['ingest']}", "content-type": "application/cloudevents+json"}
    order = {"specversion": "1.0", "id": "1", "source": "crm", "type": "order.created", "data": {"order_id": "SO-1"}}
    wait_until(lambda: http.post("/events", json=order, headers=good).status_code == 200, 60, "the key is known")
    admin = {"authorization": f"Bearer {planted['admin']}"}
    wrong = {"authorization": f"Bearer {planted['ingest'][:-2]}--"}
    body = json.dumps(
        {"id": "7", "name": "sent", "recipient": {"name": planted["recipient"], "phone": planted["phone"]}}
    ).encode()
    signed = "sha256=" + hmac.new(planted["source_secret"].encode(), body, hashlib.sha256).hexdigest()
    unmapped = b'{"nothing": "of use"}'
    own = {"origin": str(http.base_url).rstrip("/")}
    for asked in (
        http.post("/events", content=b"{", headers=good),
        http.post("/events", json=order | {"specversion": "9"}, headers=good),
        http.post("/events", json=order, headers=good | wrong),
        http.post("/events", json=order, headers=good | {"authorization": f"Basic {planted['wrong_token']}"}),
        http.post("/v1/traces", content=b"\xff", headers=good | {"content-type": "application/x-protobuf"}),
        http.get("/api/v1/overview", headers=good),
        http.get("/api/v1/instances", params={"limit": "x", "key": planted["admin"]}, headers=admin),
        http.get(f"/api/v1/{planted['wrong_token']}", headers=wrong),
        http.post("/api/v1/dead-letters/discard", json={"numbers": planted["wrong_token"]}, headers=admin),
        http.post("/sources/wms", content=body, headers={"x-signature": signed}),
        http.post("/sources/wms", content=body, headers={"x-signature": planted["wrong_token"]}),
        http.post("/sources/desk", content=unmapped, headers={"authorization": f"Bearer {planted['source_token']}"}),
        http.post("/sources/desk", content=unmapped, headers={"authorization": f"Bearer {planted['wrong_token']}"}),
        http.post("/sources/desk", content=b"{", headers={"authorization": f"Bearer {planted['source_token']}"}),
        http.post("/sources/desk", params={"token": planted["source_token"]}, content=unmapped),
        http.post("/inbound/slack", content=b"payload=x", headers={"x-slack-signature": planted["wrong_token"]}),
        http.post("/login", data={"name": "ada", "password": planted["wrong_password"]}, headers=own),
        http.get("/login/oidc"),
        http.get("/login/callback", params={"code": planted["wrong_token"], "state": "x"}),
    ):
        answers += [asked.text, str({k: v for k, v in asked.headers.items() if k != "set-cookie"})]
    due = http.post("/login", data={"name": "ada", "password": planted["user_password"]}, headers=own)
    chosen = {"name": "ada", "old": planted["user_password"], "new": planted["chosen_password"]}
    weak = http.post("/login/password", data=chosen | {"new": planted["chosen_password"][:9]}, headers=own)
    answers += [due.text, weak.text]
    entered = http.post("/login/password", data=chosen, headers=own)
    planted |= {f"cookie_{name}": value for name, value in entered.cookies.items() if len(value) > 20}
    assert any(name.startswith("cookie_") for name in planted), entered.text
    answers.append(http.get("/dashboard/").text)


def _assert_unstored(url: str, planted: dict[str, str]) -> None:
    """No table holds any, but what went wrong is there."""
    with connect(url, "test", autocommit=True) as conn:
        names = conn.execute(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall()
        for (name,) in names:
            rows = conn.execute(f'SELECT * FROM "{name}"').fetchall()
            spelled = "\n".join(
                str([bytes(one).decode("latin-1") if isinstance(one, bytes | memoryview) else one for one in row])
                for row in rows
            )
            assert_unsaid(spelled, planted, f"the table {name}")
        row = conn.execute("SELECT (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM delivery)").fetchone()
    assert row is not None
    assert min(row) > 0


def _name(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def test_nothing_that_was_read_shows_a_secret_when_it_is_printed(
    planted_files: tuple[Path, Path, str, list[str]],
) -> None:
    config, definitions, vendors, _ = planted_files
    extra = environment_of(vendors)
    settings = load({}, {}, config)
    read = read_definitions([definitions])
    setup = read_alerting(read, extra)
    receivers = read_receivers(definition_texts([definitions]), read, extra)
    for one in (settings, settings.shown(), settings.kafka_cluster, read, setup, setup.routes, receivers):
        assert_unsaid(repr(one) + str(one), PLANTED, type(one).__name__)
    for receiver in receivers.values():
        assert_unsaid(repr(receiver), PLANTED, "a receiver")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("${SLACK_HOOK}", f"https://hooks.example.com/{PLANTED['slack_path']}"),
        ("${HOOK_SECRET}", PLANTED["hook_path"]),
        ("${SMTP}", PLANTED["smtp"]),
        ("${WMS_SECRET}", PLANTED["source_secret"]),
        ("${DESK_TOKEN}", PLANTED["source_token"]),
        ("${HASH_KEY}", PLANTED["hash_key"]),
    ],
)
def test_faults_of_definitions_do_not_repeat_a_secret_that_was_written_out(
    planted_files: tuple[Path, Path, str, list[str]], tmp_path: Path, before: str, after: str
) -> None:
    config, definitions, vendors, _ = planted_files
    definitions.write_text(definitions.read_text().replace(before, after))
    for words in (("serve",), ("doctor",)):
        said = command(config, environment_of(vendors), *words)
        assert "fault" in said or "cannot be used" in said, said
        assert_unsaid(said, PLANTED, words[0])


def test_secrets_out_of_the_environment_that_are_not_fit_are_not_repeated(
    planted_files: tuple[Path, Path, str, list[str]],
) -> None:
    config, _, vendors, _ = planted_files
    broken = {name: f"{PLANTED['wrong_token']} {name}\n" for name in environment_of(vendors)}
    said = command(config, broken, "serve") + command(config, broken, "doctor")
    assert "The definitions cannot be used" in said
    assert_unsaid(said, PLANTED, "serve")


@pytest.mark.parametrize(
    "text",
    [
        'database_url = "PLANTED"',
        'database_url = "mysql://u:PLANTED@db/x"',
        'database_url = "postgresql://u:PLANTED@db:port/x"',
        'database_url = ["PLANTED"]',
        'database_url = {password = "PLANTED"}',
        'oidc_client_secret = ["PLANTED"]',
        'kafka_sasl_password = ["PLANTED"]',
        'read_database_url = "postgresql://u:PLANTED@db/x"',
        '[kafka.sasl]\npassword = "PLANTED"',
        '[kafka.ssl.key]\npassword = ["PLANTED"]',
        'oidc_client_secret = "PLANTED',
        "oidc_client_secret = PLANTED",
    ],
)
def test_faults_of_settings_do_not_repeat_a_secret(tmp_path: Path, text: str) -> None:
    config = tmp_path / "milepost.toml"
    config.write_text(text.replace("PLANTED", PLANTED["database_password"]))
    with pytest.raises(SettingsError) as refused:
        load({}, {}, config)
    assert_unsaid(str(refused.value), PLANTED, "a fault")
