"""The `adapter` of a source, and the mapping that adapters and sources share, to the model with every fault."""

from __future__ import annotations

import re
from collections.abc import Callable

from slo_rules.adapter import (
    DEFAULT_TOLERANCE,
    IGNORE,
    OUTCOMES,
    TIME_FORMATS,
    Adapter,
    Amount,
    Mapping,
    Named,
    Paths,
    Poll,
    Rules,
    Secret,
    Sensitive,
    Signature,
)
from slo_rules.calendar_definitions import read_zone
from slo_rules.durations import DAY, SECOND, format_duration
from slo_rules.filter_definitions import members_of, text_of
from slo_rules.reading import Reader

_ADAPTER = (
    *("name", "secret", "token", "tenant", "tolerance", "url", "zone", "authentication", "signature", "claims"),
    *("mapping", "sensitive", "poll"),
)
_SIGNATURE = ("header", "algorithm", "encoding", "prefix", "timestamp", "format", "signs")
_POLL = ("url", "secret", "objects", "every", "overlap", "lookback", "scope")
_RULES = ("fields", "correlation", "amount")
_MAPPING = ("each", "id", "time", "type", "types", "outcomes", "for", *_RULES)
ALGORITHMS = ("sha256", "sha384", "sha512", "sha1")
ENCODINGS = ("hex", "base64")
AUTHENTICATIONS = ("bearer", "basic")
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
TYPE = re.compile(r"[^\s]{1,200}")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
OBJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_/-]{0,99}")
ADDRESS = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
HEADER = re.compile(r"[A-Za-z0-9_-]{1,100}")
GIVEN = ("entity", "native_type", "tenant", "correlation", "amount", "currency", "outcome")
"""Fields of canonical events that have rules of their own."""


def read_adapter(entry: Reader) -> Adapter | None:
    """What a source says of how it is received. None after a fault that leaves nothing to say."""
    if not entry.mapping(_ADAPTER, ("name",)):
        return None
    secret, token, url = entry.optional("secret"), entry.optional("token"), entry.optional("url")
    signature, mapping = entry.optional("signature"), entry.optional("mapping")
    sensitive, tolerance = entry.optional("sensitive"), entry.optional("tolerance")
    claims, poll = entry.optional("claims"), entry.optional("poll")
    name = named.name() if (named := entry.optional("name")) else ""
    secrets = tuple(found for one in members_of(secret) if (found := _secret(one))) if secret else ()
    if secret is not None and secret.value == []:
        secret.fault("must name at least one secret")
    length = tolerance.duration() if tolerance else None
    if tolerance is not None and length is not None and length > DAY:
        tolerance.fault("must be at most 1d: what was signed longer ago may be somebody else's copy")
    if url is not None and not re.fullmatch(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?", url.text(longest=2000) or "x"):
        url.fault("must be the http or https address that the sender calls, without user name and fragment")
    return Adapter(
        name=name,
        secrets=secrets,
        token=_secret(token) if token else None,
        tenant=text_of(entry, "tenant", longest=200),
        tolerance=DEFAULT_TOLERANCE if length is None else length,
        url=str(url.value) if url else "",
        zone=read_zone(entry.optional("zone")),
        authentication=_word(entry, "authentication", AUTHENTICATIONS),
        signature=_signature(signature) if signature else None,
        claims=_words(claims, lambda member: member.text(longest=500)) if claims else {},
        mapping=read_mapping(mapping) if mapping else Mapping(),
        sensitive=_sensitive(sensitive) if sensitive else None,
        poll=_poll(poll) if poll else None,
    )


def _secret(entry: Reader) -> Secret | None:
    """`${NAME}` or `{file: …}`; a secret itself is a fault, and not quoted."""
    if isinstance(entry.value, dict):
        entry.mapping(("file",), ("file",))
        return Secret(file=text_of(entry, "file"))
    found = REFERENCE.fullmatch(entry.value) if isinstance(entry.value, str) else None
    if found is None:
        entry.fault("must be ${NAME}, a variable of the environment, or {file: …}: no secret stands in a definition")
        return None
    if found[1].startswith("MILEPOST_"):
        entry.fault("names that begin with MILEPOST_ are kept for settings")
    return Secret(variable=found[1])


def _word(entry: Reader, field: str, known: tuple[str, ...], default: str = "") -> str:
    member = entry.optional(field)
    if member is None:
        return default
    if member.value not in known:
        member.fault(f"must be one of {', '.join(known)}")
        return default
    return str(member.value)


def _header(entry: Reader, field: str) -> str:
    member = entry.optional(field)
    text = member.text(longest=100) if member else ""
    if member is not None and text and not HEADER.fullmatch(text):
        member.fault("must be the name of a header")
    return text.lower()


def _signature(entry: Reader) -> Signature | None:
    if not entry.mapping(_SIGNATURE, ("header",)):
        return None
    timestamp = _header(entry, "timestamp")
    signs = text_of(entry, "signs", longest=200) or ("{timestamp}.{body}" if timestamp else "{body}")
    if signs.count("{body}") != 1 or re.search(r"[{}]", signs.replace("{body}", "").replace("{timestamp}", "")):
        entry.fault("'signs' must hold {body} once, and may hold {timestamp}")
    elif ("{timestamp}" in signs) != bool(timestamp):
        entry.fault("'timestamp' names the header with the time that {timestamp} in 'signs' stands for: say both")
    return Signature(
        header=_header(entry, "header"),
        algorithm=_word(entry, "algorithm", ALGORITHMS, "sha256"),
        encoding=_word(entry, "encoding", ENCODINGS, "hex"),
        prefix=text_of(entry, "prefix", longest=50),
        timestamp=timestamp,
        format=_word(entry, "format", TIME_FORMATS, "epoch_s"),
        signs=signs,
    )


def _sensitive(entry: Reader) -> Sensitive | None:
    if not entry.mapping(("drop", "hash", "key")):
        return None
    drop, hash_, key = (entry.optional(field) for field in ("drop", "hash", "key"))
    if drop is None and hash_ is None:
        entry.fault("say what to 'drop' or to 'hash'")
    if (hash_ is None) != (key is None):
        entry.fault("what is hashed needs a 'key', and a key something to hash: without one ids could be guessed")
    return Sensitive(
        native_paths(drop) if drop else (), native_paths(hash_) if hash_ else (), _secret(key) if key else None
    )


def _poll(entry: Reader) -> Poll | None:
    if not entry.mapping(_POLL, ("url", "secret", "objects")):
        return None
    url, secret, objects = (entry.optional(field) for field in ("url", "secret", "objects"))
    if url is not None and not ADDRESS.fullmatch(url.text(longest=2000) or "https://x"):
        url.fault("must be the http or https address of the system, without user name, query and fragment")
    names = []
    for member in members_of(objects) if objects else ():
        name = member.text(longest=100)
        if name and not OBJECT.fullmatch(name):
            member.fault("must be a name of letters, digits, '_', '-' and '/'")
        elif name in names:
            member.fault(f"{name!r} is asked for already")
        names.append(name)
    if objects is not None and not names:
        objects.fault("must name at least one thing to ask for")
    given = {}
    for field, least, most in (("every", 5 * SECOND, DAY), ("overlap", 0, 7 * DAY), ("lookback", 0, 3650 * DAY)):
        asked = entry.optional(field)
        length = asked.duration() if asked else None
        if asked is None or length is None:
            continue
        if not least <= length <= most:
            asked.fault(f"must be from {format_duration(least)} to {format_duration(most)}")
        given[field] = length
    return Poll(
        url=str(url.value).rstrip("/") if url else "",
        objects=tuple(names),
        secret=_secret(secret) if secret else None,
        scope=text_of(entry, "scope", longest=1000),
        **given,
    )


def read_mapping(entry: Reader) -> Mapping:
    """A mapping: of a source, or the file of an adapter."""
    if not entry.mapping(_MAPPING):
        return Mapping()
    each, id_, types, outcomes = (entry.optional(field) for field in ("each", "id", "types", "outcomes"))
    time, time_format = _time(entry)
    type_, value = _type(entry)
    return Mapping(
        each=native_path(each) if each else "",
        id=native_paths(id_) if id_ else (),
        time=time,
        time_format=time_format,
        type=type_,
        type_value=value,
        types=_words(types, _canonical) if types else {},
        outcomes={name.lower(): word for name, word in _words(outcomes, _outcome).items()} if outcomes else {},
        rules=_rules(entry),
        per=_per(entry),
    )


def _time(entry: Reader) -> tuple[Paths, str]:
    time = entry.optional("time")
    if time is None:
        return (), ""
    if not isinstance(time.value, dict):
        return native_paths(time), ""
    if not time.mapping(("path", "format"), ("path",)):
        return (), ""
    path = time.optional("path")
    return (native_paths(path) if path else ()), _word(time, "format", TIME_FORMATS)


def _type(entry: Reader) -> tuple[Paths, str]:
    type_ = entry.optional("type")
    if type_ is None:
        return (), ""
    if not isinstance(type_.value, dict):
        return native_paths(type_), ""
    if not type_.mapping(("value",), ("value",)) or not (value := type_.optional("value")):
        return (), ""
    return (), _canonical(value)


def _canonical(entry: Reader) -> str:
    text = entry.text(longest=200)
    if text and text != IGNORE and not TYPE.fullmatch(text):
        entry.fault(f"must be an event type without spaces, such as order.created, or {IGNORE!r} for what is not taken")
        return ""
    return text


def _outcome(entry: Reader) -> str:
    if entry.value not in OUTCOMES:
        entry.fault(f"must be one of {', '.join(OUTCOMES)}")
    return str(entry.value)


def _words(entry: Reader, read: Callable[[Reader], str]) -> dict[str, str]:
    if not entry.mapping():
        return {}
    found = {}
    for name in entry.value:
        if not isinstance(name, str) or not name or len(name) > 500:
            entry.fault("a name must be text of at most 500 characters")
            continue
        found[name] = read(entry.at(name))
    return found


def _per(entry: Reader) -> dict[str, Rules]:
    of = entry.optional("for")
    if of is None or not of.mapping():
        return {}
    found = {}
    for name in of.value:
        member = of.at(name)
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*", name):
            member.fault("must be an entity such as invoice, or an event type such as invoice.paid")
        elif member.mapping(_RULES):
            found[name] = _rules(member)
    return found


def _rules(entry: Reader) -> Rules:
    fields, correlation, amount = (entry.optional(field) for field in _RULES)
    return Rules(
        _named(fields) if fields else (),
        _named(correlation) if correlation else (),
        _amount(amount) if amount else None,
    )


def _named(entry: Reader) -> Named:
    if not entry.mapping():
        return ()
    found = []
    for name in entry.value:
        member = entry.at(name)
        if not isinstance(name, str) or not FIELD.fullmatch(name) or name in GIVEN:
            member.fault(f"must be a name of lower-case letters, digits and '_', and none of {', '.join(GIVEN)}")
        else:
            found.append((name, native_paths(member)))
    return tuple(found)


def _amount(entry: Reader) -> Amount | None:
    if not entry.mapping(("path", "currency", "minor_units"), ("path",)):
        return None
    path, currency, minor = (entry.optional(field) for field in ("path", "currency", "minor_units"))
    return Amount(
        native_paths(path) if path else (),
        native_paths(currency) if currency else (),
        minor is not None and minor.flag(),
    )


def native_paths(entry: Reader) -> Paths:
    """One path into what the system sends, or several of which the first that is there wins."""
    if entry.value == []:
        entry.fault("must name at least one path")
    return tuple(path for member in members_of(entry) if (path := native_path(member)))


def native_path(entry: Reader) -> str:
    """A path into what the system sends; the empty text after a fault."""
    path = entry.text(longest=300)
    if path and "" in path.split("."):
        entry.fault(f"{path!r} is not a path: write it like order.id or lines.0.sku")
        return ""
    return path
