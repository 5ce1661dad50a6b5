"""What the JSON Schema of definition files says of how a source is received."""

from __future__ import annotations

from slo_rules.adapter import IGNORE, OUTCOMES, TIME_FORMATS
from slo_rules.adapter_definitions import (
    ADDRESS,
    ALGORITHMS,
    AUTHENTICATIONS,
    ENCODINGS,
    FIELD,
    HEADER,
    OBJECT,
    REFERENCE,
    TYPE,
)
from slo_rules.schema_words import (
    MOST_ENTRIES,
    Schema,
    choice_of,
    described,
    fields,
    flag,
    list_of,
    mapping_of,
    ref,
    text,
)


def adapter_parts() -> dict[str, Schema]:
    """What stands under `$defs` of how a source is received."""
    return {
        "Adapter": _adapter(),
        "Secret": _secret(),
        "NativePath": _native_path(),
        "NativePaths": _native_paths(),
        "Mapping": _mapping(),
        "MappedType": _mapped_type(),
        "MappedFields": mapping_of(
            ref("NativePaths"),
            {"pattern": f"^(?:{FIELD.pattern})$"},
            title="Fields",
        ),
        "MappedAmount": _amount(),
    }


def _adapter() -> Schema:
    secret: Schema = {
        "description": "By what the source is known. Of several any will do, so that they can be changed in turn.",
        "anyOf": [ref("Secret"), list_of(ref("Secret"), least=1)],
        "examples": ["${STRIPE_SECRET}"],
    }
    return fields(
        {"name": described(ref("Name"), "The adapter: generic, or the one of a system.", examples=["stripe"])},
        {
            "secret": secret,
            "token": described(ref("Secret"), "A secret in the path, for senders that can sign nothing."),
            "tenant": text("The account, portal or organisation of the system; what comes from another is set aside."),
            "tolerance": described(ref("Duration"), "How far a signed time may be from now. By default 5m."),
            "url": text("The address that the sender calls, where that is signed too.", longest=2000),
            "zone": text("The time zone of times that are sent without one.", "America/Los_Angeles", longest=100),
            "authentication": choice_of("How the secret comes in the header Authorization.", *AUTHENTICATIONS),
            "signature": _signature(),
            "claims": mapping_of(_claim(), description="What a signed token must say, each by its name."),
            "mapping": described(ref("Mapping"), "What of the system's own words becomes what here."),
            "sensitive": _sensitive(),
            "poll": _poll(),
        },
        title="Adapter",
        description="How a source is received that sends in a form of its own: POST /sources/NAME.",
    )


def _secret() -> Schema:
    variable = {"type": "string", "pattern": f"^(?:{REFERENCE.pattern})$"}
    file = fields({"file": text("The file that holds it.", "/run/secrets/stripe")})
    return {
        "title": "Secret",
        "description": "${NAME}, a variable of the environment, or a file. No secret stands in a definition.",
        "anyOf": [variable, file],
        "examples": ["${STRIPE_SECRET}", {"file": "/run/secrets/stripe"}],
    }


def _header(description: str, example: str) -> Schema:
    pattern = f"^(?:{HEADER.pattern})$"
    return {"description": description, "type": ["string", "number"], "pattern": pattern, "examples": [example]}


def _signature() -> Schema:
    return fields(
        {"header": _header("The header it comes in.", "X-Signature")},
        {
            "algorithm": choice_of("The hash of the HMAC.", *ALGORITHMS, default="sha256"),
            "encoding": choice_of("How it is written.", *ENCODINGS, default="hex"),
            "prefix": text("What stands before it.", "sha256=", longest=50),
            "timestamp": _header("The header with the time that is signed too.", "X-Timestamp"),
            "format": choice_of("How that time is written.", *TIME_FORMATS, default="epoch_s"),
            "signs": text("What is signed. By default {body}, or {timestamp}.{body}.", "{timestamp}.{body}"),
        },
        title="Signature",
        description="An HMAC over what is sent, for the generic adapter.",
    )


def _claim() -> Schema:
    return text("What it must be, or hold.", "https://issuer.example.com", longest=500)


def _native_path() -> Schema:
    return {
        "title": "Path into what is sent",
        "description": "Names joined by dots; a number picks an entry of a list.",
        "type": ["string", "number"],
        "maxLength": 300,
        "pattern": r"^[^.]+(?:\.[^.]+)*$",
        "examples": ["order.id", "lines.0.sku"],
    }


def _native_paths() -> Schema:
    return {
        "title": "Path or paths into what is sent",
        "description": "One path, or several of which the first that is there and not null wins.",
        "anyOf": [ref("NativePath"), list_of(ref("NativePath"), least=1, most=MOST_ENTRIES)],
        "examples": ["order.id", ["order.id", "order_id"]],
    }


def _mapped_type() -> Schema:
    return {
        "title": "Event type",
        "description": f"<entity>.<verb> such as order.created, or {IGNORE} for what is not taken.",
        "type": "string",
        "pattern": f"^(?:{TYPE.pattern}|{IGNORE})$",
        "examples": ["order.created", IGNORE],
    }


def _amount() -> Schema:
    return fields(
        {"path": described(ref("NativePaths"), "Where the amount is.")},
        {
            "currency": described(ref("NativePaths"), "Where its currency is."),
            "minor_units": flag("Whether it counts cents, or what its currency has.", default=False),
        },
        title="Amount",
    )


def _rules() -> dict[str, Schema]:
    return {
        "fields": described(ref("MappedFields"), "What stands in `data` under which name."),
        "correlation": described(ref("MappedFields"), "What ties it to other systems, strongest first."),
        "amount": described(ref("MappedAmount"), "What it is worth."),
    }


def _mapping() -> Schema:
    time: Schema = {
        "description": "When it occurred: a path, or one with the format of the time. By default RFC 3339.",
        "anyOf": [
            ref("NativePaths"),
            fields(
                {"path": described(ref("NativePaths"), "Where the time is.")},
                {"format": choice_of("How it is written.", *TIME_FORMATS)},
                title="Time",
            ),
        ],
        "examples": ["occurred_at", {"path": "created", "format": "epoch_s"}],
    }
    type_: Schema = {
        "description": "The system's own word for what happened: a path, or {value: …} where all is of one type.",
        "anyOf": [
            ref("NativePaths"),
            fields({"value": described(ref("MappedType"), "The type of all events.")}, title="Type"),
        ],
        "examples": ["event", {"value": "order.created"}],
    }
    outcomes = {"type": "string", "enum": list(OUTCOMES)}
    rules = fields({}, _rules(), title="Rules")
    return fields(
        {},
        {
            "each": described(ref("NativePath"), "A list in the body of which each entry is an event."),
            "id": described(ref("NativePaths"), "The id of the event; of several paths all are joined."),
            "time": time,
            "type": type_,
            "types": mapping_of(ref("MappedType"), description="The system's words and the event types they become."),
            "outcomes": mapping_of(outcomes, description="The system's states and what they come to."),
            "for": mapping_of(rules, description="Rules for one entity, such as invoice, or one event type."),
            **_rules(),
        },
        title="Mapping",
        description="It adds to what the adapter knows, and precedes it.",
    )


def _sensitive() -> Schema:
    return fields(
        {},
        {
            "drop": described(ref("NativePaths"), "What is dropped, all of these."),
            "hash": described(ref("NativePaths"), "What is replaced by a keyed hash, all of these."),
            "key": described(ref("Secret"), "The key of the hashes."),
        },
        title="Sensitive",
        description="What is taken out of the body before anything of it is stored.",
    )


def _poll() -> Schema:
    name = text("A name in the words of the system.", longest=100) | {"pattern": f"^(?:{OBJECT.pattern})$"}
    return fields(
        {
            "url": text("The address of the system.", "https://acme.coupahost.com", longest=2000)
            | {"pattern": f"^(?:{ADDRESS.pattern})$"},
            "secret": described(ref("Secret"), "What the system knows us by, in the form that its page says."),
            "objects": {
                "description": "What is asked for, in the words of the system.",
                "anyOf": [name, list_of(name, least=1)],
                "examples": [["purchase_orders", "invoices"]],
            },
        },
        {
            "every": described(ref("Duration"), "How often it is asked, at least 5s. By default 1m."),
            "overlap": described(ref("Duration"), "By how much more than since the last time. By default 2m."),
            "lookback": described(ref("Duration"), "How far back it is asked the first time. By default 1d."),
            "scope": text("The scope of the token that is fetched first.", "core.invoice.read", longest=1000),
        },
        title="Poll",
        description="How a system that does not push is asked for what is new.",
    )
