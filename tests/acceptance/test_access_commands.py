"""Keys, users and the audit log with the real process and the real commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Serving, environment, wait_until
from tests.integration.fix_doors import DEFINITIONS, cloud_event

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]
MEDIA = {"content-type": "application/cloudevents+json"}


class Guarded(Serving):
    """A `milepost serve --auth on`."""

    def __init__(self, folder: Path, definitions: Path) -> None:
        super().__init__(folder, definitions)
        self._command += ["--auth", "on"]

    def command(self, *words: str, said: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [*COMMAND, *words, "--data-dir", str(self.data)],
            input=said, capture_output=True, text=True, env=environment(), timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return (done.stdout if code == 0 else done.stderr).strip()


def doctor(service: Guarded) -> list[str]:
    """What it says of limits."""
    done = subprocess.run(
        [*COMMAND, "doctor", "--json", "--data-dir", str(service.data)],
        capture_output=True, text=True, env=environment(), timeout=240, check=False,
    )  # fmt: skip
    return [one["said"] for one in json.loads(done.stdout)["findings"] if one["check"] == "limits"]


def test_keys_users_and_audit_of_a_service_that_runs(tmp_path: Path) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    service = Guarded(tmp_path, definitions)
    try:
        service.start()
        assert any(one["event"] == "nobody_can_enter" for one in service.said())
        key = service.command("keys", "create", "--name", "crm", "--scope", "ingest:crm", "--expires", "90d")
        assert "mp_" not in service.command(
            "keys", "create", "--name", "x", "--scope", "all", "--expires", "1d", code=1
        )

        def send(with_key: str) -> int:
            headers = MEDIA | {"authorization": f"Bearer {with_key}"}
            return asking.post(f"{service.url}/events", json=cloud_event(), headers=headers).status_code

        wait_until(lambda: send(key) == 200, 60, "the running process knows the new key")
        second = service.command("keys", "rotate", "crm", "--overlap", "1h")
        wait_until(lambda: send(second) == 200, 60, "it knows the second key")
        assert send(key) == 200
        service.command("keys", "revoke", key[:13])
        wait_until(lambda: send(key) == 401, 60, "the former key opens nothing any more")
        assert send(second) == 200
        listed: list[dict[str, Any]] = json.loads(service.command("keys", "list", "--json"))
        assert {one["state"] for one in listed} == {"in force", "revoked"}
        assert service.command("keys", "list").count("mp_") == 2

        assert service.command("keys", "limit", "crm", "--rate", "1/h") == "crm may bring: 1/h."
        assert "crm  ingest:crm  at most 1/h" in service.command("keys", "list")
        wait_until(lambda: send(second) == 429, 60, "the running process knows the rate of the key")
        findings = wait_until(
            lambda: [one for one in doctor(service) if "key crm" in one], 60, "the doctor says who is limited"
        )
        assert findings[0].startswith("limited within the last hour: key crm (")
        assert "is not a rate" in service.command("keys", "limit", "crm", "--rate", "much", code=1)
        service.command("keys", "limit", "crm", "--rate", "off")
        wait_until(lambda: send(second) == 200, 60, "it may bring as much as it likes")

        service.command("users", "add", "ada", "--role", "operator", said="too short\n", code=1)
        service.command("users", "add", "ada", "--role", "operator", said="correct horse battery\n")
        assert service.command("users", "list") == "operator  ada  has to change the password"
        with asking.Client(base_url=service.url, headers={"origin": service.url}) as browser:
            page = browser.get("/dashboard/", headers={"accept": "text/html"})
            assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fdashboard%2F")
            said = {"name": "ada", "password": "correct horse battery", "next": "/dashboard/"}
            assert "Choose a password" in browser.post("/login", data=said).text
            chosen = {"name": "ada", "old": said["password"], "new": "seven lamps in a barn", "next": "/dashboard/"}
            assert browser.post("/login/password", data=chosen).headers["location"] == "/dashboard/"
            page = browser.get("/dashboard/", headers={"accept": "text/html"})
            assert page.status_code == 200
            assert "_dash-" in page.text
            service.command("users", "change", "ada", "--domain", "support", "--raw")
            assert service.command("users", "list") == "operator  ada  sees domain:support  raw"

            def domains() -> list[str]:
                return [one["domain"] for one in browser.get("/api/v1/overview").json()["domains"]]

            wait_until(lambda: domains() == ["support"], 60, "the running process knows what she sees now")
            service.command("users", "change", "ada", "--all-workflows", "--domain", "x", code=1)
            service.command("users", "change", "ada", "--all-workflows", "--no-raw")
            wait_until(lambda: domains() == ["orders", "support"], 60, "she sees everything again")
            assert service.command("users", "log-out", "ada") == "ada: 1 session is over."
            wait_until(lambda: browser.get("/api/v1/overview").status_code == 401, 60, "she is logged out")
        assert "sees" in service.command(
            "keys", "create", "--name", "y", "--scope", "ingest", "--domain", "support", "--expires", "1d", code=1
        ).replace("it has none of them", "sees")
        service.command("keys", "create", "--name", "bi", "--scope", "query", "--workflow", "ticket", "--expires", "1d")
        assert "sees workflow:ticket" in service.command("keys", "list")

        send(second)
        wait_until(lambda: "own events" in service.command("forget", "order=O-1"), 60, "the event is applied")
        assert "say --yes" in service.command("forget", "order:O-1")
        assert "no definition has 'x'" in service.command("forget", "x=O-1", code=1)
        assert "Forgotten:" in service.command("forget", "order=O-1", "--yes")
        assert service.command("forget", "order=O-1") == "Nothing is known under this key."

        noted = service.command("audit", "verify").rpartition(" ")[2]
        exported = [json.loads(line) for line in service.command("audit", "export").splitlines()]
        actions = [row["action"] for row in exported]
        assert actions == [
            "key.created", "key.rotated", "key.revoked", "key.limited", "key.limited", "user.added", "login.password_due",
            "user.changed", "login", "user.changed", "user.changed", "user.logged_out", "key.created", "subject.forgotten",
        ]  # fmt: skip
        assert {row["how"] for row in exported} == {"terminal", "password"}
        service.command("audit", "verify", "--expect", noted)
        assert "Broken at row 5" in service.command("audit", "verify", "--expect", "5:00", code=3)

        assert service.stop(signal.SIGTERM) == 0
        told = service.log.read_text()
        for planted in (key[14:], second[14:], "correct horse battery"):
            assert planted not in told
    finally:
        service.close()


def test_a_process_that_others_could_reach_does_not_start_without_authentication(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path)],
        capture_output=True, text=True, env=environment() | {"PATH": os.environ["PATH"]}, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--auth on" in done.stderr
    assert "--insecure" in done.stderr
    assert not (tmp_path / "postgres").exists()
