"""Process settings: one frozen value, file < environment < flags, checked whole before anything starts."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from collector.access.lengths import USUAL as SESSIONS
from collector.access.rates import Rate
from collector.ingest.kafka.library import Cluster
from collector.ingest.kafka.topics import Topic
from collector.retention.policy import FLOORS, Kept, Retention
from milepost import edge_settings
from milepost.access_settings import (
    AUTH,
    TRUSTED,
    faults_of_oidc,
    read_group_roles,
    read_group_sights,
    read_list,
    read_networks,
)
from milepost.kafka_settings import (
    MECHANISMS,
    PROTOCOLS,
    cluster_of,
    faults_between,
    read_properties,
    read_topics,
)
from milepost.regions.region import Region, read_regions
from milepost.sizes import format_size, parse_size
from slo_rules.compiled import INTERPRETED
from slo_rules.durations import SECOND, format_duration, parse_duration

ENVIRONMENT_PREFIX = "MILEPOST_"
LOG_FORMATS = ("console", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
HTTP_PORT = 8080
OTLP_GRPC_PORT = 4317
"""Where OTLP/gRPC is taken unless told otherwise: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port."""
OFF = "off"
SPOOL_LIMIT = 2**30
LEAST_SPOOL = 128 * 2**20
_USUAL = Retention()


class SettingsError(Exception):
    """The settings cannot be used; `faults` names all that is wrong and where each value came from."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Settings:
    """How one process runs. Without `database_url` an embedded PostgreSQL keeps its data under `data_dir`.

    `spool_dir` is the folder of the buffer, or `off`; None for the usual one, which `spool` says. `spool_limit` is in
    bytes. `read_database_url` is of a replica of `database_url`; without it that is read itself. `otlp_grpc_port` is 0
    where it is off, and None for the usual one where nobody else has that. Lengths are in micros.
    """

    database_url: str | None = field(default=None, repr=False)
    read_database_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path("milepost-data")
    spool_dir: str | None = None
    spool_limit: int = SPOOL_LIMIT
    definitions: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = HTTP_PORT
    otlp_grpc_port: int | None = None
    public_url: str | None = None
    private_hosts: tuple[str, ...] = ()
    auth: str = "off"
    insecure: bool = False
    trusted_proxies: tuple[str, ...] = TRUSTED
    forward_auth_header: str | None = None
    forward_auth_groups_header: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_groups_claim: str = "groups"
    oidc_name_claim: str = "preferred_username"
    oidc_scopes: str = "openid profile email"
    group_roles: tuple[str, ...] = ()
    default_role: str = "viewer"
    group_sights: tuple[str, ...] = ()
    raw_groups: tuple[str, ...] = ()
    session_idle: int = SESSIONS.idle
    session_longest: int = SESSIONS.longest
    rate_per_key: Rate | None = None
    rate_per_source: Rate | None = None
    source_rates: tuple[str, ...] = ()
    max_connections: int = edge_settings.MOST_CONNECTIONS
    header_timeout: int = 10 * SECOND
    body_timeout: int = 20 * SECOND
    idle_timeout: int = 30 * SECOND
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_format: str = "console"
    log_level: str = "info"
    retention_events: int | None = _USUAL.events
    retention_spans: int | None = _USUAL.spans
    retention_instances: int | None = _USUAL.instances
    retention_buckets: int | None = _USUAL.buckets
    retention_audit: int | None = _USUAL.audit
    compress_after: int | None = _USUAL.compress_after
    kafka_brokers: str | None = None
    kafka_topic: tuple[Topic, ...] = ()
    kafka_produce: tuple[Topic, ...] = ()
    kafka_group: str = "milepost"
    kafka_security_protocol: str | None = None
    kafka_sasl_mechanism: str | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: str | None = field(default=None, repr=False)
    kafka_ssl_ca: str | None = None
    kafka: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    regions: tuple[Region, ...] = ()

    @property
    def spool(self) -> Path | None:
        """Where receivers keep what arrives while the database is away; None where they do not.

        Beside the data of an embedded database, else only where a folder was given.
        """
        if self.spool_dir == OFF or (self.spool_dir is None and self.database_url):
            return None
        return Path(self.spool_dir) if self.spool_dir else self.data_dir / "spool"

    @property
    def kafka_cluster(self) -> Cluster:
        """The brokers and how they are reached."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return cluster_of(self.kafka_brokers or "", values, self.kafka)

    @property
    def retention(self) -> Retention:
        """How long what is kept is kept."""
        return Retention(
            events=self.retention_events,
            spans=self.retention_spans,
            instances=self.retention_instances,
            buckets=self.retention_buckets,
            audit=self.retention_audit,
            compress_after=self.compress_after,
        )

    @property
    def address(self) -> str:
        """Where people reach this process, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    def shown(self) -> dict[str, str]:
        """The settings for people and logs, secrets hidden."""
        shown = {one.name: str(getattr(self, one.name)) for one in fields(self)}
        shown["definitions"] = ", ".join(map(str, self.definitions)) or "none"
        shown["spool_dir"] = str(self.spool or OFF)
        shown["spool_limit"] = format_size(self.spool_limit)
        shown["otlp_grpc_port"] = _shown_grpc_port(self.otlp_grpc_port)
        for name, (_, for_good) in _LENGTHS.items():
            length = getattr(self, name)
            shown[name] = for_good if length is None else format_duration(length)
        shown |= edge_settings.shown(self)
        shown["private_hosts"] = ", ".join(self.private_hosts) or "none"
        for name in _LISTS:
            shown[name] = ", ".join(getattr(self, name)) or "none"
        shown |= {name: "***" for name in SECRET if getattr(self, name)}
        shown["database_url"] = _hidden(self.database_url) if self.database_url else "embedded"
        shown["read_database_url"] = _hidden(self.read_database_url) if self.read_database_url else "none"
        shown["regions"] = ", ".join(one.name for one in self.regions) or "none"
        if not self.kafka_brokers:
            return {name: value for name, value in shown.items() if not name.startswith("kafka")}
        for name in ("kafka_topic", "kafka_produce"):
            shown[name] = ", ".join(map(str, getattr(self, name))) or "none"
        shown["kafka"] = ", ".join(self.kafka) or "none"
        return shown


def _shown_grpc_port(port: int | None) -> str:
    if port is None:
        return f"{OTLP_GRPC_PORT} if it is free"
    return str(port) if port else OFF


def _hidden(database_url: str) -> str:
    url = sa.make_url(database_url)
    passwords = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(passwords).render_as_string(hide_password=True)


_LENGTHS = {f"retention_{kept}": (FLOORS[kept], "keep") for kept in Kept} | {
    "compress_after": (FLOORS["compress_after"], "never")
}
"""The settings that are durations: the shortest with the reason, and the word for without end."""
SECRET = ("database_url", "read_database_url", "kafka_sasl_password", "oidc_client_secret")
"""The settings that are, or may hold, a secret: what is wrong with one is said without it."""
_NAMES = tuple(one.name for one in fields(Settings))
_LISTS = ("trusted_proxies", "group_roles", "group_sights", "raw_groups", "source_rates")
_TABLES = ("kafka", "regions")
"""The settings that only the file can hold."""
_OF_ENVIRONMENT = tuple(name for name in _NAMES if name not in _TABLES)
_CHOICES = {
    "auth": AUTH,
    "default_role": ("none", "viewer", "operator", "admin"),
    "log_format": LOG_FORMATS,
    "log_level": LOG_LEVELS,
    "kafka_security_protocol": PROTOCOLS,
    "kafka_sasl_mechanism": MECHANISMS,
}


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
    needed: Mapping[str, str] = MappingProxyType({}),
) -> Settings:
    """Settings from a TOML file, the environment (`MILEPOST_PORT`, or `MILEPOST_PORT_FILE` for a path to it) and flags.

    A flag of None is not given. `needed` says of settings that must be given why. Raises SettingsError with every
    fault.
    """
    faults: list[str] = []
    given: dict[str, tuple[Any, str]] = {}
    path = file or (Path(environment["MILEPOST_CONFIG"]) if environment.get("MILEPOST_CONFIG") else None)
    if path is not None:
        given |= _from_file(path, faults)
    given |= _from_environment(environment, faults)
    given |= {name: (value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value not in (None, [])}
    faults += [f"--{name.replace('_', '-')}: not given; {why}" for name, why in needed.items() if name not in given]
    values = {name: _check(name, value, origin, faults) for name, (value, origin) in given.items()}
    if "read_database_url" in given and "database_url" not in given:
        faults.append(f"{given['read_database_url'][1]}: without database_url; an embedded PostgreSQL has no replica")
    port = values.get("otlp_grpc_port")
    if port and port == values.get("port", HTTP_PORT):
        faults.append(f"{given['otlp_grpc_port'][1]}: {port} is the port of HTTP; gRPC needs one of its own")
    faults += faults_of_oidc(values)
    if values.get("auth", "off") == "off":
        ways = [name for name in ("forward_auth_header", "oidc_issuer") if values.get(name)]
        faults += [f"{given[name][1]}: says who somebody is, and with auth off nobody is asked" for name in ways]
    if values.get("forward_auth_groups_header") and not values.get("forward_auth_header"):
        faults.append(f"{given['forward_auth_groups_header'][1]}: without forward_auth_header nobody is told apart")
    faults += faults_between(values)
    faults += edge_settings.faults_between(values, given)
    if faults:
        raise SettingsError(faults)
    return Settings(**values)


def _from_file(path: Path, faults: list[str]) -> dict[str, tuple[Any, str]]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{path}: cannot be read: {error}")
        return {}
    known = ", ".join(_NAMES)
    faults += [f"{path}: unknown setting {name!r}; known are {known}" for name in found if name not in _NAMES]
    return {name: (value, f"{path}: {name}") for name, value in found.items() if name in _NAMES}


def _from_environment(environment: Mapping[str, str], faults: list[str]) -> dict[str, tuple[Any, str]]:
    given: dict[str, tuple[Any, str]] = {}
    for name in _OF_ENVIRONMENT:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if environment.get(f"{variable}_FILE"):
            try:
                given[name] = (Path(environment[f"{variable}_FILE"]).read_text("utf-8").strip(), f"{variable}_FILE")
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"{variable}_FILE: cannot be read: {error}")
        elif environment.get(variable):
            given[name] = (environment[variable], variable)
    if environment.get("DATABASE_URL") and "database_url" not in given:
        given["database_url"] = (environment["DATABASE_URL"], "DATABASE_URL")
    known = {ENVIRONMENT_PREFIX + name.upper() + end for name in _OF_ENVIRONMENT for end in ("", "_FILE")}
    known |= {"MILEPOST_CONFIG"} | _OUTSIDE
    ours = (variable for variable in environment if variable.startswith(ENVIRONMENT_PREFIX))
    faults += [f"{variable}: unknown setting" for variable in ours if variable not in known]
    return given


_OUTSIDE = {"MILEPOST_REAL_LOGS", "MILEPOST_CHROMIUM", INTERPRETED} | {
    f"MILEPOST_TEST_{name}" for name in ("PG_BIN", "KAFKA", "NODE_OTEL", "OIDC", "OTELCOL")
}
"""Variables of the tests, which set them for every process they start."""


def _check(name: str, value: Any, origin: str, faults: list[str]) -> Any:
    if not _is_of_kind(name, value):
        instead = type(value).__name__ if name in SECRET else repr(value)
        faults.append(f"{origin}: must be {_KINDS.get(name, 'text')}, not {instead}")
        return value
    match name:
        case "database_url" | "read_database_url":
            return _database_url(str(value), origin, faults)
        case "data_dir":
            return Path(value)
        case "spool_limit":
            return _size(value, origin, faults)
        case "definitions":
            entries = value.split(os.pathsep) if isinstance(value, str) else value
            paths = tuple(Path(entry) for entry in entries)
            absent = [path for path in paths if not path.exists() and str(path) != "packs"]
            faults += [f"{origin}: there is no file or folder {str(path)!r}" for path in absent]
            return paths
        case "private_hosts":
            return tuple(filter(None, value.replace(",", " ").split()) if isinstance(value, str) else value)
        case "otlp_grpc_port" if value == OFF:
            return 0
        case "port" | "otlp_grpc_port":
            if not (str(value).isascii() and str(value).isdecimal()) or not 0 < int(value) < 65536:
                or_off = f", or {OFF}" if name == "otlp_grpc_port" else ""
                faults.append(f"{origin}: {str(value)!r} is not a port; it must be a number from 1 to 65535{or_off}")
                return 0
            return int(value)
        case "insecure":
            if str(value).lower() not in ("true", "false"):
                faults.append(f"{origin}: must be true or false, not {str(value)!r}")
            return str(value).lower() == "true"
        case "trusted_proxies":
            return read_networks(value, origin, faults)
        case "group_roles":
            return read_group_roles(value, origin, faults)
        case "group_sights":
            return read_group_sights(value, origin, faults)
        case "raw_groups":
            return read_list(value)
        case "kafka_topic" | "kafka_produce":
            return read_topics(value, origin, faults)
        case "kafka":
            return read_properties(value, origin, faults)
        case _ if name in edge_settings.READ:
            return edge_settings.READ[name](value, origin, faults)
        case "regions":
            return read_regions(value, origin, faults)
        case _ if name in _CHOICES:
            known = _CHOICES[name]
            if value not in known:
                faults.append(f"{origin}: must be one of {', '.join(known)}, not {str(value)!r}")
            return value
        case _ if name in _LENGTHS:
            return _length(name, value, origin, faults)
        case _:
            return str(value)


def _length(name: str, value: Any, origin: str, faults: list[str]) -> int | None:
    (least, why), for_good = _LENGTHS[name]
    if value == for_good:
        return None
    try:
        length = parse_duration(str(value))
    except ValueError as error:
        faults.append(f"{origin}: {error}; or {for_good}")
        return None
    if length < least:
        faults.append(f"{origin}: {value} is shorter than {format_duration(least)}: {why}")
    return length


def _size(value: Any, origin: str, faults: list[str]) -> int:
    try:
        size = parse_size(str(value))
    except ValueError as error:
        faults.append(f"{origin}: {error}")
        return SPOOL_LIMIT
    if size < LEAST_SPOOL:
        faults.append(f"{origin}: {value} is less than {format_size(LEAST_SPOOL)}: the largest request must fit")
    return size


_KINDS = {
    "port": "a number",
    "spool_limit": "a size such as 2GiB",
    "otlp_grpc_port": f"a number, or {OFF}",
    "definitions": "a path or a list of paths",
    "private_hosts": "a list of hosts",
    "insecure": "true or false",
    **dict.fromkeys(_LISTS, "a list, or text with commas"),
    **edge_settings.KINDS,
    "kafka": "a table of properties of librdkafka",
    "regions": "a table with a table for each region",
    **dict.fromkeys(("kafka_topic", "kafka_produce"), "the name of a topic or a list of them"),
    **dict.fromkeys(_LENGTHS, "a duration such as 90d in quotes"),
}


def _is_of_kind(name: str, value: Any) -> bool:
    """A TOML file may hold anything anywhere; the other origins cannot."""
    if name in ("port", "otlp_grpc_port"):
        return isinstance(value, (str, int)) and not isinstance(value, bool)
    if name in ("spool_limit", "max_connections") and isinstance(value, int) and not isinstance(value, bool):
        return True
    if name in _TABLES:
        return isinstance(value, dict)
    if name == "insecure" and isinstance(value, bool):
        return True
    if name in ("definitions", "private_hosts", "kafka_topic", "kafka_produce", *_LISTS) and isinstance(
        value, (list, tuple)
    ):
        return all(isinstance(entry, (str, Path)) for entry in value)
    return isinstance(value, (str, Path))


def _database_url(value: str, origin: str, faults: list[str]) -> str:
    try:
        url = sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        faults.append(f"{origin}: not a database URL; write postgresql://user:password@host:5432/database")
        return value
    if url.get_backend_name() not in ("postgresql", "postgres", "timescaledb"):
        faults.append(f"{origin}: only postgresql:// is supported, not {url.drivername}://")
        return value
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
