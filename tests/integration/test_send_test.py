"""`milepost alerts send-test`, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from milepost.cli import app

if TYPE_CHECKING:
    from fix_vendors import Vendors

pytest_plugins = ["fix_vendors"]


def typed(folder: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    documents = []
    for kind in ("slack", "teams", "pagerduty", "jira_ops", "servicenow", "alertmanager"):
        head = {"apiVersion": "milepost/v1", "kind": "Target", "metadata": {"name": kind.replace("_", "-")}}
        documents.append(head | {"spec": vendors.target(kind)})
    file = folder / "targets.yaml"
    file.write_text(yaml.safe_dump_all(documents), "utf-8")
    for name, value in vendors.env.items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(app, ["alerts", "send-test", *words, "--definitions", str(file)])
    return ran.exit_code, ran.output


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty", "jira-ops", "servicenow", "alertmanager"])
def test_a_test_message_and_its_resolve_are_sent(
    tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    code, said = typed(tmp_path, vendors, monkeypatch, kind, "--private-hosts", "127.0.0.1")
    assert code == 0, said
    assert [line.partition(":")[0] for line in said.splitlines()] == ["firing", "resolved"]
    assert vendors.pagerduty.open == {}
    assert {one["state"] for one in vendors.servicenow.incidents.values()} <= {"6"}


def test_it_says_why_a_target_took_nothing(tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = typed(tmp_path, vendors, monkeypatch, "slack")
    assert code == 1
    assert "127.0.0.1 is not on the public internet; allow it by name in private_hosts" in said
    vendors.slack.say.append((200, {}, b'{"ok":false,"error":"not_in_channel"}'))
    code, said = typed(tmp_path, vendors, monkeypatch, "slack", "--private-hosts", "127.0.0.1")
    assert "not_in_channel" in said
    assert "xoxb" not in said


def test_a_target_that_is_none_is_named(tmp_path: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = typed(tmp_path, vendors, monkeypatch, "slak")
    assert code == 1
    assert "There is no target 'slak'" in said
    assert "'slack'" in said
