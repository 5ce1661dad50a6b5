"""Three real processes: two regions with their own databases and people, and one that shows both on a page."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import asking
from tests.acceptance.process import COMMAND, Running, environment, wait_until
from tests.fix_postgres import Server
from tests.integration.fix_doors import BATCH, DEFINITIONS, cloud_event

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]
PLANTED = "PLANTED"
REGIONS = ("eu", "us")


def command(*arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment(), timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def order(number: int) -> dict[str, Any]:
    data = {"order_id": f"{PLANTED}-{number}", "region": PLANTED, "amount": 10, "currency": "EUR"}
    return cloud_event(f"{PLANTED}-{number}", data=data, time="2026-01-01T00:00:00Z")


class Installation:
    """The installation of a region: its database, its process, and its keys."""

    def __init__(self, name: str, postgres: Server, folder: Path, definitions: Path) -> None:
        self.name = name
        self.database = postgres.clone()
        self.key_file = folder / f"{name}.key"
        arguments = ("--database-url", self.database, "--definitions", str(definitions), "--auth", "on")
        self.running = Running(folder, f"{name}.log", "serve", *arguments)
        self.key_file.write_text(self.key("overview"))
        self.sender = self.key("ingest")

    def key(self, scope: str) -> str:
        return command(
            "keys", "create", "--name", f"{scope} of {self.name}", "--scope", scope, "--expires", "1d",
            "--database-url", self.database,
        )  # fmt: skip

    def send(self, *numbers: int) -> None:
        def accepted() -> bool:
            # Keys are read every two seconds.
            headers = BATCH | {"authorization": f"Bearer {self.sender}"}
            answer = asking.post(f"{self.running.url}/events", json=[order(one) for one in numbers], headers=headers)
            return answer.status_code == 200

        wait_until(accepted, 60, "the events are accepted")


def test_two_regions_are_seen_on_one_page_and_one_that_is_killed_is_told_as_such(
    postgres: Server, tmp_path: Path
) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    installations = {name: Installation(name, postgres, tmp_path, definitions) for name in REGIONS}
    eu, us = installations.values()
    settings = tmp_path / "overview.toml"
    tables = (
        f'[regions.{name}]\nurl = "{one.running.url}"\npublic_url = "https://{name}.example.com"\n'
        f'title = "Region {name}"\nkey_file = "{one.key_file}"\n'
        for name, one in installations.items()
    )
    settings.write_text('private_hosts = ["127.0.0.1"]\n' + "".join(tables))
    arguments = ("--database-url", postgres.clone(), "--config", str(settings))
    overview = Running(tmp_path, "overview.log", "serve", *arguments)

    def told() -> dict[str, Any]:
        answer = asking.get(f"{overview.url}/api/v1/regions")
        assert answer.status_code == 200, answer.text
        assert PLANTED not in answer.text
        return {one["name"]: one for one in answer.json()["items"]}

    def stuck(name: str) -> int:
        figures = told()[name]["figures"]
        return sum(one["stuck"] for one in figures["domains"]) if figures else -1

    try:
        for one in (eu.running, us.running, overview):
            one.launch()
        for one in (eu.running, us.running, overview):
            one.wait()
        eu.send(1, 2, 3)
        us.send(1)
        wait_until(lambda: (stuck("eu"), stuck("us")) == (3, 1), 60, "both regions are told of")
        found = wait_until(
            lambda: (each := told()) and {one["state"] for one in each.values()} == {"live"} and each,
            60,
            "both are live",
        )
        assert found["eu"]["url"] == "https://eu.example.com"
        said = command("doctor", "--config", str(settings), "--database-url", arguments[1])
        assert "2 answer: eu, us" in said

        us.running.end()
        # The first thing that is noticed may be that a connection broke.
        silent = wait_until(
            lambda: (one := told()["us"])["why"] == "it cannot be connected to" and one, 60, "its silence is told"
        )
        assert silent["state"] == "silent"
        assert silent["silent_since"] > silent["answered_at"]
        assert sum(one["stuck"] for one in silent["figures"]["domains"]) == 1
        eu.send(4)
        wait_until(lambda: stuck("eu") == 4, 60, "the other goes on")
        assert told()["us"]["silent_since"] == silent["silent_since"]

        us.running.start()
        wait_until(lambda: told()["us"]["state"] == "live", 60, "it is back by itself")

        # A key that is revoked is told as such, and the next one in the file is used by itself.
        command("keys", "revoke", "overview of eu", "--database-url", eu.database)
        refused = wait_until(
            lambda: (one := told()["eu"])["why"] == "it does not know the key" and one, 60, "its key is refused"
        )
        assert refused["state"] == "silent"
        eu.key_file.write_text(eu.key("overview"))
        wait_until(lambda: told()["eu"]["state"] == "live", 60, "the new key is used")

        assert asking.get(f"{overview.url}/dashboard/regions").status_code == 200
        logged = overview.log.read_text()
        assert "mp_" not in logged
        assert PLANTED not in logged
        for one in (eu.running, us.running, overview):
            assert one.errors() == []
            assert one.stop(signal.SIGTERM) == 0
    finally:
        for one in (eu.running, us.running, overview):
            one.close()
