"""Tables of who may do what: keys, people, sessions, and the audit log. None of it is derived from the log.

Nothing in them opens anything: of keys and sessions SHA-256 is kept, of passwords argon2.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from collector.store.metadata import metadata


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _time("created_at"),
    Column("created_by", Text, nullable=False),
    _time("expires_at", nullable=True),
    _time("revoked_at", nullable=True),
    _time("last_used_at", nullable=True),
    # Which workflows it may see (collector/access/sight.py); null is all.
    Column("sees", ARRAY(Text)),
    # How much it may bring a second; null is what the settings say, infinity as much as comes.
    Column("rate", Double),
    Index("ix_api_key_name", "name"),
)

rate_limited = Table(
    "rate_limited",
    metadata,
    # Whether it is a key or a source, and which.
    Column("by", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    _time("since"),
    _time("until"),
)

person = Table(
    "person",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),
    _time("created_at"),
    _time("changed_at"),
    _time("disabled_at", nullable=True),
    Column("sees", ARRAY(Text)),
    # Whether he may read what was sent as it came.
    Column("raw", Boolean, nullable=False, server_default=text("false")),
    # Whether somebody else chose the password: then it opens nothing but the form for another.
    Column("provisional", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="role_known"),
)

session = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("how", Text, nullable=False),
    _time("started_at"),
    _time("seen_at"),
    _time("expires_at"),
    Column("sees", ARRAY(Text)),
    Column("raw", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="role_known"),
)

# Triggers refuse to change, delete or truncate it; `before` and `after` are the JSON whose bytes are hashed.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    *(
        Column(name, Text, nullable=False)
        for name in ("actor", "how", "address", "action", "object", "before", "after")
    ),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
