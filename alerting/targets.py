"""Targets: who can be told, and how. Pure.

The fields of each kind are data (`slo_rules/target_fields.py`); what a value must look like stands here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from alerting.address import REFERENCE, Address, resolve
from alerting.faults import RouteFault
from alerting.reader import PLAIN_READER, Reader, locale_fault
from alerting.templates import template_fault
from slo_rules.durations import parse_duration
from slo_rules.reading import suggestion
from slo_rules.target_fields import COMMON, TARGET_KINDS, TargetField, TargetKind

_SECRET_BYTES = range(24, 65)
_RATE = re.compile(r"([1-9][0-9]{0,5})/(\S+)")
_MAIL = re.compile(r"(?:[^<>\"\\\r\n]*<)?[^\s<>@,;\"]+@[^\s<>@,;\"]+>?")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` messages in `period` micros, evenly or all at once."""

    count: int
    period: int


@dataclass(frozen=True, slots=True)
class Target:
    """One who can be told. `written` is the address as the file spells it; the address itself where None.

    `inbound_secret` signs what comes back from it. `owner` is of a document of its own.
    """

    name: str
    kind: str
    address: Address = field(repr=False)
    written: Address | None = field(default=None, repr=False)
    zone: str = "UTC"
    locale: str = ""
    title: str = ""
    text: str = ""
    at_most: Rate | None = None
    fallback: str = ""
    inbound_secret: str = field(default="", repr=False)
    owner: str = ""


def parse_target(
    name: str,
    entry: Any,
    path: str,
    env: Mapping[str, str],
    faults: list[RouteFault],
    owner: str = "",
    reader: Reader = PLAIN_READER,
) -> Target | None:
    """The target that a mapping of exactly one kind to its fields describes; None after a fault."""
    if not isinstance(entry, dict) or len(entry) != 1 or not set(entry) <= set(TARGET_KINDS):
        faults.append(RouteFault(path, f"must be exactly one of {', '.join(TARGET_KINDS)}"))
        return None
    ((kind, fields),) = entry.items()
    path = f"{path}.{kind}"
    if not isinstance(fields, dict):
        faults.append(RouteFault(path, "must be a mapping"))
        return None
    return _Fields(kind, TARGET_KINDS[kind], fields, path, env, faults).target(name, owner, reader)


def parse_targets(
    value: Any,
    path: str,
    env: Mapping[str, str],
    faults: list[RouteFault],
    named: Mapping[str, Target | None],
    prefix: str,
    reader: Reader = PLAIN_READER,
) -> tuple[Target, ...]:
    """The targets of a list: each is a mapping as of `parse_target`, or the name of one in `named`.

    Those without a name of their own are called `<prefix>/<kind>`; where there are several of one kind, a digest of the
    address as written is added, so that a name never moves to another address when entries are added or reordered.
    `reader` is who reads what they are told, but for those that say a zone or a locale, and those in `named`.
    """
    if not isinstance(value, list) or not value:
        faults.append(RouteFault(path, "must be a list of at least one target"))
        return ()
    found: list[Target] = []
    for index, entry in enumerate(value):
        place = f"{path}[{index}]"
        if isinstance(entry, str):
            if entry not in named:
                faults.append(RouteFault(place, f"there is no Target {entry!r}{suggestion(entry, named)}"))
            target = named.get(entry)
        else:
            target = parse_target("", entry, place, env, faults, reader=reader)
        if target is None:
            continue
        if any((other.kind, other.address) == (target.kind, target.address) for other in found):
            faults.append(RouteFault(place, "this address is in the list already"))
        found.append(target)
    return _named(prefix, found)


def parse_target_document(document: Mapping[str, Any], env: Mapping[str, str]) -> Target | list[RouteFault]:
    """The target a document (`metadata`, `spec`) describes, or all its faults."""
    faults: list[RouteFault] = []
    metadata = document["metadata"]
    target = parse_target(metadata["name"], document["spec"], "spec", env, faults, str(metadata.get("owner") or ""))
    return target if target is not None and not faults else faults


def written_address(target: Target) -> Address:
    """The address as it may be stored."""
    return target.written or target.address


def resolve_address(kind: str, written: Address, env: Mapping[str, str]) -> Address | None:
    """A stored address made usable, or None while a variable it refers to is not set or what it says is unusable."""
    address = written.resolved(env)
    if address is None or part_fault(kind, "url", address.url):
        return None
    return None if address.secret and part_fault(kind, "secret", address.secret) else address


def part_fault(kind: str, part: str, text: str) -> str | None:
    """What is wrong with the `url` or the `secret` of an address, without quoting it: it may be a secret."""
    if part == "secret":
        return _secret_fault(text) if kind == "webhook" else None
    if kind == "apprise":
        return None if "://" in text else "must be a URL as Apprise spells them"
    if kind == "email":
        return _url_fault(text, ("smtp", "smtps"), "must be smtp:// or smtps:// and a host")
    return _url_fault(text, ("http", "https"), "must be an http or https URL")


def secret_bytes(secret: str) -> bytes:
    """The key of a Standard Webhooks secret (`whsec_` + base64). ValueError when it is not base64."""
    encoded = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error


class _Fields:
    """The fields of one target while they are read."""

    def __init__(
        self,
        kind: str,
        known: TargetKind,
        said: Mapping[str, Any],
        path: str,
        env: Mapping[str, str],
        faults: list[RouteFault],
    ) -> None:
        self.kind = kind
        self.known = known
        self.said = said
        self.path = path
        self.env = env
        self.faults = faults

    def target(self, name: str, owner: str, reader: Reader) -> Target | None:
        before = len(self.faults)
        fields = {one.name: one for one in (*self.known.fields, *COMMON)}
        for key in self.said:
            if key not in fields:
                self._fault(str(key), f"unknown field{suggestion(str(key), fields)}")
        if self.known.one_of and sum(self.said.get(one) is not None for one in self.known.one_of) != 1:
            self.faults.append(RouteFault(self.path, f"must say exactly one of {' and '.join(self.known.one_of)}"))
        written, resolved = {}, {}
        for one in fields.values():
            text = self._text(one)
            if text is not None:
                written[one.name] = text
                resolved[one.name] = resolve(text, self.env)[0]
        self._check(resolved)
        at_most = self._rate(resolved.get("at_most", ""))
        if len(self.faults) > before:
            return None
        aside = [one.name for one in self.known.fields if one.part == "aside"]
        return Target(
            name,
            self.kind,
            self._address(resolved),
            self._address(written),
            zone=resolved.get("zone", reader.zone),
            locale=resolved.get("locale", reader.locale),
            title=resolved.get("title", ""),
            text=resolved.get("text", ""),
            at_most=at_most,
            fallback=resolved.get("fallback", ""),
            inbound_secret="".join(resolved.get(one, "") for one in aside),
            owner=owner,
        )

    def _text(self, one: TargetField) -> str | None:
        value = self.said.get(one.name)
        if value is None:
            if one.needed:
                self.faults.append(RouteFault(self.path, f"the field {one.name!r} is missing"))
            return None
        values = value if one.several and isinstance(value, list) else [value]
        if not values or not all(isinstance(each, str) and each.strip() for each in values):
            self._fault(one.name, "must be text")
            return None
        written = ", ".join(values)
        _, missing = resolve(written, self.env)
        for name in missing:
            self._fault(one.name, f"the environment variable {name} is not set")
        if one.secret and not REFERENCE.search(written):
            self._fault(one.name, "is a secret: write ${NAME}, and set NAME in the environment")
            return None
        return None if missing else written

    def _address(self, values: Mapping[str, str]) -> Address:
        parts: dict[str, str] = {}
        more: dict[str, str] = {}
        for one in self.known.fields:
            value = values.get(one.name)
            if one.part == "more" and value:
                more[one.name] = value
            elif one.part in ("url", "secret") and value:
                parts[one.part] = value
            elif one.default and one.part not in parts:
                parts[one.part] = one.default
        return Address(parts["url"], parts.get("secret"), tuple(sorted(more.items())))

    def _check(self, values: Mapping[str, str]) -> None:
        for one in self.known.fields:
            if one.name not in values or one.part not in ("url", "secret"):
                continue
            check = part_fault(self.kind, one.part, values[one.name])
            if check:
                self._fault(one.name, check)
        if self.kind == "slack" and "token" in values and self.said.get("channel") is None:
            self.faults.append(RouteFault(self.path, "a bot needs the field 'channel'"))
        if self.kind == "slack" and "webhook_url" in values and {"channel", "api_url"} & values.keys():
            self.faults.append(RouteFault(self.path, "a webhook takes neither 'channel' nor 'api_url'"))
        if self.kind == "email":
            for name in {"from", "to"} & values.keys():
                if any(not _MAIL.fullmatch(one.strip()) for one in values[name].split(",")):
                    self._fault(name, "must be mail addresses such as erp@example.com")
        if "locale" in values and (fault := locale_fault(values["locale"])):
            self._fault("locale", fault)
        for name in {"title", "text"} & values.keys():
            if fault := template_fault(values[name]):
                self._fault(name, fault)
        if "zone" in values and not _is_zone(values["zone"]):
            self._fault("zone", "must be an IANA time zone such as Europe/Berlin")

    def _rate(self, text: str) -> Rate | None:
        if not text:
            return None
        found = _RATE.fullmatch(text)
        try:
            if found is not None and (period := parse_duration(found[2])) > 0:
                return Rate(int(found[1]), period)
        except ValueError:
            pass
        self._fault("at_most", "must be a number and a duration such as 30/1m")
        return None

    def _fault(self, name: str, message: str) -> None:
        self.faults.append(RouteFault(f"{self.path}.{name}", message))


def _secret_fault(secret: str) -> str | None:
    try:
        usable = len(secret_bytes(secret)) in _SECRET_BYTES
    except ValueError:
        usable = False
    return None if usable else "must be whsec_ followed by 24 to 64 random bytes in base64"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _url_fault(url: str, schemes: Iterable[str], wanted: str) -> str | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        return wanted
    return "must not carry a user name or password" if "@" in parts.netloc else None


def _named(prefix: str, targets: Sequence[Target]) -> tuple[Target, ...]:
    kinds = [target.kind for target in targets if not target.name]
    named = []
    for target in targets:
        name = target.name or f"{prefix}/{target.kind}"
        if not target.name and kinds.count(target.kind) > 1:
            name += "-" + written_address(target).digest[:8]
        named.append(replace(target, name=name))
    return tuple(named)
