"""What the log tells of those who were not let in."""

from __future__ import annotations

from structlog.testing import capture_logs

from collector.access.refusals import Refusals


def told(refusals: Refusals, now: float, path: str = "/api/v1/overview") -> bool:
    return refusals.tell(403, "no", by="bob", address="203.0.113.9", method="GET", path=path, now=now)


def test_who_was_refused_what_from_where_is_told() -> None:
    with capture_logs() as logs:
        assert told(Refusals(), 1.0)
    assert logs == [
        {
            "event": "refused", "log_level": "warning", "status": 403, "why": "no", "by": "bob",
            "address": "203.0.113.9", "method": "GET", "path": "/api/v1/overview",
        }
    ]  # fmt: skip


def test_the_key_of_a_customer_in_a_path_is_not_told_nor_a_path_without_end() -> None:
    with capture_logs() as logs:
        told(Refusals(), 1.0, "/api/v1/accounts/customer/kd-77123")
        told(Refusals(), 1.0, "/" + "x" * 9_000)
    assert logs[0]["path"] == "/api/v1/accounts"
    assert len(logs[1]["path"]) == 100


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_log() -> None:
    refusals = Refusals()
    with capture_logs() as logs:
        assert sum(told(refusals, 1.0 + n / 1000) for n in range(900)) == 10
        assert told(refusals, 2.0)
    assert len(logs) == 11
    assert logs[-1]["untold"] == 890
