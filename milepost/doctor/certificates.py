"""How long certificates are good, and whether one fits its key."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from milepost.doctor.finding import Finding, fail, ok, warn
from milepost.doctor.judging import named
from milepost.tls import Certificate, TlsUnusable
from slo_rules.durations import DAY
from slo_rules.instants import rfc3339, to_micros
from slo_rules.rounding import roughly

CHECK = "certificates"
WARNED = 21 * DAY
_SEQUENCE, _CONTEXT, _UTC_TIME, _GENERALIZED = 0x30, 0xA0, 0x17, 0x18
_END = "-----END CERTIFICATE-----"
_RENEW = "renew it before; Milepost takes over new files by itself"
_THEIRS = "whoever runs it must renew it: nothing can be sent there afterwards"


def validity(der: bytes) -> tuple[int, int]:
    """From when until when (micros) a certificate in DER is good (RFC 5280, section 4.1). ValueError if it is none."""
    try:
        _, certificate, _ = _element(der)
        _, signed, _ = _element(certificate)
        # version (may be left out), serialNumber, signature, issuer; then validity
        tag, _, rest = _element(signed)
        for _ in range(3 if tag == _CONTEXT else 2):
            tag, _, rest = _element(rest)
        tag, times, _ = _element(rest)
        if tag != _SEQUENCE:
            raise ValueError("is no certificate")
        begins, said, rest = _element(times)
        ends, last, _ = _element(rest)
        return _instant(begins, said), _instant(ends, last)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("is no certificate") from error


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element: its tag, what it holds, and what follows."""
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[2 : 2 + size]), 2 + size
    if at + length > len(data):
        raise ValueError("is cut off")
    return tag, data[at : at + length], data[at + length :]


def _instant(tag: int, said: bytes) -> int:
    text = said.decode("ascii")
    if tag == _UTC_TIME:
        # Years of two digits are those from 1950 to 2049.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED:
        raise ValueError("is no certificate")
    return to_micros(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC))


def own(chain: Path, key: Path, now: int) -> Finding:
    """The certificate that Milepost serves with: whether it can be used with its key, and until when (micros)."""
    try:
        Certificate(chain, key)
        ends = [validity(der) for der in _certificates(chain)]
    except TlsUnusable as error:
        mismatch = getattr(error.__cause__, "reason", None) == "KEY_VALUES_MISMATCH"
        said = f"{chain} is not the certificate of the key in {key}" if mismatch else str(error)
        return fail(CHECK, said, "milepost serve does not start with it: see tls_cert and tls_key")
    except ValueError as error:
        return fail(CHECK, f"{chain}: {error}", "see tls_cert")
    begins, until = max(first for first, _ in ends), min(last for _, last in ends)
    if begins > now:
        advice = "is the clock of this machine right? Until then nobody trusts it"
        return fail(CHECK, f"{chain} is good from {rfc3339(begins)} on only", advice)
    return ending(str(chain), until, now, _RENEW) or ok(CHECK, f"{chain} is good for {roughly(until - now)}")


def theirs(ends: Iterable[tuple[str, int]], now: int) -> list[Finding]:
    """What is told of the certificates of those that were reached, by name and by when they end (micros)."""
    known = list(ends)
    found = [one for name, until in known if (one := ending(name, until, now, _THEIRS)) is not None]
    good = [name for name, until in known if until - now > WARNED]
    return [*found, *([ok(CHECK, f"{named(good)}: good for 21 days and more")] if good else [])]


def ending(name: str, until: int, now: int, advice: str) -> Finding | None:
    """What is told of a certificate that ends then; None where that is more than WARNED away. Pure."""
    if until <= now:
        return fail(CHECK, f"the certificate of {name} ended {roughly(now - until)} ago", advice)
    if until - now > WARNED:
        return None
    return warn(CHECK, f"the certificate of {name} ends in {roughly(until - now)}, {rfc3339(until)}", advice)


def _certificates(chain: Path) -> list[bytes]:
    text = chain.read_text("utf-8", "replace")
    blocks = [part[part.index("-----BEGIN") :] + _END for part in text.split(_END) if "-----BEGIN CERT" in part]
    return [ssl.PEM_cert_to_DER_cert(block[block.index("-----BEGIN CERT") :]) for block in blocks]
