"""What the log tells of those who were not let in."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from collector.access import refusals as module
from collector.access.refusals import Refusals


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A logger of its own: the module's may have been bound for good by a test before this one."""
    capture = LogCapture()
    monkeypatch.setattr(module, "log", structlog.wrap_logger(structlog.PrintLogger(), processors=[capture]))
    return capture.entries


def told(refusals: Refusals, now: float, path: str = "/api/v1/overview") -> bool:
    return refusals.tell(403, "no", by="bob", address="203.0.113.9", method="GET", path=path, now=now)


def test_who_was_refused_what_from_where_is_told(logs: list[dict[str, Any]]) -> None:
    assert told(Refusals(), 1.0)
    assert logs == [
        {
            "event": "refused", "log_level": "warning", "status": 403, "why": "no", "by": "bob",
            "address": "203.0.113.9", "method": "GET", "area": "/api/v1",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/api/v1/accounts/customer/kd-77123", "/api/v1"),
        ("/v1/traces", "/v1/traces"),
        ("/" + "x" * 9_000, "/"),
        ("/a-secret/api/v1", "/"),
        ("//api", "/"),
        ("", "/"),
    ],
)
def test_of_a_path_only_what_is_ours_is_told(path: str, area: str, logs: list[dict[str, Any]]) -> None:
    told(Refusals(), 1.0, path)
    assert logs[0]["area"] == area


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_log(logs: list[dict[str, Any]]) -> None:
    refusals = Refusals()
    assert sum(told(refusals, 1.0 + n / 1000) for n in range(900)) == 10
    assert told(refusals, 2.0)
    assert len(logs) == 11
    assert logs[-1]["untold"] == 890
