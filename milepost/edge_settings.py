"""The settings of the edges: how much may come, how slowly, from how many at once, by TLS, and how long people stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.access.lengths import Lengths
from collector.access.rates import OFF, Rate, Rates, parse_rate
from milepost.access_settings import read_list
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND, format_duration, parse_duration

if TYPE_CHECKING:
    from milepost.connections import Patience
    from milepost.settings import Settings

MOST_CONNECTIONS = 2000
_DURATIONS = {
    "header_timeout": (SECOND, 5 * MINUTE, "slow networks need a second, and what waits for longer keeps others out"),
    "body_timeout": (SECOND, 10 * MINUTE, "slow networks need a second, and what waits for longer keeps others out"),
    "idle_timeout": (SECOND, HOUR, "who keeps a connection without a word keeps others out"),
    "session_idle": (MINUTE, DAY, "an open page asks every few seconds, and whoever finds a screen open is let in"),
    "session_longest": (5 * MINUTE, 30 * DAY, "what people may do is asked anew only when they log in"),
}
"""The shortest and the longest, and why."""
_Faults = list[str]


def _rate(value: Any, origin: str, faults: _Faults) -> Rate | None:
    try:
        return parse_rate(str(value))
    except ValueError as error:
        faults.append(f"{origin}: {error}")
        return None


def _source_rates(value: Any, origin: str, faults: _Faults) -> tuple[str, ...]:
    found = read_list(value)
    for one in found:
        name, _, rate = one.rpartition("=")
        if not name:
            faults.append(f"{origin}: {one[:80]!r} is not SOURCE=RATE, such as sap=500/s")
            continue
        _rate(rate, origin, faults)
    return found


def _connections(value: Any, origin: str, faults: _Faults) -> int:
    said = str(value)
    if not (said.isascii() and said.isdecimal()) or not 10 <= int(said[:9]) <= 100_000:
        faults.append(f"{origin}: must be a number from 10 to 100000, not {said[:40]!r}")
        return MOST_CONNECTIONS
    return int(said)


def _file(value: Any, origin: str, faults: _Faults) -> Path:
    path = Path(value)
    if not path.is_file():
        faults.append(f"{origin}: there is no file {str(path)!r}")
    return path


def _duration_of(name: str) -> Callable[[Any, str, _Faults], int]:
    least, most, why = _DURATIONS[name]

    def read(value: Any, origin: str, faults: _Faults) -> int:
        try:
            length = parse_duration(str(value))
        except ValueError as error:
            faults.append(f"{origin}: {error}")
            return least
        if not least <= length <= most:
            bounds = f"from {format_duration(least)} to {format_duration(most)}"
            faults.append(f"{origin}: {value} is not {bounds}: {why}")
        return length

    return read


READ: Mapping[str, Callable[[Any, str, _Faults], Any]] = {
    "rate_per_key": _rate,
    "rate_per_source": _rate,
    "source_rates": _source_rates,
    "max_connections": _connections,
    "tls_cert": _file,
    "tls_key": _file,
    **{name: _duration_of(name) for name in _DURATIONS},
}
"""How each is read: value, where it came from, and the faults, to which what is wrong is added."""
KINDS = {
    "rate_per_key": f"a rate such as 500/s, or {OFF}",
    "rate_per_source": f"a rate such as 500/s, or {OFF}",
    "max_connections": "a number",
    **dict.fromkeys(_DURATIONS, "a duration such as 30s in quotes"),
}


def faults_between(values: Mapping[str, Any], given: Mapping[str, tuple[Any, str]]) -> list[str]:
    """What is wrong with them taken together."""
    faults: list[str] = []
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if one in given and other not in given:
            faults.append(f"{given[one][1]}: without {other}; TLS needs both")
    idle, longest = (values.get(name) for name in ("session_idle", "session_longest"))
    if (idle or Lengths().idle) > (longest or Lengths().longest):
        name = "session_idle" if idle else "session_longest"
        faults.append(f"{given[name][1]}: a session that may be unused for longer than it lasts at all has no such end")
    return faults


def shown(settings: Settings) -> dict[str, str]:
    """These settings for people and logs."""
    found = {name: format_duration(getattr(settings, name)) for name in _DURATIONS}
    found |= {name: str(getattr(settings, name) or OFF) for name in ("rate_per_key", "rate_per_source")}
    found |= {name: str(getattr(settings, name) or "none") for name in ("tls_cert", "tls_key")}
    return found | {"source_rates": ", ".join(settings.source_rates) or "none"}


def patience_of(settings: Settings) -> Patience:
    """How long slow connections of HTTP are waited for."""
    from milepost.connections import Patience  # noqa: PLC0415 — settings are read by every command

    return Patience(settings.header_timeout / SECOND, settings.body_timeout / SECOND, settings.idle_timeout / SECOND)


def rates_of(settings: Settings) -> Rates:
    """How much keys and sources may bring."""
    named = (one.rpartition("=") for one in settings.source_rates)
    return Rates(settings.rate_per_key, settings.rate_per_source, {name: parse_rate(rate) for name, _, rate in named})
