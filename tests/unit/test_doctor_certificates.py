"""What `milepost doctor` says of certificates: until when they are good, and whether they fit their key."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from alerting.channels.reach import reach_of
from milepost.doctor import asking_network
from milepost.doctor.certificates import ending, own, theirs, validity
from milepost.doctor.examination import Examination
from milepost.doctor.finding import Grade
from milepost.settings import Settings
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_micros
from tests.unit.test_doctor_judging import hook

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AUTHORITY = trustme.CA()


def files(folder: Path, until: datetime, since: datetime | None = None, name: str = "cert") -> tuple[Path, Path]:
    """A certificate that ends then with its key, as files."""
    more = {} if since is None else {"not_before": since}
    made = AUTHORITY.issue_cert("localhost", "127.0.0.1", not_after=until, **more)
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return chain, key


@pytest.mark.parametrize(
    ("left", "grade", "said"),
    [
        (timedelta(days=90), Grade.OK, "is good for"),
        (timedelta(days=22), Grade.OK, "is good for"),
        (timedelta(days=20), Grade.WARN, "2026-12-12T12:00:00Z"),
        (timedelta(hours=1), Grade.WARN, "ends in 1h"),
        (timedelta(hours=-30), Grade.FAIL, "ended"),
    ],
)
def test_what_it_serves_with_is_told_three_weeks_before_it_ends(
    tmp_path: Path, left: timedelta, grade: Grade, said: str
) -> None:
    found = own(*files(tmp_path, NOW + left, NOW - timedelta(days=365)), to_micros(NOW))
    assert (found.check, found.grade) == ("certificates", grade)
    assert said in found.said


def test_of_a_chain_what_ends_first_counts(tmp_path: Path) -> None:
    chain, key = files(tmp_path, NOW + timedelta(days=300))
    other, _ = files(tmp_path, NOW + timedelta(days=3), name="other")
    chain.write_bytes(chain.read_bytes() + b"\n# an intermediate\n" + other.read_bytes())
    assert own(chain, key, to_micros(NOW)).grade is Grade.WARN


def test_one_that_is_not_of_its_key_not_good_yet_or_no_certificate_fails_in_clear_words(tmp_path: Path) -> None:
    chain, key = files(tmp_path, NOW + timedelta(days=300))
    other, _ = files(tmp_path, NOW + timedelta(days=300), name="other")
    found = own(other, key, to_micros(NOW))
    assert (found.grade, found.said) == (Grade.FAIL, f"{other} is not the certificate of the key in {key}")
    young, of_young = files(tmp_path, NOW + timedelta(days=9), NOW + timedelta(days=1), "young")
    assert "is good from 2026-11-23T12:00:00Z on only" in own(young, of_young, to_micros(NOW)).said
    key.write_text("no key")
    for a, b in ((chain, key), (tmp_path / "nowhere.pem", key), (key, key)):
        assert own(a, b, to_micros(NOW)).grade is Grade.FAIL


def test_the_command_looks_at_the_certificate_of_its_settings(tmp_path: Path) -> None:
    chain, key = files(tmp_path, datetime.now(UTC) + timedelta(days=5))
    settings = Settings(data_dir=tmp_path / "none", tls_cert=chain, tls_key=key)
    findings = [one for one in Examination(settings, environment={}).findings() if one.check == "certificates"]
    assert [one.grade for one in findings] == [Grade.WARN]


@given(st.integers(-10 * DAY, 60 * DAY))
def test_the_nearer_the_end_the_worse(left: int) -> None:
    found = ending("x", left, 0, "renew it")
    grade = Grade.OK if found is None else found.grade
    assert grade is (Grade.FAIL if left <= 0 else Grade.WARN if left <= 21 * DAY else Grade.OK)


def der_of(until: datetime) -> bytes:
    made = AUTHORITY.issue_cert("localhost", not_before=until - timedelta(days=1), not_after=until)
    return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())


DER = der_of(NOW)


@pytest.mark.parametrize("year", [1951, 1999, 2026, 2049, 2050, 2120])
def test_validity_is_read_of_the_certificates_of_every_year(year: int) -> None:
    until = NOW.replace(year=year)
    assert validity(der_of(until)) == (to_micros(until - timedelta(days=1)), to_micros(until))


@given(st.integers(0, 400), st.integers(0, 120), st.integers(1, 255), st.binary(max_size=40))
def test_what_is_cut_off_spoilt_or_noise_is_no_certificate(cut: int, place: int, bits: int, noise: bytes) -> None:
    spoilt = bytearray(DER)
    spoilt[place] ^= bits
    for other in (bytes(spoilt), noise):
        with suppress(ValueError):
            validity(other)
    with pytest.raises(ValueError, match="is "):
        validity(DER[:cut])


@contextmanager
def speaking_tls(chain: Path, key: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_of_targets_and_others_that_are_reached_it_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, reach = tmp_path / "ca.pem", reach_of(("127.0.0.1", "localhost"))
    AUTHORITY.cert_pem.write_to_path(str(authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    now, chains = to_micros(datetime.now(UTC)), {}
    for name, days in (("short", 4), ("long", 200)):
        chains[name] = files(tmp_path, datetime.now(UTC) + timedelta(days=days), name=name)
    with speaking_tls(*chains["short"]) as short, speaking_tls(*chains["long"]) as long:
        found = {
            (one.check, one.grade): one.said
            for one in asking_network.targets(
                [hook(f"https://127.0.0.1:{port}/x") for port in (short, long)], reach, now
            )
        }
        urls = {"region eu": f"https://127.0.0.1:{short}", "plain": "http://127.0.0.1:1", "away": "https://127.0.0.1:1"}
        ends = asking_network.certificate_ends(urls, reach)
    assert ("targets", Grade.OK) in found
    assert "ends in" in found["certificates", Grade.WARN]
    assert "21 days and more" in found["certificates", Grade.OK]
    assert [name for name, _ in ends] == ["region eu"]
    assert 3 * DAY < ends[0][1] - now < 4 * DAY + HOUR
    assert [one.grade for one in theirs(ends, now)] == [Grade.WARN]
    assert theirs([], now) == []
