"""Instances by what is known of them by name: a filter on an attribute, which stands in their progress.

An attribute is a name and a value beside each other in the progress as it is stored, and nowhere else is that name
followed by that value. So the bytes of both tell it, without the progress being read.
"""

from __future__ import annotations

import re

import msgspec
import sqlalchemy as sa

from collector.store.tables import instance
from slo_rules.progress import Scalar

MOST_CONDITIONS = 10
_SAID = re.compile(r"([^=!\x00]{1,200}?)(!?=)(.*)", re.DOTALL)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?[0-9]{1,17}(\.[0-9]{1,17})?(e[+-]?[0-9]{1,3})?")
_LONGEST = 500


class NotSaid(ValueError):
    """A condition that cannot be read."""


def of_attribute(said: str) -> sa.ColumnElement[bool]:
    """The condition that `NAME=VALUE` says, or `NAME!=VALUE`: the value is another one, or there is none.

    A value that looks like a number, or is true or false, is that as well as the text. Raises NotSaid.
    """
    found = _SAID.fullmatch(said)
    if found is None or len(said) > _LONGEST or "\x00" in said:
        raise NotSaid(f"write NAME=VALUE or NAME!=VALUE, at most {_LONGEST} characters")
    name, sign, value = found.groups()
    try:
        encoded = {msgspec.msgpack.encode(name) + msgspec.msgpack.encode(one) for one in _read(value)}
    except UnicodeEncodeError as error:
        raise NotSaid("it is no text") from error
    has = sa.or_(*(sa.func.pg_catalog.position(instance.c.progress, one) > 0 for one in sorted(encoded)))
    return has if sign == "=" else sa.not_(has)


def named_in(said: str) -> str | None:
    """The attribute that such a condition is about; None where it cannot be read."""
    found = _SAID.fullmatch(said)
    return found[1] if found else None


def spell_condition(name: str, value: Scalar) -> str | None:
    """What `of_attribute` reads as having this value; None where that cannot be said so."""
    spelled = str(value).lower() if isinstance(value, bool) else str(value)
    said = f"{name}={spelled}"
    found = _SAID.fullmatch(said)
    sayable = len(said) <= _LONGEST and found is not None and found.groups() == (name, "=", spelled)
    return said if sayable and "\x00" not in said else None


def _read(value: str) -> list[Scalar]:
    """All that a value may be."""
    found: list[Scalar] = [value]
    if value in ("true", "false"):
        found.append(value == "true")
    if _WHOLE.fullmatch(value):
        found.append(int(value))
    if _NUMBER.fullmatch(value):
        found.append(float(value))
    return found
