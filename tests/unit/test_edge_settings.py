"""The settings of the edges: what is taken, what is refused and why, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.access.rates import Rate
from milepost.edge_settings import patience_of, rates_of
from milepost.settings import SettingsError, load
from slo_rules.durations import HOUR, MINUTE


def faults(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as found:
        load({}, {f"MILEPOST_{name}": value for name, value in environment.items()})
    return found.value.faults


def test_without_a_word_nobody_is_limited_and_slow_connections_are_not_waited_for() -> None:
    found = load({}, {})
    assert rates_of(found).per_key is rates_of(found).per_source is None
    patience = patience_of(found)
    assert (patience.head, patience.body, patience.idle, found.max_connections) == (10.0, 20.0, 30.0, 2000)
    assert (found.session_idle, found.session_longest) == (30 * MINUTE, 12 * HOUR)
    assert found.address == "http://127.0.0.1:8080"


def test_they_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "milepost.toml"
    file.write_text(
        'rate_per_key = "30000/min"\nrate_per_source = "off"\nsource_rates = ["urn:a=b=5/s", "test=off"]\n'
        'max_connections = 50\nbody_timeout = "1m"\nsession_idle = "15m"\nsession_longest = "8h"\n'
    )
    found = load({}, {}, file)
    rates = rates_of(found)
    assert (rates.per_key, rates.per_source) == (Rate(500.0), None)
    assert rates.sources == {"urn:a=b": Rate(5.0), "test": None}
    assert (found.max_connections, patience_of(found).body) == (50, 60.0)
    shown = found.shown()
    assert (shown["rate_per_key"], shown["rate_per_source"], shown["session_idle"]) == ("500/s", "off", "15m")
    assert shown["source_rates"] == "urn:a=b=5/s, test=off"


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    there = tmp_path / "cert.pem"
    there.touch()
    found = faults(
        RATE_PER_KEY="many", SOURCE_RATES="sap, crm=fast", MAX_CONNECTIONS="9", HEADER_TIMEOUT="0s", IDLE_TIMEOUT="2h",
        SESSION_LONGEST="31d", SESSION_IDLE="30s", TLS_CERT=str(there), TLS_KEY=str(tmp_path / "nowhere"),
    )  # fmt: skip
    said = "\n".join(found)
    for name in (
        "RATE_PER_KEY",
        "MAX_CONNECTIONS",
        "HEADER_TIMEOUT",
        "IDLE_TIMEOUT",
        "SESSION_LONGEST",
        "SESSION_IDLE",
    ):
        assert f"MILEPOST_{name}: " in said
    assert said.count("MILEPOST_SOURCE_RATES: ") == 2
    assert "MILEPOST_TLS_KEY: there is no file" in said
    assert len(found) == 9


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"TLS_CERT": __file__}, "without tls_key"),
        ({"TLS_KEY": __file__}, "without tls_cert"),
        ({"SESSION_IDLE": "13h"}, "has no such end"),
        ({"SESSION_LONGEST": "10m"}, "has no such end"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, str], why: str) -> None:
    (fault,) = faults(**given)
    assert why in fault


def test_with_a_certificate_people_are_sent_to_https() -> None:
    assert load({"tls_cert": Path(__file__), "tls_key": Path(__file__)}, {}).address == "https://127.0.0.1:8080"


def test_tls_to_the_database_is_part_of_its_url_and_stays_there() -> None:
    url = "postgresql://u@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    found = load({"database_url": url}, {}).database_url or ""
    assert "sslmode=verify-full" in found
    assert "sslrootcert=" in found
