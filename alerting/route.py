"""Routes: which incidents go to which targets. Pure.

A target's address may refer to the environment as `${NAME}`. The model keeps both what was resolved (to send) and what
was written (to store): the resolved address is never shown, stored or logged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from alerting.incident import Cause, Population

MATCHES = ("domain", "owner", "workflow")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a target is reached. Neither a resolved nor a written address shows in a repr."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """Tells addresses apart without giving them away."""
        return hashlib.sha256(f"{self.url}\x1f{self.secret or ''}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """`written` is the address as the file spells it; the address itself where None."""

    name: str
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    written: Address | None = field(default=None, repr=False)

    kind = "webhook"

    @property
    def address(self) -> Address:
        """Where it is reached now."""
        return Address(self.url, self.secret)


@dataclass(frozen=True, slots=True)
class SlackTarget:
    """A Slack incoming webhook; its URL is the secret."""

    name: str
    webhook_url: str = field(repr=False)
    written: Address | None = field(default=None, repr=False)

    kind = "slack"

    @property
    def address(self) -> Address:
        """Where it is reached now."""
        return Address(self.webhook_url)


Target = WebhookTarget | SlackTarget


@dataclass(frozen=True, slots=True)
class Route:
    """Every entry of `match` must hold; an empty match takes every incident."""

    name: str
    match: Mapping[str, str]
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class RouteFault:
    """One fault of a route document and the path to it, such as `spec.send_to[0].webhook.url`."""

    path: str
    message: str


def matches(route: Route, cause: Cause, population: Population) -> bool:
    """Whether the route takes the incident. One that spans several owners, domains or workflows belongs to each."""
    has: dict[str, Iterable[str | None]] = {
        "domain": (population.domain, *population.domains),
        "owner": (population.owner, *population.owners),
        "workflow": (cause.workflow, *population.workflows),
    }
    return all(value in has.get(key, ()) for key, value in route.match.items())


def targets_for(routes: Sequence[Route], cause: Cause, population: Population) -> list[Target]:
    """All targets of all routes that match; an address that two routes name is told once."""
    found: dict[tuple[str, str], Target] = {}
    for route in routes:
        if matches(route, cause, population):
            for target in route.targets:
                found.setdefault((target.kind, target.address.digest), target)
    return list(found.values())


def targets_by_name(routes: Sequence[Route]) -> dict[str, Target]:
    """Every target of the routes."""
    return {target.name: target for route in routes for target in route.targets}


def parse_route(document: Mapping[str, Any], env: Mapping[str, str]) -> Route | list[RouteFault]:
    """The route a document (`metadata`, `spec`) describes, or all its faults.

    Targets are named `<route>/<kind>`; where a route has several of one kind, a digest of the address as written is
    added, so that a name never moves to another address when entries are added, removed or reordered.
    """
    faults: list[RouteFault] = []
    metadata = _mapping(document.get("metadata"), "metadata", faults)
    spec = _mapping(document.get("spec"), "spec", faults)
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        faults.append(RouteFault("metadata.name", "a route needs a name"))
        name = ""
    faults.extend(RouteFault(f"spec.{key}", "unknown field") for key in spec if key not in ("send_to", "match"))
    match = _match(spec.get("match"), faults)
    targets = _targets(spec.get("send_to"), env, faults)
    return faults or Route(name, match, _named(name, targets))


def resolve(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with every `${NAME}` replaced, and the names that are unset or empty."""
    missing = [name for name in _REFERENCE.findall(text) if not env.get(name)]
    return _REFERENCE.sub(lambda found: env.get(found[1], ""), text), missing


def resolve_address(written: Address, env: Mapping[str, str]) -> Address | None:
    """A stored address made usable, or None while a variable it refers to is not set or what it says is unusable."""
    url, missing = resolve(written.url, env)
    secret, also_missing = resolve(written.secret, env) if written.secret else (None, [])
    if missing or also_missing or _url_fault(url) or (secret and _secret_fault(secret)):
        return None
    return Address(url, secret)


def written_address(target: Target) -> Address:
    """The address as it may be stored."""
    return target.written or target.address


def secret_bytes(secret: str) -> bytes:
    """The key of a Standard Webhooks secret (`whsec_` + base64). ValueError when it is not base64."""
    encoded = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error


def _match(value: Any, faults: list[RouteFault]) -> dict[str, str]:
    if value is None:
        return {}
    match: dict[str, str] = {}
    for key, wanted in _mapping(value, "spec.match", faults).items():
        path = f"spec.match.{key}"
        if key not in MATCHES:
            faults.append(RouteFault(path, f"unknown field; a route matches by {', '.join(MATCHES)}"))
        elif not isinstance(wanted, str) or not wanted:
            faults.append(RouteFault(path, "must be text"))
        else:
            match[key] = wanted
    return match


def _targets(value: Any, env: Mapping[str, str], faults: list[RouteFault]) -> list[Target]:
    if not isinstance(value, list) or not value:
        faults.append(RouteFault("spec.send_to", "must be a list of at least one target"))
        return []
    found: list[Target] = []
    for index, entry in enumerate(value):
        path = f"spec.send_to[{index}]"
        if not isinstance(entry, dict) or len(entry) != 1 or not set(entry) <= {"webhook", "slack"}:
            faults.append(RouteFault(path, "must be exactly one of 'webhook' or 'slack'"))
            continue
        (kind,) = entry
        target = _target(kind, entry[kind], f"{path}.{kind}", env, faults)
        if target is None:
            continue
        if any((other.kind, other.address) == (target.kind, target.address) for other in found):
            faults.append(RouteFault(path, "this address is in the list already"))
        found.append(target)
    return found


def _target(kind: str, value: Any, path: str, env: Mapping[str, str], faults: list[RouteFault]) -> Target | None:
    before = len(faults)
    fields = _mapping(value, path, faults)
    url_field, known = ("url", ("url", "secret")) if kind == "webhook" else ("webhook_url", ("webhook_url",))
    faults.extend(RouteFault(f"{path}.{key}", "unknown field") for key in fields if key not in known)
    url = _text(fields, url_field, path, env, faults, needed=True)
    secret = _text(fields, "secret", path, env, faults, needed=False) if kind == "webhook" else None
    if url is not None and (fault := _url_fault(url)):
        faults.append(RouteFault(f"{path}.{url_field}", fault))
    if secret is not None and (fault := _secret_fault(secret)):
        faults.append(RouteFault(f"{path}.secret", fault))
    if url is None or len(faults) > before:
        return None
    written = Address(fields[url_field], fields.get("secret"))
    if kind == "slack":
        return SlackTarget("", url, written)
    return WebhookTarget("", url, secret, written)


def _text(
    fields: Mapping[str, Any], key: str, path: str, env: Mapping[str, str], faults: list[RouteFault], *, needed: bool
) -> str | None:
    written = fields.get(key)
    if written is None:
        if needed:
            faults.append(RouteFault(path, f"the field {key!r} is missing"))
        return None
    if not isinstance(written, str) or not written:
        faults.append(RouteFault(f"{path}.{key}", "must be text"))
        return None
    resolved, missing = resolve(written, env)
    faults.extend(RouteFault(f"{path}.{key}", f"the environment variable {name} is not set") for name in missing)
    return None if missing else resolved


def _url_fault(url: str) -> str | None:
    """What is wrong with a URL, without quoting it: it may be a secret."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        return "must be an http or https URL"
    return "must not carry a user name or password" if "@" in parts.netloc else None


def _secret_fault(secret: str) -> str | None:
    try:
        usable = len(secret_bytes(secret)) in _SECRET_BYTES
    except ValueError:
        usable = False
    return None if usable else "must be whsec_ followed by 24 to 64 random bytes in base64"


def _named(route: str, targets: Sequence[Target]) -> tuple[Target, ...]:
    kinds = [target.kind for target in targets]
    named = []
    for target in targets:
        name = f"{route}/{target.kind}"
        if kinds.count(target.kind) > 1:
            name += "-" + written_address(target).digest[:8]
        named.append(replace(target, name=name))
    return tuple(named)


def _mapping(value: Any, path: str, faults: list[RouteFault]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    faults.append(RouteFault(path, "must be a mapping"))
    return {}
