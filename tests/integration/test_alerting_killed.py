"""Senders that are killed with -9 between any two steps, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fix_killed_sender import STEPS

from slo_rules.durations import MINUTE, SECOND

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from fix_alerting import World
    from fix_vendors import Vendors

pytest_plugins = ["fix_alerting", "fix_vendors"]
TOP = Path(__file__).parents[2]


def killed_at(step: str, world: World, spec: list[dict[str, object]]) -> None:
    command = [sys.executable, str(Path(__file__).with_name("fix_killed_sender.py")), world.url, str(world.now), step]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)} | world.env
    ran = subprocess.run([*command, json.dumps(spec)], env=env, timeout=240, check=False)
    assert ran.returncode == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_killed_between_any_two_steps_nothing_is_lost_and_only_what_cannot_be_told_apart_is_repeated(
    world: World, vendors: Vendors, step: str
) -> None:
    world.env |= vendors.env
    kinds = ["slack", "pagerduty", "servicenow"]
    spec: list[dict[str, object]] = []
    for kind in kinds:
        spec.append({"metadata": {"name": kind}, "spec": {"send_to": [vendors.target(kind)]}})
        world.route(vendors.target(kind), name=kind)
    world.fire()
    # Each of these dies with another message in its hands.
    for _ in kinds:
        killed_at(step, world, spec)
    for _ in range(3):
        world.send(3 * MINUTE)
    assert {row[:2] for row in world.outbox()} == {("firing", "delivered")}
    # These two know a message that they have been given.
    assert len(vendors.pagerduty.open) == len(vendors.servicenow.incidents) == 1
    posted = len(vendors.slack.messages)
    assert posted == (2 if step in ("sent", "before_commit") else 1)
    world.become("completed")
    world.look(SECOND)
    killed_at(step, world, spec)
    for _ in range(4):
        world.send(3 * MINUTE)
    assert {row[1] for row in world.outbox()} == {"delivered"}
    assert (vendors.pagerduty.open, len(vendors.pagerduty.resolved)) == ({}, 1)
    assert [one["state"] for one in vendors.servicenow.incidents.values()] == ["6"]
    heads = [one["blocks"][0]["text"]["text"] for one in vendors.slack.messages.values() if "blocks" in one]
    assert len(heads) == posted
    assert heads[-1].startswith("Resolved: ")
